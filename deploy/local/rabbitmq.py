# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ: own node, own epmd, own cookie, nothing of the machine's configuration."""

import base64
import contextlib
import glob
import json
import pathlib
import secrets
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

from certificates import make_certificates
from guarded import Process, Server, ServerError, as_unprivileged, is_free, plain_environment, wait_until

NODE = "chard@localhost"
USER = "chard"

# Few threads and no busy waiting: the server shares its cores with what is tested.
ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


FOUR = pathlib.Path(__file__).resolve().parents[2] / "build/rabbitmq4"  # made by scripts/rabbitmq4


def programs(four=False):
    """The folder of RabbitMQ's own scripts. Debian's in /usr/sbin would change to its own user."""
    if four and not (FOUR / "complete").exists():
        raise ServerError("RabbitMQ 4 is not there (scripts/rabbitmq4)")
    if four:
        return FOUR / "rabbitmq/sbin"
    found = sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"))
    if not found:
        raise ServerError("RabbitMQ is not installed (apt-get install rabbitmq-server)")
    return pathlib.Path(found[-1])


class RabbitMQ(Server):
    """`config` are lines of rabbitmq.conf, e.g. {"consumer_timeout": 10000}. `tls` is True, or Certificates
    that were made already. `management` starts the HTTP API, which add_vhost then uses. `four`: RabbitMQ 4 instead of Debian's.
    `tick_s`: how often each quorum queue looks after itself (its figures, whether it has expired), where hundreds of them idle."""

    kind = "rabbitmq"

    def __init__(self, folder=None, *, tls=False, management=False, config=None, four=False, tick_s=5):
        super().__init__(folder)
        self.tls = tls
        self.management = management
        self.config = config or {}
        self.four = four
        self.tick_s = tick_s
        self.bin = programs(four)
        self.epmd = None

    # --- addresses ------------------------------------------------------------------------------------

    @property
    def port(self):
        return self._known["port"]

    @property
    def url(self):
        return self.url_for("/")

    def url_for(self, vhost):
        return self._url("amqp", self.port, vhost)

    @property
    def tls_port(self):
        return self._known["tls_port"]

    def tls_url_for(self, vhost):
        return self._url("amqps", self.tls_port, vhost)

    def _url(self, scheme, port, vhost):
        return f"{scheme}://{USER}:{self.password()}@127.0.0.1:{port}/{urllib.parse.quote(vhost, safe='')}"

    # --- life -----------------------------------------------------------------------------------------

    def _start(self):
        for name in ("epmd_port", "port", "dist_port", "tls_port", "http_port"):
            if not (name == "epmd_port" and self.epmd):
                self.port_for(name)
        self._write_files()
        self._start_epmd()
        self.launch([self.bin / "rabbitmq-server"], self._environment())
        self.wait_ready(self._answers, 90)

    def stop(self):
        self.end(signal.SIGTERM, 60)
        self._stop_epmd()

    def kill(self):
        super().kill()
        self._stop_epmd()

    def _start_epmd(self):
        """epmd normally outlives every node; this one is ours to stop."""
        port = self._known["epmd_port"]
        self.epmd = Process(["epmd", "-port", port, "-address", "127.0.0.1"], env=self._programs(plain_environment(self.folder)),
                            folder=self.folder, log=self.folder / "epmd.log", stop=signal.SIGKILL)
        wait_until(lambda: not is_free(port), 10, "epmd ready to serve")

    def _stop_epmd(self):
        if self.epmd:
            self.epmd.end(signal.SIGKILL, 5)
            self.epmd = None

    def _answers(self):
        """A server that speaks AMQP answers the protocol header with Connection.Start. It opens its other ports one by one before and after."""
        others = ["tls_port"] * bool(self.tls) + ["http_port"] * self.management
        try:
            for name in others:
                socket.create_connection(("127.0.0.1", self._known[name]), 1).close()
            with socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.sendall(b"AMQP\x00\x00\x09\x01")
                return link.recv(1) == b"\x01"
        except OSError:
            return False

    # --- configuration --------------------------------------------------------------------------------

    def _write_files(self):
        for name in ("mnesia", "log", "config", "plugins"):
            self.make_folder(name)
        self.write("rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in self._lines().items()))
        self.write("rabbitmq-env.conf", "")
        self.write("advanced.config", f"[{{rabbit, [{{quorum_tick_interval, {self.tick_s * 1000}}}]}}].\n")
        self.write("enabled_plugins", "[rabbitmq_management].\n" if self.management else "[].\n")
        if not (self.folder / ".erlang.cookie").exists():
            self.write(".erlang.cookie", secrets.token_hex(10), 0o400)

    def _lines(self):
        lines = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "default_user": USER,
            "default_pass": self.password(),
            "log.file": str(self.folder / "log" / "node.log"),
            "log.file.level": "info",
            "disk_free_limit.absolute": "50MB",
            # Each node reserves this much for the log that all quorum queues share; the default is 512 MB.
            "raft.wal_max_size_bytes": "64000000",
        }
        if self.tls:
            lines |= self._tls_lines()
        if self.management:
            lines |= {"management.tcp.ip": "127.0.0.1", "management.tcp.port": self._known["http_port"]}
        return lines | self.config

    def _tls_lines(self):
        if self.tls is True:
            self.tls = make_certificates(self.make_folder("tls"))
        copies = {"cacertfile": self.tls.authority, "certfile": self.tls.certificate, "keyfile": self.tls.key}
        lines = {"listeners.ssl.1": f"127.0.0.1:{self.tls_port}", "ssl_options.verify": "verify_none"}
        for option, file in copies.items():
            lines[f"ssl_options.{option}"] = self.write(f"tls-{option}.pem", pathlib.Path(file).read_text())
        return lines

    def _programs(self, environment):
        """With the Erlang that belongs to it."""
        return environment | {"PATH": f"{FOUR}/erlang/bin:{environment['PATH']}"} if self.four else environment

    def _environment(self):
        port = self._known["dist_port"]
        return self._programs(plain_environment(
            self.folder,
            RUNNING_UNDER_SYSTEMD="1",  # makes the script become the server instead of waiting for it
            ERL_EPMD_PORT=self._known["epmd_port"],
            ERL_EPMD_ADDRESS="127.0.0.1",
            ERL_CRASH_DUMP_SECONDS="0",
            RABBITMQ_CTL_ERL_ARGS="-start_epmd false",
            RABBITMQ_NODENAME=NODE,
            RABBITMQ_DIST_PORT=port,
            RABBITMQ_CONF_ENV_FILE=self.folder / "rabbitmq-env.conf",
            RABBITMQ_CONFIG_FILE=self.folder / "rabbitmq.conf",
            RABBITMQ_ADVANCED_CONFIG_FILE=self.folder / "advanced.config",
            RABBITMQ_ENABLED_PLUGINS_FILE=self.folder / "enabled_plugins",
            RABBITMQ_GENERATED_CONFIG_DIR=self.folder / "config",
            RABBITMQ_PLUGINS_EXPAND_DIR=self.folder / "plugins",
            RABBITMQ_MNESIA_BASE=self.folder / "mnesia",
            RABBITMQ_LOG_BASE=self.folder / "log",
            RABBITMQ_PID_FILE=self.folder / "rabbitmq.pid",
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=f"{ERLANG} -start_epmd false "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        ))

    # --- control --------------------------------------------------------------------------------------

    def ctl(self, *arguments, timeout=60):
        """rabbitmqctl on this server; returns what it prints. It takes about a second."""
        command = [self.bin / "rabbitmqctl", "-q", *map(str, arguments)]
        if arguments[0].startswith("list_"):
            command.append("--no-table-headers")
        done = subprocess.run(command,
                              env=self._environment(), cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, **as_unprivileged())
        if done.returncode:
            raise ServerError(f"rabbitmqctl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def add_vhost(self, name):
        """Makes a virtual host that our user may use, and returns its URL."""
        if self.management:
            quoted = urllib.parse.quote(name, safe="")
            self.api("PUT", f"vhosts/{quoted}")
            self.api("PUT", f"permissions/{quoted}/{USER}", {"configure": ".*", "write": ".*", "read": ".*"})
        else:
            self.ctl("add_vhost", name)
            self.ctl("set_permissions", "-p", name, USER, ".*", ".*", ".*")
        return self.url_for(name)

    def delete_vhost(self, name):
        if self.management:
            self.api("DELETE", f"vhosts/{urllib.parse.quote(name, safe='')}")
        else:
            self.ctl("delete_vhost", name)

    @property
    def api_url(self):
        """Of the management API, login included."""
        return f"http://{USER}:{self.password()}@127.0.0.1:{self._known['http_port']}/api/"

    def api(self, method, path, body=None):
        """One call of the management API, with `management` only."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._known['http_port']}/api/{path}", method=method)
        credentials = f"{USER}:{self.password()}".encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(credentials).decode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, json.dumps(body or {}).encode(), timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def settle(self):
        """After declaring quorum queues and before kill(): RabbitMQ 3.10 writes a new queue's entry in its
        directory only half a second later, and a queue without an entry forgets all it had confirmed."""
        self.ctl("eval", "[ok = dets:sync(Table) || Table <- dets:all()].")

    @contextlib.contextmanager
    def consumer_timeout(self, milliseconds):
        """While this lasts a channel that is opened is closed over a message that it holds for longer; looked at five times a second."""
        setting = "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."
        self.ctl("eval", setting.format(milliseconds, 200))
        try:
            yield
        finally:
            self.ctl("eval", setting.format(1800000, 60000))

    @contextlib.contextmanager
    def memory_alarm(self):
        """While this lasts the server blocks every connection that publishes."""
        self.ctl("set_vm_memory_high_watermark", "0.0000001")
        try:
            yield
        finally:
            self.ctl("set_vm_memory_high_watermark", "0.4")
