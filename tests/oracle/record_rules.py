#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records how a real kube-apiserver validates, completes and prints objects, for tests/unit/api/rules/test_cases.c.

    record_rules.py NAME [PEERS_BIN]     reads rules/NAME.json, writes ../unit/api/rules/NAME_{cases,rows,defaults}.json

The file rules/NAME.json is a list. Each entry has

    object    a valid object
    try       {path: [values]}: the object is also tried with each value at each path; {"absent": true} removes the member
    change    {path: [values]}: the object is stored, and each change is tried as an update
    status    a status that the object has when its row is printed

Only whoever renews the recorded files needs this program; PEERS_BIN holds kube-apiserver and etcd of the version that stead
serves. All requests are dry runs but for the stored objects.
"""

import copy
import datetime
import json
import pathlib
import re
import sys

from peer import DEFAULT_BIN, Peer

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parent / "unit/api/rules"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
ABSENT = {"absent": True}


def steps(path):
    return [int(step) if step.isdigit() else step for step in path.split(".")]


def with_value(obj, path, value):
    """A copy of the object with the value at "spec.ports.0.name". Keys with dots are written with slashes for dots."""
    changed = copy.deepcopy(obj)
    at = changed
    *parents, last = (s.replace("/", ".") if isinstance(s, str) else s for s in steps(path))
    for step in parents:
        at = at[step] if isinstance(step, int) else at.setdefault(step, {})
    if value == ABSENT:
        at.pop(last, None)
    elif isinstance(last, int) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return changed


def relative(value):
    """A copy in which times are written as seconds before now, as test_cases.c reads them."""
    if isinstance(value, dict):
        return {k: relative(v) for k, v in value.items()}
    if isinstance(value, list):
        return [relative(v) for v in value]
    match = isinstance(value, str) and re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", value)
    if not match:
        return value
    then = datetime.datetime.fromisoformat(match.group(1) + "+00:00")
    seconds = int((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds())
    return f"@{'u' if match.group(2) else ''}-{seconds}"


def described(value):
    return "absent" if value == ABSENT else json.dumps(value)


class Recorder:
    def __init__(self, peer):
        self.peer = peer
        self.cases, self.rows, self.defaults = [], [], []
        self.resources = {}

    def url(self, obj):
        version, kind = obj["apiVersion"], obj["kind"]
        base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if version not in self.resources:
            self.resources[version] = self.peer.call("GET", base)[1]["resources"]
        resource = next(r for r in self.resources[version] if r["kind"] == kind and "/" not in r["name"])
        namespace = f"/namespaces/{obj['metadata']['namespace']}" if resource["namespaced"] else ""
        return f"{base}{namespace}/{resource['name']}"

    def causes(self, status, reply):
        if status in (200, 201):
            return []
        if reply.get("reason") != "Invalid":
            return None  # refused before validation, as for an unknown field
        return [f"{c['field']}: {c['message']}" for c in reply["details"].get("causes", [])]

    def attempt(self, name, obj, before=None):
        url = self.url(obj)
        if before:
            version = self.peer.call("GET", f"{url}/{obj['metadata']['name']}")[1]["metadata"]["resourceVersion"]
            sent = {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}
            status, reply = self.peer.call("PUT", f"{url}/{obj['metadata']['name']}?dryRun=All", sent)
        else:
            status, reply = self.peer.call("POST", f"{url}?dryRun=All&fieldValidation=Strict", obj)
        causes = self.causes(status, reply)
        if causes is None:
            print(f"left out: {name}: {reply.get('message')}", file=sys.stderr)
            return
        case = {"case": name, "kind": obj["kind"], "object": obj}
        if before:
            case["before"] = before
        self.cases.append({**case, "causes": causes})
        if not causes and not before:
            stored = {k: v for k, v in reply.items() if k not in ("apiVersion", "kind", "metadata")}
            for condition in stored.get("status", {}).get("conditions") or []:
                if "lastTransitionTime" in condition:
                    condition["lastTransitionTime"] = TEST_NOW
            self.defaults.append({"name": name, "kind": obj["kind"], "object": obj, "stored": stored})

    def row(self, entry):
        obj = entry["object"]
        url = self.url(obj)
        name = obj["metadata"]["name"]
        if "status" in entry:
            stored = self.peer.call("GET", f"{url}/{name}")[1]
            status, reply = self.peer.call("PUT", f"{url}/{name}/status", {**stored, "status": entry["status"]})
            assert status == 200, reply
        table = self.peer.call("GET", f"{url}/{name}", accept=TABLE)[1]
        columns = [c["name"] + ("+" if c["priority"] else "") for c in table["columnDefinitions"]]
        times = {"Age": "0s", "Created At": "@-0"}
        cells = [times.get(c["name"], cell) for c, cell in zip(table["columnDefinitions"], table["rows"][0]["cells"])]
        row = {"row": f"{obj['kind']} {name}", "kind": obj["kind"], "object": relative(obj)}
        if "status" in entry:
            row["status"] = relative(entry["status"])
        self.rows.append({**row, "cells": cells, "columns": columns})

    def entry(self, entry):
        obj = entry["object"]
        kind = obj["kind"]
        self.attempt(f"{kind}: as it is", obj)
        for path, values in entry.get("try", {}).items():
            for value in values:
                self.attempt(f"{kind}: {path}={described(value)}", with_value(obj, path, value))
        status, reply = self.peer.call("POST", self.url(obj), obj)
        assert status == 201, reply
        for path, values in entry.get("change", {}).items():
            for value in values:
                self.attempt(f"{kind}: change of {path} to {described(value)}", with_value(obj, path, value), before=obj)
        self.row(entry)


TEST_NOW = "2023-11-14T22:13:20Z"  # what the clock of the unit test says


def write(path, items):
    lines = ",\n".join(json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in items)
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{path.name}: {len(items)}")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    name = sys.argv[1]
    entries = json.loads((HERE / f"rules/{name}.json").read_text())
    with Peer(pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else DEFAULT_BIN) as peer:
        for namespace in sorted({e["object"]["metadata"].get("namespace") for e in entries} - {None}):
            peer.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        recorder = Recorder(peer)
        for entry in entries:
            recorder.entry(entry)
    write(RULES / f"{name}_cases.json", recorder.cases)
    write(RULES / f"{name}_rows.json", recorder.rows)
    write(RULES / f"{name}_defaults.json", recorder.defaults)


if __name__ == "__main__":
    main()
