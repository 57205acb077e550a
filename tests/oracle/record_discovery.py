#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a real kube-apiserver says it serves, for tests/wire/test_api_discovery.c.

    record_discovery.py [PEERS_BIN]     writes ../wire/golden/discovery.json and ../wire/golden/schemas.txt

discovery.json has the answers of discovery in both forms, without addresses. schemas.txt has a line for each property of each definition of
OpenAPI v2, which is what `kubectl explain --recursive` shows, without the descriptions: those of stead are its own. Only
whoever renews the recorded files needs this program.
"""

import json
import pathlib
import sys

from peer import DEFAULT_BIN, Peer

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "wire/golden"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
ADDRESSES = "serverAddressByClientCIDRs"


def type_of(schema):
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[-1].rsplit(".", 1)[-1]
    if schema.get("type") == "array":
        return "[]" + type_of(schema["items"])
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return "map[string]" + type_of(schema["additionalProperties"])
    return schema.get("format") or schema.get("type") or "object"


def lines_of(definitions):
    """`group.version.Kind property type [required]`, sorted."""
    for name, schema in sorted(definitions.items()):
        required = schema.get("required", [])
        for property, inner in sorted(schema.get("properties", {}).items()):
            merge = [inner.get("x-kubernetes-list-type"), *inner.get("x-kubernetes-list-map-keys", []),
                     inner.get("x-kubernetes-patch-strategy"), inner.get("x-kubernetes-patch-merge-key"), inner.get("x-kubernetes-map-type")]
            enum = ["|".join(sorted(inner["enum"]))] if "enum" in inner else []
            yield " ".join([name, property, type_of(inner), *(["required"] if property in required else []), *(m for m in merge if m), *enum])


def collect(call):
    answers = {}

    def ask(path, accept="application/json"):
        status, answer = call("GET", path, accept=accept)
        answer.pop(ADDRESSES, None)
        answers[f"{path} {accept}"] = answer if status == 200 else {"code": status}
        return answer

    ask("/api")
    ask("/api/v1")
    for group in ask("/apis")["groups"]:
        ask(f"/apis/{group['name']}")
        for version in group["versions"]:
            ask(f"/apis/{version['groupVersion']}")
    for path in ("/api", "/apis"):
        for version in ("v2", "v2beta1"):
            ask(path, AGGREGATED.format(version))
    index = call("GET", "/openapi/v3")[1]
    answers["/openapi/v3 application/json"] = {"paths": sorted(index["paths"])}
    return answers, list(lines_of(call("GET", "/openapi/v2")[1]["definitions"]))


def main():
    with Peer(pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else DEFAULT_BIN) as peer:
        answers, lines = collect(peer.call)
    rows = ",\n".join(f"{json.dumps(path)}: {json.dumps(answer, sort_keys=True)}" for path, answer in answers.items())
    (GOLDEN / "discovery.json").write_text("{\n" + rows + "\n}\n")
    (GOLDEN / "schemas.txt").write_text("\n".join(lines) + "\n")
    print(f"{len(answers)} answers, {len(lines)} properties")


if __name__ == "__main__":
    main()
