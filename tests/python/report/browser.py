"""A real Chromium without a window, driven by Selenium, that talks to nobody by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_QUIET = (
    "--headless=new",
    "--no-sandbox",  # root, in containers
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WAIT_SECONDS = 30


class Browser:
    """One browser with one page."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str, *, width: int = 1100, scheme: str = "light") -> None:
        """Show a page as on a screen of that width, in that colour scheme."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", {"features": features})
        # An address that differs behind '#' alone would not load anything.
        self.driver.get("about:blank")
        self.driver.get(url)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        (found,) = self.all(selector)
        return found

    def texts(self, selector: str) -> list[str]:
        return [str(element.get_attribute("textContent")) for element in self.all(selector)]

    def press(self, *keys: str) -> None:
        """Type on the keyboard, wherever the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, selector: str) -> None:
        """Press Tab until the element has the focus."""
        for _ in range(100):
            if self.ask(f"return document.activeElement.matches({json.dumps(selector)})"):
                return
            self.press(Keys.TAB)
        raise AssertionError(f"the Tab key does not lead to {selector}")

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def wait_for(self, script: str) -> Any:
        """Wait until the script answers something true."""
        return WebDriverWait(self.driver, _WAIT_SECONDS, 0.05).until(lambda _: self.ask(script))

    def complaints(self) -> list[str]:
        """What the console has shown since the last call."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        return [
            str(message["params"]["request"]["url"])
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def authorize(self, authorization: str) -> None:
        """Send this header with every request from now on."""
        self._command("Network.enable", {})
        headers = {"Authorization": authorization} if authorization else {}
        self._command("Network.setExtraHTTPHeaders", {"headers": headers})

    def _command(self, name: str, parameters: dict[str, Any]) -> None:
        self.driver.execute_cdp_cmd(name, parameters)


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A running browser with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = _program("chromium")
    for switch in (*_QUIET, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(_program("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


def _program(name: str) -> str:
    # Named, so that Selenium does not look for one in the network.
    found = shutil.which(name)
    assert found, f"the Debian package with {name} is missing, see scripts/lib.sh"
    return found
