#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a real kube-apiserver asks its authorizer, as golden/authorization.json.

The server runs with an authorization webhook that is this program. Each case is sent as a user who
may do nothing. The webhook refuses the first question, and the case is sent again with that question
granted, until nothing more is refused. What is kept of a case are the questions in their order, the
refusals in the server's words, and the status in the end.

Only whoever renews the file needs this: record_authorization.py [--new] [PEERS_BIN], where kube-apiserver and
etcd of the version that stead serves lie in PEERS_BIN. With --new only the cases are sent that the file does not
have yet, which takes seconds where all of them take minutes.
"""
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ARGUMENTS = [a for a in sys.argv[1:] if a != "--new"]
ONLY_NEW = "--new" in sys.argv
BIN = pathlib.Path(ARGUMENTS[0] if ARGUMENTS else "~/.cache/stead-peers/bin").expanduser()
USERS = 100     # tester-0 is for all but impersonation, of which the server remembers what it has allowed whom

# ---- the cases ----

# Every resource that stead serves. The test fails where one of its kinds is missing here.
RESOURCES = [
    # group, version, resource, kind, namespaced, subresources
    ("", "v1", "bindings", "Binding", True, []),
    ("", "v1", "componentstatuses", "ComponentStatus", False, []),
    ("", "v1", "configmaps", "ConfigMap", True, []),
    ("", "v1", "endpoints", "Endpoints", True, []),
    ("", "v1", "events", "Event", True, []),
    ("", "v1", "limitranges", "LimitRange", True, []),
    ("", "v1", "namespaces", "Namespace", False, ["status", "finalize"]),
    ("", "v1", "nodes", "Node", False, ["status", "proxy"]),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ["status"]),
    ("", "v1", "persistentvolumes", "PersistentVolume", False, ["status"]),
    ("", "v1", "pods", "Pod", True, ["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize", "status"]),
    ("", "v1", "podtemplates", "PodTemplate", True, []),
    ("", "v1", "replicationcontrollers", "ReplicationController", True, ["scale", "status"]),
    ("", "v1", "resourcequotas", "ResourceQuota", True, ["status"]),
    ("", "v1", "secrets", "Secret", True, []),
    ("", "v1", "serviceaccounts", "ServiceAccount", True, ["token"]),
    ("", "v1", "services", "Service", True, ["proxy", "status"]),
    ("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False, []),
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False, []),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False, ["status"]),
    ("apiregistration.k8s.io", "v1", "apiservices", "APIService", False, ["status"]),
    ("apps", "v1", "controllerrevisions", "ControllerRevision", True, []),
    ("apps", "v1", "daemonsets", "DaemonSet", True, ["status"]),
    ("apps", "v1", "deployments", "Deployment", True, ["scale", "status"]),
    ("apps", "v1", "replicasets", "ReplicaSet", True, ["scale", "status"]),
    ("apps", "v1", "statefulsets", "StatefulSet", True, ["scale", "status"]),
    ("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False, []),
    ("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", False, []),
    ("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", True, []),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, []),
    ("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, []),
    ("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", False, []),
    ("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ["status"]),
    ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ["status"]),
    ("batch", "v1", "cronjobs", "CronJob", True, ["status"]),
    ("batch", "v1", "jobs", "Job", True, ["status"]),
    ("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest", False, ["approval", "status"]),
    ("coordination.k8s.io", "v1", "leases", "Lease", True, []),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True, []),
    ("events.k8s.io", "v1", "events", "Event", True, []),
    ("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", False, ["status"]),
    ("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", False, ["status"]),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass", False, []),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", True, ["status"]),
    ("networking.k8s.io", "v1", "ipaddresses", "IPAddress", False, []),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True, []),
    ("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", False, ["status"]),
    ("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", False, []),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ["status"]),
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", False, []),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", False, []),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", True, []),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", True, []),
    ("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", False, []),
    ("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", True, ["status"]),
    ("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate", True, []),
    ("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", False, []),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False, []),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", False, []),
    ("storage.k8s.io", "v1", "csinodes", "CSINode", False, []),
    ("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", True, []),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass", False, []),
    ("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", False, ["status"]),
    ("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass", False, []),
]
JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCHES = [("application/json-patch+json", "[]"), (MERGE, "{}"), ("application/strategic-merge-patch+json", "{}")]
CONNECTS = ("attach", "exec", "portforward")
# Subresources of which the apiserver has further verbs than stead: only what both have is walked.
VERBS = {"binding": ["POST"], "eviction": ["POST"], "token": ["POST"], "log": ["GET"], "proxy": ["GET", "POST", "PUT", "PATCH"], "finalize": ["PUT"]}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io"}


def case(name, method, path, body=None, type=None, headers=None, granted=(), stream=False, loose=False):
    row = {"name": name, "method": method, "path": path}
    if loose:       # whatever is answered in the end, as long as it is not refused
        row["loose"] = True
    if body is not None:
        row["type"] = type or JSON
        row["body"] = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    if headers:
        row["headers"] = [list(h) for h in (headers.items() if isinstance(headers, dict) else headers)]
    if granted:
        row["granted"] = [list(g) for g in granted]
    if stream:
        row["stream"] = True
    return row


def walk(group, version, resource, kind, namespaced, subresources):
    """Every verb of a resource and of its subresources."""
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    place = f"{root}/namespaces/t/{resource}" if namespaced else f"{root}/{resource}"
    api = f"{group}/{version}" if group else version
    head = {"apiVersion": api, "kind": kind, "metadata": {"name": "x"}}
    if namespaced:
        yield case(f"list all {resource}", "GET", f"{root}/{resource}")
        yield case(f"watch all {resource}", "GET", f"{root}/{resource}?watch=1&timeoutSeconds=1", stream=True)
        yield case(f"create {resource} nowhere", "POST", f"{root}/{resource}", head)
        yield case(f"delete {resource} everywhere", "DELETE", f"{root}/{resource}?labelSelector=no=ne")
        yield case(f"get {resource} nowhere", "GET", f"{root}/{resource}/x")
    yield case(f"list {resource}", "GET", place)
    yield case(f"list {resource} of one name", "GET", f"{place}?fieldSelector=metadata.name%3Dx")
    yield case(f"watch {resource}", "GET", f"{place}?watch=true&timeoutSeconds=1", stream=True)
    yield case(f"watch {resource} of one name", "GET", f"{place}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=x", stream=True)
    yield case(f"create {resource}", "POST", f"{place}?dryRun=All", head)
    yield case(f"delete a collection of {resource}", "DELETE", f"{place}?labelSelector=no=ne")
    yield case(f"put a collection of {resource}", "PUT", place, head)
    yield case(f"get {resource}/x", "GET", f"{place}/x")
    yield case(f"get {resource}/x as if to watch", "GET", f"{place}/x?watch=1", stream=True)
    yield case(f"create {resource}/x", "POST", f"{place}/x", head)
    yield case(f"update {resource}/x", "PUT", f"{place}/x?dryRun=All", head)
    for type, body in PATCHES:
        yield case(f"patch {resource}/x with {type}", "PATCH", f"{place}/x?dryRun=All", body, type)
    yield case(f"apply {resource}/x", "PATCH", f"{place}/x?fieldManager=f&dryRun=All", head, APPLY)
    yield case(f"delete {resource}/x", "DELETE", f"{place}/x?dryRun=All")
    yield case(f"an unknown subresource of {resource}", "GET", f"{place}/x/nonsense")
    for sub in subresources:
        at = f"{place}/x/{sub}"
        verbs = VERBS.get(sub, ["GET", "POST"] if sub in CONNECTS else ["GET", "PUT", "PATCH"])
        for verb in verbs:
            if verb == "GET":
                yield case(f"get {resource}/x/{sub}", "GET", at)
            elif verb == "POST":
                body = None if sub in CONNECTS else {"metadata": {"name": "x"}}
                yield case(f"create {resource}/x/{sub}", "POST", at, body)
            elif verb == "PUT":
                # By a slip in Kubernetes, the status of a Service that is not there is validated first.
                loose = (resource, sub) == ("services", "status")
                yield case(f"update {resource}/x/{sub}", "PUT", f"{at}?dryRun=All", head, loose=loose)
            else:
                yield case(f"patch {resource}/x/{sub}", "PATCH", f"{at}?dryRun=All", "{}", MERGE)
                if sub != "scale":
                    yield case(f"apply {resource}/x/{sub}", "PATCH", f"{at}?fieldManager=f&dryRun=All", head, APPLY, loose=loose)
        if sub in CONNECTS:
            yield case(f"get {resource}/x/{sub} to upgrade", "GET", f"{at}?command=a&stdout=1", headers=UPGRADE)
            yield case(f"get {resource}/p/{sub} to upgrade", "GET", f"{place}/p/{sub}?command=a&stdout=1", headers=UPGRADE)
        yield case(f"delete {resource}/x/{sub}", "DELETE", at)


RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
RBAC_API = "rbac.authorization.k8s.io/v1"
RBAC_GROUP = "rbac.authorization.k8s.io"


def named(api, kind, name, ns="t", **more):
    meta = {"name": name}
    if ns:
        meta["namespace"] = ns
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def special():
    """What is about more than verb, path and resource: bodies, headers, odd paths."""
    core = "/api/v1/namespaces/t"
    cm = named("v1", "ConfigMap", "new")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    workload = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    # What creates without being called so.
    yield case("apply that creates", "PATCH", f"{core}/configmaps/new?fieldManager=f&dryRun=All", cm, APPLY)
    yield case("apply that creates a workload", "PATCH", "/apis/apps/v1/namespaces/t/deployments/new?fieldManager=f&dryRun=All",
               named("apps/v1", "Deployment", "new", spec=workload), APPLY)
    yield case("apply that creates nothing valid", "PATCH", "/apis/apps/v1/namespaces/t/deployments/new?fieldManager=f&dryRun=All",
               named("apps/v1", "Deployment", "new", spec={}), APPLY)
    yield case("apply that creates in the cluster", "PATCH", "/api/v1/namespaces/new?fieldManager=f&dryRun=All",
               named("v1", "Namespace", "new", ns=None), APPLY)
    yield case("apply that changes", "PATCH", f"{core}/configmaps/here?fieldManager=f&dryRun=All", named("v1", "ConfigMap", "here", data={"a": "b"}), APPLY)
    yield case("apply of another name", "PATCH", f"{core}/configmaps/new?fieldManager=f&dryRun=All", named("v1", "ConfigMap", "other"), APPLY)
    yield case("apply in another namespace", "PATCH", f"{core}/configmaps/new?fieldManager=f&dryRun=All", named("v1", "ConfigMap", "new", ns="u"), APPLY)
    yield case("merge patch of what is missing", "PATCH", f"{core}/configmaps/new?dryRun=All", '{"data":{"a":"b"}}', MERGE)
    for group, api, resource, kind, ns, more in [
            ("", "v1", "services", "Service", "t", {"spec": {"ports": [{"port": 80}]}}),
            ("", "v1", "endpoints", "Endpoints", "t", {}),
            ("", "v1", "events", "Event", "t", {"involvedObject": {"namespace": "t"}}),
            ("", "v1", "configmaps", "ConfigMap", "t", {}),
            ("coordination.k8s.io", "coordination.k8s.io/v1", "leases", "Lease", "t", {}),
            (RBAC_GROUP, RBAC_API, "roles", "Role", "t", {"rules": []}),
            (RBAC_GROUP, RBAC_API, "clusterroles", "ClusterRole", None, {"rules": []}),
            (RBAC_GROUP, RBAC_API, "rolebindings", "RoleBinding", "t", {"roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": "empty"}}),
            (RBAC_GROUP, RBAC_API, "clusterrolebindings", "ClusterRoleBinding", None, {"roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "empty"}})]:
        root = f"/apis/{api}" if group else "/api/v1"
        place = f"{root}/namespaces/t/{resource}" if ns else f"{root}/{resource}"
        yield case(f"update that creates {resource}", "PUT", f"{place}/new?dryRun=All", named(api, kind, "new", ns=ns, **more))
    # Giving away more than one has.
    for cluster in (False, True):
        kind, resource = ("ClusterRole", "clusterroles") if cluster else ("Role", "roles")
        place = f"{RBAC}/{resource}" if cluster else f"{RBAC}/namespaces/t/{resource}"
        ns = None if cluster else "t"
        yield case(f"create a {kind} with rules", "POST", f"{place}?dryRun=All", named(RBAC_API, kind, "new", ns=ns, rules=RULES))
        yield case(f"update a {kind} with rules", "PUT", f"{place}/empty?dryRun=All", named(RBAC_API, kind, "empty", ns=ns, rules=RULES))
        yield case(f"apply a {kind} with rules", "PATCH", f"{place}/new?fieldManager=f&dryRun=All", named(RBAC_API, kind, "new", ns=ns, rules=RULES), APPLY)
        yield case(f"patch a {kind} with rules", "PATCH", f"{place}/empty?dryRun=All", {"rules": RULES}, MERGE)
        bindings = resource.replace("roles", "rolebindings")
        place = f"{RBAC}/{bindings}" if cluster else f"{RBAC}/namespaces/t/{bindings}"
        ref = {"apiGroup": RBAC_GROUP, "kind": kind, "name": "some"}
        yield case(f"bind a {kind}", "POST", f"{place}?dryRun=All", named(RBAC_API, f"{kind}Binding", "new", ns=ns, roleRef=ref))
        yield case(f"apply a binding of a {kind}", "PATCH", f"{place}/new?fieldManager=f&dryRun=All", named(RBAC_API, f"{kind}Binding", "new", ns=ns, roleRef=ref), APPLY)
    yield case("bind a ClusterRole in a namespace", "POST", f"{RBAC}/namespaces/t/rolebindings?dryRun=All",
               named(RBAC_API, "RoleBinding", "new", roleRef={"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "some"}))
    # Bodies that speak of another object than the path.
    target = {"target": {"kind": "Node", "name": "n"}}
    yield case("bind a pod", "POST", f"{core}/pods/p/binding?dryRun=All", named("v1", "Binding", "p", **target))
    yield case("bind another pod", "POST", f"{core}/pods/p/binding?dryRun=All", named("v1", "Binding", "q", **target))
    yield case("bind a pod without its name", "POST", f"{core}/pods/p/binding?dryRun=All", {"apiVersion": "v1", "kind": "Binding", "metadata": {}, **target})
    yield case("bind a pod in another namespace", "POST", f"{core}/pods/p/binding?dryRun=All", named("v1", "Binding", "p", ns="u", **target))
    yield case("bind a pod of another uid", "POST", f"{core}/pods/p/binding?dryRun=All",
               {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p", "uid": "no"}, **target})
    yield case("bind a pod in the old way", "POST", f"{core}/bindings?dryRun=All", named("v1", "Binding", "p", **target))
    yield case("bind a missing pod in the old way", "POST", f"{core}/bindings?dryRun=All", named("v1", "Binding", "x", **target))
    for name, ns in (("p", "t"), ("q", "t"), ("p", "u")):
        yield case(f"evict {ns}/{name}", "POST", f"{core}/pods/p/eviction?dryRun=All", named("policy/v1", "Eviction", name, ns=ns))
    token = ("authentication.k8s.io/v1", "TokenRequest")
    yield case("a token", "POST", f"{core}/serviceaccounts/default/token", {"spec": {"audiences": ["a"]}})
    yield case("a token of another account", "POST", f"{core}/serviceaccounts/default/token", named(*token, "other", spec={}))
    yield case("a token in another namespace", "POST", f"{core}/serviceaccounts/default/token", named(*token, "default", ns="u", spec={}))
    yield case("a token for a pod", "POST", f"{core}/serviceaccounts/default/token",
               {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}}})
    yield case("a token for a pod of another account", "POST", f"{core}/serviceaccounts/other/token",
               {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}}})
    yield case("create in another namespace", "POST", f"{core}/configmaps?dryRun=All", named("v1", "ConfigMap", "new", ns="u"))
    yield case("update of another name", "PUT", f"{core}/configmaps/here?dryRun=All", named("v1", "ConfigMap", "other"))
    yield case("update in another namespace", "PUT", f"{core}/configmaps/here?dryRun=All", named("v1", "ConfigMap", "here", ns="u"))
    for inner in ("t", "u", None):
        for outer in ("t", "u", None):
            spec = {"user": "a", "resourceAttributes": {"verb": "get", "resource": "pods"}}
            if inner:
                spec["resourceAttributes"]["namespace"] = inner
            yield case(f"local review of {inner} in {outer}", "POST", "/apis/authorization.k8s.io/v1/namespaces/t/localsubjectaccessreviews",
                       {"metadata": {"namespace": outer} if outer else {}, "spec": spec})
    yield case("review in a namespace", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
               {"metadata": {"namespace": "t"}, "spec": {"user": "a", "resourceAttributes": {"verb": "get", "resource": "pods"}}})
    yield case("scale of another name", "PUT", "/apis/apps/v1/namespaces/t/deployments/d/scale?dryRun=All", named("autoscaling/v1", "Scale", "other", spec={"replicas": 1}))
    yield case("scale in another namespace", "PUT", "/apis/apps/v1/namespaces/t/deployments/d/scale?dryRun=All", named("autoscaling/v1", "Scale", "d", ns="u", spec={"replicas": 1}))
    yield case("scale", "PUT", "/apis/apps/v1/namespaces/t/deployments/d/scale?dryRun=All", named("autoscaling/v1", "Scale", "d", spec={"replicas": 1}))
    # Paths.
    for path in ("/", "/api", "/api/", "/api/v1", "/api/v1/", "/apis", "/apis/apps", "/apis/apps/v1", "/apis/apps/v2", "/apis/nonsense", "/apis/nonsense/v1",
                 "/healthz", "/healthz/ping", "/livez", "/livez/ping", "/readyz", "/readyz/ping", "/version", "/version/", "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1",
                 "/openapi/v3/apis/apps/v1", "/openid/v1/jwks", "/.well-known/openid-configuration", "/nonsense", "/nonsense/", "/api/v1/nonsense", "/api/v2/pods",
                 "/apis/apps/v2/deployments", "/apis/apps/v1/nonsense", "/apis/apps/v1/namespaces/t/nonsense/x/y/z", "/apis/nonsense/v1/namespaces/t/things",
                 "/apis/apps/v1/namespaces/t", "/apis/apps/v1/namespaces", "/api/v1/namespaces/t/", "/api/v1/namespaces/t/pods/", "/api/v1/namespaces/t/pods/p/log/more",
                 "/api/v1/namespaces/t%2Fpods", "/api/v1/watch/pods", "/api/v1/watch/namespaces/t/pods/p", "/api/v1/proxy/nodes/n", "/api/v1/nodes/n/proxy/metrics/cadvisor",
                 "/api/v1/nodes/proxy/proxy/healthz", "/api/v1/nodes/n:10250/proxy", "/api/v1/namespaces/t/status", "/api/v1/namespaces/t/finalize"):
        # stead serves the old form of watches not at all, and node and health in its own way.
        yield case(f"get {path}", "GET", path, stream="/watch/" in path, loose="/watch/" in path or "/nodes/" in path or "z/" in path)
    for method in ("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"):
        for path in ("/healthz", "/api/v1", "/nonsense"):
            yield case(f"{method} {path}", method, path, loose=path == "/healthz")
    for path in ("/api/v1/namespaces/t/configmaps", "/api/v1/namespaces/t/configmaps/here"):
        for method in ("HEAD", "OPTIONS", "TRACE"):
            yield case(f"{method} {path}", method, path)
    for watch in ("", "=", "=1", "=0", "=true", "=false", "=False", "=f", "=no"):
        yield case(f"watch{watch}", "GET", f"{core}/configmaps?watch{watch}&timeoutSeconds=1" if watch else f"{core}/configmaps?watch&timeoutSeconds=1", stream=True)
    for selector in ("metadata.name=a,metadata.namespace=t", "metadata.name==a", "metadata.name!=a", "metadata.name=", "metadata.name=a%2Fb", "metadata.name=a,metadata.name=b", "metadata.name"):
        yield case(f"list of {selector}", "GET", f"{core}/configmaps?fieldSelector={selector.replace('=', '%3D').replace('!', '%21')}")


WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def acting():
    """Impersonation: newer and older permissions, one and many of everything."""
    sa = "system:serviceaccount:t:default"
    wanted = {
        "a user": [("Impersonate-User", "bob")],
        "a user in a group": [("Impersonate-User", "bob"), ("Impersonate-Group", "g")],
        "a user of a uid": [("Impersonate-User", "bob"), ("Impersonate-Uid", "u1")],
        "a user with extra": [("Impersonate-User", "bob"), ("Impersonate-Extra-acme.io%2Fscopes", "s1"), ("Impersonate-Extra-acme.io%2Fscopes", "s2")],
        "a user with all of it": [("Impersonate-User", "bob"), ("Impersonate-Group", "g"), ("Impersonate-Group", "h"), ("Impersonate-Uid", "u1"),
                                  ("Impersonate-Extra-acme.io%2Fa", "b")],
        "a user in many groups": [("Impersonate-User", "bob")] + [("Impersonate-Group", f"g{i}") for i in range(4)],
        "a user with much extra": [("Impersonate-User", "bob")] + [("Impersonate-Extra-acme.io%2Fa", f"v{i}") for i in range(4)],
        "a user with a plain key": [("Impersonate-User", "bob"), ("Impersonate-Extra-Scopes", "s1")],
        "a user in the masters": [("Impersonate-User", "bob"), ("Impersonate-Group", "system:masters")],
        "nobody": [("Impersonate-User", "system:anonymous")],
        "an account": [("Impersonate-User", sa)],
        "an account in a group": [("Impersonate-User", sa), ("Impersonate-Group", "g")],
        "a malformed account": [("Impersonate-User", "system:serviceaccount:t")],
        "a node": [("Impersonate-User", "system:node:n")],
        "a node in a group": [("Impersonate-User", "system:node:n"), ("Impersonate-Group", "g")],
        "a group without a user": [("Impersonate-Group", "g")],
        "extra without a user": [("Impersonate-Extra-Scopes", "s1"), ("Impersonate-Extra-Other", "s2")],
        "a uid without a user": [("Impersonate-Uid", "u")],
    }
    for what, headers in wanted.items():
        yield case(f"act as {what}", "POST", WHO, "{}", headers=headers)
    old = ["impersonate", "", "users", "", "", "bob"]
    auth = "authentication.k8s.io"
    older = {
        "a user": [old],
        "a user with all of it": [old, ["impersonate", auth, "uids", "", "", "u1"], ["impersonate", "", "groups", "", "", "g"],
                                  ["impersonate", "", "groups", "", "", "h"], ["impersonate", auth, "userextras", "acme.io/a", "", "b"]],
        "a user with a plain key": [old, ["impersonate", auth, "userextras", "scopes", "", "s1"]],
        "a user in the masters": [old, ["impersonate", "", "groups", "", "", "system:masters"]],
        "an account": [["impersonate", "", "serviceaccounts", "", "t", "default"]],
        "an account in a group": [["impersonate", "", "serviceaccounts", "", "t", "default"], ["impersonate", "", "groups", "", "", "g"]],
        "a node": [["impersonate", "", "users", "", "", "system:node:n"]],
        "nobody": [["impersonate", "", "users", "", "", "system:anonymous"]],
    }
    for what, granted in older.items():
        yield case(f"act as {what} with the older permission", "POST", WHO, "{}", headers=wanted[what], granted=granted)
    yield case("act as a user in many groups, granted at once", "POST", WHO, "{}", headers=wanted["a user in many groups"],
               granted=[["impersonate:user-info", auth, "groups", "", "", "*"]])
    yield case("act as a user with much extra, granted at once", "POST", WHO, "{}", headers=wanted["a user with much extra"],
               granted=[["impersonate:user-info", auth, "userextras", "*", "", "*"]])
    yield case("act as a user on a path", "GET", "/version", headers=wanted["a user"])
    yield case("act as a user on an object", "GET", "/api/v1/namespaces/t/pods/p", headers=wanted["a user"])
    yield case("act as a user on all objects", "GET", "/api/v1/pods", headers=wanted["a user"])


def all_cases():
    for row in RESOURCES:
        yield from walk(*row)
    yield from special()
    for i, row in enumerate(acting(), 1):
        row["as"] = f"tester-{i}"
        yield row


def fixtures():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    for name in ("t", "u"):
        yield "/api/v1/namespaces", {"metadata": {"name": name}}
    yield "/api/v1/namespaces/t/serviceaccounts", {"metadata": {"name": "default"}}
    yield "/api/v1/namespaces/t/serviceaccounts", {"metadata": {"name": "other"}}
    yield "/api/v1/namespaces/t/pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    yield "/api/v1/namespaces/t/configmaps", {"metadata": {"name": "here"}}
    yield "/apis/apps/v1/namespaces/t/deployments", {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    yield "/api/v1/nodes", {"metadata": {"name": "n"}}
    for cluster in (False, True):
        place = f"{RBAC}/clusterroles" if cluster else f"{RBAC}/namespaces/t/roles"
        yield place, {"metadata": {"name": "empty"}, "rules": []}
        yield place, {"metadata": {"name": "some"}, "rules": RULES}


# ---- the webhook ----

class Webhook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    granted, asked = [], []

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        spec = review["spec"]
        allowed = True
        if spec.get("user", "").startswith("tester-"):
            if "nonResourceAttributes" in spec:
                of = spec["nonResourceAttributes"]
                question = [of["verb"], of["path"]]
            else:
                of = spec["resourceAttributes"]
                question = [of.get(k, "") for k in ("verb", "group", "resource", "subresource", "namespace", "name")]
            allowed = question in Webhook.granted
            Webhook.asked.append((question, allowed))
        review["status"] = {"allowed": allowed}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


# ---- the server ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def send(port, token, row):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
    connection.putrequest(row["method"], row["path"])
    connection.putheader("Authorization", f"Bearer {token}")
    for key, value in row.get("headers", []):
        connection.putheader(key, value)
    body = row.get("body", "").encode()
    if "body" in row:
        connection.putheader("Content-Type", row["type"])
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    response = connection.getresponse()
    text = b"" if row.get("stream") and response.status == 200 or response.status == 101 else response.read()
    connection.close()
    return response.status, text


def record(port, row):
    Webhook.granted = [list(g) for g in row.get("granted", [])]
    asked, refusals = [], []
    while True:
        Webhook.asked = []
        status, text = send(port, row.get("as", "tester-0"), row)
        refused = [q for q, ok in Webhook.asked if not ok]
        if status != 403 or not refused or refused[0] in asked:
            break
        try:
            refusals.append(json.loads(text)["message"])
        except ValueError:
            refusals.append("")
        asked.append(refused[0])
        Webhook.granted.append(refused[0])
    row.update(asked=asked, refusals=refusals, status=status)
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if answer.get("kind") == "Status" and answer.get("status") == "Failure":
        row["message"] = answer.get("message", "")
    if answer.get("kind") == "SelfSubjectReview" and "as" in row:
        row["user"] = answer["status"]["userInfo"]
    return row


def key_of(case):
    """What is sent, by which a recorded case is found again."""
    return json.dumps([case.get(k) for k in ("name", "method", "path", "type", "body", "headers", "granted", "as")])


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="authorization-"))
    webhook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=webhook.serve_forever, daemon=True).start()
    etcd, peer, port = free_port(), free_port(), free_port()
    (folder / "webhook").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "w", "users": [{"name": "w", "user": {}}],
        "clusters": [{"name": "w", "cluster": {"server": f"http://127.0.0.1:{webhook.server_port}/"}}],
        "contexts": [{"name": "w", "context": {"cluster": "w", "user": "w"}}]}))
    (folder / "tokens").write_text('admin,admin,1,"system:masters"\n' + "".join(f"tester-{i},tester-{i},2\n" for i in range(USERS)))
    subprocess.run(["openssl", "genrsa", "-out", folder / "key", "2048"], check=True, capture_output=True)
    url = f"http://127.0.0.1:{etcd}"
    children = []
    try:
        for command in (
                [BIN / "etcd", "--data-dir", folder / "etcd", "--listen-client-urls", url, "--advertise-client-urls", url,
                 "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--log-level", "error"],
                [BIN / "kube-apiserver", f"--etcd-servers={url}", f"--secure-port={port}", "--bind-address=127.0.0.1", f"--cert-dir={folder}/certs",
                 f"--service-account-key-file={folder}/key", f"--service-account-signing-key-file={folder}/key",
                 "--service-account-issuer=https://kubernetes.default.svc", f"--token-auth-file={folder}/tokens", "--authorization-mode=Webhook",
                 f"--authorization-webhook-config-file={folder}/webhook", "--authorization-webhook-version=v1",
                 "--authorization-webhook-cache-authorized-ttl=0", "--authorization-webhook-cache-unauthorized-ttl=0",
                 "--service-cluster-ip-range=10.96.0.0/12"]):
            log = open(folder / (pathlib.Path(command[0]).name + ".log"), "w")
            children.append(subprocess.Popen(command, stdout=log, stderr=log))
        deadline = time.monotonic() + 300
        while True:
            try:
                if send(port, "admin", {"method": "GET", "path": "/readyz"})[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > deadline or children[1].poll() is not None:
                sys.exit(f"kube-apiserver did not start, see {folder}")
            time.sleep(0.2)
        for path, body in fixtures():
            status, text = send(port, "admin", {"method": "POST", "path": path, "type": JSON, "body": json.dumps(body)})
            if status not in (201, 409):
                sys.exit(f"{path}: {status} {text}")
        out = HERE / "golden" / "authorization.json"
        known = {key_of(row): row for row in json.loads(out.read_text())["cases"]} if ONLY_NEW else {}
        rows = [known.get(key_of(row)) or record(port, row) for row in all_cases()]
        before = ",\n".join(json.dumps([path, json.dumps(body)]) for path, body in fixtures())
        cases = ",\n".join(json.dumps(row) for row in rows)
        out.write_text(f'{{"fixtures": [\n{before}\n], "cases": [\n{cases}\n]}}\n')
        print(f"{len(rows)} cases, {sum(len(r['asked']) for r in rows)} questions")
    finally:
        for child in reversed(children):
            child.send_signal(signal.SIGTERM)
        for child in children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
        webhook.shutdown()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
