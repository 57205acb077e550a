# SPDX-License-Identifier: Apache-2.0
"""What becomes of one mutant: refused by the compiler, equivalent, killed by a test, or a survivor."""

import re
import resource
import time

from mutation.tree import TEXT_ONLY, Workplace

FAILED_CASE = re.compile(r"\[  FAILED  \] (?:.*: )?(\w+)$", re.M)

LONG, LONG_NEAR = 3, 30  # seconds of processor time, in general and for tests of the mutant's own folder


class Trial:
    def __init__(self, tree, sandbox, reach, tests, thorough=False):
        self.thorough = thorough
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
        """The cheap answers come first: most mutants are killed by a short test of their own folder, and only for the others it
        is worth to ask whether the compiler makes the same of them."""
        text = (self.tree.source / mutant.file).read_text()
        line = self.reach.line_with_code(mutant.file, *self._lines(mutant))
        program = self.tree.program(mutant.file)
        # What programs of their own execute is not measured; each test that needs the program is shown the mutant.
        reaching = self.reach.reaching(mutant.file, line) if not program else \
            [name for name, test in self.tests.items() if program in test.needs and self.reach.tests[name]["ok"]]
        names = [name for name in reaching if self._is_worth_it(mutant.file, name)]
        names.sort(key=lambda name: self._order(mutant.file, name))
        near = [name for name in names if self._is_near(mutant.file, name) and self.reach.tests[name]["cpu"] <= LONG]
        mutant.status, mutant.by, mutant.how, mutant.reached = "survived", "", "", len(names)
        with Workplace(self.tree, mutant.file, mutant.apply(text), "mutant") as place:
            shown = []
            if names:
                if place.compile():
                    return False
                shown.append(place.link())
            if self._try(mutant, near, shown):
                return True
            if place.compile(TEXT_ONLY, plain=True):
                return False
            if place.hash() == self.tree.plain_object(mutant.file):
                mutant.status = "equivalent"
            else:
                self._try(mutant, [name for name in names if name not in near], shown)
        return True

    def _try(self, mutant, names, shown):
        """Whether one of the tests kills the mutant."""
        for name in names:
            if self._kills(mutant, name, shown):
                mutant.status, mutant.by = "killed", name
                return True
        return False

    def _lines(self, mutant):
        """The first line of the function, and the line of the change."""
        text = (self.tree.source / mutant.file).read_text()
        first = next((number for number in range(mutant.line, 0, -1)
                      if text.splitlines()[number - 1].startswith("{")), 1)
        return first, mutant.line

    def _is_near(self, file, name):
        return bool(self.tests[name].folder) and file.startswith(f"src/{self.tests[name].folder}/")

    def _is_worth_it(self, file, name):
        """A long test that only happens to use a file would be most of the cost of a survivor, and kill next to nothing."""
        return self.thorough or self.reach.tests[name]["cpu"] <= (LONG_NEAR if self._is_near(file, name) else LONG)

    def _order(self, file, name):
        return not self._is_near(file, name), self.reach.tests[name]["cpu"]

    def _kills(self, mutant, name, shown):
        test, usual = self.tests[name], self.reach.tests[name]
        ended = self.sandbox.run(test.command, cpu=3 * usual["cpu"] + 1, seconds=15 * usual["seconds"] + 20,
                                 environment=test.environment, shown=shown)
        if ended.status == 0:
            return False
        found = FAILED_CASE.search(ended.output)
        mutant.how = (ended.limit and f"limit of {ended.limit}") or (found[1] if found else f"status {ended.status}")
        return True
