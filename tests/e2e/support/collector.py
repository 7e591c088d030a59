# SPDX-License-Identifier: Apache-2.0
"""A collector that takes spans by OTLP over HTTP, reads them with OpenTelemetry's own classes, and answers what a test wants."""

import types

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .http import Reply
from .provider import Provider

KINDS = {1: "internal", 3: "client", 4: "producer", 5: "consumer"}


def values(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def span_of(span):
    return types.SimpleNamespace(
        trace=span.trace_id.hex(), id=span.span_id.hex(), parent=span.parent_span_id.hex(), name=span.name, kind=KINDS[span.kind],
        begin=span.start_time_unix_nano, end=span.end_time_unix_nano, failed=span.status.code == 2, has=values(span.attributes),
        events=[(event.name, values(event.attributes)) for event in span.events])


class Collector(Provider):
    """`answer_with(request)` gives the reply; what it takes are the spans of all requests."""

    def __init__(self, loop):
        super().__init__(loop)
        self.answer_with = lambda request: Reply()

    def settings(self):
        return {"CHARD_OTLP_URL": f"http://127.0.0.1:{self.port}"}

    def _reply(self, request):
        assert (request.method, request.path) == ("POST", "/v1/traces") and request.headers["content-type"] == "application/x-protobuf"
        return self.answer_with(request)

    def spans(self):
        read = [ExportTraceServiceRequest.FromString(request.body) for request in self.requests]
        return [span_of(span) for request in read for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]

    def resources(self):
        return [values(resource.resource.attributes) for request in self.requests
                for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans]
