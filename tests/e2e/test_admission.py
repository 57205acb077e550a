# SPDX-License-Identifier: Apache-2.0
"""What the pods of a namespace may use and do, and who has to go for whom, with the real kubectl and real pods."""
import pytest
from podkit import Pods, pod

FOO = "example.com/foo"


@pytest.fixture
def pods(shared):
    kit = Pods(shared)
    yield kit
    kit.close()


def refusal(world, manifest, *args):
    done = world.apply(manifest, *args, check=False)
    assert done.returncode != 0, done.stdout
    return done.stderr


def used(world):
    return world.out("get", "resourcequota", "q", "-o", "jsonpath={.status.used.pods}/{.status.hard.pods}")


def test_a_quota_holds_over_the_death_of_the_server(pods):
    world = pods.world
    world.kubectl("create", "quota", "q", "--hard=pods=2")
    world.kubectl("wait", "resourcequota/q", "--for=jsonpath={.status.used.pods}=0", "--timeout=60s")
    pods.run("one")
    pods.run("two")
    assert "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2" in refusal(world, pod("three", "true"))
    world.kill_server()
    world.up()
    assert used(world) == "2/2"
    assert "exceeded quota" in refusal(world, pod("three", "true"))
    world.kubectl("delete", "pod", "one")
    world.kubectl("wait", "resourcequota/q", "--for=jsonpath={.status.used.pods}=1", "--timeout=60s")
    assert "pods: 1/2" in world.out("get", "quota", "q")
    assert "pods        1     2" in world.out("describe", "quota", "q")
    world.kubectl("delete", "quota", "q")


def test_a_more_important_pod_takes_the_place_of_a_less_important_one(pods):
    world = pods.world
    node = world.out("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    world.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p",
                  f'{{"status":{{"capacity":{{"{FOO}":"1"}},"allocatable":{{"{FOO}":"1"}}}}}}')
    for name, value in ("low", 1), ("high", 100):
        world.kubectl("create", "priorityclass", name, f"--value={value}")
    takes = {"c_resources": {"limits": {FOO: "1"}}}
    pods.run("small", priorityClassName="low", **takes)
    pods.run("large", priorityClassName="high", **takes)
    assert world.kubectl("get", "pod", "small", check=False).returncode != 0
    events = pods.events("small")
    assert "Preempted by pod" in events["Preempted"][0]
    assert not pods.field("large", ".status.nominatedNodeName")
    assert world.out("get", "node", node, "-o", f"jsonpath={{.status.allocatable.{FOO.replace('.', chr(92) + '.')}}}") == "1"


def test_a_taint_evicts_pods_that_do_not_tolerate_it(pods):
    world = pods.world
    node = world.out("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    pods.run("guest")
    pods.run("native", tolerations=[{"key": "k", "operator": "Exists", "effect": "NoExecute"}])
    world.kubectl("taint", "node", node, "k=v:NoExecute")
    try:
        world.kubectl("wait", "pod/guest", "--for=delete", "--timeout=60s")
    finally:
        world.kubectl("taint", "node", node, "k-")
    assert pods.field("native", ".status.phase") == "Running"
    assert not pods.field("native", ".metadata.deletionTimestamp")


def test_a_namespace_refuses_and_warns_by_its_labels(pods):
    world = pods.world
    pods.run("plain")
    done = world.kubectl("label", "--dry-run=server", "namespace", "default", "pod-security.kubernetes.io/enforce=restricted")
    assert 'Warning: existing pods in namespace "default" violate the new PodSecurity enforce level "restricted:latest"' in done.stderr
    world.kubectl("create", "namespace", "strict")
    world.kubectl("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=baseline")
    free = pod("free", "true", hostNetwork=True)
    assert 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)' in refusal(world, free, "-n", "strict")
