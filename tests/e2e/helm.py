# SPDX-License-Identifier: Apache-2.0
"""Helm, as far as it is on the machine."""
import glob
import json
import os
import re
import shutil
import subprocess

from world import ROOT, Failed

CHART = ROOT / "charts" / "time-server"
WANTED = ("helm4", "helm3")


def find_helms() -> dict:
    """{"helm4": path, ...} by major version: in PATH, ~/.cache/stead-tests/bin, ~/.cache/stead-peers/bin."""
    paths = [shutil.which(name) for name in ("helm", "helm4", "helm3")]
    for folder in ("~/.cache/stead-tests/bin", "~/.cache/stead-peers/bin"):
        paths += sorted(glob.glob(os.path.expanduser(folder + "/helm*")))
    found = {}
    for path in filter(None, paths):
        out = subprocess.run([path, "version", "--short"], capture_output=True, text=True, check=False)
        match = re.match(r"v(\d+)\.", out.stdout)
        if match:
            found.setdefault(f"helm{match[1]}", path)
    return found


HELMS = find_helms()


def need(client):
    if client.startswith("helm") and client not in HELMS:
        import pytest  # here, since benchmarks use this file without it
        pytest.skip(f"no {client} on this machine: not in PATH, ~/.cache/stead-tests/bin or ~/.cache/stead-peers/bin")


def values(number):
    return CHART / "scenarios" / f"{number}.yaml"


class Helm:
    def __init__(self, world, client="helm4"):
        need(client)
        self.world, self.client = world, client

    def __call__(self, *args, **more):
        return self.world.run(HELMS[self.client], *args, **more)

    def out(self, *args, **more):
        return self(*args, **more).stdout

    def json(self, *args):
        return json.loads(self.out(*args, "-o", "json"))

    def fails(self, *args, **more):
        """What it says when it refuses."""
        done = self(*args, check=False, **more)
        if done.returncode == 0:
            raise Failed(f"helm {' '.join(map(str, args))} should have failed:\n{done.stdout}")
        return done.stderr
