# SPDX-License-Identifier: Apache-2.0
"""stead's own commands do what kubectl's do, and print the same, byte for byte but for ages."""
import json
import os
import pty
import re
import select
import shlex
import time

import pytest

from world import BUILD, ROOT

EXAMPLE = ROOT / "examples" / "scenario1.yaml"


class Stead:
    def __init__(self, world):
        self.world = world

    def args(self, command, *args):
        w = self.world
        return [BUILD / "stead", command, "--data", w.data, "--run", w.run_dir, "--kubeconfig", w.kubeconfig, *args]

    def run(self, command, *args, **more):
        return self.world.run(*self.args(command, *args), **more)

    def __call__(self, command, *args, **more):
        return self.run(command, *args, **more).stdout

    def start(self, command, *args):
        """A command that goes on until stop()."""
        process = self.world.start("sh", "-c", 'echo $$; exec "$@"', "sh", *self.args(command, *args))
        process.inner = process.stdout.readline().strip()
        return process

    def stop(self, process):
        self.world.run("kill", process.inner)
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def s(shared):
    stead = Stead(shared)
    assert stead("apply", "-f", EXAMPLE) == "service/time-server created\nstatefulset.apps/time-server created\n"
    stead("rollout", "status", "sts/time-server", "--timeout", "60s")
    return stead


def ageless(text):
    """Ages and the room they take: with their column's blanks."""
    return re.sub(r"\b(\d+[smhd])+\b *", "AGE ", text)


@pytest.mark.parametrize("args", [
    "po,sts,svc,pvc", "po", "po -o wide", "sts -o wide", "svc -o wide", "no", "-A po,no,ns,sc,pv", "all",
    "po/time-server-0 sts/time-server", "po time-server-1 time-server-0", "po -l app=time-server --no-headers",
    "po -l none=such", "cm -A", "po --show-labels", "po,svc -o name", "sts/time-server -o yaml", "sts -o json",
    "po,svc -o yaml", "po nope", "po time-server-0 nope", "-A no", "storageclasses.storage.k8s.io", "pvc --no-headers", "ep", "endpointslice,ev -A",
    "deployment.v1.apps", "-A all -o wide", "po,nope", "po --ignore-not-found nope", "svc kubernetes -o json",
])
def test_get_prints_what_kubectl_prints(s, args):
    ours = s.run("get", *args.split(), check=False)
    theirs = s.world.kubectl("get", *args.split(), check=False)
    assert ours.returncode == theirs.returncode
    assert ageless(ours.stdout) == ageless(theirs.stdout)
    assert ours.stderr == theirs.stderr


@pytest.fixture(scope="module")
def kinds(s):
    """One object of most kinds."""
    k = s.world.out
    k("create", "deployment", "page", "--image=time-server:latest", "--port=5000")
    k("patch", "deployment", "page", "-p", json.dumps({"spec": {"template": {"spec": {"containers": [
        {"name": "time-server", "imagePullPolicy": "IfNotPresent",
         "resources": {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"memory": "32M"}}}]}}}}))
    k("expose", "deployment", "page", "--port=80", "--target-port=5000")
    k("create", "job", "once", "--image=mine:1", "--", "true")
    k("create", "configmap", "words", "--from-literal=a=1", "--from-literal=b=two\nlines")
    k("create", "secret", "generic", "hidden", "--from-literal=password=secret")
    k("create", "poddisruptionbudget", "page", "--selector=app=page", "--min-available=1")
    k("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps,deployments.apps/scale")
    k("create", "role", "one", "--verb=get", "--resource=configmaps", "--resource-name=words")
    k("create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:default", "--user=ann")
    k("rollout", "status", "deployment/page", "--timeout=60s")
    return s


@pytest.mark.parametrize("args", [
    "pod time-server-1", "sts time-server", "pvc persistent-time-server-0", "cm words", "secret hidden", "node", "pv",
    "deploy page", "rs", "svc page", "job once", "pdb", "role", "rolebinding", "clusterrole view", "sa default", "ns",
    "sc standard", "ep page", "endpointslice", "controllerrevision", "pod time-server", "pod/time-server", "pod nope",
    "po,sts", "cm -A", "po -l app=page", "nope x", "po -n kube-public",
])
def test_describe_prints_what_kubectl_prints(kinds, args):
    def settled(text):
        # what changes by itself from one moment to the next
        return re.sub(r"Resource Version: .*", "", ageless(text))
    ours = kinds.run("describe", *args.split(), check=False)
    theirs = kinds.world.kubectl("describe", *args.split(), check=False)
    assert ours.returncode == theirs.returncode
    assert settled(ours.stdout) == settled(theirs.stdout)
    assert ours.stderr == theirs.stderr


@pytest.mark.parametrize("args", [
    "logs time-server-0 --tail=1", "logs sts/time-server --tail=1", "logs time-server-0 -c nope", "logs time-server-0 -p",
    "exec time-server-0 -c nope -- true", "exec nope -- true", "exec time-server-0 -- nosuchcommand",
    "exec sts/time-server -- sh -c exit\\ 3", "rollout history sts/time-server", "rollout status sts/nope",
    "rollout status pod/time-server-0", "scale sts/nope --replicas=1", "scale sts/time-server --replicas=5",
    "delete pod nope", "delete nosuch x", "delete -f /nope", "delete cm -l no=such", "apply -f /nope",
    "events --for pod/time-server-0",
])
def test_other_commands_say_what_kubectl_says(s, args):
    ours = s.run(*shlex.split(args), check=False)
    theirs = s.world.kubectl(*shlex.split(args), check=False)
    assert (ours.returncode, ageless(ours.stdout), ours.stderr) == (theirs.returncode, ageless(theirs.stdout), theirs.stderr)


def test_a_dry_run_is_asked_for_in_kubectls_words(s):
    for how in ("--dry-run", "--dry-run=server", "--dry-run=client"):
        out = s("apply", "-f", "-", how, stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"never"}}')
        assert out == "configmap/never created (server dry run)\n"
    assert s("get", "cm", "never", "--ignore-not-found") == ""
    assert s.run("apply", "-f", "-", "--dry-run=maybe", check=False, stdin="").returncode == 2


def test_get_watch_goes_on_in_the_same_columns(s):
    watch = s.start("get", "cm", "-w", "-n", "kube-public")
    lines = [watch.stdout.readline()]
    s("apply", "-n", "kube-public", "-f", "-",
      stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a-new-one"}}')
    while "a-new-one" not in lines[-1]:
        lines.append(watch.stdout.readline())
    s.stop(watch)
    assert lines[0].split()[:2] == ["NAME", "DATA"]
    assert lines[-1].index("0") == lines[0].index("DATA")


def test_apply_says_created_unchanged_and_configured_and_delete_waits(s, tmp_path):
    folder = s.world.dir / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c1}\ndata: {a: '1'}\n---\n"
                                   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c2}\n")
    (folder / "b.json").write_text('{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ConfigMap",'
                                   '"metadata":{"name":"c3"}}]}')
    (folder / "c.txt").write_text("not a manifest")
    assert s("apply", "-f", folder) == "configmap/c1 created\nconfigmap/c2 created\nconfigmap/c3 created\n"
    (folder / "a.yaml").write_text((folder / "a.yaml").read_text().replace("'1'", "'2'"))
    assert s("apply", "-f", folder) == "configmap/c1 configured\nconfigmap/c2 unchanged\nconfigmap/c3 unchanged\n"
    assert s("get", "cm/c1", "-o", "json").count('"a": "2"') == 1
    assert s("delete", "-f", folder / "b.json") == 'configmap "c3" deleted from default namespace\n'
    assert s("delete", "cm", "c1", "c2").count("deleted from default namespace") == 2
    gone = s.run("delete", "cm", "c1", check=False)
    assert (gone.returncode, gone.stderr) == (1, 'Error from server (NotFound): configmaps "c1" not found\n')
    assert s("delete", "cm", "c1", "--ignore-not-found") == ""
    bad = s.run("apply", "-f", "-", check=False, stdin="apiVersion: v1\nkind: Nope\nmetadata: {name: x}\n")
    assert bad.returncode == 1 and 'no matches for kind "Nope" in version "v1"' in bad.stderr


def test_exec_gives_exit_codes_streams_and_input(s):
    done = s.run("exec", "time-server-0", "--", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n",
                                                           "err\ncommand terminated with exit code 3\n")
    assert s("exec", "-i", "sts/time-server", "--", "wc", "-c", stdin="x" * 300000) == "300000\n"
    said = s.run("exec", "time-server-0", "ls", check=False)
    assert said.returncode == 2 and "stead exec time-server-0 -- ls" in said.stderr


def test_exec_in_a_terminal_echoes_and_gives_the_exit_code(s):
    ours, theirs = pty.openpty()
    shell = s.world.start(*s.args("exec", "-it", "time-server-0", "--", "sh"), stdin=theirs, stdout=theirs,
                          stderr=theirs)
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + 60

    def until(what):
        nonlocal seen
        while what not in seen and time.monotonic() < deadline:
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 4096)
        assert what in seen, seen

    until(b"# ")
    os.write(ours, b"echo in $((40 + 2)); tty\n")
    until(b"in 42\r\n/dev/pts/")
    os.write(ours, b"exit 5\n")
    until(b"command terminated with exit code 5")
    assert shell.wait(timeout=60) == 5
    os.close(ours)


def test_logs_follow_prefix_and_tail(s):
    one = s("logs", "time-server-0", "--tail=1")
    assert one == s.world.out("logs", "time-server-0", "--tail=1")
    assert s("logs", "-l", "app=time-server", "--prefix", "--tail=1").count("[pod/time-server-") == 5
    follow = s.start("logs", "time-server-1", "-f")
    assert "time-server" in follow.stdout.readline()
    s.stop(follow)
    assert "nope" in s.run("logs", "time-server-0", "-c", "nope", check=False).stderr


def test_scale_rollout_and_events(s):
    assert s("scale", "sts/time-server", "--replicas=3") == "statefulset.apps/time-server scaled\n"
    wrong = s.run("scale", "sts/time-server", "--replicas=2", "--current-replicas=9", check=False)
    assert wrong.returncode == 1 and "Expected replicas to be 9, was 3" in wrong.stderr
    assert s("rollout", "restart", "sts/time-server") == "statefulset.apps/time-server restarted\n"
    assert "3 new pods have been updated" in s("rollout", "status", "sts/time-server", "--timeout=60s")
    history = s("rollout", "history", "sts/time-server")
    assert history == s.world.out("rollout", "history", "sts/time-server")
    assert s("rollout", "undo", "sts/time-server") == "statefulset.apps/time-server rolled back\n"
    s("rollout", "status", "sts/time-server", "--timeout=60s")
    assert s("events", "--for", "pod/time-server-0").splitlines()[0].split("  ")[0] == "LAST SEEN"
    assert "Started" in s("events", "--for", "pod/time-server-0")


BROKEN = """
apiVersion: v1
kind: Pod
metadata: {name: broken, labels: {app: broken}}
spec: {containers: [{name: main, image: "time-server:latest", command: [sh, -c, "echo no database; exit 3"]}]}
---
apiVersion: v1
kind: Service
metadata: {name: broken}
spec: {selector: {app: broken}, ports: [{port: 80}]}
"""


def test_why_leads_to_the_cause_and_tells_by_its_exit_code(s):
    assert s("why", "sts/time-server", "svc/time-server", "pod/time-server-0").splitlines() == [
        "statefulset/time-server waits for nothing", "service/time-server waits for nothing", "pod/time-server-0 waits for nothing"]
    s.world.apply(BROKEN)
    s.world.kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff", "pod/broken",
                    "--timeout=60s")
    done = s.run("why", "svc", "broken", "-o", "json", check=False)
    said = json.loads(done.stdout)
    assert done.returncode == 1 and said["object"] == "service/broken" and said["waits"]
    assert [step["reason"] for step in said["chain"]] == ["NoEndpoints", "CrashLoopBackOff"]
    assert "exit code 3" in said["chain"][1]["message"] and said["chain"][1]["message"].endswith("its last line: no database")
    assert said["chain"][1]["next"] == "read what it wrote: kubectl logs broken -c main --previous -n default"
    text = s.run("why", "pod/broken", check=False)
    assert text.returncode == 1 and text.stdout.startswith("pod/broken waits (CrashLoopBackOff): container main has ended ")
    nothing = s.run("why", "pod/nope", check=False)
    assert nothing.returncode == 1 and 'pods "nope" not found' in nothing.stderr
    assert s.run("why", "pods", check=False).stderr == "stead: 'why' needs a name: stead why pod/NAME\n"
    s.world.kubectl("delete", "pod/broken", "svc/broken", "--grace-period=0", "--force")


@pytest.mark.parametrize("args,right", [
    (["get"], "stead get KIND"), (["get", "foo"], 'resource type "foo"'), (["get", "po", "-o", "xml"], "yaml, json"),
    (["get", "po", "--selektor=x"], "--selector"), (["scale", "sts/web"], "--replicas=3"), (["apply"], "-f"),
    (["delete"], "stead delete pod web-0"), (["logs"], "stead logs POD"), (["rollout", "stat", "sts/x"], "undo"),
    (["demo", "nope"], "scenario1"), (["delete", "po"], "--all"), (["get", "po", "sts/x"], "KIND/NAME"),
])
def test_wrong_usage_says_what_would_be_right(s, args, right):
    done = s.run(*args, check=False)
    assert done.returncode in (1, 2)
    assert right in done.stderr + done.stdout


def test_a_demo_starts_stead_and_shows_what_is_there(machine):
    out = machine.stead("demo", "scenario2").stdout
    assert "stead is up" in out and "app-python: 3 of 3 ready" in out
    assert "statefulset.apps/app-python   3/3" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("word,said", [
    ("dwon", 'did you mean "down"'), ("lgos", 'did you mean "logs"'), ("describ", 'did you mean "describe"'),
    ("rollouts", 'did you mean "rollout"'), ("create", "kubectl has it: kubectl create"),
    ("port-forward", "kubectl port-forward"), ("xyzzy", "there is no command \"xyzzy\". See 'stead help'"),
    ("--data=/x", "stead COMMAND [OPTIONS]"),
])
def test_a_word_that_is_no_command_gets_the_one_that_was_meant(s, word, said):
    done = s.world.run(BUILD / "stead", word, check=False)
    assert done.returncode == 2 and said in done.stderr


def test_bash_completes_commands_options_kinds_and_names(s):
    w = s.world
    tools = w.dir / "completing"
    tools.mkdir()
    (tools / "stead").write_text(f'#!/bin/sh\ncase $1 in get) exec {BUILD}/stead "$@" --data {w.data} --run {w.run_dir} '
                                 f'--kubeconfig {w.kubeconfig};; esac\nexec {BUILD}/stead "$@"\n')
    (tools / "stead").chmod(0o755)

    def complete(*words):
        line = " ".join(f"'{word}'" for word in words)
        return w.run("env", f"PATH={tools}:/usr/bin:/bin", "bash", "-c", f"source <(stead completion bash); COMP_WORDS=({line}); "
                     f"COMP_CWORD={len(words) - 1}; _stead; printf '%s\\n' \"${{COMPREPLY[@]}}\"").stdout.split()

    assert complete("stead", "ro") == ["rollout"]
    assert complete("stead", "get", "stat") == ["statefulsets"]
    assert "--selector" in complete("stead", "get", "--s") and "-n" in complete("stead", "get", "-n")
    assert complete("stead", "logs", "time-server-0") == ["time-server-0"]
    assert complete("stead", "rollout", "status", "statefulset") == ["statefulset.apps/time-server"]
