# SPDX-License-Identifier: Apache-2.0
"""A server of an ordinary user, on a machine on which nobody is root: the five scenarios, and what is different without root."""
import json
import os
import pathlib
import re
import select
import signal
import subprocess

import pytest

import test_scenarios as scenarios
import world as worlds
from helm import HELMS
from people import Person
from transcript import Transcript

SUBIDS = "300000:65536"


def user_namespaces_allowed():
    done = subprocess.run(["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "unshare", "--user", "true"],
                          capture_output=True, check=False)
    return done.returncode == 0


pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make the user"),
              pytest.mark.skipif(os.geteuid() == 0 and not user_namespaces_allowed(),
                                 reason="the kernel does not let ordinary users make user namespaces")]


class RootlessWorld(worlds.World):
    """A world whose stead belongs to alice. Commands run as alice on the machine, except those that name an address of the
    cluster's own network, which the machine does not reach: these run inside of the namespaces of the server."""

    def __init__(self, options=()):
        super().__init__(options)
        self.alice = Person(self, subids=SUBIDS)
        # The device files of the machine may be closed to ordinary users; most machines have this one open.
        super().run("sh", "-c", f"mknod -m 666 {self.dir}/tun c 10 200 && mount --bind {self.dir}/tun /dev/net/tun")
        self.data = self.alice.home / ".local/share/stead"
        self.run_dir = self.alice.runtime / "stead"

    def processes(self):
        """The names and pids of alice's processes, outside and inside of the namespaces, zombies excepted."""
        found = []
        for pid in worlds.descendants(int(self.init)):
            try:
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            uid = int(re.search(r"^Uid:\t(\d+)", text, re.M)[1])
            if "State:\tZ" not in text and (uid == self.alice.uid or uid >= int(SUBIDS.split(":")[0])):
                found.append((re.match(r"Name:\t(.*)", text)[1], pid))
        return found

    def pid_of(self, name):
        return next(pid for found, pid in self.processes() if found == name)

    def run(self, *args, check=True, stdin=None, timeout=worlds.LIMIT, text=True, **_):
        if not hasattr(self, "alice"):  # while the user is set up
            return super().run(*args, check=check, stdin=stdin, timeout=timeout, text=text)
        if any(re.search(r"//10\.\d+\.", str(arg)) for arg in args):
            command = ["nsenter", "-t", str(self.pid_of("stead-init")), "-n", "--", *map(str, args)]
        else:
            helms = {path: f"{self.alice.home}/bin/{name}" for name, path in HELMS.items()}
            command = self.alice.command([helms.get(arg, str(arg).replace(str(worlds.ROOT), f"{self.alice.home}/repository"))
                                          for arg in args])
        done = subprocess.run(command, input=stdin, capture_output=True, text=text, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise worlds.Failed(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def stead(self, *args, **more):
        return self.run("stead", *args, *self.options, **more)

    def kubectl(self, *args, version=None, **more):
        return self.run("kubectl", *args, **more)

    def shell(self, line, **more):
        return self.run("sh", "-c", line, **more)


@pytest.fixture
def world(request, monkeypatch):
    # Node ports are at the machine's loopback address; the address of the node is inside.
    monkeypatch.setattr(scenarios, "node_address", lambda _: "127.0.0.1")
    monkeypatch.setattr(Transcript, "save", lambda _: None)
    made = RootlessWorld()
    request.addfinalizer(made.close)
    return made.up()


@pytest.fixture
def bare(request):
    made = RootlessWorld()
    request.addfinalizer(made.close)
    return made


@pytest.mark.parametrize("scenario", [
    scenarios.test_scenario_1_starts_in_order_and_counts, scenarios.test_scenario_2_has_hooks_and_a_port_of_the_machine,
    scenarios.test_scenario_3_keeps_visits_as_a_log, scenarios.test_scenario_4_runs_two_releases_on_one_port,
    scenarios.test_scenario_5_counts_its_probes_on_its_old_claims], ids=lambda scenario: scenario.__name__[5:15])
def test_the_scenarios_run_without_root(world, scenario):
    scenario(world, "kubectl")


def test_helm_works_without_root(world):
    scenarios.test_scenario_4_runs_two_releases_on_one_port(world, "helm4")


def test_a_whole_life_without_root_leaves_nothing_behind(bare):
    world = bare
    said = world.stead("up").stdout
    assert said == f'stead is up. The context "stead-user" in {world.alice.kubeconfig} is current.\n'
    status = world.stead("status").stdout
    assert f"Data:    {world.data}\n" in status and f"Rootless: the pods belong to the user {world.alice.uid}\n" in status
    assert "already up" in world.stead("up").stdout
    world.stead("image", "ls")
    world.kubectl("run", "p", "--image=time-server:latest", "--image-pull-policy=IfNotPresent")
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    # the pod is root inside, and alice outside
    assert world.out("exec", "p", "--", "id", "-u") == "0\n"
    assert {name for name, _ in world.processes()} >= {"stead-holder", "stead-init", "conmon", "time-server"}
    uid = world.out("get", "pod", "p", "-o", "jsonpath={.metadata.uid}")
    world.stead("restart")
    assert world.out("get", "pod", "p", "-o", "jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}") == uid + " 0"
    assert "Its data are kept" in world.stead("down").stdout
    assert not world.processes()
    assert world.stead("status", check=False).stdout == "stead is not running. Start it with: stead up\n"
    assert world.stead("down").stdout == "stead is not running.\n"
    world.stead("up")
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    world.stead("reset", "--yes")
    assert not world.processes()
    assert not world.data.exists() and not world.run_dir.exists()
    assert not json.loads(world.out("config", "view", "-o", "json"))["contexts"]


def test_the_server_may_die_and_the_pods_stay(world):
    world.kubectl("run", "p", "--image=time-server:latest", "--image-pull-policy=IfNotPresent")
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    pid = re.search(r"pid (\d+)", world.stead("status").stdout)[1]
    subprocess.run(["nsenter", "-t", str(world.pid_of("stead-init")), "-p", "-m", "sh", "-c",
                    f"kill -9 {pid}; tail --pid={pid} -s 0.01 -f /dev/null"], check=True, timeout=20)
    world.stead("up")
    assert world.out("get", "pod", "p", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"
    # without the holder, the kernel ends everything at once, so that no second server can work on the same data
    init = os.pidfd_open(world.pid_of("stead-init"))
    os.kill(world.pid_of("stead-holder"), signal.SIGKILL)
    assert select.select([init], [], [], 20)[0]
    os.close(init)
    assert not world.processes()
    world.stead("up")
    world.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/p", "--timeout=60s")
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    assert "root" in world.out("exec", "p", "--", "cat", "/etc/passwd")


SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: first}
spec: {type: LoadBalancer, selector: {run: p}, ports: [{port: 5000, nodePort: 30501}]}
---
apiVersion: v1
kind: Service
metadata: {name: second}
spec: {type: LoadBalancer, selector: {run: p}, ports: [{port: 5000, nodePort: 30502}]}
---
apiVersion: v1
kind: Service
metadata: {name: low}
spec: {type: LoadBalancer, selector: {run: p}, ports: [{port: 80, targetPort: 5000, nodePort: 30503}]}
---
apiVersion: v1
kind: Service
metadata: {name: datagrams}
spec: {type: NodePort, selector: {run: p}, ports: [{port: 53, protocol: UDP, nodePort: 30504}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {run: p}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: p
    image: time-server:latest
    imagePullPolicy: IfNotPresent
    ports: [{containerPort: 5000, hostPort: 8085}]
    resources: {limits: {memory: 64Mi}}
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
"""


def test_ports_are_reachable_on_the_machine_and_what_is_not_is_said(world):
    world.apply(SERVICES)
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    addresses = [world.out("get", "svc", name, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}") for name in ("first", "second")]
    assert all(address.startswith("127.43.0.") for address in addresses) and addresses[0] != addresses[1]
    for url in (f"http://{addresses[0]}:5000", f"http://{addresses[1]}:5000", "http://127.0.0.1:5000", "http://127.0.0.1:30501",
                "http://127.0.0.1:30502", "http://127.0.0.1:8085"):
        assert "Visits: " in world.curl(url + "/"), url
    assert world.stead("service", "first", "--url").stdout == "http://127.0.0.1:30501\n"
    events = world.out("get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name} {.reason} {.message}{\"\\n\"}{end}")
    assert re.search(r"^low PortNotPublished 127\.43\.0\.\d+:80 of this machine cannot be used: ports below", events, re.M), events
    assert re.search(r"^datagrams PortNotPublished port 53/UDP is reachable only inside", events, re.M), events
    assert re.search(r'^p VolumeSizeNotEnforced volume "v" has no limit: this server belongs to an ordinary user', events, re.M)
    assert re.search(r"^p LimitsNotEnforced the limits of this pod have no effect", events, re.M), events
    assert "limits of CPU, memory and processes are not enforced, since" in (world.data / "stead.log").read_text()
    assert re.search(r"^Cgroups:  none, so limits of .* are not enforced: \S", world.stead("status").stdout, re.M)
    # a port is given back with its Service, and nothing else of the machine was opened
    world.kubectl("delete", "svc", "first", "second")
    done = world.run("curl", "-sS", "--max-time", "5", "http://127.0.0.1:30501/", check=False)
    assert done.returncode == 7, done
    listening = world.run("ss", "-Hltn").stdout
    assert not [line for line in listening.splitlines() if not line.split()[3].startswith("127.")], listening


def test_a_user_without_ids_is_told_what_to_do(bare):
    world = bare
    (world.dir / "etc-subuid").write_text("")
    done = world.stead("up", check=False)
    assert done.returncode == 1
    assert "/etc/subuid grants 0 ids to alice" in done.stderr and "usermod --add-subuids 100000-165535" in done.stderr
    assert not world.processes()


def test_images_are_pushed_to_the_registry_of_a_server_without_root(bare):
    world = bare
    world.stead("up", "--registry", "localhost:5000")
    world.stead("image", "export", "time-server:latest", world.alice.home / "app.tar")

    def push(name, *options):
        return world.run("skopeo", "copy", "-q", "--dest-tls-verify=false", *options, f"docker-archive:{world.alice.home}/app.tar",
                         f"docker://localhost:5000/{name}", check=False)

    # the machine does not tell the server who connects to it from there
    refused = push("app:1")
    assert refused.returncode != 0 and "authentication required" in refused.stderr.lower(), refused
    password = (world.data / "images" / "pushed" / "password").read_text().strip()
    done = push("app:1", "--dest-creds", f"alice:{password}")
    assert done.returncode == 0, done
    world.kubectl("run", "p", "--image=localhost:5000/app:1", "--image-pull-policy=IfNotPresent")
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")


# Answers every question with 192.0.2.1, whatever its name and type.
RESOLVER = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
print("ready", flush=True)
while True:
    query, who = server.recvfrom(512)
    end = query.index(b"\\0", 12) + 5
    answer = bytes.fromhex("c00c00010001000000050004c0000201") if query[end - 4:end - 2] == b"\\0\\1" else b""
    server.sendto(query[:2] + b"\\x81\\x80\\0\\1\\0" + bytes([1 if answer else 0]) + b"\\0\\0\\0\\0" + query[12:end] + answer, who)
"""


def test_pods_reach_the_outside_through_pasta(bare):
    """The world gets a network with one other machine on it. The resolver of this machine is at a loopback address, as that of
    systemd is, which pods cannot reach themselves."""
    world = bare
    if worlds.World.run(world, "which", "pasta", check=False).returncode != 0:
        pytest.skip("pasta is not installed (package passt)")
    worlds.World.run(world, "sh", "-ec", """
        ip netns add other 2> /dev/null || { mount -t tmpfs none /run; ip netns add other; }
        ip link add up0 type veth peer name eth0 netns other
        ip addr add 192.0.2.2/24 dev up0; ip link set up0 up; ip route add default via 192.0.2.1
        ip -n other addr add 192.0.2.1/24 dev eth0; ip -n other link set eth0 up; ip -n other link set lo up""")
    (world.dir / "resolv.conf").write_text("nameserver 127.0.0.53\nsearch example.test\n")
    worlds.World.run(world, "mount", "--bind", world.dir / "resolv.conf", "/etc/resolv.conf")
    resolver = worlds.World.start(world, "python3", "-c", RESOLVER)
    assert resolver.stdout.readline() == "ready\n"
    server = worlds.World.start(world, "ip", "netns", "exec", "other", "python3", "-c",
                                "import http.server; http.server.HTTPServer(('192.0.2.1', 8000), "
                                "http.server.SimpleHTTPRequestHandler).serve_forever()", stderr=subprocess.DEVNULL)
    try:
        world.stead("up")
        assert "Outside:  through pasta" in world.stead("status").stdout
        world.kubectl("run", "p", "--image=time-server:latest", "--image-pull-policy=IfNotPresent")
        world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
        assert "Directory listing" in world.out("exec", "p", "--", "wget", "-qO-", "-T", "10", "http://192.0.2.1:8000/")
        # names of the outside come from the resolver of the machine, those of the cluster from stead
        assert "Directory listing" in world.out("exec", "p", "--", "wget", "-qO-", "-T", "10", "http://outside.test:8000/")
        assert world.out("exec", "p", "--", "nslookup", "kubernetes.default.svc.cluster.local").count("Address") == 2
        # what listens only on the machine's loopback address stays out of reach: here that is the API
        for address in ("192.0.2.1", "192.0.2.2"):
            assert world.kubectl("exec", "p", "--", "nc", "-w", "3", address, "6443", check=False).returncode != 0
    finally:
        world.stop(server)
        world.stop(resolver)
