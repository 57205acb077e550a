# SPDX-License-Identifier: Apache-2.0
"""Whom a container runs as, and what it may do: the securityContext of pods, tried from within."""
import json
import os

from podkit import ENDLESS, container, pod, pods  # noqa: F401

PROC = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'"


def facts(pods, name, c=None):
    return dict(line.split(":") for line in pods.sh(name, PROC, c).split())


# ---- seccomp ----

def test_the_default_profile_filters_calls_where_a_pod_asks_for_it(shared, pods):
    made = pod("filtered", ENDLESS, securityContext={"seccompProfile": {"type": "RuntimeDefault"}})
    made["spec"]["containers"].append(container(
        "free", ENDLESS, securityContext={"seccompProfile": {"type": "Unconfined"}}))
    made["spec"]["containers"].append(container("master", ENDLESS, securityContext={"privileged": True}))
    pods.start(made)
    assert facts(pods, "filtered", "main")["Seccomp"] == "2"
    assert facts(pods, "filtered", "free")["Seccomp"] == "0"
    assert facts(pods, "filtered", "master")["Seccomp"] == "0"
    # what a shell and a server do works, namespaces and mounts do not
    assert pods.sh("filtered", "mkfifo /tmp/f; ln -s f /tmp/l; chown 7 /tmp/f; stat -c %u /tmp/f; kill -0 1 && "
                   "nslookup -type=a kubernetes.default.svc.cluster.local | tail -2", "main").split() == ["7", "Address:", "10.96.0.1"]
    refused = shared.kubectl("exec", "filtered", "-c", "main", "--", "unshare", "-U", "true", check=False)
    assert refused.returncode != 0 and "Operation not permitted" in refused.stderr
    assert pods.sh("filtered", "unshare -U true && echo made", "free") == "made\n"


def test_calls_come_with_their_capability(pods):
    pods.run("admin", securityContext={"seccompProfile": {"type": "RuntimeDefault"}},
             c_securityContext={"capabilities": {"add": ["SYS_ADMIN"]}})
    assert pods.sh("admin", "unshare -m true && mount -t tmpfs none /tmp && echo mounted") == "mounted\n"


def test_a_profile_of_ones_own_is_read_from_the_data_folder(shared, pods):
    profile = shared.data / "seccomp" / "team" / "no-mkdir.json"
    pods.run("own", until=None, c_securityContext={
        "seccompProfile": {"type": "Localhost", "localhostProfile": "team/no-mkdir.json"}})
    message = pods.waits_because("own", "CreateContainerError")
    assert "cannot load seccomp profile" in message and "No such file" in message, message
    profile.parent.mkdir(parents=True)
    profile.write_text("{ no json")
    pods.wait("own", "jsonpath={.status.phase}=Pending")
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}))
    pods.wait("own", "condition=Ready")
    refused = shared.kubectl("exec", "own", "--", "mkdir", "/tmp/x", check=False)
    assert "No space left on device" in refused.stderr


def test_a_profile_outside_its_folder_is_refused(shared):
    for path in ("../up.json", "/etc/passwd", "a/../../b"):
        bad = pod("bad", ENDLESS, securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": path}})
        refused = shared.apply(bad, check=False)
        assert refused.returncode != 0 and "seccompProfile.localhostProfile" in refused.stderr, refused.stderr


# ---- rights ----

def test_capabilities_are_added_and_dropped(pods):
    made = pod("caps", ENDLESS, c_securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}})
    made["spec"]["containers"] += [
        container("default", ENDLESS),
        container("less", ENDLESS, securityContext={"capabilities": {"drop": ["NET_RAW", "MKNOD"]}}),
        container("all", ENDLESS, securityContext={"capabilities": {"add": ["ALL"], "drop": ["SYS_ADMIN"]}}),
        container("master", ENDLESS, securityContext={"privileged": True})]
    pods.start(made)
    default = int(facts(pods, "caps", "default")["CapEff"], 16)
    assert default == 0xa80425fb  # what containers have everywhere
    assert int(facts(pods, "caps", "main")["CapEff"], 16) == 1 << 10
    assert int(facts(pods, "caps", "less")["CapBnd"], 16) == default & ~(1 << 13 | 1 << 27)
    everything = int(facts(pods, "caps", "master")["CapEff"], 16)
    assert int(facts(pods, "caps", "all")["CapEff"], 16) == everything & ~(1 << 21) and everything > default
    assert pods.sh("caps", "touch /proc/sys/kernel/domainname && echo rw; ls /dev | wc -l", "master").split()[0] == "rw"


def test_privileges_cannot_be_gained_where_that_is_said(pods):
    made = pod("still", ENDLESS, c_securityContext={"allowPrivilegeEscalation": False})
    made["spec"]["containers"].append(container("other", ENDLESS))
    pods.start(made)
    assert facts(pods, "still", "main")["NoNewPrivs"] == "1"
    assert facts(pods, "still", "other")["NoNewPrivs"] == "0"


def test_parts_of_proc_are_hidden_or_read_only(shared, pods):
    pods.run("masked")
    assert pods.sh("masked", "wc -c < /proc/kcore 2>/dev/null || echo 0; ls /sys/firmware | wc -l").split() == ["0", "0"]
    assert shared.kubectl("exec", "masked", "--", "sh", "-c", "echo x > /proc/sys/kernel/domainname",
                          check=False).returncode != 0
    assert shared.kubectl("exec", "masked", "--", "sh", "-c", "echo h > /proc/sysrq-trigger", check=False).returncode != 0


# ---- users ----

def test_groups_come_from_the_image_unless_the_policy_is_strict(pods):
    pods.run("merge", securityContext={"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000]})
    pods.run("strict", securityContext={"runAsUser": 1000, "runAsGroup": 3000, "supplementalGroups": [4000],
                                        "supplementalGroupsPolicy": "Strict"})
    assert {"3000", "2000", "4000"} <= set(pods.sh("merge", "id -G").split())
    assert pods.sh("strict", "id -u; id -G") == "1000\n3000 4000\n"
    assert json.loads(pods.field("strict", ".status.containerStatuses[0].user.linux")) == {
        "uid": 1000, "gid": 3000, "supplementalGroups": [3000, 4000]}


def test_a_container_goes_before_its_pod(pods):
    made = pod("both", ENDLESS, securityContext={"runAsUser": 1000, "runAsNonRoot": True},
               c_securityContext={"runAsUser": 2000})
    made["spec"]["containers"].append(container("root", ENDLESS, securityContext={"runAsUser": 0, "runAsNonRoot": False}))
    pods.start(made)
    assert pods.sh("both", "id -u", "main") == "2000\n" and pods.sh("both", "id -u", "root") == "0\n"


def test_root_is_refused_in_kubelets_words(shared, pods):
    pods.run("image-root", until=None, securityContext={"runAsNonRoot": True})
    pods.run("said-root", until=None, securityContext={"runAsNonRoot": True}, c_securityContext={"runAsUser": 0})
    uid = pods.field("image-root", ".metadata.uid")
    assert pods.waits_because("image-root", "CreateContainerConfigError") == (
        "container has runAsNonRoot and image will run as root "
        f'(pod: "image-root_default({uid})", container: main)')
    uid = pods.field("said-root", ".metadata.uid")
    assert pods.waits_because("said-root", "CreateContainerConfigError") == (
        f'container\'s runAsUser breaks non-root policy (pod: "said-root_default({uid})", container: main)')
    assert pods.events("image-root")["Failed"][0].startswith("Error: container has runAsNonRoot")
    assert shared.out("get", "pod", "image-root", "--no-headers").split()[2] == "CreateContainerConfigError"


def test_the_group_of_a_pod_owns_its_volumes(shared, pods):
    pods.run("owned", securityContext={"runAsUser": 1000, "fsGroup": 2000, "fsGroupChangePolicy": "OnRootMismatch"},
             volumes=[{"name": "e", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}},
                      {"name": "d", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}],
             c_volumeMounts=[{"name": name, "mountPath": f"/{name}"} for name in ("e", "m", "d")])
    assert pods.sh("owned", "touch /e/f /m/f; stat -c %g /e /m /e/f /m/f; stat -Lc '%g %a' /d/n").split() == [
        "2000"] * 4 + ["2000", "644"]


def test_a_read_only_root_still_has_its_volumes(shared, pods):
    pods.run("frozen", c_securityContext={"readOnlyRootFilesystem": True}, volumes=[{"name": "e", "emptyDir": {}}],
             c_volumeMounts=[{"name": "e", "mountPath": "/e"}])
    assert "Read-only file system" in shared.kubectl("exec", "frozen", "--", "touch", "/etc/x", check=False).stderr
    assert "Read-only file system" in shared.kubectl("exec", "frozen", "--", "touch", "/etc/hosts", check=False).stderr
    assert pods.sh("frozen", "touch /e/x /dev/termination-log && echo fine") == "fine\n"


def test_mounts_below_a_read_only_one_are_read_only_where_asked(shared, pods):
    below = shared.dir / "tree" / "below"
    below.mkdir(parents=True)
    shared.run("mount", "-t", "tmpfs", "none", below)
    volume = [{"name": "t", "hostPath": {"path": str(below.parent)}}]
    pods.run("flat", volumes=volume, c_volumeMounts=[{"name": "t", "mountPath": "/t", "readOnly": True}])
    pods.run("deep", volumes=volume, c_volumeMounts=[{"name": "t", "mountPath": "/t", "readOnly": True,
                                                      "recursiveReadOnly": "Enabled"}])
    assert pods.sh("flat", "touch /t/below/x && ! touch /t/x 2> /dev/null && echo flat") == "flat\n"
    assert pods.sh("deep", "! touch /t/below/y 2> /dev/null && ! touch /t/x 2> /dev/null && echo deep") == "deep\n"
    assert pods.field("deep", ".status.containerStatuses[0].volumeMounts[?(@.name=='t')].recursiveReadOnly") == "Enabled"
    shared.kubectl("delete", "pod", "flat", "deep", "--timeout=60s")
    shared.run("umount", below)


# ---- namespaces and kernel settings ----

def test_safe_sysctls_are_set(shared, pods):
    pods.run("tuned", securityContext={"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "500"},
                                                   {"name": "kernel.shm_rmid_forced", "value": "1"},
                                                   {"name": "net/ipv4/tcp_syncookies", "value": "0"}]})
    assert pods.sh("tuned", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced "
                   "/proc/sys/net/ipv4/tcp_syncookies").split() == ["500", "1", "0"]


def test_sysctls_that_are_not_safe_are_refused(pods):
    pods.run("unsafe", until="jsonpath={.status.phase}=Failed",
             securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]})
    assert pods.field("unsafe", ".status.reason") == "SysctlForbidden"
    assert pods.field("unsafe", ".status.message") == (
        'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted')
    assert pods.events("unsafe")["SysctlForbidden"] == ['forbidden sysctl: "kernel.msgmax" not allowlisted']
    pods.run("shared-net", until="jsonpath={.status.phase}=Failed", hostNetwork=True,
             securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]})
    assert pods.field("shared-net", ".status.message") == (
        'Pod was rejected: forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled')


def test_namespaces_are_the_hosts_where_a_pod_asks_for_them(shared, pods):
    pods.run("open", hostNetwork=True, hostPID=True, hostIPC=True)
    pods.run("closed")
    for kind in ("net", "pid", "ipc"):
        host = shared.run("readlink", f"/proc/self/ns/{kind}").stdout
        assert pods.sh("open", f"readlink /proc/self/ns/{kind}") == host
        assert pods.sh("closed", f"readlink /proc/self/ns/{kind}") != host
    assert pods.field("open", ".status.podIP") == pods.field("open", ".status.hostIP")


def test_containers_see_each_others_processes_where_shared(pods):
    made = pod("family", "exec sleep 1234", shareProcessNamespace=True)
    made["spec"]["containers"].append(container("second", ENDLESS))
    pods.start(made)
    assert "sleep 1234" in pods.sh("family", "ps -o args", "second")
    assert pods.sh("family", "readlink /proc/self/ns/ipc", "main") == pods.sh("family", "readlink /proc/self/ns/ipc", "second")


def test_what_this_node_cannot_keep_apart_is_refused(pods):
    """A promise of safety that is not kept would be worse than no pod."""
    pods.run("apart", until=None, hostUsers=False)
    assert "user namespace" in pods.event("apart", "FailedCreatePodSandBox", "user namespace")
    if not os.path.exists("/sys/module/apparmor/parameters/enabled"):
        pods.run("armored", until="jsonpath={.status.phase}=Failed",
                 securityContext={"appArmorProfile": {"type": "RuntimeDefault"}})
        assert pods.field("armored", ".status.reason") == "AppArmor"
        assert pods.field("armored", ".status.message") == (
            "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host")
