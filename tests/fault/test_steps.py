# SPDX-License-Identifier: Apache-2.0
"""Every step that the node does for a pod fails once, and is once the last of the server.

The fault points that one pod's life passes are found by living it; then for each of them, and each time that it is
passed: the step fails (it is told, done again, and the pod becomes ready), the server dies there and is started anew (it
goes on, and leaves nothing double), the server dies there and all is reset (nothing stays behind)."""
import os
import re
import time

import pytest

import steps

SHARDS = int(os.environ.get("STEAD_FAULT_SHARDS", "2"))
MOST = int(os.environ.get("STEAD_FAULT_MOST", "2"))  # of the times that one point is passed
ONLY = os.environ.get("STEAD_FAULT_ONLY", "")  # names begin with this


def quiet(machine):
    """The fault did its work; no pod is there now, and nothing of any."""
    machine.plan.disarm()
    left = steps.wait_for(lambda: steps.traces(machine.world), lambda seen: not seen)
    assert not left


def passed(machine):
    """[(point, the how manieth time)], at most MOST of a point, from all over."""
    found = []
    for point, times in sorted(machine.plan.passed().items()):
        if not point.startswith(steps.ELSEWHERE) and point.startswith(ONLY):
            found += [(point, n) for n in sorted({1 + i * times // MOST for i in range(MOST)} if times > MOST
                                                 else range(1, times + 1))]
    return found


def cases(machine):
    """[(point, the how manieth time)] of one undisturbed life."""
    for name in ("warm", "measured"):  # the first one also makes what stays
        machine.plan.clear()
        steps.Life(machine, name).run(lambda: False)
        quiet(machine)
    return passed(machine)


def fails(machine, number, point, n):
    said = len(machine.log())
    machine.plan.arm(point, n, kill=False)
    steps.Life(machine, f"f{number}").run(machine.must_live)
    fired = machine.plan.fired()
    quiet(machine)
    _, events = machine.call("GET", steps.NAMESPACE + "/events")
    told = [event["message"] for event in events["items"] if event["type"] == "Warning"]
    told += [line for line in machine.log()[said:].splitlines() if re.search(r" (warn|error)", line, re.I)]
    machine.call("DELETE", steps.NAMESPACE + "/events")
    assert told or not fired or point.startswith(SILENT), "nobody was told"
    return fired


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
    if n > 1 and MOST < 100:
        return False  # once a point, unless all is wanted
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


def try_all(machine, found, ways):
    """Runs each way for each case; what went wrong with one does not keep the others from being tried."""
    wrong, counts, begin = [], dict.fromkeys((way.__name__ for way in ways), 0), time.monotonic()
    for number, (point, n) in found:
        for way in ways:
            since, happened = time.monotonic(), False
            try:
                happened = bool(way(machine, number, point, n))
                counts[way.__name__] += happened
            except (AssertionError, steps.Gone) as error:
                wrong.append(f"{point} {n}: {way.__name__}: {error}")
                print(wrong[-1], flush=True)
                machine.renew()
            print(f"{point} {n}: {way.__name__} {happened} {time.monotonic() - since:.2f} s", flush=True)
    print(f"{len(found)} cases: {counts} in {time.monotonic() - begin:.0f} s")
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def machine():
    made = steps.Machine()
    made.up()
    yield made
    made.close()


def needs_points(machine):
    if not machine.plan.passed():
        pytest.skip("built without fault points")


@pytest.mark.parametrize("shard", range(SHARDS))
def test_any_step_for_a_pod_may_fail_or_be_the_last(machine, shard):
    needs_points(machine)
    try_all(machine, list(enumerate(cases(machine)))[shard::SHARDS], (fails, dies, is_reset))


# ---- the server's own start, while a pod runs ----

def start_with(machine, point, n, kill):
    """Whether the fault happened. The server is there after it, and the pod was not disturbed."""
    machine.kill()
    machine.plan.arm(point, n, kill)
    if not machine.start():
        machine.process.wait(timeout=steps.LIMIT)
        assert kill or machine.process.returncode == 1, machine.log()[-3000:]
        assert machine.plan.fired(), machine.log()[-3000:]
        machine.up()
    try:
        machine.life.visit()
        pod = machine.life.become_ready()
    except steps.Gone:
        assert kill and machine.died()
        machine.up()
        machine.life.visit()
        pod = machine.life.become_ready()
    fired = machine.plan.fired()
    machine.plan.disarm()
    assert [c["restartCount"] for c in pod["status"]["containerStatuses"]] == [0]
    return fired


def start_fails(machine, number, point, n):
    return start_with(machine, point, n, kill=False)


def start_dies(machine, number, point, n):
    return start_with(machine, point, n, kill=True)


@pytest.fixture
def machine_with_pod():
    made = steps.MachineWithPod()
    made.up()
    yield made
    made.close()


def test_any_step_of_a_start_may_fail_or_be_the_last(machine_with_pod):
    machine = machine_with_pod
    needs_points(machine)
    for _ in range(2):
        machine.kill()
        machine.plan.clear()
        machine.up()
        machine.life.visit()
    try_all(machine, list(enumerate(passed(machine))), (start_fails, start_dies))
    machine.life.run(lambda: False)
    quiet(machine)


# Failures that are got over at once, so that there is nothing to tell: what could not be removed goes with the pod, what
# is busy is unmounted by force, what does not mount is repaired and mounted, what is not let go is let go by the runtime.
# A program may be through before it can be killed; a failed sync is made up for, but not always told.
SILENT = ("file.remove", "file.sync", "node.unmount", "node.volume.mount", "node.let_go", "process.spawned",
          "node.conmon.spawned")
