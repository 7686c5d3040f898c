"""OpenTelemetry spans of what the relay does: counts, names of entities, reasons, durations. Nothing of a row, and no exception's text.

Belongs here: spans, and setting the SDK up where the standard variables ask for it. Not here: what is counted (relay/). The library is the extra `otel`; without it, or
without an exporter, a span costs a function call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from publisher.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

SCOPE = "publisher.relay"
SERVICE = "publisher"
FLUSH_SECONDS = 2
REMEDY = "install the extra: `pip install 'pushlake-publisher[otel]'`"

Said = int | str | Sequence[str]


class Saying(Protocol):
    """A span as the relay sees it."""

    @property
    def wanted(self) -> bool:
        """Whether anybody keeps it: what is only said needs not be gathered otherwise."""
        ...

    def say(self, said: Mapping[str, Said]) -> None:
        """Counts and names."""
        ...


class _Silent:
    wanted = False

    def say(self, said: Mapping[str, Said]) -> None:
        """Nobody listens."""


class _Spoken:
    def __init__(self, span: Span) -> None:
        self._span = span
        self.wanted = span.is_recording()

    def say(self, said: Mapping[str, Said]) -> None:
        self._span.set_attributes({f"publisher.{name}": value for name, value in said.items()})


SILENT = _Silent()


class Tracing:
    """Makes spans, or none."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, name: str) -> Iterator[Saying]:
        """A span around a step. What is raised in it is told by its class: the library would keep its text, with the values in it."""
        if self._tracer is None:
            yield SILENT
            return
        from opentelemetry.trace import StatusCode

        with self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
            try:
                yield _Spoken(span)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise


@contextmanager
def traced(endpoint: str | None) -> Iterator[Tracing]:
    """The process's tracing: of whoever instrumented it already, else to the endpoint that OTEL_EXPORTER_OTLP_ENDPOINT names, else none.

    What is not exported yet is given two seconds at the end. Raises SettingsError when an endpoint is set and the library is not there.
    """
    try:
        from opentelemetry import trace
    except ImportError:
        if endpoint:
            raise SettingsError(
                f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not there: {REMEDY}, or unset it"
            ) from None
        yield Tracing()
        return
    if type(trace.get_tracer_provider()).__name__ != "ProxyTracerProvider":  # set up by `opentelemetry-instrument`
        yield Tracing(trace.get_tracer(SCOPE))
        return
    if not endpoint:
        yield Tracing()
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry's exporter is not there: {REMEDY}, or unset it"
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=FLUSH_SECONDS)))
    try:
        yield Tracing(provider.get_tracer(SCOPE))
    finally:
        provider.force_flush(FLUSH_SECONDS * 1_000)
        provider.shutdown()
