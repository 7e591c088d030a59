# SPDX-License-Identifier: Apache-2.0
"""A private Redis that appends every write to its file before it answers."""

import signal
import socket

from guarded import Server, plain_environment


class Redis(Server):
    kind = "redis"

    @property
    def port(self):
        return self._known["port"]

    @property
    def url(self):
        return f"redis://:{self.password()}@127.0.0.1:{self.port}/0"

    def _start(self):
        self.port_for("port")
        config = self.write("redis.conf", "\n".join([
            f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", "daemonize no", 'save ""',
            "appendonly yes", "appendfsync always", f"requirepass {self.password()}", ""]))
        self.launch(["/usr/bin/redis-server", config], plain_environment(self.folder))
        self.wait_ready(self._answers, 20)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.sendall(f"AUTH {self.password()}\r\nPING\r\n".encode())
                return b"+PONG" in link.makefile("rb").read(12)
        except OSError:
            return False

    def stop(self):
        self.end(signal.SIGTERM, 20)
