# SPDX-License-Identifier: Apache-2.0
"""A double of OpenSearch for faults that a real one makes when it likes: bulk requests under external versions, indexes, aliases, and refusals in its shapes.
What is right with the real one is shown by tests/proof_events."""

import http.server
import json
import threading


def failure(kind, status, reason="on purpose"):
    return {"status": status, "error": {"type": kind, "reason": reason}}


class SearchDouble:
    """`indexes`: {name: {id: (version, source)}}; `aliases`: {alias: name}. `refuse(id, source)` may give an item's answer; `whole(body)` a whole request's status and
    JSON; both None where all is well. `bulks`: the ids of each bulk request."""

    def __init__(self):
        double = self
        self.indexes, self.aliases, self.bulks, self.mappings, self.authorization = {}, {}, [], {}, None
        self.refuse = self.whole = lambda *_: None
        self._lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self):
                double.authorization = self.headers.get("Authorization")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                with double._lock:
                    status, said = double._answer(self.command, self.path.split("?")[0], body)
                text = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_DELETE = do_any

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def documents(self, alias):
        with self._lock:
            return {identity: {"version": version, "source": source} for identity, (version, source) in self.indexes.get(self.aliases.get(alias), {}).items()}

    def delete(self, index):
        with self._lock:
            self._delete(index)

    # --- answering ---

    def _answer(self, method, path, body):
        refused = self.whole(method, path, body)
        if refused:
            return refused
        if path == "/_bulk":
            return 200, self._bulk(body)
        if path == "/_aliases":
            return 200, self._alias(json.loads(body)["actions"])
        name = path.strip("/").split("/")
        if name[-1] == "_alias":
            return 200, {index: {"aliases": {alias: {} for alias, to in self.aliases.items() if to == index}} for index in self.indexes if index.startswith(name[0].rstrip("*"))}
        if name[0] == "_alias":
            return (200, {self.aliases[name[1]]: {"aliases": {name[1]: {}}}}) if name[1] in self.aliases else (404, {"error": "alias missing", "status": 404})
        if name[-1] == "_refresh":
            return 200, {}
        if method == "PUT" and name[0] in self.indexes:
            return 400, failure("resource_already_exists_exception", 400)
        if method == "PUT":
            self.indexes[name[0]], self.mappings[name[0]] = {}, json.loads(body)["mappings"]
        elif method == "DELETE":
            self._delete(name[0])
        return 200, {"acknowledged": True}

    def _delete(self, index):
        self.indexes.pop(index, None)
        self.aliases = {alias: name for alias, name in self.aliases.items() if name != index}

    def _alias(self, actions):
        for action in actions:
            for what, which in action.items():
                if what == "add":
                    self.aliases[which["alias"]] = which["index"]
                elif self.aliases.get(which["alias"]) == which["index"]:
                    del self.aliases[which["alias"]]
        return {"acknowledged": True}

    def _bulk(self, body):
        lines = [json.loads(line) for line in body.splitlines()]
        self.bulks.append([action["index"]["_id"] for action in lines[::2]])
        return {"items": [{"index": self._index(action["index"], source)} for action, source in zip(lines[::2], lines[1::2])]}

    def _index(self, action, source):
        assert action["version_type"] == "external"
        name, identity, version = action["_index"], action["_id"], action["version"]
        index = self.indexes.get(self.aliases.get(name) if action["require_alias"] else name)
        if index is None:
            return failure("index_not_found_exception", 404)
        refused = self.refuse(identity, source)
        if refused:
            return refused
        if index.get(identity, (0,))[0] >= version:
            return failure("version_conflict_engine_exception", 409)
        index[identity] = (version, source)
        return {"status": 201}
