# SPDX-License-Identifier: Apache-2.0
"""What the README and pages in docs/ tell a newcomer to type, typed: every block marked `sh`, in order, in one shell, on a
machine that has only a home of its own."""
import base64
import json
import re
import shutil
import subprocess

import pytest

from registries import DockerRegistry
from world import BUILD, KUBECTLS, NEWEST, ROOT, remove_cgroups

# The default paths of this world are folders of its own, so that none of the host's is touched.
MACHINE = """
set -e
cd "$HOME"
mkdir -p over/new over/work lib containers bin
mount -t overlay -o lowerdir=/var/lib,upperdir=over/new,workdir=over/work none /var/lib
mkdir -p /var/lib/stead /var/lib/containers
mount --bind lib /var/lib/stead
mount --bind containers /var/lib/containers
mount -t tmpfs none /run
ln -s "$KUBECTL" bin/kubectl
"""
# `podman build` is Buildah under another name, which has to do where there is no Podman.
BUILDAH = """
printf '#!/bin/sh\\ncase $1 in build) shift; set -- bud --isolation chroot "$@" ;; esac\\nexec buildah "$@"\\n' > bin/podman
chmod +x bin/podman
"""
# The image that the Dockerfiles begin with, since nothing is fetched from the internet here.
BASE = f"{BUILD}/stead image export busybox ~/busybox.tar > /dev/null\npodman pull -q docker-archive:$HOME/busybox.tar > /dev/null\n"


def blocks(page="README.md"):
    text = (ROOT / page).read_text()
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


@pytest.fixture
def shell(machine):
    """Runs a script as a newcomer's shell would, and gives what it printed."""
    environment = ["env", "-u", "KUBECONFIG", "-u", "DISPLAY", f"HOME={machine.dir}", f"KUBECTL={KUBECTLS[NEWEST]}",
                   f"STEAD_BUILD={BUILD}", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory",
                   "GIT_CONFIG_VALUE_0=*"]
    machine.run(*environment, "sh", "-c", MACHINE + ("" if shutil.which("podman") else BUILDAH))

    def run(script, check=True):
        return machine.run(*environment, f"PATH={machine.dir}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "bash", "-c",
                           f"cd ~; {script}", check=check, timeout=600)

    yield run
    run(f"{BUILD}/stead down; {BUILD}/stead reset --yes", check=False)
    remove_cgroups("stead")


def parts_of(output):
    """What each block printed, by its number."""
    return dict(re.findall(r"^=== (\d+)\n(.*?)(?=^=== |\Z)", output, re.M | re.S))


def test_what_the_page_on_storage_says_works_as_it_is_written(shell):
    script = f"set -eo pipefail\nPATH=$PATH:{BUILD}\nstead up\n"
    for number, block in enumerate(blocks("docs/storage.md")):
        script += f"echo '=== {number}'\n{block}"
    parts = parts_of(shell(script).stdout)
    assert re.search(r"^standard \(default\)\s+stead.dev/volume\s+Delete\s+WaitForFirstConsumer\s+true", parts["0"], re.M)
    assert re.search(r"^standard-reserved\s+stead.dev/volume\s+Delete\s+Immediate\s+true", parts["0"], re.M)
    assert re.search(r"^pvc-\S+  default/data  standard\s+8\.0 GiB  +\d+\.\d [KM]iB$", parts["1"], re.M), parts["1"]
    listing = json.loads(re.search(r"^\{.*^\}", parts["2"], re.M | re.S)[0])
    volume = listing["volumes"][0]
    assert volume["claim"] == "default/data" and volume["size"] == 8 << 30
    assert 64 << 20 <= volume["used"] < 80 << 20 and listing["used"] == volume["used"]
    assert listing["promised"] == 8 << 30 and 0 < listing["diskFree"] < listing["diskSize"]
    assert re.search(r"^pvc-\S+  default/sure  standard-reserved\s+32\.0 MiB  +3\d\.\d MiB$", parts["3"], re.M), parts["3"]
    assert re.search(r"^pvc-\S+  default/data  standard +8\.0 GiB  +\d+\.\d [KM]iB$", parts["3"], re.M), parts["3"]
    # without a server, the claims are not known
    alone = shell(f"PATH=$PATH:{BUILD}; stead down >&2; stead volume ls -o json").stdout
    assert all(volume["claim"] is None for volume in json.loads(alone)["volumes"])


# of the password "right"
USERS = {"team": "$2b$04$FxLX39Jd4SlTwoii5xdWXePcysjE.cmEj3HZF6HQ5vYfT7TLwF4Zu"}


def test_what_the_page_on_images_says_works_as_it_is_written(machine, shell):
    steps, made = blocks("docs/images.md"), []
    (machine.dir / ".docker").mkdir()
    auth = base64.b64encode(b"team:right").decode()
    (machine.dir / ".docker" / "config.json").write_text(json.dumps({"auths": {"localhost:5002": {"auth": auth}}}))
    try:
        for port, users, more in ((5001, None, ()), (5002, USERS, ("--dest-creds", "team:right"))):
            made.append(DockerRegistry(machine, port, users))
            made[-1].push(BUILD / "images" / "time-server.tar", "app:1", *more)
        script = f"set -eo pipefail\nPATH=$PATH:{BUILD}\nstead up\n{BASE}"
        for number, block in enumerate(steps):
            script += f"echo '=== {number}'\n{block}"
        parts = parts_of(shell(script).stdout)
    finally:
        for registry in made:
            registry.close()
    assert len(steps) == len(parts) == 7
    assert "Successfully pulled image" in parts["0"]
    assert "localhost:5001/app:1: is up to date" in parts["1"] and re.search(r"^localhost:5001/app +1 ", parts["1"], re.M)
    assert "pod/private condition met" in parts["2"]
    assert "kubernetes.default.svc.cluster.local" in parts["3"] and "Address" in parts["3"]
    assert 'deployment "built" successfully rolled out' in parts["4"]
    assert [line for line in parts["5"].splitlines() if line.startswith("hello")] == [
        "hello:1 made", "hello:2 tagged", "hello:1 removed", "hello:2 removed", "hello:1 imported"]
    assert 'deployment "pushed" successfully rolled out' in parts["6"]


def test_what_the_readme_says_works_as_it_is_written(shell):
    steps = blocks()
    assert len(steps) >= 4 and "git clone" in steps[0]
    script = "set -eo pipefail\n"
    for number, block in enumerate(steps):
        # here it is built already
        block = block.replace("git clone <this repository> stead", f"git clone -q {ROOT} stead")
        script += f"echo '=== {number}'\n{block}"
        if number == 0:
            script += f"ln -s {BUILD} build\n{BASE}"
    done = shell(script)
    parts = parts_of(done.stdout)
    assert "statefulset.apps/time-server   5/5" in parts["0"]
    assert re.search(r"^http://\d+\.\d+\.\d+\.\d+:5000$", parts["1"], re.M)
    assert "stead is up" in parts["1"] and "new pods have been updated" in parts["1"]
    assert "localhost/hits:latest" in parts["2"]
    hits = re.findall(r"^hit (\d+), says (hits-[01])$", parts["3"], re.M)
    assert len(hits) == 20
    counts = {name: max(int(n) for n, of in hits if of == name) for name in {name for _, name in hits}}
    assert sum(counts.values()) == 20
    assert "All of stead's state is removed." in parts["4"]
    assert "16Mi" in parts["3"] and "LoadBalancer" in parts["3"]
    assert parts["3"].rstrip().splitlines()[-1] == str(counts["hits-0"])
