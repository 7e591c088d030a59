# SPDX-License-Identifier: Apache-2.0
"""The parsers of deploy/logs, held against real log files by the collector's filelog receiver, which has the same kinds of them; Fluent Bit itself can't be had here."""

import contextlib
import datetime
import json
import re

import pytest
import yaml
from support.program import ROOT, Chard
from support.waiting import wait_until
from telemetry import Collector, Jaeger, VictoriaLogs

PARSERS = {one["name"]: one for one in yaml.safe_load((ROOT / "deploy/logs/parsers.yaml").read_text())["parsers"]}


def operator(name, key="body"):
    """A parser of Fluent Bit's in the collector's words: named groups and an offset with a colon are written otherwise."""
    one = PARSERS[name]
    kind = {"json": {"type": "json_parser"}, "regex": {"type": "regex_parser", "regex": one.get("regex", "").replace("(?<", "(?P<")}}[one["format"]]
    return kind | {"parse_from": key, "timestamp": {"parse_from": f"attributes.{one['time_key']}", "layout_type": "strptime", "layout": one["time_format"].replace("%z", "%j")}}


MESSAGE = {"type": "move", "from": "attributes.message", "to": "body"}


@contextlib.contextmanager
def reading(*operators):
    """A collector that reads a file: (the file, the lines of it that have come)."""
    with Jaeger() as jaeger, VictoriaLogs() as logs:
        collector = Collector(jaeger, logs)
        path = collector.write("chard.log", "", 0o644)
        collector.files["chard"] = {"include": [str(path)], "start_at": "beginning", "operators": list(operators)}
        with collector:
            yield path, lambda: sorted(logs.lines("*"), key=lambda line: line["_time"])


@pytest.fixture
def written(tmp_path):
    """What a worker writes of tasks that end well and badly, in a form."""
    def write(form):
        file = tmp_path / f"{form}.db"
        chard = Chard(ROOT / "build/chard", {"CHARD_BROKER_URL": f"embedded:{file}", "CHARD_STORE_URL": f"sqlite:{file}", "CHARD_LOG_FORMAT": form})
        chard.prepare()
        with chard.worker() as worker:
            for words in (["chat", "user_id=u1", "lang=ko", "text=우유팩"], ["my", 'updates:=[{"user_id":"","field":"lang","value":"ko"}]']):
                chard.run("submit", *words, "--wait", "30")
        return worker.stderr.splitlines()
    return write


def moment(text):
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{3})\d*Z", r"\1+00:00", text if "." in text else text.replace("Z", ".000Z")))


def flat(value, before=""):
    """As VictoriaLogs names what is inside an object; all as text."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from flat(inner, f"{before}{key}.")
        else:
            yield before + key, str(inner)


def test_json_lines(written):
    lines = written("json")
    with reading(operator("chard_json"), MESSAGE) as (path, come):
        path.write_text("".join(line + "\n" for line in lines))
        found = wait_until(lambda: len(come()) == len(lines) and come(), 30)
    wanted = sorted(map(json.loads, lines), key=lambda line: line["time"])
    assert any("dead" in line["message"] and "task" in line for line in wanted)
    check_times(found, [line["time"] for line in wanted])
    for line in wanted:
        expected = dict(flat({name: value for name, value in line.items() if name not in ("message",)})) | {"_msg": line["message"]}
        assert any(expected.items() <= one.items() for one in found), (expected, found)


def check_times(found, wanted):
    assert sorted(moment(line["_time"]) for line in found) == sorted(map(datetime.datetime.fromisoformat, wanted))


def test_lines_for_people(written):
    lines = written("text")
    with reading(operator("chard_text"), MESSAGE) as (path, come):
        path.write_text("".join(line + "\n" for line in lines))
        found = wait_until(lambda: len(come()) == len(lines) and come(), 30)
    check_times(found, [line.split(" ", 1)[0] for line in lines])
    assert sorted(f"{line['time']} {line['level']:5} {line['where']:6} {line['_msg']}" for line in found) == sorted(lines)


def test_lines_in_a_container_s_file(written):
    """As a container's runtime writes them: first its own part, then chard's."""
    lines = written("json")
    with reading(operator("chard_container"), operator("chard_json", "attributes.log"), MESSAGE) as (path, come):
        path.write_text("".join(f"2026-12-01T05:27:46.285123456Z stderr F {line}\n" for line in lines))
        found = wait_until(lambda: len(come()) == len(lines) and come(), 30)
    check_times(found, [json.loads(line)["time"] for line in lines])
    assert {line["stream"] for line in found} == {"stderr"} and {line["level"] for line in found} >= {"info", "warn"}
