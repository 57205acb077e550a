# SPDX-License-Identifier: Apache-2.0
"""Images: those that come with stead, those of other programs on the machine, and what `stead image` does with them."""
import shutil
import subprocess

import pytest


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
