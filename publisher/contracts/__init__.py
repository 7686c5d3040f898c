"""Release contracts: what may leave the platform, and nothing else may.

The path through this package: source.py reads a file with its line numbers; schema.py and form.py hold it against the Open Data Contract
Standard; build.py, with columns.py and fields.py, makes the typed Contract of it; across.py asks what one file alone cannot answer.
model.py is what all others use, vocabulary/ how a value is derived. check.py is the way in.
"""

from publisher.contracts.check import check_contracts, load_contracts
from publisher.contracts.model import (
    Contract,
    Derivation,
    Domain,
    Field,
    SourceColumn,
    SubjectStep,
)
from publisher.contracts.page import render_page
from publisher.contracts.problems import Problem

__all__ = [
    "Contract",
    "Derivation",
    "Domain",
    "Field",
    "Problem",
    "SourceColumn",
    "SubjectStep",
    "check_contracts",
    "load_contracts",
    "render_page",
]
