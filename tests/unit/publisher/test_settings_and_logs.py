"""Settings say what is missing and what to set; logs hold names and counts, never a library's message."""

from __future__ import annotations

import json
import logging

import psycopg
import pytest

from publisher.database import ident, quoted, reason_of, translate
from publisher.errors import InstallError, SettingsError, TransientError
from publisher.logs import JsonFormatter
from publisher.settings import Settings


def test_defaults_are_those_of_the_design() -> None:
    settings = Settings.read({})
    assert (settings.region, settings.manifest_seconds, str(settings.contracts_dir)) == ("eu-west-2", 10.0, "contracts")
    assert (settings.data_key_secret, settings.pseudonym_secret) == ("platform/data-key", "platform/pseudonym-key")


@pytest.mark.parametrize("name", ["PLATFORM_DATABASE_URL", "LAKE_STREAM"])
def test_a_missing_setting_says_its_name_and_what_to_set(name: str) -> None:
    settings = Settings.read({name: ""})
    need = {"PLATFORM_DATABASE_URL": settings.need_database_url, "LAKE_STREAM": settings.need_stream}[name]
    with pytest.raises(SettingsError, match=f"^{name} is not set: set it to "):
        need()


@pytest.mark.parametrize("value", ["often", "0", "-1", "1e9", "nan"])
def test_an_unusable_number_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="PUBLISHER_MANIFEST_SECONDS"):
        Settings.read({"PUBLISHER_MANIFEST_SECONDS": value})


def test_an_exception_is_logged_by_its_class_only() -> None:
    try:
        int("ada@example.org")
    except ValueError as error:
        record = logging.LogRecord("publisher", logging.ERROR, "f", 1, "failed", None, (type(error), error, None))
    record.fields = {"events": 3}
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["error"], entry["events"], entry["level"]) == ("ValueError", 3, "error")
    assert "ada" not in json.dumps(entry)


def test_database_errors_are_told_by_class_and_code() -> None:
    assert reason_of(psycopg.errors.UniqueViolation("Key (email)=(ada@example.org)")) == "UniqueViolation 23505"
    assert isinstance(translate(psycopg.errors.UndefinedTable("x"), "status"), InstallError)
    assert isinstance(translate(psycopg.errors.InsufficientPrivilege("x"), "install"), InstallError)
    found = translate(psycopg.OperationalError("server closed, ada@example.org"), "relay")
    assert isinstance(found, TransientError)
    assert "ada" not in str(found)


def test_names_are_quoted() -> None:
    assert ident('a"b') == '"a""b"'
    assert quoted("it's") == "'it''s'"


@pytest.mark.parametrize("value", ["no", "0", "65536", "-1", "1.5", "²"])
def test_an_unusable_port_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="PUBLISHER_METRICS_PORT is not a port"):
        Settings.read({"PUBLISHER_METRICS_PORT": value})


def test_nobody_listens_unless_told_to() -> None:
    settings = Settings.read({})
    assert (settings.metrics_port, settings.metrics_address, settings.oldest_limit_seconds) == (None, "127.0.0.1", 300.0)
    assert settings.traces_endpoint is None
