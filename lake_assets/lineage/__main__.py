"""`python -m lake_assets.lineage --out .lake/lineage.html`: writes the lineage page from the contracts and the gold SQL."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lake_assets.gold.errors import GoldError
from lake_assets.gold.load import GOLD_DIR, load_gold
from lake_assets.lineage.build import build_lineage
from lake_assets.lineage.page import render_page
from publisher.contracts import load_contracts
from publisher.errors import ContractError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lake_assets.lineage", description="Writes the page of column lineage.")
    parser.add_argument("--out", type=Path, default=Path(".lake/lineage.html"), help="the file to write")
    parser.add_argument(
        "--contracts", type=Path, default=Path(os.environ.get("CONTRACTS_DIR", "contracts")), help="the folder of contracts"
    )
    parser.add_argument("--gold", type=Path, default=GOLD_DIR, help="the folder of gold SQL files")
    parser.add_argument("--contracts-page", default=None, help="a link to the page of what leaves the platform")
    given = parser.parse_args(argv)
    if not given.gold.is_dir():
        parser.error(f"there is no folder {given.gold}: give --gold a folder of SQL files")
    try:
        contracts = load_contracts(given.contracts)
        lineage = build_lineage(contracts, load_gold(contracts, given.gold))
    except (ContractError, GoldError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(render_page(lineage, given.contracts_page), encoding="utf-8")
    except OSError as error:
        parser.error(f"{given.out} cannot be written ({error.strerror}): give --out a file that may be")
    sys.stdout.write(f"{given.out}: {len(lineage.columns)} columns, {len(lineage.edges)} ways between them\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
