# SPDX-License-Identifier: Apache-2.0
"""The commands as a newcomer types them, in the order and with the slips that people have."""
import json
import os
import re
import stat
import subprocess

import pytest

import world as worlds
from world import BUILD, ROOT

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "time-server:latest", imagePullPolicy: IfNotPresent, volumeMounts: [{name: v, mountPath: /v}]}
  volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
"""


def stead(*args, env=None):
    return subprocess.run([BUILD / "stead", *args], capture_output=True, text=True, timeout=60, env=env, check=False)


def traces(world):
    """All that a stead leaves on a machine, as lines."""
    found = world.run("sh", "-c", "ip -o link | sed 's/^[0-9]*: //; s/[@:].*//' | grep -v '^lo$'; ip netns list; nft list "
                      f"tables; grep -o '{world.dir}[^ ]*' /proc/mounts; ip -o -4 addr show dev lo | grep -v 127.0.0.1; true")
    lines = found.stdout.split("\n")
    processes = world.run("sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()
    lines += [name for name in processes if re.match("stead|conmon|crun|time-server|busybox$", name)]
    for top, folders, _ in os.walk("/sys/fs/cgroup"):
        lines += [os.path.join(top, name) for name in folders if world.instance in name]
        if top.count("/") > 4:
            folders.clear()
    # what the kernel itself puts into a new network namespace
    return sorted(line for line in lines if line and line not in ("tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0"))


def test_a_whole_life_leaves_nothing_behind(machine):
    world = machine
    before = traces(world)
    assert "not running" in world.stead("status", check=False).stdout.lower() + world.stead("status", check=False).stderr
    assert world.stead("up").returncode == 0
    pid = world.server_pid()
    again = world.stead("up")  # twice does no harm
    assert world.server_pid() == pid, again.stdout + again.stderr
    world.apply(POD)
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    uid = world.out("get", "pod", "p", "-o", "jsonpath={.metadata.uid}")
    assert str(world.data) in world.stead("status").stdout
    world.stead("restart")
    assert world.server_pid() != pid
    assert world.out("get", "pod", "p", "-o", "jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}") == (
        uid + " 0")
    world.kubectl("exec", "p", "--", "sh", "-c", "echo kept > /v/file")
    world.stead("down")
    running = world.run("sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()
    assert not {"stead", "conmon", "crun", "time-server"} & set(running)
    assert world.stead("down", check=False).returncode == 0  # it is down: that is what was asked for
    world.stead("up")
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    assert world.out("exec", "p", "--", "cat", "/v/file") == "kept\n"
    refused = world.stead("reset", check=False)
    assert refused.returncode == 2 and "--yes" in refused.stderr
    world.stead("reset", "--yes")
    assert traces(world) == before
    assert not world.data.exists() or not list(world.data.iterdir())
    assert not world.run_dir.exists() or not list(world.run_dir.iterdir())
    contexts = world.out("config", "get-contexts", "-o", "name", check=False)
    assert "stead" not in contexts.split()
    world.up()  # and all begins anew
    assert world.kubectl("get", "pod", "p", check=False).returncode == 1


WRONG = [
    (["frobnicate"], "stead help"),
    (["upp"], "up"),
    ([], "Usage"),
    (["up", "--dta", "/x"], "--data"),
    (["up", "--data"], "--data"),
    (["up", "--listen", "nonsense"], "--listen"),
    (["up", "--listen", "127.0.0.1:99999"], "--listen"),
    (["up", "--pod-cidr", "10.0.0.0"], "--pod-cidr"),
    (["up", "--service-cidr", "10.0.0.0/40"], "--service-cidr"),
    (["up", "--dns-ip", "1.2.3"], "--dns-ip"),
    (["up", "--instance", "much-too-long"], "--instance"),
    (["up", "extra"], "extra"),
    (["reset"], "--yes"),
    (["image"], "import"),
    (["image", "imprt"], "import"),
    (["server", "--log-level", "loud"], "debug"),
    (["server", "--log-format", "xml"], "json"),
]


@pytest.mark.parametrize("args,hint", WRONG, ids=[" ".join(row[0]) or "nothing" for row in WRONG])
def test_what_is_wrong_says_what_would_be_right(args, hint, tmp_path):
    # nothing of the machine may be touched, should one of these be taken after all
    takes_folders = args and args[0] in ("up", "server", "reset") and args[-1] != "--data"
    safe = ["--data", tmp_path / "d", "--run", tmp_path / "r"] if takes_folders else []
    done = subprocess.run(["unshare", "--net", "--mount", "--propagation", "private", BUILD / "stead", *args, *safe],
                          capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "kubeconfig")})
    assert done.returncode == 2, done
    assert hint in done.stderr + done.stdout, done


def test_help_and_version_are_answers_not_mistakes():
    for args in (["help"], ["--help"], ["up", "--help"], ["help", "image"], ["version"]):
        done = stead(*args)
        assert done.returncode == 0 and done.stdout and not done.stderr, (args, done)
    assert re.fullmatch(r"stead \d+\.\d+\.\d+ \(Kubernetes API v1\.36\)\n", stead("version").stdout)


@pytest.mark.parametrize("command", ["up", "down", "reset", "server"])
def test_what_belongs_to_root_says_that_root_is_needed(command, tmp_path):
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "stead", command,
                           "--data", "/usr", *(["--yes"] if command == "reset" else [])], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, check=False)
    assert done.returncode != 0
    assert "needs root: " in done.stderr and "Type: sudo stead " + command in done.stderr, done


# ---- kubeconfig ----

OTHERS = """
apiVersion: v1
kind: Config
clusters:
- {name: work, cluster: {server: "https://192.0.2.1:6443", insecure-skip-tls-verify: true}}
contexts:
- {name: work, context: {cluster: work, user: me, namespace: mine}}
users:
- {name: me, user: {token: secret}}
current-context: work
preferences: {colors: true}
"""


def test_the_kubeconfig_of_others_keeps_what_is_in_it(machine):
    world = machine
    world.kubeconfig.write_text(OTHERS)
    os.chmod(world.kubeconfig, 0o644)
    world.up()
    config = json.loads(world.out("config", "view", "--raw", "-o", "json"))
    assert {entry["name"] for entry in config["contexts"]} == {"work", f"stead-{world.instance}"}
    assert next(e for e in config["users"] if e["name"] == "me")["user"] == {"token": "secret"}
    assert next(e for e in config["contexts"] if e["name"] == "work")["context"]["namespace"] == "mine"
    assert config["current-context"] == f"stead-{world.instance}"
    assert config["preferences"] == {"colors": True}
    assert stat.S_IMODE(world.kubeconfig.stat().st_mode) == 0o600
    world.stead("reset", "--yes")
    config = json.loads(world.out("config", "view", "--raw", "-o", "json"))
    assert [entry["name"] for entry in config["contexts"]] == ["work"]
    assert [entry["name"] for entry in config["users"]] == ["me"]


def test_a_kubeconfig_that_is_none_stays_as_it_is(machine):
    world = machine
    world.kubeconfig.write_text("{ this is: not a: kubeconfig\n")
    done = world.stead("up", check=False)
    assert world.kubeconfig.read_text() == "{ this is: not a: kubeconfig\n"
    assert str(world.kubeconfig) in done.stderr


# ---- images ----

def test_images_are_imported_listed_and_removed(world, tmp_path):
    archive = tmp_path / "mine.tar"
    subprocess.run(["python3", ROOT / "tools" / "make_image.py", "--name", "mine:1", "--out", archive, "--entrypoint",
                    "/bin/sh", "--busybox", "/bin/busybox"], check=True, timeout=60)
    refused = world.stead("image", "import", "--limit", "100Ki", archive, check=False)
    assert refused.returncode == 1 and "larger than allowed, more than 100Ki unpacked" in refused.stderr, refused.stderr
    assert "--limit SIZE" in refused.stderr
    nonsense = world.stead("image", "import", "--limit", "much", archive, check=False)
    assert nonsense.returncode == 1 and "--limit much: give a size such as 500Mi or 10Gi" in nonsense.stderr
    assert "mine:1" in world.stead("image", "import", "--limit", "100Mi", archive).stdout
    listed = world.stead("image", "ls").stdout
    assert re.search(r"mine\s+1\b", listed), listed
    container = {"image": "mine:1", "imagePullPolicy": "Never"}
    world.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell"}, "spec": {
        "restartPolicy": "Never",
        "initContainers": [{**container, "name": "first", "command": ["true"]}],
        "containers": [{**container, "name": "shell", "command": ["sh", "-c", "echo ran"]}]}})
    world.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/shell", "--timeout=60s")
    assert world.out("logs", "shell") == "ran\n"
    used = world.stead("image", "rm", "mine:1", check=False)
    assert used.returncode == 1 and "mine:1 is in use by pod default/shell" in used.stderr
    world.kubectl("delete", "pod", "shell")
    world.stead("image", "rm", "mine:1")
    assert "mine" not in world.stead("image", "ls").stdout
    missing = world.stead("image", "rm", "mine:1", check=False)
    assert missing.returncode == 1 and "mine:1" in missing.stderr
    (tmp_path / "bad.tar").write_bytes(b"no archive" * 1000)
    bad = world.stead("image", "import", tmp_path / "bad.tar", check=False)
    assert bad.returncode == 1 and "bad.tar" in bad.stderr
    absent = world.stead("image", "import", tmp_path / "absent.tar", check=False)
    assert absent.returncode == 1 and "No such file" in absent.stderr


# ---- two of them ----

def test_two_steads_run_side_by_side(world):
    other = ["--data", world.dir / "data2", "--run", world.dir / "run2", "--kubeconfig", world.dir / "kubeconfig2",
             "--instance", world.instance[:-1] + "z", "--listen", "127.0.0.1:7443", "--pod-cidr", "10.44.0.0/24",
             "--service-cidr", "10.112.0.0/12", "--dns-ip", "10.112.0.10", "--lb-cidr", "10.45.0.0/24"]
    world.run(BUILD / "stead", "up", *other)
    try:
        for more in ([], ["--kubeconfig", world.dir / "kubeconfig2"]):
            world.kubectl("run", "p", "--image=time-server:latest", "--image-pull-policy=IfNotPresent", *more)
            world.kubectl("expose", "pod", "p", "--port=5000", *more)
            world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s", *more)
        seen = []
        for more, pods, services in (([], "10.42.", "10.96."), (["--kubeconfig", world.dir / "kubeconfig2"], "10.44.", "10.1")):
            pod = world.out("get", "pod", "p", "-o", "jsonpath={.status.podIP}", *more)
            service = world.out("get", "svc", "p", "-o", "jsonpath={.spec.clusterIP}", *more)
            assert pod.startswith(pods)
            seen.append(service)
            assert "Visits: " in world.curl(f"http://{service}:5000/")
            assert service in world.out("exec", "p", *more, "--", "nslookup", "p.default.svc.cluster.local")
        assert len(set(seen)) == 2
        # the end of one is not the end of the other
        world.run(BUILD / "stead", "reset", "--yes", *other)
        assert "Visits: " in world.curl(f"http://{seen[0]}:5000/")
    finally:
        world.run(BUILD / "stead", "reset", "--yes", *other, check=False)
        worlds.remove_cgroups(f"*{world.instance[:-1]}z*")
