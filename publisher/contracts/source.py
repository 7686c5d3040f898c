"""Reads a contract's YAML and remembers where each thing stands, so that every problem can name its line.

Belongs here: YAML to plain data with positions. Not here: what the data means.

Only the plain part of YAML is read: no anchors, aliases, merge keys or explicit tags, so that a reader sees each thing where it stands,
and so that no tool can read the file otherwise. Messages never quote the file: it may by mistake hold a real value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from publisher.contracts.problems import Problem

CONFLICT = "a merge conflict stands here", "Resolve it: keep one of the two sides, or what both mean, and remove the marks"
_MARKER = re.compile(r"(?:<{7}|>{7})(?: |$)")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")

Where = tuple[str | int, ...]
"""The way to a value: keys and indexes from the top of the file."""

TEXTS_KEPT = 256
"""So many texts at most are remembered as they were understood: what one file says depends on its text alone."""


@dataclass
class ContractSource:
    """One file as plain data. `problems` holds all that was found wrong with it so far."""

    file: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Where, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, where: Where) -> int:
        """The line of a value, or of the nearest thing around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def problem(self, where: Where, message: str, remedy: str) -> None:
        """Adds a problem, and finds out its line and the name of its field."""
        self.problems.append(Problem(self.file, self.line(where), self.name(where), message, remedy))

    def name(self, where: Where) -> str:
        """`entity.field` of a position where the file names them, else its keys."""
        data: Any = self.data
        names: list[str] = []
        for step in where if where[:1] in {("schema",), ("slaProperties",)} else ():
            try:
                data = data[step]
            except (KeyError, IndexError, TypeError):
                break
            if isinstance(data, dict):
                names += [shown(data[key]) for key in ("name", "property") if isinstance(data.get(key), str)][:1]
        return ".".join(names or map(shown, where))


def shown(name: object) -> str:
    """A name as a message may show it: what does not look like one may be a value, and is not repeated."""
    return str(name) if _NAME.fullmatch(str(name)) else "(no plain name)"


class _Refused(yaml.YAMLError):
    """Valid YAML of a kind that a contract does without."""

    def __init__(self, event: yaml.Event, what: str, remedy: str) -> None:
        super().__init__(what)
        self.line = event.start_mark.line + 1 if event.start_mark else 1
        self.what = what
        self.remedy = remedy


class _Loader(yaml.SafeLoader):
    """Reads `true`, whole numbers and decimals as such, and all else as text: a version or a date must never become a number."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(event, "an anchor or alias", "Write the thing out where it belongs")
        if getattr(event, "tag", None):
            raise _Refused(event, "an explicit tag", "Remove what begins with !")
        return super().compose_node(parent, index)


for _tag, _form, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,17}", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), list(_first))


def read_source(path: Path) -> ContractSource:
    """Reads one file. Never raises for its content: what is wrong stands in `problems`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return ContractSource(
            path.name, problems=[Problem(path.name, line, "", "the file is not UTF-8", "Save it as UTF-8 text")]
        )
    except OSError as error:
        message = f"the file cannot be read ({type(error).__name__})"
        return ContractSource(path.name, problems=[Problem(path.name, 0, "", message, "Make it a readable file, or remove it")])
    return parse_source(path.name, text)


def parse_source(file: str, text: str) -> ContractSource:
    """The same for a text that is no file, such as one of a git revision."""
    parsed = _parsed(file, text)
    return replace(parsed, problems=list(parsed.problems))  # whoever checks it adds what it finds to a list of its own


@lru_cache(maxsize=TEXTS_KEPT)
def _parsed(file: str, text: str) -> ContractSource:
    """One diff reads a released text three times, as history, as base and as head: YAML took half of its time."""
    source = ContractSource(file, text)
    if lines := conflict_lines(text):
        source.problems += [Problem(file, line, "", *CONFLICT) for line in lines]
        return source
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                source.problem((), "the file is empty", "Write a contract, or delete the file")
                return source
            _remember(source, node)
            data = loader.construct_document(node) if not source.problems else {}
        finally:
            loader.dispose()
    except _Refused as error:
        source.problems.append(Problem(file, error.line, "", f"the file has {error.what}", error.remedy))
    except yaml.MarkedYAMLError as error:
        reason = re.sub(r"['\"].*['\"]", "…", str(error.problem))
        _unreadable(
            source, error.problem_mark or error.context_mark, f"not readable as YAML ({reason})", "Mend the file at this line"
        )
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        source.problems.append(Problem(file, line, "", "the file has a control character", "Remove it"))
    except RecursionError:
        source.problem((), "the file nests too deeply", "Write a contract of a few levels")
    else:
        if source.problems or isinstance(data, dict):
            source.data = data
        else:
            source.problem((), "the file holds no keys", "Write a contract that begins with apiVersion: v3.2.0")
    return source


def conflict_lines(text: str) -> list[int]:
    """The lines at which git left a merge conflict: where each begins, or what is left of one. A line of `=======` alone may be somebody's text."""
    marks = [(number, line[:7]) for number, line in enumerate(text.splitlines(), 1) if _MARKER.match(line)]
    begins = [number for number, mark in marks if mark == "<<<<<<<"]
    return begins or [number for number, mark in marks if mark == ">>>>>>>"]


def _unreadable(source: ContractSource, mark: yaml.Mark | None, message: str, remedy: str) -> None:
    source.problems.append(Problem(source.file, mark.line + 1 if mark else 1, "", message, remedy))


def _remember(source: ContractSource, node: yaml.Node) -> None:
    """Stores the line of everything, and adds a problem for keys that are doubled or no plain text."""
    for where, mark, value in _walk(node, (), node):
        line = mark.start_mark.line + 1
        if where in source.lines:
            name = shown(where[-1])
            source.problems.append(Problem(source.file, line, name, f"the key {name} stands twice", "Keep one of the two"))
        source.lines.setdefault(where, line)
        for key, _ in value.value if isinstance(value, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                message = "a key is no plain word"
                source.problems.append(
                    Problem(source.file, key.start_mark.line + 1, "", message, "Write a name before the colon")
                )


def _walk(node: yaml.Node, where: Where, mark: yaml.Node) -> Iterator[tuple[Where, yaml.Node, yaml.Node]]:
    """Everything in a file: the way to it from the top, the node at which it begins (its key, where it has one), the node itself."""
    yield where, mark, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*where, str(key.value)), key)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*where, index), item)
