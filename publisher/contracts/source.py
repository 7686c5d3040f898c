"""Reads a contract's YAML and remembers where each thing stands, so that every problem can name its line.

Belongs here: YAML to plain data with positions. Not here: what the data means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from publisher.contracts.problems import Problem

Where = tuple[str | int, ...]
"""The way to a value: keys and indexes from the top of the file."""


@dataclass
class ContractSource:
    """One file as plain data. `problems` holds what could not even be read."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Where, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, where: Where) -> int:
        """The line of a value, or of the nearest thing around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def problem(self, where: Where, field_name: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, self.line(where), field_name, message, remedy))


class _Loader(yaml.SafeLoader):
    """Dates stay text: the standard has them as strings, and a version such as 1.0.0 must never become a number."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_source(path: Path) -> ContractSource:
    """Reads one file. Never raises for its content: what is wrong stands in `problems`."""
    source = ContractSource(file=path.name)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        source.problem((), "", "the file is not UTF-8", "Save it as UTF-8 text")
        return source
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            source.problem((), "", "the file is empty", "Write a contract, or delete the file")
            return source
        for where, found in _walk(node, ()):
            source.lines.setdefault(where, found.start_mark.line + 1)
        for mapping, where, key in _doubled(node, ()):
            source.lines[(*where, key)] = mapping.start_mark.line + 1
            source.problem((*where, key), str(key), "the key stands twice", "Keep one of them")
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        source.problems.append(
            Problem(path.name, line, "", f"not readable as YAML ({error.problem})", "Mend the file at this line")
        )
        return source
    except yaml.YAMLError:
        source.problem((), "", "not readable as YAML", "Mend the file")
        return source
    finally:
        loader.dispose()
    if isinstance(data, dict):
        source.data = data
    else:
        source.problem((), "", "the file holds no mapping", "Write a contract that begins with apiVersion: v3.2.0")
    return source


def _walk(node: yaml.Node, where: Where) -> Iterator[tuple[Where, yaml.Node]]:
    yield where, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*where, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*where, index))


def _doubled(node: yaml.Node, where: Where) -> Iterator[tuple[yaml.Node, Where, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key, where, key.value
            seen.add(key.value)
            yield from _doubled(value, (*where, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _doubled(value, (*where, index))
