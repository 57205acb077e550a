# SPDX-License-Identifier: Apache-2.0
"""Small pods for the tests of what a pod may ask of its node."""
import re

import pytest

ENDLESS = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
IMAGE = {"image": "time-server:latest", "imagePullPolicy": "IfNotPresent"}


def container(name, script, **more):
    return {"name": name, "command": ["sh", "-c", script], **IMAGE, **more}


def pod(name, script, **more):
    """A pod of one shell; keys of the container begin with c_."""
    main = container("main", script)
    main.update({key[2:]: more.pop(key) for key in list(more) if key.startswith("c_")})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [main], **more}}


class Pods:
    """Makes pods in one world; all of a test's go after it."""

    def __init__(self, world):
        self.world, self.made = world, []

    def start(self, manifest, until="condition=Ready"):
        name = manifest["metadata"]["name"]
        self.world.apply(manifest)
        self.made.append(name)
        if until:
            self.wait(name, until)
        return name

    def run(self, name, script=ENDLESS, until="condition=Ready", **more):
        return self.start(pod(name, script, **more), until)

    def wait(self, name, until):
        self.world.kubectl("wait", f"--for={until}", f"pod/{name}", "--timeout=90s")

    def waits_because(self, name, reason, status="containerStatuses"):
        """The pod's first container waits for this reason; gives the message."""
        self.wait(name, f"jsonpath={{.status.{status}[0].state.waiting.reason}}={reason}")
        return self.field(name, f".status.{status}[0].state.waiting.message")

    def sh(self, name, script, c=None, **more):
        return self.world.out("exec", name, *(["-c", c] if c else []), "--", "sh", "-c", script, **more)

    def field(self, name, path):
        return self.world.out("get", "pod", name, "-o", f"jsonpath={{{path}}}")

    def until(self, name, script, c=None):
        """Until a script in the pod says yes."""
        return self.sh(name, f"i=0; until {script}; do i=$((i+1)); [ $i -lt 600 ] || exit 1; sleep 0.1; done", c, timeout=100)

    def events(self, name):
        """{reason: [messages]}"""
        found = {}
        for event in self.world.get("events", "--field-selector", f"involvedObject.name={name}")["items"]:
            found.setdefault(event["reason"], []).append(event["message"])
        return found

    def event(self, name, reason, pattern):
        """Waits until there is an event of that reason whose message matches."""
        with_reason = ["events", "--field-selector", f"involvedObject.name={name},reason={reason}"]
        watch = self.world.start("timeout", "60", *words(self.world), "get", *with_reason, "--watch", "-o",
                                 "jsonpath={.message}{'\\n'}")
        try:
            for line in watch.stdout:
                if re.search(pattern, line):
                    return line.strip()
            raise AssertionError(f"no event {reason} of {name} with {pattern}: {self.events(name)}")
        finally:
            self.world.stop(watch)

    def close(self):
        if self.made:
            self.world.kubectl("delete", "pod", *self.made, "--grace-period=0", "--force", "--wait=false", check=False)


def words(world):
    import world as worlds
    return [worlds.KUBECTLS[worlds.NEWEST], "--cache-dir", world.dir / "cache"]


@pytest.fixture
def pods(shared):
    kit = Pods(shared)
    yield kit
    kit.close()
