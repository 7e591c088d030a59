# SPDX-License-Identifier: Apache-2.0
"""A private OpenTelemetry Collector, Jaeger and VictoriaLogs. scripts/telemetry makes the programs."""

import json
import pathlib
import signal
import socket
import urllib.parse
import urllib.request

from guarded import Server, plain_environment

PROGRAMS = pathlib.Path(__file__).resolve().parents[2] / "build/telemetry/bin"


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(url, **parameters):
    """The body of a page."""
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
        return answer.read().decode()


class Jaeger(Server):
    """Keeps traces in memory, takes OTLP over HTTP, and is asked by its API."""

    kind = "jaeger"

    @property
    def otlp(self):
        return f"http://127.0.0.1:{self._known['otlp']}"

    def _start(self):
        ports = {name: self.port_for(name) for name in ("otlp", "grpc", "query", "admin", "query_grpc", "collector", "collector_grpc")}
        flags = {"collector.otlp.enabled": "true", "collector.otlp.http.host-port": ports["otlp"], "collector.otlp.grpc.host-port": ports["grpc"],
                 "query.http-server.host-port": ports["query"], "query.grpc-server.host-port": ports["query_grpc"], "admin.http.host-port": ports["admin"],
                 "collector.http-server.host-port": ports["collector"], "collector.grpc-server.host-port": ports["collector_grpc"]}
        self.launch([PROGRAMS / "jaeger", *(f"--{name}={'127.0.0.1:' * isinstance(value, int)}{value}" for name, value in flags.items())],
                    plain_environment(self.folder, SPAN_STORAGE_TYPE="memory"))
        self.wait_ready(lambda: answers(ports["otlp"]) and answers(ports["query"]), 30)

    def ask(self, path, **parameters):
        return json.loads(get(f"http://127.0.0.1:{self._known['query']}/api/{path}", **parameters))["data"]

    def trace(self, trace):
        """Its spans as the API gives them, each with the name of its service; none where it is not known."""
        try:
            found = self.ask(f"traces/{trace}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        return [span | {"service": one["processes"][span["processID"]]["serviceName"]} for one in found for span in one["spans"]]

    def spans(self, service):
        """Of all traces that this service has a part in."""
        return [span | {"service": one["processes"][span["processID"]]["serviceName"]}
                for one in self.ask("traces", service=service, limit=5000, lookback="1h") for span in one["spans"]]

    def stop(self):
        self.end(signal.SIGTERM, 15)


class VictoriaLogs(Server):
    """Takes lines of logs by OTLP, and is asked in LogsQL."""

    kind = "victorialogs"

    @property
    def url(self):
        return f"http://127.0.0.1:{self._known['port']}"

    def _start(self):
        port = self.port_for("port")
        self.launch([PROGRAMS / "victoria-logs", f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={self.make_folder('data')}"],
                    plain_environment(self.folder))
        self.wait_ready(lambda: answers(port), 30)

    def lines(self, query):
        """Fields of each line, as VictoriaLogs names them."""
        return [json.loads(line) for line in get(f"{self.url}/select/logsql/query", query=query, limit=100000).splitlines()]

    def stop(self):
        self.end(signal.SIGTERM, 15)


class Collector(Server):
    """Takes spans and lines by OTLP over HTTP and hands them to Jaeger and VictoriaLogs. `files`: receivers of log files, as its filelog receiver is configured."""

    kind = "otelcol"

    def __init__(self, jaeger, logs, files=None, folder=None):
        super().__init__(folder)
        self.jaeger, self.logs, self.files = jaeger, logs, files or {}

    def settings(self):
        return {"CHARD_OTLP_URL": self.url}

    @property
    def url(self):
        return f"http://127.0.0.1:{self._known['port']}"

    def _start(self):
        port = self.port_for("port")
        receivers = {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}} | {f"filelog/{name}": value for name, value in self.files.items()}
        config = self.write("otelcol.yaml", json.dumps({
            "receivers": receivers, "processors": {"batch": {"timeout": "200ms"}},
            "exporters": {"otlphttp/jaeger": {"endpoint": self.jaeger.otlp}, "otlphttp/logs": {"logs_endpoint": f"{self.logs.url}/insert/opentelemetry/v1/logs"}},
            "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["otlphttp/jaeger"]},
                "logs": {"receivers": list(receivers), "processors": ["batch"], "exporters": ["otlphttp/logs"]}}}}))
        self.launch([PROGRAMS / "otelcol", "--config", config], plain_environment(self.folder))
        self.wait_ready(lambda: answers(port), 30)

    def stop(self):
        self.end(signal.SIGTERM, 15)
