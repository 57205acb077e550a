#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at time-server's page with Chromium and prints what it sees as JSON. It runs inside a world's namespaces, where the
page is; test_page.py judges what it prints.

    browse_page.py URL FOLDER      FOLDER takes the browser's profiles and the pictures"""
import json
import pathlib
import sys
import urllib.request

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

URL, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
VISITS = 30
LIMIT = 30  # seconds
SIZES = {"desk": (1280, 800), "phone": (360, 640), "small phone": (320, 568), "phone on its side": (640, 360)}
# The widest count that the page can have to show, with its thin spaces.
WIDEST = "18\u202f446\u202f744\u202f073\u202f709\u202f551\u202f614"

COLOURS = """
const of = (id, what) => getComputedStyle(document.querySelector(id))[what];
return {back: of("body", "backgroundColor"), card: of("main", "backgroundColor"), ink: of("main", "color"),
        soft: of("footer", "color"), accent: of("#visits", "color")}"""
OVERFLOW = """
const wide = innerWidth, out = [];
for (const e of document.querySelectorAll("main, main *")) {
  const box = e.getBoundingClientRect();
  if (!e.closest("svg, .unseen") && (box.right > wide + .5 || box.left < -.5 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth))
    out.push(e.id || e.tagName);
}
if (document.documentElement.scrollWidth > wide) out.push("the page");
return out"""
WITH_WIDEST = """
const visits = document.getElementById("visits"), text = visits.textContent;
visits.textContent = arguments[0];
const found = (() => {""" + OVERFLOW + """})();
visits.textContent = text;
return found"""


def start(name, javascript=True):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={FOLDER / name}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 1 if javascript else 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def shown(driver):
    """The count and the replica that it is of."""
    host = driver.find_element("id", "host").text
    return host, int("".join(c for c in driver.find_element("id", "visits").text if c.isdigit()))


def fetch(path=""):
    with urllib.request.urlopen(URL + path, timeout=LIMIT) as answer:
        return answer.headers["X-Served-By"], answer.read().decode()


def counts():
    """What each replica's file says, asked often enough for each to have answered."""
    return {host: int(text) for host, text in (fetch("visits") for _ in range(VISITS))}


def watch_counting(driver):
    """Visits all replicas and waits until the page shows what the file of its replica says by then."""
    first = shown(driver)
    for _ in range(VISITS):
        fetch()
    after = counts()
    WebDriverWait(driver, LIMIT, 0.1).until(lambda _: (now := shown(driver)) and after.get(now[0]) == now[1] and now != first)
    return {"first": first, "last": shown(driver), "counts": after, "title": driver.title,
            "more": driver.find_element("id", "more").text, "trouble": driver.find_element("id", "trouble").text}


def look_at_sizes(driver):
    """What overflows at each size, with the count that is there and with the widest one; and the colours of both schemes."""
    seen = {}
    for scheme in ("light", "dark"):
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                               {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        seen[scheme] = {"colours": driver.execute_script(COLOURS), "overflow": {}}
        for name, (width, height) in SIZES.items():
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 1000})
            over = driver.execute_script(OVERFLOW)
            driver.save_screenshot(str(FOLDER / f"{scheme} {name}.png"))
            over += driver.execute_script(WITH_WIDEST, WIDEST)
            seen[scheme]["overflow"][name] = over
    return seen


def requests(driver):
    """What the page asked for; what Chromium loads for its own windows is not the page's."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return sorted({p["request"]["url"] for p in sent if p["documentURL"].startswith(URL)})


def main():
    report = {}
    driver = start("profile")
    try:
        driver.get(URL)
        report["counting"] = watch_counting(driver)
        report["looks"] = look_at_sizes(driver)
        report["requests"] = requests(driver)
        report["console"] = driver.get_log("browser")
    finally:
        driver.quit()
    driver = start("plain", javascript=False)
    try:
        driver.get(URL)
        report["plain"] = {"text": driver.find_element("tag name", "main").text, "shown": shown(driver),
                           "clock": driver.find_element("id", "clock").is_displayed(), "counts": counts()}
        driver.save_screenshot(str(FOLDER / "without JavaScript.png"))
    finally:
        driver.quit()
    json.dump(report, sys.stdout)


main()
