# SPDX-License-Identifier: Apache-2.0
"""Every kubectl on this machine from 1.27 on does what its users do all day, and prints what it prints on Kubernetes.

One world for all; each version works in a namespace of its own. The texts were compared with kube-apiserver 1.36."""
import base64
import json
import re
import subprocess
import time

import pytest

from world import KUBECTLS, without_early_message

VERSIONS = [version for version in KUBECTLS if tuple(map(int, version.split("."))) >= (1, 27)]
ENDLESS = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, labels: {app: web}}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: main
        image: time-server:latest
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "echo hello from $(hostname); echo oops >&2; %s"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
""" % ENDLESS


class Kubectl:
    """One version of kubectl in one namespace."""

    def __init__(self, world, version, namespace):
        self.world, self.version, self.namespace = world, version, namespace
        self.minor = int(version.split(".")[1])

    def run(self, *args, **more):
        return self.world.kubectl("-n", self.namespace, *args, version=self.version, **more)

    def __call__(self, *args, **more):
        return self.run(*args, **more).stdout

    def fails(self, *args, **more):
        """Gives what it says on standard error."""
        done = self.run(*args, check=False, **more)
        assert done.returncode == 1, (args, done)
        return done.stderr

    def json(self, *args):
        return json.loads(self(*args, "-o", "json"))

    def start(self, *args, **more):
        """Starts one that goes on, but not for ever."""
        return self.world.start("timeout", "90", KUBECTLS[self.version], "--cache-dir", self.world.dir / "cache", "-n", self.namespace,
                                *args, **more)

    def deleted(self, kind, name):
        """The line that `kubectl delete` prints: from 1.33 on with the namespace."""
        return f'{kind} "{name}" deleted' + (f" from {self.namespace} namespace" if self.minor >= 34 else "") + "\n"


@pytest.fixture(scope="module", params=VERSIONS)
def k(request, shared):
    namespace = "v" + request.param.replace(".", "-")
    kubectl = Kubectl(shared, request.param, namespace)
    assert shared.out("create", "namespace", namespace, version=request.param) == f"namespace/{namespace} created\n"
    yield kubectl
    shared.kubectl("delete", "namespace", namespace, "--wait=false", version=request.param)


@pytest.fixture(scope="module")
def web(k):
    out = k("apply", "-f", "-", stdin=WEB)
    assert out == "service/web created\nstatefulset.apps/web created\n"
    k("rollout", "status", "sts/web", "--timeout=120s")
    return k


@pytest.fixture
def config(k):
    """A fresh ConfigMap `c` with {"a": "1", "b": "2"}."""
    k("delete", "cm", "c", "--ignore-not-found")
    k("create", "configmap", "c", "--from-literal=a=1", "--from-literal=b=2")
    return lambda: k.json("get", "cm", "c")


def rows(text):
    return [re.split(r"\s{2,}|\s*\t", line.strip()) for line in text.strip().splitlines()]


# ---- create ----

def test_create_sends_protobuf_and_prints_what_it_made(k):
    assert k("create", "secret", "generic", "s", "--from-literal=user=me") == "secret/s created\n"
    assert k("create", "configmap", "made", "--from-literal=a=1") == "configmap/made created\n"
    assert k("create", "service", "clusterip", "svc", "--tcp=80:8080") == "service/svc created\n"
    assert k("create", "service", "clusterip", "none", "--clusterip=None") == "service/none created\n"
    assert k("create", "serviceaccount", "bob") == "serviceaccount/bob created\n"
    assert k("get", "secret", "s", "-o", "jsonpath={.data.user} {.type}") == "bWU= Opaque"
    assert re.fullmatch(r"10\.\d+\.\d+\.\d+ None", k("get", "svc", "svc", "none", "-o",
                                                    "jsonpath={.items[*].spec.clusterIP}"))
    token = k("create", "token", "bob", "--duration=1h").strip()
    assert token.count(".") == 2
    assert k.fails("create", "serviceaccount", "bob") == (
        'error: failed to create serviceaccount: serviceaccounts "bob" already exists\n')


def test_an_invalid_name_is_refused_in_kubernetes_words(k):
    said = k.fails("create", "configmap", "Bad Name")
    assert said.startswith('error: failed to create configmap: ConfigMap "Bad Name" is invalid: metadata.name: '
                           'Invalid value: "Bad Name": a lowercase RFC 1123 subdomain must consist of')


def test_dry_run_at_the_server_changes_nothing(k):
    assert k("create", "configmap", "dry", "--dry-run=server") == "configmap/dry created (server dry run)\n"
    assert k.fails("get", "configmap", "dry") == 'Error from server (NotFound): configmaps "dry" not found\n'


# ---- apply, diff, replace, edit, patch, label, annotate ----

def test_apply_twice_then_changed(web):
    assert web("apply", "-f", "-", stdin=WEB) == "service/web unchanged\nstatefulset.apps/web configured\n"
    # claims in a set are a list that a client-side apply replaces as a whole: always "configured", on Kubernetes too
    changed = WEB.replace("port: 80,", "port: 81,")
    done = web.run("diff", "-f", "-", stdin=changed, check=False)
    assert done.returncode == 1
    assert "-    port: 80" in done.stdout and "+    port: 81" in done.stdout
    assert web("apply", "-f", "-", stdin=changed) == "service/web configured\nstatefulset.apps/web configured\n"
    assert web("apply", "-f", "-", stdin=WEB).startswith("service/web configured\n")
    assert web.run("diff", "-f", "-", stdin=WEB).stdout == ""


def test_server_side_apply_reports_conflicts_and_forces(k):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ssa"}, "data": {"a": "1"}}
    assert k("apply", "--server-side", "-f", "-", stdin=json.dumps(config)) == "configmap/ssa serverside-applied\n"
    k("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=json.dumps(config))
    config["data"]["a"] = "2"
    said = k.fails("apply", "--server-side", "--field-manager=third", "-f", "-", stdin=json.dumps(config))
    assert said.startswith("error: Apply failed with 2 conflicts: conflict") and ".data.a" in said
    k("apply", "--server-side", "--field-manager=third", "--force-conflicts", "-f", "-", stdin=json.dumps(config))
    assert k("get", "cm", "ssa", "-o", "jsonpath={.data.a}") == "2"
    managers = {entry["manager"] for entry in k.json("get", "cm", "ssa", "--show-managed-fields")["metadata"]
                ["managedFields"]}
    assert managers == {"third"}
    del config["data"]
    k("apply", "--server-side", "--field-manager=third", "-f", "-", stdin=json.dumps(config))
    assert "data" not in k.json("get", "cm", "ssa")


def test_patches_of_all_three_types(k, config):
    out = k("patch", "cm", "c", "--type=json", "-p", '[{"op":"replace","path":"/data/a","value":"9"}]')
    assert out == "configmap/c patched\n"
    assert k("patch", "cm", "c", "--type=merge", "-p", '{"data":{"a":"9"}}') == "configmap/c patched (no change)\n"
    k("patch", "cm", "c", "--type=merge", "-p", '{"data":{"b":null,"d":"4"}}')
    assert config()["data"] == {"a": "9", "d": "4"}
    said = k.fails("patch", "cm", "c", "--type=json", "-p", '[{"op":"test","path":"/data/a","value":"x"}]')
    assert said == "The request is invalid: the server rejected our request due to an error in our request\n"


def test_a_strategic_patch_merges_lists_by_key(web):
    web("patch", "svc", "web", "-p", '{"spec":{"ports":[{"port":99,"name":"more"}]}}')
    assert web("get", "svc", "web", "-o", "jsonpath={.spec.ports[*].port}").split() in (["99", "80"], ["80", "99"])
    web("patch", "svc", "web", "-p", '{"spec":{"ports":[{"port":99,"$patch":"delete"}]}}')
    assert web("get", "svc", "web", "-o", "jsonpath={.spec.ports[*].port}") == "80"
    said = web.fails("patch", "sts", "web", "-p", '{"spec":{"serviceName":"other"}}')
    assert said.startswith('The StatefulSet "web" is invalid: spec: Forbidden: updates to statefulset spec for fields '
                           "other than 'replicas', 'ordinals', 'template', 'updateStrategy'")


def test_labels_and_annotations(k, config):
    assert k("label", "cm", "c", "x=y") == "configmap/c labeled\n"
    assert k("label", "cm", "c", "x=y") == "configmap/c not labeled\n"
    assert "'x' already has a value (y), and --overwrite is false" in k.fails("label", "cm", "c", "x=z")
    assert k("label", "cm", "c", "x=z", "--overwrite") == "configmap/c labeled\n"
    assert k("get", "cm", "-l", "x in (y,z),x!=y", "-o", "name") == "configmap/c\n"
    assert k("label", "cm", "c", "x-") == "configmap/c unlabeled\n"
    assert k("annotate", "cm", "c", "note=some words") in ("configmap/c annotated\n", "configmap/c annotate\n")  # up to 1.27
    assert config()["metadata"]["annotations"] == {"note": "some words"}


def test_edit_and_replace(k, config):
    edited = k.world.run("env", "KUBE_EDITOR=sed -i 's/a: \"1\"/a: one/'", KUBECTLS[k.version], "--cache-dir", k.world.dir / "cache",
        "-n", k.namespace, "edit", "cm", "c").stdout
    assert edited == "configmap/c edited\n"
    assert config()["data"] == {"a": "one", "b": "2"}
    now = config()
    now["data"] = {"only": "this"}
    assert k("replace", "-f", "-", stdin=json.dumps(now)) == "configmap/c replaced\n"
    assert config()["data"] == {"only": "this"}
    said = k.fails("replace", "-f", "-", stdin=json.dumps(now))  # its resourceVersion is old by now
    assert said == ('Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on '
                    'configmaps "c": the object has been modified; please apply your changes to the latest version and '
                    "try again\n")
    del now["metadata"]["uid"], now["metadata"]["resourceVersion"]
    assert k("replace", "--force", "-f", "-", stdin=json.dumps(now)).endswith("configmap/c replaced\n")


def test_unknown_fields_are_refused_warned_of_or_ignored(k):
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s"},"dat":{"a":"1"}}'
    said = k.fails("create", "-f", "-", stdin=text % "u1")
    assert said == ('Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be '
                    'handled as a ConfigMap: strict decoding error: unknown field "dat"\n')
    done = k.run("create", "--validate=warn", "-f", "-", stdin=text % "u2")
    assert done.stderr == 'Warning: unknown field "dat"\n'
    assert k.run("create", "--validate=ignore", "-f", "-", stdin=text % "u3").stderr == ""


# ---- get, describe, watch ----

def test_get_in_every_shape(web):
    k = web
    table = rows(k("get", "pods", "-o", "wide"))
    assert table[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE",
                        "READINESS GATES"]
    assert [row[:4] for row in table[1:]] == [["web-0", "1/1", "Running", "0"], ["web-1", "1/1", "Running", "0"]]
    assert k("get", "pods", "-o", "name") == "pod/web-0\npod/web-1\n"
    assert k("get", "sts", "web", "-o", "yaml").startswith("apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n")
    assert k.json("get", "pods")["kind"] == "List"
    assert k("get", "pods", "-l", "apps.kubernetes.io/pod-index=1", "-o", "name") == "pod/web-1\n"
    assert k("get", "pods", "--field-selector", "metadata.name=web-0,status.phase=Running", "-o", "name") == (
        "pod/web-0\n")
    assert 'field label not supported: foo' in k.fails("get", "pods", "--field-selector", "foo=web-0")
    assert f"{k.namespace} " in k("get", "pods", "-A")
    assert rows(k("get", "pods", "--show-labels", "--no-headers"))[0][-1].startswith("app=web,")
    assert k("get", "pods", "--sort-by=.metadata.name", "-o", "custom-columns=N:.metadata.name,P:.status.phase") == (
        "N       P\nweb-0   Running\nweb-1   Running\n")
    assert k("get", "pod", "web-0", "-o", "go-template={{.spec.hostname}}.{{.spec.subdomain}}") == "web-0.web"
    assert "statefulset.apps/web" in k("get", "all")
    assert k.run("get", "cm", "-l", "no=such").stderr == f"No resources found in {k.namespace} namespace.\n"
    assert k.fails("get", "pod", "nope") == 'Error from server (NotFound): pods "nope" not found\n'
    assert k.fails("get", "nope") == 'error: the server doesn\'t have a resource type "nope"\n'
    assert len(k("get", "pods", "--chunk-size=1", "-o", "name").split()) == 2


def test_watch_prints_the_change(k, config):
    watch = k.start("get", "cm", "c", "-w", "-o", 'jsonpath={.data.a}{"\\n"}')
    try:
        assert watch.stdout.readline() == "1\n"
        k("patch", "cm", "c", "--type=merge", "-p", '{"data":{"a":"seen"}}')
        assert watch.stdout.readline() == "seen\n"
    finally:
        k.world.stop(watch)


def test_describe_shows_status_and_events(web):
    pod = web("describe", "pod", "web-0")
    for line in ("Controlled By:  StatefulSet/web", "Status:           Running", "QoS Class:                   BestEffort",
                 "    State:          Running", "  Normal  Started"):
        assert line in re.sub(r"(  (?:Normal|Warning)) +", r"\1  ", pod), pod
    assert re.search(r"Normal\s+Scheduled\s+\S+\s+default-scheduler\s+Successfully assigned \S+/web-0 to ", pod)
    described = web("describe", "sts", "web")
    assert "Replicas:           2 desired | 2 total" in described
    assert "Pods Status:        2 Running / 0 Waiting / 0 Succeeded / 0 Failed" in described
    assert "Create Pod web-1 in StatefulSet web successful" in described
    service = web("describe", "svc", "web")
    assert re.search(r"Endpoints: +10\.42\.\d+\.\d+:8080,10\.42\.\d+\.\d+:8080\n", service), service
    claim = web("describe", "pvc", "data-web-0")
    assert re.search(r"Used By: +web-0\n", claim) and re.search(r"Status: +Bound\n", claim)
    node = web("describe", "node")
    assert re.search(r"Ready +True .* KubeletReady", node) and "web-1" in node
    assert "No resources found" in web.run("describe", "cm", "-l", "no=such").stderr


def test_events_of_a_pod(web):
    out = web("events", "--for", "pod/web-0")
    assert rows(out)[0] == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "Started" in out
    reasons = web("get", "events", "--field-selector", "involvedObject.name=web-1,involvedObject.kind=Pod", "-o",
                  "jsonpath={.items[*].reason}").split()
    assert {"Scheduled", "Pulled", "Created", "Started"} <= set(reasons)


# ---- exec, logs, cp ----

def test_exec_gives_exit_codes_streams_and_input(web):
    done = web.run("exec", "web-0", "--", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout) == (3, "out\n")
    assert without_early_message(done.stderr) == "err\ncommand terminated with exit code 3\n"
    assert web("exec", "-i", "web-0", "--", "sh", "-c", "wc -c; echo end", stdin="x" * 100000) == "100000\nend\n"
    assert web("exec", "sts/web", "-c", "main", "--", "hostname") == "web-0\n"
    done = web.run("exec", "web-0", "--", "nosuchcommand", check=False)
    assert done.returncode != 0 and "nosuchcommand" in done.stderr
    assert "container nope" in web.fails("exec", "web-0", "-c", "nope", "--", "true")


def test_logs_with_tail_since_and_labels(web):
    assert set(web("logs", "web-0").splitlines()) == {"hello from web-0", "oops"}
    assert len(web("logs", "web-0", "--tail=1").splitlines()) == 1
    assert len(web("logs", "-l", "app=web", "--prefix").splitlines()) == 4
    assert web("logs", "web-0", "--since-time=2999-01-01T00:00:00Z") == ""
    assert len(web("logs", "web-0", "--since=1h").splitlines()) == 2
    assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ", web("logs", "sts/web", "--timestamps"))
    said = web.fails("logs", "web-0", "-p")
    assert said == ('Error from server (BadRequest): previous terminated container "main" in pod "web-0" not found\n')
    assert "container nope is not valid for pod web-0" in web.fails("logs", "web-0", "-c", "nope")


def test_a_small_file_is_copied_both_ways(web):
    local = web.world.dir / f"copied-{web.version}"
    local.write_text("some bytes\n" * 1000)
    web("cp", local, "web-0:/data/copied")
    web("cp", "web-0:/data/copied", f"{local}.back")
    assert local.read_bytes() == (local.parent / (local.name + ".back")).read_bytes()


def test_a_pod_runs_to_completion_and_its_log_is_followed_to_the_end(k):
    assert k("run", "job", "--image=time-server:latest", "--image-pull-policy=IfNotPresent", "--restart=Never",
             "--command", "--", "sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.2; done; exit 4") == (
        "pod/job created\n")
    if k.minor > 27:  # before, a value had to be given
        k("wait", "--for=jsonpath={.status.containerStatuses[0].state}", "pod/job", "--timeout=60s")
    k("wait", "--for=jsonpath={.status.phase}=Failed", "pod/job", "--timeout=60s")
    assert k("logs", "-f", "job") == "line 1\nline 2\nline 3\n", k("get", "pod", "job", "-o", "yaml")
    assert rows(k("get", "pod", "job", "--no-headers"))[0][:3] == ["job", "0/1", "Error"]
    assert k("get", "pod", "job", "-o", "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}") == "4"
    assert k("delete", "pod", "job") == k.deleted("pod", "job")


def test_logs_follow_a_running_pod_and_show_the_previous_container(k):
    k("run", "twice", "--image=time-server:latest", "--image-pull-policy=IfNotPresent", "--restart=OnFailure",
      "--command", "--", "sh", "-c", "echo run; sleep 0.5; exit 1")
    try:
        k("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/twice", "--timeout=60s")
        assert k("logs", "-p", "twice") == "run\n"
    finally:
        k("delete", "pod", "twice", "--grace-period=0", "--force")


# ---- scale, rollout, wait, delete ----

def test_scale_up_and_down_in_order(web):
    assert web("scale", "sts/web", "--replicas=3") == "statefulset.apps/web scaled\n"
    web("rollout", "status", "sts/web", "--timeout=120s")
    web("wait", "--for=condition=Ready", "pod/web-2", "--timeout=60s")
    assert "expected replicas" in web.fails("scale", "sts/web", "--replicas=1", "--current-replicas=7").lower()
    web("scale", "sts", "web", "--replicas=2", "--current-replicas=3")
    web("wait", "--for=delete", "pod/web-2", "--timeout=60s")
    assert rows(web("get", "sts", "web", "--no-headers"))[0][:2] == ["web", "2/2"]
    assert len(web("get", "pvc", "-l", "app=web", "-o", "name").split()) == 3
    said = web.fails("scale", "sts", "nope", "--replicas=1")
    assert said.startswith(('Error from server (NotFound): statefulsets.apps "nope" not found',
                            "error: no objects passed to scale"))  # up to 1.32


def test_rollouts_go_on_back_and_again(web):
    # each kubectl's history has its own words for what it rolls back to; all have the numbers
    web("patch", "sts", "web", "-p",
        '{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"V","value":"2"}]}]}}}}')
    out = web("rollout", "status", "sts/web", "--timeout=120s")
    assert "partitioned roll out complete: 2 new pods have been updated..." in out or "rolling update complete" in out
    assert web("exec", "web-1", "--", "sh", "-c", "echo $V") == "2\n"
    history = web("rollout", "history", "sts/web")
    assert re.search(r"REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n", history), history
    assert "V:\t2" in web("rollout", "history", "sts/web", "--revision=2")
    assert web("rollout", "undo", "sts/web") == "statefulset.apps/web rolled back\n"
    web("rollout", "status", "sts/web", "--timeout=120s")
    assert web("exec", "web-0", "--", "sh", "-c", "echo .$V") == ".\n"
    before = web("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")
    assert web("rollout", "restart", "sts/web") == "statefulset.apps/web restarted\n"
    web("rollout", "status", "sts/web", "--timeout=120s")
    after = web("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")
    assert not set(before.split()) & set(after.split())


def test_wait_for_conditions_values_and_ends(k, config):
    assert k("wait", "--for=jsonpath={.data.a}=1", "cm/c", "--timeout=30s") == "configmap/c condition met\n"
    said = k.fails("wait", "--for=jsonpath={.data.a}=never", "cm/c", "--timeout=1s")
    assert said == "error: timed out waiting for the condition on configmaps/c\n"
    waiting = k.start("wait", "--for=delete", "cm/c", "--timeout=60s")
    k("delete", "cm", "c")
    assert waiting.wait(timeout=60) == 0
    assert waiting.communicate()[0] in ("configmap/c condition met\n", "")


def test_delete_by_label_by_file_and_with_a_finalizer(k):
    for name in ("d1", "d2", "d3"):
        k("create", "configmap", name)
    k("label", "cm", "d1", "d2", "drop=yes")
    out = k("delete", "cm", "-l", "drop=yes")
    assert out == k.deleted("configmap", "d1") + k.deleted("configmap", "d2")
    k("patch", "cm", "d3", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    k("delete", "cm", "d3", "--wait=false")
    assert k("get", "cm", "d3", "-o", "jsonpath={.metadata.deletionTimestamp}")
    k("patch", "cm", "d3", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    k("wait", "--for=delete", "cm/d3", "--timeout=30s")
    assert k.fails("delete", "cm", "d3") == 'Error from server (NotFound): configmaps "d3" not found\n'
    assert k("delete", "cm", "d3", "--ignore-not-found") == ""


def test_a_set_deleted_with_orphan_leaves_its_pods_and_adopts_them_again(web):
    uids = web("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.uid}")
    was = web.json("get", "sts", "web")
    assert web("delete", "sts", "web", "--cascade=orphan") == web.deleted("statefulset.apps", "web")
    assert web("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.ownerReferences}") == ""
    for field in ("uid", "resourceVersion", "generation", "creationTimestamp"):
        del was["metadata"][field]
    web("create", "-f", "-", stdin=json.dumps(was))
    web("wait", "--for=jsonpath={.metadata.ownerReferences[0].name}=web", "pod/web-0", "pod/web-1", "--timeout=60s")
    assert web("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.uid}") == uids


def test_a_deleted_pod_is_replaced(web):
    uid = web("get", "pod", "web-1", "-o", "jsonpath={.metadata.uid}")
    assert web("delete", "pod", "web-1") == web.deleted("pod", "web-1")
    web("rollout", "status", "sts/web", "--timeout=60s")
    web("wait", "--for=condition=Ready", "pod", "-l", "app=web", "--timeout=60s")
    assert web("get", "pod", "web-1", "-o", "jsonpath={.metadata.uid}") != uid


# ---- discovery, authorization, raw ----

def test_discovery_explain_and_version(k):
    rows = [line.split() for line in k("api-resources", "--no-headers").splitlines()]
    resources = {row[0]: row for row in reversed(rows)}  # metrics.k8s.io has nodes, too
    assert resources["statefulsets"] == ["statefulsets", "sts", "apps/v1", "true", "StatefulSet"]
    assert resources["nodes"] == ["nodes", "no", "v1", "false", "Node"]
    assert {"apps/v1", "v1", "storage.k8s.io/v1"} <= set(k("api-versions").split())
    explained = k("explain", "sts.spec.replicas")
    assert re.match(r"GROUP: +apps\nKIND: +StatefulSet\nVERSION: +v1\n\nFIELD: replicas <integer>\n", explained), (
        explained)
    assert "livenessProbe\t<Probe>" in k("explain", "pod.spec.containers")
    assert "serviceName\t<string>" in k("explain", "statefulset", "--recursive")
    version = json.loads(k("version", "-o", "json"))
    assert version["serverVersion"]["minor"] == "36"


def test_authorization_says_who_and_what(k):
    assert k("auth", "can-i", "create", "pods") == "yes\n"
    if k.minor > 27:  # 1.27 asks for the beta API
        assert "system:masters" in k("auth", "whoami")
    done = k.run("auth", "can-i", "create", "pods", "--as=bob", check=False)
    assert (done.returncode, done.stdout) == (1, "no\n")
    account = f"system:serviceaccount:{k.namespace}:default"
    said = k.fails("get", "pods", "--as", account)
    assert said == (f'Error from server (Forbidden): pods is forbidden: User "{account}" cannot list resource "pods" in '
                    f'API group "" in the namespace "{k.namespace}"\n')


def test_a_certificate_is_requested_approved_and_used(k, tmp_path):
    name = f"jane-{k.namespace}"  # requests have no namespace
    key, request = tmp_path / "jane.key", tmp_path / "jane.csr"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", request,
                    "-subj", "/CN=jane/O=devs"], check=True, capture_output=True)
    k("create", "-f", "-", stdin=json.dumps({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
             "spec": {"request": base64.b64encode(request.read_bytes()).decode(), "signerName": "kubernetes.io/kube-apiserver-client",
                      "expirationSeconds": 3600, "usages": ["client auth"]}}))
    assert rows(k("get", "csr", name))[1][-1] == "Pending"
    k("certificate", "approve", name)
    end = time.monotonic() + 30
    while not (issued := k("get", "csr", name, "-o", "jsonpath={.status.certificate}")):
        assert time.monotonic() < end
    assert rows(k("get", "csr", name))[1][-1] == "Approved,Issued"
    certificate = tmp_path / "jane.crt"
    certificate.write_bytes(base64.b64decode(issued))
    if k.minor < 28:  # before `auth whoami` is stable
        return
    config = k.json("config", "view", "--raw")
    config["users"][0]["user"] = {"client-certificate": str(certificate), "client-key": str(key)}
    (tmp_path / "config").write_text(json.dumps(config))
    who = k("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}:{.status.userInfo.groups[0]}", "--kubeconfig", tmp_path / "config")
    assert who.strip() == "jane:devs"


def test_raw_paths(k):
    assert k("get", "--raw", "/healthz") == "ok"
    assert k("get", "--raw", "/readyz?verbose").endswith("readyz check passed\n")
    assert json.loads(k("get", "--raw", "/version"))["major"] == "1"
    assert json.loads(k("get", "--raw", f"/api/v1/namespaces/{k.namespace}"))["kind"] == "Namespace"
    assert k.fails("get", "--raw", "/nope") == (
        "Error from server (NotFound): the server could not find the requested resource\n")


def test_a_namespace_takes_all_with_it(k):
    name = k.namespace + "-gone"
    k("create", "namespace", name)
    k("create", "configmap", "c", "-n", name)
    assert k("delete", "namespace", name) == f'namespace "{name}" deleted\n'
    assert k.fails("get", "cm", "c", "-n", name) == f'Error from server (NotFound): namespaces "{name}" not found\n'
