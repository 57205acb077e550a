# SPDX-License-Identifier: Apache-2.0
"""Ports of the machine that lead to pods."""
from podkit import ENDLESS, container, pod, pods  # noqa: F401

ECHO = "while :; do echo from $HOSTNAME | nc -l -p 8080; done"


def serve(name, *ports, **more):
    return pod(name, ECHO, c_ports=list(ports), **more)


def ask(shared, address, port, wait=20):
    """What the pod says; its listener comes back a moment after each answer."""
    return shared.run("sh", "-c", f"i=0; until busybox nc -w 2 {address} {port} < /dev/null 2>/dev/null | grep from; do "
                      f"i=$((i+1)); [ $i -lt {wait * 10} ] || exit 1; sleep 0.1; done").stdout


def refuses(shared, address, port):
    return shared.run("busybox", "nc", "-w", "2", address, str(port), stdin="", check=False).returncode != 0


def test_a_port_of_the_machine_leads_to_the_pod(shared, pods):
    pods.start(serve("one", {"containerPort": 8080, "hostPort": 9090}))
    host = pods.field("one", ".status.hostIP")
    for address in ("127.0.0.1", host):
        assert ask(shared, address, 9090) == "from one\n"
    pods.run("other")  # from another pod, and from the pod itself
    assert pods.sh("other", f"nc -w 5 {host} 9090 < /dev/null") == "from one\n"
    assert pods.sh("one", f"nc -w 5 {host} 9090 < /dev/null") == "from one\n"
    shared.kubectl("delete", "pod", "one", "--timeout=60s")
    assert refuses(shared, "127.0.0.1", 9090)


def test_a_port_may_be_of_one_address_only(shared, pods):
    pods.start(serve("local", {"containerPort": 8080, "hostPort": 9091, "hostIP": "127.0.0.1"}))
    assert ask(shared, "127.0.0.1", 9091) == "from local\n"
    assert refuses(shared, pods.field("local", ".status.hostIP"), 9091)


RECEIVE = """
import socket
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("0.0.0.0", 8081))
receiver.settimeout(60)
print("listening", flush=True)
data, peer = receiver.recvfrom(100)
receiver.sendto(b"got " + data, peer)
"""
SEND = """
import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.settimeout(60)
sender.sendto(b"hello", ("127.0.0.1", 9092))
print(sender.recv(100).decode())
"""


def test_datagrams_have_ports_of_their_own(shared, pods):
    pods.run("udp", c_ports=[{"containerPort": 8081, "hostPort": 9092, "protocol": "UDP"}])
    pods.start(serve("tcp", {"containerPort": 8080, "hostPort": 9092}))
    assert ask(shared, "127.0.0.1", 9092) == "from tcp\n"
    uid = pods.field("udp", ".metadata.uid")
    receiver = shared.start("nsenter", f"--net={shared.run_dir}/netns/{uid}", "python3", "-c", RECEIVE)
    assert receiver.stdout.readline() == "listening\n"
    assert shared.run("python3", "-c", SEND).stdout == "got hello\n"
    shared.stop(receiver)


def test_a_port_is_given_once(shared, pods):
    pods.start(serve("first", {"containerPort": 8080, "hostPort": 9093}))
    pods.start(serve("second", {"containerPort": 8080, "hostPort": 9093}), until="condition=PodScheduled=false")
    assert pods.field("second", ".status.phase") == "Pending"
    assert pods.field("second", ".status.conditions[?(@.type=='PodScheduled')].message").startswith(
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.")
    pods.event("second", "FailedScheduling", "free ports")
    node = pods.field("first", ".spec.nodeName")
    pods.start(serve("forced", {"containerPort": 8080, "hostPort": 9093}, nodeName=node), until="jsonpath={.status.phase}=Failed")
    assert pods.field("forced", ".status.reason") == "NodePorts"
    assert pods.field("forced", ".status.message") == (
        "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports")
    shared.kubectl("delete", "pod", "first", "--timeout=60s")
    pods.wait("second", "condition=Ready")
    assert ask(shared, "127.0.0.1", 9093) == "from second\n"


def test_a_pod_that_is_taken_by_force_gives_its_port_to_the_next(shared, pods):
    pods.start(serve("old", {"containerPort": 8080, "hostPort": 9094}, terminationGracePeriodSeconds=30))
    assert ask(shared, "127.0.0.1", 9094) == "from old\n"
    shared.kubectl("delete", "pod", "old", "--grace-period=0", "--force")
    pods.start(serve("new", {"containerPort": 8080, "hostPort": 9094}))
    assert ask(shared, "127.0.0.1", 9094) == "from new\n"


def test_ports_are_there_again_after_a_restart(shared, pods):
    pods.start(serve("stays", {"containerPort": 8080, "hostPort": 9095}))
    assert ask(shared, "127.0.0.1", 9095) == "from stays\n"
    shared.kill_server()
    shared.up()
    assert ask(shared, "127.0.0.1", 9095) == "from stays\n"


def test_a_sidecar_may_have_a_port(shared, pods):
    made = pod("with-side", ENDLESS, initContainers=[container(
        "side", ECHO, restartPolicy="Always", ports=[{"containerPort": 8080, "hostPort": 9096}])])
    pods.start(made)
    assert ask(shared, "127.0.0.1", 9096) == "from with-side\n"
    pods.start(serve("other-side", {"containerPort": 8080, "hostPort": 9096}), until="condition=PodScheduled=false")


def test_the_clusters_names_stay_reachable(shared, pods):
    """A pod that takes port 53 of the machine does not take that of the cluster's name server."""
    pods.start(pod("dns", "nc -u -l -p 53 > /dev/null & " + ENDLESS, c_ports=[
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP"}, {"containerPort": 53, "hostPort": 53, "protocol": "TCP"}]))
    pods.run("asks")
    assert "10.96.0.1" in pods.sh("asks", "nslookup -type=a kubernetes.default.svc.cluster.local")
