# SPDX-License-Identifier: Apache-2.0
"""What pods may ask for of their node, in one world; and the names that they find each other by."""
import base64
import json
import re

import pytest

ENDLESS = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"


def pod(name, script, **more):
    """A pod of one shell; keys of the container begin with c_."""
    container = {"name": "main", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
                 "command": ["sh", "-c", script]}
    container.update({key[2:]: more.pop(key) for key in list(more) if key.startswith("c_")})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **more}}


@pytest.fixture
def run(shared, request):
    """Makes a pod and waits for it; all pods of a test go after it."""
    made = []

    def begin(name, script, until="condition=Ready", **more):
        shared.apply(pod(name, script, **more))
        made.append(name)
        shared.kubectl("wait", f"--for={until}", f"pod/{name}", "--timeout=90s")

    yield begin
    if made:
        shared.kubectl("delete", "pod", *made, "--grace-period=0", "--force", "--wait=false", check=False)


def sh(world, name, script, **more):
    return world.out("exec", name, "--", "sh", "-c", script, **more)


def field(world, name, path):
    return world.out("get", "pod", name, "-o", f"jsonpath={{{path}}}")


def reasons(world, name):
    return [event["reason"] for event in world.get("events", "--field-selector", f"involvedObject.name={name}")["items"]]


# ---- probes and restarts ----

def test_a_container_that_is_ill_is_restarted(shared, run):
    run("ill", "touch /tmp/well; " + ENDLESS, until="condition=Ready",
        c_livenessProbe={"exec": {"command": ["test", "-e", "/tmp/well"]}, "periodSeconds": 1, "failureThreshold": 2})
    sh(shared, "ill", "rm /tmp/well")
    shared.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/ill", "--timeout=90s")
    shared.kubectl("wait", "--for=condition=Ready", "pod/ill", "--timeout=90s")
    assert {"Unhealthy", "Killing"} <= set(reasons(shared, "ill"))


def test_a_container_that_keeps_failing_backs_off_visibly(shared, run):
    run("crash", "echo about to fail; exit 7", until="jsonpath={.status.containerStatuses[0].state.waiting.reason}="
        "CrashLoopBackOff")
    assert shared.out("get", "pod", "crash", "--no-headers").split()[2] in ("CrashLoopBackOff", "Error")
    assert field(shared, "crash", ".status.containerStatuses[0].lastState.terminated.exitCode") == "7"
    message = field(shared, "crash", ".status.containerStatuses[0].state.waiting.message")
    assert re.match(r"back-off \d+s restarting failed container=main pod=crash_default\(", message), message
    assert "BackOff" in reasons(shared, "crash")


def test_a_missing_image_is_told_and_waited_for(shared, run):
    shared.apply(pod("noimage", ENDLESS, c_image="not-here:1"))
    try:
        shared.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}", "pod/noimage",
                       "--timeout=60s")
        assert field(shared, "noimage", ".status.containerStatuses[0].state.waiting.reason") in (
            "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull")
    finally:
        shared.kubectl("delete", "pod", "noimage", "--grace-period=0", "--force")


def test_readiness_takes_a_pod_out_and_in(shared, run):
    run("shy", ENDLESS, until="jsonpath={.status.phase}=Running",
        c_readinessProbe={"exec": {"command": ["test", "-e", "/tmp/ok"]}, "periodSeconds": 1})
    assert field(shared, "shy", ".status.containerStatuses[0].ready") == "false"
    sh(shared, "shy", "touch /tmp/ok")
    shared.kubectl("wait", "--for=condition=Ready", "pod/shy", "--timeout=60s")
    sh(shared, "shy", "rm /tmp/ok")
    shared.kubectl("wait", "--for=condition=Ready=false", "pod/shy", "--timeout=60s")


def test_init_containers_run_one_after_the_other_before_the_pod(shared, run):
    image = {"image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
             "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    run("inits", "cat /v/order; " + ENDLESS, volumes=[{"name": "v", "emptyDir": {}}],
        c_volumeMounts=[{"name": "v", "mountPath": "/v"}],
        initContainers=[{"name": "one", "command": ["sh", "-c", "echo one >> /v/order"], **image},
                        {"name": "two", "command": ["sh", "-c", "echo two >> /v/order"], **image}])
    assert shared.out("logs", "inits", "-c", "main") == "one\ntwo\n"
    assert field(shared, "inits", ".status.initContainerStatuses[*].state.terminated.reason") == "Completed Completed"


def test_a_failing_init_container_holds_the_pod(shared, run):
    run("stuck", "echo never", restartPolicy="Never", until="jsonpath={.status.phase}=Failed",
        initContainers=[{"name": "no", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
                         "command": ["sh", "-c", "exit 2"]}])
    assert shared.out("get", "pod", "stuck", "--no-headers").split()[2] == "Init:Error"


# ---- volumes and environment ----

def test_config_and_secrets_come_as_files_and_as_environment(shared, run):
    shared.kubectl("create", "configmap", "conf", "--from-literal=key=from config", "--from-literal=two=2")
    shared.kubectl("create", "secret", "generic", "hidden", "--from-literal=word=from secret")
    run("files", ENDLESS,
        volumes=[{"name": "c", "configMap": {"name": "conf"}},
                 {"name": "one", "configMap": {"name": "conf", "items": [{"key": "two", "path": "sub/second", "mode": 0o400}]}},
                 {"name": "s", "secret": {"secretName": "hidden", "defaultMode": 0o440}},
                 {"name": "o", "configMap": {"name": "absent", "optional": True}},
                 {"name": "d", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}],
        c_volumeMounts=[{"name": name, "mountPath": f"/m/{name}"} for name in ("c", "one", "s", "o", "d")]
        + [{"name": "c", "mountPath": "/etc/one-file", "subPath": "key"}],
        c_env=[{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
               {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
               {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "word"}}},
               {"name": "BOTH", "value": "$(NAME) says $(WORD) $$(NAME)"}],
        c_envFrom=[{"prefix": "C_", "configMapRef": {"name": "conf"}}])
    assert sh(shared, "files", "cat /m/c/key; echo; cat /m/one/sub/second; echo; cat /m/s/word; ls /m/o; cat /m/d/labels") == (
        'from config\n2\nfrom secretapp="files"')
    assert sh(shared, "files", "stat -L -c %a /m/s/word /m/one/sub/second; cat /etc/one-file") == "440\n400\nfrom config"
    ip = field(shared, "files", ".status.podIP")
    assert sh(shared, "files", "echo $NAME $IP; echo $BOTH; echo $C_two") == (
        f"files {ip}\nfiles says from secret $(NAME)\n2\n")
    assert shared.kubectl("exec", "files", "--", "sh", "-c", "echo x > /m/c/key", check=False).returncode != 0
    # a change of the map comes into the pod
    shared.kubectl("patch", "configmap", "conf", "-p", '{"data":{"key":"changed"}}')
    sh(shared, "files", "i=0; until [ \"$(cat /m/c/key)\" = changed ]; do i=$((i+1)); [ $i -lt 900 ]; sleep 0.1; done",
       timeout=100)


def test_changes_of_what_it_reads_reach_a_running_pod(shared, run):
    def until(condition):
        sh(shared, "follows", f"i=0; until {condition}; do i=$((i+1)); [ $i -lt 900 ]; sleep 0.1; done", timeout=100)

    for name in "seen", "maybe":
        shared.kubectl("create", "configmap", name, "--from-literal=key=0")
    run("follows", ENDLESS,
        volumes=[{"name": "seen", "configMap": {"name": "seen"}},
                 {"name": "maybe", "configMap": {"name": "maybe", "optional": True}}],
        c_volumeMounts=[{"name": name, "mountPath": f"/m/{name}"} for name in ("seen", "maybe")])
    for i in range(1, 11):  # the second change comes while the first one is being written
        for word in f"{i}a", f"{i}b":
            shared.kubectl("patch", "configmap", "seen", "-p", json.dumps({"data": {"key": word}}))
        until(f'[ "$(cat /m/seen/key)" = {i}b ]')
    shared.kubectl("delete", "configmap", "maybe", "seen")
    until("[ ! -e /m/maybe/key ]")
    assert sh(shared, "follows", "cat /m/seen/key") == "10b"
    assert "FailedMount" in reasons(shared, "follows")
    shared.kubectl("create", "configmap", "seen", "--from-literal=key=back")
    until('[ "$(cat /m/seen/key)" = back ]')


def test_a_gate_an_image_and_a_deadline_may_come_later(shared, run):
    gate = {"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}}
    run("later-on", ENDLESS, until="condition=ContainersReady", readinessGates=[{"conditionType": "example.com/gate"}])
    shared.kubectl("patch", "pod", "later-on", "--subresource=status", "-p", json.dumps(gate))
    shared.kubectl("wait", "--for=condition=Ready", "pod/later-on", "--timeout=60s")
    shared.kubectl("set", "image", "pod/later-on", "main=localhost/time-server:latest")
    shared.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/later-on", "--timeout=60s")
    shared.kubectl("wait", "--for=condition=Ready", "pod/later-on", "--timeout=60s")
    shared.kubectl("patch", "pod", "later-on", "-p", '{"spec":{"activeDeadlineSeconds":1}}')
    shared.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/later-on", "--timeout=60s")
    assert field(shared, "later-on", ".status.reason") == "DeadlineExceeded"


def test_a_missing_config_is_told_and_waited_for(shared, run):
    shared.apply(pod("waits", ENDLESS, c_env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "a"}}}]))
    shared.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError",
                   "pod/waits", "--timeout=60s")
    assert 'configmap "later" not found' in field(shared, "waits", ".status.containerStatuses[0].state.waiting.message")
    shared.kubectl("create", "configmap", "later", "--from-literal=a=here")
    shared.kubectl("wait", "--for=condition=Ready", "pod/waits", "--timeout=90s")
    assert sh(shared, "waits", "echo $A") == "here\n"
    shared.kubectl("delete", "pod", "waits", "--grace-period=0", "--force")


def test_folders_are_shared_in_the_pod_and_with_the_host(shared, run):
    host = shared.dir / "hosts"
    host.mkdir()
    (host / "there").write_text("of the host\n")
    second = {"name": "second", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
              "command": ["sh", "-c", ENDLESS], "volumeMounts": [{"name": "e", "mountPath": "/e"}]}
    made = pod("folders", ENDLESS, volumes=[{"name": "e", "emptyDir": {}}, {"name": "mem", "emptyDir": {"medium": "Memory"}},
                                            {"name": "h", "hostPath": {"path": str(host), "type": "Directory"}}],
               c_volumeMounts=[{"name": "e", "mountPath": "/e"}, {"name": "mem", "mountPath": "/mem"},
                               {"name": "h", "mountPath": "/h", "readOnly": False}])
    made["spec"]["containers"].append(second)
    shared.apply(made)
    shared.kubectl("wait", "--for=condition=Ready", "pod/folders", "--timeout=90s")
    sh(shared, "folders", "echo shared > /e/file; cat /h/there; echo back > /h/back")
    assert shared.out("exec", "folders", "-c", "second", "--", "cat", "/e/file") == "shared\n"
    assert (host / "back").read_text() == "back\n"
    assert "tmpfs" in sh(shared, "folders", "grep ' /mem ' /proc/mounts")
    shared.kubectl("delete", "pod", "folders", "--grace-period=1")
    assert (host / "there").exists()


def test_the_token_in_a_pod_is_good_for_the_api(shared, run):
    run("token", ENDLESS)
    base = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert sh(shared, "token", f"ls {base}; cat {base}/namespace").split() == ["ca.crt", "namespace", "token", "default"]
    token = sh(shared, "token", f"cat {base}/token").strip()
    claims = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert claims["kubernetes.io"]["pod"]["name"] == "token" and claims["sub"] == "system:serviceaccount:default:default"
    who = shared.out("auth", "whoami", "--token", token, "-o", "jsonpath={.status.userInfo.username}")
    assert who in ("system:serviceaccount:default:default", "kubernetes-admin")  # a certificate goes before a token


# ---- how it runs, and how it ends ----

def test_a_pod_stops_gracefully(shared, run):
    shared.apply(pod("graceful", "trap 'echo got TERM; exit 0' TERM; echo up; while :; do sleep 1 & wait $!; done",
                     terminationGracePeriodSeconds=30, volumes=[{"name": "h", "hostPath": {"path": str(shared.dir)}}],
                     c_volumeMounts=[{"name": "h", "mountPath": "/h"}],
                     c_lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "echo preStop > /h/stopped"]}},
                                  "postStart": {"exec": {"command": ["sh", "-c", "echo postStart > /h/started"]}}}))
    shared.kubectl("wait", "--for=condition=Ready", "pod/graceful", "--timeout=60s")
    assert (shared.dir / "started").read_text() == "postStart\n"
    follow = shared.start("timeout", "90", *kubectl_words(shared), "logs", "-f", "graceful")
    assert follow.stdout.readline() == "up\n"
    shared.kubectl("delete", "pod", "graceful", "--timeout=60s")
    assert (shared.dir / "stopped").read_text() == "preStop\n"
    assert follow.communicate(timeout=90)[0] == "got TERM\n"


def kubectl_words(world):
    import world as worlds
    return [worlds.KUBECTLS[worlds.NEWEST], "--cache-dir", world.dir / "cache"]


def test_a_pod_that_does_not_stop_is_killed_after_its_grace(shared, run):
    run("stubborn", "trap '' TERM; while :; do sleep 1; done")
    shared.kubectl("delete", "pod", "stubborn", "--grace-period=1", "--timeout=30s")
    assert shared.kubectl("get", "pod", "stubborn", check=False).returncode == 1


def test_users_groups_and_read_only_roots(shared, run):
    run("limited", ENDLESS, securityContext={"fsGroup": 2000, "supplementalGroups": [3000]},
        volumes=[{"name": "e", "emptyDir": {}}], c_volumeMounts=[{"name": "e", "mountPath": "/e"}],
        c_securityContext={"runAsUser": 1000, "runAsGroup": 1001, "readOnlyRootFilesystem": True,
                           "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}})
    assert sh(shared, "limited", "id -u; id -g; id -G") == "1000\n1001\n1001 2000 3000\n"
    assert shared.kubectl("exec", "limited", "--", "touch", "/x", check=False).returncode != 0
    assert sh(shared, "limited", "touch /e/mine; stat -c %g /e/mine; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status") == (
        "2000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n")


def test_root_is_refused_where_a_pod_says_so(shared):
    shared.apply(pod("noroot", ENDLESS, securityContext={"runAsNonRoot": True}))
    shared.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError",
                   "pod/noroot", "--timeout=60s")
    assert "container has runAsNonRoot and image will run as root" in field(
        shared, "noroot", ".status.containerStatuses[0].state.waiting.message")
    shared.kubectl("delete", "pod", "noroot", "--grace-period=0", "--force")


def test_a_container_over_its_memory_is_killed_and_says_why(shared, run):
    run("greedy", "head -c 200m /dev/zero | tail -c 190m > /dev/null; exit $?", restartPolicy="Never",
        until="jsonpath={.status.phase}=Failed", c_resources={"limits": {"memory": "32Mi"}})
    assert field(shared, "greedy", ".status.containerStatuses[0].state.terminated.reason") in ("OOMKilled", "Error")


# ---- names ----

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: main, image: "time-server:latest", imagePullPolicy: IfNotPresent, command: [sh, -c, "%s"]}
""" % ENDLESS


def test_names_resolve_in_pods(shared, run):
    shared.apply(WEB)
    shared.kubectl("rollout", "status", "sts/web", "--timeout=90s")
    ips = shared.out("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.podIP}").split()
    front = shared.out("get", "svc", "front", "-o", "jsonpath={.spec.clusterIP}")
    names = [("web-0.web.default.svc.cluster.local", [ips[0]]), ("web-1.web.default.svc.cluster.local", [ips[1]]),
             ("web.default.svc.cluster.local", ips), ("front.default.svc.cluster.local", [front]),
             ("kubernetes.default.svc.cluster.local", ["10.96.0.1"])]
    for name, addresses in names:
        answer = sh(shared, "web-0", f"nslookup -type=a {name}")
        assert sorted(re.findall(r"Address: (\S+)\n", answer.split("Name:", 1)[1])) == sorted(addresses), answer
    records = sh(shared, "web-0", "nslookup -type=srv _http._tcp.web.default.svc.cluster.local")
    assert {"web-0.web.default.svc.cluster.local", "web-1.web.default.svc.cluster.local"} <= set(records.split()), records
    reverse = sh(shared, "web-0", f"nslookup {ips[1]}")
    assert "web-1.web.default.svc.cluster.local" in reverse
    unknown = shared.kubectl("exec", "web-0", "--", "nslookup", "-type=a", "nobody.default.svc.cluster.local", check=False)
    assert unknown.returncode != 0 and "NXDOMAIN" in unknown.stdout + unknown.stderr
    # through the search list, as programs do
    assert ips[1] in sh(shared, "web-0", "ping -c1 -W5 web-1.web | head -1")
    assert sorted(sh(shared, "web-0", "cat /etc/resolv.conf").splitlines()) == [
        "nameserver 10.96.0.10", "options ndots:5", "search default.svc.cluster.local svc.cluster.local cluster.local"]
    # a new pod's name is there at once: nobody remembers that it was not
    shared.kubectl("scale", "sts/web", "--replicas=3")
    shared.kubectl("rollout", "status", "sts/web", "--timeout=90s")
    third = field(shared, "web-2", ".status.podIP")
    assert third in sh(shared, "web-0", "nslookup -type=a web-2.web.default.svc.cluster.local")
