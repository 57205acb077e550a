# SPDX-License-Identifier: Apache-2.0
"""What a container learns of its pod and its cluster: variables, names, and files that follow their source."""
import json

import pytest
from podkit import ENDLESS, container, pod, pods  # noqa: F401


@pytest.fixture(scope="module", autouse=True)
def sources(shared):
    shared.kubectl("create", "configmap", "c", "--from-literal=one=1", "--from-literal=two=second", "--from-literal=weird.key=w")
    shared.kubectl("create", "secret", "generic", "s", "--from-literal=word=hush")


def ref(kind, name, key, **more):
    return {"valueFrom": {kind: {"name": name, "key": key, **more}}}


# ---- variables ----

def test_variables_come_from_everywhere(pods):
    pods.start(pod(
        "env", ENDLESS,
        c_resources={"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}},
        c_envFrom=[{"configMapRef": {"name": "c"}}, {"prefix": "S_", "secretRef": {"name": "s"}},
                   {"configMapRef": {"name": "absent", "optional": True}}],
        c_env=[{"name": "two", "value": "own"}, {"name": "A", "value": "$(two)-$(one)-$(S_word)-$(nobody)-$$(two)-$(B)"},
               {"name": "B", "value": "late"}, {"name": "EMPTY", "value": ""},
               {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
               {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
               {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
               {"name": "SA", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
               {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
               {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
               {"name": "MCPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
               {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
               {"name": "OPT", **ref("configMapKeyRef", "c", "absent", optional=True)},
               {"name": "OPT2", **ref("secretKeyRef", "absent", "x", optional=True)}]))
    found = dict(line.split("=", 1) for line in pods.world.out("exec", "env", "--", "env").splitlines())
    wanted = {"one": "1", "two": "own", "weird.key": "w", "S_word": "hush", "A": "own-1-hush-$(nobody)-$(two)-$(B)", "B": "late",
              "EMPTY": "", "LABEL": "env", "NS": "default", "SA": "default", "HOST": pods.field("env", ".status.hostIP"),
              "NODE": pods.field("env", ".spec.nodeName"), "CPU": "2", "MCPU": "250", "MEM": "64", "HOSTNAME": "env",
              "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT_HTTPS": "443"}
    assert {key: found.get(key) for key in wanted} == wanted
    assert "OPT" not in found and "OPT2" not in found


@pytest.mark.parametrize("name,more,message", [
    ("no-map", {"c_env": [{"name": "A", **ref("configMapKeyRef", "gone", "k")}]}, 'configmap "gone" not found'),
    ("no-key", {"c_env": [{"name": "A", **ref("configMapKeyRef", "c", "gone")}]},
     "couldn't find key gone in ConfigMap default/c"),
    ("no-secret", {"c_env": [{"name": "A", **ref("secretKeyRef", "gone", "k")}]}, 'secret "gone" not found'),
    ("no-secret-key", {"c_env": [{"name": "A", **ref("secretKeyRef", "s", "gone")}]},
     "couldn't find key gone in Secret default/s"),
    ("no-from", {"c_envFrom": [{"secretRef": {"name": "gone"}}]}, 'secret "gone" not found')])
def test_what_is_missing_is_told(shared, pods, name, more, message):
    pods.run(name, until=None, **more)
    assert pods.waits_because(name, "CreateContainerConfigError") == message
    assert f"Error: {message}" in pods.events(name)["Failed"]
    assert shared.out("get", "pod", name, "--no-headers").split()[2] == "CreateContainerConfigError"


def test_a_variable_can_come_from_a_file_that_an_init_container_wrote(pods):
    pods.start(pod("from-file", ENDLESS, volumes=[{"name": "e", "emptyDir": {}}],
                   initContainers=[container("write", "printf \"# made\\nA='one'\\nB='two\\nlines'\\n\" > /e/conf",
                                             volumeMounts=[{"name": "e", "mountPath": "/e"}])],
                   c_env=[{"name": "FIRST", "valueFrom": {"fileKeyRef": {"volumeName": "e", "path": "conf", "key": "A"}}},
                          {"name": "SECOND", "valueFrom": {"fileKeyRef": {"volumeName": "e", "path": "conf", "key": "B"}}},
                          {"name": "NONE", "valueFrom": {"fileKeyRef": {"volumeName": "e", "path": "conf", "key": "C",
                                                                        "optional": True}}}]))
    assert pods.sh("from-file", 'echo "$FIRST:$SECOND:${NONE-unset}"') == "one:two\nlines:unset\n"


def test_commands_and_paths_are_expanded(pods):
    made = pod("expanded", "", c_env=[{"name": "WHO", "value": "me"}], volumes=[{"name": "e", "emptyDir": {}}],
               c_volumeMounts=[{"name": "e", "mountPath": "/e", "subPathExpr": "of-$(WHO)"}, {"name": "e", "mountPath": "/all"}])
    made["spec"]["containers"][0]["command"] = ["sh", "-c", "echo $(WHO) $$(WHO); " + ENDLESS]
    made["spec"]["containers"][0]["command"][2] = "echo '$(WHO)' '$$(WHO)'; " + ENDLESS
    pods.start(made)
    assert pods.world.out("logs", "expanded") == "me $(WHO)\n"
    assert pods.sh("expanded", "touch /e/here; ls /all/of-me") == "here\n"


# ---- names ----

def test_a_pod_may_have_another_name_and_a_domain(shared, pods):
    shared.kubectl("create", "service", "clusterip", "sub", "--clusterip=None")
    pods.run("named", hostname="other", subdomain="sub", hostAliases=[{"ip": "10.9.8.7", "hostnames": ["old.example", "old"]}])
    pods.run("whole", hostname="other", subdomain="sub", setHostnameAsFQDN=True)
    ip = pods.field("named", ".status.podIP")
    assert pods.sh("named", "hostname; hostname -f; cat /etc/hostname") == "other\nother.sub.default.svc.cluster.local\nother\n"
    hosts = pods.sh("named", "cat /etc/hosts")
    assert f"{ip}\tother.sub.default.svc.cluster.local\tother\n" in hosts
    assert hosts.endswith("# Entries added by HostAliases.\n10.9.8.7\told.example\told\n")
    assert pods.sh("whole", "hostname; cat /etc/hostname; echo $HOSTNAME").split() == ["other.sub.default.svc.cluster.local"] * 3


def test_a_name_that_is_too_long_for_the_kernel_is_told(pods):
    pods.run("long", until=None, hostname="h" * 60, subdomain="sub", setHostnameAsFQDN=True)
    assert "is too long (64 characters is the max, 90 characters requested)" in pods.event(
        "long", "FailedCreatePodSandBox", "too long")


def test_resolv_conf_is_what_a_pod_asks_for(shared, pods):
    host = shared.run("cat", "/etc/resolv.conf").stdout
    pods.run("default", dnsPolicy="Default")
    pods.run("none", dnsPolicy="None", dnsConfig={"nameservers": ["1.2.3.4"], "searches": ["a.example", "b.example"],
                                                  "options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}]})
    pods.run("more", dnsConfig={"nameservers": ["1.2.3.4"], "searches": ["a.example", "cluster.local"],
                                "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]})
    pods.run("net", hostNetwork=True)
    pods.run("net-cluster", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    servers = [line.split()[1] for line in host.splitlines() if line.startswith("nameserver")]
    for name in ("default", "net"):
        text = pods.sh(name, "cat /etc/resolv.conf")
        assert [line.split()[1] for line in text.splitlines() if line.startswith("nameserver")] == servers
        assert "cluster.local" not in text
    assert pods.sh("none", "cat /etc/resolv.conf") == "nameserver 1.2.3.4\nsearch a.example b.example\noptions ndots:1 edns0\n"
    more = pods.sh("more", "cat /etc/resolv.conf").splitlines()
    assert more[:2] == ["nameserver 10.96.0.10", "nameserver 1.2.3.4"] and more[3] == "options ndots:2 rotate"
    assert more[2].startswith("search default.svc.cluster.local svc.cluster.local cluster.local")
    assert more[2].endswith(" a.example") and more[2].count("cluster.local") == 3
    assert "nameserver 10.96.0.10" in pods.sh("net-cluster", "cat /etc/resolv.conf")


# ---- files ----

def test_files_of_all_sources_have_the_modes_that_are_asked_for(pods):
    pods.start(pod(
        "modes", ENDLESS, c_volumeMounts=[{"name": name, "mountPath": f"/{name}"} for name in ("all", "conf", "down")],
        volumes=[{"name": "all", "projected": {"defaultMode": 0o440, "sources": [
                     {"configMap": {"name": "c", "items": [{"key": "one", "path": "deep/er/one", "mode": 0o600}]}},
                     {"secret": {"name": "s"}},
                     {"downwardAPI": {"items": [{"path": "cpu", "resourceFieldRef": {
                         "containerName": "main", "resource": "limits.cpu", "divisor": "1m"}}]}},
                     {"serviceAccountToken": {"path": "token", "audience": "someone", "expirationSeconds": 600}},
                     {"configMap": {"name": "absent", "optional": True}}]}},
                 {"name": "conf", "configMap": {"name": "c", "defaultMode": 0o755}},
                 {"name": "down", "downwardAPI": {"items": [
                     {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
                     {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}, "mode": 0o400}]}}],
        c_resources={"limits": {"cpu": "1"}}))
    assert pods.sh("modes", "cd /all; stat -Lc '%a %n' deep/er/one word cpu token; cat deep/er/one word cpu").split() == [
        "600", "deep/er/one", "440", "word", "440", "cpu", "440", "token", "1hush1000"]
    assert pods.sh("modes", "stat -Lc %a /conf/one; cat /down/name; stat -Lc %a /down/labels").split() == ["755", "modes400"]
    pods.world.kubectl("label", "pod", "modes", "new=label")
    pods.until("modes", "grep -q 'new=\"label\"' /down/labels")


def test_tokens_are_for_the_user_and_the_group_that_need_them(pods):
    where = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    for name, context, modes in (("own-token", {"runAsUser": 1000}, "600 1000 0"),
                                 ("group-token", {"fsGroup": 3000}, "640 0 3000"),
                                 ("both-token", {"runAsUser": 1000, "fsGroup": 3000}, "640 1000 3000"),
                                 ("any-token", {}, "644 0 0")):
        pods.start(pod(name, ENDLESS, securityContext=context))
        assert pods.sh(name, f"stat -Lc '%a %u %g' {where}; head -c 2 {where}").split("\n") == [modes, "ey"]


def test_files_follow_their_source_but_not_as_sub_paths(shared, pods):
    shared.kubectl("create", "configmap", "live", "--from-literal=k=old", "--from-literal=gone=x")
    pods.start(pod("live", ENDLESS, volumes=[{"name": "v", "configMap": {"name": "live"}}],
                   c_volumeMounts=[{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/single", "subPath": "k"}]))
    shared.kubectl("patch", "configmap", "live", "--type=json", "-p", json.dumps([
        {"op": "replace", "path": "/data/k", "value": "new"}, {"op": "remove", "path": "/data/gone"},
        {"op": "add", "path": "/data/more", "value": "y"}]))
    pods.until("live", '[ "$(cat /v/k)" = new ]')
    assert pods.sh("live", "ls /v; cat /single") == "k\nmore\nold"


def test_a_volume_without_its_source_is_told_and_waited_for(shared, pods):
    pods.run("later", until=None, volumes=[{"name": "v", "configMap": {"name": "later"}}],
             c_volumeMounts=[{"name": "v", "mountPath": "/v"}])
    assert pods.event("later", "FailedMount", "later") == (
        'MountVolume.SetUp failed for volume "v" : configmap "later" not found')
    shared.kubectl("create", "configmap", "later", "--from-literal=a=b")
    pods.wait("later", "condition=Ready")
    pods.run("keys", until=None, volumes=[{"name": "v", "secret": {"secretName": "s", "items": [{"key": "no", "path": "p"}]}}],
             c_volumeMounts=[{"name": "v", "mountPath": "/v"}])
    assert pods.event("keys", "FailedMount", "non-existent") == (
        'MountVolume.SetUp failed for volume "v" : references non-existent secret key: no')


def test_room_in_memory_has_a_size(pods):
    pods.start(pod("rooms", ENDLESS, volumes=[{"name": "small", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                                              {"name": "pod", "emptyDir": {"medium": "Memory"}}],
                   c_resources={"limits": {"memory": "32Mi"}},
                   c_volumeMounts=[{"name": "small", "mountPath": "/small"}, {"name": "pod", "mountPath": "/pod"}]))
    assert pods.sh("rooms", "df -Pk /small /pod | awk 'NR>1 {print $2}'").split() == ["1024", "32768"]
    assert "No space left" in pods.sh("rooms", "dd if=/dev/zero of=/small/f bs=64k count=40 2>&1 || true")


@pytest.mark.parametrize("kind,made,message", [
    ("Directory", "file", "is not a directory"), ("File", "folder", "is not a file"), ("Socket", "file", "is not a socket file"),
    ("CharDevice", "file", "is not a character device"), ("BlockDevice", "file", "is not a block device"),
    ("DirectoryOrCreate", "file", "is not a directory"), ("FileOrCreate", "folder", "is not a file")])
def test_a_path_of_the_host_has_to_be_what_it_is_said_to_be(shared, pods, kind, made, message):
    path = shared.dir / f"{kind.lower()}-{made}"
    path.touch() if made == "file" else path.mkdir()
    name = "host-" + kind.lower()
    pods.run(name, until=None, volumes=[{"name": "h", "hostPath": {"path": str(path), "type": kind}}],
             c_volumeMounts=[{"name": "h", "mountPath": "/h"}])
    assert pods.event(name, "FailedMount", "hostPath") == (
        f'MountVolume.SetUp failed for volume "h" : hostPath type check failed: {path} {message}')


def test_paths_of_the_host_are_made_where_asked(shared, pods):
    pods.start(pod("makes", ENDLESS, volumes=[
        {"name": "d", "hostPath": {"path": str(shared.dir / "new/folder"), "type": "DirectoryOrCreate"}},
        {"name": "f", "hostPath": {"path": str(shared.dir / "new-file"), "type": "FileOrCreate"}},
        {"name": "null", "hostPath": {"path": "/dev/null", "type": "CharDevice"}}],
        c_volumeMounts=[{"name": n, "mountPath": f"/h/{n}"} for n in ("d", "f", "null")]))
    assert (shared.dir / "new/folder").is_dir() and (shared.dir / "new-file").is_file()


def test_an_image_can_be_a_volume(shared, pods):
    pods.start(pod("reader", ENDLESS, volumes=[{"name": "i", "image": {"reference": "time-server:latest"}}],
                   c_volumeMounts=[{"name": "i", "mountPath": "/image"}, {"name": "i", "mountPath": "/bin2", "subPath": "bin"}]))
    assert pods.sh("reader", "ls /image/bin/sh /bin2/sh").split() == ["/bin2/sh", "/image/bin/sh"]
    assert shared.kubectl("exec", "reader", "--", "touch", "/image/x", check=False).returncode != 0
    assert shared.kubectl("exec", "reader", "--", "/image/bin/busybox", "true", check=False).returncode != 0  # noexec
    pods.run("no-image", until=None, volumes=[{"name": "i", "image": {"reference": "not-here:1"}}],
             c_volumeMounts=[{"name": "i", "mountPath": "/image"}])
    assert 'image "not-here:1" is not on this machine' in pods.event("no-image", "FailedMount", "not-here")
