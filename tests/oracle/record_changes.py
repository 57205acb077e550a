#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a real kube-apiserver says about many objects, for tests/unit/api/rules/test_cases.c.

    record_changes.py [PEERS_BIN]     reads rules/changes.py, writes ../unit/api/rules/changes_{cases,rows,defaults}.json

rules/changes.py lists the objects, as changes of one valid object for each kind. A case is sent as a create, as an update
of the valid object, or as an update of its status. What is kept are the causes of the refusal or, if the object is
accepted, the warnings. All requests are dry runs, except for those that store the object that an update starts from.

Only whoever adds cases needs this program; PEERS_BIN holds kube-apiserver and etcd of the version that stead serves. A case
whose answer is not about the object, such as one that cannot be decoded, is reported and left out.
"""
import copy
import json
import pathlib
import re
import sys
import time

from peer import DEFAULT_BIN, Peer
from rules import changes as wanted

RULES = pathlib.Path(__file__).resolve().parent.parent / "unit/api/rules"
ADMISSION_OFF = ("ServiceAccount,StorageObjectInUseProtection,DefaultTolerationSeconds,PersistentVolumeClaimResize,"
                 "DefaultStorageClass,DefaultIngressClass,Priority,RuntimeClass,TaintNodesByCondition,LimitRanger,ResourceQuota")
SYSTEM_FIELDS = ("managedFields", "resourceVersion", "selfLink")
CREATED = "2023-11-14T22:13:20Z"                    # when the objects in the test were made
A_UID = "11111111-2222-3333-4444-555555555555"     # what the test gives new objects


def change(tree, path, value):
    """Sets spec.ports.0.name and the like. A value of wanted.ABSENT removes the member."""
    *way, last = path.split(".") if isinstance(path, str) else path
    at = tree
    for name in way:
        if isinstance(at, list):
            at = at[int(name)]
        else:
            at = at.setdefault(name, {})
    if value is wanted.ABSENT:
        at.pop(last, None)
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value


def changed(tree, changes):
    tree = copy.deepcopy(tree)
    for path, value in changes.items():
        change(tree, path, value)
    return tree


def without_system_fields(tree):
    tree = copy.deepcopy(tree)
    for name in SYSTEM_FIELDS:
        tree["metadata"].pop(name, None)
    return tree


def name_of(kind, changes):
    words = []
    for path, value in changes.items():
        path = path if isinstance(path, str) else ".".join(path)
        text = "absent" if value is wanted.ABSENT else json.dumps(value)
        words.append(f"{path}={text if len(text) < 160 else text[:157] + '...'}")
    return f"{kind}: {', '.join(words) or 'as it is'}"


class Recorder:
    def __init__(self, peer):
        self.peer, self.cases, self.defaults, self.rows, self.namespaces = peer, [], [], [], 0

    def path(self, kind, name=None, subresource=None, query=""):
        group, plural, namespaced = wanted.RESOURCES[kind]
        path = f"/apis/{group}" if "/" in group else f"/api/{group}"
        path += ("/namespaces/t" if namespaced else "") + f"/{plural}"
        return path + (f"/{name}" if name else "") + (f"/{subresource}" if subresource else "") + query

    def judge(self, case, status, answer):
        """Adds the answer to the case, and the case to the others."""
        if status in (200, 201):
            case["causes"] = []
            case["warnings"] = self.peer.warnings
        elif status == 422 and answer.get("reason") == "Invalid" and answer.get("details", {}).get("causes"):
            # Some messages end with a difference of Go structs.
            causes = [f"{cause.get('field', '')}: {cause['message']}".split("\n")[0] for cause in answer["details"]["causes"]]
            case["causes"] = list(dict.fromkeys(causes))    # some are said twice
        else:
            print(f"left out: {case['case']}: {status} {answer.get('message') if isinstance(answer, dict) else answer}")
            return False
        self.cases.append(case)
        return not case["causes"]

    def create(self, kind, changes):
        base = wanted.BASES[kind]
        object = changed(base, changes)
        case = {"case": name_of(kind, changes), "kind": kind, "object": object}
        answer = self.peer.call("POST", self.path(kind, query="?dryRun=All&fieldValidation=Strict"), object)
        return self.judge(case, *answer), answer[1]

    def default(self, kind, changes):
        fine, stored = self.create(kind, changes)
        if fine:
            stored = {name: value for name, value in stored.items() if name not in ("metadata", "kind", "apiVersion")}
            self.defaults.append({"name": name_of(kind, changes), "kind": kind,
                                  "object": changed(wanted.BASES[kind], changes), "stored": stored})

    def begin(self, kind, changes, status):
        """Stores the object that an update starts from. Returns it."""
        object = changed(wanted.BASES[kind], changes)
        if kind == "Namespace":  # it would stay until a controller has emptied it
            self.namespaces += 1
            object["metadata"]["name"] = f"x{self.namespaces}"
        code, stored = self.peer.call("POST", self.path(kind), object)
        if code != 201:
            sys.exit(f"{name_of(kind, changes)}: {stored}")
        if status is not None:
            stored["status"] = status
            code, stored = self.peer.call("PUT", self.path(kind, stored["metadata"]["name"], "status"), stored)
            if code != 200:
                sys.exit(f"{name_of(kind, changes)}: status {status}: {stored}")
        return stored

    def end(self, kind, object):
        path = self.path(kind, object["metadata"]["name"])
        if object["metadata"].get("finalizers"):
            self.peer.call("PUT", path, changed(object, {"metadata.finalizers": []}))
        self.peer.call("DELETE", path + "?gracePeriodSeconds=0&propagationPolicy=Background")

    def update(self, kind, start, changes, status=None, subresource=None):
        stored = self.begin(kind, start, status)
        before = without_system_fields(stored)
        words = name_of(kind, start) if start else f"{kind}:"
        if status is not None:
            words += f" with status {json.dumps(status)}"
        case = {"case": f"{words} then {name_of(kind, changes).split(': ', 1)[1]}", "kind": kind, "before": before,
                "object": changed(before, changes)}
        if "status" in before:
            case["status"] = before["status"]
        if subresource:
            case["subresource"] = subresource
        path = self.path(kind, before["metadata"]["name"], subresource, "?dryRun=All&fieldValidation=Strict")
        self.judge(case, *self.peer.call("PUT", path, changed(stored, changes)))
        self.end(kind, before)

    def row(self, kind, changes, status):
        object = without_system_fields(self.begin(kind, changes, with_times(status)))
        path = self.path(kind, object["metadata"]["name"])
        code, table = self.peer.call("GET", path, accept="application/json;as=Table;g=meta.k8s.io;v=v1")
        self.end(kind, object)
        entry = {"row": name_of(kind, changes), "kind": kind, "object": changed(wanted.BASES[kind], changes)}
        if kind == "Job" or kind == "Service":  # what the server adds is part of the row
            entry["object"] = object
        if status is not None:
            entry["row"] += f" with status {json.dumps(status)}"
            entry["status"] = status
        created = object["metadata"]["creationTimestamp"]
        entry["cells"] = [re.sub(r"^[0-9]s$", "0s", cell).replace(created, CREATED) if isinstance(cell, str) else cell
                          for cell in table["rows"][0]["cells"]]
        entry["columns"] = [column["name"] + ("+" if column["priority"] else "") for column in table["columnDefinitions"]]
        self.rows.append(entry)


def abbreviated(tree):
    """Writes long repetitions as "@x300:a" and ["@x300", element], which the test expands."""
    if isinstance(tree, dict):
        return {name: abbreviated(value) for name, value in tree.items()}
    if isinstance(tree, str) and len(tree) > 100:
        for n in range(1, 9):
            if len(tree) % n == 0 and tree == tree[:n] * (len(tree) // n):
                return f"@x{len(tree) // n}:{tree[:n]}"
    if isinstance(tree, list):
        if len(tree) > 10 and all(element == tree[0] for element in tree):
            return [f"@x{len(tree)}", abbreviated(tree[0])]
        return [abbreviated(element) for element in tree]
    return tree


def with_times(tree):
    """"@-330" is a time 330 seconds ago, as in the test."""
    if isinstance(tree, dict):
        return {name: with_times(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [with_times(value) for value in tree]
    if isinstance(tree, str) and tree.startswith("@-"):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - int(tree[2:])))
    return tree


def write(name, entries):
    lines = ",\n".join(json.dumps(abbreviated(entry)) for entry in entries)
    lines = re.sub("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", A_UID, lines)
    (RULES / f"changes_{name}.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(entries)} {name}")


def main():
    with Peer(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_BIN, ADMISSION_OFF) as peer:
        peer.call("POST", "/api/v1/namespaces", {"metadata": {"name": "t"}})
        recorder = Recorder(peer)
        for kind, changes in wanted.CREATES:
            recorder.create(kind, changes)
        for kind, changes in wanted.DEFAULTS:
            recorder.default(kind, changes)
        for kind, start, changes, status in wanted.UPDATES:
            recorder.update(kind, start, changes, status)
        for kind, start, changes, status in wanted.STATUS_UPDATES:
            recorder.update(kind, start, changes, status, "status")
        for kind, changes, status in wanted.ROWS:
            recorder.row(kind, changes, status)
    write("cases", recorder.cases)
    write("defaults", recorder.defaults)
    write("rows", recorder.rows)


if __name__ == "__main__":
    main()
