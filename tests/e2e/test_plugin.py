# SPDX-License-Identifier: Apache-2.0
"""Tasks compiled outside this tree, against nothing but the installed chard.h."""

import json
import re
import shutil
import subprocess

import pytest

from support.place import everywhere
from support.program import ROOT, no_report
from support.waiting import wait_until
from test_dlq import keeping

from celery import Celery, chain

HEAD = '#include <chard.h>\nstatic int run(const struct chard_input *in, struct chard_outcome *out) { (void)in; %s }\n'
TASK = 'static const struct chard_task t = { .name = "%s", .queue = "%s", .deadline_ms = 1000, .run = run };\n'


@pytest.fixture(scope="session")
def headers(tmp_path_factory):
    """A folder that holds the public headers alone."""
    folder = tmp_path_factory.mktemp("include")
    shutil.copytree(ROOT / "include", folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def compile(headers, tmp_path):
    def compile(name, source, *flags):
        path = tmp_path / f"{name}.c"
        path.write_text(source)
        library = tmp_path / f"{name}.so"
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{headers}", *flags,
                        "-o", library, path], check=True, timeout=60)
        return library

    return compile


@pytest.fixture
def example(compile):
    return compile("text_tasks", (ROOT / "examples/plugin/text_tasks.c").read_text())


def client(broker_url):
    app = Celery("plugin", broker=broker_url, set_as_current=False)
    app.conf.update(task_create_missing_queue_type="quorum", task_create_missing_queue_exchange_type="topic",
                    broker_transport_options={"confirm_publish": True})
    return app


def sig(app, name, **kwargs):
    return app.signature(name, kwargs=kwargs, queue=name)


def finished(chard, job_id):
    def ended():
        shown = chard.run("job", job_id, "--json")
        job = json.loads(shown.stdout) if shown.stdout else {}
        return job if job.get("state") in ("SUCCESS", "FAILURE") else None

    return wait_until(ended, 60)


def test_the_example_runs_in_a_chain(chard, example, broker_url):
    chard.settings["CHARD_TASKS"] = str(example)
    chard.prepare()
    app = client(broker_url)
    with chard.worker(queues="text.count,text.summary"):
        result = chain(sig(app, "text.count", text="one two  three", lang="en"), sig(app, "text.summary")).apply_async()
        refused = sig(app, "text.count", words=3).apply_async()
        job = finished(chard, result.parent.id)
        assert job["state"] == "SUCCESS"
        assert job["document"]["count"] == {"words": 3}
        assert job["document"]["summary"] == {"sentence": "one two  three"}
        lost = finished(chard, refused.id)
        assert lost["state"] == "FAILURE"
        assert "no \"text\" to count" in json.dumps(lost, ensure_ascii=False).replace("\\", "")
    assert "TextSummarised" in chard.run("events", "--json", check=0).stdout


def test_a_model_answers_the_example(chard, example, broker_url, provider, reply):
    provider.behave = reply.always(reply.completion({"sentence": "Numbers."}))
    chard.settings |= {"CHARD_TASKS": str(example)} | provider.settings()
    chard.prepare()
    with chard.worker(queues="text.summary"):
        result = sig(client(broker_url), "text.summary", text="one two three", lang="en").apply_async()
        assert finished(chard, result.id)["document"]["summary"] == {"sentence": "Numbers."}


@pytest.mark.parametrize("lang, begins", [("en-GB", "Sum up"), ("ko", "아래 글을"), ("pt-br", "Resuma"), ("de", "Sum up")])
def test_the_prompt_is_in_the_documents_language(chard, example, broker_url, provider, reply, lang, begins):
    """In any number of them, by their tags; the first stands for all others."""
    provider.behave = reply.always(reply.completion({"sentence": "Numbers."}))
    chard.settings |= {"CHARD_TASKS": str(example)} | provider.settings()
    chard.prepare()
    with chard.worker(queues="text.summary"):
        result = sig(client(broker_url), "text.summary", text="one two three", lang=lang).apply_async()
        assert finished(chard, result.id)["state"] == "SUCCESS"
    assert provider.requests[0].json["messages"][0]["content"].startswith(begins)


# A badge is a player's once, and counts what its player has; a setting is merged.
FACTS = """
#include <chard.h>
#include <stdio.h>
#include <string.h>
static int run(const struct chard_input *in, struct chard_outcome *out)
{
        char section[200];
        const char *player = chard_text(in, "/input/player"), *badge = chard_argument_text(in, "/kwargs/badge");
        if (!badge || strcmp(badge, chard_text(in, "/input/badge")) != 0)
                return chard_refuse(in, "arguments", "they are not beside the document");
        const char *has = chard_fact(in, "badge", player, badge), *all = chard_facts(in, "setting", player);
        if (chard_facts(in, "badge", "somebody else") || chard_facts(in, "unseen", player) || !all)
                return chard_refuse(in, "seen", "it sees what it did not ask for");
        snprintf(section, sizeof(section), "{\\"had\\": %s, \\"settings\\": %s}", has ? has : "null", all);
        if (!has && chard_fact_once(out, "badge", player, badge, "{\\"level\\": 1}") != CHARD_DONE)
                return CHARD_BROKEN;
        return chard_fact_merge(out, "setting", player, "latest", chard_quote(in, badge)) == CHARD_DONE ? chard_section(out, "badge", section)
                                                                                                        : CHARD_BROKEN;
}
static const struct chard_task t = { .name = "badge.give", .queue = "badge.give", .deadline_ms = 5000, .adds = { "badge" },
                                     .sees = { { "badge", "/input/player" }, { "setting", "/input/player" } }, .run = run };
CHARD_PLUGIN(&t);
"""


@everywhere
def test_facts_are_kept_and_seen(chard, compile, database):
    """Six at once want to be the first: one is, and all others see it."""
    def give(player, badge):
        return chard.run("send", "badge.give", f"player={player}", f"badge={badge}", check=0).stdout.strip()

    chard.settings["CHARD_TASKS"] = str(compile("facts", FACTS, "-Wno-missing-field-initializers"))
    chard.prepare()
    ids = [give("p1", "gold") for _ in range(6)] + [give("p2", "tin")]
    with chard.worker(queues="badge.give"):
        documents = [finished(chard, id)["document"] for id in ids]
        after = finished(chard, give("p1", "tin"))["document"]["badge"]
    assert [d["badge"]["had"] for d in documents].count(None) == 2
    assert [d["badge"]["had"] for d in documents].count({"level": 1}) == 5
    assert after == {"had": None, "settings": {"latest": "gold"}}
    assert {(row["kind"], row["owner"], row["key"], json.dumps(row["value"])) for row in database.rows("select * from chard.fact")} == {
        ("badge", "p1", "gold", '{"level": 1}'), ("badge", "p1", "tin", '{"level": 1}'), ("badge", "p2", "tin", '{"level": 1}'),
        ("setting", "p1", "latest", '"tin"'), ("setting", "p2", "latest", '"tin"')}


def test_several_files_and_their_queues(chard_bare, example, compile):
    other = compile("other", HEAD % "return chard_section(out, \"x\", \"1\");" + TASK % ("more.one", "more.one") + "CHARD_PLUGIN(&t);")
    shown = chard_bare.run("topology", "show", "--tasks", f"{example},{other}", check=0).stdout
    for queue in ("text.count", "text.summary", "more.one"):
        assert f"{queue}.dead" in shown


def test_in_the_queue_that_celery_names_by_default(chard, compile, broker_url, database):
    """Its client has declared it in its own way. Whoever keeps dead letters takes those of this queue too, and leaves the queue as it is."""
    refuses = compile("refuses", HEAD % "(void)out; return chard_refuse(in, \"unfit\", \"as it should\");" + TASK % ("a.b", "celery") + "CHARD_PLUGIN(&t);")
    chard.settings |= {"CHARD_TASKS": str(refuses), "CHARD_DECLARE_QUEUES": "no"}
    chard.prepare()
    with keeping(chard):
        Celery("classic", broker=broker_url, set_as_current=False).send_task("a.b")
        with chard.worker(queues="celery"):
            wait_until(lambda: database.rows("select 1 from chard.dead_letter where queue = 'celery' and error_code = 'unfit'"), 30)
    shown = chard.run("topology", "show", check=0).stdout
    assert re.search(r"^queue +celery\.dead ", shown, re.M) and not re.search(r"^queue +celery ", shown, re.M)


ONE = HEAD % "(void)out; return CHARD_DONE;"
REFUSALS = {
    "no_file": (None, "No such file"),
    "no_library": ("", "file too short|invalid ELF"),
    "missing_symbol": ("int nothing;", "exports no constant chard_plugin"),
    "unresolved": (HEAD % "extern int nowhere(void); (void)out; return nowhere();" + TASK % ("a.b", "a.b") + "CHARD_PLUGIN(&t);",
                   "undefined symbol: nowhere"),
    "other_version": ("#include <chard.h>\n#undef CHARD_PLUGIN_ABI\n#define CHARD_PLUGIN_ABI 7\n" + ONE.split("\n", 1)[1]
                      + TASK % ("a.b", "a.b") + "CHARD_PLUGIN(&t);", "plug-in ABI 7, this chard has 1"),
    "older_version": ("#include <chard.h>\n#undef CHARD_PLUGIN_ABI\n#define CHARD_PLUGIN_ABI 0\n" + ONE.split("\n", 1)[1]
                      + TASK % ("a.b", "a.b") + "CHARD_PLUGIN(&t);", "plug-in ABI 0, this chard has 1"),
    "newer_calls": ("#include <chard.h>\n" + ONE.split("\n", 1)[1] + TASK % ("a.b", "a.b") + """
                    static const struct chard_task *const tasks[] = { &t, 0 }; CHARD_API extern const struct chard_plugin chard_plugin;
                    const struct chard_plugin chard_plugin = { CHARD_PLUGIN_ABI, sizeof(struct chard_plugin), sizeof(struct chard_task),
                                                               sizeof(struct chard_calls) + 8, tasks };""", "other sizes"),
    "no_struct": ("int chard_plugin = 1;", "not what CHARD_PLUGIN in chard.h makes"),
    "a_function": ("void chard_plugin(void) {}", "not what CHARD_PLUGIN in chard.h makes"),
    "other_sizes": ("#include <chard.h>\nCHARD_API extern const struct chard_plugin chard_plugin;"
                    "const struct chard_plugin chard_plugin = { 1, 8, 8, 8, 0 };", "other sizes"),
    "no_task": ("#include <chard.h>\nCHARD_PLUGIN(NULL);", "exports no task"),
    "known_name": (ONE + TASK % ("chat.answer", "other") + "CHARD_PLUGIN(&t);", "named chat.answer already"),
    "twice": (ONE + TASK % ("a.b", "a.b") + "CHARD_PLUGIN(&t, &t);", "named a.b already"),
    "comma": (ONE + TASK % ("a.b", "a,b") + "CHARD_PLUGIN(&t);", "without spaces and commas"),
    "dead": (ONE + TASK % ("a.b", "a.dead") + "CHARD_PLUGIN(&t);", "must not end in .dead"),
    "no_language": (ONE + 'static const struct chard_prompt p[] = { { "en_GB", "x" }, { 0, 0 } };'
                    + TASK.replace(".run", ".prompts = p, .run") % ("a.b", "q") + "CHARD_PLUGIN(&t);", "no BCP 47 tag"),
    "no_pointer": (ONE + TASK.replace(".run", '.sees = { { "badge", "user" } }, .run') % ("a.b", "q") + "CHARD_PLUGIN(&t);",
                   "without a JSON pointer to their owner"),
    "reserved": (ONE + TASK % ("a.b", "amq.b") + "CHARD_PLUGIN(&t);", "reserved"),
    "no_queue": (ONE + TASK % ("a.b", "") + "CHARD_PLUGIN(&t);", "1 to 250 bytes"),
    "soft_after_hard": (ONE + TASK.replace(".run", ".time_limit_ms = 100, .soft_time_limit_ms = 200, .run") % ("a.b", "q") + "CHARD_PLUGIN(&t);",
                        "a.b has a soft_time_limit_ms above its time_limit_ms"),
    "no_deadline": (ONE + 'static const struct chard_task t = { .name = "a.b", .queue = "q", .run = run };CHARD_PLUGIN(&t);',
                    "a.b has no deadline_ms"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_wrong_file_is_refused_with_a_clear_word(chard_bare, compile, tmp_path, name):
    source, wanted = REFUSALS[name]
    path = tmp_path / f"{name}.so"
    if source == "":
        path.write_text("no library")
    elif source is not None:
        path = compile(name, source, "-Wno-missing-field-initializers", "-Wno-unused-function")
    done = chard_bare.run("worker", "--tasks", path, check=2)
    assert any(word in done.stderr for word in wanted.split("|")), done.stderr
    assert str(path) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    no_report(done.stderr)


# In a plug-in compiled against a chard.h that knew fewer calls; the rest is as ever.
OLDER = """
static const struct chard_task *const tasks[] = { &t, 0 };
CHARD_API extern const struct chard_plugin chard_plugin;
const struct chard_plugin chard_plugin = { CHARD_PLUGIN_ABI, sizeof(struct chard_plugin), sizeof(struct chard_task),
                                           offsetof(struct chard_calls, fact_once), tasks };
"""

# A thread of the plug-in's own, and what was kept of an earlier task's call, reach nothing.
THREAD = """
#include <chard.h>
#include <pthread.h>
struct both { const struct chard_input *in; struct chard_outcome *out; int reached; };
static void *use(void *arg)
{
        struct both *b = arg;
        b->reached = chard_text(b->in, "/job/id") || chard_json(b->in, "") || chard_quote(b->in, "x") || chard_allocate(b->in, 8) ||
                     chard_section(b->out, "x", "1") == CHARD_DONE || chard_event(b->out, "t", "i", "T", "{}") == CHARD_DONE ||
                     chard_fact_merge(b->out, "k", "u", "f", "1") == CHARD_DONE || chard_fact_once(b->out, "k", "u", "c", "1") == CHARD_DONE ||
                     chard_facts(b->in, "k", "u");
        chard_refuse(b->in, "other_thread", "said by another thread");
        return NULL;
}
static const struct chard_input *kept_in;
static struct chard_outcome *kept_out;
static int first(const struct chard_input *in, struct chard_outcome *out)
{
        struct both b = { in, out, 1 };
        pthread_t thread;
        pthread_create(&thread, NULL, use, &b);
        pthread_join(thread, NULL);
        kept_in = in;
        kept_out = out;
        return chard_section(out, "first", b.reached ? "\\"reached\\"" : "\\"kept away\\"");
}
static int second(const struct chard_input *in, struct chard_outcome *out)
{
        struct both b = { kept_in, kept_out, 1 };
        use(&b);
        if (b.reached || chard_say((struct chard_request *)(void *)out, "user", CHARD_TEXT, "x") == CHARD_DONE)
                return chard_refuse(in, "reached", "it reached an earlier task's call");
        return chard_section(out, "second", "1") == CHARD_DONE ? chard_section(out, "second", "2") : CHARD_BROKEN;
}
static const struct chard_task one = { .name = "broken.one", .queue = "broken.one", .deadline_ms = 1000, .adds = { "first" }, .run = first };
static const struct chard_task two = { .name = "broken.two", .queue = "broken.two", .deadline_ms = 1000, .adds = { "second" }, .run = second };
CHARD_PLUGIN(&one, &two);
"""


def test_calls_from_where_they_must_not_come_reach_nothing(chard, compile, broker_url):
    chard.settings["CHARD_TASKS"] = str(compile("broken", THREAD, "-pthread"))
    chard.prepare()
    app = client(broker_url)
    with chard.worker(queues="broken.one,broken.two"):
        result = chain(sig(app, "broken.one"), sig(app, "broken.two")).apply_async()
        job = finished(chard, result.parent.id)
    assert job["state"] == "SUCCESS", job
    assert job["document"]["first"] == "kept away" and job["document"]["second"] == 2


def test_an_older_plugin_runs(chard, compile, broker_url):
    older = compile("older", "#include <stddef.h>\n" + HEAD % "return chard_section(out, \"x\", \"1\");" + TASK % ("older.one", "older.one") + OLDER)
    chard.settings["CHARD_TASKS"] = str(older)
    chard.prepare()
    with chard.worker(queues="older.one"):
        result = sig(client(broker_url), "older.one").apply_async()
        assert finished(chard, result.id)["state"] == "SUCCESS"


def test_a_function_that_never_returns_ends_the_worker_and_then_the_task(chard, compile, broker_url, queues):
    """Its neighbour on the same worker is not lost."""
    hanging = compile("hanging", HEAD % "(void)out; for (volatile int hung = 1; hung;) {} return CHARD_DONE;" + TASK % ("hanging.one", "hanging.one")
                      + "CHARD_PLUGIN(&t);")
    chard.settings |= {"CHARD_TASKS": str(hanging), "CHARD_MAX_STARTS": "2"}
    chard.prepare()
    app = client(broker_url)
    result = sig(app, "hanging.one").apply_async()
    for _ in range(2):
        with chard.worker(queues="hanging.one", ready=False, name="chard@hanging") as worker:
            worker.expected = {-6}
            assert worker.wait(30) == -6
        assert "hanging.one has not returned for 1000 ms" in worker.stderr
    with chard.worker(queues="hanging.one,chard.note", name="chard@hanging"):
        note = sig(app, "chard.note", n=1).apply_async()
        assert finished(chard, note.id)["state"] == "SUCCESS"
        assert finished(chard, result.id)["state"] == "FAILURE"
    assert queues.depth("hanging.one.dead") == 1


ASKS = """
static int ask(const struct chard_input *in, struct chard_request *request) { (void)in, (void)request; return CHARD_DONE; }
static int conclude(const struct chard_input *in, const struct chard_reply *reply, struct chard_outcome *out)
{ (void)in, (void)reply, (void)out; return CHARD_DONE; }
static const struct chard_task t = { .name = "a.b", .queue = "a.b", .deadline_ms = 1000, .schema = SCHEMA, .ask = ask, .conclude = conclude };
CHARD_PLUGIN(&t);
"""
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize("schema, wanted", [
    (OPEN, 'at its root: "additionalProperties": false is missing'),
    (OPEN | {"additionalProperties": False, "required": []}, 'at its root: "required" lacks the property "a"'),
    (OPEN | {"additionalProperties": False, "properties": {"a": {"typ": "string"}}},
     'at /properties/a: there is no keyword "typ" in strict mode; did you mean "type"?'),
])
def test_a_schema_that_no_provider_takes_stops_the_start(chard_bare, compile, schema, wanted):
    source = f"#include <chard.h>\n#define SCHEMA {json.dumps(json.dumps(schema))}\n{ASKS}"
    done = chard_bare.run("worker", "--tasks", compile("schema", source, "-Wno-missing-field-initializers"), check=2)
    assert "task a.b" in done.stderr and wanted in done.stderr
    no_report(done.stderr)


BROKEN = {
    "json": ("return chard_section(out, \"x\", \"{no json\");", "the section \"x\" of broken.one"),
    "no_json": ("return chard_section(out, \"x\", NULL);", "the section \"x\" of broken.one: there is no JSON"),
    "no_name": ("return chard_section(out, NULL, \"1\");", "a text is missing"),
    "not_its_own": ("return chard_section(out, \"job\", \"{}\");", "not a task's to write"),
    "event": ("return chard_event(out, \"t\", NULL, \"T\", \"{}\");", "the event \"T\" of broken.one: a text is missing"),
    "bytes": ("return chard_event(out, \"t\", \"i\", \"\\xff\", \"{}\");", "a text is not UTF-8"),
    "owner": ("return chard_fact_merge(out, \"k\", NULL, \"f\", \"1\");", "the fact \"f\" of broken.one: a text is missing"),
    "key": ("return chard_fact_once(out, \"k\", \"u\", NULL, \"1\");", "a text is missing"),
    "fact": ("return chard_fact_once(out, \"k\", \"u\", \"f\", \"{no json\");", "the fact \"f\" of broken.one"),
    "pointer": ("(void)out; return chard_text(in, NULL) || chard_json(in, NULL) ? CHARD_DONE : chard_refuse(in, NULL, NULL);", "refused"),
    "silent": ("(void)out; return -1;", "broken.one returned -1"),
    "unreasoned": ("(void)out; return CHARD_REFUSE;", "refused it without saying why"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bug_in_a_task_makes_a_dead_letter(chard, compile, broker_url, name):
    body, wanted = BROKEN[name]
    broken = compile("broken", HEAD % body + TASK % ("broken.one", "broken.one") + "CHARD_PLUGIN(&t);")
    chard.settings["CHARD_TASKS"] = str(broken)
    chard.prepare()
    with chard.worker(queues="broken.one"):
        result = sig(client(broker_url), "broken.one").apply_async()
        job = finished(chard, result.id)
    assert job["state"] == "FAILURE"
    assert wanted in json.dumps(job).replace("\\", "")


LATE, SOFT, HARD = "late", "SoftTimeLimitExceeded", "TimeLimitExceeded"
LIMITS = [  # task, the message's own limits, what comes of it
    ("kit.slow", {"soft_time_limit": 1, "time_limit": 40}, LATE),  # in place of a failure it gives something else
    ("kit.slow", {"time_limit": 1}, HARD),  # the hard limit is none of its business
    ("kit.hasty", {}, LATE),  # the limits that its task declares
    ("kit.hasty", {"soft_time_limit": 30, "time_limit": 1}, HARD),  # the message's come before those
    ("kit.hasty", {"time_limit": 0.4}, HARD),  # each of the two by itself
]


def test_time_limits_of_message_and_task(chard, compile, app_of, provider, reply, private_redis):
    redis = private_redis()
    provider.behave = reply.always(reply.hanging())
    library = compile("kit_tasks", (ROOT / "tests/e2e/support/kit_tasks.c").read_text(), "-std=gnu11")
    chard.settings |= provider.settings() | {"CHARD_TASKS": str(library), "CHARD_RESULT_URL": redis.url}
    chard.prepare()
    app = app_of(redis.url)
    with chard.worker(queues="kit"):
        results = [app.send_task(task, exchange="kit", routing_key="kit", **limits) for task, limits, _ in LIMITS]
        values = [result.get(30, propagate=False) for result in results]
    assert [value if isinstance(value, str) else type(value).__name__ for value in values] == [said for *_, said in LIMITS]


# Wants to run elsewhere five times, and runs at the sixth.
ELSEWHERE = """#include <chard.h>
static int times;
static int run(const struct chard_input *in, struct chard_outcome *out)
{ (void)in; return ++times < 6 ? CHARD_ELSEWHERE : chard_result(out, chard_request_json(in, "/retries")); }
"""


@everywhere
@pytest.mark.parametrize("flags", ["CHARD_PLAIN", "CHARD_PLAIN | CHARD_STATELESS"])
def test_what_wants_to_run_elsewhere_comes_back_and_counts_no_attempt(chard, compile, place, flags):
    """Nor a start, of which there may be two."""
    chard.settings |= {"CHARD_MAX_STARTS": "2", "CHARD_TASKS": str(compile(
        "moody", ELSEWHERE + TASK.replace(".run", f".flags = {flags}, .run") % ("moody.one", "moody.one") + "CHARD_PLUGIN(&t);"))}
    chard.prepare()
    with chard.worker(queues="moody.one", log_level="debug") as worker:
        chard.run("send", "moody.one", check=0)
        worker.wait_log("task=.* publish -> ")
    assert worker.stderr.count("is to run elsewhere") == 5 and "-> dead" not in worker.stderr


PAID = """#include <chard.h>
static int ask(const struct chard_input *in, struct chard_request *request) { (void)in, (void)request; return CHARD_DONE; }
static int conclude(const struct chard_input *in, const struct chard_reply *reply, struct chard_outcome *out)
{ (void)in, (void)reply, (void)out; return CHARD_ELSEWHERE; }
static const struct chard_task t = { .name = "paid.one", .queue = "paid.one", .deadline_ms = 9000, .retry_limit = 1, .ask = ask, .conclude = conclude,
        .schema = "{\\"type\\":\\"object\\",\\"properties\\":{},\\"required\\":[],\\"additionalProperties\\":false}" };
CHARD_PLUGIN(&t);
"""


def test_what_was_paid_for_is_not_bought_again_elsewhere(chard, compile, broker_url, provider, reply):
    """An answer that its task wants to have elsewhere is a failed attempt: of these there are as many as the task allows."""
    provider.behave = reply.always(reply.completion({}))
    chard.settings |= {"CHARD_TASKS": str(compile("paid", PAID, "-Wno-missing-field-initializers"))} | provider.settings()
    chard.prepare()
    with chard.worker(queues="paid.one") as worker:
        chard.run("send", "paid.one", check=0)
        worker.wait_log("dead source=task code=elsewhere")
    assert len(provider.requests) == 2
