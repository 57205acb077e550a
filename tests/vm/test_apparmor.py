# SPDX-License-Identifier: Apache-2.0
"""AppArmor profiles of containers, on a kernel that has AppArmor. Debian's kernel has; that of other test machines often has not."""
import json

import pytest

from machine import Machine


@pytest.fixture(scope="module")
def world():
    made = Machine()
    yield made.up()
    made.close()


def pod(name, profile=None, annotation=None, **security):
    meta = {"name": name}
    if annotation:
        meta["annotations"] = {"container.apparmor.security.beta.kubernetes.io/main": annotation}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta,
            "spec": {"terminationGracePeriodSeconds": 0, "securityContext": {"appArmorProfile": profile} if profile else {},
                     "containers": [{"name": "main", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
                                     "command": ["sleep", "100000"], "securityContext": security}]}}


def test_containers_get_the_profile_that_they_name(world):
    world.run("apparmor_parser", "-r", stdin="profile stead-vm-test flags=(attach_disconnected) { file, capability, network, signal, }\n")
    rows = {
        "plain": (pod("plain"), "stead-default (enforce)"),
        "named": (pod("named", {"type": "RuntimeDefault"}), "stead-default (enforce)"),
        "free": (pod("free", {"type": "Unconfined"}), "unconfined"),
        "noted": (pod("noted", annotation="unconfined"), "unconfined"),
        "local": (pod("local", {"type": "Localhost", "localhostProfile": "stead-vm-test"}), "stead-vm-test (enforce)"),
        "power": (pod("power", privileged=True), "unconfined"),
    }
    world.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [row[0] for row in rows.values()]}))
    world.kubectl("wait", "--for=condition=Ready", *[f"pod/{name}" for name in rows], "--timeout=120s")
    for name, (_, profile) in rows.items():
        # of the container's first process, and of what exec starts
        assert world.out("exec", name, "--", "sh", "-c", "cat /proc/1/attr/current /proc/self/attr/current").split("\n")[:2] == [profile] * 2
    world.kubectl("delete", "pod", *rows)


def test_the_default_profile_keeps_a_container_from_what_its_capabilities_would_allow(world):
    """The same container may do it without the profile, so it is the profile that refuses."""
    for name, profile in (("kept", "RuntimeDefault"), ("loose", "Unconfined")):
        world.apply(json.dumps(pod(name, {"type": profile}, capabilities={"add": ["SYS_ADMIN"]})))
    world.kubectl("wait", "--for=condition=Ready", "pod/kept", "pod/loose", "--timeout=120s")
    for name in ("kept", "loose"):
        done = world.kubectl("exec", name, "--", "mount", "-t", "tmpfs", "none", "/tmp", check=False)
        assert (done.returncode == 0) == (name == "loose"), (name, done)
        world.kubectl("exec", name, "--", "sh", "-c", "echo x > /etc/x && sleep 100 & kill $! && kill -0 1 && nslookup kubernetes.default.svc.cluster.local")
    world.kubectl("delete", "pod", "kept", "loose")


def test_a_profile_that_is_not_there_is_said(world):
    world.apply(json.dumps(pod("missing", {"type": "Localhost", "localhostProfile": "no-such"})))
    world.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerError", "pod/missing",
                  "--timeout=60s")
    assert "apparmor profile not found no-such" in world.out("describe", "pod", "missing")
    world.kubectl("delete", "pod", "missing")
