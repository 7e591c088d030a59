# SPDX-License-Identifier: Apache-2.0
"""README.md's code blocks and what docs/operating.md says of SQL, as they stand: pasted, run against real servers and a file. Only where servers are
is put in by the test; a command that does not end by itself is left running, as a reader would."""

import os
import re
import subprocess
import sys

import pytest
from guarded import free_port
from support import jobs
from support.program import ROOT, die_with_parent, no_report
from test_dev import Dev, Folder

BLOCK = re.compile(r"^```(\w+)\n((?:.*\n)*?)```$", re.M)
STAYS = re.compile(r"^chard (dev|worker|keep)\b[^#\n]*", re.M)  # what a reader leaves running


def blocks(page, kind, heading=None):
    """The page's code blocks of a kind; of one section."""
    text = (ROOT / page).read_text()
    if heading:
        text = re.search(rf"^## {re.escape(heading)}\n((?:(?!^## ).*\n)*)", text, re.M)[1]
    found = [body for language, body in BLOCK.findall(text) if language == kind]
    assert found, f"{page} has no {kind} block in {heading}"
    return found


class Reader:
    """Somebody in the project's folder, with a terminal."""

    def __init__(self, chard, folder):
        self.chard, self.folder = chard, folder
        (folder / "build").mkdir()
        (folder / "build/chard").symlink_to(chard.binary)
        (folder / "examples").symlink_to(ROOT / "examples")
        self.path = f"{folder}/build:{os.environ['PATH']}"  # the README says so in its first block

    def paste(self, block):
        """All but what stays; returns what was printed."""
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", STAYS.sub("", block)], cwd=self.folder, text=True, capture_output=True, timeout=120,
                              stdin=subprocess.DEVNULL, env=self.chard.environment({"PATH": self.path}), preexec_fn=die_with_parent)
        no_report(done.stderr)
        assert done.returncode == 0, f"{block}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def python(self, block, url):
        """With this test's broker in place of the one on its usual port."""
        assert "amqp://guest:guest@127.0.0.1:5672//" in block
        block = block.replace("amqp://guest:guest@127.0.0.1:5672//", url)
        done = subprocess.run([sys.executable, "-c", block], cwd=self.folder, text=True, capture_output=True, timeout=120, preexec_fn=die_with_parent)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def reader(chard, tmp_path):
    return Reader(chard, tmp_path)


def test_a_minute_alone_with_it(chard_bare, tmp_path, wait_until):
    reader = Reader(chard_bare, tmp_path)
    stays, pasted, http = blocks("README.md", "sh", "A minute alone with it")
    assert STAYS.search(stays)[0].split() == ["chard", "dev"]
    folder, port = Folder(tmp_path), str(free_port())
    dev = Dev(folder, "--port", port)
    try:
        wait_until(lambda: folder.run("ping", f"chard@{os.uname().nodename}").returncode == 0, what="dev consumes")
        shown = reader.paste(stays) + reader.paste(pasted)
        followed = reader.paste(http.replace("8780", port))
    finally:
        assert dev.stop()[0] == 0
    assert "milk carton" in shown.lower() and shown.count("SUCCESS") >= 2 and "ChatAnswered" in shown and "ScanAnswered" in shown
    assert "event: end" in followed and "SUCCESS" in followed


def test_a_producer_in_python_reads_its_result(reader, chard, broker_url):
    chard.prepare()
    block, = blocks("README.md", "python")
    with chard.worker():
        assert len(reader.python(block, broker_url)) > 20  # the answer


def test_from_a_shell_and_from_sql(reader, chard, database, wait_until):
    chard.prepare()
    pasted, = blocks("README.md", "sh", "From a shell, or from SQL in your own transaction")
    sql, = blocks("README.md", "sql", "From a shell, or from SQL in your own transaction")
    with chard.worker():
        reader.paste(pasted)
        with database.connect() as connection:
            connection.execute(sql)
        assert database.value("select count(*) from orders") == 1
        ids = wait_until(lambda: [row["root_id"] for row in database.rows("select root_id from chard.job where pipeline = 'chat'")
                                  ] if database.value("select count(*) from chard.job where pipeline = 'chat'") >= 2 else None, what="both have begun")
        jobs.ended(database, ids)
    assert database.value("select count(*) from chard.scheduled") == 1  # the one that was sent for later


def test_operating_it(reader, chard):
    first, second = blocks("README.md", "sh", "Operating it")
    assert STAYS.search(first)[0].split() == ["chard", "worker"]
    reader.paste(first)
    with chard.worker():
        shown = reader.paste(second)
    assert "consuming" in shown and "all is well" in shown


def test_the_operators_sql(chard, database):
    chard.prepare()
    sql, = blocks("docs/operating.md", "sql", "SQL")
    with database.connect() as connection:
        connection.execute(sql)
    assert database.value("select count(*) from chard.scheduled") == 2


def test_what_applications_may_use_is_there(chard, database):
    """Every function with its arguments by their names, every column of a table or view, as docs/operating.md lists them."""
    chard.run("migrate", check=0)
    table = re.search(r"^What applications may use.*\n\n((?:\|.*\n)*)", (ROOT / "docs/operating.md").read_text(), re.M)[1]
    functions = re.findall(r"^\| `chard\.(\w+)\(([^)]*)\)`", table, re.M)
    columns = re.findall(r"^\| `chard\.(\w+)` \| (?:read only: )?`([^`]*)`", table, re.M)
    assert len(functions) >= 4 and len(columns) >= 4
    for name, arguments in functions:
        found = database.value("select proargnames from pg_proc where pronamespace = 'chard'::regnamespace and proname = %s", name)
        documented = [word.strip().removesuffix("[]") for word in arguments.split(",")]
        assert documented == [argument for argument in found or [] if argument in documented], name
    for name, listed in columns:
        database.rows(f"select {listed} from chard.{name}")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_the_program_is_called_chard_everywhere(page):
    called = re.findall(r"(?<![\w/$\"{])(?:\./)?build/chard (?!worker')\w+", (ROOT / page).read_text())
    assert called == []
