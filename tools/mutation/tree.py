# SPDX-License-Identifier: Apache-2.0
"""The copy of the tree that is mutated, and its build.

The copy lies in FOLDER/tree, the build in FOLDER/tree/build, as if somebody worked there. Every library of src/ becomes a shared one there, so that a mutant costs
one compilation and one link of a library, however many tests use it. Neither is changed for a mutant: the mutated file, its
object and the library made of it lie in a folder of the mutant's, and a run shows that library in place of the original one.
"""

import filecmp
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = {**os.environ, "PATH": "/usr/bin:" + os.environ.get("PATH", "/bin"), "LC_ALL": "C"}
COVER = "-fsanitize-coverage=trace-pc"
TEXT_ONLY = ["-O2", "-g0"]  # of the object that shows whether a change is one: what a release is built with

SUITE_FOLDERS = {"sim": "control"}


class BuildError(Exception):
    """The unmutated tree does not build."""


@dataclass
class Test:
    name: str
    suite: str
    command: list
    environment: dict
    program: pathlib.Path
    folder: str  # of src/ that it is about, "" where it is about more than one
    needs: frozenset = frozenset()  # the programs that it runs besides its own, relative to the build


def call(argv, cwd=None):
    done = subprocess.run(argv, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{shlex.join(map(str, argv))}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


class Tree:
    def __init__(self, checkout, folder, sanitize=False):
        self.checkout = pathlib.Path(checkout).resolve()
        self.folder = pathlib.Path(folder).resolve()
        self.source = self.folder / "tree"
        self.build = self.source / "build"
        self.sanitize = sanitize
        self._links = {}
        self._plain = {}

    # ---- the copy ----

    def copy(self):
        """Brings the copy up to date with the checkout, as it is now, without what git ignores. What has not changed keeps its
        time, so that it is not built again."""
        names = call(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], self.checkout).split("\0")
        wanted = {name for name in names if name and (self.checkout / name).is_file()}
        for name in sorted(wanted):
            self._copy_file(name)
        there = [path for top in self.source.iterdir() if top != self.build for path in (top, *top.rglob("*"))]
        for path in sorted(there, reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif str(path.relative_to(self.source)) not in wanted:
                path.unlink()

    def _copy_file(self, name):
        origin, copy = self.checkout / name, self.source / name
        if name.startswith("src/") and copy.name == "meson.build":
            text = re.sub(r"\bstatic_library\(", "shared_library(", origin.read_text())
            if not copy.exists() or copy.read_text() != text:
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(text)
        elif not copy.exists() or not filecmp.cmp(origin, copy, shallow=False):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, copy)

    # ---- the build ----

    def configure(self):
        self.build.mkdir(parents=True, exist_ok=True)
        reach = self.folder / "reach.o"
        call(["gcc", "-O2", "-fPIC", "-D_GNU_SOURCE", "-c", HERE / "reach.c", "-o", reach])
        if (self.build / "build.ninja").exists():
            return
        options = [f"-Doptimization={int(self.sanitize)}", "-Ddebug=true", "-Db_lundef=false", f"-Dc_args=-g1 {COVER}", f"-Dc_link_args={reach}"]
        if (self.source / "meson_options.txt").exists() and "fault_points" in (self.source / "meson_options.txt").read_text():
            options.append("-Dfault_points=true")
        if self.sanitize:
            options.append("-Db_sanitize=address,undefined")
        if shutil.which("mold"):
            ENVIRONMENT["CC_LD"] = "mold"
        call(["meson", "setup", self.build, self.source, *options])

    def make(self, suites):
        """Builds the tests of these suites and returns them."""
        call(["ninja", "-C", self.build, "build.ninja"])
        tests, targets = [], set()
        outputs = {target["id"]: target["filename"] for target in self._introspect("targets")}
        for entry in self._introspect("tests"):
            suite = entry["suite"][0].split(":")[-1]
            program = pathlib.Path(entry["cmd"][0])
            if suite not in suites or not program.is_relative_to(self.build):
                continue  # a script: it does not run what is mutated
            parts = program.relative_to(self.build).parts
            tests.append(Test(entry["name"], suite, entry["cmd"], entry["env"], program,
                              parts[2] if parts[:2] == ("tests", "unit") else SUITE_FOLDERS.get(suite, ""),
                              frozenset(os.path.relpath(name, self.build) for target in entry["depends"]
                                        for name in outputs.get(target, []))))
            targets.update(name for target in entry["depends"] for name in outputs.get(target, []))
        call(["ninja", "-C", self.build, *sorted(os.path.relpath(target, self.build) for target in targets)])
        for test in tests:
            test.command = self._absolute(test.command)
        self._compilations = {}
        for entry in json.loads((self.build / "compile_commands.json").read_text()):
            path = pathlib.Path(entry["directory"], entry["file"]).resolve()
            self._compilations.setdefault(str(path), []).append(entry)
        return tests

    def _introspect(self, what):
        return json.loads((self.build / "meson-info" / f"intro-{what}.json").read_text())

    def _absolute(self, command):
        """Meson runs tests in the build folder; mutants run elsewhere."""
        return [str(self.build / word) if not word.startswith("/") and (self.build / word).exists() else word
                for word in command]

    def libraries(self):
        return sorted((self.build / "src").rglob("lib*.so"))

    # ---- one mutant ----

    def plain_object(self, name):
        """The hash of what the unmutated file is compiled to in a release."""
        text = (self.source / name).read_text()
        key = (name, hashlib.sha256(text.encode()).hexdigest())
        if key not in self._plain:
            with Workplace(self, name, text, "plain") as place:
                failure = place.compile(TEXT_ONLY, plain=True)
                if failure:
                    raise BuildError(failure)
                self._plain[key] = place.hash()
        return self._plain[key]

    def compilation(self, name):
        """What compiles the file into a library, rather than into a program that has the sources of one built in."""
        entries = self._compilations.get(str(self.source / name), [])
        return next((entry for entry in entries if re.search(r"\.so\.p/", entry["output"])), entries[0] if entries else None)

    def program(self, name):
        """The program that the file belongs to, relative to the build, if it is no part of a library."""
        output = (self.compilation(name) or {"output": ""})["output"]
        return None if ".so.p/" in output else re.sub(r"\.p/.*", "", output)

    def link_command(self, output):
        """The command that makes the program or library for which an object is compiled."""
        target = re.sub(r"\.p/.*", "", output)
        if target not in self._links:
            commands = call(["ninja", "-C", self.build, "-t", "commands", "-s", target]).splitlines()
            self._links[target] = (self.build / target, shlex.split(commands[-1]))
        return self._links[target]


class Workplace:
    """A folder with one mutated file and what is made of it; a context that removes it at its end."""

    def __init__(self, tree, name, text, label):
        self.tree = tree
        self.entry = tree.compilation(name)
        self.folder = tree.folder / "work" / f"{label}-{os.getpid()}"
        self.file = self.folder / pathlib.Path(name).name
        self.object = self.folder / "mutant.o"
        self.library = self.folder / "mutant.so"
        # Outside of src/, files name the headers beside them without a folder. In src/ that folder must not be searched: a
        # header of the name of a system header would hide it from other system headers.
        self.beside = [] if name.startswith("src/") else \
            ["-iquote", str(pathlib.Path(self.entry["directory"], self.entry["file"]).parent)]
        # Messages, __FILE__ and line numbers are as in the original.
        self.text = f'# 1 "{self.entry["file"]}"\n{text}'

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.file.write_text(self.text)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def compile(self, options=(), plain=False):
        """Returns the compiler's message, "" on success. plain: without what only this build has."""
        words = shlex.split(self.entry["command"])
        if os.path.basename(words[0]) == "ccache":
            words = words[1:]
        argv, skip = [], False
        for word in words:
            if skip or word in ("-MD", "-c", self.entry["file"]):
                skip = False
            elif word in ("-MQ", "-MF", "-o"):
                skip = True
            elif plain and (word in (COVER, "-DFAULT_POINTS") or re.fullmatch(r"-O.|-g.?|-fsanitize=\S+", word)):
                pass
            else:
                argv.append(word)
        argv += [*self.beside, *options, "-c", str(self.file), "-o", str(self.object)]
        done = subprocess.run(argv, cwd=self.entry["directory"], env=ENVIRONMENT, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr or "the compiler failed"

    def hash(self):
        return hashlib.sha256(self.object.read_bytes()).hexdigest()

    def link(self):
        """Returns (what is replaced, by what)."""
        target, words = self.tree.link_command(self.entry["output"])
        argv = [str(self.object) if word == self.entry["output"] else word for word in words]
        argv[argv.index("-o") + 1] = str(self.library)
        call(argv, self.tree.build)
        return target, self.library
