"""docs/deployment.md says what infra/ and the packages have."""

from __future__ import annotations

import tomllib

from publisher.keys import FORMAT, NONCE_BYTES, TAG_BYTES
from resources.lease import LEASE_SECONDS
from tests.unit.docs.pages import ROOT, page, rows, section
from tests.unit.infra.terraform import Terraform

PAGE = page("deployment.md")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_defaults_are_those_of_terraform() -> None:
    defaults = {name: body.get("default") for name, body in Terraform.load().variables.items()}
    said = {row[0]: row[1] for row in rows(section(PAGE, "## AWS"))}

    assert said == {
        "Kinesis": "on demand" if defaults["shards"] is None else f"{defaults['shards']} shards",
        "stream retention": f"{defaults['stream_retention_hours'] // 24} days",
        "Firehose interval": f"{defaults['firehose_buffer_seconds']} s",
        "Firehose size": f"{defaults['firehose_buffer_mib']} MiB",
        "raw objects": "the shortest retention of any contract"
        if defaults["raw_days"] is None
        else f"{defaults['raw_days']} days",
    }


def test_the_form_of_ciphertext_is_the_one_that_the_publisher_opens() -> None:
    assert (
        f"a byte {FORMAT[0]}, a nonce of {NONCE_BYTES} bytes, then AES-GCM's ciphertext with its tag of {TAG_BYTES} bytes" in PAGE
    )


def test_versions_and_times_are_those_of_the_code() -> None:
    pinned = dict(each.split("==") for each in PROJECT["dependencies"] if "==" in each)

    assert f"Spark {pinned['pyspark[connect]']} with Delta {pinned['delta-spark']}" in PAGE
    assert f"frozen for longer than {LEASE_SECONDS:.0f} seconds" in PAGE
    assert PROJECT["requires-python"] == ">=3.11,<3.15"
    assert "Python 3.11 to 3.14" in PAGE


def test_it_says_what_has_not_been_tried() -> None:
    assert "What has not: anything on AWS, and anything on Dagster+." in PAGE
