# SPDX-License-Identifier: Apache-2.0
"""The auditor of the run under faults. It reads only the servers (SQL, queues, Redis), the provider's book, what was submitted and which faults
there were; it shares no code with chard, nor with what its tests read by.

    read(folder, postgresql, rabbitmq, redis) -> findings       plain values, all that was seen
    judge(findings) -> [{"what", "about", "says"}]              what should not be; empty when all is well
    explain(findings) -> {title: {why: n}}                      answers that were bought again, and why; and the like
"""

import collections
import json
import pathlib
import re
import urllib.parse

TAG = re.compile(r"\[(T[0-9]+)\]")
FAILED = {"scan": "ScanFailed", "chat": "ChatFailed"}
ASKING = {"chat.classify", "scan.vision", "chat.answer", "scan.answer"}  # the tasks that ask the provider
SKEW_S = 0.05
CLAIM_LOST_S = 1  # claims are not waited for on PostgreSQL's disk (synchronous_commit = off): three times wal_writer_delay, and a claim takes a moment
SIGN_S = 12  # the time that a transaction may take, and that between two beats


# --- reading ------------------------------------------------------------------------------------------


def read(folder, postgresql, rabbitmq, redis):
    folder = pathlib.Path(folder)
    found = {name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
             for name in ("submitted", "faults", "calls")}
    found["limits"] = json.loads((folder / "limits.json").read_text(encoding="utf-8"))
    found |= read_store(postgresql)
    found["queues"] = read_queues(rabbitmq, [row["queue"] for row in found["known_queues"]] + found["limits"]["queues"])
    found["results"] = read_results(redis)
    return found


def read_store(url):
    import psycopg
    import psycopg.rows

    queries = {
        "jobs": "select root_id, state, pipeline, restarts, branches, document #>> '{input,text}' as text from chard.job",
        "tasks": "select id, root_id, name, state, starts, attempts, lease_owner, result::text as result,"
                 " extract(epoch from finished_at)::float8 as finished from chard.task",
        "events": "select id::text, aggregate_type, aggregate_id, version, type, root_id, task_id from chard.event",
        "outbox": "select id::text, aggregatetype as aggregate_type, aggregateid as aggregate_id, type from chard.outbox order by xact, number",
        "scheduled": "select task_id, reason, routing_key, due_at::text as due from chard.scheduled",
        "owed": "select task_id from chard.owed_result",
        "letters": "select entry, task_id, root_id, name, state, attempts, error_code, error_message, verdict, automatic,"
                   " extract(epoch from died_at)::float8 as died from chard.dead_letter",
        "known_queues": "select distinct queue from chard.dead_letter where queue <> ''",
    }
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as link:
        return {name: link.execute(query).fetchall() for name, query in queries.items()}


def read_queues(url, names):
    """How many messages each of them holds, of those that are there. Nobody consumes any more, so none is unacked."""
    import amqp

    parts, depths = urllib.parse.urlsplit(url), {}
    link = amqp.Connection(host=f"{parts.hostname}:{parts.port}", userid=parts.username, password=parts.password,
                           virtual_host=urllib.parse.unquote(parts.path[1:]))
    link.connect()
    for name in {full for name in names for full in (name, f"{name}.dead")}:
        try:
            depths[name] = link.channel().queue_declare(name, passive=True).message_count
        except amqp.NotFound:
            continue
    link.close()
    return depths


def read_results(url):
    import redis

    found = {}
    with redis.Redis.from_url(url) as link:
        for key in link.scan_iter("celery-task-meta-*", 1000):
            found[key.decode().removeprefix("celery-task-meta-")] = json.loads(link.get(key))["status"]
    return found


# --- judging ------------------------------------------------------------------------------------------


def judge(findings):
    return Judge(findings).all()


def explain(findings):
    judge = Judge(findings)
    judge.all()
    return {"answers bought again": dict(judge.bought_again)}


class Judge:
    def __init__(self, findings):
        self.f, self.wrong = findings, []
        self.bought_again = collections.Counter()
        self.tasks = {task["id"]: task for task in findings["tasks"]}
        self.jobs = {job["root_id"]: job for job in findings["jobs"]}
        self.by_root = collections.defaultdict(list)
        for task in findings["tasks"]:
            self.by_root[task["root_id"]].append(task)
        self.events_of = collections.defaultdict(list)
        for event in findings["events"]:
            self.events_of[event["task_id"]].append(event)
        self.deaths = collections.Counter(letter["task_id"] for letter in findings["letters"])
        self.root_of_tag = {tag: job["root_id"] for job in findings["jobs"] for tag in TAG.findall(job["text"] or "")[-1:]}
        self.expected = {}  # the id of each task that was found, and its submission
        self.faults = self._faults()
        self.silences = self._silences()
        self.locks = [span for (kind, _), spans in self.faults.items() if kind.startswith(("table lock ", "row lock ")) for span in spans]

    def say(self, what, about, says):
        self.wrong.append({"what": what, "about": about, "says": says})

    def all(self):
        for one in self.f["submitted"]:
            self.submission(one)
        self.unknown()
        self.open_work()
        self.order()
        self.letters()
        self.exits()
        self.calls()
        return self.wrong

    # --- what was submitted ---------------------------------------------------------------------------

    def find(self, wanted):
        if wanted["id"]:
            return self.tasks.get(wanted["id"])
        root = wanted["root"] or self.root_of_tag.get(wanted["tag"])
        return next((task for task in self.by_root.get(root, []) if task["name"] == wanted["name"]), None)

    def submission(self, one):
        found = [(wanted, self.find(wanted)) for wanted in one["tasks"]]
        for _, task in found:
            if task:
                self.expected[task["id"]] = one
        if one["revoked"]:
            self.revoked(one, found)
            return
        for tag in {wanted["tag"] for wanted in one["tasks"]}:
            part = [pair for pair in found if pair[0]["tag"] == tag]
            # What failed while it was sent may be there or not, but for each of its messages whole.
            if one["sure"] or (tag and any(task for _, task in part)):
                for wanted, task in part:
                    self.healthy(one, wanted, task)
        self.body(one, found)

    def healthy(self, one, wanted, task):
        about = f"{one['shape']} {wanted['name']} {wanted['tag']} {task['id'] if task else wanted['id'] or wanted['root']}"
        if task is None:
            self.say("lost", about, "no row in chard.task")
            return
        if task["state"] != "SUCCESS":
            self.say("not done", about, f"the task is {task['state']}")
        if task["lease_owner"]:
            self.say("not done", about, f"{task['lease_owner']} still holds it")
        job = self.jobs.get(task["root_id"])
        if job is None or job["state"] != "SUCCESS":
            self.say("not done", about, f"its job is {job['state'] if job else 'unknown'}")
        self.happened(about, wanted, task)
        if wanted["told"] and self.f["results"].get(wanted["id"]) != "SUCCESS":
            self.say("result", about, f"Redis says {self.f['results'].get(wanted['id'])}")

    def happened(self, about, wanted, task):
        """Each of its events once; one more for each time that it died."""
        kinds = collections.Counter(event["type"] for event in self.events_of[task["id"]])
        failed = sum(count for kind, count in kinds.items() if kind.endswith("Failed"))
        if failed != self.deaths[task["id"]]:
            self.say("events", about, f"{failed} events of failure, {self.deaths[task['id']]} dead letters")
        good = {kind: count for kind, count in kinds.items() if not kind.endswith("Failed")}
        if good != dict.fromkeys(wanted["events"], 1):
            self.say("events", about, f"{good}, not {wanted['events']}")

    def revoked(self, one, found):
        """Its first task alone can be revoked before it begins. Either nothing happened, or all of it."""
        first = found[0][1]
        if first and first["state"] == "REVOKED":
            for wanted, task in found:
                if task and (task["state"] != "REVOKED" or self.events_of[task["id"]]):
                    self.say("revoked", f"{wanted['name']} {wanted['tag']} {task['id']}", f"is {task['state']}, though what it follows was revoked")
        elif one["sure"]:
            for wanted, task in found:
                self.healthy(one, wanted, task)

    def body(self, one, found):
        """A chord's body has the result of each part once."""
        if one["shape"] != "chords" or not one["sure"] or not found[-1][1]:
            return
        tags = sorted({wanted["tag"] for wanted, _ in found if wanted["tag"]})
        seen = sorted(set(TAG.findall(found[-1][1]["result"] or "")))
        parts = len(json.loads(found[-1][1]["result"] or '{"args": [[]]}')["args"][0])
        if tags != seen or parts != len(tags):
            self.say("chord", found[-1][1]["id"], f"its body has {parts} parts, {seen}, not {tags}")

    def unknown(self):
        """Nothing is there that nobody sent."""
        for task in self.f["tasks"]:
            if task["id"] not in self.expected:
                self.say("doubled", f"{task['name']} {task['id']}", f"nobody sent it; its job is {task['root_id']}")
        roots = {self.tasks[task_id]["root_id"] for task_id in self.expected}
        for job in self.f["jobs"]:
            if job["root_id"] not in roots:
                self.say("doubled", job["root_id"], f"a job of no task that was sent, {job['state']}")

    # --- at rest --------------------------------------------------------------------------------------

    def open_work(self):
        for name, depth in self.f["queues"].items():
            if depth:
                self.say("left", name, f"{depth} messages")
        for row in self.f["scheduled"]:
            self.say("left", row["task_id"], f"scheduled, {row['reason']}, due {row['due']}")
        for row in self.f["owed"]:
            self.say("left", row["task_id"], "its result is still owed")
        for job in self.f["jobs"]:
            if job["state"] not in ("SUCCESS", "FAILURE", "REVOKED"):
                self.say("left", job["root_id"], f"a job that is {job['state']}, {job['branches']} branches open")
            if job["restarts"]:
                self.say("lost", job["root_id"], f"somebody had to start it again, {job['restarts']} times")

    # --- events ---------------------------------------------------------------------------------------

    def order(self):
        versions, ids = collections.defaultdict(list), collections.Counter()
        for event in self.f["events"]:
            versions[event["aggregate_type"], event["aggregate_id"]].append(event["version"])
            ids[event["id"]] += 1
        for aggregate, found in versions.items():
            if sorted(found) != list(range(1, len(found) + 1)):
                self.say("events", "/".join(aggregate), f"versions {sorted(found)}")
        self.outbox({event["id"]: event for event in self.f["events"]})
        self.steps()

    def outbox(self, events):
        seen, last = collections.Counter(), {}
        for row in self.f["outbox"]:
            seen[row["id"]] += 1
            event = events.get(row["id"])
            if event is None:
                self.say("events", row["id"], f"{row['type']} is in the outbox alone")
                continue
            aggregate = event["aggregate_type"], event["aggregate_id"]
            if (row["aggregate_type"], row["aggregate_id"], row["type"]) != (*aggregate, event["type"]):
                self.say("events", row["id"], "the outbox says something else than the events")
            if event["version"] <= last.get(aggregate, 0):
                self.say("order", "/".join(aggregate), f"version {event['version']} after {last[aggregate]} in the outbox")
            last[aggregate] = event["version"]
        for event_id, count in seen.items():
            if count > 1:
                self.say("events", event_id, f"{count} times in the outbox")
        for event_id in events.keys() - seen.keys():
            self.say("events", event_id, "not in the outbox")

    def steps(self):
        """What a later step says has a later version."""
        for one in self.f["submitted"]:
            last = {}
            for wanted in one["tasks"]:
                task = self.find(wanted)
                for event in self.events_of[task["id"]] if task and wanted["tag"] else []:
                    if event["type"] in wanted["events"]:
                        if event["version"] <= last.get(wanted["tag"], 0):
                            self.say("order", task["id"], f"{event['type']} has version {event['version']}, not after {last[wanted['tag']]}")
                        last[wanted["tag"]] = event["version"]

    # --- dead letters ---------------------------------------------------------------------------------

    def letters(self):
        """None is of a healthy task, also if it was sent back and is done."""
        for letter in self.f["letters"]:
            one = self.expected.get(letter["task_id"])
            if not (one and one["revoked"] and letter["error_code"] == "revoked"):
                self.say("dead", f"{letter['name']} {letter['task_id']}", f"{letter['error_code']} after {letter['attempts']} attempts ({letter['verdict']}),"
                                                                          f" now {letter['state']}: {letter['error_message'][:200]}")

    def exits(self):
        """A process that starts while a server is away may say so and end (3). It may not fall over."""
        for entry in self.f["faults"]:
            if entry["kind"] == "exit" and entry["what"] == "begins" and entry["status"] not in (0, 3):
                self.say("fell", entry["target"], f"ended by itself with {entry['status']}")

    # --- the provider's book --------------------------------------------------------------------------

    def _faults(self):
        """{(kind, target): [[begin, end], …]}"""
        found = collections.defaultdict(list)
        for entry in self.f["faults"]:
            key = entry["kind"], entry["target"]
            if entry["what"] == "begins":
                found[key].append([entry["at"], float("inf")])
            else:
                next(span for span in found[key] if span[0] == entry["at"])[1] = entry["now"]
        return found

    def _silences(self):
        """{worker: spans in which it could not write into the store}; of None: in which nobody could."""
        found = collections.defaultdict(list)
        for (kind, target), spans in self.faults.items():
            if target.endswith("/store"):
                found[target.removesuffix("/store")] += spans
            elif kind.endswith((" postgresql", "lock worker")):
                found[None] += spans
        return found

    def calls(self):
        by_step = collections.defaultdict(list)
        for call in self.f["calls"]:
            by_step[call["tag"], call["step"]].append(call)
        finished = {}
        for one in self.f["submitted"]:
            for wanted in one["tasks"]:
                task = self.find(wanted) if wanted["name"] in ASKING else None
                if task:
                    finished[wanted["tag"], wanted["name"]] = task
        for key, calls in by_step.items():
            calls.sort(key=lambda call: call["at"])
            task = finished.get(key)
            if task is None:
                self.say("paid", " ".join(key), f"{len(calls)} calls for a task that nobody knows")
                continue
            self.step(f"{task['name']} {key[0]} {task['id']}", task, calls)
        for key, task in finished.items():
            if task["state"] == "SUCCESS" and not any(call["outcome"] == "whole" for call in by_step.get(key, [])):
                self.say("paid", f"{task['name']} {key[0]} {task['id']}", "is done, yet the book has no answer for it")

    def step(self, about, task, calls):
        for number, call in enumerate(calls):
            late_s = call["at"] - task["finished"] if task["state"] == "SUCCESS" else 0
            if late_s > SKEW_S and not self.was_taken_over(calls[:number], call, late_s):
                self.say("paid", about, f"call {call['n']} by {call['worker']} was made {late_s:.2f} s after its end")
        for call, later in zip(calls, calls[1:]):
            end = call["end"] or float("inf")
            if later["at"] < end - SKEW_S and not self.stood_still(call, later):
                self.say("paid", about, f"call {later['n']} by {later['worker']} while call {call['n']} by {call['worker']} was under way")
            if call["outcome"] == "whole":
                why = self.why(call, later)
                self.bought_again[why or "unexplained"] += 1
                if not why:
                    self.say("paid", about, f"call {later['n']} by {later['worker']}, though {call['worker']} had the answer of call {call['n']}"
                                            f" {later['at'] - end:.2f} s before")

    def was_taken_over(self, before, call, late_s):
        """Somebody else had it by then, whose model was paused for a moment, when its first owner came back and committed."""
        return any(earlier["outcome"] == "whole" and self.why(earlier, call) in ("stop", "cut off") for earlier in before) \
            and late_s <= self.f["limits"]["hold_s"] + 1

    def why(self, call, later):
        """What took the answer away from the worker that had it, or the claim from the store."""
        for begin, _ in self.faults["kill", call["worker"]]:
            if call["at"] <= begin <= later["at"]:
                return "kill"
        for begin, _ in self.faults["kill postgresql", "postgresql"] + self.faults["immediate postgresql", "postgresql"]:
            if begin - CLAIM_LOST_S <= call["at"] <= begin + CLAIM_LOST_S:
                return "claim lost with PostgreSQL"
        if self.stood_still(call, later):
            return "stop"
        for begin, end in self.faults["terminate", call["worker"]]:
            if call["at"] <= end <= later["at"] + 1 and end - begin >= self.f["limits"]["grace_s"]:
                return "grace time over"
        return "cut off" if self.cut_off(call, later) else None

    def cut_off(self, call, later):
        """Could it tell nobody that it has the answer: not before its lease was over, or not for so long that it counted as dead?"""
        limits, spans = self.f["limits"], list(self.silences[call["worker"]]) + list(self.silences[None])
        return any((begin <= call["end"] + limits["beat_s"] and end >= call["at"] + limits["lease_s"] - limits["beat_s"] - 1
                    or min(end, later["at"]) - begin >= limits["silent_s"] - limits["beat_s"]) and begin <= later["at"] for begin, end in spans)

    def stood_still(self, call, later):
        """It was stopped for so long that its lease was over when somebody else called. (A beat that is under way says nothing of an answer that has just
        come; the next one does, which goes out within another two seconds. And one that has counted as dead signs, behind a lock, only once the claim before that,
        which waits for it as well, has ended.)"""
        limits = self.f["limits"]
        soon, over_s, dead_s = (call["end"] or later["at"]) + 2 * limits["beat_s"], limits["lease_s"] - limits["deadline_s"] - 1, limits["silent_s"] - limits["beat_s"]
        return any((begin <= soon and later["at"] - begin >= over_s and end >= call["at"])
                   or (self.waited(call, begin) and later["at"] - begin >= dead_s
                       and (end >= later["at"] or end - begin >= dead_s and self.waited(call, end) and later["at"] - end <= SIGN_S))
                   for begin, end in self.faults["stop", call["worker"]])

    def waited(self, call, moment):
        """Was a lock in the answer's way into the store, from when it came until then? (One row holds up all that its worker has to store.)"""
        return call["end"] is not None and any(begin <= call["end"] + 1 and end >= moment for begin, end in self.locks)
