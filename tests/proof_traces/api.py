# SPDX-License-Identifier: Apache-2.0
"""An API server in Python with OpenTelemetry's own instrumentation of Celery: a request's span, and in it the chain of examples/python/producer.py.

    api.py COLLECTOR scan USER IMAGE TEXT | chat USER TEXT      prints the job's id and the trace's
"""

import pathlib
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/python"))

import producer  # noqa: E402  found by the path above


def main(collector, what, *values):
    spans = TracerProvider(resource=Resource.create({"service.name": "api"}))
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
    trace.set_tracer_provider(spans)
    CeleryInstrumentor().instrument()
    with trace.get_tracer("api").start_as_current_span(f"POST /{what}", kind=trace.SpanKind.SERVER) as request:
        job = {"scan": producer.scan, "chat": producer.chat}[what](*values, lang="en")
    spans.shutdown()
    print(job, format(request.get_span_context().trace_id, "032x"))


if __name__ == "__main__":
    main(*sys.argv[1:])
