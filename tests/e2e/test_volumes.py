# SPDX-License-Identifier: Apache-2.0
"""Claims: the size that was asked for holds, grows, and outlives what it should outlive."""
import json
import os
import shutil
import threading

import pytest

from world import KUBECTLS, NEWEST, Failed


def claim(name, size, modes=("ReadWriteOnce",), **spec):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": list(modes), "resources": {"requests": {"storage": size}}, **spec}}


def pod(name, claims, **spec):
    """A pod that sleeps, with its claims at /data, or /data/<claim> if there are several."""
    paths = {c: "/data" if len(claims) == 1 else f"/data/{c}" for c in claims}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "main", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
                                     "command": ["sleep", "100000"],
                                     "volumeMounts": [{"name": c, "mountPath": p} for c, p in paths.items()]}],
                     "volumes": [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims], **spec}}


def apply(world, *objects):
    world.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def ready(world, *names):
    for name in names:
        world.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


def shell(world, name, command, **more):
    return world.kubectl("exec", name, "--", "sh", "-c", command, **more)


def df(world, name, path="/data"):
    """(total, available) bytes as the pod sees them. Not from df: busybox's takes two folders of one disk for one."""
    block, total, free = map(int, shell(world, name, f"stat -f -c '%S %b %a' {path}").stdout.split())
    return total * block, free * block


def loops(world):
    """Devices of volumes."""
    return [line for line in world.run("losetup", "-a").stdout.splitlines() if f"{world.data}/volumes/" in line]


def mounts(world):
    return [line for line in world.run("cat", "/proc/self/mountinfo").stdout.splitlines()
            if f" {world.data}/volumes/" in line]


def volume_of(world, name):
    return world.out("get", "pvc", name, "-o", "jsonpath={.spec.volumeName}")


def wait_for_event(world, about, reason):
    """The message of the first such event."""
    watch = world.start(KUBECTLS[NEWEST], "get", "events", "--watch", "--field-selector",
                        f"involvedObject.name={about},reason={reason}", "--no-headers", "-o",
                        "custom-columns=:.message")
    killer = threading.Timer(30, watch.kill)
    killer.start()
    try:
        return watch.stdout.readline()
    finally:
        killer.cancel()
        watch.kill()
        watch.wait()
        watch.stdout.close()


MAKE_DISK = {"ext4": ["mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=prjquota"], "xfs": ["mkfs.xfs", "-q"]}


@pytest.fixture(params=["file", "ext4", "xfs"])
def disks(machine, request):
    """A stead whose volumes are file systems in files, or folders with a project quota on a disk of its own."""
    machine.volumes = request.param
    if request.param in MAKE_DISK:
        make = MAKE_DISK[request.param]
        if not shutil.which(make[0]):
            pytest.skip(f"{make[0]} is not installed")
        disk = machine.dir / "disk"
        with open(disk, "wb") as file:
            file.truncate(1 << 30)
        machine.run(*make, disk)
        machine.data.mkdir()
        if machine.run("mount", "-o", "loop,prjquota", disk, machine.data, check=False).returncode != 0:
            pytest.skip(f"the kernel has no project quota on {request.param}")
    return machine.up()


def can_grow_mounted(world):
    """Quotas always grow. Growing a mounted ext4 needs CAP_SYS_RESOURCE."""
    if world.volumes != "file":
        return True
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("CapEff"))
    return int(line.split()[1], 16) >> 24 & 1


def test_df_tells_the_size_and_a_full_volume_is_enospc_there_alone(disks):
    apply(disks, claim("a", "64Mi"), claim("b", "20Mi"), pod("p", ["a", "b"]))
    ready(disks, "p")
    for name, size in (("a", 64 << 20), ("b", 20 << 20)):
        total, free = df(disks, "p", f"/data/{name}")
        assert size <= free <= total < size * 1.02
    full = shell(disks, "p", "dd if=/dev/zero of=/data/b/big bs=64k", check=False)
    # the kernel's word for a project on ext4 is the other one
    assert full.returncode != 0 and ("No space left on device" in full.stderr or "quota exceeded" in full.stderr)
    assert bool(loops(disks)) == (disks.volumes == "file")
    assert int(shell(disks, "p", "stat -c %s /data/b/big").stdout) >= 20 << 20
    shell(disks, "p", "echo fine > /data/a/x && sync && rm /data/b/big && echo again > /data/b/x")


def test_smallest_claim_is_one_byte_and_quantities_are_kept_as_written(disks):
    apply(disks, claim("one", "1"), claim("decimal", "256M"), pod("p", ["one", "decimal"]))
    ready(disks, "p")
    rows = {row.split()[0]: row.split() for row in disks.out("get", "pvc", "--no-headers").splitlines()}
    assert rows["one"][1] == "Bound" and rows["one"][3] == "1"
    assert rows["decimal"][3] == "256M"
    shell(disks, "p", "echo x > /data/one/x && cat /data/one/x")
    assert df(disks, "p", "/data/decimal")[1] >= 256000000


def test_claim_that_the_machine_has_no_room_for_stays_pending_and_says_why(disks):
    apply(disks, claim("huge", "8Ti"), pod("p", ["huge"]))
    disks.kubectl("wait", "--for=jsonpath={.status.phase}=Pending", "pvc/huge", "--timeout=60s")
    assert "the machine has no room for" in wait_for_event(disks, "huge", "ProvisioningFailed")
    assert disks.get("pvc", "huge")["status"]["phase"] == "Pending"
    assert "nodeName" not in disks.get("pod", "p")["spec"]


def test_claim_grows_by_patch(disks):
    apply(disks, claim("a", "20Mi"), pod("p", ["a"]))
    ready(disks, "p")
    shell(disks, "p", "echo 7 > /data/visits")
    disks.kubectl("patch", "pvc", "a", "-p", '{"spec":{"resources":{"requests":{"storage":"80Mi"}}}}')
    if not can_grow_mounted(disks):
        disks.kubectl("wait", "--for=condition=FileSystemResizePending", "pvc/a", "--timeout=60s")
        disks.kubectl("delete", "pod", "p")
        apply(disks, pod("p", ["a"]))
        ready(disks, "p")
    disks.kubectl("wait", "--for=jsonpath={.status.capacity.storage}=80Mi", "pvc/a", "--timeout=60s")
    assert df(disks, "p")[1] >= 79 << 20
    assert shell(disks, "p", "cat /data/visits").stdout == "7\n"
    assert disks.out("get", "pv", volume_of(disks, "a"), "-o", "jsonpath={.spec.capacity.storage}") == "80Mi"
    assert not disks.get("pvc", "a")["status"].get("conditions")
    reasons = {e["reason"] for e in disks.get("events", "--field-selector", "involvedObject.name=a")["items"]}
    assert {"Resizing", "FileSystemResizeSuccessful"} <= reasons, reasons


def test_unused_claim_grows_at_once_and_an_impossible_growth_is_refused(disks):
    apply(disks, claim("a", "20Mi", storageClassName="standard-reserved"))
    disks.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/a", "--timeout=60s")
    disks.kubectl("patch", "pvc", "a", "-p", '{"spec":{"resources":{"requests":{"storage":"60Mi"}}}}')
    disks.kubectl("wait", "--for=jsonpath={.status.capacity.storage}=60Mi", "pvc/a", "--timeout=60s")
    disks.kubectl("patch", "pvc", "a", "-p", '{"spec":{"resources":{"requests":{"storage":"8Ti"}}}}')
    assert "no room" in wait_for_event(disks, "a", "VolumeResizeFailed")
    apply(disks, pod("p", ["a"]))
    ready(disks, "p")
    assert 60 << 20 <= df(disks, "p")[1] < 70 << 20
    smaller = disks.kubectl("patch", "pvc", "a", "-p", '{"spec":{"resources":{"requests":{"storage":"1Mi"}}}}',
                            check=False)
    assert smaller.returncode != 0


def test_claim_waits_for_its_first_consumer_and_its_volume_names_folder_and_node(world):
    apply(world, claim("a", "1Mi"))
    assert wait_for_event(world, "a", "WaitForFirstConsumer").strip() == (
        "waiting for first consumer to be created before binding")
    assert world.get("pvc", "a")["status"]["phase"] == "Pending"
    apply(world, pod("p", ["a"]))
    ready(world, "p")
    node = world.out("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    assert world.get("pvc", "a")["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == node
    spec = world.get("pv", volume_of(world, "a"))["spec"]
    assert spec["nodeAffinity"]["required"]["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    shell(world, "p", "echo 7 > /data/visits")
    assert world.run("cat", spec["local"]["path"] + "/visits").stdout == "7\n"


def test_volumes_of_an_earlier_version_are_carried_over(world):
    """Such a volume named the folder above its data, and no node."""
    apply(world, claim("a", "1Mi"), pod("p", ["a"]))
    ready(world, "p")
    shell(world, "p", "echo 7 > /data/visits")
    name = volume_of(world, "a")
    volume = world.get("pv", name)
    world.kubectl("patch", "pv", name, "-p", '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}')
    world.kubectl("delete", "pod/p", "pvc/a")
    world.kubectl("wait", "--for=jsonpath={.status.phase}=Released", f"pv/{name}", "--timeout=60s")
    world.kubectl("delete", "pv", name)
    local = volume["spec"].pop("local")
    del volume["spec"]["nodeAffinity"], volume["spec"]["claimRef"], volume["status"]
    volume["spec"] |= {"hostPath": {"path": os.path.dirname(local["path"]), "type": ""},
                       "persistentVolumeReclaimPolicy": "Retain"}
    volume["metadata"] = {key: volume["metadata"][key] for key in ("name", "annotations", "finalizers")}
    world.apply(volume)
    world.kubectl("wait", f"--for=jsonpath={{.spec.local.path}}={local['path']}", f"pv/{name}", "--timeout=60s")
    apply(world, claim("b", "1Mi", volumeName=name), pod("q", ["b"]))
    ready(world, "q")
    assert shell(world, "q", "cat /data/visits").stdout == "7\n"


SMALL_DISK = 512 << 20


def small_disk(machine):
    """Puts the data folder on an ext4 file system of its own."""
    disk = machine.dir / "disk"
    with open(disk, "wb") as file:
        file.truncate(SMALL_DISK)
    machine.run("mkfs.ext4", "-q", "-m", "0", disk)
    machine.data.mkdir()
    machine.run("mount", "-o", "loop", disk, machine.data)


def room_left(machine):
    block, _, left = map(int, machine.run("stat", "-f", "-c", "%S %b %a", machine.data).stdout.split())
    return left * block


def test_ten_writers_fill_a_disk_to_the_last_byte_and_harm_nothing(machine):
    names = [f"w{i}" for i in range(10)]
    small_disk(machine)
    machine.up()
    apply(machine, *[claim(name, "200Mi") for name in names], *[pod(name, [name]) for name in names])
    ready(machine, *names)

    # each file ends with its own sum, so that what was written can be checked later
    write = "dd if=/dev/urandom of=/data/big bs=64k; sync; md5sum /data/big > /tmp/sum; cat /tmp/sum"
    start = room_left(machine)
    writers = [machine.start(KUBECTLS[NEWEST], "exec", name, "--", "sh", "-c", write, stderr=-2) for name in names]
    said = [writer.communicate(timeout=120)[0] for writer in writers]
    assert all("No space left on device" in text for text in said), said
    assert all("rror" not in text.replace("dd: error writing '/data/big': No space", "") for text in said), said
    left = room_left(machine)
    assert left >= SMALL_DISK // 20 and start - left > 100 << 20, (start, left)
    for about in ("pvc/w0", "pod/w0"):
        reasons = machine.out("events", "--for", about)
        assert "VolumeDiskNearlyFull" in reasons or "VolumeDiskFull" in reasons, reasons
    # the server writes, no pod was evicted, and a claim that needs more room waits for it
    apply(machine, claim("more", "250Mi", storageClassName="standard-reserved"))
    assert "the machine has no room for" in wait_for_event(machine, "more", "ProvisioningFailed")
    assert {p["status"]["phase"] for p in machine.get("pods")["items"]} == {"Running"}
    # room that one frees is another's
    shell(machine, "w1", "rm /data/big && sync")
    shell(machine, "w0", "until dd if=/dev/zero of=/data/more bs=64k count=32 2>/dev/null; do :; done", timeout=60)
    # after a restart of everything, each file is what was written
    machine.kill_server()
    machine.stead("up")
    machine.stead("down")
    machine.stead("up")
    ready(machine, *names)
    for name, text in zip(names, said):
        if name != "w1":
            assert shell(machine, name, "md5sum /data/big").stdout == text.splitlines()[-1] + "\n"
    machine.kubectl("delete", *[f"pod/{name}" for name in names[:7]], *[f"pvc/{name}" for name in names[:7]])
    machine.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/more", "--timeout=60s")


def test_a_program_that_takes_all_the_room_from_volumes_harms_none_of_them(machine):
    """Volumes leave room free, so only root of the machine can do this. What was written and synced before stays, and all goes on as
    soon as there is room again."""
    names = ["a", "b"]
    small_disk(machine)
    machine.up()
    apply(machine, *[claim(name, "100Mi") for name in names], *[pod(name, [name]) for name in names])
    ready(machine, *names)
    write = "head -c 5000000 /dev/urandom > /data/kept && sync && md5sum /data/kept"
    sums = {name: shell(machine, name, write).stdout for name in names}
    machine.run("sh", "-c", f"cat /dev/zero > {machine.data}/filler; sync; cat /dev/zero >> {machine.data}/filler; true")
    assert room_left(machine) < 1 << 20
    for name in names:
        full = shell(machine, name, "dd if=/dev/zero of=/data/more bs=64k count=1000 conv=fsync", check=False)
        assert full.returncode != 0 and "No space left on device" in full.stderr, full
        assert shell(machine, name, "md5sum /data/kept").stdout == sums[name]
    assert "ok" in machine.out("get", "--raw", "/livez")
    machine.free_disk()
    for name in names:
        shell(machine, name, "until dd if=/dev/zero of=/data/more bs=64k count=320 conv=fsync 2>/dev/null; do :; done", timeout=60)
        shell(machine, name, "rm /data/more && sync")
    apply(machine, claim("c", "10Mi"), pod("c", ["c"]))
    ready(machine, "c")
    machine.kubectl("delete", *[f"pod/{name}" for name in names])
    apply(machine, *[pod(name, [name]) for name in names])
    ready(machine, *names)
    for name in names:
        assert shell(machine, name, "md5sum /data/kept").stdout == sums[name]


def test_second_pod_of_a_read_write_once_pod_claim_stays_pending(world):
    apply(world, claim("a", "1Mi", ["ReadWriteOncePod"]), pod("first", ["a"]))
    ready(world, "first")
    apply(world, pod("second", ["a"]))
    world.kubectl("wait", "--for=condition=PodScheduled=false", "pod/second", "--timeout=60s")
    condition = next(c for c in world.get("pod", "second")["status"]["conditions"] if c["type"] == "PodScheduled")
    words = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
    assert words in condition["message"]
    assert words in world.out("describe", "pod", "second")
    world.kubectl("delete", "pod", "first")
    ready(world, "second")


def test_two_pods_share_a_read_write_many_claim(world):
    apply(world, claim("a", "1Mi", ["ReadWriteMany"]), pod("first", ["a"]), pod("second", ["a"]))
    ready(world, "first", "second")
    shell(world, "first", "echo hello > /data/x")
    assert shell(world, "second", "cat /data/x").stdout == "hello\n"
    assert len(loops(world)) <= 1
    world.kubectl("delete", "pod", "first")
    assert shell(world, "second", "echo more >> /data/x && cat /data/x").stdout == "hello\nmore\n"


def test_deleted_claim_takes_its_data_and_leaves_no_device(disks):
    apply(disks, claim("a", "1Mi"), pod("p", ["a"]))
    ready(disks, "p")
    volume = volume_of(disks, "a")
    disks.kubectl("delete", "pod/p", "pvc/a")
    disks.kubectl("wait", "--for=delete", f"pv/{volume}", "--timeout=60s")
    assert not (disks.data / "volumes" / volume).exists()
    assert not loops(disks) and not mounts(disks)


def test_retained_volume_outlives_its_claim_and_serves_another(world):
    apply(world, claim("a", "1Mi"), pod("p", ["a"]))
    ready(world, "p")
    shell(world, "p", "echo 7 > /data/visits")
    volume = volume_of(world, "a")
    world.kubectl("patch", "pv", volume, "-p", '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}')
    world.kubectl("delete", "pod/p", "pvc/a")
    world.kubectl("wait", "--for=jsonpath={.status.phase}=Released", f"pv/{volume}", "--timeout=60s")
    world.kubectl("patch", "pv", volume, "--type=json", "-p", '[{"op":"remove","path":"/spec/claimRef"}]')
    apply(world, claim("b", "1Mi", volumeName=volume), pod("q", ["b"]))
    ready(world, "q")
    assert shell(world, "q", "cat /data/visits").stdout == "7\n"
    world.kubectl("delete", "pod/q", "pvc/b")
    world.kubectl("wait", "--for=jsonpath={.status.phase}=Released", f"pv/{volume}", "--timeout=60s")
    world.kubectl("delete", "pv", volume)
    assert (world.data / "volumes" / volume).exists()  # the object goes, the data stay
    assert not loops(world)


@pytest.mark.parametrize("policy", ["Always", "OnRootMismatch"])
def test_group_of_the_pod_may_write_without_a_chown_container(world, policy):
    context = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000, "fsGroupChangePolicy": policy}
    apply(world, claim("a", "1Mi"), pod("p", ["a"], securityContext=context))
    ready(world, "p")
    assert shell(world, "p", "echo x > /data/x && stat -c '%u %g' /data/x").stdout == "1000 2000\n"
    assert shell(world, "p", "id -G").stdout.split() == ["1000", "2000"]
    assert shell(world, "p", "stat -c '%g' /data").stdout == "2000\n"
    assert shell(world, "p", "ls -A /data").stdout == "x\n"


def test_chown_container_works_and_is_not_needed(world):
    chown = {"name": "change-ownership", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent",
             "command": ["chown", "-R", "1000:1000", "/data"], "securityContext": {"runAsUser": 0},
             "volumeMounts": [{"name": "a", "mountPath": "/data"}]}
    with_init = pod("with", ["a"], securityContext={"runAsUser": 1000}, initContainers=[chown])
    apply(world, claim("a", "1Mi"), claim("b", "1Mi"), with_init, pod("without", ["b"], securityContext={"runAsUser": 1000}))
    ready(world, "with", "without")
    assert shell(world, "with", "echo x > /data/x && stat -c %u /data").stdout == "1000\n"
    shell(world, "without", "echo x > /data/x")


def test_data_come_through_down_up_a_killed_server_and_a_reboot(disks):
    apply(disks, claim("a", "1Mi"), pod("p", ["a"]))
    ready(disks, "p")
    shell(disks, "p", "echo 7 > /data/visits")
    disks.kill_server()
    disks.stead("up")
    ready(disks, "p")
    assert shell(disks, "p", "cat /data/visits").stdout == "7\n"
    disks.stead("down")
    assert not loops(disks) and not mounts(disks)
    shutil.rmtree(disks.run_dir)  # all that a reboot takes
    disks.stead("up")
    disks.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    assert shell(disks, "p", "cat /data/visits").stdout == "7\n"


@pytest.mark.parametrize("step", range(1, 19))
def test_reset_leaves_nothing_whichever_step_was_the_last(machine, step):
    os.environ["STEAD_FAULT"] = f"node.volume:{step}:kill"
    try:
        machine.stead("up")
    finally:
        del os.environ["STEAD_FAULT"]
    try:
        apply(machine, claim("a", "1Mi"), pod("p", ["a"]))
        machine.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
        machine.kubectl("delete", "pod/p", "pvc/a", "--timeout=20s")
        machine.kubectl("wait", "--for=delete", "pv", "--all", "--timeout=20s")
    except Failed:
        pass  # the server is gone, as it should be
    if step % 2:  # every other time it comes back first, and all goes on from where it stood
        machine.stead("up")
        apply(machine, claim("b", "1Mi"), pod("q", ["b"]))
        ready(machine, "q")
        if machine.out("get", "pvc", "a", "--ignore-not-found", "-o", "jsonpath={.spec.volumeName}"):
            phase = machine.out("get", "pv", "-o", "jsonpath={.items[*].status.phase}")
            assert "Lost" not in phase and "Failed" not in phase
    machine.stead("reset", "--yes")
    assert not loops(machine) and not mounts(machine)
    assert not machine.data.exists()
