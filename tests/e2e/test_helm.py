# SPDX-License-Identifier: Apache-2.0
"""Helm's commands against stead: what charts install, what they leave, and what Helm says when they are broken."""
import json
import subprocess
import sys

import pytest
import yaml

from helm import CHART, HELMS, Helm, need
from world import ROOT


@pytest.fixture(params=["helm4", "helm3"])
def helm(request, world):
    return Helm(world, request.param)


@pytest.fixture
def helm4(world):
    return Helm(world, "helm4")



def write_chart(world, **templates):
    """A chart of the given templates; gives its folder."""
    chart = world.dir / "chart"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 0.1.0\n")
    for name, text in templates.items():
        (chart / "templates" / f"{name}.yaml").write_text(text if isinstance(text, str) else yaml.safe_dump(text))
    return chart


def pod(name, *command, **annotations):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "annotations": {f"helm.sh/{k.replace('_', '-')}": v
                                                       for k, v in annotations.items()}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [
                {"name": "c", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
                 "command": list(command)}]}}


def names(world, kind):
    return sorted(o["metadata"]["name"] for o in world.get(kind)["items"])


@pytest.mark.parametrize("client", ["helm4", "helm3"])
@pytest.mark.parametrize("number", ["none", 1, 2, 3, 4, 5])
def test_the_chart_is_without_fault(client, number):
    need(client)
    more = [] if number == "none" else ["-f", CHART / "scenarios" / f"{number}.yaml"]
    done = subprocess.run([HELMS[client], "lint", "--strict", CHART, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 chart(s) failed" in done.stdout and "[WARNING]" not in done.stdout + done.stderr


def test_a_release_lives_from_install_to_uninstall(helm, world):
    install = helm.out("install", "page", CHART, "--wait", "--timeout", "60s", "--set", "replicaCount=2")
    assert "STATUS: deployed" in install and "REVISION: 1" in install
    ip = world.out("get", "svc", "page-time-server", "-o", "jsonpath={.spec.clusterIP}")
    for _ in range(12):
        assert "Visits: " in world.curl(f"http://{ip}:5000/")
    counts = visits(world, 2)
    assert sum(counts) == 12

    listed = helm.json("list")
    assert [(r["name"], r["namespace"], r["revision"], r["status"], r["chart"], r["app_version"]) for r in listed] == [
        ("page", "default", "1", "deployed", "time-server-1.0.0", "0.1.0")]
    assert "STATUS: deployed" in helm.out("status", "page")
    assert yaml.safe_load(helm.out("get", "values", "page", "-o", "yaml")) == {"replicaCount": 2}
    assert yaml.safe_load(helm.out("get", "values", "page", "--all", "-o", "yaml"))["service"]["port"] == 5000
    kinds = [o["kind"] for o in yaml.safe_load_all(helm.out("get", "manifest", "page")) if o]
    assert kinds == ["Service", "StatefulSet"]
    assert "page-time-server-test" in helm.out("get", "hooks", "page")
    assert "2 replicas" in helm.out("get", "notes", "page")
    assert "MANIFEST:" in helm.out("get", "all", "page")

    helm("upgrade", "page", CHART, "--wait", "--timeout", "60s", "--set", "replicaCount=3,zone=Europe/Moscow")
    assert world.out("get", "sts", "page-time-server", "--no-headers").split()[1] == "3/3"
    assert visits(world, 2) == counts  # new pods, old volumes
    assert "+03:00" in world.curl(f"http://{ip}:5000/")
    helm("rollback", "page", "1", "--wait", "--timeout", "60s")
    world.kubectl("rollout", "status", "sts/page-time-server", "--timeout=60s")
    assert world.out("get", "sts", "page-time-server", "--no-headers").split()[1] == "2/2"
    history = [(h["revision"], h["status"], h["description"]) for h in helm.json("history", "page")]
    assert history == [(1, "superseded", "Install complete"), (2, "superseded", "Upgrade complete"),
                       (3, "deployed", "Rollback to 1")]

    test = helm.out("test", "page", "--logs")
    assert "Phase:          Succeeded" in test and "ok\n" in test
    assert 'release "page" uninstalled' in helm.out("uninstall", "page", "--wait")
    assert helm.json("list", "--all" if helm.client == "helm3" else "--failed") == []
    assert names(world, "sts") == [] and "page-time-server" not in names(world, "svc")
    # the third replica's claim is there too
    assert names(world, "pvc") == [f"persistent-page-time-server-{i}" for i in range(3)]

    again = helm.out("install", "page", CHART, "--wait", "--timeout", "60s", "--set", "replicaCount=2")
    assert "The claim persistent-page-time-server-0 was there before" in again  # lookup
    assert visits(world, 2) >= counts


def visits(world, n):
    return [int(world.out("exec", f"page-time-server-{i}", "--", "sh", "-c", "cat persistent/visits 2>/dev/null || echo 0"))
            for i in range(n)]


def test_everything_the_chart_can_make_is_accepted(helm4, world):
    helm4("install", "page", CHART, "--wait", "--timeout", "60s", "--set",
          "serviceAccount.create=true,podDisruptionBudget.enabled=true,resources.requests.memory=16Mi,"
          "persistence.retentionPolicy.whenDeleted=Delete,podLabels.tier=front,service.sessionAffinity=ClientIP,"
          "visits.format=log,service.clusterIP=None")
    assert "page-time-server" in names(world, "serviceaccounts")
    assert names(world, "pdb") == ["page-time-server"]
    helm4("uninstall", "page", "--wait")
    world.kubectl("wait", "--for=delete", "pvc", "--all", "--timeout=30s")


def test_the_chart_takes_what_a_user_adds(helm4, world):
    """No claims, ordinals of one's own, init containers and volumes of one's own, a budget by minAvailable."""
    added = world.dir / "added.yaml"
    added.write_text("""
replicaCount: 2
persistence: {enabled: false}
ordinals: {start: 5}
minReadySeconds: 1
visits: {format: line}
podDisruptionBudget: {enabled: true, minAvailable: 50%}
initContainers:
- name: greet
  image: time-server:latest
  imagePullPolicy: IfNotPresent
  command: [sh, -c, echo hello > /shared/greeting]
  volumeMounts: [{name: shared, mountPath: /shared}]
volumes: [{name: shared, emptyDir: {}}]
volumeMounts: [{name: shared, mountPath: /shared, readOnly: true}]
""")
    notes = helm4.out("install", "page", CHART, "-f", added, "--wait", "--timeout", "60s")
    assert "That is an emptyDir" in notes and "pod/page-time-server-5 -- cat" in notes
    assert names(world, "pods") == ["page-time-server-5", "page-time-server-6"]
    assert names(world, "pvc") == []
    budget = world.get("pdb", "page-time-server")["spec"]
    assert budget["minAvailable"] == "50%" and "maxUnavailable" not in budget
    assert world.get("sts", "page-time-server")["spec"]["minReadySeconds"] == 1
    pods = ["page-time-server-5", "page-time-server-6"]
    for pod in pods:
        world.kubectl("exec", pod, "--", "wget", "-q", "-T", "5", "-O", "/dev/null", "http://127.0.0.1:5000/")
    # with an end of line the counts of several replicas do not run together
    assert "".join(world.out("exec", pod, "--", "cat", "/shared/greeting", "persistent/visits") for pod in pods) == "hello\n1\n" * 2
    # the busybox in the image says what is wrong with a name, with a time-out too
    done = world.kubectl("exec", pods[0], "--", "wget", "-T", "5", "-O", "-", "http://no.such.name.invalid/", check=False)
    assert done.returncode == 1 and "bad address 'no.such.name.invalid'" in done.stderr
    helm4("uninstall", "page", "--wait")


def test_wrong_values_are_refused_with_their_names(helm, world):
    said = helm.fails("install", "page", CHART, "--set", "visits.format=base64")
    assert "visits" in said and "format" in said and "'text', 'line', 'log', 'quoted', 'binary'" in said.replace('"', "'")
    said = helm.fails("install", "page", CHART, "--set", "replicas=3")
    assert "replicas" in said
    assert names(world, "sts") == [] and helm.json("list") == []


def test_hooks_run_by_weight_and_go_as_their_policy_says(helm, world):
    chart = write_chart(
        world,
        kept=pod("kept", "true", hook="pre-install", hook_weight="5"),
        gone=pod("gone", "true", hook="pre-install", hook_weight="-5", hook_delete_policy="hook-succeeded"),
        middle=pod("middle", "true", hook="pre-install", hook_weight="0"),
        post=pod("post", "true", hook="post-install,post-upgrade", hook_delete_policy="before-hook-creation"),
        map={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"a": "b"}})
    helm("install", "hooked", chart, "--timeout", "60s")
    assert names(world, "pods") == ["kept", "middle", "post"]
    revisions = [int(world.out("get", "events", "--field-selector", f"involvedObject.name={name},reason=Started", "-o",
                               "jsonpath={.items[0].metadata.resourceVersion}"))
                 for name in ("gone", "middle", "kept", "post")]
    assert revisions == sorted(revisions)
    uid = world.get("pod", "post")["metadata"]["uid"]
    helm("upgrade", "hooked", chart, "--timeout", "60s")
    assert world.get("pod", "post")["metadata"]["uid"] != uid
    helm("uninstall", "hooked")
    assert names(world, "pods") == ["kept", "middle", "post"]  # hooks are nobody's
    assert "plain" not in names(world, "configmaps")


def test_a_hook_that_fails_fails_the_release(helm, world):
    chart = write_chart(world, bad=pod("bad", "false", hook="pre-install"),
                        map={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}})
    said = helm.fails("install", "failing", chart, "--timeout", "60s")
    assert "failed pre-install" in said and "bad" in said
    assert "plain" not in names(world, "configmaps")
    assert [h["status"] for h in helm.json("history", "failing")] == ["failed"]
    assert world.out("get", "pod", "bad", "--no-headers").split()[1:3] == ["0/1", "Error"]


def test_a_hook_that_never_ends_is_given_up(helm, world):
    chart = write_chart(world, slow=pod("slow", "sleep", "600", hook="post-install"))
    said = helm.fails("install", "slow", chart, "--timeout", "3s")
    assert "failed post-install" in said
    assert [h["status"] for h in helm.json("history", "slow")] == ["failed"]
    helm("uninstall", "slow")


def test_a_hook_may_be_a_job(helm, world):
    job = {"apiVersion": "batch/v1", "kind": "Job",
           "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-install"}},
           "spec": {"backoffLimit": 0, "template": {"spec": pod("x", "true")["spec"]}}}
    helm("install", "jobs", write_chart(world, job=job), "--timeout", "60s")
    assert world.get("job", "migrate")["status"]["succeeded"] == 1


def test_a_name_in_use_is_refused(helm, world):
    chart = write_chart(world, map={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}})
    helm("install", "one", chart)
    assert "a name that is still in use" in helm.fails("install", "one", chart)
    said = helm.fails("install", "two", chart)
    assert 'ConfigMap "plain" in namespace "default" exists and cannot be imported into the current release' in said
    assert 'must equal "two": current value is "one"' in said
    assert "not found" in helm.fails("status", "three")


def test_a_broken_chart_is_taken_back_when_asked(helm, world):
    flag = "--atomic" if helm.client == "helm3" else "--rollback-on-failure"
    said = helm.fails("install", "page", CHART, flag, "--timeout", "3s", "--set", "image.tag=no-such")
    assert "has been uninstalled due to" in said
    assert names(world, "sts") == [] and helm.json("list", "-a" if helm.client == "helm3" else "--failed") == []
    helm("install", "page", CHART, "--wait", "--timeout", "60s")
    said = helm.fails("upgrade", "page", CHART, flag, "--timeout", "4s", "--set", "image.tag=no-such")
    assert "has been rolled back due to" in said, said
    assert [h["status"] for h in helm.json("history", "page")] == ["superseded", "failed", "deployed"]
    assert world.out("get", "sts", "page-time-server", "-o",
                     "jsonpath={.spec.template.spec.containers[0].image}") == "time-server:latest"


def test_wait_gives_up_with_what_is_not_ready(helm, world):
    said = helm.fails("install", "page", CHART, "--wait", "--timeout", "3s", "--set", "image.tag=no-such")
    assert "not ready" in said or "deadline exceeded" in said, said
    assert helm.json("history", "page")[0]["status"] == "failed"
    # A pod of an older revision that cannot start is replaced, also where the set starts in order.
    helm("upgrade", "page", CHART, "--wait", "--timeout", "60s", "--reset-values")
    assert [h["status"] for h in helm.json("history", "page")] == ["superseded", "deployed"]


def test_a_dry_run_asks_the_server_and_changes_nothing(helm, world):
    said = helm.out("install", "page", CHART, "--dry-run=server")
    assert "kind: StatefulSet" in said
    assert names(world, "sts") == [] and helm.json("list") == []


def test_releases_keep_to_their_namespace(helm4, world):
    for ns in ("a", "b"):
        helm4("install", "page", CHART, "-n", ns, "--create-namespace", "--wait", "--timeout", "60s")
    assert sorted(r["namespace"] for r in helm4.json("list", "-A")) == ["a", "b"]
    assert helm4.json("list") == []


def make_nginx(world):
    """A server of files under nginx's name, as the default chart of `helm create` wants it. The busybox of its test comes with stead."""
    chart = world.dir / "mychart"
    version = yaml.safe_load((chart / "Chart.yaml").read_text())["appVersion"]
    page = world.dir / "index.html"
    page.write_text("<h1>Welcome to nginx!</h1>\n")
    tar = world.dir / "nginx.tar"
    world.run(sys.executable, ROOT / "tools" / "make_image.py", "--name", f"nginx:{version}", "--out", tar, "--busybox", "/bin/busybox", "--cmd=sh", "--cmd=-c",
              "--cmd=trap 'exit 0' TERM; httpd -f -h /www & wait",
              "--port", "80", f"{page}:/www/index.html")
    world.stead("image", "import", tar)


def test_the_default_chart_of_helm_create_installs_tests_and_goes(helm, world):
    world.run("sh", "-c", f"cd {world.dir} && {HELMS[helm.client]} create mychart")
    make_nginx(world)
    helm("install", "web", world.dir / "mychart", "--wait", "--timeout", "60s")
    assert world.out("get", "deployment", "web-mychart", "--no-headers").split()[1] == "1/1"
    assert "Succeeded" in helm.out("test", "web")
    helm("upgrade", "web", world.dir / "mychart", "--set", "replicaCount=2", "--wait", "--timeout", "60s")
    assert world.out("get", "deployment", "web-mychart", "--no-headers").split()[1] == "2/2"
    helm("uninstall", "web", "--wait")
    world.kubectl("wait", "--for=delete", "pod", "-l", "pod-template-hash", "--timeout=30s")
    assert names(world, "deployments") == [] and names(world, "pods") == ["web-mychart-test-connection"]


def test_release_secrets_are_of_helms_type(helm4, world):
    helm4("install", "one", write_chart(
        world, map={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}}))
    secret = world.get("secret", "sh.helm.release.v1.one.v1")
    assert secret["type"] == "helm.sh/release.v1"
    assert secret["metadata"]["labels"]["owner"] == "helm"
    assert json.dumps(secret["data"])


# ---- broken charts ----

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"a": "{{ .Values.a }}"}}


def test_a_template_that_is_wrong_says_where_and_leaves_nothing(helm, world):
    for text, said in (("a: {{ .Values.x | nosuch }}", 'function "nosuch" not defined'),
                       ("a: {{ required \"give a.b\" .Values.ab }}", "give a.b"),
                       ("a: {{ .Values.x.y.z }}", "nil pointer evaluating"),
                       ("a: [", "error converting YAML to JSON"),
                       ("apiVersion: v1\nkind: Nope\nmetadata: {name: x}", 'no matches for kind "Nope" in version "v1"')):
        assert said in helm.fails("install", "broken", write_chart(world, t=text)), text
        assert helm.json("list", "-a" if helm.client == "helm3" else "--failed") == []
    assert names(world, "secrets") == []


def test_an_object_that_is_refused_fails_the_release_in_the_servers_words(helm, world):
    bad = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "bad"},
           "spec": {"replicas": -1, "serviceName": "bad", "selector": {"matchLabels": {"a": "b"}},
                    "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [
                        {"name": "c", "image": "x"}]}}}}
    said = helm.fails("install", "bad", write_chart(world, t=bad))
    assert 'StatefulSet.apps "bad" is invalid' in said
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in said
    assert "`selector` does not match template `labels`" in said
    assert [h["status"] for h in helm.json("history", "bad")] == ["failed"]
    # a field that does not exist
    chart = write_chart(world, t={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "dat": {}})
    if helm.client == "helm3":  # leaves it at the server's warning
        assert "unknown field" in helm("install", "odd", chart).stderr
    else:
        said = helm.fails("install", "odd", chart)
        assert "dat" in said and ("unknown field" in said or "field not declared in schema" in said), said


def test_hooks_run_at_each_step_of_a_release(helm, world):
    def note(step):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": step, "annotations": {"helm.sh/hook": step, "helm.sh/hook-delete-policy": "before-hook-creation"}}}

    steps = ["pre-upgrade", "post-upgrade", "pre-rollback", "post-rollback", "pre-delete", "post-delete"]
    chart = write_chart(world, map=MAP, **{step: note(step) for step in steps})

    def made():
        return [n for n in names(world, "configmaps") if n in steps]

    helm("install", "steps", chart, "--set", "a=1")
    assert made() == []
    helm("upgrade", "steps", chart, "--set", "a=2")
    assert made() == ["post-upgrade", "pre-upgrade"]
    assert world.get("cm", "plain")["data"] == {"a": "2"}
    helm("rollback", "steps", "1")
    assert made() == ["post-rollback", "post-upgrade", "pre-rollback", "pre-upgrade"]
    assert world.get("cm", "plain")["data"] == {"a": "1"}
    assert "pre-delete" in helm.out("get", "hooks", "steps")
    helm("uninstall", "steps", "--keep-history")
    assert made() == sorted(steps)
    assert helm.json("history", "steps")[-1]["status"] == "uninstalled"
    helm("uninstall", "steps")
    assert "release: not found" in helm.fails("history", "steps")


def test_a_hook_that_fails_goes_if_its_policy_says_so(helm, world):
    chart = write_chart(world, bad=pod("bad", "false", hook="pre-upgrade", hook_delete_policy="hook-failed"), map=MAP)
    helm("install", "page", chart, "--set", "a=1")
    said = helm.fails("upgrade", "page", chart, "--set", "a=2", "--timeout", "30s")
    assert "pre-upgrade hooks failed" in said
    world.kubectl("wait", "--for=delete", "pod/bad", "--timeout=30s")
    assert world.get("cm", "plain")["data"] == {"a": "1"}
    assert [(h["revision"], h["status"]) for h in helm.json("history", "page")] == [(1, "deployed"), (2, "failed")]


def test_a_failed_test_is_told(helm, world):
    chart = write_chart(world, bad=pod("bad-test", "sh", "-c", "echo why; exit 1", hook="test"), map=MAP)
    helm("install", "page", chart, "--set", "a=1")
    done = helm("test", "page", "--logs", "--timeout", "30s", check=False)
    assert done.returncode == 1 and "Phase:          Failed" in done.stdout
    assert "bad-test failed" in done.stderr or "why" in done.stdout, done


def test_upgrade_installs_what_is_not_there_when_asked(helm, world):
    chart = write_chart(world, map=MAP)
    assert "has no deployed releases" in helm.fails("upgrade", "page", chart, "--set", "a=1")
    for n in range(4):
        helm("upgrade", "--install", "page", chart, "--set", f"a={n}", "--history-max", "2")
    assert world.get("cm", "plain")["data"] == {"a": "3"}
    assert [h["revision"] for h in helm.json("history", "page")] == [3, 4]
    assert len(names(world, "secrets")) == 2


def test_a_release_takes_over_what_it_is_told_to(helm4, world):
    world.kubectl("create", "configmap", "plain", "--from-literal=a=0")
    chart = write_chart(world, map=MAP)
    assert "cannot be imported" in helm4.fails("install", "page", chart, "--set", "a=1")
    helm4("install", "page", chart, "--set", "a=1", "--take-ownership", "--force-conflicts")
    assert world.get("cm", "plain")["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert world.get("cm", "plain")["data"] == {"a": "1"}
