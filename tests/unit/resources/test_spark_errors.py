"""Proves that what Spark's transport raises by itself becomes SparkFailed, without its text."""

from __future__ import annotations

import grpc
import pytest

from resources.errors import SparkFailed
from resources.spark import spark_errors


class Lost(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "plain-value"


def test_a_connection_that_is_lost_while_rows_are_sent_is_named_and_its_text_is_not_told() -> None:
    with pytest.raises(SparkFailed) as raised, spark_errors("reading the lines of batch 7"):
        raise Lost("plain-value")
    assert raised.value.condition == "UNAVAILABLE"
    assert "batch 7" in str(raised.value)
    assert "plain-value" not in str(raised.value)
    assert raised.value.__suppress_context__
