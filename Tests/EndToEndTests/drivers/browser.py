"""A real browser for the scenarios of the page: headless Chromium, driven by Selenium, in a profile of its own."""

import base64
import os
import pathlib
import shutil
import time

from harness import Failure, Skip, eventually

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = (HERE / "page_checks.js").read_text()
PAGES = ("overview", "customers", "features", "models", "events", "prices", "prices/own", "prices/unpriced", "prices/disagreements")
PAGES += ("prices/reprice", "prices/simulate", "sources", "health")


def address(daemon):
    return f"http://127.0.0.1:{daemon.port}"


class Browser:
    """One window. Everything that the page writes to its console is kept in `console`."""

    def __init__(self, case, width=1280, height=900, dark=False):
        try:
            from selenium import webdriver
            from selenium.webdriver.chrome.options import Options
            from selenium.webdriver.chrome.service import Service
        except ImportError:
            raise Skip("python3-selenium is not installed") from None
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not chromium or not driver:
            raise Skip("chromium and chromium-driver are not installed")
        self.case = case
        self.console = []
        self.downloads = case.folder / "downloads"
        self.downloads.mkdir(exist_ok=True)
        options = Options()
        options.binary_location = chromium
        flags = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars"]
        if os.geteuid() == 0:
            flags += ["--no-sandbox"]
        for flag in flags + ["--disable-dev-shm-usage", f"--window-size={width},{height}", f"--user-data-dir={case.folder / 'profile'}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(driver), options=options)
        self.command("Page.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.command("Emulation.setTimezoneOverride", timezoneId="UTC")
        if dark:
            self.scheme("dark")
        self.driver.set_script_timeout(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def command(self, name, **values):
        return self.driver.execute_cdp_cmd(name, values)

    def scheme(self, name):
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def size(self, width, height):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    # Looking -----------------------------------------------------------------------------------------------------

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, what, script, *arguments, seconds=10):
        return eventually(what, lambda: self.run(script, *arguments), seconds=seconds)

    def all(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, seconds=10):
        return eventually(f"{selector} on {self.driver.current_url}", lambda: self.all(selector), seconds=seconds)[0]

    def text(self, selector, seconds=10):
        return self.run("return arguments[0].textContent", self.one(selector, seconds)).strip()

    def named(self, selector, text):
        """The first element that `selector` finds and whose text or label holds `text`."""
        script = """return [...document.querySelectorAll(arguments[0])].find((one) =>
            (one.textContent + " " + (one.getAttribute("aria-label") ?? "")).includes(arguments[1]))"""
        return self.wait_for(f"{selector} with {text!r}", script, selector, text)

    def open(self, url):
        self.listen()
        self.driver.get(url)

    def settled(self, path):
        """Waits until the page at `path` has drawn what it shows, charts included."""
        script = """const main = document.getElementById("main");
            return main?.dataset.shown === arguments[0] && location.pathname === arguments[0]
              && [...document.querySelectorAll(".canvas")].every((one) => one.dataset.drawn)"""
        self.wait_for(f"the page {path}", script, path)

    def go(self, path):
        """To another page by a link of the page itself, as a click does it."""
        self.run(
            "delete document.getElementById('main').dataset.shown; const a = document.createElement('a'); a.href = arguments[0];"
            "document.body.append(a); a.click(); a.remove()",
            path,
        )
        self.settled(path.split("?")[0])

    def click(self, element):
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, element, text):
        element.clear()
        element.send_keys(text)

    def fetch(self, path):
        """What a link of the page leads to, asked for with its session: (status, content type, text)."""
        script = """const done = arguments[1]; fetch(arguments[0]).then(async (one) =>
            done([one.status, one.headers.get("content-type"), await one.text()]))"""
        return self.driver.execute_async_script(script, path)

    def downloaded(self, name):
        path = self.downloads / name
        # The name is taken by an empty file before the bytes are there.
        eventually(f"the download {name}", lambda: path.exists() and path.stat().st_size > 0)
        return path.read_bytes()

    def check(self, where):
        """Holds the page against the rules of page_checks.js."""
        for problem in self.run(CHECKS):
            self.case.expect(False, f"{where}: {problem}")

    def listen(self):
        for line in self.driver.get_log("browser"):
            if line["level"] in ("WARNING", "SEVERE"):
                self.console.append(f"{line['level']}: {line['message']}")

    def clean_console(self):
        self.listen()
        for line in self.console:
            self.case.expect(False, f"the console said {line}")
        self.console.clear()

    def picture(self, path, width):
        """All of the page, whatever its length, as PNG."""
        self.size(width, 900)
        time.sleep(0.2)
        height = self.run("return document.documentElement.scrollHeight")
        self.size(width, min(max(height, 900), 6000))
        time.sleep(0.3)
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    def sign_in(self, daemon):
        self.open(address(daemon) + "/sign-in")
        self.type(self.one("input[name=key]"), daemon.key)
        self.click(self.named("button", "Sign in"))
        self.settled("/overview")


def decimal_of(text):
    """The exact amount that the page shows: "$1,234.50" or "−$0.001"."""
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(text.replace("\u2212", "-").replace("$", "").replace(",", "").replace("%", ""))
    except InvalidOperation:
        raise Failure(f"not an amount: {text!r}") from None
