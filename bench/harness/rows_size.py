# SPDX-License-Identifier: Apache-2.0
"""B8: what has to be installed, and what it needs when it has nothing to do."""

import importlib.metadata
import re
import subprocess
import time

from .figures import Figure, Goal
from .processes import pss_of_tree, rss_of, wait_for
from .stage import CHARD


def size_of_package(name, seen):
    """Bytes of a Python package's files and of all that it needs."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in seen:
        return 0
    seen.add(name)
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return 0
    total = sum(path.locate().stat().st_size for path in found.files or () if path.locate().exists())
    for wanted in found.requires or ():
        if "extra ==" not in wanted:
            total += size_of_package(re.match(r"[A-Za-z0-9._-]+", wanted)[0], seen)
    return total


class B8:
    """Sizes."""

    def __init__(self, _plan):
        self.binary = Figure("B8", "the stripped binary", "MB", Goal("at_most", 2), more=False,
                             raw="rabbitmq-c alone does no work",
                             note="Celery: its package and those it needs, without Python itself; MB are 10^6 bytes")
        self.memory = Figure("B8.idle", "memory when idle", "MB", Goal("at_most", 15), more=False,
                             raw="rabbitmq-c alone does no work",
                             note="resident, consuming an empty queue; Celery: prefork with 2 processes, what they share "
                             "counted once")
        self.figures = [self.binary, self.memory]

    def round(self, stage):
        small = stage.folder / "stripped"
        subprocess.run(["strip", "-o", small, CHARD], check=True)
        self.binary.add("chard", small.stat().st_size / 1e6)
        self.binary.add("peer", size_of_package("celery", set()) / 1e6)
        stage.purge("chard.echo", "peer.echo")
        health = stage.folder / "health"
        health.unlink(missing_ok=True)
        with stage.worker("-Q", "chard.echo", env={"CHARD_HEALTH_FILE": str(health)}) as worker:
            wait_for(lambda: health.exists() and health.read_text().startswith("consuming"), 20, "a worker that consumes")
            time.sleep(1)
            self.memory.add("chard", rss_of(worker.pid))
            worker.end()
        with stage.peer("peer.echo", "prefork", 2) as worker:
            wait_for(lambda: stage.consumers("peer.echo") > 0, 30, "Celery consumes")
            time.sleep(1)
            self.memory.add("peer", pss_of_tree(worker.pid))
            worker.end()
