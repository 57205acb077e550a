# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import world as worlds  # noqa: E402


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: namespaces and mounts"))


@pytest.fixture(scope="session", autouse=True)
def no_leftovers():
    worlds.remove_stale()
    yield
