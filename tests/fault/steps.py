# SPDX-License-Identifier: Apache-2.0
"""A server whose steps can be made to fail, one pod's whole life on it, and what may be left after."""
import base64
import contextlib
import json
import os
import pathlib
import re
import ssl
import time

import api
import plan
import world as worlds

NAMESPACE = "/api/v1/namespaces/default"
LIMIT = 60  # seconds for any one wait: only a hang takes that long

# Passed with no step of a pod behind them, or tested where they are: see test_steps.py.
ELSEWHERE = ("store.", "image.", "counter.")


class Gone(Exception):
    """The server died."""


class Machine:
    """A world with a server in the foreground that follows a fault plan."""

    def __init__(self):
        self.world = worlds.World()
        self.plan = plan.Plan(self.world.dir / "plan")
        self.out = open(self.world.dir / "server.log", "ab")
        self.process = self.api = None

    def start(self):
        world = self.world
        ready, told = os.pipe()
        self.process = world.start(
            "env", f"STEAD_FAULT_PLAN={self.plan.path}", worlds.BUILD / "stead", "server", "--data", world.data, "--run",
            world.run_dir, "--kubeconfig", world.kubeconfig, "--instance", world.instance, "--ready-fd", told,
            pass_fds=(told,), stdout=self.out, stderr=self.out)
        os.close(told)
        with os.fdopen(ready, "rb") as pipe:
            is_ready = bool(pipe.read(1))
        if is_ready:
            self.api = api.Api(world, credentials(world.data / "admin.kubeconfig"))
        return is_ready

    def up(self):
        assert self.start(), "the server did not start: " + self.log()[-3000:]

    def died(self):
        """Is the server gone? Then all of it is, once this returns."""
        try:
            self.process.wait(timeout=5)
        except Exception:
            return False
        self.api.close()
        return True

    def kill(self):
        for pid in worlds.descendants(self.process.pid)[:1]:
            worlds.kill(pid)
        self.process.wait(timeout=LIMIT)
        if self.api:
            self.api.close()

    def log(self):
        return (self.world.dir / "server.log").read_text(errors="replace")

    def reset(self):
        self.world.stead("reset", "--yes")

    def must_live(self):
        raise AssertionError("the server died\n" + self.log()[-3000:])

    def renew(self):
        """After a failure: nothing of it shall be mistaken for the next one's."""
        self.close()
        self.__init__()
        self.up()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.world.close()
        self.out.close()

    # ---- calls that tell whether the server died ----

    def call(self, method, path, body=None, allowed=()):
        try:
            status, answer = self.api.call(method, path, body)
        except api.GONE as error:
            raise Gone from error
        assert status < 300 or status in allowed, (method, path, status, answer)
        return status, answer

    def create(self, plural, body):
        self.call("POST", f"{NAMESPACE}/{plural}", body, allowed=(409,))

    def delete(self, path):
        self.call("DELETE", path, allowed=(404,))

    def wait(self, plural, name, holds, base=NAMESPACE):
        """Until holds(object, or None if there is none), woken by the watch. Gives the object."""
        last, end = None, time.monotonic() + LIMIT
        path = f"{base}/{plural}?fieldSelector=metadata.name%3D{name}"
        while time.monotonic() < end:
            _, answer = self.call("GET", path)
            last = answer["items"][0] if answer["items"] else None
            if holds(last):
                return last
            try:
                stream = self.api.send("GET", f"{path}&watch=1&timeoutSeconds=10&resourceVersion="
                                       + answer["metadata"]["resourceVersion"])
                while line := stream.readline():
                    event = json.loads(line)
                    last = None if event["type"] == "DELETED" else event["object"]
                    if holds(last):
                        self.api.close()
                        return last
            except api.GONE as error:
                raise Gone from error
            finally:
                self.api.close()
        raise AssertionError(f"{plural} {name} did not come to be as it should: {json.dumps(last)}\n{self.log()[-3000:]}")


def credentials(path):
    text = path.read_text()
    files = []
    for name in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
        files.append(path.parent / f"test.{name}")
        files[-1].write_bytes(base64.b64decode(re.search(rf"{name}[\"']?: [\"']?([A-Za-z0-9+/=]+)", text)[1]))
    context = ssl.create_default_context(cafile=files[0])
    context.load_cert_chain(files[1], files[2])
    for file in files:
        file.unlink()
    return context


# ---- the life of a pod ----

def is_ready(pod):
    return bool(pod) and any(c["type"] == "Ready" and c["status"] == "True"
                             for c in pod["status"].get("conditions", []))


def has_resources(pod, wanted):
    """The container runs with them, and nothing about that is under way."""
    status = pod["status"]["containerStatuses"][0] if pod else {}
    return status.get("resources") == wanted and not any("Resize" in c["type"] for c in pod["status"]["conditions"])


class Life:
    """One pod with all that a node makes for one. Each step may be repeated after a crash: run() goes on where it was."""

    def __init__(self, machine, name):
        self.machine, self.name, self.volume, self.answered = machine, name, None, 0
        self.steps = [self.create, self.become_ready, self.visit, self.resize, self.end, self.be_gone]

    def objects(self):
        name = self.name
        mounts = [{"name": "data", "mountPath": "/data"}, {"name": "memory", "mountPath": "/memory"},
                  {"name": "config", "mountPath": "/config"},
                  {"name": "data", "mountPath": "/below", "subPath": "below"}]
        image = {"image": "time-server:latest", "imagePullPolicy": "IfNotPresent", "volumeMounts": mounts}
        yield "configmaps", {"metadata": {"name": name}, "data": {"a": "1"}}
        yield "persistentvolumeclaims", {
            "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Mi"}}}}
        yield "services", {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 5000}]}}
        yield "pods", {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "shareProcessNamespace": True, "terminationGracePeriodSeconds": 5,
                "initContainers": [{**image, "name": "first", "command": ["sh", "-c", "cat /config/a >> /data/first"]}],
                "containers": [{**image, "name": "main", "resources": {"requests": {"cpu": "10m"}}, "env": [{"name": "TIME_SERVER_FILE", "value": "/data/visits"}],
                                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 5000}, "periodSeconds": 1}}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}},
                            {"name": "memory", "emptyDir": {"medium": "Memory"}},
                            {"name": "config", "configMap": {"name": name}}]}}

    def create(self):
        for plural, body in self.objects():
            self.machine.create(plural, body)

    def become_ready(self):
        pod = self.machine.wait("pods", self.name, is_ready)
        self.address = pod["status"]["podIP"]
        self.container = pod["status"]["containerStatuses"][0]["containerID"]
        return pod

    def visit(self):
        """By the pod's address and the service's, as soon as the service is there for it."""
        _, service = self.machine.call("GET", f"{NAMESPACE}/services/{self.name}")
        for host in (self.address, service["spec"]["clusterIP"]):
            end = time.monotonic() + LIMIT
            while not self.answer(host):
                assert time.monotonic() < end, f"{host} does not answer\n{self.machine.log()[-3000:]}"
                self.machine.call("GET", "/livez")  # a server that died would not make it answer
                time.sleep(0.02)  # the service's map follows the pod's state
        _, claim = self.machine.call("GET", f"{NAMESPACE}/persistentvolumeclaims/{self.name}")
        self.volume = claim["spec"]["volumeName"]
        self.counts()

    def answer(self, host):
        with contextlib.suppress(OSError):
            connection = api.connect(self.machine.world, host, 5000, timeout=5)
            with connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if b"Visits: " in connection.recv(4096):
                    self.answered += 1
                    return True
        return False

    def counts(self):
        """Of each there is one: process, conmon, namespace, mount; nothing of a start that did not come to be."""
        one_each = {"conmon": 1, "time-server": 1, "stead-pause": 1}
        counted = wait_for(lambda: count(self.machine.world), lambda seen: seen == one_each)
        assert counted == one_each, counted

    def resize(self):
        """In place: the container stays the one that became ready, which is not the first one if the server died while it began."""
        path = f"{NAMESPACE}/pods/{self.name}"
        more = {"requests": {"cpu": "20m"}, "limits": {"cpu": "500m"}}
        while True:
            _, pod = self.machine.call("GET", path)
            pod["spec"]["containers"][0]["resources"] = more
            status, _ = self.machine.call("PUT", path + "/resize", pod, allowed=(409,))
            if status == 200:
                break
        pod = self.machine.wait("pods", self.name, lambda pod: has_resources(pod, more))
        status = pod["status"]["containerStatuses"][0]
        assert status["containerID"] == self.container, f"{self.container} was replaced: {status}"
        self.counts()

    def end(self):
        for plural in ("pods", "services", "configmaps"):
            self.machine.delete(f"{NAMESPACE}/{plural}/{self.name}")

    def be_gone(self):
        nothing = lambda found: found is None  # noqa: E731
        self.machine.wait("pods", self.name, nothing)
        if not self.volume:
            _, claims = self.machine.call("GET", f"{NAMESPACE}/persistentvolumeclaims")
            self.volume = next((c["spec"].get("volumeName") for c in claims["items"]
                                if c["metadata"]["name"] == self.name), None)
        self.machine.delete(f"{NAMESPACE}/persistentvolumeclaims/{self.name}")
        self.machine.wait("persistentvolumeclaims", self.name, nothing)
        if self.volume:
            self.machine.wait("persistentvolumes", self.volume, nothing, base="/api/v1")

    def run(self, on_death):
        """on_death(): the server died; True to go on with the step where it happened."""
        for step in self.steps:
            while True:
                try:
                    step()
                    break
                except Gone:
                    assert self.machine.died(), "the server broke a connection off"
                    if not on_death():
                        return


class MachineWithPod(Machine):
    def up(self):
        super().up()
        if not hasattr(self, "life"):
            self.life = Life(self, "steady")
            for step in self.life.steps[:3]:
                step()

    def renew(self):
        del self.life
        super().renew()


# ---- what is there ----

def wait_for(look, holds):
    end = time.monotonic() + LIMIT / 4
    while True:
        seen = look()
        if holds(seen) or time.monotonic() > end:
            return seen
        time.sleep(0.01)  # the kernel tells of none of these


def count(world):
    """{program: how many} of all that runs in the world, but a server, which is not its init's child."""
    found = {}
    for pid in worlds.descendants(int(world.init)):
        with contextlib.suppress(OSError):
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state != "Z":
                found[name] = found.get(name, 0) + 1
    return found


def cgroups(world):
    found = []
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(top, name) for name in folders if world.instance in name]
        if top.count("/") > 4:
            folders.clear()
    return found


def traces(world):
    """What pods leave on a machine: mounts, loop devices, links, namespaces, cgroups, files, programs but the server."""
    mounts = pathlib.Path(f"/proc/{world.init}/mountinfo").read_text().splitlines()
    lines = ["mount " + line.split()[4] for line in mounts if str(world.dir) in line.split()[4]]
    for path in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if str(world.dir) in path.read_text():
                lines.append(f"loop device of {path.read_text().strip()}")
    links = world.run("ip", "-o", "link").stdout
    lines += ["link " + name for name in re.findall(rf"^\d+: ({world.instance}v[^:@]*)", links, re.M)]
    for folder in ("run/pods", "run/netns", "run/crun", "data/pods", "data/volumes", "data/logs/pods"):
        lines += [f"file {folder}/{path.name}" for path in (world.dir / folder).glob("*")]
    for top in cgroups(world):
        for folder, below, _ in os.walk(top):
            lines += [f"cgroup {folder}/{name}" for name in below]
    lines += [f"process {name}" for name, n in count(world).items() for _ in range(n)]
    return sorted(lines)


def all_traces(world):
    """The same after a reset, when the bridge, the cgroup, the table and the folders have to be gone, too."""
    lines = traces(world) + [f"cgroup {path}" for path in cgroups(world)]
    lines += [line for line in world.run("ip", "-o", "link").stdout.splitlines() if world.instance in line]
    lines += [line for line in world.run("nft", "list", "tables").stdout.splitlines() if world.instance in line]
    lines += [str(path) for path in (world.data, world.run_dir) if path.exists()]
    return lines
