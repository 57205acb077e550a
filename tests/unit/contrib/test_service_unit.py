#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The systemd unit, as it is installed: the promises that its other tests cannot see without systemd."""
import configparser
import sys
import unittest

UNIT = sys.argv.pop(1)


class ServiceUnit(unittest.TestCase):
    def setUp(self):
        self.unit = configparser.RawConfigParser(strict=True)
        self.unit.optionxform = str
        self.unit.read(UNIT)

    def test_it_is_never_given_up(self):
        self.assertEqual(self.unit["Unit"]["StartLimitIntervalSec"], "0")
        self.assertEqual(self.unit["Service"]["Restart"], "on-failure")

    def test_pods_outlive_the_server(self):
        self.assertEqual(self.unit["Service"]["KillMode"], "process")

    def test_the_program_is_where_it_was_installed(self):
        for key in ("ExecStart", "ExecStartPost", "ExecStop"):
            self.assertRegex(self.unit["Service"][key], "^/.*/stead ")


if __name__ == "__main__":
    unittest.main()
