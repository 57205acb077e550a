# SPDX-License-Identifier: Apache-2.0
"""Every step that the node does for a pod fails once, and is once the last of the server.

The fault points that one pod's life passes are found by living it; then for each of them, and each time that it is
passed: the step fails (it is told, done again, and the pod becomes ready), the server dies there and is started anew (it
goes on, and leaves nothing double), the server dies there and all is reset (nothing stays behind)."""
import os
import re

import pytest

import steps

SHARDS = int(os.environ.get("STEAD_FAULT_SHARDS", "2"))
ONLY = os.environ.get("STEAD_FAULT_ONLY", "")  # names begin with this


def quiet(machine):
    """The fault did its work; no pod is there now, and nothing of any."""
    machine.plan.disarm()
    left = steps.wait_for(lambda: steps.traces(machine.world), lambda seen: not seen)
    assert not left


def cases(machine):
    """[(point, the how manieth time)] of one undisturbed life."""
    for name in ("warm", "measured"):  # the first one also makes what stays
        machine.plan.clear()
        steps.Life(machine, name).run(lambda: False)
        quiet(machine)
    return [(point, n) for point, times in sorted(machine.plan.passed().items())
            if not point.startswith(steps.ELSEWHERE) and point.startswith(ONLY) for n in range(1, times + 1)]


def fails(machine, number, point, n):
    said = len(machine.log())
    machine.plan.arm(point, n, kill=False)
    steps.Life(machine, f"f{number}").run(lambda: pytest.fail("the server died"))
    fired = machine.plan.fired()
    quiet(machine)
    _, events = machine.call("GET", steps.NAMESPACE + "/events")
    told = [event["message"] for event in events["items"] if event["type"] == "Warning"]
    told += [line for line in machine.log()[said:].splitlines() if re.search(r" (warn|error)", line, re.I)]
    machine.call("DELETE", steps.NAMESPACE + "/events")
    return fired, told


def dies(machine, number, point, n):
    machine.plan.arm(point, n, kill=True)
    deaths = []

    def on_death():
        deaths.append(number)
        machine.up()
        return True

    steps.Life(machine, f"d{number}").run(on_death)
    fired = machine.plan.fired()
    assert len(deaths) == (1 if fired else 0)
    quiet(machine)
    return fired


def is_reset(machine, number, point, n):
    machine.plan.arm(point, n, kill=True)
    steps.Life(machine, f"r{number}").run(lambda: False)
    fired = machine.plan.fired()
    machine.plan.disarm()
    if not fired:
        machine.kill()
    machine.reset()
    left = steps.wait_for(lambda: steps.all_traces(machine.world), lambda seen: not seen)
    assert not left
    machine.up()
    return fired


@pytest.fixture
def machine():
    made = steps.Machine()
    made.up()
    yield made
    made.close()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_any_step_may_fail_or_be_the_last(machine, shard):
    found = cases(machine)
    if not found:
        pytest.skip("built without fault points")
    mine = list(enumerate(found))[shard::SHARDS]
    counts = {"failed": 0, "died": 0, "reset": 0}
    wrong = []
    for number, (point, n) in mine:
        for what, run in (("failed", fails), ("died", dies), ("reset", is_reset)):
            try:
                done = run(machine, number, point, n)
                if what == "failed":
                    done, told = done
                    if done and not told and not point.startswith(SILENT):
                        wrong.append(f"{point} {n}: nobody was told")
                counts[what] += bool(done)
            except AssertionError as error:
                wrong.append(f"{point} {n} {what}: {error}")
                print(wrong[-1], flush=True)
                machine.close()
                machine.__init__()
                machine.up()
    print(f"{len(mine)} cases of {len(found)}: {counts}")
    assert not wrong, "\n".join(wrong)


# Failures that are got over at once, within the step itself, so that there is nothing to tell.
SILENT = ()
