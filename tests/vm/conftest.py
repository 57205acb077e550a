# SPDX-License-Identifier: Apache-2.0
"""Tests of a whole machine with systemd and cgroup v2: `make vm` runs them in a virtual machine (scripts/vm). They add users, fill
disks and start stead where a user would have it, so they refuse to run elsewhere."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))


def pytest_collection_modifyitems(items):
    if os.environ.get("STEAD_VM_TESTS") != "1":
        for item in items:
            item.add_marker(pytest.mark.skip(reason="changes the machine; scripts/vm runs this in a virtual one"))
