# SPDX-License-Identifier: Apache-2.0
"""A machine whose administrator has started stead, and an ordinary user who works on it."""
import json
import os
import re
import stat

import pytest

import test_scenarios as scenarios
import world as worlds
from helm import HELMS
from people import Person
from transcript import Transcript
from world import ROOT

CONFIG = """
apiVersion: v1
kind: Config
clusters:
- {name: work, cluster: {server: "https://192.0.2.1:6443", insecure-skip-tls-verify: true}}
contexts:
- {name: work, context: {cluster: work, user: me, namespace: mine}}
users:
- {name: me, user: {token: secret}}
current-context: work
"""


def write_config(person, text):
    person.run("sh", "-c", "mkdir -p ~/.kube && cat > ~/.kube/config", stdin=text)


def config_of(person):
    return json.loads(person.kubectl("config", "view", "--raw", "-o", "json").stdout)


def context_of(world):
    return f"stead-{world.instance}"


@pytest.mark.parametrize("variables", [("SUDO_UID=54321", "SUDO_USER=alice"), ("DOAS_USER=alice",), ("PKEXEC_UID=54321",)],
                         ids=["sudo", "doas", "pkexec"])
def test_who_calls_sudo_gets_a_context_and_a_certificate(machine, variables):
    world, alice = machine, Person(machine)
    write_config(alice, CONFIG)
    said = alice.sudo_stead("up", variables=variables).stdout
    assert f'The context "{context_of(world)}" in {world.kubeconfig} is current.' in said
    assert f"in {alice.kubeconfig} is for alice, in the group system:masters." in said
    assert "alice may do everything in this cluster now, and can become root on this machine through it." in said
    status = alice.kubeconfig.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (alice.uid, alice.uid, 0o600)
    config = config_of(alice)
    assert {entry["name"] for entry in config["contexts"]} == {"work", context_of(world)}
    assert config["current-context"] == context_of(world)
    assert next(e for e in config["users"] if e["name"] == "me")["user"] == {"token": "secret"}
    who = json.loads(alice.kubectl("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]
    assert who["username"] == "alice" and set(who["groups"]) == {"system:masters", "stead:users", "system:authenticated"}
    alice.kubectl("create", "configmap", "mine")
    # what root has is as before, and not what the user has
    root = json.loads(world.out("config", "view", "--raw", "-o", "json"))
    mine = next(e for e in config["users"] if e["name"] == context_of(world))["user"]
    assert root["users"][0]["user"]["client-key-data"] != mine["client-key-data"]
    assert os.stat(world.kubeconfig).st_uid == 0
    # again, nothing changes
    before = alice.kubeconfig.read_bytes()
    assert "already up" in alice.sudo_stead("up", variables=variables).stdout
    assert alice.kubeconfig.read_bytes() == before
    alice.sudo_stead("reset", "--yes", variables=())
    assert [entry["name"] for entry in config_of(alice)["contexts"]] == ["work"]


def test_the_group_is_the_one_that_was_chosen_and_stays(machine):
    world, alice = machine, Person(machine)
    said = alice.sudo_stead("up", "--user-group", "lookers").stdout
    assert "for alice, in the group lookers." in said and "everything" not in said
    hint = re.search(r"kubectl (create clusterrolebinding .*)", said)[1].split()
    refused = alice.kubectl("get", "pods", check=False)
    assert refused.returncode == 1 and 'User "alice" cannot list resource "pods"' in refused.stderr
    world.kubectl(*hint)
    alice.kubectl("get", "pods")
    assert alice.kubectl("create", "configmap", "mine", check=False).returncode == 1
    # a later start without the option does not make the user more powerful
    assert "in the group lookers." in alice.sudo_stead("up").stdout
    assert alice.kubectl("create", "configmap", "mine", check=False).returncode == 1
    assert "in the group system:masters." in alice.sudo_stead("up", "--user-group", "system:masters").stdout
    alice.kubectl("create", "configmap", "mine")


def test_nobody_gets_access_who_shall_not(machine):
    alice = Person(machine)
    assert "alice" not in alice.sudo_stead("up", "--no-user").stdout
    assert not alice.kubeconfig.exists()
    assert "alice" not in alice.sudo_stead("up", variables=("SUDO_UID=0", "SUDO_USER=root")).stdout
    assert "alice" not in alice.sudo_stead("restart").stdout
    assert not alice.kubeconfig.exists()


def test_a_user_cannot_make_root_write_elsewhere(machine):
    world, alice = machine, Person(machine)
    secret = world.dir / "of-root"
    secret.mkdir(mode=0o755)
    (secret / "config").write_text(CONFIG)
    (secret / "config").chmod(0o644)
    # the folder, the file and the home's name are links to what belongs to root
    for trick in (f"rm -rf ~/.kube; ln -s {secret} ~/.kube", f"rm -rf ~/.kube; mkdir ~/.kube; ln -s {secret}/config ~/.kube/config",
                  f"rm -rf ~/.kube; mkdir ~/.kube; ln -s {secret}/new ~/.kube/config",
                  "rm -rf ~/.kube; mkdir ~/.kube; mkfifo ~/.kube/config; chmod 0 ~/.kube/config"):
        alice.run("sh", "-c", trick)
        done = alice.sudo_stead("up", check=False)
        assert done.returncode == 0 and "stead is" in done.stdout, (trick, done)
        assert (secret / "config").read_text() == CONFIG, trick
        assert os.listdir(secret) == ["config"], trick
        assert (secret / "config").stat().st_uid == 0
    assert "the context was not added" in done.stderr
    # a file of the user's own in another folder is kept there
    alice.run("sh", "-c", "rm -rf ~/.kube; mkdir ~/.kube ~/dots; touch ~/dots/config; ln -s ../dots/config ~/.kube/config")
    alice.sudo_stead("up")
    assert alice.kubeconfig.is_symlink() and context_of(world) in (alice.home / "dots" / "config").read_text()


def test_the_administrators_key_does_not_go_into_a_users_home(machine):
    """sudo -E keeps HOME."""
    world, alice = machine, Person(machine)
    variables = (f"SUDO_UID={alice.uid}", f"HOME={alice.home}", "KUBECONFIG=")
    stead = ["env", *variables, alice.home / "build" / "stead"]
    place = ["--data", world.data, "--run", world.run_dir, "--instance", world.instance]
    said = world.run(*stead, "up", *place).stdout
    assert said.startswith("stead is up.\n")
    assert alice.kubeconfig.stat().st_uid == alice.uid
    who = json.loads(alice.kubectl("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]
    assert who["username"] == "alice"
    world.run(*stead, "reset", "--yes", *place)
    assert alice.kubeconfig.stat().st_uid == alice.uid and not config_of(alice)["contexts"]


# ---- the five scenarios ----

class UsersWorld(worlds.World):
    """A world whose root has started stead for alice. From then on, commands run as alice."""

    def __init__(self):
        super().__init__()
        self.by_alice = False
        self.alice = Person(self)
        self.alice.sudo_stead("up")
        self.by_alice = True

    def run(self, *args, check=True, stdin=None, timeout=worlds.LIMIT, text=True, **more):
        if not getattr(self, "by_alice", False):
            return super().run(*args, check=check, stdin=stdin, timeout=timeout, text=text, **more)
        places = {path: f"{self.alice.home}/bin/{name}" for name, path in HELMS.items()}
        return self.alice.run(*(places.get(arg, str(arg).replace(str(ROOT), f"{self.alice.home}/repository")) for arg in args),
                              check=check, stdin=stdin, timeout=timeout, text=text)

    def stead(self, *args, **more):
        if not self.by_alice:
            return super().stead(*args, **more)
        return self.run("stead", args[0], "--instance", self.instance, "--run", self.run_dir, "--data", self.data, *args[1:], **more)

    def kubectl(self, *args, version=None, **more):
        return self.run("kubectl", *args, **more) if self.by_alice else super().kubectl(*args, version=version, **more)

    def shell(self, line, **more):
        return self.run("sh", "-c", line, **more)

    def close(self):
        self.by_alice = False
        super().close()


@pytest.mark.parametrize("scenario,client", [
    (scenarios.test_scenario_1_starts_in_order_and_counts, "kubectl"),
    (scenarios.test_scenario_2_has_hooks_and_a_port_of_the_machine, "helm4"),
    (scenarios.test_scenario_3_keeps_visits_as_a_log, "kubectl"),
    (scenarios.test_scenario_4_runs_two_releases_on_one_port, "helm4"),
    (scenarios.test_scenario_5_counts_its_probes_on_its_old_claims, "kubectl")],
    ids=lambda value: value if isinstance(value, str) else value.__name__[5:15])
def test_the_scenarios_run_for_a_user_whose_administrator_has_started_stead(request, monkeypatch, scenario, client):
    monkeypatch.setattr(Transcript, "save", lambda _: None)
    world = UsersWorld()
    request.addfinalizer(world.close)
    scenario(world, client)


# ---- commands without root ----

def test_commands_work_without_root(machine):
    world, alice = machine, Person(machine)
    place = ["--instance", world.instance, "--run", world.run_dir, "--data", world.data]
    before = alice.stead("status", *place, check=False)
    assert before.returncode == 1 and "stead is not running" in before.stdout
    alice.sudo_stead("up")

    def stead(*args, **more):
        return alice.stead(args[0], *place, *args[1:], **more)

    status = stead("status").stdout
    assert re.search(r"^stead \S+ is running, pid \d+", status) and f"Data:    {world.data}" in status
    assert status.splitlines()[1:4] == world.stead("status").stdout.splitlines()[1:4]
    assert stead("image", "ls").stdout == world.stead("image", "ls").stdout
    alice.run("sh", "-c", f"cat > web.yaml && stead apply -f web.yaml {' '.join(map(str, place))}",
              stdin=(ROOT / "examples" / "scenario1.yaml").read_text())
    stead("rollout", "status", "sts/time-server")
    assert "time-server-0" in stead("get", "pods").stdout
    assert stead("exec", "time-server-0", "--", "echo", "hello").stdout == "hello\n"
    assert stead("logs", "time-server-0").stdout == world.out("logs", "time-server-0") != ""
    assert "Container started" in stead("events").stdout
    stead("scale", "sts/time-server", "--replicas=1")
    stead("rollout", "status", "sts/time-server")
    url = stead("service", "time-server", "--url").stdout.strip()
    assert url == world.stead("service", "time-server", "--url").stdout.strip()
    assert "Visits: 1" in alice.run("curl", "-sS", url).stdout
    assert stead("service", "list").stdout == world.stead("service", "list").stdout
    world.stead("down")
    for command in (["status"], ["get", "pods"], ["image", "ls"], ["service", "list"]):
        done = stead(*command, check=False)
        assert done.returncode == 1 and "Start it with: sudo stead up" in done.stderr, done


def test_what_needs_root_says_why_and_what_to_type(machine):
    world, alice = machine, Person(machine)
    place = ["--run", world.run_dir, "--data", world.data]
    alice.sudo_stead("up")
    for command, why in ((["down"], "belong to root"), (["restart"], "belongs to root"), (["reset", "--yes"], "belong to root"),
                         (["image", "import", "my app.tar"], "images of this machine"), (["image", "rm", "web:1"], "images of this machine")):
        done = alice.stead(*command, *place, check=False)
        assert done.returncode == 1 and why in done.stderr, done
        line = " ".join(f"'{word}'" if " " in word else word for word in map(str, (*command, *place)))
        assert done.stderr.endswith(f"Type: sudo stead {line}\n"), done
    # nothing of the run and data folders is open to the user
    assert alice.run("ls", world.run_dir, check=False).returncode != 0
    assert alice.run("ls", world.data, check=False).returncode != 0


def test_the_pages_about_the_server_are_for_those_who_may_read_them(machine):
    world, alice = machine, Person(machine)
    alice.sudo_stead("up", "--user-group", "lookers")
    # the second group of the certificate gives these two pages, and nothing of the API
    assert "is running" in alice.kubectl("get", "--raw", "/stead/status").stdout
    assert "time-server" in alice.kubectl("get", "--raw", "/stead/images").stdout
    assert alice.kubectl("get", "pods", check=False).returncode == 1
    # a pod's ServiceAccount may not read them
    refused = world.kubectl("get", "--raw", "/stead/status", "--as=system:serviceaccount:default:default",
                            "--as-group=system:serviceaccounts", "--as-group=system:authenticated", check=False)
    assert refused.returncode == 1 and "Forbidden" in refused.stderr
    missing = world.kubectl("get", "--raw", "/stead/options", check=False)
    assert missing.returncode == 1 and "NotFound" in missing.stderr
    # without a certificate
    port = re.search(r"server: https://[^:]*:(\d+)", alice.kubeconfig.read_text())[1]
    assert alice.run("curl", "-sk", f"https://127.0.0.1:{port}/stead/status").stdout.count('"code": 403') == 1
    # what is not allowed to nodes is not needed for the address of a service
    world.kubectl("create", "clusterrolebinding", "lookers", "--clusterrole=view", "--group=lookers")
    world.kubectl("create", "service", "nodeport", "web", "--tcp=80:80", "--node-port=30123")
    done = alice.stead("service", "web", "--url", "--run", world.run_dir, "--instance", world.instance, check=False)
    assert done.stdout == "http://127.0.0.1:30123\n" and "no ready endpoint" in done.stderr


# ---- docs/users.md ----

def blocks(part):
    """The commands of a part of the page, block by block, line by line."""
    text = (ROOT / "docs" / "users.md").read_text().split("\n## ")[part]
    return [block.strip().splitlines() for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)]


def type_all(alice, lines):
    """Types the lines as alice, whose sudo is a root of this world."""
    printed = []
    for line in lines:
        if line.startswith("sudo "):
            path = f"{alice.home}/build:{alice.home}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            done = alice.world.run("env", f"SUDO_UID={alice.uid}", f"HOME={alice.world.dir}", "KUBECONFIG=", f"PATH={path}",
                                   *line.split()[1:])
        else:
            done = alice.run("bash", "-c", f"set -o pipefail; {line}")
        printed.append(done.stdout)
    return printed


def test_the_page_about_users_works_as_it_is_written(machine):
    alice = Person(machine, subids="300000:65536")
    machine.run("sh", "-ec", "mount -t tmpfs none /run; cd; mkdir -p over/new over/work lib; mount -t overlay -o "
                "lowerdir=/var/lib,upperdir=over/new,workdir=over/work none /var/lib; mkdir -p /var/lib/stead; "
                "mount --bind lib /var/lib/stead")
    try:
        own, fewer = blocks(1)
        printed = type_all(alice, own)
        assert "alice may do everything in this cluster now" in printed[0] and "Ready" in printed[1]
        assert "is running" in printed[2] and "time-server" in printed[3] and "kubernetes" in printed[4]
        printed = type_all(alice, fewer)
        assert "for alice, in the group developers." in printed[0]
        denied = alice.kubectl("create", "configmap", "mine", check=False)
        assert denied.returncode == 1 and "is forbidden" in denied.stderr
        shown = re.search(r"^\$ stead down\n(stead: .*)$", (ROOT / "docs" / "users.md").read_text(), re.M)[1]
        assert alice.stead("down", check=False).stderr == shown + "\n"
    finally:
        machine.run(alice.home / "build" / "stead", "reset", "--yes", check=False)
    (without,) = blocks(2)
    printed = type_all(alice, without)
    assert 'The context "stead-user"' in printed[0] and "Rootless:" in printed[1]
    assert "Visits: 1" in printed[5] and "All of stead's state is removed." in printed[7]
