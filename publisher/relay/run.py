"""Runs a relay from settings: sessions, keys, sink, and a new start after a lost connection.

Belongs here: wiring to the outside. Not here: the loop (loop.py), options (cli.py).
"""

from __future__ import annotations

import gc
import logging
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import boto3
import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from publisher.database import Connection, connect, reason_of, translate
from publisher.errors import SettingsError, TransientError
from publisher.keys import LocalKeyring, aws_keyring
from publisher.relay.lock import wait_for_lock
from publisher.relay.loop import Relay, Until
from publisher.relay.mark import Mark
from publisher.relay.pack import RECORD_LIMIT
from publisher.relay.releases import ReleaseSet, load_release_set
from publisher.relay.telling import Summary
from publisher.settings import Settings
from publisher.sinks.kinesis import KinesisSink, kinesis_client
from publisher.watch.outlook import Lookout
from publisher.watch.server import served
from publisher.watch.traces import traced
from publisher.watch.vitals import State, Vitals

logger = logging.getLogger("publisher.relay")

LOCK_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Keys:
    """The keys, and the release under them."""

    keyring: LocalKeyring
    release_set: ReleaseSet


def collect_seldom() -> None:
    """Tells Python's collector that what lives now lives on, and to look at the rest less often.

    A relay holds ten thousands of events that no cycle leads to; to look through them again and again took a sixth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def make_keyring(settings: Settings) -> Keys:
    """Loads contracts, then keys. Raises ContractError, SettingsError or TransientError, each in a sentence."""
    with readable_keys():
        session = boto3.Session(region_name=settings.region)
        keyring = aws_keyring(
            session.client("kms"), session.client("secretsmanager"),
            data_key_secret=settings.data_key_secret, pseudonym_secret=settings.pseudonym_secret,
        )  # fmt: skip
    return Keys(keyring, load_release_set(settings.contracts_dir, keyring))


@contextmanager
def readable_keys() -> Iterator[None]:
    """What AWS refuses while keys are fetched, in a sentence: SettingsError or TransientError."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "ClientError")
        remedy = "check PUBLISHER_DATA_KEY_SECRET, PUBLISHER_PSEUDONYM_SECRET and what the role may read"
        raise SettingsError(f"the keys cannot be read ({code}): {remedy}") from None
    except BotoCoreError as error:
        remedy = "check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and the AWS credentials"
        raise TransientError(f"the keys cannot be fetched ({type(error).__name__}): {remedy}") from None


def make_sink(settings: Settings) -> KinesisSink:
    """Raises SettingsError or TransientError when the stream cannot be used."""
    sink = KinesisSink(kinesis_client(settings.region), settings.need_stream(), partial(kinesis_client, settings.region))
    limits = sink.check(RECORD_LIMIT)
    logger.info("stream", extra={"fields": {"shards": limits.shards, "record_kib": limits.record_kib}})
    return sink


def run_relay(settings: Settings, stop: threading.Event, *, once: bool = False, drain: bool = False) -> Summary:
    """Runs until stopped, or for one pass. A lost session loses its lock, so each new one begins from what the database knows.

    What is wrong at the very start is raised, in a sentence; a relay that has worked before tries again without end.
    """
    url = settings.need_database_url()
    settings.need_stream()
    keys = make_keyring(settings)
    sink = make_sink(settings)
    mark = Mark(lambda: sink.client, settings.need_stream())
    until = Until.ACCOUNTED if drain else Until.SENT if once else Until.STOPPED
    losses, worked = 0, False
    collect_seldom()
    # Only a relay that stays is watched: a drain beside it must not ask for its port.
    port = settings.metrics_port if until is Until.STOPPED else None
    vitals = Vitals(keys.release_set.contracts, watched=port is not None)
    with ExitStack() as stack:
        tracing = stack.enter_context(traced(settings.traces_endpoint))
        if port is not None:
            stack.enter_context(
                served(vitals, address=settings.metrics_address, port=port, limit_seconds=settings.oldest_limit_seconds)
            )
        while not stop.is_set():
            vitals.turned()
            try:
                with connect(url, "relay") as connection:
                    _become_relay(connection, stop, until, vitals)
                    worked = True
                    relay = Relay(
                        connection, keys.release_set, sink, manifest_seconds=settings.manifest_seconds, stop=stop,
                        mark=mark, vitals=vitals, tracing=tracing,
                    )  # fmt: skip
                    return relay.run(until)
            except (psycopg.Error, TransientError) as error:
                known = translate(error, "relay") if isinstance(error, psycopg.Error) else error
                if until is not Until.STOPPED or not worked or not isinstance(known, TransientError):
                    raise known from None
                losses += 1
                vitals.is_now(State.LOST)
                reason = reason_of(error) if isinstance(error, psycopg.Error) else str(error)
                logger.warning("session lost: starting again", extra={"fields": {"reason": reason, "losses": losses}})
                stop.wait(random.uniform(0.1, min(10.0, 0.2 * 2 ** min(losses, 6))))  # noqa: S311
    return Summary()


def _become_relay(connection: Connection, stop: threading.Event, until: Until, vitals: Vitals) -> None:
    lookout = Lookout(connection, vitals)

    def standing_by() -> None:
        vitals.is_now(State.STANDBY)
        lookout.turn()

    patience = None if until is Until.STOPPED else LOCK_PATIENCE_SECONDS
    if not wait_for_lock(connection, stop, patience, standing_by) and not stop.is_set():
        raise TransientError("another relay works on this database: stop it, or use `publisher manifest` beside it")
    vitals.is_now(State.STARTING)
