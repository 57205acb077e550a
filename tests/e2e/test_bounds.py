# SPDX-License-Identifier: Apache-2.0
"""Who takes more than there is: a pod that holds connections, owners in a circle, a full disk."""
import json
import re
import textwrap

from podkit import ENDLESS, pod, pods  # noqa: F401

# Runs in a pod's network namespace with the machine's Python. It says "holding" when it has what it wants, and holds it
# until its input ends.
HOLD = textwrap.dedent("""
    import errno, resource, socket, ssl, sys
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    held, context = [], ssl._create_unverified_context()
    def hold(address, n, greet=None):
        for _ in range(n):
            s = socket.create_connection(address, 10)
            try:
                held.append(greet(s) if greet else s)
            except OSError:
                held.append(s)
    def ask(s):
        tls = context.wrap_socket(s)
        tls.sendall(b"GET /version HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        tls.recv(100)
        return tls
    hold((sys.argv[1], 443), 300, ask)      # an answer each, then idle
    hold((sys.argv[1], 443), 1200)          # nothing said at all
    hold((sys.argv[2], 53), 200)
    print("holding", flush=True)
    sys.stdin.read()
""")


def netns_of(world, address):
    """A path that names the network namespace with this address."""
    for path in world.run("findmnt", "-t", "nsfs", "-n", "-r", "-o", "TARGET").stdout.split():
        seen = world.run("nsenter", f"--net={path}", "ip", "-4", "-o", "addr", check=False).stdout
        if f" {address}/" in seen:
            return path
    raise AssertionError(f"no network namespace has {address}")


def connections_of(world, address):
    return world.run("ss", "-Htn", "state", "established", "dst", address).stdout.count("\n")


def test_a_pod_cannot_take_the_places_of_others(shared, pods):
    greedy, polite = pods.run("greedy"), pods.run("polite")
    address = pods.field(greedy, ".status.podIP")
    api = shared.out("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    dns = re.search(r"nameserver (\S+)", pods.sh(polite, "cat /etc/resolv.conf"))[1]
    holder = shared.start("nsenter", f"--net={netns_of(shared, address)}", "python3", "-c", HOLD, api, dns,
                          stdin=-1)
    try:
        assert holder.stdout.readline() == "holding\n"
        # 256 unknown peers of one address at the API, 16 at the DNS server; some of those closed may still linger
        held = connections_of(shared, address)
        assert 100 < held <= 300, held
        for _ in range(3):
            assert "default" in shared.out("get", "namespaces")
        assert api in pods.sh(polite, "nslookup -type=a kubernetes.default.svc.cluster.local")
        shared.kubectl("exec", polite, "--", "true")
    finally:
        shared.stop(holder)


def test_two_objects_that_own_each_other_are_deleted_in_the_foreground(shared):
    for name in ("left", "right"):
        shared.kubectl("create", "configmap", name)
    for name, owner in (("left", "right"), ("right", "left")):
        uid = shared.get("configmap", owner)["metadata"]["uid"]
        shared.kubectl("patch", "configmap", name, "--type=merge", "-p", json.dumps({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": True}]}}))
    shared.kubectl("delete", "configmap", "left", "--cascade=foreground", "--timeout=30s")
    shared.kubectl("wait", "--for=delete", "configmap/right", "--timeout=30s")


def test_a_full_disk_lets_pods_be_deleted_and_the_server_start(machine):
    machine.small_disk("256m").up()
    for name in ("first", "second"):
        machine.apply(pod(name, ENDLESS))
        machine.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s")
    modes = machine.run("sh", "-c", f"find {machine.data}/state.db* {machine.data}/pki -type f -perm /077").stdout
    assert modes == "", modes
    machine.fill_disk()
    big = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "big-"}, "data": {"a": "x" * 1000}}
    refused = ""
    for _ in range(200):  # there may be room left in files that are there
        done = machine.kubectl("create", "-f", "-", stdin=json.dumps(big), check=False)
        refused = done.stderr
        if done.returncode:
            break
    assert "the disk that holds the state is full" in refused, refused
    machine.kubectl("delete", "pod", "first", "--timeout=60s")
    machine.kill_server()
    machine.fill_disk()
    machine.up()
    machine.kubectl("delete", "pod", "second", "--timeout=60s")
    assert machine.get("pods")["items"] == []
    machine.free_disk()
    machine.kubectl("create", "-f", "-", stdin=json.dumps(big))
