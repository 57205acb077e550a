# SPDX-License-Identifier: Apache-2.0
"""A server of an ordinary user on a machine whose systemd delegates cgroups: the five scenarios, and limits that apply."""
import json
import re

import pytest

import test_scenarios as scenarios
from machine import User
from transcript import Transcript


@pytest.fixture
def alice(request):
    made = User()
    request.addfinalizer(made.close)
    return made


@pytest.fixture
def world(alice, monkeypatch):
    monkeypatch.setattr(scenarios, "node_address", lambda _: "127.0.0.1")
    monkeypatch.setattr(Transcript, "save", lambda _: None)
    return alice.up()


@pytest.mark.parametrize("scenario", [
    scenarios.test_scenario_1_starts_in_order_and_counts, scenarios.test_scenario_2_has_hooks_and_a_port_of_the_machine,
    scenarios.test_scenario_3_keeps_visits_as_a_log, scenarios.test_scenario_4_runs_two_releases_on_one_port,
    scenarios.test_scenario_5_counts_its_probes_on_its_old_claims], ids=lambda scenario: scenario.__name__[5:15])
@pytest.mark.parametrize("client", ["kubectl", "helm4"])
def test_the_scenarios_run_without_root(world, scenario, client):
    scenario(world, client)


LIMITED = """
apiVersion: v1
kind: Pod
metadata: {name: limited}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: time-server:latest
    imagePullPolicy: IfNotPresent
    command: [sleep, "100000"]
    resources: {limits: {memory: 64Mi, cpu: 200m}}
---
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: time-server:latest
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "tail -c 1000000000 /dev/zero"]
    resources: {limits: {memory: 32Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: forking}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: time-server:latest
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "i=0; while [ $i -lt 200 ]; do sleep 100000 & i=$((i+1)); done"]
"""


def test_limits_apply(alice):
    alice.options = ["--pod-pids-limit", "64"]
    alice.stead("up")
    alice.options = []
    assert "Cgroups:  yes, delegated by systemd\n" in alice.stead("status").stdout
    alice.apply(LIMITED)
    alice.kubectl("wait", "--for=condition=Ready", "pod/limited", "--timeout=60s")

    def limit(file):
        return alice.out("exec", "limited", "--", "cat", f"/sys/fs/cgroup/{file}").strip()

    assert limit("memory.max") == str(64 << 20)
    assert limit("cpu.max") == "20000 100000"
    alice.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/hungry", "pod/forking", "--timeout=60s")
    ended = alice.get("pod", "hungry")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert "an't fork" in alice.out("logs", "forking")
    reasons = {event["reason"] for event in alice.get("events")["items"]}
    assert "LimitsNotEnforced" not in reasons, reasons
    # the same after a restart of the server, which comes from another session
    alice.stead("restart")
    alice.apply(LIMITED.replace("name: limited", "name: limited2").split("---")[0])
    alice.kubectl("wait", "--for=condition=Ready", "pod/limited2", "--timeout=60s")
    assert alice.out("exec", "limited2", "--", "cat", "/sys/fs/cgroup/memory.max").strip() == str(64 << 20)


def test_without_a_delegated_cgroup_the_limits_are_said_not_to_apply(alice):
    """A login without a systemd of the user's own: over `su`, or where lingering and sessions are off."""
    alice.run("env", f"XDG_RUNTIME_DIR={alice.home}/run", "stead", "up")
    try:
        run = ["env", f"XDG_RUNTIME_DIR={alice.home}/run"]
        assert "Cgroups:  none, so limits of CPU, memory and processes are not enforced: systemd has not" in alice.run(*run, "stead", "status").stdout
        alice.apply(LIMITED.split("---")[0])
        alice.kubectl("wait", "--for=condition=Ready", "pod/limited", "--timeout=60s")
        assert "LimitsNotEnforced" in alice.out("events", "--for", "pod/limited")
        log = alice.run("cat", f"{alice.data}/stead.log").stdout
        assert len(re.findall("limits of CPU, memory and processes are not enforced, since this server has no cgroup", log)) == 1, log
    finally:
        alice.run("env", f"XDG_RUNTIME_DIR={alice.home}/run", "stead", "reset", "--yes")


def test_the_server_outlives_the_session_and_leaves_nothing_behind(alice):
    alice.stead("up")
    alice.kubectl("run", "p", "--image=time-server:latest", "--image-pull-policy=IfNotPresent")
    alice.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    names = {name for name, _ in alice.processes()}
    assert names >= {"stead-holder", "stead-init", "conmon", "time-server"}, names
    uid = alice.out("get", "pod", "p", "-o", "jsonpath={.metadata.uid}")
    alice.stead("restart")
    assert alice.out("get", "pod", "p", "-o", "jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}") == uid + " 0"
    alice.stead("down")
    assert not alice.processes()
    alice.stead("up")
    alice.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    alice.stead("reset", "--yes")
    assert not alice.processes()
    assert alice.run("test", "-e", alice.data, check=False).returncode == 1
    assert not json.loads(alice.out("config", "view", "-o", "json"))["contexts"]
