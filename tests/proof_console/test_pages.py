# SPDX-License-Identifier: Apache-2.0
"""The console where things go wrong, and a picture of each page: `make proof-console`. tests/e2e/test_console.py walks through it."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal

import pytest
from guarded import free_port

from support import provider as replies
from support.browser import DESKTOP, PHONE, Console
from support.gateway import Gateway
from support.program import ROOT, Chard
from support.waiting import wait_until

SHOTS = ROOT / "build/screenshots"
PAGES = {"overview": ("Queues", "큐"), "jobs": ("Filter", "필터"), "job": ("Timeline", "타임라인"), "dead": ("Groups", "그룹"), "entry": ("Headers", "헤더"),
         "workers": ("consuming", "consuming"), "submit": ("Submit", "제출")}


@contextlib.contextmanager
def serving(folder, port=0, **settings):
    chard = Chard(ROOT / "build/asan/chard", {"CHARD_AI_PROVIDER": "offline"} | settings)
    with Gateway(chard, command=("dev", "--port", str(port), "--db", folder / "chard.db")) as running:
        running.chard = chard
        yield running


def key(gateway, folder, name, scopes):
    return gateway.chard.run("key", "add", name, "--scopes", scopes, "--store-url", f"sqlite:{folder}/chard.db", check=0).stdout.strip()


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """With jobs that went well and jobs that did not."""
    with serving(tmp_path_factory.mktemp("busy")) as dev:
        jobs = [dev.submit(text=f"a milk carton {n}") for n in range(12)]
        for n in range(4):
            dev.submit("scan", image_url=f"<b>{n}</b>", user_id=f"사용자 {n}")
        wait_until(lambda: dev.get("/v1/dead-letters/groups").json["count"] == 4, what="they are dead letters")
        dev.job = jobs[0]
        dev.entry = dev.get("/v1/dead-letters").json["letters"][0]["entry"]
        yield dev


@pytest.fixture(scope="module")
def shots():
    shutil.rmtree(SHOTS, ignore_errors=True)
    SHOTS.mkdir(parents=True)
    return SHOTS


@pytest.mark.parametrize("size, scheme, language", list(itertools.product(("desk", "phone"), ("light", "dark"), ("en-US", "ko-KR"))))
def test_how_each_page_looks(busy, chromium, shots, size, scheme, language):
    """A picture of each, in which nothing is beyond the screen's edge, and nobody is kept out."""
    console = Console(chromium, busy.port, viewport=DESKTOP if size == "desk" else PHONE, scheme=scheme, locale=language)
    for name, text in PAGES.items():
        place = {"job": f"jobs/{busy.job}", "entry": f"dead/{busy.entry}"}.get(name, name)
        page = console.open(place)
        console.see(text[language == "ko-KR"])
        page.locator("main tbody tr:visible, main form.form:visible, main pre:visible").first.wait_for()
        page.screenshot(path=shots / f"{name}-{size}-{scheme}-{language[:2]}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        assert console.axe() == [], name
    console.close()


def test_the_first_paint_is_soon(busy, chromium):
    console = Console(chromium, busy.port)
    page = console.open()
    page.wait_for_selector(".tile")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    sent = page.evaluate("performance.getEntriesByType('resource').filter(e => e.name.includes('/console/')).reduce((sum, e) => sum + e.transferSize, 0)")
    print(f"first contentful paint after {paint:.0f} ms, {sent} bytes of files")
    assert paint < 1000 and sent < 150 << 10
    console.close()


def test_a_job_is_followed_through_a_lost_connection_and_cancelled(tmp_path, chromium, provider):
    """The gateway is gone for a while, in the middle of a job: its page says so, and goes on where it was."""
    provider.behave = replies.always(replies.hanging())
    port = free_port()
    settings = provider.settings()
    with serving(tmp_path, port, **settings) as dev:
        job = dev.submit()
        wait_until(lambda: dev.get(f"/v1/jobs/{job}").status == 200, what="it has begun")
        console = Console(chromium, dev.port)
        page = console.open(f"jobs/{job}")
        page.locator(".live", has_text=re.compile("^live$")).wait_for()
        dev.terminate()
        page.locator(".live", has_text="connection lost").wait_for()
        assert dev.process.wait(60) == 0
    with serving(tmp_path, port, **settings) as dev:
        page.locator(".live", has_text=re.compile("^live$")).wait_for(timeout=30000)
        page.get_by_role("button", name="Cancel job").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
        page.locator(".state", has_text="REVOKED").first.wait_for()
        page.locator(".live", has_text="ended").wait_for()
        assert dev.get(f"/v1/jobs/{job}").json["state"] == "REVOKED"
        console.complaints = [one for one in console.complaints if not re.search("ERR_|503", one)]  # the browser's own, of a server that goes away
        console.close()


def test_who_signs_in_may_do_what_the_key_allows(tmp_path, chromium):
    with serving(tmp_path) as dev:
        dev.submit("scan", image_url="x", user_id="u1")
        wait_until(lambda: dev.get("/v1/dead-letters/groups").json["count"] == 1)
        reads = key(dev, tmp_path, "reads", "read")
        wait_until(lambda: dev.get("/v1/jobs").status == 401, what="a key is asked for")
        console = Console(chromium, dev.port)
        page = console.open("dead")
        page.get_by_role("heading", name="Sign in").wait_for()
        assert console.axe() == []
        page.get_by_label("API key").fill("chard_nonsense")
        page.get_by_role("button", name="Sign in").click()
        console.see("That is no key of this gateway")
        page.get_by_label("API key").fill(reads)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Requeue…").click()
        console.see("The key does not allow this.")
        page.get_by_role("button", name="Close").click()
        assert page.evaluate("[document.cookie, Object.keys(localStorage).length <= 1, sessionStorage.length]") == ["", True, 1]
        dev.chard.run("key", "revoke", "reads", "--store-url", f"sqlite:{tmp_path}/chard.db", check=0)
        page.get_by_role("heading", name="Sign in").wait_for()
        operates = key(dev, tmp_path, "operates", "read,operate")
        wait_until(lambda: dev.get("/v1/jobs", headers={"Authorization": f"Bearer {operates}"}).status == 200, what="the new key is known")
        page.get_by_label("API key").fill(operates)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Requeue…").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        assert page.evaluate("sessionStorage.length") == 0
        console.complaints = [one for one in console.complaints if not re.search("40[13]", one)]  # the browser's own, of what was refused
        console.close()


def test_two_operators_do_the_same(tmp_path, chromium):
    """Each sees what both did; nothing is done twice."""
    with serving(tmp_path) as dev:
        for n in range(20):
            dev.submit("scan", image_url="x", user_id=f"u{n}")
        wait_until(lambda: dev.get("/v1/dead-letters/groups").json["count"] == 20)
        both = [Console(chromium, dev.port) for _ in range(2)]
        for console in both:
            console.open("dead").get_by_role("button", name="Discard…").click()
            console.page.get_by_role("button", name="Discard (20)").wait_for()
        for console in both:
            console.page.get_by_role("button", name="Discard (20)").click()
        for console in both:
            console.page.get_by_role("dialog").get_by_text("done:", exact=True).wait_for()
            console.page.get_by_role("button", name="Close").click()
            console.see("No dead letters")
            console.close()
        rows = dev.get("/v1/dead-letters?state=discarded&limit=100").json["letters"]
        assert len(rows) == 20
        assert all(len(dev.get(f"/v1/dead-letters/{row['entry']}").json["history"]) == 1 for row in rows)


def test_a_worker_dies_while_its_page_is_open(tmp_path, chromium):
    url = f"{tmp_path}/chard.db"
    chard = Chard(ROOT / "build/asan/chard", {"CHARD_AI_PROVIDER": "offline", "CHARD_BROKER_URL": f"embedded:{url}", "CHARD_STORE_URL": f"sqlite:{url}"}).prepare()
    with chard.worker(name="w1") as worker, Gateway(chard) as gateway:
        console = Console(chromium, gateway.port)
        page = console.open("workers")
        row = page.locator("tbody tr", has_text="w1").first
        row.locator(".state", has_text="consuming").wait_for()
        worker.expected = {-9}
        os.kill(worker.pid, signal.SIGKILL)
        row.locator(".state", has_text="dead").wait_for(timeout=30000)
        console.close()


def test_the_browsers_memory_stays(busy, chromium):
    """With the overview and a list that grow every second: what is kept is bounded. CONSOLE_SECONDS=3600 for an hour of it."""
    seconds = int(os.environ.get("CONSOLE_SECONDS", "60"))
    console = Console(chromium, busy.port)
    page = console.open("overview")
    page.wait_for_selector(".tile")
    session = console.context.new_cdp_session(page)

    def heap():
        session.send("HeapProfiler.collectGarbage")
        return session.send("Runtime.getHeapUsage")["usedSize"]

    page.wait_for_timeout(10000)
    before = heap()
    for _ in range(seconds):
        busy.submit()
        page.wait_for_timeout(1000)
    after = heap()
    print(json.dumps({"seconds": seconds, "before": before, "after": after}))
    assert after < before + (2 << 20)
    console.close()
