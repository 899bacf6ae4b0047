"""Chinese names as Russian writes them: the system of Palladius, from syllables in pinyin."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_INITIALS: Final = "zh:чж ch:ч sh:ш b:б p:п m:м f:ф d:д t:т n:н l:л g:г k:к h:х j:цз q:ц x:с r:ж z:цз c:ц s:с"
_FINALS: Final = (
    "iang:ян iong:юн uang:уан iao:яо ian:янь ing:ин uai:уай uan:уань ang:ан eng:эн ong:ун ai:ай ei:эй ao:ао ou:оу "
    "an:ань en:энь er:эр ia:я ie:е iu:ю in:инь ua:уа uo:о ui:уй un:унь a:а o:о e:э i:и u:у"
)
_FRONTED: Final = "u:юй uan:юань un:юнь ue:юэ"
"""Finals after j, q, x and y."""
_WHOLE: Final = (
    "yi:и yin:инь ying:ин ye:е you:ю yan:янь wu:у wo:во wei:вэй hui:хуэй zi:цзы ci:цы si:сы lü:люй nü:нюй er:эр"
)
"""Syllables that follow no rule."""


def cyrillic(syllables: Sequence[str]) -> str:
    """Write a name; the hard sign between н and a vowel is left out.

    Raises:
        KeyError: A syllable is no pinyin.
    """
    return "".join(map(_syllable, syllables))


def _syllable(written: str) -> str:
    whole, initials, finals, fronted = map(_table, (_WHOLE, _INITIALS, _FINALS, _FRONTED))
    if written in whole:
        return whole[written]
    initial = next((found for found in initials if written.startswith(found)), "")
    final = written.removeprefix(initial)
    if written[0] == "y":
        return fronted[final[1:]] if final[1:] in fronted else finals["i" + final[1:]]
    if written[0] == "w":
        return "в" + finals[final[1:]]
    if initial in {"j", "q", "x"} and final in fronted:
        return initials[initial] + fronted[final]
    return initials.get(initial, "") + finals[final]


@lru_cache(maxsize=4)
def _table(pairs: str) -> dict[str, str]:
    return dict(pair.split(":", 1) for pair in pairs.split())
