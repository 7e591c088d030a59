# SPDX-License-Identifier: Apache-2.0
"""B9: does a task cost the same when there are more of them?"""

from .figures import Figure, Goal
from .processes import wait_for
from .rows_ai import KWARGS, Watch, committed
from .rows_queue import PREFETCH
from .stage import MARK, Provider

ITSELF = {"raw": "growth is compared with itself", "peer": "growth is compared with itself"}
RATE = 2000  # AI calls a second at every size, so that only their number differs


class B9:
    """CPU per task over sizes. One worker drains the small queues many times."""

    def __init__(self, plan):
        self.plan = plan
        self.queued = {1_000: 50, 10_000: 10, 100_000: 1, 1_000_000: 1} if not plan.quick else {500: 2, 2_000: 1}
        self.flying = [100, 1_000, 5_000, 10_000, 16_000] if not plan.quick else [50, 200]
        self.drains = {n: Figure(f"B9.{n}", f"CPU of a no-op task, {n:,} queued", "µs", more=False, **ITSELF)
                       for n in self.queued}
        self.calls = {n: Figure(f"B9.ai.{n}", f"CPU of an AI step, {n:,} in flight", "µs", more=False, **ITSELF)
                      for n in self.flying}
        self.drain = Figure("B9", "no-op task: dearest to cheapest size", "µs", Goal("flat", 0.2), more=False, **ITSELF)
        self.call = Figure("B9.ai", "AI step: dearest to cheapest size", "µs", Goal("flat", 0.2), more=False, **ITSELF)
        self.drain.note = ("one worker drains a small queue many times, which stands still while it is filled; the same worker "
                           "without messages is measured too and taken off, because it would be most of the figure")
        self.call.note = f"{RATE:,} steps/s at each size, CPU from when 95 % of them are in flight"
        self.figures = [self.drain, *self.drains.values(), self.call, *self.calls.values()]

    def round(self, stage):
        for count, times in self.queued.items():
            used, idle = self._drained(stage, count, times), self._drained(stage, 0, times)
            self.drains[count].add("chard", max(0, used - idle) / (count * times) * 1e6)
        for count in self.flying:
            self.calls[count].add("chard", self._steps(stage, count) * 1e6)
        for whole, sizes in ((self.drain, self.drains), (self.call, self.calls)):  # a value a size: the medians of all rounds so far
            whole.samples["chard"] = [figure.median("chard") for figure in sizes.values()]

    def _drained(self, stage, count, times):
        """CPU seconds of a worker that `times` times stops consuming, and drains the `count` messages that came meanwhile."""
        health = stage.folder / "health"
        health.unlink(missing_ok=True)
        worker = stage.worker("-Q", "chard.echo", "-c", PREFETCH, env={"CHARD_HEALTH_FILE": str(health)})
        with worker, stage.marks() as marks:
            wait_for(lambda: health.exists() and health.read_text().startswith("consuming"), 20, "a worker that consumes")
            for turn in range(times):
                stage.consume("chard.echo", False)
                if count:
                    stage.fill(count, "--task", "chard.echo", "--mark", MARK)
                stage.consume("chard.echo", True)
                if count:
                    marks.wait(2 * turn + 2, worker)
            return worker.end()

    def _steps(self, stage, slots):
        """CPU seconds of a step, from when `slots` calls are in flight until the last one was started."""
        delay = slots / RATE
        count = max(5 * RATE, int(2.5 * slots)) if not self.plan.quick else 5 * slots
        stage.fresh_database()
        stage.fill(count, "--task", "chat.classify", "--kwargs", KWARGS)
        with Provider(int(delay * 1000)) as provider:
            with stage.worker("-Q", "chat.classify", "-c", slots, env=provider.settings()) as worker:
                watch = Watch(provider, worker, count, delay, cpu=True)
                watch.follow(0)
                wait_for(lambda: committed(stage) == count, 60, "every step committed")
                worker.end()
        return watch.cpu_while_full(slots)
