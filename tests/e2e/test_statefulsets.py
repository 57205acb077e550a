# SPDX-License-Identifier: Apache-2.0
"""What stead adds to StatefulSets: the page on them, and what a real kube-apiserver says of the same manifests."""
import importlib.util
import json
import re
import subprocess

import pytest

from test_readme import blocks, parts_of, shell  # noqa: F401 (a fixture)
from world import BUILD, KUBECTLS, NEWEST, ROOT

PAGE = "docs/statefulsets.md"
GROWN = "kubectl wait --for=jsonpath='{.status.capacity.storage}'="
BACK = "kubectl scale sts/db --replicas=3\nkubectl wait --for=jsonpath='{.status.availableReplicas}'=3 sts/db --timeout=120s"


def grows_mounted():
    """Whether this machine lets root grow a file system while it is mounted, which takes CAP_SYS_RESOURCE."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("CapEff"))
    return bool(int(line.split()[1], 16) >> 24 & 1)


def grow_unmounted(grown):
    """Only the claims of pods that the set wants follow its templates, so they have to ask for the new size before it is scaled down."""
    asked = grown[0].replace(".status.capacity.storage", ".spec.resources.requests.storage")
    return f"{asked}\nkubectl scale sts/db --replicas=0\n{grown[0]}\n{BACK}"


def test_what_the_page_on_statefulsets_says_works_as_it_is_written(shell):  # noqa: F811
    script = f"set -eo pipefail\nPATH=$PATH:{BUILD}\nstead up\n"
    for number, block in enumerate(blocks(PAGE)):
        if not grows_mounted():  # the page says what to do then
            block = re.sub(f"^{re.escape(GROWN)}.*$", grow_unmounted, block, flags=re.M)
        script += f"echo '=== {number}'\n{block}"
        if number in (2, 4):
            script += "kubectl get pods -l app=db -o jsonpath='{.items[*].metadata.uid}{\"\\n\"}'\n"
    parts = parts_of(shell(script).stdout)
    assert len(parts) == len(blocks(PAGE)) == 9
    assert "Available True AllReplicasAvailable: 3 of 3 replicas are available" in parts["1"]
    assert "Progressing False Complete: " in parts["1"]
    assert parts["2"].startswith("statefulset/db waits for nothing\n")
    assert re.search(r"^statefulset/db waits \(PodNotReady\): 2 of 3 replicas are available: waiting for pod db-2 to be ready\n"
                     r"  pod/db-2 waits \(ErrImageNeverPull\): container main does not start: .*\n    next: import the image",
                     parts["2"], re.M), parts["2"]
    assert re.search(r" 1[12]\d\.\d+M|1[12]\dM", parts["3"]), parts["3"]  # what df says of 128Mi
    # whether the volumes grew under the running pods
    assert (parts["2"].rstrip().splitlines()[-1] == parts["4"].rstrip().splitlines()[-1]) == grows_mounted()
    assert len(re.findall(r"^data-db-[012] +Bound .* 192Mi ", parts["4"], re.M)) == 3
    assert re.findall(r"^pod/(db-\d)", parts["5"], re.M) == ["db-0", "db-2"]
    assert re.findall(r"^persistentvolumeclaim/(data-db-\d) +Bound", parts["5"], re.M) == ["data-db-0", "data-db-1", "data-db-2"]
    assert "statefulset/db waits (PodPaused): waiting for pod db-2 to be updated, but it is paused" in parts["6"]
    assert "next: take the ordinal out of the annotation stead.dev/paused-ordinals" in parts["6"]
    assert parts["7"].rstrip().splitlines()[-1] == "RecreateCompleted"


# ---- the same manifests on Kubernetes ----

def oracle():
    spec = importlib.util.spec_from_file_location("peer", ROOT / "tests" / "oracle" / "peer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def changes():
    """The commands of the page that change the set, each with its heredoc."""
    text = "".join(blocks(PAGE))
    for command in re.finditer(r"^kubectl (?:apply|patch|annotate|set) .*$", text, re.M):
        end = text.index("\nEND\n", command.start()) + 5 if command[0].endswith("<<END") else command.end()
        yield text[command.start():end]


def test_a_real_api_server_accepts_the_same_manifests(tmp_path):
    """It refuses the two native forms, which is why there are annotations; the page says so."""
    module = oracle()
    if not (module.DEFAULT_BIN / "kube-apiserver").exists() or NEWEST is None:
        pytest.skip("this machine has no kube-apiserver")
    (tmp_path / "kubectl").symlink_to(KUBECTLS[NEWEST])
    with module.Peer() as peer:
        def kubectl(script):
            config = {"apiVersion": "v1", "kind": "Config", "current-context": "peer",
                      "clusters": [{"name": "peer", "cluster": {"server": f"https://127.0.0.1:{peer.port}",
                                                                "insecure-skip-tls-verify": True}}],
                      "users": [{"name": "peer", "user": {"token": module.TOKEN}}],
                      "contexts": [{"name": "peer", "context": {"cluster": "peer", "user": "peer"}}]}
            (tmp_path / "config").write_text(json.dumps(config))
            return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60,
                                  env={"KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path),
                                       "PATH": f"{tmp_path}:/usr/bin:/bin"})

        commands = list(changes())
        assert len(commands) == 12
        for command in commands:
            done = kubectl(command)
            if "/spec/volumeClaimTemplates/" in command:
                assert "updates to statefulset spec for fields other than" in done.stderr
            else:
                assert done.returncode == 0, f"{command}\n{done.stderr}"
                assert "Warning" not in done.stderr
        done = kubectl("kubectl patch sts db --type=merge -p "
                       "'{\"spec\":{\"updateStrategy\":{\"type\":\"Recreate\",\"rollingUpdate\":null}}}'")
        assert "must be 'RollingUpdate' or 'OnDelete'" in done.stderr
