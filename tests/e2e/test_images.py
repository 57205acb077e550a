# SPDX-License-Identifier: Apache-2.0
"""Images: those that come with stead, those of other programs on the machine, and what `stead image` does with them."""
import json
import random
import shutil
import subprocess

import pytest
import world as worlds
from registries import DockerRegistry, Scripted, built_program, busybox_layer, layer
from world import BUILD as BUILD_DIR


def test_busybox_is_there_without_a_registry(shared):
    for image in ("busybox", "busybox:1.28", "docker.io/library/busybox:1.36"):
        said = shared.out("run", "once", "-i", "--rm", "--restart=Never", f"--image={image}", "--", "echo", "hi")
        assert said.splitlines()[0] == "hi"
    said = shared.out("run", "once", "-i", "--rm", "--restart=Never", "--image=busybox", stdin="nslookup kubernetes.default.svc.cluster.local; exit\n")
    assert "Address" in said  # its own command is a shell


def test_busybox_has_a_terminal(shared):
    """`kubectl run -it` as people type it, which needs a terminal on this side as well."""
    command = shared.command(["script", "-qec", " ".join(
        ["kubectl", "run", "tty", "-it", "--rm", "--restart=Never", "--image=busybox", "--", "sh", "-c", "'tty; echo hi'"]), "/dev/null"])
    tools = shared.shell("true") and shared.dir / "tools"
    done = subprocess.run(command, env=shared.environment() | {"PATH": f"{tools}:/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    assert "hi" in done.stdout and "/dev/pts/" in done.stdout, done.stdout + done.stderr


def test_pause_waits_and_ends_when_told(shared):
    shared.kubectl("run", "idle", "--image=registry.k8s.io/pause:3.10", "--restart=Never")
    shared.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/idle", "--timeout=60s")
    assert "container" in shared.out("get", "pod", "idle", "-o", "yaml")
    shared.kubectl("delete", "pod", "idle", "--timeout=20s")  # well below the grace period of 30 s


# ---- images of other programs ----

BUILD = """set -e
mkdir -p {0}/context
cp /bin/busybox {0}/context/
printf 'FROM scratch\\nCOPY busybox /bin/busybox\\nCOPY word /word\\nENTRYPOINT ["/bin/busybox"]\\nCMD ["cat", "/word"]\\n' > {0}/context/Dockerfile
printf '[storage]\\ndriver = "overlay"\\ngraphroot = "{0}/graph"\\nrunroot = "{0}/graph-run"\\n' > {0}/storage.conf
"""
# Waits for a socket, and becomes the rest of its arguments.
WHEN_IT_LISTENS = """
import os, socket, sys, time
for _ in range(1000):
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(sys.argv[1]) == 0:
            os.execvp(sys.argv[2], sys.argv[2:])
    time.sleep(0.02)
sys.exit("nobody listens at " + sys.argv[1])
"""


def buildah(world, *args):
    return world.run("env", f"CONTAINERS_STORAGE_CONF={world.dir}/storage.conf", "buildah", *args)


def build(world, word, name="app"):
    """`podman build -t NAME .`, which is this program under another name."""
    (world.dir / "context" / "word").write_text(word)
    buildah(world, "bud", "--isolation", "chroot", "--layers", "-q", "-t", name, world.dir / "context")


def says(world, image, *more):
    return world.out("run", "app", "-i", "--rm", "--restart=Never", f"--image={image}", *more).splitlines()[0]


@pytest.fixture
def builder(machine):
    """A world in which images are built."""
    machine.run("sh", "-c", BUILD.format(machine.dir))
    build(machine, "first\n")
    machine.options += ["--image-stores", ",".join(f"{kind}={machine.dir}/{folder}" for kind, folder in (
        ("podman", "graph"), ("containerd", "containerd"), ("docker", "docker")))]
    return machine.up()


def test_an_image_that_podman_builds_needs_no_import(builder):
    assert says(builder, "app") == "first"
    build(builder, "second\n")
    assert says(builder, "app") == "second"
    buildah(builder, "rmi", "--all", "--force")
    assert says(builder, "app:latest", "--image-pull-policy=Never") == "second"  # the files are still there


def start_containerd(world):
    config = world.dir / "containerd.toml"
    config.write_text(f"""version = 2
root = "{world.dir}/containerd"
state = "{world.dir}/containerd-run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{world.dir}/containerd.sock"
""")
    return world.start("containerd", "-c", config, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def as_archive(world, form, name):
    buildah(world, "push", "-q", "app", f"{form}:{world.dir}/{form}.tar:{name}")
    return world.dir / f"{form}.tar"


def when_it_listens(world, socket, *args):
    return world.run("python3", "-c", WHEN_IT_LISTENS, world.dir / socket, *args).stdout


def test_an_image_in_containerds_store_needs_no_import(builder):
    archive = as_archive(builder, "oci-archive", "docker.io/library/crate:1")
    containerd = start_containerd(builder)
    ctr = ("ctr", "-a", builder.dir / "containerd.sock", "-n", "k8s.io", "image")
    try:
        when_it_listens(builder, "containerd.sock", *ctr, "import", archive)
        assert says(builder, "crate:1") == "first"
        builder.run(*ctr, "tag", "docker.io/library/crate:1", "docker.io/library/crate:2")
        assert says(builder, "crate:2") == "first"
    finally:
        builder.stop(containerd)


@pytest.mark.skipif(not shutil.which("dockerd"), reason="there is no docker")
def test_an_image_in_dockers_store_needs_no_import(builder):
    archive = as_archive(builder, "docker-archive", "box:3")
    containerd = start_containerd(builder)
    docker = builder.start("dockerd", "--data-root", builder.dir / "docker", "--exec-root", builder.dir / "docker-run", "-p",
                           builder.dir / "docker.pid", "-H", f"unix://{builder.dir}/docker.sock", "--iptables=false",
                           "--bridge=none", "--storage-driver=overlay2", "--containerd", builder.dir / "containerd.sock",
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        when_it_listens(builder, "docker.sock", "curl", "-sS", "--fail", "--unix-socket", builder.dir / "docker.sock", "-T", archive,
                        "-X", "POST", "http://docker/images/load")
        assert says(builder, "box:3") == "first"
    finally:
        builder.stop(docker)
        builder.stop(containerd)


# ---- stead image ----

def listed(world):
    return {image["name"]: image for image in json.loads(world.stead("image", "ls", "-o", "json").stdout)}


def test_images_are_listed_with_where_they_are_and_who_uses_them(builder):
    names = listed(builder)
    assert names["localhost/app:latest"]["where"] == "podman" and names["localhost/app:latest"]["containers"] == 0
    assert names["localhost/stead/busybox:latest"]["where"] == "built-in"
    builder.kubectl("run", "app", "--image=app", "--", "sleep", "1000")
    builder.kubectl("wait", "--for=condition=Ready", "pod/app", "--timeout=60s")
    assert listed(builder)["localhost/app:latest"]["containers"] == 1
    row = next(row for row in builder.stead("image", "ls").stdout.splitlines() if row.startswith("localhost/app "))
    assert row.split()[1] == "latest" and row.split()[-2:] == ["podman", "1"]
    assert "in use by pod default/app" in builder.stead("image", "rm", "app", check=False).stderr
    builder.kill_server()  # the container runs on, and whoever removes its image has to find that out from the data
    assert "in use by pod default/app" in builder.stead("image", "rm", "app", check=False).stderr
    assert builder.stead("image", "prune", "--all").stdout == ""
    builder.up()
    builder.stead("image", "tag", "app", "other:1")
    assert "other:1" in builder.stead("image", "ls", "-o", "name").stdout.split()
    described = json.loads(builder.stead("image", "inspect", "other:1").stdout)[0]
    assert described["config"]["config"]["Cmd"] == ["cat", "/word"] and described["id"] == listed(builder)["docker.io/library/other:1"]["id"]
    assert builder.stead("image", "prune", "--all").stdout == ""  # a pod uses it under any of its names
    builder.kubectl("delete", "pod", "app", "--now", "--timeout=60s")
    pruned = builder.stead("image", "prune", "--all").stdout
    assert "localhost/app:latest removed" in pruned and "other:1 removed" in pruned and "stead/" not in pruned


def test_an_exported_image_is_read_by_other_programs(builder):
    archive = builder.dir / "out.tar"
    builder.stead("image", "export", "app", "busybox", archive)
    for name in ("localhost/app:latest", "docker.io/library/busybox:latest"):
        config = json.loads(builder.run("skopeo", "inspect", "--config", f"docker-archive:{archive}:{name}").stdout)
        assert config["os"] == "linux"
    config = json.loads(builder.run("skopeo", "inspect", "--config", f"oci-archive:{archive}:localhost/app:latest").stdout)
    assert config["config"]["Cmd"] == ["cat", "/word"]
    buildah(builder, "rmi", "--all", "--force")
    buildah(builder, "pull", "-q", f"docker-archive:{archive}:localhost/app:latest")
    assert says(builder, "app") == "first"


def test_a_made_image_has_an_entrypoint_and_arguments(shared):
    shared.run(BUILD_DIR / "stead", "image", "make", "word:1", "/bin/busybox", "--entrypoint", "/usr/bin/busybox", "--entrypoint", "echo",
               "--data", shared.data, "--run", shared.run_dir, "--", "by", "default")
    assert says(shared, "word:1") == "by default"
    assert says(shared, "word:1", "--", "given") == "given"


# ---- a disk that fills up ----

def metric(world, name):
    return next((float(line.split()[-1]) for line in world.out("get", "--raw", "/metrics").splitlines() if line.startswith(name)), 0)


def test_unused_images_of_registries_make_room_when_the_disk_is_full(machine):
    machine.small_disk("200m")
    registry = Scripted(machine)
    try:
        names = {}
        for number, tag in enumerate("abcde"):
            noise = random.Random(number).randbytes(20 << 20)
            registry.add_image(tag, [busybox_layer(), layer({"noise": noise})], level=0)
            names[tag] = f"{registry.address}/app:{tag}"
        machine.stead("up", "--image-gc-high-threshold", "60", "--image-gc-low-threshold", "50", "--minimum-image-ttl-duration", "0s",
                      "--image-stores", "none")
        machine.kubectl("run", "user", f"--image={names['a']}", "--restart=Never")
        machine.kubectl("wait", "--for=condition=Ready", "pod/user", "--timeout=60s")
        machine.stead("image", "make", "own:1", "/bin/busybox")
        for tag in "bcde":
            machine.stead("image", "pull", names[tag])
        left = machine.stead("image", "ls", "-o", "name").stdout.split()
        assert {tag for tag in names if names[tag] in left} == {"a", "d", "e"} and "own:1" in left, left
        log = machine.run("cat", machine.data / "stead.log").stdout  # on a disk that is mounted in this world only
        assert "what was kept to export images unchanged" in log and f"removing {names['b']}" in log
        assert metric(machine, 'kubelet_image_garbage_collected_total{reason="space"}') == 2
        assert metric(machine, "stead_image_garbage_collected_bytes_total") > 40 << 20
        # what is removed can be pulled again, and what a pod uses stays although there is too little room
        machine.kubectl("delete", "pod", "user", "--now")
        machine.kubectl("run", "user", f"--image={names['b']}", "--restart=Never")
        machine.kubectl("wait", "--for=condition=Ready", "pod/user", "--timeout=60s")
        watch = machine.start("timeout", "60", worlds.KUBECTLS[worlds.NEWEST], "get", "events", "-w", "--field-selector",
                              "reason=FreeDiskSpaceFailed", "-o", "jsonpath={.involvedObject.kind} {.message}{'\\n'}")
        # Almost full: on a disk that is entirely full, the Event itself could find no room.
        machine.run("sh", "-c", f"head -c $(($(df -B1 --output=avail {machine.data} | tail -1) - 10485760)) /dev/zero > {machine.data}/filler")
        told = watch.stdout.readline()
        machine.stop(watch)
        assert told.startswith("Node Insufficient free disk space on the node's image filesystem (")
        left = machine.stead("image", "ls", "-o", "name").stdout.split()
        assert [tag for tag in names if names[tag] in left] == ["b"] and "own:1" in left
        assert machine.get("pod", "user")["status"]["phase"] == "Running"
    finally:
        registry.close()


# ---- the registry ----

@pytest.fixture
def roomy(machine):
    """A world whose disk is not full, however full that of the machine is."""
    return machine.small_disk("512m")


@pytest.fixture
def hub(machine):
    """A world with a registry, and an image to push."""
    machine.run("sh", "-c", BUILD.format(machine.dir))
    build(machine, "pushed\n")
    machine.stead("up", "--registry", "localhost:5000", "--image-stores", "none")
    return machine


def test_what_is_pushed_to_the_registry_needs_no_pull(hub):
    buildah(hub, "push", "-q", "--tls-verify=false", "app", "docker://localhost:5000/team/app:1")
    assert says(hub, "localhost:5000/team/app:1") == "pushed"
    assert "localhost:5000" in hub.out("get", "configmap", "-n", "kube-public", "local-registry-hosting", "-o", "yaml")
    # both ways, with other programs; the digest stays
    archive = hub.dir / "back.tar"
    hub.run("skopeo", "copy", "-q", "--src-tls-verify=false", "docker://localhost:5000/team/app:1", f"oci-archive:{archive}:x")
    hub.run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{archive}:x", "docker://localhost:5000/other:2")
    first, second = (json.loads(hub.run("skopeo", "inspect", "--tls-verify=false", f"docker://localhost:5000/{name}").stdout)
                     for name in ("team/app:1", "other:2"))
    assert first["Layers"] == second["Layers"]
    # and by stead itself
    hub.stead("image", "push", "localhost:5000/team/app:1", "localhost:5000/third:3")
    assert hub.curl("http://localhost:5000/v2/third/tags/list") == '{"name":"third","tags":["3"]}\n'
    assert says(hub, "localhost:5000/third:3") == "pushed"
    # a killed server has what was pushed
    hub.kill_server()
    hub.stead("up", "--registry", "localhost:5000", "--image-stores", "none")
    assert hub.curl("http://localhost:5000/v2/team/app/tags/list") == '{"name":"team/app","tags":["1"]}\n'
    hub.run("skopeo", "copy", "-q", "--src-tls-verify=false", "docker://localhost:5000/other:2", f"oci-archive:{hub.dir}/again.tar:x")


def set_of(image):
    labels = {"app": "set"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set"},
            "spec": {"serviceName": "set", "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 0,
                         "containers": [{"name": "main", "image": image, "args": ["sleep", "1000"]}]}}}}


def digest_by_crane(world, name):
    return world.run(built_program("crane"), "digest", "--insecure", name).stdout.strip()


def test_an_image_keeps_its_digest_on_its_way_through_registries(roomy, hub):
    """From Podman to stead, by crane to a registry of others, from there by a pull and a push back to stead."""
    crane, away = built_program("crane"), DockerRegistry(hub, 5003, program=built_program("registry"))
    try:
        buildah(hub, "push", "-q", "--tls-verify=false", "app", "docker://localhost:5000/app:1")
        digest = digest_by_crane(hub, "localhost:5000/app:1")
        hub.run(crane, "copy", "--insecure", "localhost:5000/app:1", f"{away.address}/app:1")
        hub.apply(set_of(f"{away.address}/app:1"))
        hub.kubectl("rollout", "status", "sts/set", "--timeout=60s")
        assert hub.get("pod", "set-0")["status"]["containerStatuses"][0]["imageID"] == f"{away.address}/app@{digest}"
        hub.stead("image", "push", f"{away.address}/app:1", "localhost:5000/back:1")
        hub.run(crane, "copy", "--insecure", f"{away.address}/app:1", "localhost:5000/by-crane:1")
        hub.stead("image", "push", "localhost:5000/by-crane:1", f"{away.address}/again:1")
        assert {digest_by_crane(hub, name) for name in ("localhost:5000/back:1", "localhost:5000/by-crane:1",
                                                        f"{away.address}/again:1")} == {digest}
        archive = hub.dir / "exported.tar"
        hub.stead("image", "export", f"{away.address}/app:1", archive)
        assert digest in hub.run("tar", "-xOf", archive, "index.json").stdout
    finally:
        away.close()


@pytest.mark.skipif(not shutil.which("podman"), reason="there is no podman")
def test_what_podman_builds_runs_in_a_set_and_is_pushed(machine):
    machine.run("sh", "-c", BUILD.format(machine.dir))
    (machine.dir / "context" / "word").write_text("podman\n")
    podman = ("env", f"CONTAINERS_STORAGE_CONF={machine.dir}/storage.conf", "podman")
    machine.run(*podman, "build", "-q", "-t", "built", machine.dir / "context")
    machine.stead("up", "--registry", "localhost:5000", "--image-stores", f"podman={machine.dir}/graph")
    machine.apply(set_of("built"))
    machine.kubectl("rollout", "status", "sts/set", "--timeout=60s")
    machine.run(*podman, "push", "-q", "--tls-verify=false", "built", "localhost:5000/built:1")
    assert says(machine, "localhost:5000/built:1") == "podman"


def test_the_registry_is_for_its_users_only(hub):
    status = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}")
    other = ("setpriv", "--reuid", "65534", "--clear-groups")
    password = (hub.data / "images" / "pushed" / "password").read_text()
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert hub.run(*status, f"http://{host}:5000/v2/").stdout == "200"
        assert hub.run(*other, *status, f"http://{host}:5000/v2/").stdout == "401"
        assert hub.run(*other, *status, "-u", f"any:{password}", f"http://{host}:5000/v2/").stdout == "200"
        assert hub.run(*other, *status, "-u", f"any:{password}x", f"http://{host}:5000/v2/").stdout == "401"
    refused = hub.stead("down") and hub.stead("up", "--registry", "0.0.0.0:5000", check=False)
    assert refused.returncode != 0 and "localhost:PORT" in refused.stderr
