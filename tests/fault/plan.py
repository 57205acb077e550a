# SPDX-License-Identifier: Apache-2.0
"""The fault plan (src/base/fault.h) that a test and the servers of a world share."""
import mmap
import struct

NAME = 64
NAMES = 128
HEAD = struct.Struct(f"QQQ{NAME}s")
SEEN = struct.Struct(f"{NAME}sQ")
SIZE = HEAD.size + NAMES * SEEN.size


class Plan:
    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(SIZE))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), SIZE)

    def arm(self, name, n, kill):
        """The n-th time that the point is passed from now on fails, or ends the server."""
        self.disarm()
        HEAD.pack_into(self.map, 0, 0, 0, int(kill), name.encode() + b"$")
        struct.pack_into("Q", self.map, 0, n)

    def disarm(self):
        struct.pack_into("Q", self.map, 0, 0)

    def fired(self):
        n, hits = struct.unpack_from("QQ", self.map, 0)
        return n and hits >= n

    def clear(self):
        self.map[:] = bytes(SIZE)

    def passed(self):
        """{point: how often it was passed} since the plan was made or cleared."""
        seen = {}
        for i in range(NAMES):
            name, n = SEEN.unpack_from(self.map, HEAD.size + i * SEEN.size)
            if n:
                seen[name.rstrip(b"\0").decode()] = n
        return seen
