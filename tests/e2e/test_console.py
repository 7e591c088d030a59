# SPDX-License-Identifier: Apache-2.0
"""The browser console: its files and what protects them, and each page in a browser against `chard dev`. tests/proof_console has the rest."""

import gzip
import re
import subprocess

import pytest

from support.browser import Console, browser
from support.gateway import Gateway
from support.program import ROOT, Chard

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


def test_each_page_in_a_browser(dev):
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
        page.get_by_role("link", name="Workers").click()
        console.see("consuming")
        assert console.axe() == []
        page.get_by_label("Language").select_option("ko")
        page.get_by_role("heading", name="워커").wait_for()
        console.close()
