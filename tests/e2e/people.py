# SPDX-License-Identifier: Apache-2.0
"""Ordinary users of a world: entries in its own /etc/passwd, /etc/subuid and so on, and a home each. None of the host's files
changes, since the entries are bind-mounted in the mount namespace of the world."""
import pathlib
import subprocess

from helm import HELMS
from world import BUILD, KUBECTLS, LIMIT, NEWEST, ROOT, Failed


class Person:
    """A user without any privilege. Users are set up before anything else in a world runs."""

    def __init__(self, world, name="alice", uid=54321, subids=None):
        self.world, self.name, self.uid = world, name, uid
        self.home = world.dir / name
        self.runtime = world.dir / f"{name}-runtime"
        world.dir.chmod(0o711)
        for folder in (self.home, self.runtime):
            folder.mkdir(mode=0o700)
            world.run("chown", f"{uid}:{uid}", folder)
        self.add("passwd", f"{name}:x:{uid}:{uid}::{self.home}:/bin/sh\n")
        self.add("group", f"{name}:x:{uid}:\n")
        for file in ("subuid", "subgid"):
            self.add(file, f"{name}:{subids}\n" if subids else "")
        self.install()

    def add(self, file, line):
        """Appends a line to the world's version of a file of /etc."""
        own = self.world.dir / f"etc-{file}"
        if not own.exists():
            there = pathlib.Path("/etc") / file
            own.write_text(there.read_text() if there.exists() else "")
            own.chmod(0o644)
            self.world.run("mount", "--bind", own, there)
        with open(own, "a") as out:
            out.write(line)

    @property
    def kubeconfig(self):
        return self.home / ".kube" / "config"

    def install(self):
        """Makes the programs reachable for this user, whatever folder they are in: PATH has these."""
        tools = self.home / "bin"
        tools.mkdir()
        for name, path in {"kubectl": KUBECTLS[NEWEST], **HELMS}.items():
            (tools / name).touch()
            self.world.run("mount", "--bind", path, tools / name)
        for name, path in {"build": BUILD, "repository": ROOT}.items():
            (self.home / name).mkdir()
            self.world.run("mount", "--bind", path, self.home / name)

    def environment(self):
        return {"HOME": self.home, "USER": self.name, "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": self.runtime,
                "PATH": f"{self.home}/build:{self.home}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

    def command(self, args):
        return self.world.command(["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--", "env", "-i",
                                   *(f"{key}={value}" for key, value in self.environment().items()),
                                   "sh", "-c", 'cd; exec "$@"', "sh", *map(str, args)])

    def run(self, *args, check=True, stdin=None, timeout=LIMIT, text=True):
        """Runs a command as this user, in the user's home, with nothing of the environment of the tests."""
        done = subprocess.run(self.command(args), input=stdin, capture_output=True, text=text, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise Failed(f"{self.name}: {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def stead(self, *args, **more):
        return self.run("stead", *args, **more)

    def kubectl(self, *args, **more):
        return self.run("kubectl", *args, **more)

    def sudo_stead(self, *args, variables=None, **more):
        """As `sudo stead ...` typed by this user: stead as root, with the variables that sudo sets."""
        if variables is None:
            variables = (f"SUDO_UID={self.uid}", f"SUDO_GID={self.uid}", f"SUDO_USER={self.name}")
        return self.world.stead(*args, variables=variables, **more)
