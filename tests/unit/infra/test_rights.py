"""Each role may do what its code calls and no more, and the lake has nothing of the platform."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import boto3
import pytest

from tests.unit.infra.terraform import Terraform, references

ROOT = Path(__file__).parents[3]
PLATFORM = ("aws_kms_key.platform", "aws_secretsmanager_secret", "aws_kms_alias.platform")
CLIENT = re.compile(r"(?:^|\.)_?(?:client|kinesis|kms|s3|secrets|sqs)$")
NEEDS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}
"""Where a request's right has another name; see the service authorization reference."""

BY_HAND = {"secretsmanager:PutSecretValue"}
"""`publisher keys rotate --make`: whoever runs it brings this right along, so that a relay that was taken over can change no key."""


@cache
def operations(service: str) -> dict[str, str]:
    """boto3's method to the API's operation."""
    client = boto3.client(service, region_name="eu-west-2", aws_access_key_id="-", aws_secret_access_key="-")
    return dict(client.meta.method_to_api_mapping)


def requested(folder: str, *services: str) -> set[str]:
    """The rights that the code below a folder needs for what it asks of these services."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for name in _called(ast.parse(path.read_text(encoding="utf-8"))):
            for service in services:
                if name in operations(service):
                    action = f"{service}:{operations(service)[name]}"
                    found.add(NEEDS.get(action, action))
    return found


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        # `cipher.decrypt` is nobody's right: only what is called on a client counts.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and CLIENT.search(ast.unparse(node.func.value)):
            yield node.func.attr
            if node.func.attr == "get_paginator":
                yield ast.literal_eval(node.args[0])


def test_the_publisher_may_do_exactly_what_its_code_asks_for(terraform: Terraform) -> None:
    asked = requested("publisher", "kinesis", "kms", "secretsmanager")
    assert asked >= BY_HAND
    assert terraform.allowed("publisher") == asked - BY_HAND


def test_the_publisher_has_one_stream_one_key_and_two_secrets(terraform: Terraform) -> None:
    resources = {s["sid"]: s["resources"] for s in terraform.statements("publisher")}

    assert resources == {
        "PutIntoTheStream": ["${aws_kinesis_stream.events.arn}"],
        "UnwrapTheDataKey": ["${aws_kms_key.platform.arn}"],
        "ReadBothSecrets": ["${aws_secretsmanager_secret.data_key.arn}", "${aws_secretsmanager_secret.pseudonym_key.arn}"],
    }


def test_the_lake_may_do_what_its_code_asks_of_queue_and_buckets(terraform: Terraform) -> None:
    allowed = terraform.allowed("lake")

    assert {a for a in allowed if a.startswith("sqs:")} == requested("resources", "sqs")
    assert {"s3:ListBucket", "s3:GetObject", "s3:PutObject"} <= requested("resources", "s3") <= allowed


def test_the_lake_reads_raw_objects_and_changes_them_only_as_an_erasure_must(terraform: Terraform) -> None:
    on_landing = {
        action
        for statement in terraform.statements("lake")
        if statement.get("effect") != "Deny" and "aws_s3_bucket.landing" in references(statement)
        for action in statement["actions"]
    }

    erasure = {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObjectVersion", "s3:ListBucketVersions", "s3:PutObject"}
    assert on_landing == {"s3:GetObject", "s3:ListBucket"} | erasure


def test_no_policy_of_the_lake_names_a_key_or_secret_of_the_platform(terraform: Terraform) -> None:
    of_the_lake = {
        address: body
        for address, body in terraform.resources.items()
        if address.startswith(("aws_iam_role_policy", "aws_iam_policy")) and "aws_iam_role.lake" in references(body)
    }
    assert list(of_the_lake) == ["aws_iam_role_policy.lake"]

    assert not [
        name for name in references(terraform.resources["data.aws_iam_policy_document.lake"]) if name.startswith(PLATFORM)
    ]
    for document in ("platform_key", "data_key_readers", "pseudonym_key_readers"):
        assert "aws_iam_role.lake" not in references(terraform.statements(document))


@pytest.mark.parametrize(
    "action",
    ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret", "kms:Decrypt", "kms:CreateGrant", "kinesis:GetRecords"],
)
def test_the_lake_is_refused_secrets_other_keys_and_the_stream_outright(terraform: Terraform, action: str) -> None:
    refusing = [
        statement
        for statement in terraform.statements("lake")
        if statement.get("effect") == "Deny" and any(fnmatchcase(action, pattern) for pattern in statement["actions"])
    ]

    assert len(refusing) == 1
    assert "condition" not in refusing[0]
    covers = refusing[0].get("resources") == ["*"] or refusing[0].get("not_resources") == ["${aws_kms_key.lake.arn}"]
    assert covers


def test_the_platforms_key_is_opened_by_no_policy_but_its_own(terraform: Terraform) -> None:
    uses = ("kms:Decrypt", "kms:Encrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:CreateGrant")
    openers = {}
    for statement in terraform.statements("platform_key"):
        assert statement.get("effect", "Allow") == "Allow"
        opened = {use for use in uses for pattern in statement["actions"] if fnmatchcase(use, pattern)}
        if opened:
            openers[statement["sid"]] = references(statement["principals"])

    assert openers == {
        "PlatformDecrypts": {"aws_iam_role.publisher", "var.application_role_arns"},
        "OperatorsWriteSecrets": {"var.key_operator_role_arns"},
    }


def test_the_pseudonym_key_is_readable_by_the_publisher_only(terraform: Terraform) -> None:
    (refusal,) = terraform.statements("pseudonym_key_readers")

    assert (refusal["effect"], refusal["actions"]) == ("Deny", ["secretsmanager:GetSecretValue"])
    assert refusal["condition"] == [
        {"test": "StringNotEquals", "variable": "aws:PrincipalArn", "values": ["${aws_iam_role.publisher.arn}"]}
    ]
    policy = terraform.resources["aws_secretsmanager_secret_policy.pseudonym_key"]
    assert references(policy) == {"aws_secretsmanager_secret.pseudonym_key", "data.aws_iam_policy_document.pseudonym_key_readers"}


def test_no_key_ever_stands_in_the_state(terraform: Terraform) -> None:
    kinds = {address.removeprefix("data.").split(".")[0] for address in terraform.resources}

    assert not kinds & {
        "aws_secretsmanager_secret_version",
        "aws_kms_ciphertext",
        "aws_kms_secrets",
        "aws_ssm_parameter",
        "random_bytes",
    }


def test_firehose_writes_below_its_two_prefixes_only(terraform: Terraform) -> None:
    writes = [s for s in terraform.statements("firehose") if "s3:PutObject" in s["actions"]]

    assert [s["resources"] for s in writes] == [["${aws_s3_bucket.landing.arn}/raw/*", "${aws_s3_bucket.landing.arn}/errors/*"]]
    assert "aws_s3_bucket.lake" not in references(terraform.statements("firehose"))


def test_what_cannot_be_made_again_is_not_destroyed_by_a_plan(terraform: Terraform) -> None:
    kept = (
        "aws_kms_key.platform",
        "aws_kms_key.lake",
        "aws_secretsmanager_secret.data_key",
        "aws_secretsmanager_secret.pseudonym_key",
    )
    for address in (*kept, "aws_s3_bucket.landing", "aws_s3_bucket.lake"):
        assert terraform.resources[address]["lifecycle"] == [{"prevent_destroy": True}], address
