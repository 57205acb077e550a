# SPDX-License-Identifier: Apache-2.0
"""Registries for tests, in a world: Debian's docker-registry, and one that does what a test wants."""
import gzip
import hashlib
import io
import json
import os
import tarfile

import pytest

DOCKER_REGISTRY = """version: 0.1
log: {{level: error, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {dir}}}}}
http: {{addr: "{address}"}}
{auth}
"""

# Serves FOLDER/blobs/DIGEST and FOLDER/manifests/NAME. If FOLDER/hold-DIGEST is a FIFO, half of the blob is sent, and the
# rest once somebody has written to it. FOLDER/instead-DIGEST is sent in place of a blob.
SCRIPTED = r"""
import http.server, json, os, sys
folder, port = sys.argv[1], int(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        name = self.path.rsplit("/", 1)[1]
        hold = f"{folder}/hold-{name}"
        half = len(body) // 2 if os.path.exists(hold) else len(body)
        self.close_connection = half < len(body)
        self.wfile.write(body[:half])
        self.wfile.flush()
        if half < len(body):
            with open(hold) as fifo:
                fifo.read()
            self.wfile.write(body[half:])
    def do_GET(self):
        with open(f"{folder}/log", "a") as log:
            print(self.command, self.path, file=log)
        kind, name = self.path.split("/")[-2:]
        path = f"{folder}/{kind}/{name}"
        if os.path.exists(f"{folder}/instead-{name}"):
            path = f"{folder}/instead-{name}"
        if not os.path.exists(path):
            self.answer(404, json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "there is no such thing"}]}).encode())
            return
        with open(path, "rb") as file:
            body = file.read()
        self.answer(200, body, [("content-type", json.loads(body)["mediaType"])] if kind == "manifests" and body[:1] == b"{" else [])
    do_HEAD = do_GET
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
"""
OCI = "application/vnd.oci.image."


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def layer(files):
    """{path: content or target of a link (a str)} as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def busybox_layer():
    with open("/bin/busybox", "rb") as file:
        return layer({"bin/busybox": file.read(), "bin/sh": "busybox", "bin/sleep": "busybox", "bin/cat": "busybox"})


def digest_of_chain(diff_ids):
    """The hex digits of the chain id, which are the name of the layer's folder."""
    chain = diff_ids[0]
    for diff_id in diff_ids[1:]:
        chain = digest(f"{chain} {diff_id}".encode())
    return chain.split(":")[1]


class Scripted:
    """A registry whose content are files of the test."""

    def __init__(self, world, port=5001):
        self.world, self.address = world, f"127.0.0.1:{port}"
        self.dir = world.dir / f"registry-{port}"
        for name in ("blobs", "manifests"):
            (self.dir / name).mkdir(parents=True)
        self.process = world.start("python3", "-c", SCRIPTED, self.dir, port)
        assert self.process.stdout.readline() == "ready\n"

    def add_blob(self, content):
        name = digest(content)
        (self.dir / "blobs" / name).write_bytes(content)
        return name

    def add_image(self, tag, layers, command=("/bin/sleep", "1000"), level=9):
        """Gives the digests of the blobs of the layers (tars)."""
        packed = [gzip.compress(tar, level, mtime=0) for tar in layers]
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": list(command)},
                             "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in layers]}}).encode()
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                    "config": {"mediaType": OCI + "config.v1+json", "digest": self.add_blob(config), "size": len(config)},
                    "layers": [{"mediaType": OCI + "layer.v1.tar+gzip", "digest": self.add_blob(blob), "size": len(blob)}
                               for blob in packed]}
        text = json.dumps(manifest).encode()
        for name in (tag, digest(text)):
            (self.dir / "manifests" / name).write_bytes(text)
        return [found["digest"] for found in manifest["layers"]]

    def diff_ids(self, blobs):
        return [digest(gzip.decompress((self.dir / "blobs" / blob).read_bytes())) for blob in blobs]

    def hold(self, blob):
        self.world.run("mkfifo", self.dir / f"hold-{blob}")

    def release(self, blob):
        """Lets go whoever waits, now or later."""
        fifo = self.dir / f"hold-{blob}"
        self.world.run("sh", "-c", f"mv {fifo} {fifo}.old && echo > {fifo}.old")

    def requests(self, part=""):
        path = self.dir / "log"
        return [line for line in path.read_text().splitlines() if part in line] if path.exists() else []

    def close(self):
        self.world.stop(self.process)


def built_program(name):
    """A program of scripts/build-registries; skips the test if it has not been built."""
    path = os.path.expanduser(f"~/.cache/stead-tests/bin/{name}")
    if not os.access(path, os.X_OK):
        pytest.skip(f"there is no {path}; scripts/build-registries builds it if there is a Go tool chain")
    return path


class DockerRegistry:
    """Debian's docker-registry, or the `program` of another version; users: {name: bcrypt} where it wants credentials; storage: a folder
    that outlives the world."""

    def __init__(self, world, port=5000, users=None, storage=None, program="docker-registry"):
        self.world, self.address = world, f"127.0.0.1:{port}"
        folder = world.dir / f"docker-registry-{port}"
        folder.mkdir()
        auth = ""
        if users:
            (folder / "htpasswd").write_text("".join(f"{name}:{word}\n" for name, word in users.items()))
            auth = f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}"
        (folder / "config.yml").write_text(DOCKER_REGISTRY.format(dir=storage or folder / "data", address=self.address, auth=auth))
        self.log = folder / "log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = world.start(program, "serve", folder / "config.yml", stdout=log, stderr=log)
        world.run("curl", "-sS", "-o", "/dev/null", "--retry", "100", "--retry-connrefused", "--retry-delay", "0",
                  "--retry-max-time", "20", f"http://{self.address}/v2/")

    def push(self, archive, name, *options):
        self.world.run("skopeo", "copy", "-q", "--dest-tls-verify=false", *options, f"docker-archive:{archive}",
                       f"docker://{self.address}/{name}")

    def requests(self, part=""):
        """Of clients other than skopeo."""
        return [line for line in self.log.read_text().splitlines() if "HTTP/1.1" in line and '"stead/' in line and part in line]

    def close(self):
        self.world.stop(self.process)
