# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import world as worlds  # noqa: E402


def shares(item):
    """Whether a test uses something that is made once for its file."""
    return any(fixture.scope == "module" for found in item._fixtureinfo.name2fixturedefs.values() for fixture in found)


def pytest_collection_modifyitems(items):
    # With --dist loadgroup, tests of a file that share a world stay together in one process, and all others go wherever
    # there is room. The shared ones come first, since they are the long ones.
    for item in items:
        if shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: not shares(item))
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: namespaces and mounts"))


@pytest.fixture(scope="session", autouse=True)
def no_leftovers():
    worlds.remove_stale()
    yield


def make(request, options=()):
    made = worlds.World(options)

    def close():
        if request.session.testsfailed:
            sys.stderr.write("\n---- end of the server's log ----\n" + made.log()[-6000:] + "\n")
        made.close()

    request.addfinalizer(close)
    return made


@pytest.fixture
def machine(request):
    """A world without a running stead."""
    return make(request)


@pytest.fixture
def world(request):
    """A world with a running stead, for one test."""
    return make(request).up()


@pytest.fixture(scope="module")
def shared(request):
    """A world with a running stead, for all tests of a file; each keeps to its own namespace."""
    return make(request).up()


@pytest.fixture(params=list(worlds.KUBECTLS))
def kubectl_version(request):
    return request.param
