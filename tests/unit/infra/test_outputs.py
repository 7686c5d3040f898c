"""What Terraform hands over is what the processes read: names of the environment, and secrets in the form that the publisher opens."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
from pathlib import Path

import boto3
from botocore.stub import Stubber

from publisher.keys import aws_keyring, encrypt
from publisher.settings import REMEDY, Settings
from resources import settings as lake
from tests.unit.infra.terraform import INFRA, Terraform, references

README = (INFRA / "README.md").read_text(encoding="utf-8")
YOURS = {"PLATFORM_DATABASE_URL", "SPARK_REMOTE", "CONTRACTS_DIR"}
"""What no part of AWS knows."""

STUB = """#!/bin/sh
case "$*" in
  *generate-data-key-without-plaintext*) printf 'd3JhcHBlZA==' ;;
  *put-secret-value*PUBLISHER_DATA_KEY_SECRET*) cat > data ;;
  *put-secret-value*PUBLISHER_PSEUDONYM_SECRET*) cat > pseudonym ;;
  *) exit 2 ;;
esac
"""


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.add(name)
        return default


def test_every_name_that_comes_from_aws_is_an_output(terraform: Terraform) -> None:
    asked = Asked()
    Settings.read(asked)
    ours = ("PUBLISHER_MANIFEST", "PUBLISHER_METRICS", "PUBLISHER_OLDEST", "OTEL_")
    names = {name for name in asked.names if not name.startswith(ours)} - {"AWS_REGION"}

    assert {name for name in terraform.outputs if name.isupper()} == (names | set(REMEDY) | set(lake.ABOUT)) - YOURS
    assert all(f"`{name}`" in README for name in YOURS)


def test_each_output_is_of_the_part_that_it_names(terraform: Terraform) -> None:
    of = {name: references(body["value"]) for name, body in terraform.outputs.items()}

    assert of["LAKE_STREAM"] == {"aws_kinesis_stream.events"}
    assert of["LANDING_URI"] == {"aws_s3_bucket.landing"}
    assert of["LAKE_URI"] == {"aws_s3_bucket.lake"}
    assert of["LANDED_QUEUE_URL"] == {"aws_sqs_queue.landed"}
    assert of["PUBLISHER_DATA_KEY_SECRET"] == {"aws_secretsmanager_secret.data_key"}
    assert of["PUBLISHER_PSEUDONYM_SECRET"] == {"aws_secretsmanager_secret.pseudonym_key"}
    assert all(str(terraform.outputs[name]["value"]).startswith("s3://") for name in ("LANDING_URI", "LAKE_URI"))


def test_the_commands_of_the_readme_write_secrets_that_the_publisher_opens(tmp_path: Path) -> None:
    """The commands as they stand, with an `aws` and a `terraform` that write down what they are given."""
    (snippet,) = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "put-secret-value" in block]
    for name, script in (("aws", STUB), ("terraform", '#!/bin/sh\necho "$3"\n')):
        program = tmp_path / name
        program.write_text(script)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-euo", "pipefail", "-c", snippet], cwd=tmp_path, env={"PATH": path}, check=True, timeout=60)

    access = {"region_name": "eu-west-2", "aws_access_key_id": "-", "aws_secret_access_key": "-"}
    kms, secrets, data_key = boto3.client("kms", **access), boto3.client("secretsmanager", **access), b"k" * 32
    with Stubber(kms) as kms_stub, Stubber(secrets) as secrets_stub:
        kms_stub.add_response("decrypt", {"Plaintext": data_key}, {"CiphertextBlob": base64.b64decode("d3JhcHBlZA==")})
        for name in ("data", "pseudonym"):
            secrets_stub.add_response("get_secret_value", {"SecretString": (tmp_path / name).read_text()}, {"SecretId": name})
        keyring = aws_keyring(kms, secrets, data_key_secret="data", pseudonym_secret="pseudonym")

    assert keyring.decrypt(encrypt(data_key, "text")) == "text"
    assert re.fullmatch("[0-9a-f]{32}", keyring.pseudonym("customer", "7"))
