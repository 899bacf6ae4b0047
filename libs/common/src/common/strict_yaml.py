"""YAML in which no key stands twice in a block: of the two the first would be lost without a word."""

from collections.abc import Hashable

import yaml


class StrictLoader(yaml.SafeLoader):
    """Loads what `yaml.SafeLoader` does, and raises `yaml.MarkedYAMLError` for a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - the library's signature
        """Return a block."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
