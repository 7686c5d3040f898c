"""Silver against the platform's database, row by row and field by field.

Belongs here: the comparison. Not here: what is expected (oracle.py).
"""

from __future__ import annotations

from tests.integration.oracle import K_GROUP, may_say
from tests.integration.whole_path.path import WholePath


def silver_is_what_the_platform_says(path: WholePath, entity: str) -> None:
    """A k-group's fields may say less, and nothing else may differ."""
    expected, found = path.expected(entity), path.silver(entity)
    assert expected, "the traffic wrote no such rows: the comparison would prove nothing"
    assert found.keys() == expected.keys()
    for key, record in expected.items():
        coarse = K_GROUP if entity == "customers" else ()
        assert {name: found[key][name] for name in record if name not in coarse} == {
            name: value for name, value in record.items() if name not in coarse
        }
        assert all(found[key][name] in may_say(name, record[name]) for name in coarse)
