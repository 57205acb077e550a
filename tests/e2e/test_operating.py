# SPDX-License-Identifier: Apache-2.0
"""What an operator is told: the cases of docs/operating.md, and the metrics as Prometheus reads them."""
import json
import re

from podkit import ENDLESS, container, pods  # noqa: F401
from prometheus_client.parser import text_string_to_metric_families as parse

import api
import world as worlds

EXPECTED = {
    "apiserver_request": "counter", "apiserver_request_duration_seconds": "histogram",
    "apiserver_request_sli_duration_seconds": "histogram", "apiserver_response_sizes": "histogram",
    "apiserver_storage_objects": "gauge", "apiserver_resource_objects": "gauge",
    "apiserver_current_inflight_requests": "gauge", "workqueue_adds": "counter", "workqueue_depth": "gauge",
    "workqueue_queue_duration_seconds": "histogram", "workqueue_work_duration_seconds": "histogram",
    "workqueue_retries": "counter", "workqueue_unfinished_work_seconds": "gauge",
    "workqueue_longest_running_processor_seconds": "gauge", "process_cpu_seconds": "counter",
    "stead_http_connections": "gauge", "process_resident_memory_bytes": "gauge", "process_open_fds": "gauge", "process_start_time_seconds": "gauge",
    "stead_pods": "gauge", "stead_store_commits": "counter", "stead_store_commit_writes": "histogram",
    "stead_store_commit_duration_seconds": "histogram", "stead_store_commit_wait_seconds": "histogram",
    "prober_probe": "counter",
}


def scrape(world):
    return {family.name: family for family in parse(world.out("get", "--raw", "/metrics"))}


def value(families, name, **labels):
    return sum(sample.value for sample in families[name].samples
               if not sample.name.endswith("_created") and labels.items() <= sample.labels.items())


def check_histogram(family):
    """Buckets grow, and the last is the count, for each set of labels."""
    buckets, counts = {}, {}
    for sample in family.samples:
        key = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[key] = sample.value
    assert buckets.keys() == counts.keys() and buckets
    for key, all_of in buckets.items():
        bounds, values = zip(*all_of)
        assert list(bounds) == sorted(bounds) and list(values) == sorted(values), (family.name, all_of)
        assert bounds[-1] == float("inf") and values[-1] == counts[key], (family.name, all_of)


def set_of(name, image="time-server:latest", **more):
    main = container("main", ENDLESS, readinessProbe={"exec": {"command": ["true"]}}) | {"image": image}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name},
            "spec": {"replicas": 1, "serviceName": name, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"terminationGracePeriodSeconds": 1, "containers": [main]}}, **more}}


def wait_for_event(world, reason, about):
    fields = f"reason={reason},involvedObject.name={about}"
    done = world.shell(f"timeout 60 kubectl get events -w --field-selector={fields} -o jsonpath='{{.message}}{{\"\\n\"}}' "
                       "| head -n 1")
    assert done.stdout, f"no Event {reason} of {about}"
    return done.stdout


# ---- health and metrics ----

def test_metrics_are_what_prometheus_expects(shared):
    shared.apply(set_of("counted"))
    shared.kubectl("rollout", "status", "statefulset/counted", "--timeout=90s")
    families = scrape(shared)
    for name, kind in EXPECTED.items():
        assert name in families and families[name].type == kind, (name, families.get(name))
        assert families[name].documentation
    for family in families.values():
        if family.type == "histogram":
            check_histogram(family)
    assert value(families, "stead_pods", phase="Running") == 1
    assert value(families, "stead_http_connections") >= 1
    assert value(families, "apiserver_storage_objects", resource="statefulsets.apps") == 1
    assert value(families, "prober_probe", pod="counted-0", result="successful") >= 1
    pid = shared.server_pid()
    status = shared.run("cat", f"/proc/{pid}/status").stdout
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024
    assert abs(value(families, "process_resident_memory_bytes") - resident) < 64 << 20
    shared.kubectl("delete", "statefulset", "counted", "--cascade=foreground")
    families = scrape(shared)
    assert value(families, "stead_pods", phase="Running") == 0
    assert "prober_probe" not in families or not value(families, "prober_probe", pod="counted-0")


def test_health_has_its_parts(shared):
    text = shared.out("get", "--raw", "/readyz?verbose")
    for part in ("ping", "store", "start", "loop", "controllers", "node", "network"):
        assert f"[+]{part} ok\n" in text
        assert shared.out("get", "--raw", f"/readyz/{part}") == "ok"


# ---- the cases of docs/operating.md ----

def test_a_broken_rollout_explains_itself(shared):
    shared.apply(set_of("roll"))
    shared.kubectl("rollout", "status", "statefulset/roll", "--timeout=90s")
    shared.kubectl("set", "image", "statefulset/roll", "main=no-such-image:2")
    message = wait_for_event(shared, "Failed", "roll-0")
    assert "no-such-image" in message
    line = next(line for line in shared.log().splitlines() if " pod: " in line and "pod=default/roll-0" in line)
    assert " warn  pod: " in line and "container=main" in line and "reason=Failed" in line, line
    assert value(scrape(shared), "stead_pod_warnings", reason="Failed") >= 1
    shared.kubectl("delete", "statefulset", "roll")


def test_a_taken_name_explains_itself(shared):
    shared.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "taken-0"},
                  "spec": {"terminationGracePeriodSeconds": 1, "containers": [container("main", ENDLESS)]}})
    shared.apply(set_of("taken"))
    message = wait_for_event(shared, "FailedCreate", "taken")
    assert message == ('Create Pod taken-0 in StatefulSet taken failed error: pods "taken-0" already exists and is not '
                       "controlled by this StatefulSet\n")
    shared.kubectl("delete", "pod/taken-0", "statefulset/taken", "--wait=false")


def test_an_occupied_port_explains_itself(machine):
    holder = machine.start("python3", "-c", "import socket,time\ns=socket.create_server(('127.0.0.1',6443))\n"
                           "print('ready',flush=True)\ntime.sleep(600)")
    assert holder.stdout.readline() == "ready\n"
    up = machine.stead("up", check=False)
    server = machine.run(worlds.BUILD / "stead", "server", "--no-network", "--data", machine.data, "--run",
                         machine.run_dir, check=False)
    machine.stop(holder)
    for done in (up, server):
        assert done.returncode == 1 and "127.0.0.1:6443" in done.stderr and "in use" in done.stderr, done.stderr
    assert " error server: the server does not start: " in server.stderr


def test_a_full_disk_explains_itself(machine):
    world = machine.small_disk("48m").up()
    caller = api.Api(world, api.Credentials(world).context())
    path = "/api/v1/namespaces/default/configmaps"
    world.fill_disk()
    _, status, body = caller.create_until_refused(path, 500000)
    assert status == 507, (status, body)
    families = scrape(world)
    assert value(families, "stead_store_commit_failures", reason="no_space") >= 1
    failed = world.kubectl("get", "--raw", "/readyz", check=False)
    assert failed.returncode != 0 and "[-]store failed" in failed.stderr, failed
    assert world.out("get", "--raw", "/livez") == "ok"
    world.free_disk()
    assert caller.call("POST", path, {"metadata": {"name": "after"}})[0] == 201
    assert world.out("get", "--raw", "/readyz") == "ok"
    log = world.run("cat", world.data / "stead.log").stdout
    assert re.search(r" error store: a commit of \d+ writes failed: write .*No space left on device", log), log
    caller.close()


def test_json_lines_are_json(machine):
    world = machine
    server = world.start(worlds.BUILD / "stead", "server", "--no-network", "--data", world.data, "--run", world.run_dir,
                         "--listen", "127.0.0.1:6443", "--log-format", "json", "--log-level", "debug",
                         stderr=-1, stdout=None)
    for text in server.stderr:
        line = json.loads(text)
        assert {"time", "level", "area", "message"} <= line.keys()
        if line["area"] == "reconcile":
            break
    assert line["controller"] and line["outcome"] == "success" and line["ms"] >= 0, line
    world.stop(server)
