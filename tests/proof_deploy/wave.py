# SPDX-License-Identifier: Apache-2.0
"""A wave of jobs against real workers, as many as KEDA's own scaler and the autoscaler's rule ask for, with the triggers and the behavior that the chart
renders. In fast motion: every time and every size of the chart is divided by SPEED and SHRINK. A worker that goes gets SIGTERM, and SIGKILL when its pod would;
nobody may need that, every job must end well, and no call be paid twice."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import psycopg
import yaml

from .chart import rendered
from .hpa import SYNC_S, Autoscaler
from .keda import scaler
from .tools import ROOT, run, version_of

sys.path[:0] = [str(ROOT / "deploy/local"), str(ROOT / "tests/e2e")]

import servers  # noqa: E402
from guarded import wait_until  # noqa: E402
from support.loop import LoopThread  # noqa: E402
from support.program import Chard, die_with_parent  # noqa: E402
from support.provider import Provider, fitting  # noqa: E402

SPEED, SHRINK = 10, 25
CALL_S = 20  # by the chart's clock: each answer takes that long
POD_S = 20  # until a pod consumes
LOAD = [(200, 1.0), (300, 8.0), (1000, 1.0)]  # (seconds, jobs a second) by the chart's clock; the end keeps those busy that go
REST_S = 1800  # until all is done and as few run as before
PART, STORAGE = "demo-chard-worker-ai", "scan.reward,my.profile"


def documents(kind):
    return {one["metadata"]["name"]: one for one in yaml.safe_load_all(rendered()["keda"].read_text()) if one and one["kind"] == kind}


class Pool:
    """What the chart renders for the AI workers, smaller and faster."""

    def __init__(self):
        spec, pod = documents("ScaledObject")[PART]["spec"], documents("Deployment")[PART]["spec"]["template"]["spec"]
        settings = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
        self.triggers = [one["metadata"] for one in spec["triggers"] if one["type"] == "rabbitmq"]
        for one in self.triggers:
            one["value"] = str(int(one["value"]) // SHRINK)
        self.least, self.most = int(spec["minReplicaCount"]), int(spec["maxReplicaCount"])
        self.behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        self.queues, self.slots = settings["CHARD_QUEUES"], int(settings["CHARD_SLOTS"]) // SHRINK
        self.grace_ms, self.termination_s = int(settings["CHARD_GRACE_MS"]) // SPEED, pod["terminationGracePeriodSeconds"] / SPEED


@dataclasses.dataclass
class Course:
    """What was seen; times by the chart's clock, from the wave's begin."""

    samples: list = dataclasses.field(default_factory=list)  # (when, replicas, messages)
    decisions: list = dataclasses.field(default_factory=list)  # (when, from, to)
    ends: list = dataclasses.field(default_factory=list)  # seconds from SIGTERM to the end
    killed: int = 0
    failed: int = 0

    def cost(self):
        """Seconds of replicas, and of as many as there were at most all the time."""
        spans = [(after[0] - one[0], one[1]) for one, after in zip(self.samples, self.samples[1:], strict=False)]
        return sum(span * many for span, many in spans), sum(span for span, _ in spans) * max(many for _, many in spans)


class Workers:
    def __init__(self, chard, pool, folder, course):
        self.chard, self.pool, self.folder, self.course = chard, pool, folder, course
        self.running, self.coming, self.going, self.number = [], [], [], 0

    def start(self, words, env=None):
        self.number += 1
        with open(f"{self.folder}/{self.number}.log", "wb") as log:
            return subprocess.Popen([self.chard.binary, *words], env=self.chard.environment(env), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    preexec_fn=die_with_parent)

    def count(self):
        return len(self.running) + len(self.coming)

    def scale(self, wanted):
        """The youngest go first, as a ReplicaSet chooses among pods that are ready; one that has not begun just does not come."""
        while self.count() < wanted:
            self.coming.append(time.monotonic() + POD_S / SPEED)
        while self.count() > wanted:
            if self.coming:
                self.coming.pop()
                continue
            leaving = self.running.pop()
            leaving.send_signal(signal.SIGTERM)
            self.going.append((time.monotonic(), leaving))

    def look(self):
        """Pods that have come start; those that have ended, or must, are seen."""
        now = time.monotonic()
        while self.coming and self.coming[0] <= now:
            self.coming.pop(0)
            words = ["worker", "-n", f"ai-{self.number}", "-Q", self.pool.queues, "-c", str(self.pool.slots)]
            self.running.append(self.start(words, {"CHARD_GRACE_MS": self.pool.grace_ms}))
        for began, leaving in list(self.going):
            if leaving.poll() is not None:
                self.course.ends.append(now - began)
                self.course.failed += leaving.returncode != 0
                self.going.remove((began, leaving))
            elif now - began > self.pool.termination_s:
                leaving.kill()
                self.course.killed += 1
        assert all(one.poll() is None for one in self.running), f"a worker ended by itself: {self.folder}"

    def close(self):
        for leaving in [one for _, one in self.going] + self.running:
            leaving.kill()
            leaving.wait()


class Load:
    """Jobs by a schedule; each asks something of its own, so that no two calls are alike."""

    def __init__(self, chard):
        self.chard, self.sent, self.began = chard, 0, time.monotonic()

    def over(self):
        return self.now() >= sum(seconds for seconds, _ in LOAD)

    def now(self):
        return (time.monotonic() - self.began) * SPEED

    def wave(self):
        return LOAD[0][0]

    def due(self):
        left, due = self.now(), 0.0
        for seconds, rate in LOAD:
            due += max(0, min(left, seconds)) * rate
            left -= seconds
        return int(due)

    def send(self):
        many = self.due() - self.sent
        if many <= 0:
            return
        lines = "".join(json.dumps({"user_id": "u1", "image_url": f"https://pictures.example/{self.sent + one}.jpg", "text": f"thing {self.sent + one}", "lang": "en"}) + "\n"
                        for one in range(many))
        self.chard.run("submit", "scan", "--lines", input=lines, check=0, timeout=120)
        self.sent += many


def states(postgres):
    with psycopg.connect(postgres.url) as link:
        return dict(link.execute("select state, count(*) from chard.job group by state").fetchall())


def ride(load, workers, pool, asked, course, done):
    """Until all is done and as few run as at first."""
    scaling, sync = Autoscaler(pool.least, pool.most, pool.behavior, SPEED), SYNC_S / SPEED
    next_sync = time.monotonic() + sync
    deadline = time.monotonic() + REST_S / SPEED * 2
    while True:
        load.send()
        workers.look()
        if time.monotonic() >= next_sync:
            next_sync += sync
            metrics = [(one["value"], one["target"]) for one in map(asked, pool.triggers)]
            before = workers.count()
            wanted = scaling.decide(time.monotonic(), before, metrics)
            course.samples.append((load.now() - load.wave(), before, max(value for value, _ in metrics)))
            if wanted != before:
                course.decisions.append((load.now() - load.wave(), before, wanted))
                workers.scale(wanted)
            if load.over() and wanted == pool.least and not workers.going and done():
                return
        assert time.monotonic() < deadline, f"not at rest: {workers.count()} replicas, {course.samples[-1:]}"
        time.sleep(0.05)


def told(course, pool, load, jobs):
    up = [when for when, before, after in course.decisions if after > before]
    most = max(many for _, many, _ in course.samples)
    reached = next(when for when, many, _ in course.samples if many == most)
    used, fixed = course.cost()
    return (f"{jobs} jobs in a wave from {LOAD[0][1]:g} to {LOAD[1][1]:g} a second: first decision after {up[0]:.0f} s, {pool.least} to {most} replicas after {reached:.0f} s, "
            f"back at {course.samples[-1][0]:.0f} s; {used / 3600:.1f} replica hours where {most} all the time are {fixed / 3600:.1f}; "
            f"{len(course.ends)} workers went, the slowest in {max(course.ends) * SPEED:.0f} s of {pool.termination_s * SPEED:.0f}, none killed, no job lost, no call paid twice")


def through():
    program, pool, loop, course = scaler(), Pool(), LoopThread(), Course()
    provider = Provider(loop)
    provider.keep = False
    provider.behave = lambda request: fitting(request, delay=CALL_S / SPEED)
    mq = servers.RabbitMQ(management=True, config={"collect_statistics_interval": 5000 // SPEED})
    postgres, redis = servers.PostgreSQL(), servers.Redis()
    with tempfile.TemporaryDirectory(prefix="chard-wave-") as folder, mq, postgres, redis:
        mq.ctl("eval", f"application:set_env(rabbit, quorum_tick_interval, {5000 // SPEED}).")  # how often a queue tells how long it is
        broker = mq.add_vhost(pool.triggers[0]["vhostName"])
        admin = mq.api_url.removesuffix("/api/")
        chard = Chard(ROOT / "build/chard", provider.settings() | {"CHARD_BROKER_URL": broker, "CHARD_STORE_URL": postgres.url, "CHARD_RESULT_URL": redis.url,
                                                                  "CHARD_STALE_EVERY_S": "0"}).prepare()

        def asked(trigger):
            return json.loads(run(program, input=json.dumps({"Metadata": trigger, "Auth": {"host": admin}})).stdout)

        workers = Workers(chard, pool, folder, course)
        others = [workers.start(["worker", "-n", "storage", "-Q", STORAGE]), workers.start(["keep"])]
        try:
            workers.scale(pool.least)
            wait_until(lambda: (workers.look(), len(workers.running) == pool.least)[1], 60, "the first workers have started")
            load = Load(chard)
            ride(load, workers, pool, asked, course, lambda: set(states(postgres)) == {"SUCCESS"})
            ended = states(postgres)
        finally:
            workers.close()
            for one in others:
                one.kill()
                one.wait()
    twice = {body: many for body, many in provider.bodies.items() if many > 1}
    assert not course.killed and not course.failed, f"{course.killed} were killed, {course.failed} ended badly"
    assert ended == {"SUCCESS": load.sent}, f"{load.sent} were sent: {ended}"
    assert not twice, f"{len(twice)} calls were made twice"
    assert max(course.ends) > CALL_S / SPEED / 4, f"nobody who went had anything to do: {course.ends}"
    assert len(course.ends) == sum(before - after for _, before, after in course.decisions if after < before), "who went was seen to end"
    if path := os.environ.get("PROOF_COURSE"):
        with open(path, "w", encoding="utf-8") as out:
            json.dump(dataclasses.asdict(course), out)
    return f"KEDA {version_of('keda')}'s RabbitMQ scaler, by the autoscaler's rules of Kubernetes 1.35: {told(course, pool, load, load.sent)}"


STEPS = [("autoscaling", f"a wave against real workers, {SPEED} times as fast and {SHRINK} times as small", through)]
