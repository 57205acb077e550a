# SPDX-License-Identifier: Apache-2.0
"""What the node says of itself."""
import json

from podkit import ENDLESS, pod, pods  # noqa: F401


def ask(shared, path, **more):
    node = shared.out("get", "nodes", "-o", "name").strip().removeprefix("node/")
    return shared.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy{path}", **more)


def test_it_tells_its_health_and_its_pods(shared, pods):
    pods.run("listed")
    assert ask(shared, "/healthz").stdout == "ok"
    listed = json.loads(ask(shared, "/pods").stdout)
    assert listed["kind"] == "PodList" and "listed" in [item["metadata"]["name"] for item in listed["items"]]
    gone = ask(shared, "/nothing/here", check=False)
    assert gone.returncode != 0 and "not find the requested resource" in gone.stderr
    absent = shared.kubectl("get", "--raw", "/api/v1/nodes/absent/proxy/healthz", check=False)
    assert 'nodes "absent" not found' in absent.stderr


def test_it_tells_what_pods_and_volumes_use(shared, pods):
    shared.apply("{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: "
                 "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}}")
    pods.start(pod("busy", "head -c 20000000 /dev/zero > /data/file; " + ENDLESS,
                   volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                   c_volumeMounts=[{"name": "data", "mountPath": "/data"}],
                   c_readinessProbe={"exec": {"command": ["sh", "-c", "[ $(stat -c %s /data/file) = 20000000 ]"]}}))
    summary = json.loads(ask(shared, "/stats/summary").stdout)
    assert summary["node"]["memory"]["workingSetBytes"] > 0 and summary["node"]["fs"]["capacityBytes"] > 0
    mine = next(one for one in summary["pods"] if one["podRef"]["name"] == "busy")
    assert mine["containers"][0]["name"] == "main"
    assert mine["containers"][0]["memory"]["workingSetBytes"] > 0
    assert mine["containers"][0]["cpu"]["usageCoreNanoSeconds"] > 0
    volume = next(one for one in mine["volume"] if one["name"] == "data")
    assert volume["pvcRef"] == {"name": "data", "namespace": "default"}
    assert volume["usedBytes"] >= 20000000 and volume["capacityBytes"] < 70 << 20


def test_who_may_not_read_the_node_is_refused(shared):
    refused = ask(shared, "/pods", check=False)
    assert refused.returncode == 0
    refused = shared.kubectl("get", "--raw", "/api/v1/nodes/x/proxy/pods", "--as=somebody", check=False)
    assert 'cannot get resource "nodes/proxy"' in refused.stderr


def test_it_is_described_with_what_it_can_do(shared):
    node = shared.get("nodes")["items"][0]
    assert node["status"]["features"] == {"supplementalGroupsPolicy": True}
    assert node["status"]["runtimeHandlers"] == [{"name": "", "features": {"recursiveReadOnlyMounts": True, "userNamespaces": False}}]
    version = shared.run("crun", "--version").stdout.split()[2]
    shared.kubectl("wait", f"--for=jsonpath={{.status.nodeInfo.containerRuntimeVersion}}=crun://{version}", "node", "--all",
                   "--timeout=60s")
    text = shared.out("describe", "node")
    for part in ("HolderIdentity:", "KubeletReady", "InternalIP:", "Container Runtime Version:", "Allocated resources:"):
        assert part in text


def test_kubectl_top_shows_what_pods_and_the_node_use(shared, pods):
    busy = "while :; do :; done"
    two = pod("spinning", busy, c_resources={"limits": {"cpu": "200m"}})
    two["spec"]["containers"].append({**two["spec"]["containers"][0], "name": "idle", "command": ["sh", "-c", ENDLESS]})
    pods.start(two)
    pods.run("resting")
    # A container that has just started has no rate yet; the API says so until the first second is over.
    for name in ("spinning", "resting"):
        assert any(shared.kubectl("top", "pod", name, check=False).returncode == 0 for _ in range(100))
    rows = [line.split() for line in shared.out("top", "pods", "--containers", "--no-headers").splitlines()]
    cpu = {(row[0], row[1]): int(row[2].removesuffix("m")) for row in rows}
    assert 100 <= cpu["spinning", "main"] <= 260 and cpu["spinning", "idle"] < 60 and cpu["resting", "main"] < 60
    rows = shared.out("top", "pods", "--sort-by=cpu", "--sum").splitlines()
    assert rows[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"] and rows[1].startswith("spinning")
    assert [line.split()[0] for line in shared.out("top", "pods", "-l", "app=resting", "--no-headers").splitlines()] == ["resting"]
    node = shared.out("top", "nodes", "--no-headers").split()
    assert int(node[1].removesuffix("m")) > 0 and int(node[3].removesuffix("Mi")) > 0
    one = json.loads(shared.out("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/spinning"))
    assert one["kind"] == "PodMetrics" and one["metadata"]["labels"] == {"app": "spinning"}
    assert "NAME" in shared.out("get", "podmetrics") and "spinning" in shared.out("get", "podmetrics")
    gone = shared.kubectl("top", "pod", "absent", check=False)
    assert 'pods "absent" not found' in gone.stderr
    shared.kubectl("create", "serviceaccount", "viewer")
    shared.kubectl("create", "rolebinding", "viewer", "--clusterrole=view", "--serviceaccount=default:viewer")
    assert "spinning" in shared.out("top", "pods", "--as=system:serviceaccount:default:viewer")


def test_the_node_has_the_pages_that_prometheus_reads(shared, pods):
    pods.run("scraped", c_resources={"limits": {"memory": "64Mi"}}, c_readinessProbe={"exec": {"command": ["true"]}})
    assert 'probe_type="Readiness",result="successful"} ' in ask(shared, "/metrics/probes").stdout
    text = ask(shared, "/metrics/cadvisor").stdout
    assert 'container_spec_memory_limit_bytes{container="main",' in text
    line = next(l for l in text.splitlines() if l.startswith("container_memory_working_set_bytes") and 'pod="scraped"' in l
                and 'container="main"' in l)
    assert 'namespace="default"' in line and 'image="time-server:latest"' in line and float(line.split()[-2]) > 0
    assert any(l.startswith("container_network_receive_bytes_total") and 'pod="scraped"' in l for l in text.splitlines())
    text = ask(shared, "/metrics/resource").stdout
    assert 'container_cpu_usage_seconds_total{container="main",namespace="default",pod="scraped"} ' in text
    assert "node_cpu_usage_seconds_total " in text and "\nscrape_error 0\n" in text


def test_an_autoscaler_adds_pods_while_they_are_busy(shared):
    template = {"metadata": {"labels": {"app": "busy-web"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [
        {**pod("x", "while :; do :; done")["spec"]["containers"][0],
         "resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "100m"}}}]}}
    shared.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "busy-web"},
                  "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "busy-web"}}, "template": template}})
    shared.kubectl("autoscale", "deployment", "busy-web", "--max=2", "--cpu=100%")
    shared.kubectl("wait", "--for=jsonpath={.status.desiredReplicas}=2", "hpa/busy-web", "--timeout=120s")
    shared.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/busy-web", "--timeout=60s")
    text = shared.out("describe", "hpa", "busy-web")
    for part in ("resource cpu on pods", "SuccessfulRescale", "New size: 2; reason: cpu resource utilization (percentage of request) above target",
                 "ValidMetricFound"):
        assert part in text, text
    old = json.loads(shared.out("get", "--raw", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/busy-web"))
    assert old["spec"]["targetCPUUtilizationPercentage"] == 100
    assert "autoscaling.alpha.kubernetes.io/conditions" in old["metadata"]["annotations"]
    shared.kubectl("delete", "hpa/busy-web", "deployment/busy-web")
