"""`publisher risk`.

Belongs here: arguments, and the table for a terminal. Not here: the assessment (assess.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from publisher.console import known, read_settings, session, stopping
from publisher.relay.run import make_keyring
from publisher.risk.assess import Assessment, assess
from publisher.risk.assign import Classes


@click.command("risk")
@click.argument("entities", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say how large the groups are: change nothing, send nothing.")
def risk_command(entities: tuple[str, ...], dry_run: bool) -> None:
    """Count the people behind each combination of a k-group's values, and coarsen what too few share. Run it on a schedule.

    Rows whose combination gets another step are sent again. Until it has run once, k-groups say nothing.
    """
    settings = read_settings()
    keys = make_keyring(settings)
    loaded = keys.release_set.contracts
    known(entities, loaded)
    with session(settings, "risk") as connection, stopping() as stop:
        found = [
            each
            for entity in entities or loaded
            if not stop.is_set()
            for each in assess(
                connection,
                loaded,
                keys.release_set.release,
                entity,
                dry_run=dry_run,
                stop=stop,
                report=partial(click.echo, err=True),
            )
        ]
    click.echo(as_text(found))


def as_text(found: Sequence[Assessment]) -> str:
    """How large the groups are, before and after; how many people leave at each step."""
    lines: list[str] = []
    for each in found:
        group, before, after = each.group, each.before, each.after
        lines += [
            f"{group.entity}, k-group {group.name} ({', '.join(f.name for f in group.fields)}): k = {group.k}, {after.people:,} people",
            f"  as they are   {_sizes(before)}; {_share(each.people_below_k, after.people)} of the people in groups below k",
            f"  as they leave {_sizes(after)}; {_share(after.silent, after.people)} of the people say nothing",
        ]
        lines += [
            f"    {_share(people, after.people):>6}  {group.words(step)}" for step, people in enumerate(after.by_step) if people
        ]
        if 0 < after.silent < group.k:
            lines.append(
                f"  Only {after.silent} people say nothing, and there is nobody to hide them among: the table has too few people."
            )
    return "\n".join(lines) or "No contract has a k-group."


def _sizes(classes: Classes) -> str:
    return f"{classes.groups:>9,} groups, the smallest of {classes.smallest:,}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
