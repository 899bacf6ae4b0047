"""Filters of the catalogue as SQL conditions over a row `p` of `processed_data`; every value is a bound parameter."""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.query import Condition, Match, words

LISTED: Final = "p.active_status = 0 AND p.is_complete"
"""What every list is limited to, and its partial indexes with it."""

_TAGGED: Final = (
    *("platform", "model", "engine_type", "transmission_type", "body_type"),
    *("drive_type", "color", "city", "is_dealer"),
)
TAGS: Final = f"offer_tags({', '.join(f'p.{name}' for name in _TAGGED)})"
"""What `processed_data_tags_idx` is made of."""

WORDS: Final = "p.words"
"""What `processed_data_words_idx` is made of."""

_COMPARED: Final[dict[Match, str]] = {
    Match.SAME: "{column} = {value}",
    Match.SAME_LETTERS: "lower({column}) = lower({value})",
    Match.AT_LEAST: "{column} >= {value}",
    Match.AT_MOST: "{column} <= {value}",
}


def where(conditions: Sequence[Condition], bound: Callable[[object], str]) -> list[str]:
    """Return the conditions that together mean these; `bound` takes a value and returns its placeholder."""
    found = [LISTED]
    tags = []
    for condition, value in zip(conditions, values_of(conditions), strict=True):
        if condition.filter.match is Match.WORDS:
            found.append(f"{WORDS} @@ lower({bound(value)}::text)::tsquery")
        elif _is_tag(condition, conditions):
            tags.append(f"lower({bound(value)}::text)")
        else:
            compared = _COMPARED[condition.filter.match]
            found.append(compared.format(column=f"p.{condition.filter.field}", value=bound(value)))
    if tags:
        found.append(f"{TAGS} @> ARRAY[{', '.join(tags)}]")
    return found


def values_of(conditions: Sequence[Condition]) -> list[object]:
    """Return what `where` binds for these conditions, in the same order."""
    return [_value(condition, conditions) for condition in conditions]


def _value(condition: Condition, conditions: Sequence[Condition]) -> object:
    if condition.filter.match is Match.WORDS:
        return _beginnings(str(condition.value))
    if _is_tag(condition, conditions):
        return f"{condition.filter.field} {condition.value}"
    return condition.value


def _is_tag(condition: Condition, conditions: Sequence[Condition]) -> bool:
    """Return whether the tags are asked; for a model with its mark another index is better."""
    field = condition.filter.field
    return field in _TAGGED and not (field == "model" and any(other.filter.field == "mark" for other in conditions))


def depends_on_values(conditions: Sequence[Condition]) -> bool:
    """Return whether the short way depends on the values; with a mark and a model, or no condition, it does not."""
    fields = {condition.filter.field for condition in conditions}
    return bool(fields) and not {"mark", "model"} <= fields


def _beginnings(text: str) -> str:
    """Return what finds all words of a text; one that another begins with is found with it, and costs as much again."""
    asked = list(dict.fromkeys(words(text)))
    longest = [word for word in asked if not any(other != word and other.startswith(word) for other in asked)]
    return " & ".join(f"'{word}':*" for word in longest)
