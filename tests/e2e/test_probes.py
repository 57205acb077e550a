# SPDX-License-Identifier: Apache-2.0
"""Probes of all kinds, with kubelet's texts."""
import re
import textwrap

import pytest
from podkit import ENDLESS, container, pod, pods  # noqa: F401

# A gRPC health server of one file: frames are made by hand, headers are read no further than their length.
HEALTH = textwrap.dedent("""
    import socket, struct, sys
    port, behaviour = int(sys.argv[1]), sys.argv[2]
    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
    def field(name, value):
        return b"\\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
    def exactly(peer, n):
        data = b""
        while len(data) < n:
            piece = peer.recv(n - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
    def answer(stream, message):
        service = message[7:].decode() if len(message) > 7 else ""
        head = frame(1, 4, stream, b"\\x88" + field(b"content-type", b"application/grpc"))
        def only(status, text):
            return frame(1, 5, stream, b"\\x88" + field(b"grpc-status", status) + field(b"grpc-message", text))
        if behaviour == "silent":
            return b""
        if behaviour == "unimplemented":
            return only(b"12", b"unknown%20service%20grpc.health.v1.Health")
        if service not in ("", "db"):
            return only(b"5", b"unknown%20service")
        status = b"\\x01" if open(sys.argv[3]).read().strip() == "SERVING" else b"\\x02"
        body = b"\\0" + struct.pack(">I", 2) + b"\\x08" + status
        return head + frame(0, 0, stream, body) + frame(1, 5, stream, field(b"grpc-status", b"0"))
    listener = socket.create_server(("0.0.0.0", port))
    print("listening", flush=True)
    while True:
        peer, _ = listener.accept()
        try:
            exactly(peer, 24)
            peer.sendall(frame(4, 0, 0, b""))
            while True:
                head = exactly(peer, 9)
                payload = exactly(peer, int.from_bytes(head[:3], "big"))
                if head[3] == 4 and not head[4] & 1:
                    peer.sendall(frame(4, 1, 0, b""))
                if head[3] == 0:
                    peer.sendall(answer(int.from_bytes(head[5:9], "big"), payload))
        except (EOFError, OSError):
            pass
        peer.close()
    """)


@pytest.fixture
def health(shared):
    """Starts health servers beside the pods, which share the machine's network then."""
    script, state, started = shared.dir / "health.py", shared.dir / "health", []
    script.write_text(HEALTH)

    def begin(port, behaviour="ok"):
        process = shared.start("python3", script, str(port), behaviour, str(state))
        assert process.stdout.readline() == "listening\n"
        started.append(process)
        return state

    yield begin
    for process in started:
        shared.stop(process)


def probe(port, service=None, **more):
    grpc = {"port": port, **({"service": service} if service else {})}
    return {"grpc": grpc, "periodSeconds": 1, "timeoutSeconds": 1, **more}


def test_grpc_says_whether_a_pod_is_ready(pods, health):
    state = health(50051)
    state.write_text("SERVING")
    pods.run("grpc", hostNetwork=True, c_readinessProbe=probe(50051, "db"))
    state.write_text("NOT_SERVING")
    pods.wait("grpc", "condition=Ready=false")
    assert pods.event("grpc", "Unhealthy", "responded") == (
        'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")')
    state.write_text("SERVING")
    pods.wait("grpc", "condition=Ready")


@pytest.mark.parametrize("name,port,behaviour,service,message", [
    ("unknown", 50052, "ok", "cache", "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"),
    ("old", 50053, "unimplemented", None, "error: this server does not implement the grpc health protocol "
     "(grpc.health.v1.Health): unknown service grpc.health.v1.Health"),
    ("silent", 50054, "silent", None, "timeout: health rpc did not complete within 1s")])
def test_grpc_failures_are_told(pods, health, name, port, behaviour, service, message):
    health(port, behaviour).write_text("SERVING")
    pods.run("grpc-" + name, until=None, hostNetwork=True, c_readinessProbe=probe(port, service))
    assert pods.event("grpc-" + name, "Unhealthy", "Readiness") == "Readiness probe failed: " + message


def test_grpc_liveness_restarts_a_container_that_nobody_reaches(pods):
    pods.run("nobody", until="jsonpath={.status.containerStatuses[0].restartCount}=1",
             c_livenessProbe=probe(50099, failureThreshold=2))
    message = pods.event("nobody", "Unhealthy", "Liveness")
    assert re.match(r'Liveness probe failed: error: failed to connect service at "10\.\S+:50099": connection refused', message)
    assert "Container main failed liveness probe, will be restarted" in pods.events("nobody")["Killing"]


# ---- the other kinds ----

def test_http_probes_tell_what_they_got(pods):
    listen = ("while :; do printf 'HTTP/1.1 %s\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nno' "
              "\"$(cat /tmp/status)\" | nc -l -p 8080; done")
    pods.run("http", f"echo '503 Service Unavailable' > /tmp/status; {listen}", until=None,
             c_readinessProbe={"httpGet": {"path": "/x", "port": 8080}, "periodSeconds": 1})
    assert pods.event("http", "Unhealthy", "statuscode") == "Readiness probe failed: HTTP probe failed with statuscode: 503"
    pods.sh("http", "echo '204 No Content' > /tmp/status")
    pods.wait("http", "condition=Ready")


def test_refused_connections_are_told_as_kubelet_does(pods):
    pods.run("refused", until=None, c_readinessProbe={"httpGet": {"path": "/", "port": 81}, "periodSeconds": 1})
    pods.run("refused-tcp", until=None, c_readinessProbe={"tcpSocket": {"port": 81}, "periodSeconds": 1})
    for name, start in (("refused", 'Get "http://IP:81/": dial tcp IP:81: connect: connection refused'),
                        ("refused-tcp", "dial tcp IP:81: connect: connection refused")):
        message = pods.event(name, "Unhealthy", "refused")
        ip = pods.field(name, ".status.podIP")
        assert message == "Readiness probe failed: " + start.replace("IP", ip)


def test_an_exec_probe_that_hangs_times_out(pods):
    pods.run("hangs", until=None, c_readinessProbe={"exec": {"command": ["sleep", "50"]}, "periodSeconds": 1, "timeoutSeconds": 1})
    assert pods.event("hangs", "Unhealthy", "timed out") == (
        'Readiness probe failed: command timed out: "sleep 50" timed out after 1s')


def test_a_startup_probe_holds_the_others_back(pods):
    pods.run("slow", until="jsonpath={.status.containerStatuses[0].state.running}",
             c_startupProbe={"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 60},
             c_livenessProbe={"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 1},
             c_readinessProbe={"exec": {"command": ["true"]}})
    assert pods.field("slow", ".status.containerStatuses[0].started") == "false"
    assert pods.field("slow", ".status.containerStatuses[0].ready") == "false"
    pods.sh("slow", "touch /tmp/up")
    pods.wait("slow", "condition=Ready")
    assert pods.field("slow", ".status.containerStatuses[0].restartCount") == "0"


def test_a_startup_that_never_succeeds_restarts(pods):
    pods.run("never", until="jsonpath={.status.containerStatuses[0].restartCount}=1", terminationGracePeriodSeconds=30,
             c_startupProbe={"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2,
                             "terminationGracePeriodSeconds": 1})
    assert "Container main failed startup probe, will be restarted" in pods.events("never")["Killing"]
    assert pods.event("never", "Unhealthy", "Startup").startswith("Startup probe failed:")


# ---- hooks and ends ----

def test_a_post_start_hook_that_fails_ends_the_container(pods):
    pods.run("hooked", until="jsonpath={.status.containerStatuses[0].restartCount}=1",
             c_lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "echo no; exit 3"]}}})
    assert "FailedPostStartHook" in pods.events("hooked")
    assert "FailedPostStartHook" in pods.events("hooked")["Killing"]


def test_a_stop_hook_may_sleep_or_ask_by_http(shared, pods):
    pods.run("sleeper", terminationGracePeriodSeconds=20, c_lifecycle={"preStop": {"sleep": {"seconds": 1}}})
    pods.run("asker", "nc -l -p 8080 > /h/asked; " + ENDLESS, terminationGracePeriodSeconds=20,
             volumes=[{"name": "h", "hostPath": {"path": str(shared.dir)}}], c_volumeMounts=[{"name": "h", "mountPath": "/h"}],
             c_lifecycle={"preStop": {"httpGet": {"port": 8080, "path": "/bye"}}})
    shared.kubectl("delete", "pod", "sleeper", "asker", "--timeout=60s")
    asked = (shared.dir / "asked").read_text()
    assert asked.startswith("GET /bye HTTP/1.1") and "kube-lifecycle/1.36" in asked


def test_a_container_ends_by_the_signal_it_names(shared, pods):
    pods.run("signalled", "trap 'echo USR1 > /h/signal; exit 0' USR1; while :; do sleep 1 & wait $!; done", os={"name": "linux"},
             volumes=[{"name": "h", "hostPath": {"path": str(shared.dir)}}], c_volumeMounts=[{"name": "h", "mountPath": "/h"}],
             c_lifecycle={"stopSignal": "SIGUSR1"}, terminationGracePeriodSeconds=20)
    shared.kubectl("delete", "pod", "signalled", "--timeout=60s")
    assert (shared.dir / "signal").read_text() == "USR1\n"


@pytest.mark.parametrize("name,more,script,message", [
    ("written", {}, "echo -n reason > /dev/termination-log; exit 3", "reason"),
    ("elsewhere", {"c_terminationMessagePath": "/tmp/why"}, "echo -n there > /tmp/why; exit 3", "there"),
    ("last-words", {"c_terminationMessagePolicy": "FallbackToLogsOnError"}, "echo last words; exit 3", "last words\n"),
    ("fine", {"c_terminationMessagePolicy": "FallbackToLogsOnError"}, "echo all well", "")])
def test_a_container_leaves_a_message(pods, name, more, script, message):
    pods.run(name, script, restartPolicy="Never", until="jsonpath={.status.containerStatuses[0].state.terminated}", **more)
    assert pods.field(name, ".status.containerStatuses[0].state.terminated.message") == message


def test_a_pod_past_its_deadline_fails(pods):
    pods.run("late", activeDeadlineSeconds=2, until="jsonpath={.status.phase}=Failed")
    assert pods.field("late", ".status.reason") == "DeadlineExceeded"
    assert pods.field("late", ".status.message") == "Pod was active on the node longer than the specified deadline"


@pytest.mark.parametrize("policy,script,phase", [
    ("Never", "exit 0", "Succeeded"), ("Never", "exit 1", "Failed"), ("OnFailure", "exit 0", "Succeeded")])
def test_a_pod_ends_as_its_policy_says(pods, policy, script, phase):
    pods.run(f"{policy.lower()}-{script[-1]}", script, restartPolicy=policy, until=f"jsonpath={{.status.phase}}={phase}")


def test_a_container_that_fails_is_tried_again_on_failure(pods):
    pods.start(pod("again", "[ -e /e/tried ] || { touch /e/tried; exit 1; }", restartPolicy="OnFailure",
                   volumes=[{"name": "e", "emptyDir": {}}], c_volumeMounts=[{"name": "e", "mountPath": "/e"}]),
               until="jsonpath={.status.phase}=Succeeded")
    assert pods.field("again", ".status.containerStatuses[0].restartCount") == "1"


def test_sidecars_begin_first_and_end_last(pods):
    mount = {"volumeMounts": [{"name": "e", "mountPath": "/e"}]}
    pods.start(pod("sidecar", "cat /e/side > /dev/termination-log; exit 0", restartPolicy="Never", c_volumeMounts=mount["volumeMounts"],
                   volumes=[{"name": "e", "emptyDir": {}}],
                   initContainers=[container("side", "echo up > /e/side; " + ENDLESS, restartPolicy="Always", **mount,
                                             startupProbe={"exec": {"command": ["test", "-e", "/e/side"]}, "periodSeconds": 1}),
                                   container("then", "test -e /e/side", **mount)]),
               until="jsonpath={.status.phase}=Succeeded")
    assert pods.field("sidecar", ".status.containerStatuses[0].state.terminated.message") == "up\n"
    assert pods.field("sidecar", ".status.initContainerStatuses[0].state.terminated.exitCode") == "0"


def test_too_much_memory_is_told_as_such(pods):
    pods.run("oom", "tail /dev/zero", restartPolicy="Never", until="jsonpath={.status.phase}=Failed",
             c_resources={"limits": {"memory": "32Mi"}})
    assert pods.field("oom", ".status.containerStatuses[0].state.terminated.reason") == "OOMKilled"
    assert pods.field("oom", ".status.containerStatuses[0].state.terminated.exitCode") == "137"


def test_a_pod_may_be_limited_as_a_whole(pods):
    pods.start(pod("whole", "tail /dev/zero", restartPolicy="Never", resources={"limits": {"memory": "32Mi", "cpu": "500m"}},
                   volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}], c_volumeMounts=[{"name": "m", "mountPath": "/m"}]),
               until="jsonpath={.status.phase}=Failed")
    assert pods.field("whole", ".status.containerStatuses[0].state.terminated.reason") == "OOMKilled"
    assert pods.field("whole", ".status.qosClass") == "Guaranteed"
    pods.run("sized", resources={"limits": {"memory": "64Mi"}}, volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}],
             c_volumeMounts=[{"name": "m", "mountPath": "/m"}])
    assert pods.sh("sized", "df -Pk /m | awk 'NR>1 {print $2}'") == "65536\n"


def test_a_pod_that_wants_too_much_as_a_whole_stays_pending(pods):
    pods.run("huge", until="condition=PodScheduled=false", resources={"requests": {"cpu": "5000"}})
    assert "Insufficient cpu" in pods.field("huge", ".status.conditions[?(@.type=='PodScheduled')].message")
