# SPDX-License-Identifier: Apache-2.0
"""A private OpenSearch of one node. scripts/opensearch fetches what it needs."""

import json
import pathlib
import signal
import urllib.error
import urllib.request

from guarded import Server, plain_environment

PLACE = pathlib.Path(__file__).resolve().parents[2] / "build/opensearch"
JAVA = ["/usr/bin/java", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms128m", "-Xmx512m", "-Djava.security.manager=allow"]


class OpenSearch(Server):
    kind = "opensearch"

    @property
    def url(self):
        return f"http://127.0.0.1:{self._known['port']}"

    def _start(self):
        port, transport = self.port_for("port"), self.port_for("transport")
        self.launch([*JAVA, "-cp", f"{PLACE}/classes:{PLACE}/jars/*", "LocalNode", self.folder, port, transport], plain_environment(self.folder))
        self.wait_ready(lambda: self.ask("GET", "/_cluster/health").get("status") in ("yellow", "green"), 120)

    def ask(self, method, path, body=None):
        """What it answers, as JSON; an error's, too. {} when nobody answers."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (OSError, ValueError):
            return {}

    def documents(self, index):
        """{id: {"version", "source"}} of all of an index."""
        self.ask("POST", f"/{index}/_refresh")
        found = self.ask("POST", f"/{index}/_search?version=true&size=10000", {"query": {"match_all": {}}})
        return {hit["_id"]: {"version": hit["_version"], "source": hit["_source"]} for hit in found.get("hits", {}).get("hits", [])}

    def stop(self):
        self.end(signal.SIGTERM, 30)
