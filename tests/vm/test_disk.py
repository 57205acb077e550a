# SPDX-License-Identifier: Apache-2.0
"""Thin volumes on a disk that gets full, with Debian's kernel: the tests of tests/e2e, with stead where the administrator has it."""
import pytest

import test_volumes
from machine import Machine


@pytest.fixture
def machine(request):
    made = Machine()

    def clean():
        made.close()
        made.run("sh", "-c", f"umount {made.data}; rmdir {made.data}; rm -f {made.dir}/disk", check=False)

    request.addfinalizer(clean)
    clean()
    return made


test_ten_writers_fill_a_disk_to_the_last_byte_and_harm_nothing = (
    test_volumes.test_ten_writers_fill_a_disk_to_the_last_byte_and_harm_nothing)
test_a_program_that_takes_all_the_room_from_volumes_harms_none_of_them = (
    test_volumes.test_a_program_that_takes_all_the_room_from_volumes_harms_none_of_them)
