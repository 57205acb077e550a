#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py NAME INPUT OUTPUT: a C header with the text of a file as `static const char NAME[]`."""
import pathlib
import sys


def quote(line: str) -> str:
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("?", "\\?") + '"'


def main() -> None:
    name, source, output = sys.argv[1:]
    lines = pathlib.Path(source).read_text(encoding="utf-8").splitlines(keepends=True)
    body = "\n".join("    " + quote(line) for line in lines)
    pathlib.Path(output).write_text(f"static const char {name}[] =\n{body};\n", encoding="utf-8")


if __name__ == "__main__":
    main()
