#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/mutate: what its operators propose, and a run over a project of one file."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[3] / "tools"
sys.path.insert(0, str(TOOLS))
sys.dont_write_bytecode = True
from mutation.mutant import draw, find_again, mutants_of  # noqa: E402
from mutation.sandbox import Sandbox  # noqa: E402


def mutated(line, head="static int f(int a, int b)", operator=None):
    """What may become of a line in a function."""
    text = f"{head}\n{{\n    {line}\n}}\n"
    return {mutant.apply(text).splitlines()[2].strip() for place in mutants_of("x.c", text) for mutant in place
            if operator in (None, mutant.operator)}


class Operators(unittest.TestCase):
    def test_a_comparison_moves_its_bound_or_turns_round(self):
        self.assertEqual(mutated("x = a < b;", operator="comparison"), {"x = a <= b;", "x = a >= b;"})
        self.assertEqual(mutated("x = a == b;", operator="comparison"), {"x = a != b;"})

    def test_a_condition_is_negated_and_fixed(self):
        self.assertEqual(mutated("if (a)", operator="condition"), {"if (!(a))", "if (true)", "if (false)"})
        self.assertEqual(mutated("x = a && f(b, 1) ? 2 : 3;", operator="condition"),
                         {f"x = {c} ? 2 : 3;" for c in ("!(a && f(b, 1))", "true", "false")})
        self.assertEqual(mutated("for (int i = 0; i < a; i++)", operator="condition"),
                         {"for (int i = 0; !(i < a); i++)", "for (int i = 0; false; i++)"})

    def test_a_loop_is_not_made_endless(self):
        self.assertEqual(mutated("while (a)", operator="condition"), {"while (!(a))", "while (false)"})

    def test_and_becomes_or(self):
        self.assertEqual(mutated("x = a && b;", operator="logical"), {"x = a || b;"})

    def test_arithmetic_is_what_has_two_sides(self):
        self.assertEqual(mutated("x = a + b;", operator="arithmetic"), {"x = a - b;"})
        self.assertEqual(mutated("Pod *x = *p, y = -a, z = &b;", operator="arithmetic"), set())
        self.assertEqual(mutated("a += b;", operator="arithmetic"), {"a -= b;"})
        self.assertEqual(mutated("n++;", operator="arithmetic"), {"n--;"})

    def test_a_number_is_off_by_one_but_not_the_size_of_an_array(self):
        self.assertEqual(mutated("x = v[1];", operator="constant"), {"x = v[2];", "x = v[0];"})
        self.assertEqual(mutated("char name[64];", operator="constant"), set())
        self.assertEqual(mutated("x = 0x1fU;", operator="constant"), {"x = 32U;", "x = 30U;"})

    def test_what_is_returned_depends_on_the_type(self):
        self.assertEqual(mutated("return true;", operator="returned"), {"return false;"})
        self.assertEqual(mutated("return a;", "static bool f(int a)", "returned"), {"return !(a);"})
        self.assertEqual(mutated("return a->b;", "const char *f(Pod *a)", "returned"), {"return NULL;"})
        self.assertEqual(mutated("return a->b;", "static Bytes f(Pod *a)", "returned"), set())

    def test_statements_are_dropped_and_declarations_are_not(self):
        self.assertEqual(mutated("use(a, (Pair){1, 2});", operator="dropped"), {";"})
        self.assertEqual(mutated("a->b = (Pair){1, 2};", operator="dropped"), {";"})
        for line in ("Pod *pod = f();", "_free_ char *x = f();", "int n = 1;", "return f();", "FOR_EACH(x, list) {}", "pod_unref(a);",
                     "free(a);"):
            self.assertEqual(mutated(line, operator="dropped"), set(), line)

    def test_the_parts_of_a_for_are_no_statements(self):
        self.assertEqual(mutated("for (i = 0; i < a; i++) {}", operator="dropped"), set())

    def test_comments_texts_assertions_and_logging_are_left_alone(self):
        for line in ('ASSERT(a == 1 && b < 2);', 'log_warn("x", "a %d", a + 1);', "/* a == 1 */", "LOG_NUMBER(a == 1);",
                     '(void)"a == 1";', "(void)'1';"):
            self.assertEqual(mutated(line, operator=None) - {";"}, set(), line)
        self.assertEqual(mutants_of("x.c", "#define F(a) ((a) == 1 ? \\\n    2 : 3)\nstatic const int v[] = {1, 2};\n"), [])

    def test_lines_keep_their_numbers(self):
        text = "int f(int a)\n{\n    g(a,\n      1);\n    return a;\n}\n"
        for place in mutants_of("x.c", text):
            for mutant in place:
                self.assertEqual(mutant.apply(text).count("\n"), text.count("\n"))


class Draws(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.write("int f(int a)\n{\n    return a > 1;\n}\nint g(int a)\n{\n    return a > 1;\n}\n")

    def write(self, text):
        (self.folder / "x.c").write_text(text)

    def drawn(self, seed):
        return [(m.line, m.before, m.after) for m in draw(self.folder, ["x.c"], seed)]

    def test_a_seed_gives_the_same_draw_and_leaves_the_global_chance_alone(self):
        random.seed(7)
        state = random.getstate()
        self.assertEqual(self.drawn(3), self.drawn(3))
        self.assertNotEqual(self.drawn(3), self.drawn(4))
        self.assertEqual(random.getstate(), state)

    def test_a_mutant_goes_with_its_function_to_another_file(self):
        (self.folder / "src/a").mkdir(parents=True)
        (self.folder / "src/a/x.c").write_text((self.folder / "x.c").read_text())
        place = next(m for m in draw(self.folder, ["src/a/x.c"], 1) if m.function == "g")
        (self.folder / "src/a/x.c").write_text("int f(int a)\n{\n    return a > 1;\n}\n")
        (self.folder / "src/a/y").mkdir()
        (self.folder / "src/a/y/g.c").write_text("int g(int a)\n{\n    return a > 1;\n}\n")
        self.assertEqual(find_again(self.folder, place).file, "src/a/y/g.c")

    def test_a_mutant_is_found_again_in_its_function_after_lines_have_moved(self):
        place = next(m for m in draw(self.folder, ["x.c"], 1) if m.function == "g")
        self.write("int more;\n\nint f(int a)\n{\n    return a > 1;\n}\nint g(int a)\n{\n    return a > 1;\n}\n")
        self.assertEqual(find_again(self.folder, place).line, place.line + 2)
        self.write("int g(int a)\n{\n        return a > 1;\n}\n")
        self.assertEqual(find_again(self.folder, place).line, 3)
        self.write("int g(int a)\n{\n    return a > 2;\n}\nint f(int a)\n{\n    return a > 1;\n}\n")
        self.assertIsNone(find_again(self.folder, place))


@unittest.skipIf(os.geteuid() != 0, "namespaces need root")
class Limits(unittest.TestCase):
    def run_in(self, script, **more):
        with Sandbox(kept=TOOLS) as sandbox:
            return sandbox.run(["sh", "-c", script], **{"cpu": 5, "seconds": 30, **more})

    def test_the_status_and_the_output_come_through(self):
        ended = self.run_in("echo hello; exit 3")
        self.assertEqual((ended.status, ended.output), (3, "hello\n"))
        self.assertEqual(self.run_in("kill -9 $$").status, -9)

    def test_nothing_outside_can_be_changed_or_ended(self):
        with tempfile.TemporaryDirectory(dir=pathlib.Path.home()) as folder:
            ended = self.run_in(f"touch {folder}/x /etc/x; kill -9 {os.getpid()}; echo > /tmp/x && ls /tmp; ip link | grep -c ^[0-9]")
            self.assertFalse(os.path.exists(folder + "/x"))
        self.assertFalse(os.path.exists("/etc/x"))
        self.assertEqual(ended.output.splitlines()[-2:], ["x", "1"])

    def test_endless_work_and_endless_waiting_end(self):
        self.assertEqual(self.run_in("while :; do :; done", cpu=1).limit, "processor time")
        self.assertEqual(self.run_in("sleep 60 & sleep 60", seconds=0.5).limit, "time")

    def test_what_runs_ends_with_who_started_it(self):
        with tempfile.TemporaryDirectory(dir=pathlib.Path.home()) as folder:
            begun = pathlib.Path(folder, "begun")
            code = (f"import signal, sys; sys.path.insert(0, {str(TOOLS)!r}); from mutation.sandbox import Sandbox\n"
                    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
                    f"with Sandbox(kept={str(TOOLS)!r}) as sandbox:\n"
                    f"    sandbox.run(['sh', '-c', 'echo > {begun}; sleep 60'], cpu=5, seconds=60, writable=[{folder!r}])")
            child = subprocess.Popen([sys.executable, "-Bc", code])
            while not begun.exists() and child.poll() is None:
                time.sleep(0.01)
            child.terminate()
            self.assertEqual(child.wait(), 143)  # its control group could be removed, so that nothing is in it any more

    def test_a_file_replaces_another_for_a_run(self):
        with tempfile.TemporaryDirectory(dir=pathlib.Path.home()) as folder:
            old, new = pathlib.Path(folder, "old"), pathlib.Path(folder, "new")
            old.write_text("old\n")
            new.write_text("new\n")
            self.assertEqual(self.run_in(f"cat {old}", shown=[(old, new)]).output, "new\n")
            self.assertEqual(old.read_text(), "old\n")


PROJECT = {
    "meson.build": """project('demo', 'c', default_options: ['c_std=gnu17', 'werror=true', 'warning_level=2'])
subdir('src/demo')
test('demo', executable('test_demo', 'test_demo.c', dependencies: demo_dep), suite: 'unit')
test('helper', executable('test_helper', 'test_helper.c', c_args: '-DHELPER="@0@"'.format(helper.full_path())), depends: helper,
  suite: 'unit')
""",
    "src/demo/meson.build": """demo_lib = static_library('demo', 'demo.c', 'deep/limits.c')
helper = executable('helper', 'helper.c')
demo_dep = declare_dependency(link_with: demo_lib, include_directories: include_directories('.'))
""",
    "src/demo/deep/limits.h": "#error a header of this project is taken for that of the system\n",
    "src/demo/deep/limits.c": "#include <limits.h>\nint deep(void);\nint deep(void)\n{\n    return 7;\n}\n",
    "src/demo/helper.c": "int main(void)\n{\n    return 3;\n}\n",
    "test_helper.c": """#include <stdlib.h>
int main(void)
{
    return system(HELPER) != 3 << 8;
}
""",
    "src/demo/demo.h": "int at_most_ten(int n);\nint twice(int n);\nint never_called(int n);\nint slowly(int n);\n",
    "src/demo/demo.c": """#include "demo.h"
int at_most_ten(int n)
{
    return n > 10 ? 10 : n;
}
int twice(int n)
{
    return n * 2;
}
int never_called(int n)
{
    return n * 3;
}
int slowly(int n)
{
    volatile long left = n;

    while (left > 0)
        left = 0;
    return 5;
}
""",
    "test_demo.c": """#include "demo.h"
int main(void)
{
    return !(at_most_ten(5) == 5 && at_most_ten(11) == 10 && twice(0) == 0 && slowly(3) == 5);
}
""",
}


@unittest.skipIf(os.geteuid() != 0, "namespaces need root")
class AProject(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for name, text in PROJECT.items():
            cls.write(name, text)
        subprocess.run(["git", "init", "-q", cls.folder], check=True)
        cls.mutate("--out", cls.folder / "out", "src/demo/demo.c")
        cls.mutants = cls.results()

    @classmethod
    def write(cls, name, text):
        path = cls.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @classmethod
    def mutate(cls, *words, status=0):
        done = subprocess.run([TOOLS / "mutate", "--checkout", cls.folder, "--work", cls.folder / "work", *words],
                              capture_output=True, text=True, check=False)
        if done.returncode != status:
            raise AssertionError(done.stdout + done.stderr)
        return done.stdout + done.stderr

    @classmethod
    def results(cls):
        return json.loads((cls.folder / "out" / "demo-demo.c.json").read_text())["mutants"]

    def status(self, function, before, after):
        return {m["status"] for m in self.mutants if (m["function"], m["before"], m["after"]) == (function, before, after)}

    def test_what_a_test_notices_is_killed_by_it(self):
        self.assertEqual(self.status("at_most_ten", ">", "<="), {"killed"})
        self.assertEqual({m["by"] for m in self.mutants if m["status"] == "killed"}, {"demo"})

    def test_what_runs_too_long_is_killed(self):
        [mutant] = [m for m in self.mutants if (m["function"], m["before"]) == ("slowly", "left = 0;")]
        self.assertEqual((mutant["status"], mutant["how"]), ("killed", "limit of processor time"))

    def test_what_no_test_notices_survives(self):
        self.assertEqual(self.status("twice", "2", "3"), {"survived"})

    def test_what_no_test_runs_survives_and_is_said_so(self):
        self.assertEqual(self.status("never_called", "*", "/"), {"survived"})
        self.assertEqual({m["reached"] for m in self.mutants if m["function"] == "never_called"}, {0})
        self.assertIn("no test runs this line", (self.folder / "out" / "demo-demo.c.txt").read_text())

    def test_the_same_code_is_an_equivalent(self):
        self.assertEqual(self.status("at_most_ten", ">", ">="), {"equivalent"})

    def test_the_checkout_is_as_before(self):
        for name, text in PROJECT.items():
            self.assertEqual((self.folder / name).read_text(), text)

    def test_a_survivor_is_killed_by_a_better_test(self):
        self.addCleanup(self.write, "test_demo.c", PROJECT["test_demo.c"])
        self.write("test_demo.c", PROJECT["test_demo.c"].replace("twice(0) == 0", "twice(2) == 4"))
        self.mutate("--again", self.folder / "out" / "demo-demo.c.json")
        self.assertEqual({m["status"] for m in self.results() if m["function"] == "twice" and m["before"] == "2"}, {"killed"})

    def test_a_survivor_whose_code_has_changed_is_gone(self):
        self.addCleanup(self.write, "src/demo/demo.c", PROJECT["src/demo/demo.c"])
        results = self.folder / "out" / "changed.json"
        shutil.copy(self.folder / "out" / "demo-demo.c.json", results)
        self.write("src/demo/demo.c", PROJECT["src/demo/demo.c"].replace("n * 3", "n + n + n"))
        self.mutate("--again", results)
        mutants = [m for m in json.loads(results.read_text())["mutants"] if m["function"] == "never_called"]
        self.assertEqual({m["status"] for m in mutants if m["before"] in ("*", "3")}, {"gone"})

    def test_a_header_named_like_one_of_the_system_is_not_taken_for_it(self):
        self.assertIn("survived", self.mutate("src/demo/deep/limits.c"))

    def test_a_program_that_a_test_runs_is_tested_by_it(self):
        self.assertIn("killed", self.mutate("src/demo/helper.c"))

    def test_known_changes_have_to_be_noticed(self):
        changes = [{"name": "notices", "file": "src/demo/demo.c", "text": "n > 10 ? 10", "instead": "n > 10 ? 11"}]
        (self.folder / "out" / "known").write_text(json.dumps(changes))
        self.mutate("--known", self.folder / "out" / "known")
        changes[0].update(text="n * 2", instead="n * 4")
        (self.folder / "out" / "known").write_text(json.dumps(changes))
        self.mutate("--known", self.folder / "out" / "known", status=1)


if __name__ == "__main__":
    unittest.main()
