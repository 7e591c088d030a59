# SPDX-License-Identifier: Apache-2.0
"""B10: messages that wait for their time."""

import time

from .figures import Figure, Goal
from .processes import Failed, tool, wait_for
from .stage import BIN, SINK

AHEAD_S = 5
LATE_RATE = 1000  # messages a second

# Rows as the application's own transaction could write them: a plain message, its body the time at which it is due.
LATE_ROWS = """insert into chard.scheduled (due_at, exchange, routing_key, reason, properties, body)
select to_timestamp({first} + n / {rate}::float8), '{sink}', '{sink}', 'enqueue', '\\x100002',
       convert_to(floor(({first} + n / {rate}::float8) * 1000)::bigint::text, 'UTF8')
from generate_series(0, {last}) as n"""


class B10:
    """In, out, and how late."""

    def __init__(self, plan):
        self.count, self.late_seconds = plan.size(100_000, 3_000), plan.size(8, 2)
        self.peer_count = plan.size(2_000, 200)
        goal = Goal("at_least", 10_000)
        kombu = f"native delayed delivery, {self.peer_count:,} at once: a larger burst stalls the whole broker"
        self.into = Figure("B10.in", "messages scheduled", "msg/s", goal,
                           note=f"{self.count:,} tasks with an eta reach a worker, are stored and acked; raw: publish with "
                           f"confirm; peer: {kombu}")
        self.out = Figure("B10.out", "due messages published, confirmed, forgotten", "msg/s", goal,
                          note="all due at the same moment; nobody consumes them yet")
        self.late = Figure("B10.late", f"lateness at {LATE_RATE:,}/s, 99th percentile", "ms", Goal("at_most", 250),
                           more=False, raw="a broker alone knows no time",
                           note="from due time to arrival at a consumer")
        self.figures = [self.into, self.out, self.late]

    def round(self, stage):
        self._chard(stage)
        raw = stage.fill(self.count // 5, "--task", "chard.echo", "--queue", "raw.echo")
        for figure in (self.into, self.out):
            figure.add("raw", raw["count"] / raw["seconds"])
        stage.purge("raw.echo")
        self._late(stage)
        self._peer(stage)

    # --- chard ------------------------------------------------------------------------------------------

    def _chard(self, stage):
        stage.fresh_database()
        # Filling is not measured; what is due must be later than the end of taking it all in, at 10,000/s or more.
        filled = time.time()
        stage.fill(self.count // 10, "--task", "chard.echo", "--queue", "raw.echo")
        filling = (time.time() - filled) * 10
        stage.purge("raw.echo")
        due = time.time() + filling * 1.3 + self.count / 10_000 + AHEAD_S
        stage.fill(self.count, "--task", "chard.echo", "--eta-ms", int(due * 1000))
        with stage.worker("-Q", "chard.echo", "-c", 2000) as worker:
            had = self._count(stage, worker, lambda rows: rows > 0)
            start = time.time()
            self._count(stage, worker, lambda rows: rows >= self.count)
            self.into.add("chard", (self.count - had) / (time.time() - start))
            worker.end()
        # Another worker, which doesn't consume this queue: what is due piles up there, and is not worked on meanwhile.
        with stage.worker("-Q", "chard.note") as worker:
            if time.time() > due - 0.5:
                raise Failed("the first messages were due before the last one was in")
            time.sleep(max(0, due - time.time()))
            self._count(stage, worker, lambda rows: rows == 0)
            self.out.add("chard", self.count / (time.time() - due))
            worker.end()
        if stage.ready("chard.echo") != self.count:
            raise Failed(f"{stage.ready('chard.echo')} of {self.count} messages came out")
        stage.purge("chard.echo")

    def _count(self, stage, worker, condition):
        def enough():
            worker.check()
            rows = int(stage.sql("select count(*) from chard.scheduled"))
            return (rows,) if condition(rows) else None
        return wait_for(enough, 180, "scheduled messages", every=0.05)[0]

    def _late(self, stage):
        count = LATE_RATE * self.late_seconds
        stage.purge(SINK)
        stage.sql(LATE_ROWS.format(first=time.time() + 3, rate=LATE_RATE, last=count - 1, sink=SINK))
        with stage.worker("-Q", "chard.echo") as worker:
            done = tool(BIN / "raw_consume", "--url", stage.broker.url, "--queue", SINK, "--count", count, "--late")
            worker.end()
        self.late.add("chard", done["late_p99_us"] / 1000)

    # --- kombu's way ------------------------------------------------------------------------------------

    def _peer(self, stage):
        stage.bind_delayed("peer.sink")
        due = time.time() + AHEAD_S
        digits = ".".join(f"{AHEAD_S:028b}")
        done = tool(BIN / "raw_publish", "--url", stage.broker.url, "--count", self.peer_count, "--plain",
                    "celery_delayed_27", "--queue", f"{digits}.peer.sink", "--first", int(due * 1000))
        self.into.add("peer", self.peer_count / done["seconds"])
        late = tool(BIN / "raw_consume", "--url", stage.broker.url, "--queue", "peer.sink", "--count", self.peer_count,
                    "--late")
        self.out.add("peer", self.peer_count / max(0.001, time.time() - due))
        self.late.add("peer", late["late_p99_us"] / 1000)
        stage.rest()
