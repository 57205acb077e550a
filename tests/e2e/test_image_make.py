# SPDX-License-Identifier: Apache-2.0
"""`stead image make` of a large folder shows how far it is, and leaves nothing when it is interrupted."""
import os
import pty
import signal

import pytest

from world import BUILD, descendants

SIZE = 256 << 20


@pytest.fixture
def place(machine):
    """A machine with a folder for temporary files of its own, and a large folder to make an image of."""
    temporary, source = machine.dir / "tmp", machine.dir / "source"
    temporary.mkdir()
    source.mkdir()
    with open(source / "big", "wb") as file:
        file.truncate(SIZE)
    machine.run("mount", "--bind", temporary, "/var/tmp")
    machine.temporary, machine.source = temporary, source
    return machine


def start(world, **more):
    return world.start(BUILD / "stead", "image", "make", "big:1", world.source, "--data", world.data, "--run", world.run_dir,
                       **more)


def interrupt_when_there_is(world, process, pattern):
    world.run("sh", "-c", f"until ls -d {pattern} 2>/dev/null | grep -q .; do :; done", timeout=60)
    for pid in descendants(process.pid)[-1:]:
        os.kill(pid, signal.SIGINT)
    process.wait(timeout=60)


@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize("phase", ["reading", "unpacking"])
def test_interrupted_make_leaves_nothing(place, server, phase):
    if server:
        place.stead("up")
    else:
        place.stead("image", "ls")  # makes the folders of the store
    unpacked = f"{place.data}/images/tmp"
    process = start(place)
    interrupt_when_there_is(place, process, f"{place.temporary}/stead-image-*" if phase == "reading" else f"{unpacked}/*")
    assert process.returncode != 0
    process.stdout.close()
    place.run("sh", "-c", f"while ls {unpacked}/* 2>/dev/null | grep -q .; do :; done", timeout=60)
    assert not list(place.temporary.iterdir())
    assert "big" not in place.stead("image", "ls").stdout


def test_terminal_sees_the_progress(place):
    ours, theirs = pty.openpty()
    process = start(place, stderr=theirs)
    os.close(theirs)
    said = process.communicate(timeout=120)[0]
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert said == "big:1 made\n"
    assert b"big:1: reading" in shown and b" of 0.27 GB" in shown and b"big:1: unpacking" in shown
    assert not list(place.temporary.iterdir())
