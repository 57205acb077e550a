# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged stays, whatever happens to the server and the disk."""
import contextlib
import http.client
import json
import os
import random
import re
import threading
import time

import api
import world as worlds

ROUNDS = int(os.environ.get("STEAD_KILL_ROUNDS", "100"))
WRITERS = 8
KEYS = 6  # of each writer
CONFIGMAPS = "/api/v1/namespaces/storm/configmaps"

COUNTERS = """
apiVersion: v1
kind: Service
metadata: {name: counter}
spec:
  selector: {app: counter}
  ports: [{port: 5000}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: counter}
spec:
  serviceName: counter
  replicas: 2
  selector: {matchLabels: {app: counter}}
  template:
    metadata: {labels: {app: counter}}
    spec:
      containers:
      - name: main
        image: time-server:latest
        imagePullPolicy: IfNotPresent
        env: [{name: TIME_SERVER_FILE, value: /data/visits}]
        readinessProbe: {httpGet: {path: /readyz, port: 5000}}
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
"""


class Server:
    """`stead server` in the foreground, so that its death is known at once."""

    def __init__(self, world):
        self.world, self.process = world, None
        self.out = open(world.dir / "server.log", "ab")

    def start(self):
        ready, told = os.pipe()
        self.process = self.world.start(
            worlds.BUILD / "stead", "server", "--data", self.world.data, "--run", self.world.run_dir, "--kubeconfig",
            self.world.kubeconfig, "--instance", self.world.instance, "--ready-fd", told, pass_fds=(told,),
            stdout=self.out, stderr=self.out)
        os.close(told)
        with os.fdopen(ready, "rb") as pipe:
            assert pipe.read(1), "the server did not start: " + self.log()[-3000:]

    def log(self):
        return (self.world.dir / "server.log").read_text(errors="replace")

    def kill(self):
        for pid in worlds.descendants(self.process.pid)[:1]:
            worlds.kill(pid)
        self.process.wait(timeout=60)


class Violation(AssertionError):
    pass


class Model:
    """What the writers know of what is stored, and what they saw that must not be."""

    def __init__(self):
        self.lock = threading.Lock()
        self.revisions = {}  # acknowledged resourceVersion -> (key, value)
        self.violations = []
        self.parked, self.gate = threading.Semaphore(0), None
        self.acknowledged = 0

    def say(self, text):
        with self.lock:
            self.violations.append(text)


class Writer(threading.Thread):
    """Creates, updates and deletes its own few objects. `known` has what is stored for sure; `pending` is the one
    change whose fate is not known."""

    def __init__(self, number, world, context, model):
        super().__init__(daemon=True)
        self.api = api.Api(world, context)
        self.keys = [f"w{number}-{i}" for i in range(KEYS)]
        self.known = {key: None for key in self.keys}
        self.pending, self.model, self.random = None, model, random.Random(number)
        self.n, self.last, self.stop = number, 0, False

    def object(self, key, value):
        pad = "x" * (value * 7919 % 6000)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": key},
                "data": {"first": str(value), "pad": pad, "value": str(value)}}

    def change(self):
        key = self.random.choice(self.keys)
        self.n += WRITERS
        value = None if self.known[key] is not None and self.random.random() < 0.2 else self.n
        self.pending = (key, value)
        if value is None:
            status, body = self.api.call("DELETE", f"{CONFIGMAPS}/{key}")
        elif self.known[key] is None:
            status, body = self.api.call("POST", CONFIGMAPS, self.object(key, value))
        else:
            status, body = self.api.call("PUT", f"{CONFIGMAPS}/{key}", self.object(key, value))
        if status not in (200, 201):
            self.model.say(f"{key}: {status} {body}")
        self.known[key], self.pending = value, None
        self.model.acknowledged += 1
        if value is not None:
            revision = int(body["metadata"]["resourceVersion"])
            if revision <= self.last:
                self.model.say(f"{key}: resourceVersion {revision} after {self.last}")
            self.last = revision
            with self.model.lock:
                if revision in self.model.revisions:
                    self.model.violations.append(f"resourceVersion {revision} twice")
                self.model.revisions[revision] = (key, value)

    def run(self):
        while not self.stop:
            gate = self.model.gate
            try:
                while not self.stop:
                    self.change()
            except api.GONE:
                self.api.close()
            self.model.parked.release()
            gate.wait()


class Prober(threading.Thread):
    """Visits the service all the time."""

    def __init__(self, world, ip, model):
        super().__init__(daemon=True)
        self.world, self.ip, self.model, self.stop = world, ip, model, False
        self.visits, self.answered = {}, 0

    def run(self):
        while not self.stop:
            try:
                connection = http.client.HTTPConnection(self.ip, 5000)
                connection.sock = api.connect(self.world, self.ip, 5000, timeout=20)
                connection.request("GET", "/")
                text = connection.getresponse().read().decode()
                connection.close()
            except api.GONE as error:
                self.model.say(f"the service did not answer: {error!r}")
                continue
            count, pod = int(re.search(r"Visits: (\d+)", text)[1]), text.split()[-1]
            if count <= self.visits.get(pod, 0):
                self.model.say(f"{pod} counted {count} after {self.visits[pod]}")
            self.visits[pod] = count
            self.answered += 1
            time.sleep(0.02)  # not to wait for anything: fifty visits a second are enough


def check_stored(writers, model, caller):
    """All that the server has is what the writers know of; what was pending is resolved."""
    status, stored = caller.call("GET", CONFIGMAPS)
    assert status == 200, stored
    items = {item["metadata"]["name"]: item for item in stored["items"]}
    items.pop("kube-root-ca.crt", None)
    for writer in writers:
        for key in writer.keys:
            item = items.pop(key, None)
            value = int(item["data"]["value"]) if item else None
            if item and item["data"] != writer.object(key, value)["data"]:
                model.say(f"{key}: half a write: {item['data']}")
            allowed = [writer.known[key]] + ([writer.pending[1]] if writer.pending and writer.pending[0] == key else [])
            if value not in allowed:
                model.say(f"{key}: {value} is stored, {allowed} would be right")
            writer.known[key] = value
        writer.pending = None
        if int(stored["metadata"]["resourceVersion"]) < writer.last:
            model.say(f"the list is of {stored['metadata']['resourceVersion']}, {writer.last} was acknowledged")
    if items:
        model.say(f"nobody wrote {list(items)}")


def follow(caller, since, seen, model):
    """Reads a watch from `since` until the server is gone; gives where to go on."""
    with contextlib.suppress(*api.GONE):
        stream = caller.send("GET", f"{CONFIGMAPS}?watch=1&resourceVersion={since}")
        if stream.status != 200:
            model.say(f"watch from {since}: {stream.status} {stream.read()}")
            return since
        while line := stream.readline():
            event = json.loads(line)
            if event["type"] == "ERROR":
                model.say(f"watch from {since}: {event}")
                return since
            revision = int(event["object"]["metadata"]["resourceVersion"])
            if revision <= since:
                model.say(f"watch went back from {since} to {revision}")
            since = revision
            seen.add(revision)
    caller.close()
    return since


class Watcher(threading.Thread):
    """Goes on where it was after each restart, and must miss nothing."""

    def __init__(self, world, context, model, since):
        super().__init__(daemon=True)
        self.api, self.model, self.since, self.seen, self.stop = api.Api(world, context), model, since, set(), False

    def run(self):
        while not self.stop:
            gate = self.model.gate
            self.since = follow(self.api, self.since, self.seen, self.model)
            gate.wait()


def test_nothing_acknowledged_is_lost_in_a_hundred_kills(shared):
    world, model, chance = shared, Model(), random.Random(20)
    world.kubectl("create", "namespace", "storm")
    world.apply(COUNTERS)
    world.kubectl("rollout", "status", "sts/counter", "--timeout=120s")
    ip = world.out("get", "svc", "counter", "-o", "jsonpath={.spec.clusterIP}")
    context = api.Credentials(world).context()
    caller, server = api.Api(world, context), Server(world)
    since = int(caller.call("GET", CONFIGMAPS)[1]["metadata"]["resourceVersion"])
    caller.close()
    world.kill_server()
    server.start()

    model.gate = threading.Event()
    writers = [Writer(number, world, context, model) for number in range(WRITERS)]
    watcher, prober = Watcher(world, context, model, since), Prober(world, ip, model)
    for thread in (*writers, watcher, prober):
        thread.start()
    for number in range(ROUNDS):
        threading.Event().wait(chance.uniform(0, 0.4))  # the random moment
        server.kill()
        for _ in writers:
            assert model.parked.acquire(timeout=60)
        server.start()
        caller.close()
        check_stored(writers, model, caller)
        assert not model.violations, (number, model.violations[:10])
        opened, model.gate = model.gate, threading.Event()
        last = number == ROUNDS - 1
        for thread in writers:
            thread.stop = last
        opened.set()
    for thread in writers:
        thread.join(timeout=60)
    # one more change, and the watcher has to come by all that was acknowledged
    status, body = caller.call("POST", CONFIGMAPS, writers[0].object("last", 1))
    assert status == 201
    end = int(body["metadata"]["resourceVersion"])
    for _ in range(600):
        if watcher.since >= end:
            break
        threading.Event().wait(0.05)
    watcher.stop = prober.stop = True
    prober.join(timeout=60)
    missed = [revision for revision in model.revisions if revision not in watcher.seen]
    assert not missed, missed[:10]
    server.kill()
    model.gate.set()
    world.stead("up")
    world.kubectl("rollout", "status", "sts/counter", "--timeout=60s")
    assert not model.violations, model.violations[:10]
    assert model.acknowledged > ROUNDS and prober.answered > ROUNDS
    restarts = world.out("get", "pods", "-l", "app=counter", "-o",
                         "jsonpath={.items[*].status.containerStatuses[0].restartCount}")
    assert restarts == "0 0"
    counted = sum(int(world.out("exec", f"counter-{i}", "--", "cat", "/data/visits")) for i in range(2))
    assert counted == prober.answered
    print(f"{model.acknowledged} writes, {prober.answered} visits, {len(watcher.seen)} events")


# ---- watches over a restart ----

def test_a_watch_goes_on_from_a_recent_version_and_is_told_when_its_too_old(shared):
    world = shared
    caller = api.Api(world, api.Credentials(world).context())
    path = "/api/v1/namespaces/default/configmaps"
    first = int(caller.call("POST", path, {"metadata": {"name": "a"}})[1]["metadata"]["resourceVersion"])
    caller.call("POST", path, {"metadata": {"name": "b"}})
    caller.close()
    world.stead("restart")
    stream = caller.send("GET", f"{path}?watch=1&resourceVersion={first}&timeoutSeconds=30")
    event = json.loads(stream.readline())
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "b")
    caller.close()
    # more changes than are kept
    for n in range(10500):
        status, _ = caller.call("PATCH", f"{path}/a", {"data": {"n": str(n)}}, media="application/merge-patch+json")
        assert status == 200
    for restart in (False, True):
        if restart:
            caller.close()
            world.stead("restart")
        stream = caller.send("GET", f"{path}?watch=1&resourceVersion={first}&timeoutSeconds=30")
        event = json.loads(stream.readline())
        assert event["type"] == "ERROR"
        status = event["object"]
        assert (status["code"], status["reason"]) == (410, "Expired"), status
        assert status["message"].startswith(f"too old resource version: {first} ("), status
        caller.close()


# ---- one server for each data folder ----

def test_a_second_server_on_the_same_data_is_refused(shared):
    world = shared
    pid = world.server_pid()
    done = world.run(worlds.BUILD / "stead", "server", "--data", world.data, "--run", world.dir / "run2",
                     "--listen", "127.0.0.1:7443", "--instance", "second", "--no-network", check=False)
    assert done.returncode == 1
    assert str(world.data) in done.stderr and f"{pid}" in done.stderr, done.stderr
    assert world.out("get", "--raw", "/readyz") == "ok"


# ---- a full disk ----

def test_a_full_disk_refuses_writes_serves_reads_and_is_got_over(machine):
    world = machine.small_disk("48m").up()
    caller = api.Api(world, api.Credentials(world).context())
    path = "/api/v1/namespaces/default/configmaps"
    assert caller.call("POST", path, {"metadata": {"name": "before"}, "data": {"a": "1"}})[0] == 201
    world.fill_disk()
    written, status, body = caller.create_until_refused(path, 500000)
    assert status in (500, 507) and body["kind"] == "Status" and "space" in body["message"].lower(), (status, body)
    # reads go on, and nothing of the refused write is there
    status, body = caller.call("GET", path)
    names = {item["metadata"]["name"] for item in body["items"]}
    assert status == 200 and names - {"kube-root-ca.crt"} == {"before", *written}
    assert world.out("get", "--raw", "/livez") == "ok"
    world.free_disk()
    status, body = caller.call("POST", path, {"metadata": {"name": "after"}, "data": {"pad": "x" * 500000}})
    assert status == 201, body
    caller.close()
    world.kill_server()
    world.stead("up")
    status, body = caller.call("GET", path)
    names = {item["metadata"]["name"] for item in body["items"]}
    assert names - {"kube-root-ca.crt"} == {"before", "after", *written}
