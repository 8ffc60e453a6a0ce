"""Chromium, a site to open in it (board and pages of a made-up paper), from disk and from a loopback server.

Every page is watched: at the end of a test it must have asked for nothing but documents that the test went to, and
have said nothing on its console.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from looking import PATIENCE
from made_up import EVIL, FIGURES, claims_and_checks, make_details, make_results
from needed import missing

from assay.report import board, page
from assay.report.catalogue import Catalogue, Entry
from assay.review.judged import judge
from assay.study.session import write_json

PAPER = Entry("made_up", "A made-up paper", "optim", "A. Author, B. Author", 2023, "ICLR 2024", "2310.05898")
BOOKS = Catalogue(
    {"optim": "Optimisation", "losses": "Losses & more"},
    [
        PAPER,
        Entry("fresh", "A paper without results", "losses", "B. Two", 2024),
        Entry("absent", "A paper that is not here", "optim", "C. Three", 2022, "", "2201.00002"),
    ],
)


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium. One a module: while it lives, an event loop runs in the tests' thread."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        missing("browser", "no chromium on this machine; `bash scripts/install_browser.sh` installs it on Debian")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def write_paper(reports, slug, results, verdicts, figures=()):
    folder = reports / slug / results.scale
    entry = PAPER if slug == "made_up" else Entry(slug, EVIL, "optim", EVIL, 2023, EVIL, "2310.05898")
    page.write_page(results, verdicts, figures, folder, details=make_details(results), paper=entry)
    write_json(folder / "verdicts.json", verdicts)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder `reports`: a board, the page of a made-up paper, and one whose every text is an attack."""
    root = tmp_path_factory.mktemp("site")
    papers, reports = root / "papers", root / "reports"
    for slug in ("made_up", "fresh", "hostile"):
        (papers / slug).mkdir(parents=True)
        (papers / slug / "claims.py").touch()
    for slug, text in (("made_up", ""), ("hostile", EVIL)):
        results = make_results(text=text)
        write_paper(reports, slug, results, judge(results, *claims_and_checks(text)), FIGURES if not text else ())
    declared = [{"id": "C1", "statement": f"not run yet {EVIL}", "verdict": "untested"}]
    board.write_board(catalogue=BOOKS, papers=papers, reports=reports, claims=lambda slug: declared)
    return reports


@contextmanager
def served(folder: Path):
    """A server of a folder on the loopback interface; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(params=["disk", "server"])
def base(request, site):
    """Where the site is: a folder's address, or a server's."""
    if request.param == "disk":
        yield f"{site.as_uri()}/"
    else:
        with served(site) as address:
            yield address


class Watched:
    """Opens pages, and keeps what they asked for and said."""

    def __init__(self, browser):
        self.browser, self.contexts, self.said, self.asked = browser, [], [], []

    def __call__(self, address, **options):
        settings = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
        context = self.browser.new_context(**settings)
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.route("**/*", self._route)
        tab = context.new_page()
        tab.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.goto(address)
        return tab

    def _route(self, route):
        """Lets a document through that a test went to; anything else is kept and refused."""
        request = route.request
        ours = request.url.startswith(("file:", "http://127.0.0.1:", "data:"))
        if ours and (request.is_navigation_request() or request.url.startswith("data:")):
            route.continue_()
        else:
            self.asked.append(request.url)
            route.abort()


@pytest.fixture
def visit(browser):
    """Open an address in a new browser context, with Playwright's options for it."""
    watched = Watched(browser)
    yield watched
    for context in watched.contexts:
        context.close()
    assert watched.asked == []
    assert watched.said == []
