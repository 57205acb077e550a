# SPDX-License-Identifier: Apache-2.0
"""Runs a program that may do anything: a mutant of code that kills processes, removes folders and changes networks.

It gets namespaces of its own for mounts, processes, network, IPC and host name. All file systems are read-only for it, with
three exceptions: /tmp, /var/tmp and /run are empty tmpfs of limited size; /dev, /proc and /sys stay writable, since some tests use loop
devices, make control groups and set what ext4 keeps in reserve, but disks are hidden; and the folders that the caller names stay
writable. When the first process of the namespace ends, the kernel ends all others.

Limits: processor time for each process, elapsed time for the whole, address space for each process, resident memory
for all together, size of a file, and number of processes where there is a pids controller to hold it.
"""

import fcntl
import os
import pathlib
import resource
import signal
import struct
import subprocess
import time
from dataclasses import dataclass

ADDRESS_SPACE = 8 << 30   # of a process; programs map more than they use, and AddressSanitizer maps terabytes
RESIDENT = 3 << 30        # of all processes
FILE_SIZE = 1 << 30
PROCESSES = 512
OUTPUT = 256 << 10
LOOK_EVERY = 0.05
LOOP_CLR_FD = 0x4C01
LOOP_GET_STATUS64 = 0x4C05
PIDS = (pathlib.Path("/sys/fs/cgroup/pids"), pathlib.Path("/sys/fs/cgroup"))

# The arguments: a folder to keep visible, folders to keep writable, --, pairs of a file and what to show in its place, --, the
# command. The kept folder may lie below /tmp; then it is mounted there again by its descriptor.
ENTER = r"""
set -eu
exec 9< "$1"
awk '{ print $5 }' /proc/self/mountinfo | while read -r where; do
    case $where in /proc|/proc/*|/dev|/dev/*|/sys|/sys/*) ;; *) mount -o remount,bind,ro "$where" ;; esac
done
for where in /tmp /var/tmp /run; do mount -t tmpfs -o size=2g,mode=1777 none $where; done
mount -t tmpfs -o size=64m,mode=1777 none /dev/shm
[ -d "$1" ] || { mkdir -p "$1"; mount --no-canonicalize --bind /proc/self/fd/9 "$1"; mount -o remount,bind,ro "$1"; }
exec 9<&-; shift
while [ "$1" != -- ]; do mount --bind "$1" "$1"; mount -o remount,bind,rw "$1"; shift; done; shift
while [ "$1" != -- ]; do mount --bind "$2" "$1"; shift 2; done; shift
for hidden in /proc/sysrq-trigger $(lsblk -lnpo NAME | grep -v /dev/loop); do
    [ ! -e "$hidden" ] || mount --bind /dev/null "$hidden"
done
ip link set lo up
stat -c %d /tmp >&"$STEAD_MUTATE_NOTE"
cd /tmp
"$@"
exit $?  # the shell stays: signals without a handler do nothing to the first process of a namespace
"""


@dataclass(frozen=True)
class Ended:
    """How a run ended. status: the exit status, or minus the signal; None: a limit ended it, and `limit` says which."""

    status: int | None
    limit: str
    seconds: float
    cpu: float
    output: str


class Sandbox:
    """Use it as a context: it owns a pids group while it lives. `kept` is a folder that programs see wherever it lies."""

    def __init__(self, kept, sanitize=False):
        self.kept = str(kept)
        self.address_space = resource.RLIM_INFINITY if sanitize else ADDRESS_SPACE
        self.environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1",
                            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
        self.group = None

    def __enter__(self):
        for root in PIDS:
            group = root / f"stead-mutate-{os.getpid()}"
            try:
                group.mkdir()
                (group / "pids.max").write_text(str(PROCESSES))
                self.group = group
                break
            except OSError:  # another kind of hierarchy, or not ours to change
                if group.is_dir():
                    group.rmdir()
        return self

    def __exit__(self, *_):
        while self.group:  # the last processes of the namespace may still be on their way out
            try:
                self.group.rmdir()
                self.group = None
            except OSError:
                time.sleep(LOOK_EVERY)

    def run(self, command, *, cpu, seconds, environment=None, shown=(), writable=()):
        """Runs the command with cpu seconds for each process and this many seconds in all. `shown`: pairs of a file and the
        one that stands in its place for this run; `writable`: folders that it may change."""
        pairs = [str(part) for pair in shown for part in pair]
        argv = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc",
                "--propagation", "private", "sh", "-c", ENTER, "sh", self.kept, *map(str, writable), "--", *pairs, "--", *command]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.monotonic()
        with memory_file() as output, memory_file() as note:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                                     env={**self.environment, "STEAD_MUTATE_NOTE": str(note.fileno()), **(environment or {})},
                                     pass_fds=[note.fileno()], preexec_fn=lambda: self._limit(cpu))
            try:
                limit = self._wait(child, begun + seconds)
            finally:
                child.kill()  # --kill-child: the namespace's first process goes with it, and takes the others along
                status = child.wait()
            spent = time.monotonic() - begun
            text = contents(output)
            detach_loops(contents(note).strip())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if not limit and status in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
            limit = "processor time"
        return Ended(None if limit else status if status < 128 else 128 - status, limit, spent, used, text)

    def _limit(self, cpu):
        if self.group:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))
        resource.setrlimit(resource.RLIMIT_CPU, (max(1, round(cpu)), max(1, round(cpu)) + 2))
        for what, most in ((resource.RLIMIT_AS, self.address_space),
                           (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(what, (most, most))

    def _wait(self, child, deadline):
        """Returns what limit the run broke, "" if none; then all its processes are ended."""
        look = 0.002
        while True:
            try:
                child.wait(timeout=look)
                return ""
            except subprocess.TimeoutExpired:
                look = min(LOOK_EVERY, look * 2)
            limit = ""
            if time.monotonic() > deadline:
                limit = "time"
            elif self._resident() > RESIDENT:
                limit = "memory"
            if limit:
                return limit

    def _resident(self):
        if not self.group:
            return 0
        pages = 0
        for pid in (self.group / "cgroup.procs").read_text().split():
            try:
                pages += int(pathlib.Path("/proc", pid, "statm").read_text().split()[1])
            except (OSError, IndexError):
                pass
        return pages * resource.getpagesize()


def memory_file():
    return open(os.memfd_create("mutate"), "w+b", buffering=0)


def contents(stream):
    stream.seek(0)
    return stream.read(OUTPUT).decode(errors="replace")


def detach_loops(device):
    """Loop devices belong to no namespace: those with a file of the run's /tmp are left over when their owner was ended."""
    for loop in pathlib.Path("/sys/block").glob("loop*/loop"):
        try:
            with open(f"/dev/{loop.parent.name}", "rb") as stream:
                status = fcntl.ioctl(stream, LOOP_GET_STATUS64, bytes(232))
                if str(struct.unpack_from("=Q", status)[0]) == device:
                    fcntl.ioctl(stream, LOOP_CLR_FD)
        except OSError:  # somebody else's, and gone meanwhile
            pass
