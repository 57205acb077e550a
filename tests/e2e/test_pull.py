# SPDX-License-Identifier: Apache-2.0
"""Images from registries: what pods and `stead image pull` fetch, what they are told, and what is left after faults."""
import base64
import json
import random
import re
import subprocess

import pytest

import world as worlds
from podkit import ENDLESS, Pods
from podkit import pod as small_pod
from registries import DockerRegistry, Scripted, busybox_layer, digest_of_chain, layer

TIME_SERVER = worlds.BUILD / "images" / "time-server.tar"
# of the password "right"
USERS = {"team": "$2b$04$FxLX39Jd4SlTwoii5xdWXePcysjE.cmEj3HZF6HQ5vYfT7TLwF4Zu"}


@pytest.fixture(scope="module")
def registry(shared):
    made = DockerRegistry(shared)
    made.push(TIME_SERVER, "app:1")
    yield made
    made.close()


@pytest.fixture(scope="module")
def private(shared):
    made = DockerRegistry(shared, 5002, USERS)
    made.push(TIME_SERVER, "app:1", "--dest-creds", "team:right")
    yield made
    made.close()


@pytest.fixture(scope="module")
def scripted(shared):
    made = Scripted(shared)
    yield made
    made.close()


@pytest.fixture
def pods(shared):
    made = Pods(shared)
    yield made
    made.close()


def pod(name, image, **spec):
    """A pod that does what the image says; keys of the container begin with c_."""
    main = {"name": "main", "image": image}
    main.update({key[2:]: spec.pop(key) for key in list(spec) if key.startswith("c_")})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [main], **spec}}


def secret(shared, name, address, user, word):
    auth = base64.b64encode(f"{user}:{word}".encode()).decode()
    shared.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
                  "stringData": {".dockerconfigjson": json.dumps({"auths": {address: {"auth": auth}}})}})


# ---- what pods get ----

def test_a_set_runs_an_image_of_a_registry(shared, registry):
    image = f"{registry.address}/app:1"
    shared.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"},
                  "spec": {"serviceName": "web", "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
                           "template": {"metadata": {"labels": {"app": "web"}},
                                        "spec": {"terminationGracePeriodSeconds": 0,
                                                 "containers": [{"name": "main", "image": image}]}}}})
    shared.kubectl("rollout", "status", "statefulset/web", "--timeout=90s")
    first, second = (Pods(shared).events(f"web-{i}") for i in range(2))
    assert f'Pulling image "{image}"' in first["Pulling"]
    assert re.search(rf'Successfully pulled image "{re.escape(image)}" in [\d.]+m?s \([\d.]+m?s including waiting\)\. '
                     r"Image size: \d+ bytes\.", first["Pulled"][0])
    assert second["Pulled"] == [f'Container image "{image}" already present on machine and can be accessed by the pod']
    assert len(registry.requests("/manifests/")) == 1
    status = shared.get("pod", "web-0")["status"]["containerStatuses"][0]
    assert re.fullmatch(rf"{re.escape(registry.address)}/app@sha256:[0-9a-f]{{64}}", status["imageID"])
    shared.kubectl("delete", "statefulset", "web")
    shared.kubectl("wait", "--for=delete", "pod/web-0", "--timeout=60s")


def test_always_with_nothing_new_is_one_request(registry, pods):
    image = f"{registry.address}/app:1"
    pods.start(pod("first", image))
    before = len(registry.requests())
    pods.start(pod("again", image, c_imagePullPolicy="Always"))
    new = registry.requests()[before:]
    assert len(new) == 1 and "HEAD /v2/app/manifests/1" in new[0], new


def test_many_pods_share_a_download(shared, scripted):
    blobs = scripted.add_image("many", [busybox_layer(), layer({"many": b"many"})])
    scripted.hold(blobs[1])
    shared.kubectl("create", "deployment", "many", "--replicas=20", f"--image={scripted.address}/app:many")
    shared.shell("until [ $(kubectl get events | grep -c 'Pulling image.*app:many') -ge 20 ]; do sleep 0.1; done")
    scripted.release(blobs[1])
    shared.kubectl("rollout", "status", "deployment/many", "--timeout=90s")
    assert len(scripted.requests(blobs[1])) == 1
    assert len(scripted.requests("/manifests/many")) == 1
    shared.kubectl("delete", "deployment/many", "--wait=false")


def test_a_private_image_needs_a_secret_that_is_right(shared, private, pods):
    image = f"{private.address}/app:1"
    pods.start(pod("none", image), until=None)
    message = pods.waits_because("none", "ImagePullBackOff")
    assert message.startswith(f'Back-off pulling image "{image}": ErrImagePull: ') and "authentication required" in message
    secret(shared, "wrong", private.address, "team", "wrong-word")
    secret(shared, "right", private.address, "team", "right")
    pods.start(pod("wrong", image, imagePullSecrets=[{"name": "wrong"}, {"name": "not-there"}]), until=None)
    assert "authentication required" in pods.waits_because("wrong", "ImagePullBackOff")
    events = pods.events("wrong")
    assert any("Unable to retrieve some image pull secrets (not-there)" in text for text in events["FailedToRetrieveImagePullSecret"])
    assert "wrong-word" not in json.dumps(events) + shared.log()
    pods.start(pod("right", image, imagePullSecrets=[{"name": "wrong"}, {"name": "right"}]))
    # the image is there now, but only for those who could have pulled it
    for policy, reason in (("IfNotPresent", "ImagePullBackOff"), ("Never", "ErrImageNeverPull")):
        name = f"other-{policy.lower()}"
        pods.start(pod(name, image, c_imagePullPolicy=policy), until=None)
        pods.waits_because(name, reason)
    pods.start(pod("right-again", image, c_imagePullPolicy="Never", imagePullSecrets=[{"name": "right"}]))
    # the Secret of a pod that waits is corrected, so it does not wait for the end of its back-off
    secret(shared, "wrong", private.address, "team", "right")
    pods.wait("wrong", "condition=Ready")


def test_what_cannot_be_pulled_is_told(scripted, pods):
    image = f"{scripted.address}/app:missing"
    pods.start(pod("missing", image), until=None)
    assert pods.waits_because("missing", "ImagePullBackOff").startswith(f'Back-off pulling image "{image}": ErrImagePull: ')
    events = pods.events("missing")
    assert any("there is no such thing" in text for text in events["Failed"])
    assert f'Back-off pulling image "{image}"' in events["BackOff"]
    pods.start(pod("down", "127.0.0.1:5999/app:1"), until=None)
    assert "RegistryUnavailable: image pull failed for 127.0.0.1:5999/app:1 because the registry is unavailable: " in \
        pods.waits_because("down", "ImagePullBackOff")
    pods.start(pod("name", "Not/a/NAME:"), until=None)
    assert "couldn't parse image name" in pods.waits_because("name", "InvalidImageName")


def test_a_pod_that_is_deleted_does_not_wait_for_its_image(shared, scripted, pods):
    blobs = scripted.add_image("slow", [busybox_layer(), layer({"slow": b"slow"})])
    scripted.hold(blobs[1])
    pods.start(pod("slow", f"{scripted.address}/app:slow"), until=None)
    shared.shell("until kubectl get events | grep -q 'Pulling image.*app:slow'; do sleep 0.1; done")
    shared.kubectl("delete", "pod", "slow", "--timeout=20s")
    scripted.release(blobs[1])


def test_a_volume_that_is_an_image_is_pulled(shared, scripted, pods):
    blobs = scripted.add_image("volume", [layer({"word": b"from a registry\n"})])
    image = f"{scripted.address}/app:volume"
    more = {"volumes": [{"name": "i", "image": {"reference": image}}], "c_volumeMounts": [{"name": "i", "mountPath": "/image"}]}
    scripted.hold(blobs[0])
    pods.start(small_pod("reader", ENDLESS, **more), until=None)
    shared.shell(f"until kubectl get events | grep -q 'Pulling image.*{image}'; do sleep 0.1; done")
    shared.kubectl("delete", "pod", "reader", "--timeout=20s")  # before there is a sandbox
    pods.start(small_pod("reader-2", ENDLESS, **more), until=None)
    scripted.release(blobs[0])
    pods.wait("reader-2", "condition=Ready")
    assert pods.sh("reader-2", "cat /image/word") == "from a registry\n"
    assert len(scripted.requests(blobs[0])) == 1  # the second pod shares what was begun for the first


# ---- faults ----

def test_whole_layers_survive_a_killed_server(shared, scripted, pods):
    blobs = scripted.add_image("killed", [layer({"one": b"1" * 100000}), busybox_layer(), layer({"three": b"3" * 100000})])
    scripted.hold(blobs[2])
    before = [len(scripted.requests(blob)) for blob in blobs]
    pods.start(pod("killed", f"{scripted.address}/app:killed"), until=None)
    # two layers are whole, that is, in their places, and the third has arrived in part
    chain = [digest_of_chain(scripted.diff_ids(blobs[:n])) for n in (1, 2)]
    places = " && ".join(f"[ -d {shared.data}/images/layers/{name} ]" for name in chain)
    shared.shell(f"until {places} && grep -q {blobs[2]} {scripted.dir}/log; do sleep 0.05; done")
    shared.kill_server()
    assert not [name for name in shared.stead("image", "ls").stdout.splitlines() if "killed" in name]
    scripted.release(blobs[2])
    shared.up()
    pods.wait("killed", "condition=Ready")
    assert [len(scripted.requests(blob)) - old for blob, old in zip(blobs, before)] == [1, 1, 2]
    assert not list((shared.data / "images" / "tmp").iterdir())


def test_lies_and_full_disks_leave_nothing(machine):
    machine.small_disk("64M")
    registry = Scripted(machine)
    try:
        registry.add_image("good", [busybox_layer()])
        registry.add_image("large", [busybox_layer(), layer({"zeros": b"\0" * 80_000_000})])
        lie = registry.add_image("lie", [busybox_layer(), layer({"word": b"true"})])
        registry.add_image("short", [layer({"word": b"short"})])
        (registry.dir / f"instead-{lie[1]}").write_bytes(b"something else")
        (registry.dir / "manifests" / "web").write_text("<html>")
        for tag, said in (("large", "does not fit"), ("lie", "another size"), ("web", "manifest"), ("none", "no such thing")):
            done = machine.stead("image", "pull", f"{registry.address}/app:{tag}", check=False)
            assert done.returncode != 0 and said in done.stderr, (tag, done.stderr)
            assert f"app:{tag}" not in machine.stead("image", "ls").stdout
            assert machine.run("ls", machine.data / "images" / "tmp").stdout == ""  # in the world's own mounts
        assert "pulled sha256:" in machine.stead("image", "pull", f"{registry.address}/app:good").stdout
        assert "is up to date" in machine.stead("image", "pull", f"{registry.address}/app:good").stdout
    finally:
        registry.close()


def test_a_disk_that_fills_up_during_a_pull_costs_only_this_pull(machine):
    machine.small_disk("64M")
    registry = Scripted(machine)
    try:
        registry.add_image("good", [busybox_layer()])
        blobs = registry.add_image("large", [busybox_layer(), layer({"noise": random.Random(1).randbytes(16 << 20)})], level=0)
        machine.up()
        machine.apply(pod("runs", f"{registry.address}/app:good"))
        machine.kubectl("wait", "--for=condition=Ready", "pod/runs", "--timeout=60s")
        registry.hold(blobs[1])
        pull = machine.start(worlds.BUILD / "stead", "image", "pull", f"{registry.address}/app:large", "--run", machine.run_dir,
                             "--data", machine.data, stderr=subprocess.STDOUT)
        fifo = registry.dir / f"hold-{blobs[1]}"
        with open(fifo, "w", encoding="utf-8") as other_half:  # opens when the first half has been sent
            machine.fill_disk()
            fifo.unlink()
            other_half.write("go on")
        said = pull.communicate(timeout=60)[0]
        assert pull.returncode != 0 and "app:large" in said, said
        names = machine.stead("image", "ls", "-o", "name").stdout.split()
        assert f"{registry.address}/app:good" in names and f"{registry.address}/app:large" not in names
        assert machine.run("ls", machine.data / "images" / "tmp").stdout == ""  # in the world's own mounts
        assert machine.get("pod", "runs")["status"]["phase"] == "Running"
        machine.free_disk()
        assert "pulled sha256:" in machine.stead("image", "pull", f"{registry.address}/app:large").stdout
    finally:
        registry.close()


def test_stead_image_pull_uses_the_server_and_credentials(shared, private):
    image = f"{private.address}/app:1"
    done = shared.stead("image", "pull", image, check=False)
    assert done.returncode != 0 and "authentication required" in done.stderr
    creds = shared.dir / "creds"
    creds.write_text("team:right\n")
    assert image in shared.stead("image", "pull", image, "--creds", creds).stdout
    # a push uses the credentials of whoever calls it, too
    copy = f"{private.address}/copy:1"
    done = shared.stead("image", "push", image, copy, check=False)
    assert done.returncode != 0 and "authentication required" in done.stderr
    assert "pushed: sha256:" in shared.stead("image", "push", image, copy, "--creds", creds).stdout
    shared.stead("image", "rm", image, check=False)
    (shared.dir / ".docker").mkdir()
    auth = base64.b64encode(b"team:right").decode()
    (shared.dir / ".docker" / "config.json").write_text(json.dumps({"auths": {private.address: {"auth": auth}}}))
    assert image in shared.stead("image", "pull", image).stdout
    assert "right" not in shared.log()
