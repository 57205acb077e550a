# SPDX-License-Identifier: Apache-2.0
"""The objects about which record_changes.py asks kube-apiserver, as changes of one valid object for each kind.

A change is {path: value}: {"spec.ports.0.name": "web"}. A path whose names contain dots is a tuple.
"""
import base64

ABSENT = object()

RESOURCES = {
    # kind: group and version, resource, namespaced
    "Pod": ("v1", "pods", True),
    "Service": ("v1", "services", True),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims", True),
    "PersistentVolume": ("v1", "persistentvolumes", False),
    "ConfigMap": ("v1", "configmaps", True),
    "Secret": ("v1", "secrets", True),
    "Namespace": ("v1", "namespaces", False),
    "Node": ("v1", "nodes", False),
    "Event": ("v1", "events", True),
    "Endpoints": ("v1", "endpoints", True),
    "DaemonSet": ("apps/v1", "daemonsets", True),
    "Deployment": ("apps/v1", "deployments", True),
    "ReplicaSet": ("apps/v1", "replicasets", True),
    "StatefulSet": ("apps/v1", "statefulsets", True),
    "Job": ("batch/v1", "jobs", True),
    "CronJob": ("batch/v1", "cronjobs", True),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers", True),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets", True),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices", True),
    "Lease": ("coordination.k8s.io/v1", "leases", True),
    "Ingress": ("networking.k8s.io/v1", "ingresses", True),
    "IngressClass": ("networking.k8s.io/v1", "ingressclasses", False),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies", True),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles", False),
    "Role": ("rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings", True),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "PriorityClass": ("scheduling.k8s.io/v1", "priorityclasses", False),
    "StorageClass": ("storage.k8s.io/v1", "storageclasses", False),
}

CONTAINER = {"name": "c", "image": "busybox"}
LABELS = {"a": "b"}


def template(**spec):
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER], **spec}}


SPECS = {
    "Pod": {"spec": {"containers": [CONTAINER]}},
    "Service": {"spec": {"selector": LABELS, "ports": [{"name": "web", "port": 80}]}},
    "PersistentVolumeClaim": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    "PersistentVolume": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                                  "hostPath": {"path": "/data"}}},
    "ConfigMap": {"data": {"k": "v"}},
    "Secret": {"data": {"k": base64.b64encode(b"v").decode()}},
    "Namespace": {},
    "Node": {},
    "Event": {"involvedObject": {"kind": "Pod", "namespace": "t", "name": "p"}, "reason": "Test", "type": "Normal"},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]},
    "DaemonSet": {"spec": {"selector": {"matchLabels": LABELS}, "template": template()}},
    "Deployment": {"spec": {"selector": {"matchLabels": LABELS}, "template": template()}},
    "ReplicaSet": {"spec": {"selector": {"matchLabels": LABELS}, "template": template()}},
    "StatefulSet": {"spec": {"selector": {"matchLabels": LABELS}, "serviceName": "s", "template": template()}},
    "Job": {"spec": {"template": template(restartPolicy="Never")}},
    "CronJob": {"spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}},
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment",
                                                                              "name": "d"}}},
    "PodDisruptionBudget": {"spec": {"selector": {"matchLabels": LABELS}, "maxUnavailable": 1}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"name": "web", "port": 80}]},
    "Lease": {"spec": {"holderIdentity": "x"}},
    "Ingress": {"spec": {"rules": [{"host": "a.b", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}},
    "IngressClass": {"spec": {"controller": "a.b/c"}},
    "NetworkPolicy": {"spec": {"podSelector": {}}},
    "ClusterRole": {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
    "Role": {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
    "RoleBinding": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
                    "subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "t"}]},
    "ClusterRoleBinding": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
                           "subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "t"}]},
    "PriorityClass": {"value": 10},
    "StorageClass": {"provisioner": "a.b/c"},
}
BASES = {kind: {"apiVersion": RESOURCES[kind][0], "kind": kind,
                "metadata": {"name": "x", **({"namespace": "t"} if RESOURCES[kind][2] else {})}, **SPECS[kind]}
         for kind in RESOURCES}

CREATES, DEFAULTS, UPDATES, STATUS_UPDATES, ROWS = [], [], [], [], []


def create(kind, path, *values):
    """One case for each value; a dictionary as the path is the changes of one case."""
    if isinstance(path, dict):
        CREATES.append((kind, path))
    for value in values:
        CREATES.append((kind, {path: value}))


def default(kind, changes):
    DEFAULTS.append((kind, changes))


def update(kind, start, *changes, status=None):
    for one in changes:
        UPDATES.append((kind, start, one, status))


def update_status(kind, *statuses, start={}, status=None):
    for one in statuses:
        STATUS_UPDATES.append((kind, start, {"status": one}, status))


def row(kind, changes={}, status=None):
    ROWS.append((kind, changes, status))


LONG = {n: "a" * n for n in (62, 63, 64, 128, 129, 253, 254, 255, 316, 317, 318)}
A_KEY = "a.b/" + LONG[63]
TOO_LONG_KEY = "a.b/" + LONG[64]

# ---- metadata: any kind will do ----

create("ConfigMap", "metadata.labels", {"k": LONG[63]}, {"k": LONG[64]}, {"k": "a_b.c-d"}, {"k": "-a"}, {"k": "a-"}, {"k": "a b"},
       {A_KEY: "v"}, {TOO_LONG_KEY: "v"}, {"": "v"}, {"/a": "v"}, {"a/": "v"}, {"a/b/c": "v"}, {LONG[253] + "/k": "v"},
       {LONG[254] + "/k": "v"}, {"A.b/k": "v"}, {"_k": "v"}, {"k_": "v"})
create("ConfigMap", "metadata.annotations", {"A.b/k": "v"}, {"a b": "v"}, {"k": "v" * 262143}, {"k": "v" * 262144})
create("ConfigMap", "metadata.name", LONG[253], LONG[254], "a..b", ".a", "a.", "A", "a_b", "", ABSENT, "1", "a-b.c-d")
create("ConfigMap", "metadata.generateName", "A_", "a.b-")
create("ConfigMap", "metadata.finalizers", ["a.b/c"], ["a"], ["kubernetes"], ["orphan", "foregroundDeletion"], ["orphan"], ["a b"],
       ["foregroundDeletion"])
create("ConfigMap", "metadata.ownerReferences", [{}], [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}],
       [{"apiVersion": "v1", "kind": "Event", "name": "p", "uid": "u"}], [{"apiVersion": "a/b/c", "kind": "K", "name": "p", "uid": "u"}],
       [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True},
        {"apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "w", "controller": True}],
       [{"apiVersion": "", "kind": "", "name": "", "uid": ""}])
create("ClusterRole", "metadata.name", "a/b", "a%b", ".", "..", "a:b", "A b")
update("ConfigMap", {"metadata.finalizers": ["a.b/c"]}, {"metadata.finalizers": []}, {"metadata.finalizers": ["a.b/c", "a.b/d"]})
update("ConfigMap", {}, {"metadata.labels": {"a b": "c"}}, {"metadata.annotations": {"a b": "c"}})

# ---- Job ----

POLICY = "spec.podFailurePolicy"
SUCCESS = "spec.successPolicy"
INDEXED = {"spec.completionMode": "Indexed", "spec.completions": 10}
create("Job", "spec.completionMode", "x", "", "Indexed", "NonIndexed")
create("Job", "spec.parallelism", -1, 0, 100001)
create("Job", "spec.completions", -1, 0)
create("Job", "spec.backoffLimit", -1)
create("Job", "spec.activeDeadlineSeconds", -1, 0, 1)
create("Job", "spec.ttlSecondsAfterFinished", -1, 0)
create("Job", "spec.backoffLimitPerIndex", 1, -1)
create("Job", "spec.maxFailedIndexes", 1, -1)
create("Job", "spec.suspend", True)
create("Job", "spec.managedBy", "", "a", "a/", "/b", "a.b/c", "A/b", "a.b/" + LONG[62], "a.b/c/d", "a.b/" + "a" * 59, "a.b/" + "a" * 60,
       "kubernetes.io/job-controller")
create("Job", "spec.podReplacementPolicy", "x", "", "Failed", "TerminatingOrFailed")
create("Job", "spec.selector", {}, {"matchLabels": {"a b": "c"}}, {"matchLabels": {"x": "y"}}, {"matchExpressions": [{"key": "a", "operator": "x"}]})
create("Job", {"spec.manualSelector": True})
create("Job", {"spec.manualSelector": True, "spec.selector": {"matchLabels": LABELS}})
create("Job", {"spec.manualSelector": True, "spec.selector": {"matchLabels": {"x": "y"}}})
create("Job", ("spec", "template", "metadata", "labels", "job-name"), "other")
create("Job", ("spec", "template", "metadata", "labels", "batch.kubernetes.io/job-name"), "other")
create("Job", "spec.template.spec.restartPolicy", ABSENT, "Always", "OnFailure", "x", "")
create("Job", "metadata.name", LONG[63], LONG[64], "a.b")
for changes in ({"spec.parallelism": 100000}, {"spec.parallelism": 100001}, {"spec.completions": ABSENT}, {"spec.backoffLimitPerIndex": 1},
                {"spec.backoffLimitPerIndex": 1, "spec.maxFailedIndexes": 10}, {"spec.backoffLimitPerIndex": 1, "spec.maxFailedIndexes": 11},
                {"spec.backoffLimitPerIndex": -1, "spec.maxFailedIndexes": -1}, {"spec.maxFailedIndexes": 3},
                {"spec.completions": 100000, "spec.backoffLimitPerIndex": 1},
                {"spec.completions": 100001, "spec.backoffLimitPerIndex": 1},
                {"spec.completions": 100001, "spec.backoffLimitPerIndex": 1, "spec.maxFailedIndexes": 10000, "spec.parallelism": 10000},
                {"spec.completions": 100001, "spec.backoffLimitPerIndex": 1, "spec.maxFailedIndexes": 10001, "spec.parallelism": 10001},
                {"spec.completions": 200000, "spec.backoffLimitPerIndex": 1, "spec.maxFailedIndexes": 100001},
                {"metadata.name": LONG[62]}, {"metadata.name": LONG[62], "spec.completions": 0}, {"metadata.name": "a" * 61}):
    create("Job", {**INDEXED, **changes})
CODES = {"operator": "In", "values": [1]}
for policy in ({}, {"rules": []}, {"rules": [{"action": "FailJob"}]}, {"rules": [{"action": "FailJob", "onExitCodes": CODES}]},
               {"rules": [{"action": "x", "onExitCodes": CODES}]}, {"rules": [{"action": "", "onExitCodes": CODES}]},
               {"rules": [{"action": "FailIndex", "onExitCodes": CODES}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "x", "values": [1]}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "", "values": [1]}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": []}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [0, 1]}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "NotIn", "values": [0, 1]}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [2, 1]}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1, 1]}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": list(range(1, 256))}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": list(range(1, 257))}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {**CODES, "containerName": "c"}}]},
               {"rules": [{"action": "Ignore", "onExitCodes": {**CODES, "containerName": "other"}}]},
               {"rules": [{"action": "Count", "onPodConditions": [{"type": "DisruptionTarget"}]}]},
               {"rules": [{"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]},
               {"rules": [{"action": "Count", "onPodConditions": [{"type": "a b", "status": "x"}]}]},
               {"rules": [{"action": "Count", "onPodConditions": [{"type": "", "status": ""}]}]},
               {"rules": [{"action": "Count", "onPodConditions": [{"type": "A", "status": "True"}] * 20}]},
               {"rules": [{"action": "Count", "onPodConditions": [{"type": "A", "status": "True"}] * 21}]},
               {"rules": [{"action": "Count", "onExitCodes": CODES, "onPodConditions": [{"type": "A", "status": "True"}]}]},
               {"rules": [{"action": "Count", "onExitCodes": CODES}] * 20}, {"rules": [{"action": "Count", "onExitCodes": CODES}] * 21}):
    create("Job", {POLICY: policy})
create("Job", {POLICY: {"rules": [{"action": "Ignore", "onExitCodes": {**CODES, "containerName": "i"}}]},
               "spec.template.spec.initContainers": [{"name": "i", "image": "busybox"}]})
create("Job", {**INDEXED, POLICY: {"rules": [{"action": "FailIndex", "onExitCodes": CODES}]}, "spec.backoffLimitPerIndex": 1})
create("Job", {POLICY: {"rules": [{"action": "FailJob", "onExitCodes": CODES}]}, "spec.template.spec.restartPolicy": "OnFailure"})
create("Job", {POLICY: {"rules": [{"action": "FailJob", "onExitCodes": CODES}]}, "spec.podReplacementPolicy": "TerminatingOrFailed"})
create("Job", {SUCCESS: {"rules": [{"succeededCount": 1}]}})
for rules in ([], [{}], [{"succeededCount": 0}], [{"succeededCount": -1}], [{"succeededCount": 10}], [{"succeededCount": 11}],
              [{"succeededIndexes": ""}], [{"succeededIndexes": "0-9"}], [{"succeededIndexes": "0-10"}], [{"succeededIndexes": "10"}],
              [{"succeededIndexes": "1,3-5,7"}], [{"succeededIndexes": "1,1"}], [{"succeededIndexes": "3,2"}], [{"succeededIndexes": "1-3,3"}],
              [{"succeededIndexes": "1-3,4"}], [{"succeededIndexes": "3-3"}], [{"succeededIndexes": "4-3"}], [{"succeededIndexes": "1-2-3"}],
              [{"succeededIndexes": "a"}], [{"succeededIndexes": "1-a"}], [{"succeededIndexes": "-1"}], [{"succeededIndexes": "1,"}],
              [{"succeededIndexes": ",1"}], [{"succeededIndexes": "1,,2"}], [{"succeededIndexes": "1-"}], [{"succeededIndexes": "a-3"}],
              [{"succeededIndexes": "11-12"}], [{"succeededIndexes": "1-3", "succeededCount": 3}],
              [{"succeededIndexes": "1-3", "succeededCount": 4}], [{"succeededIndexes": "1-3,5", "succeededCount": 4}],
              [{"succeededIndexes": "1", "succeededCount": 1}] * 20,
              [{"succeededIndexes": "1", "succeededCount": 1}] * 21):
    create("Job", {**INDEXED, SUCCESS: {"rules": rules}})
create("Job", {"spec.completionMode": "Indexed", "spec.completions": 65536,
               SUCCESS: {"rules": [{"succeededIndexes": ",".join(str(i) for i in range(0, 32000, 2))}]}})
update("Job", {}, {}, {"spec.completions": 3}, {"spec.parallelism": 3}, {"spec.backoffLimit": 3}, {"spec.suspend": True},
       {"spec.completionMode": "Indexed", "spec.completions": 1}, {"spec.template.spec.containers.0.image": "other"},
       {"spec.template.spec.nodeSelector": {"a": "b"}}, {"spec.selector": {"matchLabels": LABELS}}, {"spec.backoffLimitPerIndex": 1},
       {"spec.managedBy": "a.b/c"}, {POLICY: {"rules": [{"action": "FailJob", "onExitCodes": CODES}]}},
       {"spec.template.metadata.annotations": {"a": "b"}}, {"spec.ttlSecondsAfterFinished": 5}, {"spec.activeDeadlineSeconds": 5})
update("Job", INDEXED, {"spec.completions": 5}, {"spec.completions": 5, "spec.parallelism": 5}, {"spec.parallelism": 5},
       {SUCCESS: {"rules": [{"succeededCount": 1}]}})
SUSPENDED = {"spec.suspend": True}
PLACEMENT = [{"spec.template.spec.nodeSelector": {"a": "b"}}, {"spec.template.metadata.annotations": {"a": "b"}},
             {"spec.template.spec.tolerations": [{"key": "k", "operator": "Exists"}]},
             {"spec.template.spec.schedulingGates": [{"name": "g"}]},
             {"spec.template.spec.affinity": {"nodeAffinity": {}}},
             {"spec.template.spec.affinity": {"podAffinity": {}}},
             {"spec.template.spec.containers.0.resources": {"requests": {"cpu": "1"}}},
             {"spec.template.spec.containers.0.image": "other"}]
update("Job", SUSPENDED, *PLACEMENT)
update("Job", SUSPENDED, PLACEMENT[0], PLACEMENT[7], status={"startTime": "2026-01-01T00:00:00Z"})
update("Job", SUSPENDED, PLACEMENT[0], PLACEMENT[6], status={"active": 1})
update("Job", SUSPENDED, PLACEMENT[0], status={"conditions": [{"type": "Suspended", "status": "True"}]})
update("Job", SUSPENDED, PLACEMENT[0], status={"startTime": "2026-01-01T00:00:00Z",
                                               "conditions": [{"type": "Suspended", "status": "True"}]})
row("Job")
row("Job", {"spec.completions": 5}, {"succeeded": 2})
row("Job", {"spec.completions": ABSENT, "spec.parallelism": 3}, {"succeeded": 1})
row("Job", {"spec.suspend": True}, {"conditions": [{"type": "Suspended", "status": "True"}]})
row("Job", {}, {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:05Z", "succeeded": 1,
                "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]})
row("Job", {}, {"startTime": "@-400", "failed": 1,
                "conditions": [{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "True"}]})
row("Job", {}, {"startTime": "@-400", "conditions": [{"type": "FailureTarget", "status": "True"}]})

# ---- CronJob ----

create("CronJob", "spec.schedule", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "* * * JAN MON", "* * * jan-mar *",
       "* * * * 7", "* * * * sun-sat", "@hourly", "@yearly", "@foo", "@every 1s", "@every x", "TZ=UTC * * * * *", "",
       "* * * *", "99 * * * *", "0 0 31 2 *", "*-5 * * * *", "1- * * * *")
update("CronJob", {}, {"spec.schedule": "x"}, {"spec.timeZone": "Foo/Bar"}, {"spec.suspend": True}, {"metadata.labels": {"a b": "c"}})
row("CronJob", {"spec.timeZone": "Europe/Berlin"}, {"active": [{"name": "a", "kind": "Job"}]})
update_status("CronJob", {"lastScheduleTime": "2026-01-01T00:00:00Z"})

# ---- the workloads ----

for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"):
    create(kind, "spec.selector", {}, {"matchLabels": {"x": "y"}}, ABSENT, {"matchLabels": {"a b": "c"}},
           {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c d"]}]},
           {"matchExpressions": [{"key": "a", "operator": "In"}]}, {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
           {"matchExpressions": [{"key": "a", "operator": "x"}]})
    create(kind, "spec.template.spec.restartPolicy", "Never", "OnFailure", "Always", "x")
    create(kind, "spec.template.spec.activeDeadlineSeconds", 1)
    create(kind, "spec.template.metadata.labels", {}, {"a b": "c"})
    create(kind, "spec.template.metadata.annotations", {"a b": "c"})
    create(kind, "spec.minReadySeconds", -1, 1)
    create(kind, "spec.template.spec.containers", [])
    create(kind, "spec.template.spec.ephemeralContainers", [{"name": "e", "image": "x"}])
    update(kind, {}, {"spec.selector": {"matchLabels": {"x": "y"}}}, {"spec.template.spec.containers.0.image": "other"},
           {"spec.minReadySeconds": 4})
for kind in ("Deployment", "ReplicaSet", "StatefulSet"):
    create(kind, "spec.replicas", -1, 0)
create("Deployment", "spec.strategy", {"type": "x"}, {"type": "Recreate"}, {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}},
       {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
       {"rollingUpdate": {"maxSurge": "101%", "maxUnavailable": "101%"}}, {"rollingUpdate": {"maxSurge": "x%"}}, {"rollingUpdate": {"maxSurge": -1}},
       {"rollingUpdate": {"maxUnavailable": "0%", "maxSurge": "0%"}}, {"rollingUpdate": {"maxUnavailable": "100%"}},
       {"rollingUpdate": {"maxSurge": "x"}}, {"rollingUpdate": {"maxUnavailable": -1}})
create("Deployment", "spec.progressDeadlineSeconds", -1, 0, 5, 600)
create("Deployment", {"spec.minReadySeconds": 10, "spec.progressDeadlineSeconds": 10})
create("Deployment", {"spec.minReadySeconds": 10, "spec.progressDeadlineSeconds": 11})
create("Deployment", "spec.revisionHistoryLimit", -1, 0)
create("Deployment", "spec.paused", True)
update_status("Deployment", {"replicas": -1}, {"updatedReplicas": -1}, {"readyReplicas": -1}, {"availableReplicas": -1}, {"unavailableReplicas": -1},
              {"observedGeneration": -1}, {"replicas": 1, "updatedReplicas": 2}, {"replicas": 1, "readyReplicas": 2},
              {"replicas": 1, "availableReplicas": 2}, {"replicas": 3, "readyReplicas": 1, "availableReplicas": 2},
              {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 2, "unavailableReplicas": 1},
              {"collisionCount": -1}, {"terminatingReplicas": -1}, {"terminatingReplicas": 1})
update_status("Deployment", {"collisionCount": 1}, {"collisionCount": 2}, {"collisionCount": 3}, {}, status={"collisionCount": 2})
update_status("ReplicaSet", {"replicas": -1}, {"replicas": 1, "fullyLabeledReplicas": 2}, {"replicas": 1, "readyReplicas": 2},
              {"replicas": 1, "availableReplicas": 2}, {"replicas": 3, "readyReplicas": 1, "availableReplicas": 2}, {"replicas": 1,
              "observedGeneration": -1}, {"replicas": 0, "terminatingReplicas": -1},
              {"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 2})
update_status("StatefulSet", {"replicas": -1}, {"replicas": 1, "readyReplicas": 2}, {"replicas": 1, "currentReplicas": 2},
              {"replicas": 1, "updatedReplicas": 2}, {"replicas": 1, "availableReplicas": 2}, {"replicas": 3, "readyReplicas": 1,
              "availableReplicas": 2}, {"replicas": 0, "observedGeneration": -1}, {"replicas": 0, "collisionCount": -1},
              {"replicas": 3, "readyReplicas": 2, "currentReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2})
update_status("StatefulSet", {"replicas": 0, "collisionCount": 1}, {"replicas": 0}, status={"replicas": 0, "collisionCount": 2})
DAEMON_STATUS = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}
update_status("DaemonSet", DAEMON_STATUS, *({**DAEMON_STATUS, name: -1} for name in (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration", "updatedNumberScheduled",
    "numberAvailable", "numberUnavailable")), {**DAEMON_STATUS, "collisionCount": -1})
update_status("DaemonSet", {**DAEMON_STATUS, "collisionCount": 1}, DAEMON_STATUS, status={**DAEMON_STATUS, "collisionCount": 2})
create("DaemonSet", "spec.updateStrategy", {"type": "x"}, {"type": ""}, {"type": "OnDelete"}, {"type": "RollingUpdate"},
       {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}},
       {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
       {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
       {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "101%"}},
       {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": -1}},
       {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "x"}})
create("DaemonSet", "spec.revisionHistoryLimit", -1, 0)
create("StatefulSet", "spec.updateStrategy", {"type": "x"}, {"type": "OnDelete", "rollingUpdate": {"partition": 1}},
       {"type": "RollingUpdate", "rollingUpdate": {"partition": -1}},
       {"type": "OnDelete"}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
create("StatefulSet", "spec.podManagementPolicy", "x", "Parallel")
create("StatefulSet", "spec.persistentVolumeClaimRetentionPolicy", {"whenDeleted": "x"}, {"whenScaled": "x"}, {"whenDeleted": "Delete", "whenScaled": "Retain"})
create("StatefulSet", "spec.ordinals", {"start": -1}, {"start": 3})
create("StatefulSet", "spec.serviceName", "A_", ABSENT, "")
CLAIM = {"metadata": {"name": "data"}, "spec": SPECS["PersistentVolumeClaim"]["spec"]}
create("StatefulSet", "spec.volumeClaimTemplates", [CLAIM], [{**CLAIM, "metadata": {"name": "A_"}}], [{**CLAIM, "spec": {}}])
create("StatefulSet", {"spec.volumeClaimTemplates": [CLAIM], "spec.template.spec.containers.0.volumeMounts": [{"name": "data", "mountPath": "/d"}]})
create("StatefulSet", {"spec.volumeClaimTemplates": [CLAIM], "spec.template.spec.volumes": [{"name": "data", "emptyDir": {}}]})
create("StatefulSet", {"spec.template.spec.containers.0.volumeMounts": [{"name": "data", "mountPath": "/d"}]})
update("StatefulSet", {}, {"spec.serviceName": "other"}, {"spec.podManagementPolicy": "Parallel"}, {"spec.volumeClaimTemplates": [CLAIM]},
       {"spec.replicas": 5}, {"spec.ordinals": {"start": 1}}, {"spec.revisionHistoryLimit": 3},
       {"spec.persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"}})

# ---- HorizontalPodAutoscaler ----

CPU = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
RAW = {"type": "AverageValue", "averageValue": "1"}
TARGET = {"apiVersion": "v1", "kind": "Service", "name": "s"}
create("HorizontalPodAutoscaler", "spec.maxReplicas", -1, 1)
create("HorizontalPodAutoscaler", "spec.scaleTargetRef.name", ".", "..", "a%b", "")
create("HorizontalPodAutoscaler", "spec.scaleTargetRef.kind", ".", "a%b")
create("HorizontalPodAutoscaler", "spec.scaleTargetRef.apiVersion", "v1", "", "a/b/c", ABSENT)
for metrics in ([{"type": ""}], [{"type": "x"}], [{"type": "Resource", "resource": {**CPU, "target": {"type": "Utilization"}}}],
                [{"type": "Resource", "resource": {**CPU, "target": {"averageUtilization": 50, "averageValue": "1", "type": "Utilization"}}}],
                [{"type": "Resource", "resource": {**CPU, "target": {"type": "Utilization", "averageUtilization": 0}}}],
                [{"type": "Resource", "resource": {**CPU, "target": {"type": "Utilization", "averageUtilization": 1}}}],
                [{"type": "Resource", "resource": {**CPU, "target": {"type": "AverageValue", "averageValue": "0"}}}],
                [{"type": "Resource", "resource": {**CPU, "target": {"type": "", "averageValue": "1"}}}],
                [{"type": "Object", "object": {"metric": {"name": "m"}, "describedObject": TARGET, "target": {"type": "Value"}}}],
                [{"type": "Object", "object": {"metric": {"name": ""}, "describedObject": {"kind": "", "name": "a/b"}, "target": {"type": "Value", "value": "1"}}}],
                [{"type": "Object", "object": {"metric": {"name": "m"}, "describedObject": TARGET, "target": {"type": "Value", "value": "-1"}}}],
                [{"type": "Object", "object": {"metric": {"name": "m"}, "describedObject": TARGET, "target": {"type": "Value", "value": "1"}}}],
                [{"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value"}}}],
                [{"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1", "averageValue": "1"}}}],
                [{"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1"}}}],
                [{"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue"}}}],
                [{"type": "Pods", "pods": {"metric": {"name": "m"}, "target": RAW}}],
                [{"type": "ContainerResource", "containerResource": {"name": "", "container": "", "target": RAW}}],
                [{"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "A_", "target": RAW}}],
                [{"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": RAW}}],
                [{"type": "Pods", "resource": CPU}], [{"type": "Resource", "resource": CPU, "pods": {"metric": {"name": "m"}, "target": RAW}}],
                [{"type": "x", "resource": CPU, "pods": {"metric": {"name": "m"}, "target": RAW}}]):
    create("HorizontalPodAutoscaler", {"spec.metrics": metrics})
for minimum in (0, 1):
    create("HorizontalPodAutoscaler", {"spec.minReplicas": minimum, "spec.metrics": [
        {"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1"}}}]})
RULE = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1}]}
for rules in ({**RULE, "stabilizationWindowSeconds": 3600}, {**RULE, "stabilizationWindowSeconds": 3601}, {**RULE, "selectPolicy": "x"},
              {**RULE, "selectPolicy": "Min"}, {**RULE, "tolerance": "0"}, {**RULE, "tolerance": "0.5"}, {"stabilizationWindowSeconds": 0},
              {"policies": [{"type": "Percent", "value": 1, "periodSeconds": 1800}]}, {"policies": [{"type": "Percent", "value": 1, "periodSeconds": 1801}]},
              {"policies": [{"type": "Percent", "value": 0, "periodSeconds": 1}]}, {"policies": [{"type": "", "value": 1, "periodSeconds": 1}]}):
    create("HorizontalPodAutoscaler", {"spec.behavior": {"scaleDown": rules}})
    create("HorizontalPodAutoscaler", {"spec.behavior": {"scaleUp": rules}})
update("HorizontalPodAutoscaler", {}, {"spec.maxReplicas": 0}, {"spec.minReplicas": 4}, {"spec.scaleTargetRef.name": "other"})
update_status("HorizontalPodAutoscaler", {"currentReplicas": -1, "desiredReplicas": 0}, {"desiredReplicas": -1}, {"desiredReplicas": 3})
STATUS = {"desiredReplicas": 2, "currentReplicas": 1}
MANY = [{"type": "Resource", "resource": CPU}, {"type": "Resource", "resource": {"name": "memory", "target": RAW}},
        {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "2500m"}}},
        {"type": "Object", "object": {"metric": {"name": "o"}, "describedObject": TARGET, "target": {"type": "Value", "value": "7"}}},
        {"type": "Object", "object": {"metric": {"name": "q"}, "describedObject": TARGET, "target": RAW}},
        {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "Value", "value": "8"}}},
        {"type": "External", "external": {"metric": {"name": "f"}, "target": RAW}},
        {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 60}}},
        {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": RAW}}]
CURRENT = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 33, "averageValue": "1"}}},
           {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "5Mi"}}},
           {"type": "Pods", "pods": {"metric": {"name": "p"}, "current": {"averageValue": "1500m"}}},
           {"type": "Object", "object": {"metric": {"name": "o"}, "describedObject": TARGET, "current": {"value": "4"}}},
           {"type": "Object", "object": {"metric": {"name": "q"}, "describedObject": TARGET, "current": {"averageValue": "5", "value": "6"}}},
           {"type": "External", "external": {"metric": {"name": "e"}, "current": {"value": "3"}}},
           {"type": "External", "external": {"metric": {"name": "f"}, "current": {"averageValue": "9", "value": "1"}}},
           {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "current": {"averageUtilization": 12, "averageValue": "1"}}},
           {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "current": {"averageValue": "250m"}}}]
for i, metric in enumerate(MANY):
    row("HorizontalPodAutoscaler", {"spec.metrics": [metric]}, STATUS)
    row("HorizontalPodAutoscaler", {"spec.metrics": [metric]}, {**STATUS, "currentMetrics": [CURRENT[i]]})
row("HorizontalPodAutoscaler", {"spec.metrics": MANY[:4]}, {**STATUS, "currentMetrics": CURRENT[:2]})
row("HorizontalPodAutoscaler", {"spec.minReplicas": 2})

# ---- PodDisruptionBudget ----

create("PodDisruptionBudget", "spec.maxUnavailable", -1, 0, "x", "101%", "100%", "-1%", "50%")
create("PodDisruptionBudget", {"spec.minAvailable": 1})
for value in (-1, 0, "x", "101%", "50%"):
    create("PodDisruptionBudget", {"spec.maxUnavailable": ABSENT, "spec.minAvailable": value})
create("PodDisruptionBudget", "spec.unhealthyPodEvictionPolicy", "x", "", "AlwaysAllow", "IfHealthyBudget")
create("PodDisruptionBudget", "spec.selector", {}, ABSENT, {"matchLabels": {"a b": "c"}}, {"matchExpressions": [{"key": "a", "operator": "x"}]})
create("PodDisruptionBudget", {"spec.maxUnavailable": ABSENT})
BUDGET = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
update_status("PodDisruptionBudget", BUDGET, *({**BUDGET, name: -1} for name in BUDGET), {**BUDGET, "conditions": [
    {"type": "a b", "status": "x", "reason": "", "lastTransitionTime": "2026-01-01T00:00:00Z", "message": ""}]})
update("PodDisruptionBudget", {}, {"spec.maxUnavailable": 3}, {"spec.selector": {}}, {"spec.minAvailable": 1})
row("PodDisruptionBudget")
row("PodDisruptionBudget", {"spec.maxUnavailable": ABSENT, "spec.minAvailable": "50%"}, {**BUDGET, "disruptionsAllowed": 3})

# ---- EndpointSlice, Endpoints, Lease ----

ENDPOINT = {"addresses": ["10.1.2.3"]}
create("EndpointSlice", "endpoints", [ENDPOINT] * 1000, [ENDPOINT] * 1001, [{"addresses": [f"10.1.2.{i}" for i in range(1, 101)]}],
       [{"addresses": [f"10.1.2.{i}" for i in range(1, 102)]}], [{**ENDPOINT, "nodeName": "A_"}], [{**ENDPOINT, "hostname": "a.b"}],
       [{**ENDPOINT, "hostname": "a"}], [{**ENDPOINT, "deprecatedTopology": {f"k{i}": "v" for i in range(16)}}],
       [{**ENDPOINT, "deprecatedTopology": {f"k{i}": "v" for i in range(17)}}], [{**ENDPOINT, "deprecatedTopology": {"a b": "c"}}],
       [{**ENDPOINT, "hints": {"forZones": [{"name": f"z{i}"} for i in range(8)]}}], [{**ENDPOINT, "hints": {"forZones": [{"name": f"z{i}"} for i in range(9)]}}],
       [{**ENDPOINT, "hints": {"forZones": [{"name": "a b"}]}}], [{**ENDPOINT, "hints": {"forNodes": [{"name": "A_"}, {"name": "n"}, {"name": "n"}]}}],
       [{"addresses": ["x"]}], [{"addresses": ["010.1.2.3"]}], [{"addresses": [""]}], [{"addresses": ["169.254.1.1"]}], [{"addresses": ["::1"]}], [])
for addresses in (["x"], ["::1"], ["fe80::1"], ["fe81::1"], ["febf::1"], ["fec0::1"], ["ff02::1"], ["::"], ["fd00::1", "fd00::2"], ["::ffff:10.1.2.3"]):
    create("EndpointSlice", {"addressType": "IPv6", "endpoints": [{"addresses": addresses}]})
for addresses in (["a.b"], [""], ["a b.c"], ["a.b."], ["a"]):
    create("EndpointSlice", {"addressType": "FQDN", "endpoints": [{"addresses": addresses}]})
create("EndpointSlice", "ports", [{"name": f"p{i}", "port": i} for i in range(1, 101)], [{"port": 1}] * 20001,
       [{"name": "A_", "port": 1}], [{"name": "a", "port": 1}, {"name": "a", "port": 2}], [{"port": 1, "appProtocol": "a b"}], [{"port": 0}],
       [{"port": 70000}], [{"port": 1, "appProtocol": "kubernetes.io/h2c"}], [{"name": LONG[63], "port": 1}], [{"name": LONG[64], "port": 1}],
       [{"port": 1, "protocol": "x"}], [])
update("EndpointSlice", {}, {"endpoints": [{"addresses": ["x"]}]}, {"ports": [{"name": "A_"}]}, {"addressType": "IPv6"})
create("Endpoints", "subsets", [{}], [{"addresses": []}], [{"addresses": [{"ip": "x"}], "ports": [{"port": 80}]}],
       [{"addresses": [{"ip": "127.0.0.1"}, {"ip": "169.254.1.1"}, {"ip": "224.0.0.1"}, {"ip": "0.0.0.0"}, {"ip": "::1"}, {"ip": "fe80::1"}, {"ip": "ff02::1"},
                        {"ip": "::"}]}],
       [{"addresses": [{"ip": "10.1.2.3", "hostname": "a.b"}]}], [{"addresses": [{"ip": "10.1.2.3", "nodeName": "A_"}]}],
       [{"notReadyAddresses": [{"ip": "x"}]}], [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 0}, {"port": 1}, {"name": "A_", "port": 2, "protocol": "x"}]}],
       [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"name": "a", "port": 1, "appProtocol": "a b"}]}])
create("Lease", "spec", {"strategy": "OldestEmulationVersion"}, {"strategy": "x"}, {"preferredHolder": "x"}, {"leaseDurationSeconds": 0},
       {"leaseTransitions": -1}, {"leaseDurationSeconds": 1, "leaseTransitions": 0}, {"holderIdentity": ""}, {"strategy": "a.b/c", "preferredHolder": "x"})
row("EndpointSlice", {"ports": [{"port": 80}, {"name": "any", "protocol": "UDP"}, {"port": 1, "name": "a"}, {"port": 2, "name": "b"}],
                      "endpoints": [ENDPOINT, {"addresses": ["10.1.2.4", "10.1.2.5", "10.1.2.6"]}]})
row("EndpointSlice", {"ports": [], "endpoints": []})
row("Endpoints", {})
row("Lease")

# ---- Service ----

create("Service", "spec.type", "x", "NodePort", "LoadBalancer", "ExternalName", "ClusterIP")
create("Service", {"spec.type": "ExternalName", "spec.externalName": "a.b."})
create("Service", {"spec.type": "ExternalName", "spec.externalName": "a b"})
create("Service", {"spec.type": "ExternalName", "spec.externalName": "a.b", "spec.clusterIP": "10.96.1.2"})
create("Service", {"spec.type": "ExternalName", "spec.externalName": "a.b", "spec.ipFamilies": ["IPv4"]})
create("Service", {"spec.type": "ExternalName", "spec.externalName": "a.b", "spec.ipFamilyPolicy": "SingleStack"})
create("Service", {"spec.type": "ExternalName", "spec.externalName": "a.b", "spec.ports": ABSENT, "spec.selector": ABSENT})
create("Service", "spec.ports", [{"name": "a", "port": 1, "nodePort": 30001}], [{"name": "a", "port": 1}, {"port": 2}], [{"port": 0}], [{"port": 65536}],
       [{"port": 1, "targetPort": "A_"}], [{"port": 1, "targetPort": 70000}], [{"port": 1, "appProtocol": "a b"}], [{"port": 1, "appProtocol": "a.b/c"}],
       [{"port": 1, "protocol": "x"}], [{"name": "a", "port": 1}, {"name": "a", "port": 2}], [{"name": "a", "port": 1}, {"name": "b", "port": 1}],
       [{"name": "a", "port": 1}, {"name": "b", "port": 1, "protocol": "UDP"}], [{"name": LONG[63], "port": 1}], [{"name": LONG[64], "port": 1}])
create("Service", {"spec.externalIPs": ["1.2.3.4"], "spec.clusterIP": "None", "spec.loadBalancerIP": "1.2.3.4", "spec.sessionAffinity": "ClientIP"})
create("Service", {"spec.externalIPs": ["1.2.3.4"], "spec.type": "ExternalName", "spec.externalName": "a.b"})
create("Service", "spec.externalName", "a.b")
create("Service", "spec.externalIPs", ["FD00::1"], ["fd00:0::1"], ["::ffff:1.2.3.4"])
create("Service", "spec.loadBalancerIP", "fd00:0::1", "1.2.3.4")
create("Service", ("metadata", "annotations", "service.kubernetes.io/topology-aware-hints"), "Auto")
create("Service", {"spec.type": "NodePort", "spec.ports": [{"name": "a", "port": 1, "nodePort": 30001},
                                                           {"name": "b", "port": 1, "protocol": "UDP", "nodePort": 30001}]})
for ips in (["10.96.1.2", "10.96.1.3"], ["None", "10.96.1.2"], ["x"], ["10.96.1.2", "x"], ["10.96.1.2", "fd00::1", "fd00::2"], ["010.96.1.2"], ["10.96.1.2", "None"]):
    create("Service", {"spec.clusterIP": ips[0], "spec.clusterIPs": ips})
create("Service", {"spec.clusterIP": "10.96.1.2", "spec.clusterIPs": ["10.96.1.3"]})
create("Service", {"spec.clusterIPs": ["10.96.1.3"]})
create("Service", {"spec.clusterIP": "10.96.1.2", "spec.ipFamilies": ["IPv6"]})
create("Service", {"spec.clusterIP": "None", "spec.ipFamilies": ["IPv4", "IPv4"]})
create("Service", "spec.ipFamilies", ["x"], ["IPv4"])
create("Service", "spec.ipFamilyPolicy", "x", "SingleStack", "PreferDualStack")
create("Service", "spec.externalIPs", ["x"], ["127.0.0.1"], ["0.0.0.0"], ["169.254.1.1"], ["224.0.0.1"], ["::1"], ["::"], ["fe80::1"], ["ff02::1"], ["1.2.3.4", "fd00::1"],
       ["224.0.1.1"], ["169.253.1.1"])
create("Service", "spec.sessionAffinity", "x", "ClientIP", "None")
create("Service", "spec.sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 1}}, {})
for seconds in (0, 1, 86400, 86401, -1):
    create("Service", {"spec.sessionAffinity": "ClientIP", "spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": seconds}}})
create("Service", "spec.internalTrafficPolicy", "x", "Local")
create("Service", "spec.externalTrafficPolicy", "x", "Local")
create("Service", "spec.loadBalancerClass", "a.b/c")
create("Service", "spec.allocateLoadBalancerNodePorts", True)
create("Service", "spec.loadBalancerSourceRanges", ["1.2.3.0/24"])
create("Service", "spec.healthCheckNodePort", 30001)
create("Service", "spec.selector", {"a b": "c"}, {"a": "b c"}, {})
create("Service", "spec.trafficDistribution", "x", "PreferClose", "PreferSameNode", "PreferSameZone")
create("Service", "metadata.name", LONG[63], LONG[64], "1a", "a.b")
BALANCER = {"spec.type": "LoadBalancer"}
for changes in ({"spec.loadBalancerClass": "a b"}, {"spec.loadBalancerClass": "a.b/c"}, {"spec.loadBalancerSourceRanges": ["x", "1.2.3.4/33", "1.2.3.0/24"]},
                {"spec.externalTrafficPolicy": "x"}, {"spec.externalTrafficPolicy": "Local", "spec.healthCheckNodePort": 30007},
                {"spec.healthCheckNodePort": 30007}, {"spec.externalTrafficPolicy": "Local", "spec.healthCheckNodePort": -1},
                {"spec.allocateLoadBalancerNodePorts": False}, {"spec.clusterIP": "None"}, {"spec.loadBalancerIP": "x"},
                {"spec.loadBalancerSourceRanges": [" 1.2.3.0/24"]}):
    create("Service", {**BALANCER, **changes})
NODE_PORT = {"spec.type": "NodePort"}
default("Service", {"spec.clusterIP": "None", "spec.selector": ABSENT})
update("Service", {}, {"spec.clusterIP": "10.96.7.7"}, {"spec.clusterIP": "10.96.7.7", "spec.clusterIPs": ["10.96.7.7"]}, {"spec.clusterIP": ABSENT, "spec.clusterIPs": []},
       {"spec.clusterIP": "", "spec.clusterIPs": []}, {"spec.clusterIP": "None", "spec.clusterIPs": ["None"]},
       {"spec.type": "NodePort"}, {"spec.type": "ExternalName", "spec.externalName": "a.b"}, {"spec.ipFamilies": []}, {"spec.ipFamilyPolicy": ABSENT},
       {"spec.ports": [{"port": 0}]})
update("Service", NODE_PORT, {"spec.type": "ClusterIP"}, {"spec.ports.0.name": "other"})
update("Service", {**BALANCER, "spec.loadBalancerClass": "a.b/c"}, {"spec.loadBalancerClass": "a.b/d"}, {"spec.loadBalancerClass": ABSENT}, {"spec.type": "ClusterIP"})
update("Service", {**BALANCER, "spec.externalTrafficPolicy": "Local", "spec.healthCheckNodePort": 30009}, {"spec.healthCheckNodePort": 30010},
       {"spec.externalTrafficPolicy": "Cluster"}, {"spec.type": "NodePort"}, {"spec.healthCheckNodePort": ABSENT}, {"spec.type": "ClusterIP"})
update("Service", {"spec.clusterIP": "None"}, {"spec.clusterIP": "10.96.7.8", "spec.clusterIPs": ["10.96.7.8"]}, {"spec.ports": ABSENT})
update_status("Service", {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}, {"loadBalancer": {"ingress": [{"ip": "x"}]}},
              {"loadBalancer": {"ingress": [{"hostname": "a b"}]}}, {"loadBalancer": {"ingress": [{"hostname": "1.2.3.4"}]}},
              {"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "ipMode": "x"}]}}, {"loadBalancer": {"ingress": [{"ipMode": "VIP"}]}},
              {"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "ipMode": "Proxy", "hostname": "a.b"}]}}, {"conditions": [
                  {"type": "A", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}, start=BALANCER)

# ---- storage ----

PVC = "PersistentVolumeClaim"
create(PVC, "spec.accessModes", [], ["x"], ["ReadWriteOncePod"], ["ReadWriteOncePod", "ReadWriteOnce"], ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"])
create(PVC, "spec.resources.requests.storage", "0", "-1Gi", "1500m", "0.5", ABSENT)
create(PVC, "spec.storageClassName", "A_", "", "a.b")
create(PVC, "spec.volumeMode", "x", "Block", "Filesystem")
create(PVC, "spec.volumeAttributesClassName", "A_", "a", "")
create(PVC, "spec.dataSource", {"kind": "PersistentVolumeClaim", "name": "p"}, {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"},
       {"apiGroup": "snapshot.storage.k8s.io", "kind": "Other", "name": "s"}, {"apiGroup": "a.b", "kind": "K", "name": "s"}, {"kind": "Pod", "name": "p"},
       {"kind": "", "name": "p"}, {"kind": "PersistentVolumeClaim", "name": ""})
create(PVC, "spec.dataSourceRef", {"kind": "PersistentVolumeClaim", "name": "p"}, {"kind": "Pod", "name": "p"}, {"apiGroup": "a.b", "kind": "K", "name": "k"},
       {"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "p"}, {"kind": "", "name": ""})
create(PVC, {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "p"}, "spec.dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "q"}})
create(PVC, {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "p"}, "spec.dataSourceRef": {"apiGroup": "a.b", "kind": "PersistentVolumeClaim", "name": "p"}})
create(PVC, {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "p"}, "spec.dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "p"}})
create(PVC, "spec.selector", {"matchLabels": {"a b": "c"}})
for source in ({"kind": "PersistentVolumeClaim", "name": "p"}, {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"},
               {"apiGroup": "snapshot.storage.k8s.io", "kind": "Other", "name": "s"}, {"apiGroup": "a.b", "kind": "VolumeSnapshot", "name": "s"}):
    default(PVC, {"spec.dataSource": source})
    default(PVC, {"spec.dataSourceRef": source})
BOUND = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
SIZE = "spec.resources.requests.storage"
update(PVC, {}, {SIZE: "2Gi"}, {"spec.storageClassName": "a"}, {"spec.volumeName": "v"}, {"spec.volumeAttributesClassName": "a"}, {"spec.accessModes": ["ReadOnlyMany"]})
update(PVC, {"spec.volumeName": "v", "spec.storageClassName": "c"}, {SIZE: "2Gi"}, {SIZE: "1Gi"}, {SIZE: "512Mi"}, {"spec.volumeAttributesClassName": "a"},
       {"spec.storageClassName": "a"}, {"spec.storageClassName": ABSENT}, {"spec.volumeName": "other"}, {"spec.resources.limits": {"storage": "4Gi"}}, status=BOUND)
update(PVC, {"spec.volumeName": "v", "spec.storageClassName": "c", SIZE: "3Gi"}, {SIZE: "2Gi"}, {SIZE: "1Gi"}, {SIZE: "1023Mi"}, status=BOUND)
update(PVC, {"spec.volumeName": "v", "spec.storageClassName": "c", "spec.volumeAttributesClassName": "a"}, {"spec.volumeAttributesClassName": ABSENT},
       {"spec.volumeAttributesClassName": ""}, {"spec.volumeAttributesClassName": "b"}, status={**BOUND, "currentVolumeAttributesClassName": "a"})
update_status(PVC, BOUND, {**BOUND, "capacity": {"storage": "-1"}}, {**BOUND, "capacity": {"storage": "1500m"}}, {**BOUND, "allocatedResources": {"storage": "-1"}},
              {**BOUND, "allocatedResourceStatuses": {"storage": "x"}}, start={"spec.volumeName": "v"})
row(PVC)
row(PVC, {"spec.volumeName": "v", "spec.storageClassName": "c", "spec.volumeAttributesClassName": "a"}, {**BOUND, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]})
row(PVC, {"spec.volumeName": "v", "spec.volumeMode": "Block"}, {"phase": "Lost"})

PV = "PersistentVolume"
create(PV, "spec.capacity", {}, ABSENT, {"cpu": "1"}, {"storage": "1Gi", "cpu": "1"}, {"storage": "0"}, {"storage": "-1"}, {"storage": "1500m"})
create(PV, "spec.accessModes", ["x"], ["ReadWriteOncePod", "ReadWriteOnce"])
create(PV, "spec.persistentVolumeReclaimPolicy", "x", "Recycle", "Delete")
create(PV, "spec.storageClassName", "A_", "a.b")
create(PV, "spec.volumeMode", "x", "Block")
create(PV, "spec.volumeAttributesClassName", "A_", "a", "")
create(PV, "spec.mountOptions", ["ro"])
create(PV, ("metadata", "annotations", "volume.beta.kubernetes.io/storage-class"), "c")
create(PVC, ("metadata", "annotations", "volume.beta.kubernetes.io/storage-class"), "c")
create(PVC, "spec.resources.limits", {"storage": "1500m"}, {"storage": "2Gi"})
create(PV, "spec.hostPath", {"path": ""}, {"path": "/a/../b"}, {"path": "/a", "type": "x"}, {"path": "/a", "type": "Directory"})
for source in ({"nfs": {"server": "s", "path": "/p"}}, {"nfs": {"server": "", "path": "p"}}, {"nfs": {"server": "s", "path": ""}}, {"csi": {"driver": "a.b", "volumeHandle": "h"}},
               {"csi": {"driver": "", "volumeHandle": ""}}, {"csi": {"driver": "A_", "volumeHandle": "h"}}, {"local": {"path": "/p"}}, {"local": {"path": ""}}, {"local": {"path": "/a/../b"}}):
    create(PV, {"spec.hostPath": ABSENT, **{f"spec.{name}": value for name, value in source.items()}})
create(PV, {"spec.hostPath": ABSENT, "spec.csi": {"driver": "a.b", "volumeHandle": "h"}, "spec.volumeAttributesClassName": "A_"})
create(PV, {"spec.hostPath": ABSENT, "spec.csi": {"driver": "a.b", "volumeHandle": "h"}, "spec.volumeAttributesClassName": ""})
create(PV, {"spec.hostPath": ABSENT, "spec.csi": {"driver": "a.b", "volumeHandle": "h"}, "spec.volumeAttributesClassName": "a"})


def affinity(**requirement):
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}


create(PV, "spec.nodeAffinity", {}, {"required": {"nodeSelectorTerms": []}}, affinity(key="a", operator="In", values=["b"]), affinity(key="a", operator="In"),
       affinity(key="a b", operator="Exists"), affinity(key="a", operator="x"), affinity(key="a", operator="In", values=["b c"]))
update(PV, {}, {"spec.capacity": {"storage": "2Gi"}}, {"spec.hostPath.path": "/other"}, {"spec.volumeMode": "Block"}, {"spec.persistentVolumeReclaimPolicy": "Delete"},
       {"spec.nodeAffinity": affinity(key="a", operator="In", values=["b"])}, {"spec.claimRef": {"kind": "PersistentVolumeClaim", "namespace": "t", "name": "c"}})
update(PV, {"spec.nodeAffinity": affinity(key="a", operator="In", values=["b"])}, {"spec.nodeAffinity": affinity(key="a", operator="In", values=["c"])},
       {"spec.nodeAffinity": ABSENT})
CSI = {"driver": "a.b", "volumeHandle": "h"}
SECRET_REF = {"name": "s", "namespace": "t"}
update(PV, {"spec.hostPath": ABSENT, "spec.csi": CSI}, {"spec.csi": {**CSI, "controllerExpandSecretRef": SECRET_REF}},
       {"spec.csi": {**CSI, "nodeStageSecretRef": SECRET_REF}}, {"spec.csi": {**CSI, "volumeHandle": "i"}}, {"spec.volumeAttributesClassName": "a"})
update(PV, {"spec.hostPath": ABSENT, "spec.csi": {**CSI, "controllerExpandSecretRef": SECRET_REF}, "spec.volumeAttributesClassName": "a"},
       {"spec.csi": {**CSI, "controllerExpandSecretRef": {**SECRET_REF, "name": "u"}}}, {"spec.csi": CSI}, {"spec.volumeAttributesClassName": ABSENT},
       {"spec.volumeAttributesClassName": "b"})
row(PV, {"spec.claimRef": {"namespace": "t", "name": "c"}, "spec.storageClassName": "s"}, {"phase": "Bound", "reason": "R"})
row(PV, {"spec.accessModes": ["ReadWriteMany", "ReadOnlyMany", "ReadWriteOnce"]}, {"phase": "Available"})
row(PV, {"spec.accessModes": ["ReadWriteOncePod"]})
create("StorageClass", "parameters", {f"k{i}": "v" for i in range(512)}, {f"k{i}": "v" for i in range(513)}, {"k": "v" * 262143}, {"k": "v" * 262144})
create("StorageClass", "provisioner", "A_", "a b", "", "a.b/c/d", "/a")
create("StorageClass", "allowedTopologies", [{"matchLabelExpressions": [{"key": "a b", "values": ["v"]}]}], [{"matchLabelExpressions": [{"key": "a", "values": []}]}],
       [{"matchLabelExpressions": [{"key": "a", "values": ["v"]}]}, {"matchLabelExpressions": [{"key": "a", "values": ["v"]}]}],
       [{"matchLabelExpressions": [{"key": "a", "values": ["v"]}]}, {"matchLabelExpressions": [{"key": "a", "values": ["w"]}]}])
create("StorageClass", "volumeBindingMode", "x", "WaitForFirstConsumer")
row("StorageClass", {"allowVolumeExpansion": True, "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer"})

# ---- ConfigMap, Secret, Namespace, Node, Event, PriorityClass ----

create("ConfigMap", "data", {"a" * 253: "v"}, {"a" * 254: "v"}, {"..": "v"}, {".": "v"}, {"..a": "v"}, {".a": "v"}, {"a b": "v"}, {"": "v"}, {"k": "v" * 1048576})
create("ConfigMap", {"data": {"k": "v" * 524288}, "binaryData": {"b": base64.b64encode(b"v" * 524289).decode()}})
create("ConfigMap", {"data": {"k": "v"}, "binaryData": {"k": "dg=="}})


def data(**texts):
    return {name.replace("_", "."): base64.b64encode(text.encode()).decode() for name, text in texts.items()}


for type, values in (("kubernetes.io/dockercfg", ({}, data(_dockercfg="{}"), data(_dockercfg="x"), data(_dockercfg=""), data(_dockercfg="3"), data(_dockercfg="null"), data(_dockercfg=" '"))),
                     ("kubernetes.io/dockerconfigjson", ({}, data(_dockerconfigjson="{}"), data(_dockerconfigjson=""), data(_dockerconfigjson="[]"))),
                     ("kubernetes.io/tls", ({}, data(tls_crt="c"))),
                     ("kubernetes.io/basic-auth", ({}, data(username="u"), data(password="p"))),
                     ("kubernetes.io/ssh-auth", ({}, {"ssh-privatekey": "eA=="}, {"ssh-privatekey": ""})),
                     ("kubernetes.io/service-account-token", ({},)), ("bootstrap.kubernetes.io/token", ({},)), ("x", ({}, data(k="v")))):
    for value in values:
        create("Secret", {"type": type, "data": value})
for rest in (b"v", b"vv"):  # the limit is 1048576 bytes
    create("Secret", {"data": {"k": base64.b64encode(b"v" * 1048575).decode(), "l": base64.b64encode(rest).decode()}})
create("Secret", {"data": {"a b": "dg=="}})
update("Secret", {"immutable": True}, {"immutable": False}, {"immutable": ABSENT}, {"data": {"k": "dw=="}}, {"metadata.labels": {"x": "y"}}, {"type": "other"})
update("ConfigMap", {"immutable": True}, {"immutable": False}, {"immutable": ABSENT}, {"data": {"k": "w"}}, {"binaryData": {"b": "dg=="}}, {"metadata.labels": {"x": "y"}})
update_status("Namespace", {"phase": "Active"}, {"phase": "Terminating"}, {"phase": "x"})
create("Namespace", "spec.finalizers", ["kubernetes"], ["a"], ["a b/c"], ["a.b/c"], ["orphan"])
create("Namespace", "metadata.name", LONG[63], LONG[64], "a.b", "A")
default("Namespace", {"spec.finalizers": ["a.b/c"]})
default("Namespace", {"status.phase": "Terminating"})
default("Namespace", {"spec.finalizers": ["kubernetes", "a.b/c"]})
create("Node", "spec.taints", [{"key": "k", "effect": "x"}], [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "NoSchedule"}],
       [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "NoExecute"}], [{"key": "a b", "value": "c d", "effect": "NoSchedule"}], [{"key": "k"}])
create("Node", {"spec.podCIDR": "10.1.0.0/24", "spec.podCIDRs": ["10.1.0.0/24"]})
create("Node", {"spec.podCIDR": "x", "spec.podCIDRs": ["x"]})
create("Node", {"spec.podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]})
create("Node", "status", {"capacity": {"cpu": "-1"}}, {"allocatable": {"memory": "-1"}}, {"capacity": {"cpu": "1"}})
update("Node", {"spec.providerID": "p", "spec.podCIDR": "10.1.0.0/24", "spec.podCIDRs": ["10.1.0.0/24"]}, {"spec.providerID": "q"}, {"spec.providerID": ABSENT},
       {"spec.podCIDR": "10.2.0.0/24", "spec.podCIDRs": ["10.2.0.0/24"]}, {"spec.unschedulable": True}, {"spec.externalID": "x"},
       {"spec.podCIDR": ABSENT, "spec.podCIDRs": ABSENT})
update_status("Node", {"capacity": {"cpu": "-1"}}, {"allocatable": {"memory": "-1"}}, {"capacity": {"cpu": "1"}, "allocatable": {"cpu": "1"}},
              {"capacity": {"a.b/c": "1500m"}}, {"addresses": [{"type": "InternalIP", "address": "1.2.3.4"}, {"type": "InternalIP", "address": "1.2.3.4"}]})
row("Node")
row("Node", {"spec.unschedulable": True, ("metadata", "labels", "node-role.kubernetes.io/b"): "", ("metadata", "labels", "node-role.kubernetes.io/a"): "",
             ("metadata", "labels", "kubernetes.io/role"): "b"},
    {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}, {"type": "ExternalIP", "address": "5.6.7.8"}],
     "nodeInfo": {"kubeletVersion": "v1", "osImage": "Debian", "kernelVersion": "6.1", "architecture": "amd64", "containerRuntimeVersion": "crun://1", "machineID": "",
                  "systemUUID": "", "bootID": "", "kubeProxyVersion": "", "operatingSystem": "linux"}})
row("Node", {}, {"conditions": [{"type": "Ready", "status": "False"}]})
NEW = {"eventTime": "2026-01-01T00:00:00.000000Z", "action": "A", "reportingComponent": "a.b/c", "reportingInstance": "i"}
for changes in ({}, {"action": ""}, {"action": LONG[128]}, {"action": LONG[129]}, {"reportingInstance": ""}, {"reportingInstance": LONG[128]}, {"reportingInstance": LONG[129]},
                {"reportingComponent": ""}, {"reportingComponent": "a b"}, {"reason": ""}, {"reason": LONG[128]}, {"reason": LONG[129]}, {"message": "m" * 1024},
                {"message": "m" * 1025}, {"involvedObject.namespace": ""}, {"involvedObject.namespace": "other"}, {"type": "x"}, {"type": ""}):
    create("Event", {**NEW, **changes})
create("Event", "involvedObject.namespace", "", "other", "t")
create("Event", "type", "x", "")
update("Event", NEW, {"count": 3}, {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}, {"reason": "Other"}, {"message": "m"}, {"note": ABSENT, "action": "B"})
row("Event", {"message": "  m \n", "source": {"component": "c", "host": "h"}, "count": 4})
row("Event", {"involvedObject.name": "", "involvedObject.fieldPath": "spec.containers{c}"})
create("PriorityClass", "value", 1000000000, 1000000001, -2147483648, 0)
create("PriorityClass", "preemptionPolicy", "x", "Never")
create("PriorityClass", "metadata.name", "system-x", "system-node-critical", "system-cluster-critical", "A_")
create("PriorityClass", {"metadata.name": "system-node-critical", "value": 2000001000, "globalDefault": True})
update("PriorityClass", {}, {"value": 11}, {"preemptionPolicy": "Never"}, {"globalDefault": True}, {"description": "d"})

# ---- roles ----

for kind in ("Role", "ClusterRole"):
    create(kind, "rules", [{}], [{"verbs": []}], [{"verbs": ["get"]}], [{"verbs": ["get"], "apiGroups": [""]}], [{"verbs": ["get"], "resources": ["pods"]}],
           [{"verbs": ["get"], "nonResourceURLs": ["/x"]}], [{"verbs": ["get"], "nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["pods"]}],
           [{"verbs": ["get"], "nonResourceURLs": ["/x"], "resourceNames": ["a"]}], [])
create("ClusterRole", {"rules": ABSENT, "aggregationRule": {"clusterRoleSelectors": []}})
create("ClusterRole", {"rules": ABSENT, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a b": "c"}}]}})
create("ClusterRole", {"rules": ABSENT, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "c"}}, {"matchLabels": {"a b": "c"}}]}})
create("ClusterRole", {"rules": ABSENT, "aggregationRule": {}})
for kind in ("RoleBinding", "ClusterRoleBinding"):
    create(kind, "roleRef", {"apiGroup": "x", "kind": "Role", "name": "r"}, {"apiGroup": "rbac.authorization.k8s.io", "kind": "x", "name": "r"},
           *({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name} for name in ("", ".", "..", "a/b", "a%b", "A b")),
           {"apiGroup": "", "kind": "ClusterRole", "name": "r"}, {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"})
    create(kind, "subjects", [{"kind": "ServiceAccount", "name": "s"}], [{"kind": "ServiceAccount", "name": "A_", "namespace": "t"}],
           [{"kind": "ServiceAccount", "name": "s", "namespace": "t", "apiGroup": "x"}], [{"kind": "User", "name": "u"}], [{"kind": "User", "name": "u", "apiGroup": "x"}],
           [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}], [{"kind": "Group", "name": "", "apiGroup": "rbac.authorization.k8s.io"}],
           [{"kind": "Group", "name": "g", "apiGroup": "x"}], [{"kind": "x", "name": "u"}], [{"kind": "", "name": ""}], [])
    update(kind, {}, {"roleRef.name": "other"}, {"subjects": []})
    row(kind, {"subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "t"}, {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"},
                            {"kind": "User", "name": "v", "apiGroup": "rbac.authorization.k8s.io"}, {"kind": "Group", "name": "g", "apiGroup": "rbac.authorization.k8s.io"},
                            {"kind": "ServiceAccount", "name": "w", "namespace": "t"}]})
    row(kind, {"subjects": []})

row("Role")
row("ClusterRole")

# ---- networking ----

BACKEND = "spec.rules.0.http.paths.0.backend"
for resource in ({"kind": "a/b", "name": "y"}, {"kind": "x", "name": "a%b"}, {"kind": ".", "name": ".."}, {"kind": "x", "name": "y", "apiGroup": "a.b"}):
    create("Ingress", {BACKEND: {"resource": resource}})
create("Ingress", "spec.rules.0.http.paths.0.path", "/a/..", "/a/.", "/a/./b", "/a%2Fb", "/a/", "/" + "a" * 300)
create("Ingress", ("metadata", "annotations", "kubernetes.io/ingress.class"), "c", "")
create("Ingress", {("metadata", "annotations", "kubernetes.io/ingress.class"): "c", "spec.ingressClassName": "c"})
create("Ingress", {("metadata", "annotations", "kubernetes.io/ingress.class"): "c", "spec.ingressClassName": "d"})
create("Ingress", {"spec.rules": ABSENT, "spec.defaultBackend": {"resource": {"kind": "K", "name": "n"}}})
update("Ingress", {}, {"spec.rules.0.host": "A_"}, {"spec.ingressClassName": "A_"}, {"spec.rules.0.http.paths.0.path": "x"})
update_status("Ingress", {"loadBalancer": {"ingress": [{"ip": "x"}]}}, {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}, {"loadBalancer": {"ingress": [{"hostname": "a b"}]}},
              {"loadBalancer": {"ingress": [{"hostname": "1.2.3.4"}]}}, {"loadBalancer": {"ingress": [{"hostname": "a.b", "ports": [{"port": 80, "protocol": "TCP"}]}]}})
create("IngressClass", "spec.parameters", {"kind": "x", "name": "y", "scope": "Cluster", "apiGroup": "A_"}, {"kind": "x", "name": "y", "scope": "Namespace", "namespace": "A_"},
       {"kind": "x", "name": "y", "scope": "Namespace", "namespace": "n"}, {"kind": "a/b", "name": "a%b", "scope": "Cluster"}, {"kind": "x", "name": "y", "scope": "Cluster"})
create("IngressClass", "spec.controller", "a.b/" + "c" * 246, "a.b/" + "c" * 247, "a.b/c/d", "A/b", "")
update("IngressClass", {}, {"spec.controller": "a.b/other"}, {"spec.parameters": {"kind": "x", "name": "y", "scope": "Cluster"}})
for block in ({"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}, {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}, {"cidr": "10.0.0.0/15", "except": ["10.1.0.0/16"]},
              {"cidr": "10.0.0.0/15", "except": ["10.2.0.0/16"]}, {"cidr": "fd00::/8", "except": ["fd00:1::/32"]}, {"cidr": "fd00::/8", "except": ["10.0.0.0/8"]},
              {"cidr": "10.0.0.1/8"}, {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/7"]}, {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}):
    create("NetworkPolicy", {"spec.ingress": [{"from": [{"ipBlock": block}]}]})
create("NetworkPolicy", "spec.egress", [{"to": [{"podSelector": {}, "namespaceSelector": {}}]}], [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "namespaceSelector": {}}]}],
       [{"ports": [{"port": 65535, "endPort": 65536}]}], [{"ports": [{"port": 80, "endPort": 80}]}])
row("Ingress", {"spec.tls": [{"hosts": ["a.b"]}], "spec.ingressClassName": "c"}, {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "a.b"}]}})
