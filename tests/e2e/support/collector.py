# SPDX-License-Identifier: Apache-2.0
"""A collector that takes spans and lines of the log by OTLP over HTTP, reads them with OpenTelemetry's own classes, and answers what a test wants."""

import types

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .http import Reply
from .provider import Provider

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


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
        assert request.method == "POST" and request.path in ("/v1/traces", "/v1/logs") and request.headers["content-type"] == "application/x-protobuf"
        return self.answer_with(request)

    def spans(self):
        read = [ExportTraceServiceRequest.FromString(request.body) for request in self.requests if request.path == "/v1/traces"]
        return [span_of(span) for request in read for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]

    def resources(self):
        return [values(resource.resource.attributes) for request in self.requests
                for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans if request.path == "/v1/traces"]

    def lines(self):
        read = [ExportLogsServiceRequest.FromString(request.body) for request in self.requests if request.path == "/v1/logs"]
        return [types.SimpleNamespace(
            level=line.severity_text, severity=line.severity_number, text=line.body.string_value, trace=line.trace_id.hex(), span=line.span_id.hex(),
            has=values(line.attributes)) for request in read for resource in request.resource_logs for scope in resource.scope_logs for line in scope.log_records]
