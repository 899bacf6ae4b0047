"""Making readable what is almost JSON, so that one odd value does not cost its page.

Used only after a strict reading failed, but for what says how a body is made. Everything else stays byte for byte.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from fetcher.core.errors import Cause, UpstreamError

CUT: Final = "cut or damaged"
_BOM: Final = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|-?Infinity|NaN', re.DOTALL)
"""A text, which ends where the body does if it is not closed: nobody looks for another beginning within it."""
_FLAW = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.|[\x00-\x1f]",
    re.DOTALL,
)
_LONE_LENGTH: Final = 6
_TEXT_BEGINS: Final = ord('"')
_FIRST_PRINTABLE: Final = 0x20
_DEPTH_OF_ROWS: Final = 2
MAX_FLAWS: Final = 200_000
"""More, and a body is damaged: a shop of 5,000 products has no more line feeds. Each grows from one byte to six."""
_PIECE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.DOTALL)
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


class _Flaw(NamedTuple):
    name: str
    begin: int
    end: int
    mended: bytes


def repaired(body: bytes) -> tuple[bytes, str]:
    """Return the body with its known flaws mended, and a note that counts them.

    NaN and Infinity become strings of that name; a control character inside a string becomes its escape; a lone
    surrogate becomes U+FFFD, as no decoder and no database can hold it.

    Raises:
        UpstreamError: There are more than `MAX_FLAWS`.
    """
    counts: Counter[str] = Counter()
    mended, end = bytearray(), 0
    for flaw in islice(_flaws(body), MAX_FLAWS + 1):
        counts[flaw.name] += 1
        mended += body[end : flaw.begin]
        mended += flaw.mended
        end = flaw.end
    if counts.total() > MAX_FLAWS:
        raise UpstreamError(Cause.NOT_JSON, CUT)
    mended += body[end:]
    return bytes(mended), ", ".join(f"{name} × {count}" for name, count in sorted(counts.items()))


def _flaws(body: bytes) -> Iterator[_Flaw]:
    for token in _TOKEN.finditer(body):
        begin, end = token.span()
        if body[begin] != _TEXT_BEGINS:
            yield _Flaw("not_a_number", begin, end, b'"%b"' % token.group())
            continue
        for found in _FLAW.finditer(body, begin, end):
            flaw = found.group()
            if flaw[0] < _FIRST_PRINTABLE:
                yield _Flaw("control_character", *found.span(), b"\\u%04x" % flaw[0])
            elif len(flaw) == _LONE_LENGTH:
                yield _Flaw("lone_surrogate", *found.span(), b"\\ufffd")


def is_crowded(body: bytes, *, most: int) -> bool:
    """Return whether an object, or almost one, has more than so many members and rows in its lists, all together."""
    if body.count(b",") <= most:
        return False
    depth = commas = 0
    for piece in _PIECE.finditer(body):
        token = piece.group()
        depth += (token in {b"[", b"{"}) - (token in {b"]", b"}"})
        commas += token == b"," and depth <= _DEPTH_OF_ROWS
        if commas > most:
            return True
    return False


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
