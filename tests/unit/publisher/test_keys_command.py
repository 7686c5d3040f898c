"""`publisher keys rotate` and `publisher risk` where AWS gives no keys: the same sentence, and no stack."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from click.testing import CliRunner

from publisher.cli import cli
from publisher.errors import SettingsError, TransientError

CONTRACTS = Path(__file__).parents[3] / "contracts"
DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")


class Refusing:
    """A session of AWS whose clients fail as they would."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def client(self, service: str) -> object:
        raise self.error


@pytest.mark.parametrize("command", [("keys", "rotate"), ("risk",)])
@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (NoCredentialsError(), TransientError, "the keys cannot be fetched (NoCredentialsError): check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and the AWS credentials"),
        (DENIED, SettingsError, "the keys cannot be read (AccessDeniedException): check PUBLISHER_DATA_KEY_SECRET"),
    ],
)  # fmt: skip
def test_keys_that_aws_does_not_give_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], error: Exception, kind: type[Exception], says: str
) -> None:
    monkeypatch.setenv("CONTRACTS_DIR", str(CONTRACTS))
    monkeypatch.setattr(boto3, "Session", lambda **_: Refusing(error))
    raised = CliRunner().invoke(cli, list(command)).exception
    assert isinstance(raised, kind), raised
    assert says in str(raised)
