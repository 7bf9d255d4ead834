"""The site, as `scripts/docs` builds it, in a real browser."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from documentation.links import main as check_links
from documentation.links import read_pages
from report.browser import Browser, chromium
from selenium.webdriver.common.keys import Keys

ROOT = Path(__file__).resolve().parents[3]
DESKTOP, PHONE = 1280, 390


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    subprocess.run(build, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_every_page_fits_and_asks_nobody_else(
    site: Path, address: str, browser: Browser, width: int
) -> None:
    browser.complaints()
    for file in read_pages(site):
        page = f"{address}/{file.relative_to(site)}"
        browser.open(page, width=width)
        browser.wait_for("return document.readyState === 'complete'")
        scrolls = browser.ask(
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        assert not scrolls, f"{page} is wider than {width} pixels"
        broken = browser.ask("return [...document.images].filter(i => !i.naturalWidth).length")
        assert not broken, f"{page} has an image that does not load"
    assert browser.complaints() == []
    addresses = {url for url in browser.requests() if url.startswith("http")}
    assert addresses
    assert {url for url in addresses if not url.startswith(address)} == set()


def test_the_search_finds_a_setting(address: str, browser: Browser) -> None:
    browser.open(f"{address}/index.html", width=DESKTOP)
    field = browser.one("input.md-search__input")
    field.click()
    field.send_keys("drain_timeout")
    browser.wait_for("return document.querySelector('.md-search-result__link') !== null")
    field.send_keys(Keys.ENTER)
    browser.wait_for("return document.querySelector('article mark') !== null")
    assert "drain_timeout" in browser.texts("article mark")


def test_a_dead_link_is_found(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(site, tmp_path / "site")
    monkeypatch.setattr(sys, "argv", ["links", str(copy)])
    assert check_links() == 0
    page = copy / "guides" / "first-run.html"
    links = '<a href="../index.html#nowhere"></a><a href="x.html"></a><img src="https://x.org/a">'
    page.write_text(page.read_text().replace("</body>", f"{links}</body>"))
    assert check_links() == 1
    complaints = capsys.readouterr().err
    for words in ("no such anchor", "x.html does not exist", "loaded from another server"):
        assert words in complaints
