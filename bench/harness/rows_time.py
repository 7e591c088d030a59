# SPDX-License-Identifier: Apache-2.0
"""B5 and B6: how long one message takes, and how long a start takes. See bench/latency.c for how it is seen."""

from .figures import Figure, Goal
from .processes import tool
from .stage import BIN, CHARD


class Commands:
    """The workers that latency.c starts; {url} is where it listens."""

    def __init__(self, stage):
        self.of = {
            "chard": ["--task", "chard.echo", "--", CHARD, "worker", "-Q", "chard.echo", "--broker-url", "{url}"],
            "raw": ["--task", "chard.echo", "--queue", "raw.echo", "--", BIN / "raw_consume", "--queue", "raw.echo",
                    "--count", 100_000_000, "--url", "{url}"],
            "peer": ["--task", "chard.echo", "--queue", "peer.echo", "--",
                     *stage.peer_command("peer.echo", "prefork", 2, url="{url}")],
        }
        self.env = stage.settings | stage.peer_env(PEER_PREFETCH=250)
        self.stage = stage

    def measure(self, party, count, *mode):
        self.stage.purge("chard.echo", "raw.echo", "peer.echo")
        self.stage.rest()
        return tool(BIN / "latency", "--url", self.stage.broker.url, "--count", count, *mode, *self.of[party],
                    env=self.env)


def pair(ident, what, goal=None):
    return [Figure(f"{ident}.p50", f"{what}, median", "ms", more=False),
            Figure(f"{ident}.p99", f"{what}, 99th percentile", "ms", *([goal] if goal else []), more=False)]


class B5:
    """From enqueue to ack."""

    SKIP = 50

    def __init__(self, plan):
        self.one_count, self.flow_count, self.seconds = plan.size(1_000, 100), plan.size(30_000, 2_000), plan.size(4, 1)
        self.one = pair("B5.one", "enqueue to ack, one at a time")
        self.half = pair("B5.half", "enqueue to ack at 50 % load", Goal("at_most", 5))
        self.own = pair("B5.own", "of that, delivery to ack")
        self.same = pair("B5.same", "enqueue to ack at what is 50 % load for Celery")
        self.flow = Figure("B5.flow", "tasks through the queue, published and consumed at once", "tasks/s",
                           note="2,000 not yet acked; half of this rate is the 50 % load: chard's for chard and raw, its "
                           "own for Celery")
        self.one[0].note = ("no-op task on a quorum queue, persistent; from just before basic.publish until the worker's "
                            "basic.ack passes by on its connection; raw is a plain publish, consume and ack")
        self.same[0].note = "all three at half of the rate that Celery keeps up"
        self.figures = [*self.one, *self.half, *self.own, *self.same, self.flow]

    def round(self, stage):
        commands = Commands(stage)
        rates = {}
        for party in ("chard", "raw", "peer"):
            few = party == "peer"  # Celery is slow: a tenth of the messages says as much
            done = commands.measure(party, self.SKIP + self.one_count, "--one", "--skip", self.SKIP)
            self._add(self.one, party, done["total"])
            count = self.flow_count // 10 if few else self.flow_count
            flow = commands.measure(party, self.SKIP + count, "--window", min(2000, count), "--skip", self.SKIP)
            self.flow.add(party, flow["acks_per_s"])
            rates[party] = flow["acks_per_s"] if few else rates.get("chard", flow["acks_per_s"])
            done = self._at_half(commands, party, rates[party])
            self._add(self.half, party, done["total"])
            self._add(self.own, party, done["worker"])
        self._add(self.same, "peer", done["total"])
        for party in ("chard", "raw"):
            self._add(self.same, party, self._at_half(commands, party, rates["peer"])["total"])

    def _at_half(self, commands, party, whole):
        """At half of so many messages a second."""
        rate = max(10, int(whole / 2))
        return commands.measure(party, self.SKIP + rate * self.seconds, "--rate", rate, "--skip", self.SKIP)

    def _add(self, figures, party, times):
        for figure, name in zip(figures, ("p50", "p99")):
            figure.add(party, times[name] / 1000)


class B6:
    """From exec to the first message."""

    def __init__(self, _plan):
        self.first = Figure("B6", "cold start: exec to the first message acked", "ms", Goal("at_most", 50), more=False,
                            note="a message waits in the queue; chard connects to broker and store, and sees to it that "
                            "its topology is there")
        self.figures = [self.first]

    def round(self, stage):
        commands = Commands(stage)
        for party in ("chard", "raw", "peer"):
            done = commands.measure(party, 1, "--waiting")
            self.first.add(party, done["cold_acked_us"] / 1000)
