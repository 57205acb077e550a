# SPDX-License-Identifier: Apache-2.0
"""What becomes of one mutant: refused by the compiler, equivalent, killed by a test, or a survivor."""

import re
import resource
import time

from mutation.tree import TEXT_ONLY, Workplace

FAILED_CASE = re.compile(r"\[  FAILED  \] (?:.*: )?(\w+)$", re.M)


class Trial:
    def __init__(self, tree, sandbox, reach, tests):
        self.tree = tree
        self.sandbox = sandbox
        self.reach = reach
        self.tests = {test.name: test for test in tests}

    def run(self, mutant):
        """Sets the mutant's status; False: it does not compile, so that it says nothing about the tests."""
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        compiled = self._run(mutant)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        mutant.seconds = round(time.monotonic() - begun, 2)
        mutant.cpu = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)
        return compiled

    def _run(self, mutant):
        text = (self.tree.source / mutant.file).read_text()
        plain = self.tree.plain_object(mutant.file)
        mutant.status, mutant.by, mutant.how = "", "", ""
        with Workplace(self.tree, mutant.file, mutant.apply(text), "mutant") as place:
            if place.compile(TEXT_ONLY, plain=True):
                return False
            if place.hash() == plain:
                mutant.status = "equivalent"
                return True
            line = self.reach.line_with_code(mutant.file, *self._lines(mutant))
            names = self.reach.reaching(mutant.file, line)
            mutant.reached = len(names)
            mutant.status = "survived"
            if not names:
                return True
            if place.compile():
                return False
            shown = [place.link()]
            for name in sorted(names, key=lambda name: self._order(mutant.file, name)):
                if self._kills(mutant, name, shown):
                    mutant.status, mutant.by = "killed", name
                    break
        return True

    def _lines(self, mutant):
        """The first line of the function, and the line of the change."""
        text = (self.tree.source / mutant.file).read_text()
        first = next((number for number in range(mutant.line, 0, -1)
                      if text.splitlines()[number - 1].startswith("{")), 1)
        return first, mutant.line

    def _order(self, file, name):
        """Tests of the file's own folder first, then the quick ones."""
        near = self.tests[name].folder and file.startswith(f"src/{self.tests[name].folder}/")
        return (not near, self.reach.tests[name]["cpu"])

    def _kills(self, mutant, name, shown):
        test, usual = self.tests[name], self.reach.tests[name]
        ended = self.sandbox.run(test.command, cpu=3 * usual["cpu"] + 1, seconds=15 * usual["seconds"] + 20,
                                 environment=test.environment, shown=shown)
        if ended.status == 0:
            return False
        found = FAILED_CASE.search(ended.output)
        mutant.how = (ended.limit and f"limit of {ended.limit}") or (found[1] if found else f"status {ended.status}")
        return True
