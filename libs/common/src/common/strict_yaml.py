"""YAML in which no key stands twice in a block: of the two the first would be lost without a word.

A value that cannot be read, such as the day 2026-13-45, has its line like any other mistake.
"""

from collections.abc import Hashable
from typing import Any

import yaml


class StrictLoader(yaml.SafeLoader):
    """Loads what `yaml.SafeLoader` does, and raises `yaml.MarkedYAMLError` for all that is wrong."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - the library's signature
        """Return what a node says."""
        try:
            return super().construct_object(node, deep=deep)
        except ValueError:
            said = "this is no day or number that can be; in quotes it is a text"
            raise yaml.MarkedYAMLError(problem=said, problem_mark=node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - the library's signature
        """Return a block."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
