# SPDX-License-Identifier: Apache-2.0
"""What a user types and sees, kept as it happens. With STEAD_TRANSCRIPTS=docs/scenarios.md each transcript replaces the
block below its marker, `<!-- transcript: NAME -->`, so that the page shows what the tests saw."""
import os
import pathlib
import re
import shlex


class Transcript:
    def __init__(self, world, name):
        self.world, self.name, self.lines = world, name, []

    def show(self, words, output):
        self.lines.append("$ " + " ".join(w if re.fullmatch(r"[-\w./:=@,\[\]{}+]+", w) else shlex.quote(w)
                                          for w in map(str, words)))
        self.lines += [line.rstrip() for line in output.rstrip("\n").split("\n") if output]

    def line(self, command, output):
        """A line for a shell, as it is."""
        self.lines += [*("$ " + command).split("\n"), *output.rstrip("\n").split("\n")]

    def note(self, done, words):
        self.show(words, done.stdout + done.stderr)
        return done

    def kubectl(self, *args, **more):
        return self.note(self.world.kubectl(*args, **more), ("kubectl", *self.plain(args)))

    def stead(self, *args, **more):
        return self.note(self.world.stead(*args, **more), ("stead", *args))

    def curl(self, url):
        text = self.world.curl(url)
        self.show(("curl", url), text)
        return text

    @staticmethod
    def plain(args):
        """Paths as from the root of the repository."""
        root = str(pathlib.Path(__file__).resolve().parent.parent.parent) + "/"
        return [str(arg).replace(root, "") for arg in args]

    def save(self):
        path = os.environ.get("STEAD_TRANSCRIPTS")
        if not path:
            return
        page = pathlib.Path(path)
        text = page.read_text()
        marker = f"<!-- transcript: {self.name} -->\n"
        assert marker in text, f"{page} has no {marker}"
        before, after = text.split(marker)
        if after.startswith("```"):
            after = after[after.index("\n```\n", 3) + 5:]
        body = "\n".join(self.lines)
        page.write_text(f"{before}{marker}```\n{body}\n```\n{after}")
