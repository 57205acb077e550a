# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: time, ports, processes, the control plane to race with, the table."""
import os
import pathlib
import random
import re
import shutil
import socket
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = "admintoken"  # the peer's script has the same in its token file


def now():
    return time.monotonic()


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def used(pids):
    """Bytes that these processes sent to the disk, and seconds of CPU."""
    written = cpu = 0
    for pid in pids:
        with open(f"/proc/{pid}/io") as io:
            written += int(re.search(r"^write_bytes: (\d+)", io.read(), re.M)[1])
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
            cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return written, cpu


def find_server(world):
    """Its pid as seen from here: the process with this world's data folder on its command line."""
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                args = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"server" in args[1:2] and str(world.data).encode() in args:
                return int(folder.name)
    raise SystemExit("scenario 1: the server's process is not to be found")


def free_port(span=1):
    while True:  # below those that the kernel gives to clients
        port = random.randrange(10000, 30000)
        if all(is_free(port + i) for i in range(span)):
            return port


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


class ControlPlane:
    """etcd, kube-apiserver, controller manager and scheduler, by the script control-plane.sh of the peers."""

    def __init__(self, script, folder):
        self.script, self.folder, self.port = script, folder, free_port(span=5)

    def environment(self):
        return dict(os.environ, PEERS_DIR=str(self.folder), PEERS_PORT=str(self.port), PEERS_FAKE="0")

    def call(self, command):
        # what it leaves running would keep a pipe open
        with open(self.folder.parent / "peer.log", "w+") as log:
            done = subprocess.run(["bash", self.script, command], env=self.environment(), stdout=log, stderr=log, timeout=90,
                                  check=False)
            log.seek(0)
            text = log.read()
        if done.returncode != 0 and command == "up":
            raise SystemExit(f"{self.script} up:\n{text}")
        return text

    def up(self):
        """Milliseconds until the API is ready."""
        return float(re.search(r"ready after (\d+) ms", self.call("up"))[1])

    def end(self, *names):
        for name in names:
            pid = self.folder / f"{name}.pid"
            if pid.exists():
                subprocess.run(["kill", pid.read_text().strip()], capture_output=True, check=False)
                pid.unlink()

    def pids(self, *names):
        return [int((self.folder / f"{name}.pid").read_text()) for name in names]

    def down(self):
        if self.folder.exists():
            pids = [int(file.read_text()) for file in self.folder.glob("*.pid")]
            self.call("down")
            until = now() + 15
            while any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids) and now() < until:
                time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)


class Results:
    """{row: {contestant: [values]}}, in the order in which rows came up."""

    def __init__(self, peer="kube-apiserver + etcd"):
        self.rows, self.peer = {}, peer

    def add(self, name, unit, target, contestant, value):
        row = self.rows.setdefault(name, {"unit": unit, "target": target, "Stead": [], "Peer": []})
        column = contestant if isinstance(contestant, str) else getattr(contestant, "column", type(contestant).__name__)
        row[column].append(value)

    def print(self):
        print(f"\n| measured | stead | {self.peer} | ratio | target |\n| --- | ---: | ---: | ---: | --- |")
        for name, row in self.rows.items():
            ours, theirs = (statistics.median(row[who]) if row[who] else None for who in ("Stead", "Peer"))
            ratio = "-"
            if ours and theirs and ours > 0 and theirs > 0:
                ratio = f"{ours / theirs if row['unit'] == '/s' else theirs / ours:.1f} x"
            print(f"| {name} | {show(ours, row['unit'])} | {show(theirs, row['unit'])} | {ratio} | {row['target']} |")


def show(value, unit):
    if value is None:
        return "-"
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 3 if size < 1 else 2
    return f"{value:,.{digits}f}{unit if unit.startswith('/') else ' ' + unit}".rstrip()
