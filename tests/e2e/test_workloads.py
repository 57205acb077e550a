# SPDX-License-Identifier: Apache-2.0
"""Deployments, jobs, disruption budgets and roles, as kubectl sees them."""
import json
import subprocess

import pytest

IMAGE = "time-server:latest"


def container(name, script, **more):
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **more}


def deployment(name, replicas=3, script="exec sleep 1000", **spec):
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, **spec,
                 "template": {"metadata": {"labels": labels},
                              "spec": {"terminationGracePeriodSeconds": 0,
                                       "containers": [container("main", script,
                                                                env=[{"name": "VERSION", "value": "1"}])]}}}}


def job(name, script, **spec):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {**spec, "template": {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                                                   "containers": [container("main", script)]}}}}


@pytest.fixture
def ns(shared, request):
    """kubectl in a namespace of the test's own."""
    name = request.node.name.replace("_", "-")[:40].strip("-")
    shared.kubectl("create", "namespace", name)

    class Namespace:
        world = shared

        def __init__(self):
            self.name = name

        def kubectl(self, *args, **more):
            return shared.kubectl("-n", name, *args, **more)

        def out(self, *args):
            return self.kubectl(*args).stdout

        def get(self, *args):
            return json.loads(self.out("get", *args, "-o", "json"))

        def apply(self, thing):
            return self.kubectl("apply", "-f", "-", stdin=json.dumps(thing))

    yield Namespace()
    shared.kubectl("delete", "namespace", name, "--wait=false")


def rolled_out(ns, name):
    return ns.out("rollout", "status", f"deployment/{name}", "--timeout=60s")


# ---- deployments ----

def test_a_deployment_rolls_out_and_prints_its_tables(ns):
    ns.apply(deployment("web"))
    assert 'deployment "web" successfully rolled out' in rolled_out(ns, "web")
    row = ns.out("get", "deployment", "web", "--no-headers").split()
    assert row[:4] == ["web", "3/3", "3", "3"]
    head, row = ns.out("get", "rs").splitlines()
    assert head.split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert row.split()[1:4] == ["3", "3", "3"]
    pods = ns.get("pods")["items"]
    assert len(pods) == 3
    for pod in pods:
        assert pod["metadata"]["labels"]["pod-template-hash"] in pod["metadata"]["ownerReferences"][0]["name"]
    status = ns.get("deployment", "web")["status"]
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert conditions == {"Available": ("True", "MinimumReplicasAvailable"),
                          "Progressing": ("True", "NewReplicaSetAvailable")}


def test_an_update_rolls_and_can_be_undone(ns):
    ns.apply(deployment("web"))
    rolled_out(ns, "web")
    first = ns.get("rs")["items"][0]["metadata"]["name"]
    ns.kubectl("set", "env", "deployment/web", "VERSION=2")
    rolled_out(ns, "web")
    sets = {s["metadata"]["name"]: s["spec"]["replicas"] for s in ns.get("rs")["items"]}
    assert sets[first] == 0 and sorted(sets.values()) == [0, 3]
    history = ns.out("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:4]] == ["1", "2"]
    ns.kubectl("rollout", "undo", "deployment/web")
    rolled_out(ns, "web")
    assert ns.get("rs", first)["spec"]["replicas"] == 3
    assert ns.get("deployment", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert "VERSION" in ns.out("rollout", "history", "deployment/web", "--revision=2")


def test_a_deployment_scales_and_restarts(ns):
    ns.apply(deployment("web", replicas=1))
    rolled_out(ns, "web")
    ns.kubectl("scale", "deployment/web", "--replicas=4")
    rolled_out(ns, "web")
    assert len(ns.get("pods")["items"]) == 4
    before = {pod["metadata"]["name"] for pod in ns.get("pods")["items"]}
    ns.kubectl("rollout", "restart", "deployment/web")
    rolled_out(ns, "web")
    ns.kubectl("wait", "--for=delete", "--timeout=60s", *[f"pod/{name}" for name in before])
    assert len(ns.get("pods")["items"]) == 4


def test_a_paused_deployment_waits(ns):
    ns.apply(deployment("web", replicas=1))
    rolled_out(ns, "web")
    ns.kubectl("rollout", "pause", "deployment/web")
    ns.kubectl("set", "env", "deployment/web", "VERSION=2")
    ns.kubectl("wait", "deployment/web", "--for=jsonpath={.status.conditions[?(@.type=='Progressing')].reason}"
               "=DeploymentPaused", "--timeout=60s")
    assert len(ns.get("rs")["items"]) == 1
    ns.kubectl("rollout", "resume", "deployment/web")
    rolled_out(ns, "web")
    assert len(ns.get("rs")["items"]) == 2


def test_recreate_ends_the_old_pods_first(ns):
    ns.apply(deployment("web", replicas=2, strategy={"type": "Recreate"}))
    rolled_out(ns, "web")
    ns.kubectl("set", "env", "deployment/web", "VERSION=2")
    rolled_out(ns, "web")
    messages = [e["message"] for e in sorted(ns.get("events")["items"],
                                             key=lambda e: int(e["metadata"]["resourceVersion"]))
                if e["reason"] == "ScalingReplicaSet"]
    assert [m.split()[1] for m in messages] == ["up", "down", "up"]


def test_a_deleted_deployment_takes_everything_along(ns):
    ns.apply(deployment("web"))
    rolled_out(ns, "web")
    ns.kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")
    ns.kubectl("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=60s")
    assert ns.get("rs")["items"] == []


def test_a_daemon_set_runs_one_pod_and_rolls(ns):
    labels = {"app": "agent"}
    agent = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
             "spec": {"selector": {"matchLabels": labels}, "template": {
                 "metadata": {"labels": labels},
                 "spec": {"terminationGracePeriodSeconds": 0, "containers": [container("main", "exec sleep 1000")]}}}}
    ns.apply(agent)
    assert "successfully rolled out" in ns.out("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert ns.out("get", "ds", "--no-headers").split()[:7] == ["agent", "1", "1", "1", "1", "1", "<none>"]
    first = ns.out("get", "pods", "-o", "name")
    ns.kubectl("set", "env", "daemonset/agent", "VERSION=2")
    ns.out("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert ns.out("get", "pods", "-o", "name") != first
    ns.kubectl("rollout", "undo", "daemonset/agent")
    ns.out("rollout", "status", "daemonset/agent", "--timeout=60s")
    assert ns.out("rollout", "history", "daemonset/agent").splitlines()[-2].split()[0] == "3"
    ns.kubectl("delete", "daemonset", "agent")
    ns.kubectl("wait", "--for=delete", "pod", "-l", "app=agent", "--timeout=60s")


def test_a_cron_job_makes_jobs(ns):
    ns.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"},
              "spec": {"schedule": "@every 1s", "jobTemplate": {"spec": job("x", "true")["spec"]}}})
    ns.kubectl("wait", "--for=jsonpath={.status.lastSuccessfulTime}", "cronjob/tick", "--timeout=60s")
    made = ns.get("jobs")["items"][0]
    assert made["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    assert "Created job tick-" in ns.out("describe", "cronjob", "tick")
    ns.kubectl("patch", "cronjob", "tick", "-p", '{"spec":{"suspend":true}}')
    ns.kubectl("create", "job", "--from=cronjob/tick", "by-hand")
    ns.kubectl("wait", "--for=condition=complete", "job/by-hand", "--timeout=60s")
    ns.kubectl("delete", "cronjob", "tick")
    ns.kubectl("wait", "--for=delete", f"job/{made['metadata']['name']}", "--timeout=60s")


def test_what_is_kept_only_says_so(ns):
    done = ns.kubectl("create", "ingress", "web", "--rule=example.org/*=web:80")
    assert "stead keeps Ingresses but has no controller" in done.stderr
    assert ns.out("get", "ingress", "--no-headers").split()[:4] == ["web", "<none>", "example.org", "80"]


# ---- jobs ----

def conditions(job_object):
    return {c["type"]: c.get("reason") for c in job_object["status"].get("conditions", []) if c["status"] == "True"}


def test_a_job_completes(ns):
    ns.apply(job("hello", "echo hello"))
    ns.kubectl("wait", "--for=condition=Complete", "job/hello", "--timeout=60s")
    done = ns.get("job", "hello")
    assert done["status"]["succeeded"] == 1
    assert conditions(done) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert ns.out("get", "job", "hello", "--no-headers").split()[1:3] == ["Complete", "1/1"]
    assert ns.out("logs", "job/hello").strip() == "hello"
    pod = ns.get("pods", "-l", "batch.kubernetes.io/job-name=hello")["items"][0]
    assert not pod["metadata"].get("finalizers")
    assert [e["message"] for e in ns.get("events")["items"] if e["reason"] == "Completed"] == ["Job completed"]


def test_a_job_runs_in_parallel_until_enough_have_succeeded(ns):
    ns.apply(job("many", "exit 0", completions=5, parallelism=2))
    ns.kubectl("wait", "--for=condition=Complete", "job/many", "--timeout=60s")
    assert ns.get("job", "many")["status"]["succeeded"] == 5
    assert len(ns.get("pods")["items"]) == 5


def test_an_indexed_job_tells_each_pod_its_index(ns):
    ns.apply(job("parts", "echo part $JOB_COMPLETION_INDEX of $(hostname)", completions=3, parallelism=3,
                 completionMode="Indexed"))
    ns.kubectl("wait", "--for=condition=Complete", "job/parts", "--timeout=60s")
    assert ns.get("job", "parts")["status"]["completedIndexes"] == "0-2"
    logs = ns.out("logs", "-l", "job-name=parts")
    assert sorted(logs.split("\n")[:3]) == [f"part {i} of parts-{i}" for i in range(3)]


def test_a_job_fails_when_its_pods_do(ns):
    ns.apply(job("bad", "exit 3", backoffLimit=0))
    ns.kubectl("wait", "--for=condition=Failed", "job/bad", "--timeout=60s")
    done = ns.get("job", "bad")
    assert done["status"]["failed"] == 1
    assert conditions(done) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert "Job has reached the specified backoff limit" in ns.out("describe", "job", "bad")


def test_a_job_that_takes_too_long_is_ended(ns):
    ns.apply(job("slow", "exec sleep 1000", activeDeadlineSeconds=1))
    ns.kubectl("wait", "--for=condition=Failed", "job/slow", "--timeout=60s")
    assert conditions(ns.get("job", "slow"))["Failed"] == "DeadlineExceeded"
    ns.kubectl("wait", "--for=delete", "pod", "-l", "job-name=slow", "--timeout=60s")


def test_a_job_goes_when_its_time_is_over(ns):
    ns.apply(job("brief", "exit 0", ttlSecondsAfterFinished=1))
    ns.kubectl("wait", "--for=delete", "job/brief", "--timeout=60s")
    ns.kubectl("wait", "--for=delete", "pod", "-l", "job-name=brief", "--timeout=60s")


def test_a_suspended_job_runs_when_it_is_resumed(ns):
    ns.apply(job("later", "exit 0", suspend=True))
    ns.kubectl("wait", "--for=condition=Suspended", "job/later", "--timeout=60s")
    assert ns.get("pods")["items"] == []
    ns.kubectl("patch", "job", "later", "-p", '{"spec":{"suspend":false}}')
    ns.kubectl("wait", "--for=condition=Complete", "job/later", "--timeout=60s")


def test_a_deleted_job_takes_its_pods_along(ns):
    ns.apply(job("long", "exec sleep 1000"))
    ns.kubectl("wait", "--for=jsonpath={.status.ready}=1", "job/long", "--timeout=60s")
    ns.kubectl("delete", "job", "long", "--timeout=60s")
    ns.kubectl("wait", "--for=delete", "pod", "-l", "job-name=long", "--timeout=60s")


# ---- disruption budgets ----

def evict(ns, pod):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": ns.name}}
    return ns.kubectl("create", "--raw", f"/api/v1/namespaces/{ns.name}/pods/{pod}/eviction", "-f", "-",
                      stdin=json.dumps(body), check=False)


def test_a_budget_limits_evictions(ns):
    ns.apply(deployment("web", replicas=2))
    ns.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
              "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}})
    rolled_out(ns, "web")
    ns.kubectl("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=2", "--timeout=60s")
    assert ns.out("get", "pdb", "web", "--no-headers").split()[:4] == ["web", "2", "N/A", "0"]
    pod = ns.get("pods")["items"][0]["metadata"]["name"]
    refused = evict(ns, pod)
    assert refused.returncode != 0
    assert "Cannot evict pod as it would violate the pod's disruption budget." in refused.stderr
    ns.kubectl("patch", "pdb", "web", "--type=merge", "-p", '{"spec":{"minAvailable":1}}')
    ns.kubectl("wait", "pdb/web", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=60s")
    assert evict(ns, pod).returncode == 0
    ns.kubectl("wait", "--for=delete", f"pod/{pod}", "--timeout=60s")
    rolled_out(ns, "web")


def test_drain_waits_for_the_budget(ns):
    ns.apply(deployment("web", replicas=1))
    ns.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
              "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web"}}}})
    rolled_out(ns, "web")
    ns.kubectl("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=1", "--timeout=60s")
    node = ns.get("pods")["items"][0]["spec"]["nodeName"]
    drained = ns.world.kubectl("drain", node, "--pod-selector=app=web", "--timeout=1s", "--ignore-daemonsets",
                               check=False)
    ns.world.kubectl("uncordon", node)
    assert drained.returncode != 0
    assert "Cannot evict pod as it would violate the pod's disruption budget." in drained.stderr


# ---- roles ----

@pytest.fixture
def reader(ns):
    """kubectl as a service account that may read pods, and nothing else."""
    ns.kubectl("create", "serviceaccount", "reader")
    ns.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    ns.kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={ns.name}:reader")
    token = ns.out("create", "token", "reader").strip()
    config = json.loads(ns.out("config", "view", "--raw", "--flatten", "-o", "json"))
    config["users"][0]["user"] = {"token": token}
    path = ns.world.dir / f"{ns.name}.kubeconfig"
    path.write_text(json.dumps(config))

    def run(*args, **more):
        return ns.kubectl("--kubeconfig", path, *args, check=False, **more)

    run.user = f"system:serviceaccount:{ns.name}:reader"
    return run


def test_a_token_can_do_what_its_role_says_and_nothing_else(ns, reader):
    ns.apply(deployment("web", replicas=1, script="echo hello; exec sleep 1000"))
    rolled_out(ns, "web")
    pod = reader("get", "pods", "-o", "name")
    assert pod.returncode == 0, pod.stderr
    assert reader("logs", pod.stdout.strip()).stdout.strip() == "hello"
    for args in (["get", "secrets"], ["delete", pod.stdout.strip()], ["get", "pods", "-n", "kube-system"],
                 ["get", "nodes"], ["create", "configmap", "a"]):
        refused = reader(*args)
        assert refused.returncode != 0
        assert "is forbidden" in refused.stderr and f'User "{reader.user}" cannot' in refused.stderr, refused.stderr
    refused = reader("get", "secrets").stderr
    assert refused.strip() == (
        f'Error from server (Forbidden): secrets is forbidden: User "{reader.user}" cannot list resource "secrets" in '
        f'API group "" in the namespace "{ns.name}"')
    assert reader("auth", "can-i", "list", "pods").stdout.strip() == "yes"
    assert reader("auth", "can-i", "delete", "pods").stdout.strip() == "no"
    assert "pods" in reader("auth", "can-i", "--list").stdout
    assert ns.out("auth", "can-i", "get", "pods", "--as", reader.user).strip() == "yes"
    # what is bound no more holds no more
    ns.kubectl("delete", "rolebinding", "reader")
    assert "is forbidden" in reader("get", "pods").stderr


def test_nobody_gives_away_more_than_he_has(ns, reader):
    ns.kubectl("create", "role", "granter", "--verb=create,update,patch,get", "--resource=roles,rolebindings")
    ns.kubectl("create", "rolebinding", "granter", "--role=granter", f"--serviceaccount={ns.name}:reader")
    assert reader("create", "role", "less", "--verb=get", "--resource=pods").returncode == 0
    refused = reader("create", "role", "more", "--verb=get,list", "--resource=secrets").stderr
    assert "is attempting to grant RBAC permissions not currently held:" in refused
    assert '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}' in refused
    assert reader("create", "rolebinding", "less", "--role=less", "--user=alice").returncode == 0
    refused = reader("create", "rolebinding", "admin", "--clusterrole=cluster-admin", "--user=alice").stderr
    assert "is attempting to grant RBAC permissions not currently held:" in refused


def test_the_usual_roles_are_there(ns):
    names = ns.out("get", "clusterroles", "-o", "name").split()
    for name in ("admin", "cluster-admin", "edit", "view", "system:discovery", "system:basic-user"):
        assert f"clusterrole.rbac.authorization.k8s.io/{name}" in names
    ns.kubectl("create", "serviceaccount", "viewer")
    ns.kubectl("create", "rolebinding", "viewer", "--clusterrole=view", f"--serviceaccount={ns.name}:viewer")
    user = f"--as=system:serviceaccount:{ns.name}:viewer"
    assert ns.out("auth", "can-i", "list", "deployments.apps", user).strip() == "yes"
    assert ns.kubectl("auth", "can-i", "list", "secrets", user, check=False).stdout.strip() == "no"


def test_a_role_takes_others_in(ns):
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": f"{ns.name}-part", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
            "rules": [{"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}]}
    ns.apply(role)
    ns.kubectl("wait", "clusterrole/view", "--for=jsonpath={.rules[?(@.apiGroups[0]=='example.com')].verbs[0]}=get",
               "--timeout=60s")
    ns.kubectl("delete", "clusterrole", f"{ns.name}-part")
