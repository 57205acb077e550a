#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a docker archive of one layer from a description in JSON, without Docker and as anybody.

The same input gives the same bytes: names are sorted, times are SOURCE_DATE_EPOCH or 0, owners are 0. The description:

  names    what the image is called: ["time-server:latest"]
  config   the image's configuration as Docker writes it: Entrypoint, Env, ExposedPorts, WorkingDir...
  files    a list of
             {"path": P, "from": SOURCE}               a file; its mode follows the source's x bit unless given
             {"path": P, "text": "..."}                a file of that text
             {"path": P, "link": TARGET}               a symbolic link
             {"path": P, "links": [NAMES], "to": T}    P/NAME -> T for each name; NAMES may be "@KEY", a file of lines
             {"path": P}                               a folder
             {"path": P, "tree": SOURCE, "skip": [..]} a folder with all that is below; links stay links
           each with an optional "mode" ("1777"), "uid" and "gid". Folders above are made.

A SOURCE "@KEY" stands for the path of KEY=PATH on the command line. --depfile writes what was read, for ninja.
"""
import argparse
import hashlib
import io
import json
import os
import pathlib
import sys
import tarfile

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))


class Layer:
    """The entries of a layer by path; parents come into being by themselves."""

    def __init__(self, sources: dict[str, str]):
        self.sources = sources
        self.entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
        self.read: list[str] = []

    def source(self, text: str) -> pathlib.Path:
        if text.startswith("@"):
            if text[1:] not in self.sources:
                sys.exit(f"make_image: {text} is not given: add {text[1:]}=PATH")
            text = self.sources[text[1:]]
        return pathlib.Path(text)

    def load(self, path: pathlib.Path) -> bytes:
        self.read.append(str(path))
        return path.read_bytes()

    def put(self, path: str, kind: bytes, mode: int, item: dict, data: bytes = b"", target: str = "") -> None:
        name = path.strip("/")
        parent = os.path.dirname(name)
        if parent and parent not in self.entries:
            self.put(parent, tarfile.DIRTYPE, 0o755, {})
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime, info.size, info.linkname = kind, mode, EPOCH, len(data), target
        info.uid, info.gid = item.get("uid", 0), item.get("gid", 0)
        self.entries[name] = (info, data)

    def put_file(self, path: str, source: pathlib.Path, item: dict) -> None:
        mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
        self.put(path, tarfile.REGTYPE, int(item["mode"], 8) if "mode" in item else mode, item, self.load(source))

    def put_tree(self, path: str, root: pathlib.Path, item: dict) -> None:
        skip = set(item.get("skip", []))
        for folder, folders, files in os.walk(root):
            below = pathlib.Path(folder).relative_to(root)
            folders[:] = sorted(f for f in folders if str(below / f) not in skip)
            for name in sorted(files + [f for f in folders if (pathlib.Path(folder) / f).is_symlink()]):
                source, inside = pathlib.Path(folder) / name, below / name
                if str(inside) in skip:
                    continue
                if source.is_symlink():
                    self.put(f"{path}/{inside}", tarfile.SYMTYPE, 0o777, {}, target=os.readlink(source))
                else:
                    self.put_file(f"{path}/{inside}", source, {"mode": "0644"})

    def add(self, item: dict) -> None:
        path = item["path"]
        mode = int(item["mode"], 8) if "mode" in item else None
        if "from" in item:
            self.put_file(path, self.source(item["from"]), item)
        elif "text" in item:
            self.put(path, tarfile.REGTYPE, mode or 0o644, item, item["text"].encode())
        elif "link" in item:
            self.put(path, tarfile.SYMTYPE, 0o777, item, target=item["link"])
        elif "links" in item:
            names = item["links"]
            if isinstance(names, str):
                names = self.load(self.source(names)).decode().split()
            for name in (name for name in names if name != item["to"]):
                self.put(f"{path}/{name}", tarfile.SYMTYPE, 0o777, item, target=item["to"])
        else:
            self.put(path, tarfile.DIRTYPE, mode or 0o755, item)
            if "tree" in item:
                self.put_tree(path, self.source(item["tree"]), item)

    def tar(self) -> bytes:
        return make_tar([self.entries[name] for name in sorted(self.entries)])


def make_tar(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    # tarfile fills the last record up to 10 KiB; two empty blocks are the end of an archive.
    return out.getvalue().rstrip(b"\0") + b"\0" * (1024 + -len(out.getvalue().rstrip(b"\0")) % 512)


def to_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def make_archive(description: dict, layer: bytes) -> bytes:
    diff = hashlib.sha256(layer).hexdigest()
    created = "1970-01-01T00:00:00Z"
    if EPOCH:
        import datetime
        created = datetime.datetime.fromtimestamp(EPOCH, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = to_json({
        "architecture": description.get("architecture", "amd64"), "os": "linux", "created": created,
        "config": description.get("config", {}),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
        "history": [{"created": created, "created_by": "tools/make_image.py"}],
    })
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = to_json([{"Config": name, "RepoTags": description["names"], "Layers": [f"{diff}/layer.tar"]}])
    entries = []
    for path, data in ((f"{diff}/layer.tar", layer), (name, config), ("manifest.json", manifest)):
        info = tarfile.TarInfo(path)
        info.mode, info.mtime, info.size = 0o644, EPOCH, len(data)
        entries.append((info, data))
    return make_tar(entries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("description", help="JSON, see the top of this file")
    parser.add_argument("sources", nargs="*", metavar="KEY=PATH", help='what "@KEY" stands for')
    parser.add_argument("--output", required=True)
    parser.add_argument("--depfile")
    options = parser.parse_args()
    description = json.loads(pathlib.Path(options.description).read_text())
    layer = Layer(dict(text.split("=", 1) for text in options.sources))
    for item in description["files"]:
        layer.add(item)
    output = pathlib.Path(options.output)
    output.write_bytes(make_archive(description, layer.tar()))
    if options.depfile:
        read = " ".join(path.replace(" ", "\\ ") for path in layer.read)
        pathlib.Path(options.depfile).write_text(f"{options.output}: {read}\n")


if __name__ == "__main__":
    main()
