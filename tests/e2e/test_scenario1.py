# SPDX-License-Identifier: Apache-2.0
"""Scenario 1: time-server from plain manifests, started in order. To the letter of what a user sees."""
import re

import pytest

from world import ROOT

MANIFEST = (ROOT / "examples" / "scenario1.yaml").read_text()
NAMES = [f"time-server-{i}" for i in range(5)]
FILE = "/app_python/persistent/visits"
AGE = r"\d+[smh]\d*[sm]?"
IP = r"10\.(9[6-9]|10\d|11[01])\.\d+\.\d+"


def counts(world, names=None):
    names = NAMES if names is None else names
    read = f"cat {FILE} 2>/dev/null || echo 0"  # a pod that nobody visited has no file yet
    return [int(world.out("exec", f"pod/{name}", "--", "sh", "-c", read)) for name in names]


def visit(world, times):
    ip = world.out("get", "service", "time-server", "-o", "jsonpath={.spec.clusterIP}")
    for _ in range(times):
        assert "Visits: " in world.curl(f"http://{ip}:5000/")


def ready(world):
    world.kubectl("rollout", "status", "statefulset/time-server", "--timeout=60s")


@pytest.fixture
def running(world):
    world.apply(MANIFEST)
    ready(world)
    return world


def test_four_tables_are_printed_as_in_the_scenario(running):
    visit(running, 1)  # every count file but those of pods that nobody visited is there
    tables = running.out("get", "po,sts,svc,pvc").split("\n\n")
    assert len(tables) == 4
    pods, sets, services, claims = [table.strip().splitlines() for table in tables]
    assert re.split(r"\s{2,}", pods[0].strip()) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    for name, row in zip(NAMES, pods[1:], strict=True):
        assert re.fullmatch(rf"pod/{name}\s+1/1\s+Running\s+0\s+{AGE}", row.strip()), row
    assert re.split(r"\s{2,}", sets[0].strip()) == ["NAME", "READY", "AGE"]
    assert re.fullmatch(rf"statefulset.apps/time-server\s+5/5\s+{AGE}", sets[1].strip())
    assert re.split(r"\s{2,}", services[0].strip()) == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert re.fullmatch(rf"service/kubernetes\s+ClusterIP\s+10\.96\.0\.1\s+<none>\s+443/TCP\s+{AGE}",
                        services[1].strip())
    assert re.fullmatch(rf"service/time-server\s+ClusterIP\s+{IP}\s+<none>\s+5000/TCP\s+{AGE}", services[2].strip())
    assert re.split(r"\s{2,}", claims[0].strip()) == ["NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS MODES",
                                                      "STORAGECLASS", "VOLUMEATTRIBUTESCLASS", "AGE"]
    for i, row in enumerate(claims[1:]):
        name = f"persistent-time-server-{i}"
        uid = running.out("get", "pvc", name, "-o", "jsonpath={.metadata.uid}")
        assert re.fullmatch(rf"persistentvolumeclaim/{name}\s+Bound\s+pvc-{uid}\s+64Mi\s+RWO\s+standard\s+<unset>\s+{AGE}",
                            row.strip()), row
    assert len(claims) == 6


def test_pods_start_strictly_one_after_the_other(running):
    pods = {pod["metadata"]["name"]: pod for pod in running.get("pods")["items"]}
    created = [pods[name]["metadata"]["creationTimestamp"] for name in NAMES]
    assert created == sorted(created)
    events = running.get("events", "--field-selector", "involvedObject.kind=StatefulSet")["items"]
    order = [re.search(r"Pod (\S+) in", e["message"])[1] for e in
             sorted(events, key=lambda e: int(e["metadata"]["resourceVersion"])) if "reate Pod" in e["message"]]
    assert order == NAMES
    # each pod was made only after its predecessor had become ready
    revisions = {name: int(pods[name]["metadata"]["resourceVersion"]) for name in NAMES}
    assert [revisions[name] for name in NAMES] == sorted(revisions.values())


def test_requests_are_spread_and_counts_sum_to_what_was_answered(running):
    visit(running, 60)
    seen = counts(running)
    assert sum(seen) == 60
    assert all(n > 0 for n in seen), seen
    assert running.out("exec", "pod/time-server-3", "--", "cat", FILE).strip() == str(seen[3])


def test_a_pod_that_is_not_ready_gets_no_request(running):
    # a stopped process answers no probe
    address = running.out("get", "pod", "time-server-2", "-o", "jsonpath={.status.podIP}")
    running.run("sh", "-c", "for p in $(pidof time-server); do "
                f"nsenter -t $p -n ip -4 addr show dev eth0 | grep -q '{address}/' && kill -STOP $p; done; true")
    running.kubectl("wait", "--for=condition=Ready=false", "pod/time-server-2", "--timeout=60s")
    before = counts(running, NAMES[:2] + NAMES[3:])
    visit(running, 20)
    after = counts(running, NAMES[:2] + NAMES[3:])
    assert sum(after) - sum(before) == 20


def test_a_deleted_pod_comes_back_with_its_name_volume_and_count(running):
    visit(running, 20)
    before = counts(running)
    pod = running.get("pod", "time-server-2")
    claim = running.get("pvc", "persistent-time-server-2")
    running.kubectl("delete", "pod", "time-server-2")
    running.kubectl("wait", "--for=create", "pod/time-server-2", "--timeout=60s", check=False)
    ready(running)
    again = running.get("pod", "time-server-2")
    assert again["metadata"]["uid"] != pod["metadata"]["uid"]
    assert running.get("pvc", "persistent-time-server-2")["spec"]["volumeName"] == claim["spec"]["volumeName"]
    assert counts(running) == before


def test_scaling_down_and_up_keeps_the_counts(running):
    visit(running, 30)
    before = counts(running)
    running.kubectl("scale", "sts/time-server", "--replicas=2")
    for name in reversed(NAMES[2:]):
        running.kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=60s")
    assert running.out("get", "sts", "time-server", "--no-headers").split()[1] == "2/2"
    assert len(running.get("pvc")["items"]) == 5
    running.kubectl("scale", "sts/time-server", "--replicas=5")
    ready(running)
    assert counts(running) == before


def test_claims_outlive_the_set_and_a_new_set_finds_them(running):
    visit(running, 20)
    before = counts(running)
    running.kubectl("delete", "sts", "time-server")
    running.kubectl("wait", "--for=delete", "pod", "-l", "app=time-server", "--timeout=60s")
    assert len(running.get("pvc")["items"]) == 5
    running.apply(MANIFEST)
    ready(running)
    assert counts(running) == before


def test_pods_answer_while_the_server_is_killed_and_come_through_a_restart(running):
    visit(running, 20)
    before = counts(running)
    uids = {p["metadata"]["name"]: p["metadata"]["uid"] for p in running.get("pods")["items"]}
    running.kill_server()
    running.stead("up")
    ready(running)
    assert {p["metadata"]["name"]: p["metadata"]["uid"] for p in running.get("pods")["items"]} == uids
    assert all(p["status"]["containerStatuses"][0]["restartCount"] == 0 for p in running.get("pods")["items"])
    assert counts(running) == before
    visit(running, 5)
    assert sum(counts(running)) == sum(before) + 5


def test_services_answer_while_no_server_runs(running):
    ip = running.out("get", "service", "time-server", "-o", "jsonpath={.spec.clusterIP}")
    running.kill_server()
    for _ in range(10):
        assert "Visits: " in running.curl(f"http://{ip}:5000/")
    running.stead("up")


def test_a_killed_container_is_restarted_with_its_count(running):
    visit(running, 20)
    before = counts(running)
    address = running.out("get", "pod", "time-server-1", "-o", "jsonpath={.status.podIP}")
    running.run("sh", "-c", "for p in $(pidof time-server); do "
                f"nsenter -t $p -n ip -4 addr show dev eth0 | grep -q '{address}/' && kill -9 $p; done; true")
    running.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/time-server-1",
                    "--timeout=60s")
    ready(running)
    assert counts(running) == before


def test_restart_of_everything_keeps_the_counts(running):
    visit(running, 20)
    before = counts(running)
    running.stead("down")
    running.stead("up")
    ready(running)
    assert counts(running) == before


def test_names_of_the_set_resolve_from_a_pod(running):
    out = running.out("exec", "time-server-0", "--", "nslookup", "time-server.default.svc.cluster.local")
    ip = running.out("get", "service", "time-server", "-o", "jsonpath={.spec.clusterIP}")
    assert ip in out
