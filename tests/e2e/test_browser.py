"""A page on another HTTPS site, in a real browser: it logs in, uploads and chats through the distribution,
with a third-party cookie and CORS, and the browser trusts the local CA as a user's would."""

import functools
import http.server
import os
import subprocess

import pytest

from harness.config import api_distribution, origin_at
from harness.demo import DemoApi
from harness.http1 import spawn
from harness.programs import ROOT, need_program
from harness.tls import ThrowAwayCa

PAGE = ROOT / "examples" / "demo-page"
PAGE_HOST = "app.example.test"
PATIENCE = 20
IMAGE = b"\xff\xd8" + os.urandom(2_000_000)


def test_page_logs_in_uploads_and_chats(browser, page, tmp_path):
    page_origin, ca = page
    with DemoApi(ALLOWED_ORIGINS=page_origin, TOKEN_INTERVAL_MS="20") as demo:
        driver, viewer = browser(ca, demo)
        driver.get(f"{page_origin}/?api={viewer.url}")
        try:
            assert submit(driver, "login") == "Logged in as ada, with 3 orders."

            photo = tmp_path / "face.jpg"
            photo.write_bytes(IMAGE)
            driver.find_element("css selector", "#analysis input").send_keys(str(photo))
            analysis = submit(driver, "analysis")
            assert analysis.startswith("ada: ")
            assert f"({len(IMAGE)} bytes)" in analysis

            answer = submit(driver, "chat")
            assert answer.startswith("Hello ada, you asked: What helps dry skin?")
            assert answer.endswith("every day.")
        finally:
            driver.save_screenshot(str(tmp_path / "page.png"))


def test_page_of_a_site_that_is_not_allowed_reads_nothing(browser, page):
    page_origin, ca = page
    with DemoApi(ALLOWED_ORIGINS="https://other.example.test") as demo:
        driver, viewer = browser(ca, demo)
        driver.get(f"{page_origin}/?api={viewer.url}")
        assert submit(driver, "login", "failed") == "Failed to fetch"


def submit(driver, form, state="done"):
    """Sends a form of the page and waits for its outcome."""
    from selenium.webdriver.support.wait import WebDriverWait

    driver.find_element("css selector", f"#{form} button").click()
    output = driver.find_element("id", f"{form}-result")
    WebDriverWait(driver, PATIENCE).until(lambda _: output.get_attribute("data-state") in ("done", "failed"))
    assert output.get_attribute("data-state") == state, output.text
    return output.text


@pytest.fixture
def page(tmp_path):
    """The demo page on an HTTPS origin of its own: its origin, and the CA that vouches for it."""
    ca = ThrowAwayCa(tmp_path)
    handler = functools.partial(QuietHandler, directory=PAGE)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = ca.server_context(PAGE_HOST).wrap_socket(server.socket, server_side=True)
    spawn(server.serve_forever)
    yield f"https://{PAGE_HOST}:{server.server_address[1]}", ca.path
    server.shutdown()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def browser(mantlet, tmp_path):
    """`browser(page_ca, demo)` → (a driver of Chromium, a viewer of a distribution in front of `demo`)."""
    chromium = need_program("chromium", "chromium-browser", "google-chrome")
    chromedriver = need_program("chromedriver")
    home = tmp_path / "home"
    drivers = []

    def start(page_ca, demo):
        trust(home, {"mantlet": mantlet.ca, "page": page_ca})
        viewer = mantlet.create(api_distribution(origin_at(demo.port))).viewer
        drivers.append(open_chromium(chromium, chromedriver, home, viewer.domain))
        return drivers[-1], viewer

    yield start
    for driver in drivers:
        driver.quit()


def trust(home, certificates):
    """Puts CAs into the NSS database that Chromium reads, as a user would; nothing is ignored."""
    certutil = need_program("certutil")
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    subprocess.run([certutil, "-N", "-d", f"sql:{database}", "--empty-password"], check=True)
    for name, path in certificates.items():
        command = [certutil, "-A", "-d", f"sql:{database}", "-n", name, "-t", "C,,", "-i", path]
        subprocess.run(command, check=True)


def open_chromium(chromium, chromedriver, home, domain):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "disable-dev-shm-usage", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        f"user-data-dir={home / 'profile'}",
        f"host-resolver-rules=MAP {PAGE_HOST} 127.0.0.1, MAP {domain} 127.0.0.1",
    ):
        options.add_argument(f"--{flag}")
    # Cookies of other sites allowed, as in the browser of somebody who uses such a page.
    options.add_experimental_option("prefs", {"profile.cookie_controls_mode": 0})
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    service = webdriver.ChromeService(chromedriver, env=environment)
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(PATIENCE)
    return driver
