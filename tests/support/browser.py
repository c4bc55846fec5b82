"""Debian's Chromium on pages of ours; what a page must never do is noted."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from support.live import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser; close it in the end."""
    # Not above: it takes a second, in each process that collects the tests.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page and what happened in it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """Addresses of all requests."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and exceptions."""

    def text(self, selector: str) -> str:
        """Return the text of the first element; empty if there is none."""
        return str(
            self.page.evaluate("(s) => document.querySelector(s)?.innerText ?? ''", selector)
        )

    def value(self, script: str, *values: Any) -> Any:
        """Return the value of a script in the page."""
        return self.page.evaluate(script, *values)

    def until(self, script: str, value: Any = None) -> None:
        """Wait until a script returns something true."""
        self.page.wait_for_function(script, arg=value, timeout=1000 * PATIENCE_S)

    def ready(self) -> None:
        """Wait until the first events are shown."""
        self.until("() => document.documentElement?.dataset.ready === 'yes'")

    def check(self, *allowed: str) -> None:
        """Fail if the page asked another host, broke its policy, or complained.

        ``allowed`` are parts of complaints to expect, such as of a server that was stopped.
        """
        host = urlsplit(self.page.url).netloc
        assert {urlsplit(url).netloc for url in self.requests} <= {host}
        assert self.page.evaluate("() => window.violations") == []
        wrong = [one for one in self.complaints if not any(part in one for part in allowed)]
        assert wrong == []


def axe(shown: Tab) -> Any:
    """Return what axe finds wrong in a page for people with disabilities."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    return Axe().run(shown.page)


@contextmanager
def tab(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = (1280, 800),
    scheme: str = "dark",
    language: str = "en-GB",
    script: str = "",
    **more: Any,
) -> Iterator[Tab]:
    """Open a page in a context of its own; close both in the end.

    ``script`` runs before those of the page; ``more`` goes to the context.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=language,
        **more,
    )
    try:
        if more.get("java_script_enabled", True):
            context.add_init_script(_VIOLATIONS + script)
        found = Tab(context.new_page())
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("pageerror", lambda error: found.complaints.append(f"exception: {error}"))
        found.page.on(
            "console",
            lambda message: (
                found.complaints.append(f"{message.type}: {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        found.page.goto(url, wait_until="domcontentloaded")
        yield found
    finally:
        context.close()
