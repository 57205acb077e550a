# SPDX-License-Identifier: Apache-2.0
"""A machine of its own for each test: network, mount and process namespaces, data and run folders, a stead in it.

The first process of the namespaces reads a pipe that this process holds. When the test ends, or is killed, the pipe
closes, that process ends, and the kernel takes everything with it: servers, containers, links, mounts. Only cgroup folders
outlive that; they are removed when a world closes, and by the next run."""
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("STEAD_BUILD", ROOT / "build"))
LIMIT = 120  # seconds: no single command takes longer


# The first process of a world: reaps what is left to it, and ends when its input does.
INIT = """
import os, signal, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
print("ready", flush=True)
sys.stdin.read()
"""


class Failed(AssertionError):
    pass


def find_kubectls() -> dict:
    """{"1.32": path, ...}: every kubectl on the machine, by minor version."""
    paths = sorted(glob.glob("/usr/lib/google-cloud-sdk/bin/kubectl.*"))
    paths += sorted(glob.glob(os.path.expanduser("~/.cache/stead-tests/bin/kubectl*")))
    paths += sorted(glob.glob(os.path.expanduser("~/.cache/stead-peers/bin/kubectl")))
    if shutil.which("kubectl"):
        paths.append(shutil.which("kubectl"))
    found = {}
    for path in paths:
        out = subprocess.run([path, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False)
        match = re.search(r'"gitVersion": "v(\d+)\.(\d+)', out.stdout)
        if match:
            found.setdefault((int(match[1]), int(match[2])), path)
    return {f"{major}.{minor}": path for (major, minor), path in sorted(found.items())}


KUBECTLS = find_kubectls()
NEWEST = list(KUBECTLS)[-1] if KUBECTLS else None


def without_early_message(stderr):
    """kubectl up to 1.33 may say that the empty first message of an exec, which kubelet sends too, came before it was ready."""
    return re.sub(r"E\d+ .*Unknown stream id 1, discarding message\n", "", stderr)


class World:
    def __init__(self, options=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"stead-e2e-{os.getpid()}-", dir="/tmp"))
        self.data, self.run_dir = self.dir / "data", self.dir / "run"
        self.kubeconfig = self.dir / "kubeconfig"
        self.instance = "t" + os.urandom(2).hex()
        self.options = list(options)
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "python3", "-c", INIT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise Failed("the namespaces could not be made; the tests need root")
        with open(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children") as children:
            self.init = children.read().split()[0]

    # ---- commands inside ----

    def command(self, args, netns=None):
        return ["nsenter", "-t", self.init, "-m", "-n", "-p", "-i", "-u", "--", *map(str, args)]

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG",)}
        env.update(KUBECONFIG=str(self.kubeconfig), HOME=str(self.dir), LC_ALL="C.UTF-8")
        return env

    def run(self, *args, check=True, stdin=None, timeout=LIMIT, text=True):
        """Runs a command in this world; gives the finished process."""
        done = subprocess.run(self.command(args), input=stdin, capture_output=True, text=text, timeout=timeout,
                              env=self.environment(), check=False)
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *args, **more):
        """Starts a command that goes on; the caller ends it with stop()."""
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("text", True)
        return subprocess.Popen(self.command(args), env=self.environment(), **more)

    def stop(self, process):
        """Ends what start() started, and gives what it had printed."""
        for pid in reversed(descendants(process.pid)):  # nsenter does not pass signals on
            kill(pid)
        process.kill()
        return process.communicate()[0]

    def stead(self, *args, variables=(), **more):
        """Runs stead as root; `variables` are lines NAME=VALUE for its environment."""
        return self.run("env", *variables, BUILD / "stead", *args, "--data", self.data, "--run", self.run_dir, "--kubeconfig",
                        self.kubeconfig, "--instance", self.instance, *self.options, **more)

    def kubectl(self, *args, version=None, **more):
        return self.run(KUBECTLS[version or NEWEST], "--cache-dir", self.dir / "cache", *args, **more)

    def shell(self, line, **more):
        """A line as people type it, `kubectl` and pipes in it."""
        tools = self.dir / "tools"
        if not tools.exists():
            tools.mkdir()
            (tools / "kubectl").symlink_to(KUBECTLS[NEWEST])
        return self.run("env", f"PATH={tools}:/usr/local/bin:/usr/bin:/bin", "sh", "-c", line, **more)

    def out(self, *args, **more):
        return self.kubectl(*args, **more).stdout

    def get(self, *args):
        return json.loads(self.out("get", *args, "-o", "json"))

    def apply(self, manifest, *args, **more):
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl("apply", "-f", "-", *args, stdin=text, **more)

    def curl(self, url, *args, check=True):
        return self.run("curl", "-sS", "--max-time", "10", *args, url, check=check).stdout

    # ---- stead ----

    def up(self):
        self.stead("up")
        return self

    def small_disk(self, size):
        """Puts the data folder on a file system of this size. To be called before the server starts for the first time."""
        self.data.mkdir(mode=0o755)
        self.run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.data)
        return self

    def fill_disk(self):
        """Takes all the free space of the data folder that a program other than the server can take."""
        self.run("sh", "-c", f"head -c 1G /dev/zero > {self.data}/filler; true")

    def free_disk(self):
        """Gives back what fill_disk took."""
        self.run("rm", self.data / "filler")

    def server_pid(self):
        """In the world's own process namespace."""
        status = self.stead("status").stdout
        return int(re.search(r"pid (\d+)", status)[1])

    def kill_server(self):
        pid = self.server_pid()
        # tail --pid waits for the process to be gone, by event where the kernel has it
        self.run("sh", "-c", f"kill -9 {pid}; tail --pid={pid} -s 0.01 -f /dev/null")

    def log(self):
        path = self.data / "stead.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self):
        self.stead("down", check=False, timeout=60)
        self.stead("reset", "--yes", check=False, timeout=60)
        self.holder.stdin.close()
        try:
            self.holder.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.holder.kill()
            self.holder.wait()
        self.holder.stdout.close()
        remove_cgroups(f"*{self.instance}*")
        shutil.rmtree(self.dir, ignore_errors=True)


def descendants(pid):
    try:
        children = [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in [child, *descendants(child)]]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def remove_stale():
    """What runs that were killed left behind: the folders of worlds whose process is gone, and their cgroups."""
    for folder in glob.glob("/tmp/stead-e2e-*"):
        owner = re.match(r"/tmp/stead-e2e-(\d+)-", folder)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            shutil.rmtree(folder, ignore_errors=True)
    remove_cgroups("stead-t[0-9a-f][0-9a-f][0-9a-f][0-9a-f]")


def remove_cgroups(pattern):
    """Empty cgroup folders of worlds that are gone."""
    for top in glob.glob(f"/sys/fs/cgroup/*/{pattern}") + glob.glob(f"/sys/fs/cgroup/{pattern}"):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass
