#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_image.py ARCHIVE: the image that stead brings along is small, whole, and needs nothing from outside."""
import hashlib
import io
import json
import os
import sys
import tarfile
import unittest

LIMIT = 5_000_000


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tarfile.open(ARCHIVE) as archive:
            read = lambda name: archive.extractfile(name).read()
            cls.manifest = json.loads(read("manifest.json"))
            cls.config = json.loads(read(cls.manifest[0]["Config"]))
            cls.blob = read(cls.manifest[0]["Layers"][0])
        cls.layer = tarfile.open(fileobj=io.BytesIO(cls.blob))

    def read(self, path):
        return self.layer.extractfile(path).read()

    def test_it_is_small(self):
        self.assertLess(os.path.getsize(ARCHIVE), LIMIT)

    def test_digests_fit(self):
        self.assertEqual(self.config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(self.blob).hexdigest()])

    def test_it_says_how_it_is_run(self):
        self.assertEqual(self.manifest[0]["RepoTags"], ["time-server:latest"])
        config = self.config["config"]
        self.assertEqual(config["Entrypoint"], ["/usr/bin/time-server"])
        self.assertEqual(config["WorkingDir"], "/app_python")
        self.assertIn("5000/tcp", config["ExposedPorts"])

    def test_programs_are_static(self):
        for path in "usr/bin/time-server", "bin/busybox":
            program = self.read(path)
            self.assertEqual(program[:4], b"\x7fELF")
            self.assertNotIn(b"/ld-linux", program[:8192])
            self.assertEqual(self.layer.getmember(path).mode & 0o777, 0o755)

    def test_what_people_type_is_there(self):
        for name in "sh", "cat", "ls", "df", "id", "wget", "chown", "vi":
            self.assertEqual(self.layer.getmember("bin/" + name).linkname, "bin/busybox")

    def test_zones_are_there(self):
        for zone in "Europe/Moscow", "America/New_York", "Asia/Tokyo", "Etc/UTC", "UTC":
            member = self.layer.getmember("usr/share/zoneinfo/" + zone)
            self.assertTrue(member.linkname or self.read(member.name)[:4] == b"TZif")

    def test_folders_can_be_used(self):
        self.assertEqual(self.layer.getmember("tmp").mode, 0o1777)
        self.assertEqual(self.layer.getmember("app_python").uid, 1000)
        self.assertIn(b"app:x:1000:1000:", self.read("etc/passwd"))
        self.assertIn(b"root:x:0:0:", self.read("etc/passwd"))


if __name__ == "__main__":
    ARCHIVE = sys.argv.pop()
    unittest.main()
