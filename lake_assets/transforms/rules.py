"""What the lake expects of each entity, made from the contracts: the one place where `lake_assets` turns them into rules.

Belongs here: contracts to rules. Not here: applying them (`validate.py` in Python, `canonical.py` in Spark), columns (`schemas.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lake_assets.transforms.fields import MAX_SEQ, EntityRule, FieldRule, Rules
from publisher.contracts import Contract, Field
from publisher.contracts.lasting import names_of, number
from publisher.contracts.model import PSEUDONYM_PATTERN
from publisher.wire import (
    BUCKETS,
    DELETES,
    MANIFEST,
    MANIFEST_VERSION,
    RISK,
    RISK_COUNTS,
    RISK_VERSION,
    STATE,
    STATE_VERSION,
    UPSERTS,
)

TOLD = {MANIFEST: "manifests", RISK: "risk", STATE: "states"}
"""What the publisher tells of itself, beside events: its entity on the wire, and its table in `ops`."""

_DIGEST = "^(0|[1-9][0-9]{0,19})$"
_PRECISION = {
    "second": None,
    "minute": "^[0-9-]{10}T[0-9]{2}:[0-9]{2}:00Z$",
    "hour": "^[0-9-]{10}T[0-9]{2}:00:00Z$",
}


def rules_of(contracts: Mapping[str, Contract], released: Iterable[Contract] = ()) -> Rules:
    """The rule of every entity, of the manifests that account for them, and of the reports on k-groups and on states.

    `released` are all versions that were ever released: events of those before the one in force are judged by them. Not of those after it,
    which a later deployment brings, nor of those under another pseudonym key, whose codes do not join.
    """
    released = list(released)
    rules = {entity: _all_versions(contract, released) for entity, contract in contracts.items()}
    renamed = {name: entity for entity in contracts for name in names_of(entity, [*contracts.values(), *released])[1:]}
    about = (*contracts, *renamed)
    for told, rule in {MANIFEST: _manifest_rule(about), RISK: _risk_rule(about), STATE: _state_rule(about)}.items():
        rules[told] = replace(rule, renamed=tuple(renamed.items()))
    return rules


def all_names(rules: Rules, entity: str) -> tuple[str, ...]:
    """The names that an entity has had, the present one first."""
    return (entity, *(was for was, now in rules[MANIFEST].renamed if now == entity))


def former_versions(contract: Contract, released: Iterable[Contract]) -> list[Contract]:
    """What was released of an entity before the contract in force and can still arrive, the newest first."""
    released = list(released)
    names = names_of(contract.entity, [contract, *released])
    mine = [c for c in released if c.entity in names and number(c.version) < number(contract.version)]
    return sorted((c for c in mine if c.key_version == contract.key_version), key=lambda c: number(c.version), reverse=True)


def _all_versions(contract: Contract, released: Iterable[Contract]) -> EntityRule:
    """The rule in force with the former ones; versions whose events look the same share one, so that a line is held against few."""
    found = [_entity_rule(contract)]
    for former in map(_entity_rule, former_versions(contract, released)):
        alike = next((at for at, rule in enumerate(found) if replace(rule, versions=former.versions) == former), None)
        if alike is None:
            found.append(former)
        else:
            found[alike] = replace(found[alike], versions=(*former.versions, *found[alike].versions))
    return replace(found[0], former=tuple(found[1:]))


def _entity_rule(contract: Contract) -> EntityRule:
    return EntityRule(
        entity=contract.entity,
        versions=(contract.version,),
        writes=tuple(sorted(UPSERTS)),
        deletes=tuple(sorted(DELETES)),
        has_subject=bool(contract.subject),
        key=FieldRule("key", "string", pattern=PSEUDONYM_PATTERN),
        subject=FieldRule("subject", "string", pattern=PSEUDONYM_PATTERN),
        seq=FieldRule("seq", "integer", minimum=1, maximum=MAX_SEQ),
        committed_at=FieldRule("committed_at", "timestamp", pattern=_PRECISION[contract.precision]),
        fields=tuple(_field_rule(field) for field in contract.fields),
    )


def _field_rule(field: Field) -> FieldRule:
    domain = field.domain
    return FieldRule(
        name=field.name,
        type=field.type,
        required=field.required,
        values=domain.values,
        pattern=domain.pattern,
        minimum=domain.minimum,
        maximum=domain.maximum,
        step=domain.step,
    )


def _count(name: str) -> FieldRule:
    return FieldRule(name, "integer", minimum=0, maximum=MAX_SEQ)


def _told(
    entity: str, versions: tuple[str, ...], op: str, about: tuple[str, ...], fields: tuple[FieldRule, ...], seq_field: str | None
) -> EntityRule:
    return EntityRule(
        entity=entity,
        versions=versions,
        writes=(op,),
        deletes=(),
        has_subject=False,
        key=FieldRule("key", "string", values=about),
        subject=FieldRule("subject", "string"),
        seq=_count("seq"),
        committed_at=FieldRule("committed_at", "timestamp"),
        fields=(FieldRule("of", "string", values=about), *fields),
        seq_field=seq_field,
    )


def _manifest_rule(entities: tuple[str, ...]) -> EntityRule:
    fields = (
        _count("seq_from"),
        _count("seq_to"),
        _count("revision"),
        FieldRule("closed_at", "timestamp"),
        _count("events"),
        _count("dead_letters"),
        FieldRule("digest", "string", pattern=_DIGEST),
        FieldRule("backfill_due", "boolean"),
        FieldRule("key_version", "integer", required=False, minimum=1, maximum=MAX_SEQ),  # 1.0.0 had none
    )
    return _told(MANIFEST, ("1.0.0", MANIFEST_VERSION), "manifest", entities, fields, "seq_to")


def _risk_rule(entities: tuple[str, ...]) -> EntityRule:
    named = FieldRule("kgroup", "string", pattern="^[a-z][a-z0-9_]{0,62}$")
    fields = (named, FieldRule("computed_at", "timestamp"), *map(_count, RISK_COUNTS))
    return _told(RISK, (RISK_VERSION,), "report", entities, fields, None)


def _state_rule(entities: tuple[str, ...]) -> EntityRule:
    fields = (
        FieldRule("bucket", "integer", minimum=0, maximum=BUCKETS - 1),
        _count("seq_low"),
        _count("seq_high"),
        FieldRule("as_of", "timestamp"),
        FieldRule("released_as", "string", pattern="^[0-9]+[.][0-9]+[.][0-9]+$"),
        _count("rows"),
        _count("unreleased"),
        FieldRule("digest", "string", pattern=_DIGEST),
    )
    return _told(STATE, (STATE_VERSION,), "report", entities, fields, None)
