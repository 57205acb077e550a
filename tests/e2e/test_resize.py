# SPDX-License-Identifier: Apache-2.0
"""The resources of pods that run are changed: in place, by a restart, later, or not at all."""
import json

import pytest
from podkit import ENDLESS, Pods, container, pod

# What a shell in the container sees of its own limits, under cgroup v1 and v2.
CPU = ("if [ -e /sys/fs/cgroup/cpu.max ]; then cut -d' ' -f1 /sys/fs/cgroup/cpu.max; "
       "else cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us; fi")
MEMORY = ("if [ -e /sys/fs/cgroup/memory.max ]; then cat /sys/fs/cgroup/memory.max; "
          "else cat /sys/fs/cgroup/memory/memory.limit_in_bytes; fi")
MIB = 1 << 20


@pytest.fixture
def pods(shared):
    kit = Pods(shared)
    yield kit
    kit.close()


def resources(cpu, memory):
    return {"limits": {"cpu": cpu, "memory": memory}, "requests": {"cpu": "10m", "memory": "16Mi"}}


def resize(pods, name, *containers, check=True, **spec):
    patch = {"spec": {"containers": [{"name": name, "resources": wanted} for name, wanted in containers], **spec}}
    return pods.world.kubectl("patch", "pod", name, "--subresource=resize", "-p", json.dumps(patch), check=check)


def settled(pods, name, cpu, container=0):
    pods.wait(name, f"jsonpath={{.status.containerStatuses[{container}].resources.limits.cpu}}={cpu}")
    pods.world.kubectl("wait", "--for=jsonpath={.status.conditions[?(@.type=='Ready')].status}=True", f"pod/{name}",
                       "--timeout=60s")


def limits(pods, name, c=None):
    return pods.sh(name, CPU, c).strip(), int(pods.sh(name, MEMORY, c))


def test_resources_change_while_the_container_runs(pods):
    pods.run("grows", c_resources=resources("200m", "64Mi"))
    before = pods.field("grows", ".status.containerStatuses[0].containerID")
    assert limits(pods, "grows") == ("20000", 64 * MIB)
    resize(pods, "grows", ("main", resources("500m", "128Mi")))
    settled(pods, "grows", "500m")
    assert limits(pods, "grows") == ("50000", 128 * MIB)
    resize(pods, "grows", ("main", resources("100m", "96Mi")))
    settled(pods, "grows", "100m")
    assert limits(pods, "grows") == ("10000", 96 * MIB)
    assert pods.field("grows", ".status.containerStatuses[0].containerID") == before
    assert pods.field("grows", ".status.containerStatuses[0].restartCount") == "0"
    events = pods.events("grows")
    assert len(events["ResizeStarted"]) == 2 and len(events["ResizeCompleted"]) == 2


def test_a_resize_policy_restarts_its_container_and_no_other(pods):
    made = pod("restarts", ENDLESS, c_resources=resources("200m", "64Mi"),
               c_resizePolicy=[{"resourceName": "memory", "restartPolicy": "RestartContainer"}])
    made["spec"]["containers"].append(container("other", ENDLESS, resources=resources("200m", "64Mi")))
    pods.start(made)
    resize(pods, "restarts", ("main", resources("300m", "128Mi")), ("other", resources("400m", "32Mi")))
    pods.wait("restarts", "jsonpath={.status.containerStatuses[0].restartCount}=1")
    settled(pods, "restarts", "300m")
    settled(pods, "restarts", "400m", container=1)
    pods.wait("restarts", "condition=Ready")
    assert limits(pods, "restarts", "main") == ("30000", 128 * MIB)
    assert limits(pods, "restarts", "other") == ("40000", 32 * MIB)
    assert pods.field("restarts", ".status.containerStatuses[*].restartCount") == "1 0"


def test_memory_in_use_is_not_taken_away(pods):
    pods.run("full", c_resources=resources("200m", "64Mi"))
    pods.sh("full", "head -c 24000000 /dev/zero >/dev/shm/file")
    resize(pods, "full", ("main", resources("200m", "16Mi")))
    pods.wait("full", "jsonpath={.status.conditions[?(@.type=='PodResizeInProgress')].reason}=Error")
    message = pods.field("full", ".status.conditions[?(@.type=='PodResizeInProgress')].message")
    assert message.startswith('cannot decrease memory limits: attempting to set container "main" memory limit (16777216) '
                              "below current usage (")
    assert limits(pods, "full") == ("20000", 64 * MIB)
    pods.sh("full", "rm /dev/shm/file")  # tried again, until there is room
    pods.wait("full", "jsonpath={.status.containerStatuses[0].resources.limits.memory}=16Mi")
    assert limits(pods, "full") == ("20000", 16 * MIB)
    assert len(pods.events("full")["ResizeError"]) >= 1


def test_a_pod_waits_for_room_that_another_one_has(pods):
    cpus = int(pods.world.out("get", "nodes", "-o", "jsonpath={.items[0].status.allocatable.cpu}"))
    half = {"requests": {"cpu": f"{cpus * 500 - 50}m"}}
    pods.run("holder", c_resources=half)
    pods.run("waiter", c_resources={"requests": {"cpu": "10m"}})
    resize(pods, "waiter", ("main", {"requests": {"cpu": f"{cpus * 600}m"}}))
    pods.wait("waiter", "jsonpath={.status.conditions[?(@.type=='PodResizePending')].reason}=Deferred")
    message = pods.field("waiter", ".status.conditions[?(@.type=='PodResizePending')].message")
    assert message.startswith(f"Node didn't have enough resource: cpu, requested: {cpus * 600}, used: ")
    refused = resize(pods, "waiter", ("main", {"requests": {"cpu": f"{cpus + 1}"}}), check=False)
    assert "node didn't have enough allocatable resources: cpu, requested: " in refused.stderr
    # neither the scheduler nor a restarted server gives the room away twice
    pods.world.kubectl("delete", "pod", "holder", "--wait=false")
    pods.wait("waiter", f"jsonpath={{.status.containerStatuses[0].allocatedResources.cpu}}={cpus * 600}m")
    assert not pods.field("waiter", ".status.conditions[?(@.type=='PodResizePending')].reason")


def test_a_pod_has_resources_as_a_whole_that_change(pods):
    made = pod("whole", ENDLESS)
    made["spec"]["resources"] = resources("300m", "64Mi")
    pods.start(made)
    resize(pods, "whole", resources=resources("400m", "96Mi"))
    pods.wait("whole", "jsonpath={.status.resources.limits.cpu}=400m")
    assert pods.field("whole", ".status.allocatedResources.memory") == "16Mi"
    uid = pods.field("whole", ".metadata.uid")
    found = pods.world.run("sh", "-c", "cat /sys/fs/cgroup/memory/*/pod$0/memory.limit_in_bytes 2>/dev/null || "
                           "cat /sys/fs/cgroup/*/pod$0/memory.max", uid).stdout
    assert int(found) == 96 * MIB
