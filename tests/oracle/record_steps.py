#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a real kube-apiserver answers to a story of requests, for tests/wire/test_api_steps.c.

    record_steps.py NAME [PEERS_BIN]     reads steps/NAME.json, writes ../wire/golden/steps_NAME.json

The file steps/NAME.json is a list of steps, which are sent one after the other to a server that has only the namespace "t"
with its ServiceAccount "default". Each step has

    do      "POST /api/v1/namespaces/t/pods"
    body    what is sent; a PATCH is a merge patch unless `type` says otherwise
    as      the name of the user, if it is not the administrator
    group   the group of the user, if it has one
    keep    JSON pointers into the answer that are compared; of a refusal its message is always compared

All answers are compared in their status and their warnings. Only whoever renews the recorded files needs this program.
"""

import json
import pathlib
import sys
import time

from peer import DEFAULT_BIN, Peer

HERE = pathlib.Path(__file__).resolve().parent
# Admission of kube-apiserver reads these from caches that follow the writes.
CACHED = ("resourcequotas", "limitranges", "priorityclasses", "namespaces", "serviceaccounts")
CACHE_SECONDS = 0.3
# Plugins of admission that stead has always, and kube-apiserver when it is told so.
PLUGINS = "PodNodeSelector,OwnerReferencesPermissionEnforcement,NodeRestriction"
MERGE = "application/merge-patch+json"


def at_pointer(value, pointer):
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return value


def play(peer, step):
    method, path = step["do"].split(" ", 1)
    kind = step.get("type", MERGE if method == "PATCH" else "application/json")
    status, answer = peer.call(method, path, step.get("body"), content_type=kind, user=step.get("as"),
                               group=step.get("group"))
    if method != "GET" and path.split("?")[0].removesuffix("/status").split("/")[-1 if method == "POST" else -2] in CACHED:
        time.sleep(CACHE_SECONDS)
    recorded = dict(step, status=status, warnings=list(peer.warnings))
    if status >= 400:
        recorded["message"] = answer["message"]
    if "keep" in step:
        recorded["is"] = {pointer: at_pointer(answer, pointer) for pointer in recorded.pop("keep")}
    return recorded


def main():
    name = sys.argv[1]
    steps = json.loads((HERE / "steps" / f"{name}.json").read_text())
    with Peer(sys.argv[2] if len(sys.argv) > 2 else DEFAULT_BIN, admission_off="ServiceAccount", admission_on=PLUGINS) as peer:
        peer.call("POST", "/api/v1/namespaces", {"metadata": {"name": "t"}})
        peer.call("POST", "/api/v1/namespaces/t/serviceaccounts", {"metadata": {"name": "default"}})
        recorded = [play(peer, step) for step in steps]
    lines = ",\n".join(json.dumps(step) for step in recorded)
    (HERE.parent / "wire/golden" / f"steps_{name}.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(recorded)} steps")


main()
