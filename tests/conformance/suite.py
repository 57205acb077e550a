# SPDX-License-Identifier: Apache-2.0
"""Runs cases of Kubernetes' end-to-end suite against a stead in a world of its own (tests/e2e/world.py).

The suite is a program of 150 MB whose start costs a second or more, so it is given several cases at a time. When it is ended
early, or ends itself, the cases that it did not get to are given to another run."""
import dataclasses
import json
import pathlib
import queue
import re
import subprocess
import threading
import time

import registries
import world as worlds

CASES_AT_ONCE = 6
MINUTES = 12  # for one run of the program


@dataclasses.dataclass
class Result:
    case: str
    passed: bool
    seconds: float
    reason: str = ""  # the first line of what the suite says; empty when it passed


def first_line(text: str) -> str:
    """The reason of a failure in one line, without what differs from run to run."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"<[\w.*]+ \| 0x[0-9a-f]+>:? ?|0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}", "", text)
    text = re.sub(r"\b(\w+)-\d{3,5}\b", r"\1", text)
    return text[:160]


def result_of(case: str, spec: dict) -> Result:
    said = spec.get("CapturedGinkgoWriterOutput") or ""
    seconds = spec["RunTime"] / 1e9
    if spec["State"] == "passed":
        # Some cases return early, as passed, when the kind that they are about cannot be made.
        if "Unexpected error while creating CustomResourceDefinition" in said:
            return Result(case, False, seconds, "the case needs CustomResourceDefinitions and skips itself without them")
        return Result(case, True, seconds)
    message = (spec.get("Failure") or {}).get("Message", "")
    if spec["State"] in ("timedout", "interrupted"):
        message = "time ran out: " + message
    return Result(case, False, seconds, first_line(message) or spec["State"])


class Suite:
    def __init__(self, program: pathlib.Path, kubectl: str, folder: pathlib.Path):
        self.program, self.kubectl, self.folder = program, kubectl, folder
        self.runs = 0
        self.lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, world, cases, jobs, say) -> list:
        """The results of all cases, `jobs` runs of the program side by side. `say` gets each result as it comes."""
        todo, results = queue.Queue(), []
        for at in range(0, len(cases), CASES_AT_ONCE):
            todo.put(cases[at:at + CASES_AT_ONCE])

        def work():
            while True:
                try:
                    some = todo.get_nowait()
                except queue.Empty:
                    return
                found, left = self.run_some(world, some)
                for result in found:
                    say(result)
                results.extend(found)
                if left == some:  # not even one case came to its end: the program died of the first one, or each has to try alone
                    if len(some) == 1:
                        results.append(Result(some[0], False, 0, "the suite's program ended in the middle of the case"))
                        say(results[-1])
                        continue
                    for case in left:
                        todo.put([case])
                elif left:
                    todo.put(left)

        threads = [threading.Thread(target=work) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def run_some(self, world, cases):
        """Runs the program once. Gives the results, and the cases that it did not get to."""
        with self.lock:
            self.runs += 1
            base = self.folder / f"{self.runs:03}"
        # Ginkgo's flag takes a regular expression, in which a backslash before a space is an error.
        focus = "|".join(re.escape(case).replace("\\ ", " ") + "$" for case in cases)
        report = base.with_suffix(".json")
        args = ["env", f"HOME={world.dir}", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.program, f"--kubeconfig={world.kubeconfig}",
                "--provider=skeleton", f"--kubectl-path={self.kubectl}", f"--ginkgo.focus={focus}", "--ginkgo.no-color", "--ginkgo.v",
                f"--ginkgo.timeout={MINUTES}m", "--ginkgo.grace-period=20s", f"--ginkgo.json-report={report}"]
        with open(base.with_suffix(".log"), "w", encoding="utf-8") as log:
            process = world.start(*args, stdout=log, stderr=subprocess.STDOUT)
            try:
                process.wait(MINUTES * 60 + 90)
            except subprocess.TimeoutExpired:
                world.stop(process)
        try:
            specs = [spec for part in json.loads(report.read_text()) for spec in part["SpecReports"] if spec["LeafNodeType"] == "It"]
        except (OSError, ValueError):
            return [], cases
        by_name = {" ".join([*(spec["ContainerHierarchyTexts"] or []), spec["LeafNodeText"]]): spec for spec in specs}
        ran = [case for case in cases if case in by_name and not skipped(by_name[case])]
        return [result_of(case, by_name[case]) for case in ran], [case for case in cases if case not in ran]


def skipped(spec: dict) -> bool:
    """Whether the program did not get to the case. A case that skips itself gives a reason."""
    return spec["State"] in ("skipped", "pending") and not (spec.get("Failure") or {}).get("Message")


class Machine:
    """A world with a registry of the suite's images in place of the one that they are named after, and a stead."""

    def __init__(self, archives, cache):
        self.world = worlds.World()
        try:
            storage = cache / "registry"
            registry = registries.DockerRegistry(self.world, storage=storage)
            pushed = storage / "pushed"
            if not pushed.exists() or json.loads(pushed.read_text()) != archives:
                for name, archive in archives:
                    registry.push(archive, name)
                pushed.write_text(json.dumps(archives))
            conf = self.world.dir / "registries.conf"
            conf.write_text(f'[[registry]]\nprefix = "registry.k8s.io"\nlocation = "{registry.address}"\ninsecure = true\n')
            self.world.stead("up", variables=[f"CONTAINERS_REGISTRIES_CONF={conf}"])
        except BaseException:
            self.world.close()
            raise

    def __enter__(self):
        return self.world

    def __exit__(self, *_):
        self.world.close()
