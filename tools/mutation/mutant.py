# SPDX-License-Identifier: Apache-2.0
"""Mutants: how they are drawn, applied, written down, and found again after the file has changed."""

import pathlib
import random
import re
from dataclasses import dataclass

from mutation.operators import changes
from mutation.source import Source


@dataclass
class Mutant:
    file: str      # relative to the tree
    line: int      # from 1
    column: int    # from 0
    function: str
    operator: str
    before: str    # the text that is replaced
    after: str
    context: str   # the line, as it was
    status: str = ""     # killed, survived, equivalent; gone: the code has changed since; empty: not tried
    by: str = ""         # the test that killed it
    how: str = ""        # its failing case, or the limit that it broke
    reached: int = 0     # number of tests that run the line
    cpu: float = 0
    seconds: float = 0

    @property
    def identity(self):
        return (self.file, self.function, self.operator, self.column, self.before, self.after, self.context)

    @property
    def likeness(self):
        """What stays the same where a line is only moved or indented."""
        return (self.function, self.operator, *(" ".join(text.split()) for text in (self.before, self.after, self.context)))

    @property
    def indented(self):
        """The column, counted from the first character of the line that is no space."""
        return self.column - len(self.context) + len(self.context.lstrip())

    def apply(self, text):
        """The file's text with the change; every line keeps its number."""
        start = self.offset(text)
        lost = self.before.count("\n") - self.after.count("\n")
        return text[:start] + self.after + "\n" * lost + text[start + len(self.before):]

    def offset(self, text):
        start = 0
        for _ in range(self.line - 1):
            start = text.index("\n", start) + 1
        return start + self.column

    def diff(self, text):
        """What a reader wants to see, in the form of a patch of a few lines."""
        old, new = text.splitlines(), self.apply(text).splitlines()
        last = self.line + self.before.count("\n")
        changed = [line for line in new[self.line - 1:last] if line.strip()]
        return "\n".join([f"--- {self.file}:{self.line} in {self.function}()"] +
                         ["-" + line for line in old[self.line - 1:last]] + ["+" + line for line in changed])


def mutants_of(name, text):
    """All mutants of a file, grouped by place: a list of lists."""
    source = Source(text)
    places = {}
    for change in changes(source):
        line = source.line(change.start)
        start = source.line_starts[line - 1]
        function = next(f for f in source.functions
                        if source.tokens[f.first].start <= change.start < source.tokens[f.last].end)
        places.setdefault(change.place, []).append(Mutant(
            file=name, line=line, column=change.start - start, function=function.name, operator=change.operator,
            before=text[change.start:change.end], after=change.text, context=source.line_text(line)))
    return [places[place] for place in sorted(places)]


def draw(tree, files, seed):
    """Yields mutants without end, each from another place, until the places are used up. The order follows from the seed and
    the texts of the files."""
    chance = random.Random(seed)
    places = [place for name in sorted(files) for place in mutants_of(name, (tree / name).read_text())]
    chance.shuffle(places)
    for place in places:
        yield chance.choice(place)


def find_again(tree, mutant):
    """The same change in the tree as it is now, or None. Lines may have moved, been indented in another way, or gone to another
    file of the folder with their function, which tells apart lines that are the same."""
    own = tree / mutant.file
    top = tree / pathlib.PurePath(*pathlib.PurePath(mutant.file).parts[:2])
    others = sorted(path for path in top.rglob("*.c") if path != own) if top.is_dir() else []
    for path in [own, *others]:
        text = path.read_text() if path.exists() else ""
        if not re.search(rf"\b{mutant.function}\(", text):
            continue
        same = [other for place in mutants_of(str(path.relative_to(tree)), text) for other in place
                if other.likeness == mutant.likeness]
        if same:
            return min(same, key=lambda other: (abs(other.indented - mutant.indented), abs(other.line - mutant.line)))
    return None
