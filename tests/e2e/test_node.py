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
