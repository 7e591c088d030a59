# SPDX-License-Identifier: Apache-2.0
"""docs/making-a-pipeline.md, followed word for word in an empty folder: its files are written, its commands typed."""

import json
import os
import re
import subprocess

from support.program import ROOT, die_with_parent, no_report
from test_dev import Dev, Folder

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


def test_the_page_does_what_it_says(tmp_path, wait_until):
    found = BLOCK.findall((ROOT / "docs/making-a-pipeline.md").read_text())
    (_, name, source), = (block for block in found if block[1])
    compiled, stays, typed = (body for kind, _, body in found if kind == "sh")
    folder = Folder(tmp_path)
    (tmp_path / name).write_text(source)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/chard").symlink_to(folder.chard.binary)
    environment = folder.chard.environment({"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "C_INCLUDE_PATH": f"{ROOT}/include"})

    def paste(block):
        done = subprocess.run(["bash", "-e", "-c", block], cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        no_report(done.stderr)
        assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
        return done.stdout

    paste(compiled)
    dev = Dev(folder, *stays.split()[2:])
    try:
        wait_until(lambda: folder.run("ping", f"chard@{os.uname().nodename}").returncode == 0, what="dev consumes")
        shown = paste(typed)
    finally:
        assert dev.stop()[0] == 0
    job = json.loads(next(line for line in shown.splitlines() if line.startswith('{"') and '"tasks"' in line))
    assert {task["name"] for task in job["tasks"]} >= {"post.measure", "post.answer"} and job["state"] == "SUCCESS"
    assert job["document"]["measure"] == {"words": 4} and job["document"]["answer"] == {"text": "Where is my parcel?"}
    assert "LetterAnswered" in shown
