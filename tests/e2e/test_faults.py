# SPDX-License-Identifier: Apache-2.0
"""A hundred times kill -9, of everything that a counted visit depends on, under load."""
import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import threading
import time

import api
import world as worlds

SEED = int(os.environ.get("STEAD_FAULT_SEED", "4"))
KILLS = int(os.environ.get("STEAD_FAULT_KILLS", "100"))
VICTIMS = ("app", "process 1", "conmon", "server")
REPLICAS = 5
NAMESPACE = "/api/v1/namespaces/default"

# The app is not its container's first process here, so that each can die without the other's doing.
COUNTERS = f"""
apiVersion: v1
kind: Service
metadata: {{name: counter}}
spec:
  selector: {{app: counter}}
  ports: [{{port: 5000}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: counter}}
spec:
  serviceName: counter
  replicas: {REPLICAS}
  podManagementPolicy: Parallel
  selector: {{matchLabels: {{app: counter}}}}
  template:
    metadata: {{labels: {{app: counter}}}}
    spec:
      containers:
      - name: main
        image: time-server:latest
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'time-server & app=$!; trap "kill $app" TERM; wait $app; code=$?; wait $app; exit $code']
        env: [{{name: TIME_SERVER_FILE, value: /data/visits}}]
        readinessProbe: {{httpGet: {{path: /readyz, port: 5000}}, periodSeconds: 1}}
        volumeMounts: [{{name: data, mountPath: /data}}]
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 4Mi}}}}}}
"""


class Visitor(threading.Thread):
    """Visits one address after another, one visit at a time, over connections that are kept."""

    def __init__(self, world, where, number):
        super().__init__(daemon=True)
        self.world, self.where, self.random, self.stop = world, where, random.Random(number), False
        self.answered = collections.Counter()  # by pod
        self.in_flight = 0  # sent, and no answer came: nobody knows whether they were counted

    def visit(self, connection):
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
        found = re.search(r"Visits: \d+", text)
        if answer.status == 200 and found:
            self.answered[text.split()[-1]] += 1
        return answer.status == 200

    def run(self):
        while not self.stop:
            host = self.where(self.random)
            connection = http.client.HTTPConnection(host, 5000)
            try:
                connection.sock = api.connect(self.world, host, 5000, timeout=5)
            except OSError:
                time.sleep(0.02)  # nobody is there for the moment
                continue
            try:
                for _ in range(self.random.randrange(1, 50)):
                    if not self.visit(connection) or self.stop:
                        break
            except (OSError, http.client.HTTPException):
                self.in_flight += 1
            connection.close()


class Caretaker(threading.Thread):
    """What a person does who watches the pods: one that is held back for crashing is deleted, and so begins anew. Knows
    the pods' addresses."""

    def __init__(self, world, context):
        super().__init__(daemon=True)
        self.api, self.caller = api.Api(world, context), api.Api(world, context)
        self.addresses, self.deleted, self.stop = {}, 0, False

    def look(self, pod):
        name, status = pod["metadata"]["name"], pod.get("status", {})
        if status.get("podIP"):
            self.addresses[name] = status["podIP"]
        waiting = [c["state"].get("waiting", {}).get("reason") for c in status.get("containerStatuses", [])]
        if "CrashLoopBackOff" in waiting and "deletionTimestamp" not in pod["metadata"]:
            status, _ = self.caller.call("DELETE", f"{NAMESPACE}/pods/{name}",
                                         {"preconditions": {"uid": pod["metadata"]["uid"]}})
            self.deleted += status == 200

    def follow(self):
        _, pods = self.api.call("GET", f"{NAMESPACE}/pods")
        for pod in pods["items"]:
            self.look(pod)
        stream = self.api.send("GET", f"{NAMESPACE}/pods?watch=1&timeoutSeconds=5&resourceVersion="
                               + pods["metadata"]["resourceVersion"])
        while line := stream.readline():
            event = json.loads(line)
            if event["type"] != "DELETED":
                self.look(event["object"])

    def run(self):
        while not self.stop:
            try:
                self.follow()
            except api.GONE:
                time.sleep(0.01)  # the server is being killed
            self.api.close()
            self.caller.close()


# ---- the victims ----

def processes(world, name):
    """Pids, as this process sees them, of all that have this name in the world."""
    found = []
    for pid in worlds.descendants(int(world.init)):
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(pid)
    return found


def victim_of(world, kind, chance):
    """A random one's pid; None if there is none at the moment."""
    conmons = processes(world, "conmon")
    if not conmons:
        return None
    pid = chance.choice(conmons)
    for _ in range({"conmon": 0, "process 1": 1, "app": 2}[kind]):
        below = worlds.descendants(pid)
        pid = below[0] if below else None
        if pid is None:
            return None
    return pid


def kill_one(world, kind, chance):
    if kind == "server":
        world.kill_server()
        world.stead("up")
        return
    while not (pid := victim_of(world, kind, chance)):
        time.sleep(0.01)  # they are being started
    worlds.kill(pid)


# ---- the end ----

def wait_for(look, wanted):
    end = time.monotonic() + 20
    while (seen := look()) != wanted and time.monotonic() < end:
        time.sleep(0.02)  # the kernel does not tell of these
    return seen


def running(world):
    names = ("conmon", "crun", "stead-runtime", "sh", "time-server")
    return {name: len(processes(world, name)) for name in names}


def all_processes(world):
    """For a person to read."""
    lines = []
    for pid in worlds.descendants(int(world.init)):
        with contextlib.suppress(OSError):
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
            bundle = re.search(r"-b (\S+)", line)
            files = [f"{f.name}={f.read_text()[:20]!r}" for f in pathlib.Path(bundle[1]).glob("*")
                     if f.is_file() and f.name != "config.json"] if bundle else []
            lines.append(f"{parent} > {pid} {line[:200]} {' '.join(files)}")
    return "\n".join(lines)


def owners(world):
    """{pod: its claim's identity and volume}"""
    claims = world.get("pvc")["items"]
    return {claim["metadata"]["name"]: (claim["metadata"]["uid"], claim["spec"]["volumeName"]) for claim in claims}


def left_behind(world):
    found = [f"process {pathlib.Path(f'/proc/{pid}/comm').read_text().strip()}"
             for pid in worlds.descendants(int(world.init))]
    mounts = pathlib.Path(f"/proc/{world.init}/mountinfo").read_text().splitlines()
    found += ["mount " + line.split()[4] for line in mounts if str(world.dir) in line]
    for path in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found += [f"loop device of {path.read_text()}"] if str(world.dir) in path.read_text() else []
    found += ["link " + line for line in world.run("ip", "-o", "link").stdout.splitlines() if world.instance in line]
    found += [line for line in world.run("nft", "list", "tables").stdout.splitlines() if world.instance in line]
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [f"cgroup {top}/{name}" for name in folders if world.instance in name]
        if top.count("/") > 4:
            folders.clear()
    return found + [str(path) for path in (world.data, world.run_dir) if path.exists()]


def test_every_answered_visit_is_counted_through_a_hundred_kills(world):
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    world.apply(COUNTERS)
    world.kubectl("rollout", "status", "sts/counter", "--timeout=120s")
    names = [f"counter-{i}" for i in range(REPLICAS)]
    service = world.out("get", "svc", "counter", "-o", "jsonpath={.spec.clusterIP}")
    owned = owners(world)
    caretaker = Caretaker(world, api.Credentials(world).context())
    caretaker.addresses = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in world.get("pods")["items"]}
    visitors = [Visitor(world, lambda _: service, n) for n in range(2)]
    visitors += [Visitor(world, lambda r: caretaker.addresses[r.choice(names)], n) for n in range(2, 4)]
    for thread in (caretaker, *visitors):
        thread.start()

    kinds = [VICTIMS[i % len(VICTIMS)] for i in range(KILLS)]
    chance.shuffle(kinds)
    for kind in kinds:
        threading.Event().wait(chance.uniform(0, 0.3))  # the random moment
        kill_one(world, kind, chance)

    # all come back by themselves, but those that the caretaker helps
    world.kubectl("rollout", "status", "sts/counter", "--timeout=60s")
    for thread in (caretaker, *visitors):
        thread.stop = True
    for thread in visitors:
        thread.join(timeout=30)
        assert not thread.is_alive()
    world.kubectl("wait", "--for=condition=Ready", "pods", "-l", "app=counter", "--timeout=60s")
    answered = sum((visitor.answered for visitor in visitors), collections.Counter())
    in_flight = sum(visitor.in_flight for visitor in visitors)
    counted = {name: int(world.out("exec", name, "--", "cat", "/data/visits")) for name in names}
    print(f"{answered.total()} visits answered, {sum(counted.values())} counted, {in_flight} in flight; "
          f"{caretaker.deleted} pods deleted")
    for name in names:
        assert answered[name] <= counted[name] <= answered[name] + in_flight, (name, answered, counted, in_flight)
    assert sum(counted.values()) <= answered.total() + in_flight
    assert answered.total() > 10 * KILLS

    pods = world.get("pods")["items"]
    assert sorted(pod["metadata"]["name"] for pod in pods) == names
    assert owners(world) == owned
    once = {"conmon": REPLICAS, "crun": 0, "stead-runtime": 0, "sh": REPLICAS, "time-server": REPLICAS}
    assert wait_for(lambda: running(world), once) == once, all_processes(world)
    links = re.findall(rf"{world.instance}v\w+", world.run("ip", "-o", "link").stdout)
    assert len(links) == REPLICAS, links
    uids = {pod["metadata"]["uid"] for pod in pods}
    assert {path.name.removesuffix(".address") for path in (world.run_dir / "netns").iterdir()} == uids
    assert {path.name for path in (world.run_dir / "pods").iterdir()} == uids

    world.stead("reset", "--yes")
    assert not wait_for(lambda: left_behind(world), [])


SHARING = """
apiVersion: v1
kind: Pod
metadata: {name: sharing}
spec:
  shareProcessNamespace: true
  terminationGracePeriodSeconds: 1
  containers:
  - {name: a, image: "time-server:latest", imagePullPolicy: IfNotPresent, readinessProbe: {tcpSocket: {port: 5000}}}
  - {name: b, image: "time-server:latest", imagePullPolicy: IfNotPresent, command: [sleep, "1000"]}
"""


def wait_until_restarted(world, pod, containers):
    for i in range(containers):
        world.kubectl("wait", f"--for=jsonpath={{.status.containerStatuses[{i}].restartCount}}=1", f"pod/{pod}",
                      "--timeout=60s")
    world.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s")


def test_a_shared_process_namespace_whose_first_process_was_killed_is_made_anew(world):
    world.apply(SHARING)
    world.kubectl("wait", "--for=condition=Ready", "pod/sharing", "--timeout=60s")
    [pause] = processes(world, "stead-pause")
    worlds.kill(pause)
    wait_until_restarted(world, "sharing", 2)
    assert len(processes(world, "stead-pause")) == 1
    assert world.out("exec", "sharing", "-c", "b", "--", "cat", "/proc/1/comm") == "stead-pause\n"
    world.kubectl("delete", "pod", "sharing")
    assert not processes(world, "stead-pause")


def test_what_a_containers_first_process_leaves_ends_before_the_next_begins(world):
    """In a shared process namespace nothing ends with it by itself."""
    world.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "leaving"}, "spec": {
        "shareProcessNamespace": True, "terminationGracePeriodSeconds": 1, "containers": [
            {"name": "a", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
             "command": ["sh", "-c", "time-server & wait"], "readinessProbe": {"tcpSocket": {"port": 5000}}}]}})
    world.kubectl("wait", "--for=condition=Ready", "pod/leaving", "--timeout=60s")
    [app], [shell] = processes(world, "time-server"), processes(world, "sh")
    worlds.kill(shell)
    wait_until_restarted(world, "leaving", 1)
    apps = processes(world, "time-server")
    assert len(apps) == 1 and apps != [app]
