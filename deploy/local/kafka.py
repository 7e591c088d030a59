# SPDX-License-Identifier: Apache-2.0
"""A private Kafka (KRaft, one node), and a Kafka Connect with Debezium's PostgreSQL connector on an outbox. scripts/kafka fetches what they need."""

import json
import pathlib
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

from guarded import Server, ServerError, as_unprivileged, plain_environment

JARS = pathlib.Path(__file__).resolve().parents[2] / "build/kafka/jars"
CONNECTOR = pathlib.Path(__file__).resolve().parents[1] / "debezium/chard-outbox.json"  # `chard cdc config` prints the same
JAVA = ["/usr/bin/java", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms64m"]


def lines(pairs):
    """A properties file, in which a backslash begins an escape."""
    return "".join("{}={}\n".format(name, str(value).replace("\\", "\\\\")) for name, value in pairs.items())


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Kafka(Server):
    """Topics are made when they are first used, with `partitions`."""

    kind = "kafka"

    def __init__(self, folder=None, *, partitions=3):
        super().__init__(folder)
        self.partitions = partitions

    @property
    def servers(self):
        return f"127.0.0.1:{self._known['port']}"

    def _start(self):
        port, controller = self.port_for("port"), self.port_for("controller")
        data = self.make_folder("data")
        config = self.write("server.properties", lines({
            "process.roles": "broker,controller", "node.id": 1, "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT", "log.dirs": data, "num.partitions": self.partitions,
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 1, "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1, "transaction.state.log.num.partitions": 1, "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1, "group.initial.rebalance.delay.ms": 0, "auto.create.topics.enable": "true"}))
        if not (data / "meta.properties").exists():
            self._tool("kafka.tools.StorageTool", "format", "-t", self._tool("kafka.tools.StorageTool", "random-uuid").split()[-1], "-c", config)
        self.launch([*JAVA, "-Xmx512m", "-cp", f"{JARS}/*", "kafka.Kafka", config], plain_environment(self.folder))
        self.wait_ready(lambda: answers(port), 90)

    def _tool(self, *words, text=None):
        done = subprocess.run([*JAVA, "-cp", f"{JARS}/*", *map(str, words)], env=plain_environment(self.folder), cwd=self.folder,
                              input=text, capture_output=True, text=True, **as_unprivileged())
        if done.returncode:
            raise ServerError(f"kafka: {done.stdout}{done.stderr}"[-2000:])
        return done.stdout

    def read(self, topic, patience_s=5):
        """All records of a topic, a line each, with their headers: until none has come for so long, which on a busy machine may be before the first."""
        return self._tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", self.servers, "--topic", topic, "--from-beginning",
                          "--timeout-ms", str(1000 * patience_s), "--formatter-property", "print.headers=true").splitlines()

    def publish(self, topic, records, most=1000000):
        """Records as (headers, key, value), headers as "NAME:VALUE,…"; none is larger than `most` bytes."""
        self._tool("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", self.servers, "--topic", topic, "--producer-property", f"max.request.size={most}",
                   *(word for one in ("parse.headers=true", "parse.key=true") for word in ("--property", one)),
                   text="".join("\t".join(one) + "\n" for one in records))

    def forget(self, topic, partitions):
        """Removes all records that there are, as retention does in time."""
        file = self.write("forget.json", json.dumps({"version": 1, "partitions": [
            {"topic": topic, "partition": n, "offset": -1} for n in range(partitions)]}))
        self._tool("org.apache.kafka.tools.DeleteRecordsCommand", "--bootstrap-server", self.servers, "--offset-json-file", file)

    def topics(self, *words):
        """As kafka-topics.sh."""
        self._tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.servers, *words)

    def group(self, *words):
        """As kafka-consumer-groups.sh."""
        return self._tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", self.servers, *words)

    def stop(self):
        self.end(signal.SIGTERM, 30)


class Connect(Server):
    """Carries the outbox of a PostgreSQL server, whose wal_level is logical, to `kafka`: a topic "chard.TYPE" for each type of aggregate."""

    kind = "connect"

    def __init__(self, kafka, store_url, folder=None):
        super().__init__(folder)
        self.kafka, self.store_url = kafka, store_url

    def _start(self):
        port = self.port_for("port")
        worker = self.write("connect.properties", lines({
            "bootstrap.servers": self.kafka.servers, "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
            "offset.storage.file.filename": self.folder / "offsets", "offset.flush.interval.ms": 1000,
            "listeners": f"http://127.0.0.1:{port}", "plugin.discovery": "service_load"}))
        connector = self.write("outbox.properties", lines(self._connector()))
        self.launch([*JAVA, "-Xmx384m", "-cp", f"{JARS}/*", "org.apache.kafka.connect.cli.ConnectStandalone", worker, connector],
                    plain_environment(self.folder))
        self.wait_ready(lambda: answers(port) and b'"RUNNING"' in self._ask(port), 120)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._known['port']}"

    def ask(self, method, what):
        """Of the connector, by the REST interface."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/connectors/chard-outbox/{what}", method=method), timeout=10).close()

    def _ask(self, port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/connectors/chard-outbox/status", timeout=2) as answer:
                status = answer.read()
                return status if b'"tasks":[{' in status else b""
        except OSError:
            return b""

    def _connector(self):
        store = urllib.parse.urlparse(self.store_url)
        return {"name": "chard-outbox"} | json.loads(CONNECTOR.read_text()) | {
            "database.hostname": store.hostname, "database.port": store.port, "database.user": store.username,
            "database.password": store.password, "database.dbname": store.path[1:]}

    def stop(self):
        self.end(signal.SIGTERM, 30)
