# SPDX-License-Identifier: Apache-2.0
"""A double of Kafka Connect's REST interface: answers that have the shapes of the real one's, or any others."""

import http.server
import json
import threading

STATUS = {"name": "chard-outbox", "connector": {"state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "3.6.1.Final"},
          "tasks": [{"id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "3.6.1.Final"}], "type": "source"}


def refusal(status, message):
    return status, {"error_code": status, "message": message}


class ConnectDouble:
    """`answers`: what stands behind /connectors/NAME/, and the status and the body (bytes, or what becomes JSON) that it gets; what is not there is not found."""

    def __init__(self):
        double, self.answers, self.asked = self, {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                double.asked.append((self.path, self.headers.get("Authorization")))
                what = self.path.removeprefix("/connectors/chard-outbox/")
                status, body = double.answers.get(what, refusal(404, "Connector chard-outbox not found"))
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def have(self, config, status=None, lsn=None, at_us=1796000000123456):
        """Be one that has this connector."""
        self.answers = {"config": (200, {"name": "chard-outbox"} | config), "status": (200, status or STATUS)}
        if lsn is not None:
            offset = {"lsn_proc": lsn, "messageType": "INSERT", "lsn_commit": lsn, "lsn": lsn, "txId": 755, "ts_usec": at_us}
            self.answers["offsets"] = (200, {"offsets": [{"partition": {"server": "chard"}, "offset": offset}]})

    def close(self):
        self._server.shutdown()
        self._server.server_close()
