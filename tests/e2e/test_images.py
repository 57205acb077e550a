# SPDX-License-Identifier: Apache-2.0
"""Images: those that come with stead, those of other programs on the machine, and what `stead image` does with them."""
import subprocess


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
