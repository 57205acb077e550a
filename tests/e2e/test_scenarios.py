# SPDX-License-Identifier: Apache-2.0
"""The five scenarios by kubectl and by Helm, to the letter of what a user sees."""
import datetime
import json
import re

import pytest

from helm import CHART, Helm, need, values
from transcript import Transcript
from world import BUILD, ROOT

AGE = r"\d+[smh]\d*[sm]?"
IP = r"\d+\.\d+\.\d+\.\d+"
CLUSTER_IP = r"10\.(?:9[6-9]|10\d|11[01])\.\d+\.\d+"


HEADERS = [
    ["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
    ["NAME", "READY", "AGE"],
    ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"],
    ["NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS MODES", "STORAGECLASS", "VOLUMEATTRIBUTESCLASS", "AGE"]]


class Run:
    """A scenario on its way, by one client."""

    def __init__(self, world, number, client):
        need(client)
        self.world, self.number, self.client = world, number, client
        self.told = Transcript(world, f"scenario {number} by {client}")

    def install(self, name, *args):
        """The set is ready when this returns."""
        if self.client == "kubectl":
            self.told.kubectl("apply", "-f", ROOT / "examples" / f"scenario{self.number}.yaml")
            self.told.kubectl("rollout", "status", f"sts/{name}", "--timeout=60s")
            assert self.world.stead("why", f"sts/{name}").stdout == f"statefulset/{name} waits for nothing\n"
            return None
        done = Helm(self.world, self.client)("install", name, CHART, "-f", values(self.number), *args, "--wait",
                                            "--timeout", "60s")
        self.told.note(done, ("helm", "install", *Transcript.plain((name, CHART, "-f", values(self.number))), *args,
                              "--wait"))
        return done.stdout

    def uninstall(self, name):
        if self.client == "kubectl":
            self.told.kubectl("delete", "-f", ROOT / "examples" / f"scenario{self.number}.yaml")
        else:
            done = Helm(self.world, self.client)("uninstall", name, "--wait")
            self.told.note(done, ("helm", "uninstall", name, "--wait"))

    def tables(self, count=4):
        """The rows of each table that `kubectl get` prints, after a check of the headers. A resource without objects has no
        table: the fourth one, of claims, is missing where there are none."""
        text = self.told.kubectl("get", "po,sts,svc,pvc").stdout
        tables = [t.strip().splitlines() for t in text.split("\n\n")]
        assert [re.split(r"\s{2,}", t[0].strip()) for t in tables] == HEADERS[:count]
        return [[row.strip() for row in t[1:]] for t in tables]

    def cat(self, pod, path):
        return self.told.kubectl("exec", f"pod/{pod}", "--", "cat", path).stdout


def visit(world, url, times, replicas=1):
    """One request after the other, each on a connection of its own: so many, and then on until every replica has answered one,
    since nothing but chance says which of them does. Gives the number of requests."""
    made, seen = 0, set()
    while made < times or len(seen) < replicas:
        batch = max(times - made, 1)
        heads = world.run("sh", "-c", f"for i in $(seq {batch}); do "
                                      f"curl -sS --fail --max-time 10 -o /dev/null -D - '{url}' || exit 1; done").stdout
        seen |= set(re.findall(r"^x-served-by: (\S+)", heads, re.M | re.I))
        made += batch
        assert made < 1000, f"of {replicas} replicas only {seen} answered {made} requests"
    return made


def check_rows(rows, *patterns):
    assert len(rows) == len(patterns), rows
    for row, pattern in zip(rows, patterns):
        assert re.fullmatch(pattern.replace(" ", r"\s+"), row), (row, pattern)


KUBERNETES = rf"service/kubernetes ClusterIP 10\.96\.0\.1 <none> 443/TCP {AGE}"


def claim_rows(world, template, name, count, size, mode):
    for i in range(count):
        uid = world.out("get", "pvc", f"{template}-{name}-{i}", "-o", "jsonpath={.metadata.uid}")
        yield (rf"persistentvolumeclaim/{template}-{name}-{i} Bound pvc-{uid} {size} {mode} standard <unset> {AGE}")


def pod_rows(name, count):
    return [rf"pod/{name}-{i} 1/1 Running 0 {AGE}" for i in range(count)]


def start_times(world, name, count):
    """When each replica was made, in seconds."""
    return [datetime.datetime.fromisoformat(
        world.get("pod", f"{name}-{i}")["metadata"]["creationTimestamp"].rstrip("Z")).timestamp() for i in range(count)]


def check_started_at_once(world, name, count):
    starts = start_times(world, name, count)
    assert max(starts) - min(starts) <= 1, starts  # the clock may tick between the first and the last


def check_started_in_order(world, name, count):
    """Each replica was made only after the one before it had become ready: its last status has the older revision."""
    pods = [world.get("pod", f"{name}-{i}") for i in range(count)]
    for before, after in zip(pods, pods[1:]):
        ready = next(c["lastTransitionTime"] for c in before["status"]["conditions"] if c["type"] == "Ready")
        assert ready <= after["metadata"]["creationTimestamp"], (before, after)


def leave_a_claim_of_another_chart(world):
    """A set that claimed 10Gi was removed; its claim data-vault-0 stayed."""
    world.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "vault"},
                 "spec": {"serviceName": "vault", "selector": {"matchLabels": {"app": "vault"}},
                          "template": {"metadata": {"labels": {"app": "vault"}},
                                       "spec": {"terminationGracePeriodSeconds": 0,
                                                "containers": [{"name": "vault", "image": "time-server:latest",
                                                                "imagePullPolicy": "IfNotPresent",
                                                                "command": ["sleep", "600"],
                                                                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}},
                          "volumeClaimTemplates": [{"metadata": {"name": "data"},
                                                    "spec": {"accessModes": ["ReadWriteOnce"],
                                                             "resources": {"requests": {"storage": "10Gi"}}}}]}})
    world.kubectl("rollout", "status", "sts/vault", "--timeout=60s")
    world.kubectl("delete", "sts", "vault")
    world.kubectl("wait", "--for=delete", "pod/vault-0", "--timeout=30s")


def node_address(world):
    return world.out("get", "node", "-o", "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}")


def cluster_ip(world, service):
    return world.out("get", "service", service, "-o", "jsonpath={.spec.clusterIP}")


def balancer(world, service):
    return world.out("get", "service", service, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")


# ---- 1 ----

@pytest.mark.parametrize("client", ["kubectl", "helm4", "helm3"])
def test_scenario_1_starts_in_order_and_counts(world, client):
    run = Run(world, 1, client)
    run.install("time-server")
    ip = cluster_ip(world, "time-server")
    visits = 1 + visit(world, f"http://{ip}:5000/", 29, replicas=5)
    assert "Visits: " in run.told.curl(f"http://{ip}:5000/")
    pods, sets, services, claims = run.tables()
    check_rows(pods, *pod_rows("time-server", 5))
    check_rows(sets, rf"statefulset\.apps/time-server 5/5 {AGE}")
    check_rows(services, KUBERNETES, rf"service/time-server ClusterIP {CLUSTER_IP} <none> 5000/TCP {AGE}")
    check_rows(claims, *claim_rows(world, "persistent", "time-server", 5, "64Mi", "RWO"))
    assert sum(int(run.cat(f"time-server-{i}", "/app_python/persistent/visits")) for i in range(5)) == visits
    check_started_in_order(world, "time-server", 5)
    run.told.save()


# ---- 2 ----

@pytest.mark.parametrize("client", ["kubectl", "helm4", "helm3"])
def test_scenario_2_has_hooks_and_a_port_of_the_machine(world, client):
    leave_a_claim_of_another_chart(world)
    run = Run(world, 2, client)
    run.install("app-python")
    pods, sets, services, claims = run.tables()
    hooks = [] if client == "kubectl" else [rf"pod/{when}-install-hook 0/1 Completed 0 {AGE}" for when in ("post", "pre")]
    check_rows(pods, *pod_rows("app-python", 3), *hooks)
    check_rows(sets, rf"statefulset\.apps/app-python 3/3 {AGE}")
    check_rows(services, rf"service/app-python NodePort {CLUSTER_IP} <none> 5000:30314/TCP {AGE}", KUBERNETES)
    check_rows(claims, *claim_rows(world, "data", "vault", 1, "10Gi", "RWO"))  # the set itself has none
    check_started_at_once(world, "app-python", 3)
    for address in ("127.0.0.1", node_address(world), "10.42.0.1"):
        assert "Visits: " in run.told.curl(f"http://{address}:30314/")
    visits = 3 + visit(world, "http://127.0.0.1:30314/", 27, replicas=3)
    assert sum(int(run.cat(f"app-python-{i}", "data/visits.txt")) for i in range(3)) == visits
    run.told.save()


def test_a_node_port_that_is_taken_is_refused_in_kubernetes_words(world):
    world.apply((ROOT / "examples" / "scenario2.yaml").read_text())
    second = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "second"},
              "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30314}]}}
    done = world.kubectl("create", "-f", "-", stdin=json.dumps(second), check=False)
    assert done.returncode == 1
    assert done.stderr == ('The Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30314: provided port '
                           'is already allocated\n')


# ---- 3 ----

LINE = rf'"Visits:\\n\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00 - {IP}\\n"'


@pytest.mark.parametrize("client", ["kubectl", "helm4"])
def test_scenario_3_keeps_visits_as_a_log(world, client):
    run = Run(world, 3, client)
    # a claim that is older than its pod is taken as it is
    world.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "visits-python-helm-1"},
                 "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "256M"}}}})
    uid = world.get("pvc", "visits-python-helm-1")["metadata"]["uid"]
    run.install("python-helm")
    pods, sets, services, claims = run.tables()
    check_rows(pods, *pod_rows("python-helm", 3))
    check_rows(sets, rf"statefulset\.apps/python-helm 3/3 {AGE}")
    check_rows(services, rf"service/app-python ClusterIP {CLUSTER_IP} <none> 80/TCP {AGE}", KUBERNETES)
    check_rows(claims, *claim_rows(world, "visits", "python-helm", 3, "256M", "RWO"))
    assert world.get("pvc", "visits-python-helm-1")["metadata"]["uid"] == uid
    check_started_at_once(world, "python-helm", 3)
    visits = visit(world, f"http://{cluster_ip(world, 'app-python')}/", 12, replicas=3)
    lines = [line for i in range(3) for line in run.cat(f"python-helm-{i}", "/home/app/data/visits.txt").splitlines()]
    assert len(lines) == visits
    for line in lines:
        assert re.fullmatch(LINE, line), line
    run.told.save()


def test_a_log_for_people_has_a_header_and_a_line_a_visit(world):
    manifest = (ROOT / "examples" / "scenario3.yaml").read_text().replace("value: quoted", "value: log")
    world.apply(manifest)
    world.kubectl("rollout", "status", "sts/python-helm", "--timeout=60s")
    visits = visit(world, f"http://{cluster_ip(world, 'app-python')}/", 12, replicas=3)
    count = 0
    for i in range(3):
        lines = world.out("exec", f"python-helm-{i}", "--", "cat", "/home/app/data/visits.txt").splitlines()
        assert lines[0] == "Visits:"
        count += len(lines) - 1
        for line in lines[1:]:
            assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00 - {IP}", line), line
    assert count == visits


# ---- 4 ----

STATEFUL = [f"app-stateful-{n}-app-python" for n in range(2)]
PORTS = [31050, 31539]


def install_two(run):
    if run.client == "kubectl":
        run.install(STATEFUL[0])
        run.told.kubectl("rollout", "status", f"sts/{STATEFUL[1]}", "--timeout=60s")
    else:
        run.install("app-stateful-0")
        run.install("app-stateful-1", "--set", "service.nodePort=31539")


@pytest.mark.parametrize("client", ["kubectl", "helm4"])
def test_scenario_4_runs_two_releases_on_one_port(world, client):
    run = Run(world, 4, client)
    install_two(run)
    addresses = [balancer(world, name) for name in STATEFUL]
    assert all(re.fullmatch(IP, a) for a in addresses) and addresses[0] != addresses[1], addresses
    pods, sets, services = run.tables(3)
    check_rows(pods, *[row for name in STATEFUL for row in pod_rows(name, 1)])
    check_rows(sets, *[rf"statefulset\.apps/{name} 1/1 {AGE}" for name in STATEFUL])
    check_rows(services, *[rf"service/{name} LoadBalancer {CLUSTER_IP} {address} 5000:{port}/TCP {AGE}"
                           for name, address, port in zip(STATEFUL, addresses, PORTS)], KUBERNETES)
    for name, address, port, times in zip(STATEFUL, addresses, PORTS, (57, 42)):
        assert "Visits: 1" in run.told.curl(f"http://{address}:5000/")
        visit(world, f"http://127.0.0.1:{port}/", 10)
        visit(world, f"http://{address}:5000/", times - 11)
        assert run.cat(f"{name}-0", "visits/visits.txt").strip() == str(times)
    run.told.stead("service", STATEFUL[0], check=False)
    assert run.told.stead("service", STATEFUL[1], "--url").stdout == f"http://{node_address(world)}:31539\n"
    run.told.save()


def browse(world, *args, opens=True):
    """`stead service` with a display and a browser that writes down what it is given."""
    browser = world.dir / "browser"
    browser.mkdir(exist_ok=True)
    (browser / "xdg-open").write_text(f'#!/bin/sh\necho "$@" >> {world.dir}/opened\nexit {0 if opens else 3}\n')
    (browser / "xdg-open").chmod(0o755)
    return world.run("env", "DISPLAY=:7", f"PATH={browser}:/usr/bin:/bin", BUILD / "stead", "service", *args, "--data",
                     world.data, "--run", world.run_dir, check=False)


def bare(world, *args):
    return world.run("env", "-u", "DISPLAY", "-u", "WAYLAND_DISPLAY", BUILD / "stead", "service", *args, "--data",
                     world.data, "--run", world.run_dir, check=False)


def service_table(*rows):
    head = ("NAMESPACE", "NAME", "TARGET PORT", "URL")
    widths = [max(len(row[c]) for row in (head, *rows)) for c in range(4)]
    line = "|" + "|".join("-" * (w + 2) for w in widths) + "|\n"

    def centred(text, width):
        left = (width - len(text)) // 2
        return " " * left + text + " " * (width - len(text) - left)

    text = line + "| " + " | ".join(centred(h, w) for h, w in zip(head, widths)) + " |\n" + line
    for row in rows:
        text += "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |\n"
    return text + line


def test_the_table_of_the_write_up_is_drawn_as_there():
    drawn = service_table(("default", "app-stateful-0-app-python", "http/5000", "http://192.168.49.2:31050"))
    scenario = """\
|-----------|---------------------------|-------------|---------------------------|
| NAMESPACE |           NAME            | TARGET PORT |            URL            |
|-----------|---------------------------|-------------|---------------------------|
| default   | app-stateful-0-app-python | http/5000   | http://192.168.49.2:31050 |
|-----------|---------------------------|-------------|---------------------------|
"""
    assert drawn == scenario


def test_stead_service_shows_and_opens_the_page(world):
    install_two(Run(world, 4, "kubectl"))
    url = f"http://{node_address(world)}:31050"
    row = ("default", STATEFUL[0], "http/5000", url)
    done = browse(world, STATEFUL[0])
    assert done.returncode == 0, done
    assert done.stdout == service_table(row) + f"Opening service default/{STATEFUL[0]} in default browser...\n"
    assert (world.dir / "opened").read_text() == url + "\n"
    done = browse(world, STATEFUL[0], "--url")
    assert (done.returncode, done.stdout, done.stderr) == (0, url + "\n", "")
    assert "Visits: 1" in world.curl(url)
    listed = bare(world, "list")
    assert listed.returncode == 0
    rows = [row, ("default", STATEFUL[1], "http/5000", f"http://{node_address(world)}:31539"),
            ("default", "kubernetes", "https/443", "https://10.96.0.1:443")]
    for line in service_table(*rows).splitlines()[3:-1]:
        assert any(re.split(r"\s*\|\s*", line) == re.split(r"\s*\|\s*", other)
                   for other in listed.stdout.splitlines()), listed.stdout


def test_stead_service_says_what_is_wrong(world):
    install_two(Run(world, 4, "kubectl"))
    url = f"http://{node_address(world)}:31050"
    done = bare(world, "no-such")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "stead: there is no service no-such in the namespace default; see: stead service list\n"
    done = bare(world, STATEFUL[0], "-n", "kube-system")
    assert done.returncode == 1
    assert f"there is no service {STATEFUL[0]} in the namespace kube-system" in done.stderr
    done = bare(world, STATEFUL[0])  # no display
    assert done.returncode == 1 and done.stdout.startswith("|---")
    assert done.stderr == f"stead: there is no display to open a browser on. Open {url} yourself; --url prints only the address.\n"
    done = browse(world, STATEFUL[0], opens=False)
    assert done.returncode == 1
    assert done.stderr == f"stead: no browser could be opened (is xdg-open installed?). Open {url} yourself.\n"
    done = bare(world)  # no name
    assert done.returncode == 2 and "service" in done.stderr
    done = bare(world, "a", "b")
    assert done.returncode == 2
    world.kubectl("create", "service", "clusterip", "bare", "--clusterip=None", "--tcp=80")
    done = bare(world, "bare", "--url")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "stead: service default/bare is headless: it has no address of its own\n"
    world.kubectl("scale", f"sts/{STATEFUL[0]}", "--replicas=0")
    world.kubectl("wait", "--for=delete", f"pod/{STATEFUL[0]}-0", "--timeout=30s")
    for done in (bare(world, STATEFUL[0], "--url"), browse(world, STATEFUL[0])):
        assert done.returncode == 1
        assert done.stderr == (f"stead: service default/{STATEFUL[0]} has no ready endpoint: "
                               "nothing answers there yet\n")
    assert world.run("curl", "-sS", "--max-time", "5", url, check=False).returncode == 7  # refused at once
    world.stead("down")
    done = bare(world, STATEFUL[0])
    assert (done.returncode, done.stderr) == (1, "stead: the server is not running. Start it with: stead up\n")


# ---- claims ----

@pytest.mark.parametrize("client", ["kubectl", "helm4"])
def test_counts_come_through_everything_that_takes_the_pods(world, client):
    """Scaling to none and back, deleting a pod, evicting one, deleting the set or the release."""
    run = Run(world, 3, client)
    run.install("python-helm")
    pods = [f"python-helm-{i}" for i in range(3)]
    visits = visit(world, f"http://{cluster_ip(world, 'app-python')}/", 12, replicas=3)

    def counts():
        return [world.out("exec", f"pod/{pod}", "--", "sh", "-c", "cat data/visits.txt | wc -l").strip() for pod in pods]

    def ready():
        world.kubectl("rollout", "status", "sts/python-helm", "--timeout=60s")
        world.kubectl("wait", "--for=condition=Ready", "pod", "-l", "controller-revision-hash", "--timeout=60s")

    def gone():
        world.kubectl("wait", "--for=delete", *[f"pod/{pod}" for pod in pods], "--timeout=30s")

    kept = counts()
    assert sum(map(int, kept)) == visits
    world.kubectl("scale", "sts/python-helm", "--replicas=0")
    gone()
    world.kubectl("scale", "sts/python-helm", "--replicas=3")
    ready()
    assert counts() == kept
    world.kubectl("delete", "pod", "python-helm-1")
    ready()
    world.kubectl("create", "--raw", "/api/v1/namespaces/default/pods/python-helm-0/eviction", "-f", "-",
                  stdin='{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"python-helm-0"}}')
    world.kubectl("wait", "--for=jsonpath={.status.availableReplicas}=3", "sts/python-helm", "--timeout=60s")
    ready()
    assert counts() == kept
    run.uninstall("python-helm")
    gone()
    rows = world.out("get", "pvc", "--no-headers").splitlines()
    assert [row.split()[:2] for row in rows] == [[f"visits-python-helm-{i}", "Bound"] for i in range(3)]
    run.install("python-helm")
    assert counts() == kept


# ---- 5 ----

BIN = "/app/persistent/visits.bin"
DEFAULTED = 'Defaulted container "app-py" out of: app-py, change-ownership-of-persistent-volume (init)\n'


DECODE = """python3 -c 'from sys import stdin;
print(int.from_bytes(stdin.buffer.read(), "little"))'"""


def binary(world, pod):
    done = world.kubectl("exec", f"pod/{pod}", "--", "cat", BIN, text=False)
    return int.from_bytes(done.stdout, "little"), done.stderr.decode()


def await_count(world, pod, least):
    world.kubectl("exec", pod, "-c", "app-py", "--", "timeout", "60", "sh", "-c",
                  f"until [ $(od -An -tu8 -N8 {BIN}) -ge {least} ]; do usleep 20000; done")


@pytest.mark.parametrize("client", ["kubectl", "helm4"])
def test_scenario_5_counts_its_probes_on_its_old_claims(world, client):
    run = Run(world, 5, client)
    run.install("app-py")
    pods = [f"app-py-{i}" for i in range(4)]
    for pod in pods:
        await_count(world, pod, 2)
    before = [binary(world, pod)[0] for pod in pods]
    claims = {c["metadata"]["name"]: c["metadata"] for c in world.get("pvc")["items"]}
    run.uninstall("app-py")
    world.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=30s")
    notes = run.install("app-py")
    if notes is not None:
        assert "The claim persistent-app-py-0 was there before: its count goes on." in notes
    again = {c["metadata"]["name"]: c["metadata"] for c in world.get("pvc")["items"]}
    assert {n: m["uid"] for n, m in again.items()} == {n: m["uid"] for n, m in claims.items()}
    table, sets, services, rows = run.tables()
    check_rows(table, *pod_rows("app-py", 4))
    check_started_in_order(world, "app-py", 4)
    check_rows(sets, rf"statefulset\.apps/app-py 4/4 {AGE}")
    address = balancer(world, "app-py")
    check_rows(services, rf"service/app-py LoadBalancer {CLUSTER_IP} {address} 5000:32326/TCP {AGE}", KUBERNETES)
    check_rows(rows, *claim_rows(world, "persistent", "app-py", 4, "1Mi", "RWOP"))
    # with no user at all the counts grow, alike
    for pod, count in zip(pods, before):
        await_count(world, pod, count + 4)
    read = [binary(world, pod) for pod in pods]
    growth = [count - old for (count, _), old in zip(read, before)]
    assert max(growth) - min(growth) <= 4, growth
    assert all(said == DEFAULTED for _, said in read)
    # as the write-up has it, with its pipe
    pipe = f"kubectl exec pod/app-py-1 -- cat {BIN} | {DECODE}"
    done = world.shell(pipe)
    run.told.line(pipe, done.stderr + done.stdout)
    assert done.stderr == DEFAULTED
    assert int(done.stdout) >= read[1][0]
    assert "Visits: " in run.told.curl(f"http://{address}:5000/")
    ids = world.out("exec", "app-py-0", "-c", "app-py", "--", "sh", "-c", f"id -u; stat -c %u:%g /app/persistent {BIN}")
    assert ids.split() == ["1000", "1000:1000", "1000:1000"]
    run.told.save()


@pytest.mark.parametrize("client", ["kubectl", "helm4"])
def test_scenario_5_may_start_all_at_once(world, client):
    if client == "kubectl":
        manifest = (ROOT / "examples" / "scenario5.yaml").read_text()
        assert manifest.count("  replicas: 4\n") == 1
        world.apply(manifest.replace("  replicas: 4\n", "  replicas: 4\n  podManagementPolicy: Parallel\n"))
        world.kubectl("rollout", "status", "sts/app-py", "--timeout=60s")
    else:
        Run(world, 5, client).install("app-py", "--set", "podManagementPolicy=Parallel")
    check_started_at_once(world, "app-py", 4)


def test_a_second_pod_on_a_claim_for_one_pod_stays_pending(world):
    Run(world, 5, "kubectl").install("app-py")
    world.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "second"},
                 "spec": {"terminationGracePeriodSeconds": 1,
                          "containers": [{"name": "second", "image": "time-server:latest", "command": ["sleep", "600"],
                                          "imagePullPolicy": "IfNotPresent",
                                          "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                          "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "persistent-app-py-0"}}]}})
    world.kubectl("wait", "--for=jsonpath={.status.conditions[?(@.type==\"PodScheduled\")].reason}=Unschedulable",
                  "pod/second", "--timeout=20s")
    assert world.out("get", "pod", "second", "--no-headers").split()[2] == "Pending"
    events = world.get("events", "--field-selector", "involvedObject.name=second")["items"]
    said = [e["message"] for e in events if e["reason"] == "FailedScheduling"]
    assert said and "PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod" in said[0]
    # and runs when the claim is let go
    world.kubectl("delete", "sts", "app-py")
    world.kubectl("wait", "--for=condition=Ready", "pod/second", "--timeout=30s")
