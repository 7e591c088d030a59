# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium, steered by Playwright, as somebody who uses the console: what its pages complain of fails the test."""

import contextlib

from playwright.sync_api import sync_playwright

from .program import ROOT

AXE = ROOT / "build/node/node_modules/axe-core/axe.min.js"
SERIOUS = ("serious", "critical")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@contextlib.contextmanager
def browser():
    """One that finds nothing to fetch anywhere but here."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"])
        try:
            yield started
        finally:
            started.close()


class Console:
    """A viewer of the console at this port. `complaints`: what its pages said went wrong; `foreign`: requests that left their origin."""

    def __init__(self, browser, port, viewport=DESKTOP, locale="en-US", zone="Asia/Seoul", scheme="light"):
        self.origin, self.complaints, self.foreign = f"http://127.0.0.1:{port}", [], []
        self.context = browser.new_context(viewport=viewport, locale=locale, timezone_id=zone, color_scheme=scheme)
        self.context.set_default_timeout(15000)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: None if request.url.startswith((self.origin, "blob:")) else self.foreign.append(request.url))

    def _hear(self, message):
        """The browser's own word of a figure that is not known yet, or of a job that has not begun, counts for nothing: the page says so."""
        url = message.location.get("url", "")
        early = (url.endswith("/stats/queues") and "503" in message.text) or (url.endswith("/trace") and "404" in message.text)
        if message.type in ("error", "warning") and not early:
            self.complaints.append(f"{message.text} ({url})")

    def open(self, place=""):
        """A page of it, "jobs?state=open"; waits for its heading."""
        self.page.goto(f"{self.origin}/console/#/{place}")
        self.page.wait_for_selector("h1")
        return self.page

    def see(self, text, **options):
        self.page.get_by_text(text, **options).first.wait_for()

    def axe(self):
        """What keeps people from using this page, of those findings that are serious: [(rule, element)]. Injected past the page's policy, which is Chromium's to allow."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [(rule["id"], node["html"][:300]) for rule in found["violations"] if rule["impact"] in SERIOUS for node in rule["nodes"]]

    def close(self):
        """Nothing was complained of, and nothing asked elsewhere."""
        self.context.close()
        assert not self.complaints, self.complaints
        assert not self.foreign, self.foreign
