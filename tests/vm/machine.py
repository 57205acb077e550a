# SPDX-License-Identifier: Apache-2.0
"""The machine as a world of the end-to-end tests, without namespaces of its own, and its users."""
import os
import pathlib
import re
import subprocess

import world as worlds
from helm import HELMS

# How many times longer everything may take, because the processor is emulated.
PATIENCE = int(os.environ.get("STEAD_PATIENCE", "1"))
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def patient(words):
    """The same command with longer time-outs."""
    out = []
    for word in map(str, words):
        found = re.fullmatch(r"(--timeout=)?(\d+)(s?)", word)
        if found and (found[1] or (out and out[-1] in ("--timeout", "--max-time", "-T"))):
            word = f"{found[1] or ''}{int(found[2]) * PATIENCE}{found[3]}"
        out.append(word)
    return out


class Machine(worlds.World):
    """Commands run as root. stead has the folders that it has without options."""

    def __init__(self, options=(), name="machine"):
        self.dir = pathlib.Path("/root") / name
        self.dir.mkdir(mode=0o711, exist_ok=True)
        self.data, self.run_dir = pathlib.Path("/var/lib/stead"), pathlib.Path("/run/stead")
        self.kubeconfig = pathlib.Path("/root/.kube/config")
        self.options = list(options)
        self.init = "1"

    def command(self, args, netns=None):
        return patient(args)

    def run(self, *args, timeout=worlds.LIMIT, **more):
        return super().run(*args, timeout=timeout * PATIENCE, **more)

    def environment(self):
        return {"PATH": f"{worlds.BUILD}:{SYSTEM_PATH}", "HOME": "/root", "LC_ALL": "C.UTF-8"}

    def stead(self, *args, variables=(), **more):
        return self.run("env", *variables, worlds.BUILD / "stead", *args, *self.options, **more)

    def close(self):
        self.stead("down", check=False, timeout=60)
        self.stead("reset", "--yes", check=False, timeout=60)


class User(Machine):
    """A user of the machine, with a home, ids in /etc/subuid and a systemd of their own. Each command runs in a session, as after a
    login."""

    def __init__(self, name="alice", linger=True):
        super().__init__(name=f"of-{name}")
        self.name = name
        self.home = pathlib.Path("/home") / name
        if super().run("id", name, check=False).returncode != 0:
            super().run("useradd", "--create-home", "--shell", "/bin/bash", name)
        super().run("loginctl", "enable-linger" if linger else "disable-linger", name)
        self.uid = int(super().run("id", "-u", name).stdout)
        self.data, self.run_dir = self.home / ".local/share/stead", pathlib.Path(f"/run/user/{self.uid}/stead")
        self.kubeconfig = self.home / ".kube/config"
        self.install()

    def install(self):
        """Programs that a user of the machine can run."""
        for name, path in {"kubectl": worlds.KUBECTLS[worlds.NEWEST], **HELMS}.items():
            super().run("install", "-m", "755", path, f"/usr/local/bin/{name}")
        super().run("ln", "-sf", worlds.BUILD / "stead", "/usr/local/bin/stead")

    def run(self, *args, check=True, stdin=None, timeout=worlds.LIMIT, text=True, environment=(), **_):
        helms = {path: f"/usr/local/bin/{name}" for name, path in HELMS.items()}
        words = patient([helms.get(arg, str(arg).replace(str(worlds.ROOT), "/srv/stead")) for arg in args])
        if any(re.search(r"//10\.\d+\.", word) for word in words):
            command = ["nsenter", "-t", str(self.pid_of("stead-init")), "-n", "--", *words]
        else:
            command = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", f"--uid={self.name}", "-p", "PAMName=login",
                       "-p", f"WorkingDirectory={self.home}", "-E", "LC_ALL=C.UTF-8", "-E", f"PATH={SYSTEM_PATH}",
                       *(word for pair in environment for word in ("-E", pair)), "--", *words]
        done = subprocess.run(command, input=stdin if stdin is not None else "" if text else b"", capture_output=True, text=text,
                              timeout=timeout * PATIENCE, check=False)
        if check and done.returncode != 0:
            raise worlds.Failed(f"{self.name}: {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def stead(self, *args, **more):
        return self.run("stead", *args, *self.options, **more)

    def kubectl(self, *args, version=None, **more):
        return self.run("kubectl", *args, **more)

    def shell(self, line, **more):
        return self.run("sh", "-c", line, **more)

    def processes(self):
        """(name, pid) of the processes of this user's stead, inside and outside of its namespaces."""
        ranges = [line.split(":") for line in pathlib.Path("/etc/subuid").read_text().splitlines()]
        first, count = next((int(first), int(count)) for name, first, count in ranges if name == self.name)
        found = []
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            uid, name = int(re.search(r"^Uid:\t(\d+)", text, re.M)[1]), re.match(r"Name:\t(.*)", text)[1]
            mine = uid == self.uid and (name.startswith(("stead", "conmon", "crun", "pasta")))
            if "State:\tZ" not in text and (mine or first <= uid < first + count):
                found.append((name, int(status.parent.name)))
        return found

    def pid_of(self, name):
        return next(pid for found, pid in self.processes() if found == name)
