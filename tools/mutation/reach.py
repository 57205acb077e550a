# SPDX-License-Identifier: Apache-2.0
"""Which test runs which line, and how long it takes. Every test runs once over the unmutated tree for that, and a mutant is
shown only to the tests that run its line. The answer is kept, for each test until its program or a library changes.

The lines that a test runs are a bit mask for each file: bit N is line N. A block's first instruction is a call (reach.c); so the
lines of a block are those that the line table names between this call and the next one."""

import bisect
import hashlib
import json
import mmap
import pathlib
import re
import shutil
import subprocess

from mutation.tree import ENVIRONMENT, call

ROW = re.compile(r"^\S.*?\s(\d+)\s+(0x[0-9a-f]+|0)(?:\s|$)")
CALL = 5  # bytes of a call instruction
MOST_SECONDS = 600
WORTH_KEEPING = 5  # seconds: what an interrupted run should not have to do again


class Reach:
    def __init__(self, tree, sandbox, log):
        self.tree = tree
        self.sandbox = sandbox
        self.log = log
        self.folder = tree.folder / "reach"
        self.kept = tree.folder / "reach.json"
        self.tests = {}  # name -> {key, ok, seconds, cpu, lines: {file: mask}}
        self.rows = {}   # file -> mask of the lines that have code

    def load(self, tests):
        """Runs what has changed since the last time."""
        kept = json.loads(self.kept.read_text()) if self.kept.exists() else {"tests": {}, "tables": {}}
        libraries = {path: digest(path) for path in self.tree.libraries()}
        everything = "".join(libraries.values())
        wanted = {test.name: hashlib.sha256((everything + digest(test.program) + "".join(
            digest(pathlib.Path(word)) for word in test.command)).encode()).hexdigest() for test in tests}
        stale = [test for test in tests if kept["tests"].get(test.name, {}).get("key") != wanted[test.name]
                 or not kept["tests"][test.name]["ok"]]
        tables = {}
        for path, value in libraries.items():
            tables[path.name] = kept["tables"].get(path.name)
            if not tables[path.name] or tables[path.name]["key"] != value:
                tables[path.name] = {"key": value, **line_table(path, self.tree)}
        for number, test in enumerate(stale, 1):
            self.log(f"run of the unmutated tree, {number} of {len(stale)}: {test.name}")
            kept["tests"][test.name] = {"key": wanted[test.name], **self._run(test, tables)}
            if kept["tests"][test.name]["cpu"] > WORTH_KEEPING:
                self._keep(kept, tables)
        if stale:
            self._keep(kept, tables)
        self.tests = {name: {**entry, "lines": {file: int(mask, 16) for file, mask in entry["lines"].items()}}
                      for name, entry in kept["tests"].items() if name in wanted}
        for table in tables.values():
            for _start, lines in table["blocks"]:
                for file, mask in lines.items():
                    self.rows[file] = self.rows.get(file, 0) | int(mask, 16)

    def _keep(self, kept, tables):
        part = self.kept.with_suffix(".part")
        part.write_text(json.dumps({**kept, "tables": tables}))
        part.replace(self.kept)

    def _run(self, test, tables):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        ended = self.sandbox.run(test.command, cpu=MOST_SECONDS, seconds=MOST_SECONDS, writable=[self.folder],
                                 environment={**test.environment, "STEAD_REACH": str(self.folder)})
        lines = {}
        for name, table in tables.items():
            if (self.folder / name).exists():
                for file, mask in covered(self.folder / name, table["blocks"]):
                    lines[file] = lines.get(file, 0) | mask
        if ended.status != 0:
            self.log(f"{test.name} fails without a mutant, and is left out: {ended.limit or ended.output[-600:]}")
        return {"ok": ended.status == 0, "seconds": ended.seconds, "cpu": ended.cpu,
                "lines": {file: hex(mask) for file, mask in lines.items()}}

    def line_with_code(self, file, first, line):
        """The last line from `first` to `line` that has code: a statement of several lines may have it in one of them."""
        mask = self.rows.get(file, 0)
        while line > first and not mask >> line & 1:
            line -= 1
        return line

    def reaching(self, file, line):
        """The names of the tests that run this line."""
        return [name for name, test in self.tests.items() if test["ok"] and test["lines"].get(file, 0) >> line & 1]


def digest(path):
    """Of a file or of the files in a folder; of a word that is neither, of the word."""
    if path.is_dir():
        return hashlib.sha256("".join(digest(item) for item in sorted(path.rglob("*")) if item.is_file()).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes() if path.is_file() else str(path).encode()).hexdigest()


# ---- the line table of a library ----


def line_table(library, tree):
    """{"blocks": [[return address >> 2, {file: mask}], ...]}, ascending."""
    starts = calls(library)
    lines = [{} for _ in starts]
    for file, line, address in rows(library, tree):
        at = bisect.bisect_right(starts, address) - 1
        if at >= 0:
            lines[at][file] = lines[at].get(file, 0) | 1 << line
    return {"blocks": [[start >> 2, {file: hex(mask) for file, mask in found.items()}]
                       for start, found in zip((start + CALL for start in starts), lines)]}


def calls(library):
    """The addresses of the calls that begin a block."""
    sections = call(["readelf", "--wide", "--section-headers", library])
    found = re.search(r"\.text\s+PROGBITS\s+([0-9a-f]+)\s+([0-9a-f]+)\s+([0-9a-f]+)", sections)
    address, offset, size = (int(word, 16) for word in found.groups())
    symbols = call(["nm", library])
    target = int(re.search(r"^([0-9a-f]+) \w __sanitizer_cov_trace_pc$", symbols, re.M)[1], 16)
    text = library.read_bytes()[offset:offset + size]
    starts = []
    at = text.find(b"\xe8")
    while at >= 0:
        if address + at + CALL + int.from_bytes(text[at + 1:at + CALL], "little", signed=True) == target:
            starts.append(address + at)
        at = text.find(b"\xe8", at + 1)
    return starts


def rows(library, tree):
    """(file relative to the tree, line, address) from the debug information."""
    file = None
    names = {}
    with subprocess.Popen(["readelf", "--wide", "--debug-dump=decodedline", library], env=ENVIRONMENT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
        for line in reader.stdout:
            line = line.rstrip("\n")
            if line.endswith(":"):
                path = line[:-1].removeprefix("CU: ")
                if path not in names:
                    names[path] = relative((tree.build / path).resolve(), tree)
                file = names[path]
            elif file:
                found = ROW.match(line)
                if found:
                    yield file, int(found[1]), int(found[2], 16)


def relative(path, tree):
    return str(path.relative_to(tree.source)) if path.is_relative_to(tree.source) else None


def covered(path, blocks):
    """(file, mask) of the blocks that are marked in a map of reach.c."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as marks:
        for start, lines in blocks:
            if marks[start]:
                for file, mask in lines.items():
                    yield file, int(mask, 16)
