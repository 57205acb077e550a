# SPDX-License-Identifier: Apache-2.0
"""Several servers on one machine, and what is said when they, or their options, clash."""
import re

import pytest

from world import BUILD, ROOT

FIRST = {"--listen": "127.0.0.1:6443", "--pod-cidr": "10.42.0.0/24", "--service-cidr": "10.96.0.0/12",
         "--lb-cidr": "10.43.0.0/24"}
OTHER = {"--listen": "127.0.0.1:7443", "--pod-cidr": "10.52.0.0/24", "--service-cidr": "10.112.0.0/16",
         "--lb-cidr": "10.53.0.0/24"}


def second(world, command, *words, options=(), check=False):
    """A command of another instance on the same machine."""
    folder = world.dir / "second"
    return world.run(BUILD / "stead", command, *words, "--data", folder / "data", "--run", folder / "run", "--kubeconfig",
                     world.kubeconfig, *options, check=check)


def flat(options):
    return [word for pair in options.items() for word in pair]


def left(world):
    """What a server makes on a machine: links, addresses, routes, tables, folders."""
    text = world.run("sh", "-c", "ip -br link | cut -d' ' -f1; ip -br addr; ip route; nft list tables").stdout
    folders = sorted(str(path) for path in (world.dir / "second").rglob("*"))
    # whether a bridge without ports has a carrier is for the kernel to say, whenever it likes
    return re.sub(r"\b(UP|DOWN|UNKNOWN|linkdown)\b", "", text).split(), folders


@pytest.mark.parametrize("same", list(FIRST))
def test_a_second_server_that_clashes_is_refused_and_leaves_nothing(shared, same):
    before = left(shared)
    done = second(shared, "up", options=flat({**OTHER, same: FIRST[same]}))
    assert done.returncode == 1, done
    if same == "--listen":
        assert "127.0.0.1:6443" in done.stderr and "in use" in done.stderr
    else:
        assert f"{same} {FIRST[same]} overlaps the route {FIRST[same]} on the link {shared.instance}" in done.stderr
    assert left(shared) == before
    shared.stead("restart")  # the first one starts again as it did
    assert shared.out("get", "ns", "default", "-o", "name") == "namespace/default\n"


def test_ranges_that_overlap_each_other_are_refused(machine):
    for options, said in (({"--pod-cidr": "10.43.0.0/24"}, "--pod-cidr 10.43.0.0/24 and --lb-cidr 10.43.0.0/24 overlap"),
                          ({"--pod-cidr": "10.96.7.0/24"}, "--pod-cidr 10.96.7.0/24 and --service-cidr 10.96.0.0/12 overlap"),
                          ({"--lb-cidr": "10.0.0.0/8"}, "--pod-cidr 10.42.0.0/24 and --lb-cidr 10.0.0.0/8 overlap")):
        done = second(machine, "up", options=flat(options))
        assert (done.returncode, done.stdout) == (2, "") and said in done.stderr
    assert not (machine.dir / "second").exists()


def test_a_range_that_the_machine_is_in_is_refused(machine):
    machine.run("ip", "link", "add", "lan", "type", "bridge")
    machine.run("ip", "addr", "add", "10.100.7.9/16", "dev", "lan")
    machine.run("ip", "link", "set", "lan", "up")
    done = machine.stead("up", check=False)
    assert done.returncode == 1
    assert "--service-cidr 10.96.0.0/12 overlaps the route 10.100.0.0/16 on the link lan" in done.stderr
    machine.run("ip", "route", "add", "default", "dev", "lan")  # which overlaps everything, and may
    machine.run("ip", "addr", "flush", "dev", "lan")
    machine.up()


def test_two_servers_run_side_by_side_each_with_its_context(shared):
    done = second(shared, "up", options=flat(OTHER), check=True)
    context = re.search(r'The context "(stead-\w+)" in ', done.stdout)[1]
    contexts = shared.out("config", "get-contexts", "-o", "name").split()
    assert sorted(contexts) == sorted([context, f"stead-{shared.instance}"])
    for name, port in ((context, 7443), (f"stead-{shared.instance}", 6443)):
        assert f"127.0.0.1:{port}" in shared.out("--context", name, "cluster-info")
    assert second(shared, "get", "ns").stdout.count("Active") >= 3  # its own context, without --context
    # names are answered at the tenth address of its own services
    assert "inet 10.112.0.10/32" in shared.run("ip", "-o", "addr").stdout
    assert second(shared, "down").stdout == f"stead is down. Its data are kept in {shared.dir}/second/data.\n"
    second(shared, "up", options=flat(OTHER), check=True)
    second(shared, "reset", "--yes", check=True)
    assert shared.out("config", "get-contexts", "-o", "name").split() == [f"stead-{shared.instance}"]
    shared.kubectl("config", "use-context", f"stead-{shared.instance}")
    assert shared.out("get", "ns", "default", "-o", "name") == "namespace/default\n"


def test_up_of_a_running_server_does_not_ignore_options(shared):
    done = shared.stead("up", "--listen", "127.0.0.1:7777", "--lb-cidr", "10.99.0.0/24", check=False)
    assert (done.returncode, done.stdout) == (2, "")  # the ranges overlap, before anything else
    done = shared.stead("up", "--listen", "127.0.0.1:7777", "--domain", "cluster.local", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the server already runs with --listen 127.0.0.1:6443 instead of 127.0.0.1:7777." in done.stderr
    assert "stead is already up" in shared.stead("up", "--listen", "127.0.0.1:6443").stdout


def test_restart_keeps_what_the_command_line_does_not_say(machine):
    place = ["--run", machine.run_dir, "--kubeconfig", machine.kubeconfig]
    done = machine.run(BUILD / "stead", "restart", *place, "--data", machine.data, "--instance", machine.instance,
                       "--listen", "127.0.0.1:7443")
    assert done.stdout.startswith(f'stead was not running; it is up now. The context "stead-{machine.instance}" in ')
    machine.run(BUILD / "stead", "restart", *place)  # nothing said
    assert "https://127.0.0.1:7443" in machine.run(BUILD / "stead", "status", *place).stdout
    # the folder is the server's, whatever the command takes for it
    refused = machine.run(BUILD / "stead", "reset", "--yes", *place, "--data", machine.dir / "elsewhere", check=False)
    assert refused.returncode == 1 and f"has its data in {machine.data}" in refused.stderr
    assert machine.run(BUILD / "stead", "down", *place).stdout == f"stead is down. Its data are kept in {machine.data}.\n"


def test_folders_may_be_given_relative_to_here(machine):
    below = machine.dir / "below"
    below.mkdir()
    line = (f"cd {below} && {BUILD}/stead up --data ../x/./data --run ../x/y/../run --kubeconfig ../config "
            f"--instance {machine.instance}")
    machine.run("sh", "-c", line)
    status = machine.run(BUILD / "stead", "status", "--run", machine.dir / "x" / "run").stdout
    assert f"Data:    {machine.dir}/x/data\n" in status and f"Run:     {machine.dir}/x/run\n" in status
    machine.kubeconfig = machine.dir / "config"
    machine.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                   "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                       {"name": "p", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent"}]}})
    machine.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    machine.run(BUILD / "stead", "reset", "--yes", "--data", machine.dir / "x" / "data", "--run", machine.dir / "x" / "run",
                "--kubeconfig", machine.kubeconfig)


@pytest.mark.parametrize("page", ["README.md", "docs/HACKING.md"])
def test_the_example_of_two_at_once_works_as_typed(shared, page):
    text = (ROOT / page).read_text()
    command = re.search(r"(?:build/)?stead up (--data(?:[^`\\\n]|\\\n)*)", text)[1].replace("\\\n", " ")
    data, folder = (re.search(rf"--{option} (\S+)", command)[1] for option in ("data", "run"))
    done = shared.run("unshare", "--mount", "sh", "-c",
                      f"export HOME={shared.dir}; mount -t tmpfs none /run; mkdir -p {shared.dir}/tmp; "
                      f"mount --bind {shared.dir}/tmp /tmp; {BUILD}/stead up {command} && {BUILD}/stead reset --yes --run {folder} "
                      f"--data {data}", check=False)
    assert done.returncode == 0, done
    assert "stead is up" in done.stdout and "All of stead's state is removed." in done.stdout
