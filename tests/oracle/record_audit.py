#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what kube-apiserver writes into its audit log, for tests/wire/test_api_audit.c.

    record_audit.py [PEERS_BIN]     reads audit/policy.yaml and audit/steps.json, writes ../wire/golden/audit.json

A step is a request, as in record_steps.py. Each request is recorded with the events that it caused, from which everything
that differs from run to run is removed by `normalise`, as the test does with the events of stead. Then kube-apiserver is started
with each of the policies of audit/bad_policies.json, and what it says about them is recorded, too.
"""

import json
import pathlib
import re
import subprocess
import sys
import time

from peer import DEFAULT_BIN, Peer, free_port

HERE = pathlib.Path(__file__).resolve().parent
MERGE = "application/merge-patch+json"
# Their values differ from run to run.
VOLATILE = {"auditID", "requestReceivedTimestamp", "stageTimestamp", "uid", "resourceVersion", "creationTimestamp", "time", "continue",
            "buildDate", "deletionTimestamp", "lastTransitionTime"}


def normalise(value, more=()):
    if isinstance(value, dict):
        return {k: "*" if (k in VOLATILE or k in more) and isinstance(v, str) and v else normalise(v, more) for k, v in value.items()}
    if isinstance(value, list):
        return [normalise(v, more) for v in value]
    return value


class Log:
    def __init__(self, path):
        self.path, self.at = path, 0

    def events(self, audit_id):
        """The events of the request. It has been answered, and its last event is written right after that."""
        end = time.monotonic() + 0.3
        found = []
        while time.monotonic() < end:
            text = self.path.read_text() if self.path.exists() else ""
            found = [json.loads(line) for line in text[self.at:].splitlines()]
            found = [e for e in found if e["auditID"] == audit_id]
            if found and found[-1]["stage"] == "ResponseComplete":
                break
            time.sleep(0.01)
        self.at = len(text)
        return found


def play(peer, log, step, number):
    method, path = step["do"].split(" ", 1)
    kind = step.get("type", MERGE if method == "PATCH" else "application/json")
    headers = {"User-Agent": "test/1", "Audit-ID": f"step-{number}", **step.get("headers", {})}
    status, _ = peer.call(method, path, step.get("body"), content_type=kind, user=step.get("as"), group=step.get("group"),
                          accept=step.get("accept", "application/json"), headers=headers)
    events = log.events(headers["Audit-ID"])
    return dict(step, status=status, events=normalise(events, step.get("volatile", ())))


def refusal(peers, policy):
    """What kube-apiserver says when it does not start with the policy."""
    file = peers.dir / "bad.yaml"
    file.write_text(policy)
    done = subprocess.run([peers.bin / "kube-apiserver", f"--audit-policy-file={file}", "--audit-log-path=-", "--etcd-servers=http://127.0.0.1:1",
                           f"--secure-port={free_port()}", f"--cert-dir={peers.dir}/bad", f"--service-account-key-file={peers.dir}/sa.key",
                           f"--service-account-signing-key-file={peers.dir}/sa.key", "--service-account-issuer=https://kubernetes.default.svc"],
                          capture_output=True, text=True, timeout=60, check=False)
    lines = [line for line in done.stderr.splitlines() if "audit policy" in line]
    if not lines:
        return None  # it is a good policy
    text = json.loads(re.search(r'err=(".*")$', lines[-1])[1])
    return re.sub(r": from file \S*bad\.yaml$", "", text)


def main():
    steps = json.loads((HERE / "audit/steps.json").read_text())
    bad = json.loads((HERE / "audit/bad_policies.json").read_text())
    with Peer(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_BIN, audit_policy=HERE / "audit/policy.yaml") as peer:
        log = Log(peer.dir / "audit.log")
        peer.call("POST", "/api/v1/namespaces", {"metadata": {"name": "t"}})
        peer.call("POST", "/api/v1/namespaces/t/serviceaccounts", {"metadata": {"name": "default"}})
        time.sleep(0.3)  # admission reads both from caches
        recorded = [play(peer, log, step, number) for number, step in enumerate(steps)]
        refusals = [{"policy": policy, "message": refusal(peer, policy)} for policy in bad]
    golden = HERE.parent / "wire/golden/audit.json"
    lines = ",\n".join(json.dumps(step) for step in recorded)
    refused = ",\n".join(json.dumps(r) for r in refusals)
    golden.write_text('{"steps": [\n%s\n],\n"refusals": [\n%s\n]}\n' % (lines, refused))
    print(f"{len(recorded)} steps, {len(refusals)} refusals")


main()
