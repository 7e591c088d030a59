# SPDX-License-Identifier: Apache-2.0
"""Tasks compiled outside this tree, against nothing but the installed chard.h."""

import json
import subprocess

import pytest

from support.program import ROOT, no_report
from support.waiting import wait_until

from celery import Celery, chain

HEAD = '#include <chard.h>\nstatic int run(const struct chard_input *in, struct chard_outcome *out) { (void)in; %s }\n'
TASK = 'static const struct chard_task t = { .name = "%s", .queue = "%s", .deadline_ms = 1000, .run = run };\n'


@pytest.fixture(scope="session")
def headers(tmp_path_factory):
    """A folder that holds the public header alone."""
    folder = tmp_path_factory.mktemp("include")
    (folder / "chard.h").write_bytes((ROOT / "include/chard.h").read_bytes())
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


def test_several_files_and_their_queues(chard_bare, example, compile):
    other = compile("other", HEAD % "return chard_section(out, \"x\", \"1\");" + TASK % ("more.one", "more.one") + "CHARD_PLUGIN(&t);")
    shown = chard_bare.run("topology", "show", "--tasks", f"{example},{other}", check=0).stdout
    for queue in ("text.count", "text.summary", "more.one"):
        assert f"{queue}.dead" in shown


ONE = HEAD % "(void)out; return CHARD_DONE;"
REFUSALS = {
    "no_file": (None, "No such file"),
    "no_library": ("", "file too short|invalid ELF"),
    "missing_symbol": ("int nothing;", "exports no constant chard_plugin"),
    "unresolved": (HEAD % "extern int nowhere(void); (void)out; return nowhere();" + TASK % ("a.b", "a.b") + "CHARD_PLUGIN(&t);",
                   "undefined symbol: nowhere"),
    "other_version": ("#include <chard.h>\n#undef CHARD_PLUGIN_ABI\n#define CHARD_PLUGIN_ABI 7\n" + ONE.split("\n", 1)[1]
                      + TASK % ("a.b", "a.b") + "CHARD_PLUGIN(&t);", "plug-in ABI 7, this chard has 1"),
    "other_sizes": ("#include <chard.h>\nCHARD_API extern const struct chard_plugin chard_plugin;"
                    "const struct chard_plugin chard_plugin = { 1, 8, 8, 8, 0 };", "other sizes"),
    "no_task": ("#include <chard.h>\nCHARD_PLUGIN(NULL);", "exports no task"),
    "known_name": (ONE + TASK % ("chat.answer", "other") + "CHARD_PLUGIN(&t);", "named chat.answer already"),
    "twice": (ONE + TASK % ("a.b", "a.b") + "CHARD_PLUGIN(&t, &t);", "named a.b already"),
    "comma": (ONE + TASK % ("a.b", "a,b") + "CHARD_PLUGIN(&t);", "without spaces and commas"),
    "dead": (ONE + TASK % ("a.b", "a.dead") + "CHARD_PLUGIN(&t);", "must not end in .dead"),
    "reserved": (ONE + TASK % ("a.b", "amq.b") + "CHARD_PLUGIN(&t);", "reserved"),
    "no_queue": (ONE + TASK % ("a.b", "") + "CHARD_PLUGIN(&t);", "1 to 250 bytes"),
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


BROKEN = {
    "json": ("return chard_section(out, \"x\", \"{no json\");", "the section \"x\" of broken.one"),
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
