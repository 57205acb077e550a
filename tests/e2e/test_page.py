# SPDX-License-Identifier: Apache-2.0
"""time-server's page in a real browser, served by three replicas behind one address."""
import json
import os
import pathlib
import re
import shutil

import pytest

from world import ROOT

MANIFEST = (ROOT / "examples" / "scenario1.yaml").read_text()
SET = "time-server"


@pytest.fixture(scope="module")
def page(shared):
    """What the browser saw, and where."""
    assert os.access("/usr/bin/chromedriver", os.X_OK), "scripts/setup installs chromium-driver"
    shared.apply(MANIFEST)
    shared.kubectl("scale", f"sts/{SET}", "--replicas=3")
    shared.kubectl("rollout", "status", f"sts/{SET}", "--timeout=60s")
    address = shared.out("get", "service", SET, "-o", "jsonpath={.spec.clusterIP}")
    url, pictures = f"http://{address}:5000/", shared.dir / "pictures"
    pictures.mkdir()
    done = shared.run("env", f"HOME={pictures}", "/usr/bin/python3", ROOT / "tests" / "e2e" / "browse_page.py", url, pictures)
    keep = os.environ.get("STEAD_PICTURES")
    if keep:  # for people who want to look
        pathlib.Path(keep).mkdir(parents=True, exist_ok=True)
        for picture in pictures.glob("*.png"):
            shutil.copy(picture, keep)
    return url, json.loads(done.stdout)


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_page_counts_by_itself_while_replicas_are_visited(page):
    seen = page[1]["counting"]
    host, count = seen["last"]
    assert set(seen["counts"]) == {f"{SET}-{i}" for i in range(3)}
    assert count == seen["counts"][host]
    assert seen["title"] == f"{count} visits · time-server"
    assert seen["trouble"] == ""
    if host == seen["first"][0]:  # the browser kept its connection, and so its replica
        assert count > seen["first"][1]
        assert seen["more"] == f"+{count - seen['first'][1]} while you watch"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_in_light_and_dark(page, scheme):
    colours = page[1]["looks"][scheme]["colours"]
    assert (luminance(colours["back"]) > 0.5) == (scheme == "light"), colours
    for text in ("ink", "soft", "accent"):
        assert contrast(colours[text], colours["card"]) >= 4.5, (text, colours)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_at_any_size(page, scheme):
    overflow = page[1]["looks"][scheme]["overflow"]
    assert overflow == {name: [] for name in overflow} and len(overflow) == 4


def test_the_browser_console_stays_empty(page):
    assert page[1]["console"] == []


def test_the_page_asks_nobody_else(page):
    url, seen = page
    assert f"{url}visits" in seen["requests"]
    assert [r for r in seen["requests"] if not r.startswith((url, "data:"))] == []


def test_the_page_can_be_read_without_javascript(page):
    plain = page[1]["plain"]
    host, count = plain["shown"]
    assert count == plain["counts"][host]
    assert re.search(r"\d\d:\d\d(:\d\d)?\n", plain["text"]), plain["text"]
    assert "VISITS" in plain["text"].upper() and f"counted by {host}" in plain["text"]
    assert not plain["clock"]  # its hands would stand still at twelve
    assert "{{" not in plain["text"] and "NaN" not in plain["text"]
