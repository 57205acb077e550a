#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes golden/operations.json: the operationId of each path and method, as the OpenAPI documents in the source of
Kubernetes have them. Only whoever renews the file needs this: record_operations.py KUBERNETES, the root of that source.

Paths below /watch/ are left out: this server does not serve them.
"""
import json
import pathlib
import sys

OUT = pathlib.Path(__file__).resolve().parent / "golden" / "operations.json"


def main():
    found = {}
    for file in sorted((pathlib.Path(sys.argv[1]) / "api/openapi-spec/v3").glob("*__v*_openapi.json")):
        for path, methods in json.loads(file.read_text())["paths"].items():
            if "/watch/" in path:
                continue
            found[path] = {m: o["operationId"] for m, o in methods.items() if m != "parameters"}
    lines = ",\n".join(f"{json.dumps(path)}: {json.dumps(found[path])}" for path in sorted(found))
    OUT.write_text(f"{{\n{lines}\n}}\n")
    print(f"{len(found)} paths")


if __name__ == "__main__":
    main()
