# SPDX-License-Identifier: Apache-2.0
"""The browser console: its files and what protects them, and each page in a browser against `chard dev`. tests/proof_console has the rest."""

import gzip
import re
import subprocess

import pytest

from support.browser import PHONE, Console, browser
from support.gateway import Gateway
from support.program import ROOT, Chard
from support.waiting import wait_until

BUILT = ROOT / "console/built"
MOST_PACKED = 150 << 10
POLICY = ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'")


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    chard = Chard(ROOT / "build/asan/chard", {"CHARD_AI_PROVIDER": "offline"})
    with Gateway(chard, command=("dev", "--port", "0", "--db", tmp_path_factory.mktemp("console") / "chard.db")) as running:
        yield running


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_come_from_their_sources(tmp_path):
    """Byte for byte; all of them together are small."""
    done = subprocess.run([ROOT / "scripts/console", tmp_path / "built"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert files(tmp_path / "built") == files(BUILT), "console/built is not what scripts/console makes of console/source"
    assert sum(len(gzip.compress(text, 9)) for text in files(BUILT).values()) < MOST_PACKED


def test_how_its_files_are_served(dev):
    for name, content in files(BUILT).items():
        plain, packed = dev.get(f"/console/{name}"), dev.get(f"/console/{name}", headers={"Accept-Encoding": "gzip, br"})
        assert plain.status == packed.status == 200 and plain.body == gzip.decompress(packed.body) == content
        assert packed.headers["Content-Encoding"] == "gzip" and plain.headers["Content-Encoding"] is None
        assert plain.headers["Cache-Control"] == "no-cache" and plain.headers["Vary"] == "Accept-Encoding"
        assert all(part in plain.headers["Content-Security-Policy"] for part in POLICY)
        again = dev.get(f"/console/{name}", headers={"If-None-Match": plain.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
    page = dev.get("/console/").body
    assert page == (BUILT / "index.html").read_bytes()
    named = re.findall(rb'"(/console/[^"]+\?v=[^"]+)"', page)
    assert len(named) == 2
    for target in named:
        assert dev.get(target.decode()).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert dev.get("/console/app.js?v=000000000000").headers["Cache-Control"] == "no-cache"
    for target in "/", "/console":
        assert (dev.get(target).status, dev.get(target).headers["Location"]) == (307, "/console/")
    assert dev.get("/console/..%2Fown.h").status == 404
    assert "/console/" not in dev.get("/openapi.json").json["paths"]


def fits(page):
    """Nothing stands beyond the screen's edge."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_each_page_in_a_browser(dev):
    """By keyboard and mouse, on a desk in English and on a phone in Korean; none keeps anybody out."""
    job = dev.submit()
    assert dev.get(f"/v1/jobs/{job}?wait=30").json["state"] == "SUCCESS"
    with browser() as chromium:
        console = Console(chromium, dev.port)
        page = console.open()
        page.get_by_role("heading", name="Queues").wait_for()
        assert console.axe() == []
        page.keyboard.press("g")
        page.keyboard.press("j")
        page.get_by_role("link", name=job[:8]).click()
        page.get_by_role("heading", name=f"Job {job[:8]}").wait_for()
        console.see("chat.answer")
        assert console.axe() == []
        page.get_by_role("button", name="Run again").click()
        page.wait_for_url(lambda url: "jobs/" in url and job not in url)
        page.locator(".state", has_text="SUCCESS").first.wait_for()
        page.keyboard.press("/")
        page.get_by_role("searchbox", name="Find by id").fill(job[:10])
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=f"Job {job[:8]}").wait_for()
        for name, text in ("Workers", "consuming"), ("Dead letters", "Groups"), ("Submit", "user_id"):
            page.get_by_role("navigation").get_by_role("link", name=name).click()
            console.see(text)
            assert console.axe() == [], name
        page.get_by_label("Language").select_option("ko")
        page.get_by_role("heading", name="제출").wait_for()
        console.close()
        phone = Console(chromium, dev.port, viewport=PHONE, locale="ko-KR", scheme="dark")
        for place, text in ("overview", "큐"), ("jobs", "필터"), (f"jobs/{job}", "타임라인"), ("dead", "그룹"), ("workers", "워커"), ("submit", "제출"):
            phone.open(place)
            phone.see(text)
            assert fits(phone.page), place
            assert phone.axe() == [], place
        phone.close()


def test_dead_letters_are_steered_and_nothing_of_theirs_runs(dev):
    """What tasks and users wrote is text, whatever it looks like: markup, what turns the direction of a line, a megabyte."""
    hostile = "<img src=x onerror='document.title=1'><script>alert(1)</script>\u202egnp.x\u2066" + "\"x" * 500000
    for number in range(3):
        dev.submit("scan", image_url=f"{hostile}{number}", user_id=f"<b>u{number}</b>\u202e")
    wait_until(lambda: dev.get("/v1/dead-letters/groups").json["count"] >= 3, what="they are dead letters")
    with browser() as chromium:
        console = Console(chromium, dev.port)
        page = console.open("dead?code=bad_image_url")
        page.locator("td a", has_text=re.compile("^[0-9a-f]{12}$")).first.click()
        page.wait_for_url(re.compile("group="))
        page.get_by_role("button", name="Requeue…").click()
        console.see("sent", exact=True)
        assert page.locator("#how-many").inner_text() == "3"
        assert console.axe() == []
        page.get_by_label("Reason").fill("again")
        page.get_by_role("button", name="Requeue (3)").click()
        console.see("done", exact=True)
        page.get_by_role("button", name="Close").click()
        entries = wait_until(lambda: len(found := [row["entry"] for row in dev.get("/v1/dead-letters").json["letters"]]) == 3 and found, what="they have died again")
        console.open(f"dead/{entries[0]}")
        console.see("⟨U+202E⟩")
        page.get_by_role("button", name="Show all of it").last.click()
        page.get_by_role("button", name="Discard…").click()
        page.get_by_role("button", name="Discard (1)").click()
        console.see("done", exact=True)
        page.get_by_role("button", name="Close").click()
        page.locator(".state", has_text="discarded").wait_for()
        assert dev.get(f"/v1/dead-letters/{entries[0]}").json["state"] == "discarded"
        page.get_by_role("link", name="Jobs").click()
        page.locator("tbody tr").first.get_by_role("link").first.click()
        console.see("bad_image_url")
        assert page.locator("main img, main script, main b").count() == 0 and page.title() != "1"
        console.close()


def test_a_picture_is_submitted_and_followed(dev):
    with browser() as chromium:
        console = Console(chromium, dev.port)
        page = console.open("submit")
        page.get_by_label("image_url").set_input_files(next((ROOT / "examples/images").glob("*.png")))
        page.get_by_label("user_id").fill("u1")
        page.get_by_role("button", name="Submit").click()
        page.locator(".bars li").nth(2).wait_for()
        page.locator(".live", has_text="ended").wait_for()
        page.locator(".state", has_text="SUCCESS").first.wait_for()
        console.close()
