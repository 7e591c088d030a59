# SPDX-License-Identifier: Apache-2.0
"""A private Redis that appends every write to its file before it answers, and sentinels that watch over several."""

import contextlib
import pathlib
import signal
import socket

from certificates import make_certificates
from guarded import Server, plain_environment


def ask(port, password, words):
    """One command, and what it answers as text; empty when nobody answers."""
    commands = [["AUTH", password], words] if password else [words]
    text = "".join(f"*{len(command)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in map(str, command))
                   for command in commands)
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as link:
        link.sendall(text.encode())
        answers = link.makefile("rb")
        first = [answers.readline() for _ in commands][-1].decode(errors="replace")
        return answers.read(int(first[1:])).decode(errors="replace") if first[:1] == "$" and first[1:2] != "-" else first
    return ""


def tls_lines(server, certificates):
    """Those of redis.conf that give `server` a TLS port, with copies of the files that its user can read."""
    copies = {"tls-ca-cert-file": certificates.authority, "tls-cert-file": certificates.certificate,
              "tls-key-file": certificates.key}
    lines = {name: server.write(f"{name}.pem", pathlib.Path(file).read_text()) for name, file in copies.items()}
    return lines | {"tls-port": server.port_for("tls_port"), "tls-auth-clients": "no"}


class Redis(Server):
    """`tls` is True, or Certificates to be used; then there is a TLS port as well, on which clients show a certificate when they are
    asked to (`client_certificates`). `replica_of` is another Redis, whose password it shares. `config` are further lines of
    redis.conf, e.g. {"maxmemory": "3mb"}."""

    kind = "redis"

    def __init__(self, folder=None, *, tls=False, client_certificates=False, replica_of=None, config=None):
        super().__init__(folder)
        self.tls, self.client_certificates = tls, client_certificates
        self.replica_of = replica_of
        self.config = dict(config or {})

    @property
    def port(self):
        return self._known["port"]

    @property
    def tls_port(self):
        return self._known["tls_port"]

    @property
    def socket(self):
        return self.folder / "redis.sock"

    @property
    def url(self):
        return f"redis://:{self.password()}@127.0.0.1:{self.port}/0"

    def tls_url(self, host="localhost", **parameters):
        """rediss://…, trusting the authority of its certificate; more parameters as Celery names them."""
        known = {"ssl_cert_reqs": "required", "ssl_ca_certs": self.tls.authority} | parameters
        query = "&".join(f"{name}={value}" for name, value in known.items())
        return f"rediss://:{self.password()}@{host}:{self.tls_port}/0?{query}"

    def password(self):
        return self.replica_of.password() if self.replica_of else super().password()

    def _start(self):
        self.port_for("port")
        lines = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "daemonize": "no", "save": '""',
                 "appendonly": "yes", "appendfsync": "always", "requirepass": self.password(),
                 "masterauth": self.password(), "unixsocket": self.socket.name}
        if self.tls is True:
            self.tls = make_certificates(self.make_folder("tls"))
        if self.tls:
            lines |= tls_lines(self, self.tls) | {"tls-auth-clients": "yes" if self.client_certificates else "no"}
        if self.replica_of:
            lines["replicaof"] = f"127.0.0.1 {self.replica_of.port}"
        config = self.write("redis.conf", "".join(f"{name} {value}\n" for name, value in (lines | self.config).items()))
        self.launch(["/usr/bin/redis-server", config], plain_environment(self.folder))
        self.wait_ready(lambda: "PONG" in self.ask("PING"), 20)

    def ask(self, *words):
        return ask(self.port, self.password(), words)

    def stop(self):
        self.end(signal.SIGTERM, 20)


class Sentinel(Server):
    """One that watches over `master` and fails over by itself (a quorum of one), soon after it went. With `tls` it speaks TLS on a port
    of its own, and TLS with the master."""

    kind = "sentinel"

    def __init__(self, master, name="chard", *, password=None, tls=False):
        super().__init__()
        self.master, self.name, self._asked_password, self.tls = master, name, password, tls

    @property
    def tls_port(self):
        return self._known["tls_port"]

    @property
    def port(self):
        return self._known["port"]

    def _start(self):
        self.port_for("port")
        port = self.master.tls_port if self.tls else self.master.port
        tls = tls_lines(self, self.master.tls) | {"tls-replication": "yes"} if self.tls else {}
        config = self.write("sentinel.conf", "\n".join([
            f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *(f"{name} {value}" for name, value in tls.items()),
            f"sentinel monitor {self.name} 127.0.0.1 {port} 1",
            f"sentinel auth-pass {self.name} {self.master.password()}",
            f"sentinel down-after-milliseconds {self.name} 500",
            f"sentinel failover-timeout {self.name} 3000",
            *([f"requirepass {self._asked_password}"] if self._asked_password else []), ""]))
        self.launch(["/usr/bin/redis-server", config, "--sentinel"], plain_environment(self.folder))
        self.wait_ready(lambda: "PONG" in self.ask("PING"), 20)

    def ask(self, *words):
        return ask(self.port, self._asked_password, words)

    def ready_to_promote(self):
        """Has it found a replica that it may promote?"""
        return "slaves=1" in self.ask("INFO", "sentinel")

    def stop(self):
        self.end(signal.SIGTERM, 20)
