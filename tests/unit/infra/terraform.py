"""infra/*.tf as data. Belongs here: parsing, and finding references. Not here: what is demanded of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcl2

INFRA = Path(__file__).parents[3] / "infra"
OPTIONS = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
REFERENCE = re.compile(r"\b(?:data\.aws_\w+\.\w+|aws_\w+\.\w+|var\.\w+|local\.\w+)")
Block = dict[str, Any]


@dataclass
class Terraform:
    """All files together. Resources and data sources by address: `aws_sqs_queue.landed`, `data.aws_iam_policy_document.lake`."""

    resources: dict[str, Block] = field(default_factory=dict)
    variables: dict[str, Block] = field(default_factory=dict)
    outputs: dict[str, Block] = field(default_factory=dict)
    locals: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path = INFRA) -> Terraform:
        """Raises AssertionError for a name that stands twice: Terraform refuses that."""
        found = cls()
        for path in sorted(folder.glob("*.tf")):
            document = hcl2.loads(path.read_text(encoding="utf-8"), serialization_options=OPTIONS)
            for prefix, kind in (("", "resource"), ("data.", "data")):
                for block in document.get(kind, []):
                    ((type_, named),) = block.items()
                    ((name, body),) = named.items()
                    _add(found.resources, f"{prefix}{type_}.{name}", body)
            for into, kind in ((found.variables, "variable"), (found.outputs, "output")):
                for block in document.get(kind, []):
                    ((name, body),) = block.items()
                    _add(into, name, body)
            for block in document.get("locals", []):
                for name, value in block.items():
                    _add(found.locals, name, value)
        return found

    def addresses(self) -> set[str]:
        """All that an expression may refer to."""
        return {*self.resources, *(f"var.{name}" for name in self.variables), *(f"local.{name}" for name in self.locals)}

    def statements(self, document: str) -> list[Block]:
        """The statements of a policy document."""
        return list(self.resources[f"data.aws_iam_policy_document.{document}"]["statement"])

    def allowed(self, document: str) -> set[str]:
        """The actions that a policy document allows."""
        return {a for s in self.statements(document) if s.get("effect", "Allow") == "Allow" for a in s["actions"]}


def references(value: Any) -> set[str]:
    """Everything that an expression, or a block with all within it, refers to."""
    return {found for text in strings(value) for found in REFERENCE.findall(text)}


def strings(value: Any) -> Iterator[str]:
    """All texts within a block, names of attributes included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def _add(into: dict[str, Any], name: str, value: Any) -> None:
    assert name not in into, f"{name} stands twice"
    into[name] = value
