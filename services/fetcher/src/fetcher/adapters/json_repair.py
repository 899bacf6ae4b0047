"""Making readable what is almost JSON, so that one odd value does not cost its page.

Used only after a strict reading failed. Everything else stays byte for byte.
"""

import re
from collections import Counter
from typing import Final

from fetcher.core.errors import Cause, UpstreamError

CUT: Final = "cut or damaged"
_BOM: Final = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?Infinity|NaN', re.DOTALL)
_FLAW = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.|[\x00-\x1f]",
    re.DOTALL,
)
_LONE_LENGTH: Final = 6
_PIECE = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_MEMBER = re.compile(rb'"((?:[^"\\]|\\.)*+)"\s*:\s*(.*)', re.DOTALL)


def as_utf8(body: bytes) -> tuple[bytes, str]:
    """Return the body as UTF-8 without a byte order mark, and a note where it was something else.

    Raises:
        UpstreamError: It is neither UTF-8 nor GB 18030, or it is cut within a character or damaged.
    """
    body = body.removeprefix(_BOM)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        is_flawed = error.reason == "unexpected end of data" or _is_damaged_utf8(body)
    else:
        return body, ""
    try:
        if not is_flawed:
            return body.decode("gb18030").encode("utf-8"), "read as GB 18030"
    except UnicodeDecodeError as error:
        is_flawed = error.reason == "incomplete multibyte sequence"
    if is_flawed:  # the next try may bring it whole
        raise UpstreamError(Cause.NOT_JSON, CUT)
    raise UpstreamError(Cause.BAD_ENCODING, "neither UTF-8 nor GB 18030")


def _is_damaged_utf8(body: bytes) -> bool:
    """Return whether most of the characters beyond ASCII are whole; GB 18030 would make others of them, unnoticed."""
    text = body.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    return sum(not character.isascii() for character in text) - damaged > damaged


def repaired(body: bytes) -> tuple[bytes, str]:
    """Return the body with its known flaws mended, and a note that counts them.

    NaN and Infinity become strings of that name; a control character inside a string becomes its escape; a lone
    surrogate becomes U+FFFD, as no decoder and no database can hold it.
    """
    counts: Counter[str] = Counter()

    def mend_token(match: re.Match[bytes]) -> bytes:
        token = match.group()
        if token.startswith(b'"'):
            return _FLAW.sub(mend_string, token)
        counts["not_a_number"] += 1
        return b'"' + token + b'"'

    def mend_string(match: re.Match[bytes]) -> bytes:
        flaw = match.group()
        if flaw[0] < 0x20:  # noqa: PLR2004 - the first printable character
            counts["control_character"] += 1
            return b"\\u%04x" % flaw[0]
        if len(flaw) == _LONE_LENGTH:
            counts["lone_surrogate"] += 1
            return b"\\ufffd"
        return flaw

    mended = _TOKEN.sub(mend_token, body)
    return mended, ", ".join(f"{name} × {count}" for name, count in sorted(counts.items()))


def elements(body: bytes) -> list[bytes]:
    """Cut what is almost a JSON array into its elements as they came; of an object these are its members."""
    found, depth, begin = [], 0, 0
    for piece in _PIECE.finditer(body):
        token = piece.group()
        if token in {b"[", b"{"}:
            depth += 1
            begin = piece.end() if depth == 1 else begin
        elif depth == 1 and token in {b",", b"]", b"}"}:
            found.append(body[begin : piece.start()].strip())
            begin = piece.end()
        depth -= token in {b"]", b"}"}
    return [element for element in found if element]


def members(body: bytes) -> dict[str, bytes]:
    """Cut what is almost a JSON object into key → value as they came; nothing of anything else."""
    if not body.lstrip().startswith(b"{"):
        return {}
    found = filter(None, map(_MEMBER.match, elements(body)))
    return {member[1].decode("utf-8", "replace"): member[2] for member in found}
