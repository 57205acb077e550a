# SPDX-License-Identifier: Apache-2.0
"""The results as JSON, with which a run goes on, and as text for people."""

import json
from dataclasses import asdict

from mutation.mutant import Mutant


def load(path):
    """(seed, mutants) of a run; (None, []) where there was none."""
    if not path.exists():
        return None, []
    content = json.loads(path.read_text())
    return content["seed"], [Mutant(**entry) for entry in content["mutants"]]


def store(path, seed, mutants, tree):
    """Writes PATH and, beside it, the same as text."""
    content = {"seed": seed, "mutants": [asdict(mutant) for mutant in mutants]}
    for target, text in ((path, json.dumps(content, indent=1) + "\n"), (path.with_suffix(".txt"), as_text(mutants, tree))):
        part = target.with_suffix(target.suffix + ".part")
        part.write_text(text)
        part.replace(target)


def count(mutants, status):
    return sum(mutant.status == status for mutant in mutants)


def row(name, mutants):
    killed, survived, equivalent, gone = (count(mutants, status) for status in ("killed", "survived", "equivalent", "gone"))
    return (name, len(mutants), killed, survived, equivalent, gone, f"{100 * killed / max(1, killed + survived):.0f} %",
            f"{sum(mutant.cpu for mutant in mutants) / max(1, len(mutants)):.1f} s")


def table(groups):
    """A table of Markdown with a row for each (name, mutants)."""
    rows = [("folder", "mutants", "killed", "survived", "equivalent", "gone", "killed, of those that differ", "processor time each")]
    rows += [row(name, mutants) for name, mutants in groups]
    if len(groups) > 1:
        rows.append(row("all", [mutant for _name, mutants in groups for mutant in mutants]))
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in rows]
    return "\n".join([lines[0], "| --- " + "| ---: " * (len(rows[0]) - 1) + "|", *lines[1:]])


def as_text(mutants, tree):
    parts = [table([("all", mutants)]), ""]
    for status, title in (("survived", "Survivors"), ("equivalent", "Equivalent: the compiler makes the same of them"),
                          ("gone", "Gone: the code is not there any more, or the mutant is refused by the compiler by now"),
                          ("killed", "Killed")):
        chosen = [mutant for mutant in mutants if mutant.status == status]
        if chosen:
            parts += [f"== {title}", ""]
        for mutant in chosen:
            parts.append(as_line(mutant) if status == "killed" else f"{as_diff(mutant, tree)}\n")
    return "\n".join(parts) + "\n"


def as_diff(mutant, tree):
    if mutant.status == "gone":
        return f"--- {mutant.file} in {mutant.function}()\n-{mutant.context}\n    {mutant.before} -> {mutant.after}\n"
    try:
        diff = mutant.diff((tree / mutant.file).read_text())
    except (OSError, ValueError):
        diff = f"--- {mutant.file}:{mutant.line} in {mutant.function}()\n-{mutant.context}"
    note = "" if mutant.status == "equivalent" else f"    {mutant.reached} tests run this line\n" if mutant.reached else \
        "    no test runs this line\n"
    return f"{diff}\n{note}"


def as_line(mutant):
    after = " ".join(mutant.after.split())
    return (f"{mutant.file}:{mutant.line} {mutant.operator}: {' '.join(mutant.before.split())[:60]} -> {after[:60]}"
            f"    by {mutant.by}: {mutant.how} ({mutant.cpu:.1f} s)")
