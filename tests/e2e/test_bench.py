# SPDX-License-Identifier: Apache-2.0
"""`scripts/bench --quick` runs, says what it measured, and writes what the docs are made from. Not how fast anything is."""

import json
import subprocess
import xml.etree.ElementTree as xml

import pytest

from support.program import ROOT

KEYS = {"id", "unit", "chard", "raw", "peer", "raw_ratio", "peer_ratio", "holds"}


@pytest.fixture(scope="module")
def built():
    done = subprocess.run(["make", "--no-print-directory", "-j2", "all", "benches"], cwd=ROOT, capture_output=True,
                          text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def run(folder, *words):
    done = subprocess.run([ROOT / "scripts/bench", "--out", folder, *words], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    return done, json.loads((folder / "bench.json").read_text()), json.loads((folder / "bench-detail.json").read_text())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("only", ["B1", "B1s,B8,R1,V1"])
def test_a_quick_run_measures_all_three_parties(built, tmp_path, only):
    done, rows, details = run(tmp_path, "--quick", "--only", only)
    by_id = {row["id"]: row for row in rows}
    for row in rows:
        assert KEYS == row.keys(), row
    for ident in ("B1", "B1.cpu") if only == "B1" else ("B1s",):
        row = by_id[ident]
        assert row["chard"] > 0 and row["raw"] > 0 and row["peer"] > 0, (row, done.stderr)
        assert row["raw_ratio"] == pytest.approx(row["chard"] / row["raw"])
        assert row["holds"] in (True, False)
    if only == "B1":
        assert by_id["B1"]["peer_ratio"] == pytest.approx(by_id["B1"]["chard"] / by_id["B1"]["peer"])
        assert by_id["B1.cpu"]["peer_ratio"] == pytest.approx(by_id["B1.cpu"]["peer"] / by_id["B1.cpu"]["chard"])
    else:
        assert by_id["R1"]["raw"] > 0 and by_id["V1"]["raw"] > 0 and by_id["V1.heard"]["chard"] == pytest.approx(3, abs=0.01), done.stderr
    assert [detail["id"] for detail in details] == [row["id"] for row in rows]
    assert not any(detail["failed_rounds"] for detail in details), done.stderr
    for row, detail in zip(rows, details):  # no row is dropped, and none is silent about what it lacks
        for party in ("chard", "raw", "peer"):
            assert row[party] is not None or detail["why"][party] != "not measured", (row, detail)
        assert row["id"] in done.stdout
    chart = xml.parse(tmp_path / "bench.svg").getroot()
    assert chart.tag.endswith("svg") and only.partition(",")[0] in (tmp_path / "bench.svg").read_text()


def test_an_unknown_row_is_an_error(built, tmp_path):
    done = subprocess.run([ROOT / "scripts/bench", "--only", "B11"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "B11" in done.stderr
