# SPDX-License-Identifier: Apache-2.0
"""What one pod may take of the machine: processes, room on the disk. The disk of this world counts as nearly full, so
that whoever uses 16 MiB of it has to go; the limits are tried with less."""
import pytest
from conftest import make
from podkit import ENDLESS, Pods, pod

PROCESSES = 64


@pytest.fixture(scope="module")
def full(request):
    return make(request, ["--pod-pids-limit", str(PROCESSES), "--disk-reserve", "1Ei"]).up()


@pytest.fixture
def pods(full):
    kit = Pods(full)
    yield kit
    kit.close()


def test_a_pod_has_a_limit_of_processes(pods):
    pods.run("forks", f"for i in $(seq {2 * PROCESSES}); do sleep 100000 & done; touch /tmp/done; {ENDLESS}", until=None)
    pods.wait("forks", "jsonpath={.status.phase}=Running")
    # the shell cannot fork one day: it ends, or its loop does; either way no more ran than may
    pods.world.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=2", "pod/forks",
                       "--timeout=60s")
    pods.run("modest", f"for i in $(seq {PROCESSES // 2}); do sleep 100000 & done; touch /tmp/done; {ENDLESS}")
    assert int(pods.sh("modest", "ps | grep -c 'sleep 100000$'")) == PROCESSES // 2


def limited(name, script, size=None, **more):
    made = pod(name, script, c_resources={"limits": {"ephemeral-storage": size}} if size else {}, **more)
    made["spec"]["restartPolicy"] = "Never"
    return made


HUNDRED = "head -c 6000000 /dev/zero"


@pytest.mark.parametrize("name,script,size,message", [
    ("root", f"{HUNDRED} >/root-file", "5Mi",
     "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. "),
    ("hosts", f"{HUNDRED} >>/etc/hosts", "5Mi",
     "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. "),
    ("end", f"{HUNDRED} >>/dev/termination-log", "5Mi",
     "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. "),
    ("log", "i=0; while [ $i -lt 90000 ]; do i=$((i+1)); echo a line of some length, again and again; done", "5Mi",
     "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. "),
    ("scratch", f"{HUNDRED} >/scratch/file", None, 'Usage of EmptyDir volume "scratch" exceeds the limit "5Mi". '),
    ("pressure", "head -c 20000000 /dev/zero >/file", None, "The node was low on resource: ephemeral-storage. "),
])
def test_a_pod_that_uses_too_much_of_the_disk_is_evicted(pods, name, script, size, message):
    """Neither the others nor this one before it does."""
    pods.run("bystander", "head -c 5000000 /dev/zero >/file; " + ENDLESS)
    made = limited(name, f"until [ -e /tmp/go ]; do sleep 0.1; done; {script}; {ENDLESS}", size)
    if name == "scratch":
        made["spec"]["volumes"] = [{"name": "scratch", "emptyDir": {"sizeLimit": "5Mi"}}]
        made["spec"]["containers"][0]["volumeMounts"] = [{"name": "scratch", "mountPath": "/scratch"}]
    pods.start(made)
    pods.sh(name, "touch /tmp/go")
    pods.wait(name, "jsonpath={.status.phase}=Failed")
    assert pods.field(name, ".status.reason") == "Evicted"
    assert pods.field(name, ".status.message").startswith(message)
    assert any(text.startswith(message.strip()) for text in pods.events(name)["Evicted"])
    assert pods.field("bystander", ".status.phase") == "Running"
    data = pods.world.data / "pods" / pods.field(name, ".metadata.uid")
    pods.world.run("sh", "-c", f"while [ -e {data} ]; do sleep 0.1; done", timeout=60)  # and what it wrote is gone


def test_a_message_of_any_size_is_cut_to_its_end(pods):
    pods.run("talkative", "head -c 9000000 /dev/zero | tr '\\0' a >/dev/termination-log; echo -n the end >>/dev/termination-log",
             until="jsonpath={.status.phase}=Succeeded", restartPolicy="Never")
    text = pods.field("talkative", ".status.containerStatuses[0].state.terminated.message")
    assert text.endswith("aaathe end") and len(text) == 4096
