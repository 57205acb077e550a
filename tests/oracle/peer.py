# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver with etcd, to be asked for its answers. Nothing else of Kubernetes runs, so nothing acts on what
is stored. `with Peer(bin) as peer: peer.call("GET", "/version")`."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

DEFAULT_BIN = pathlib.Path("~/.cache/stead-peers/bin").expanduser()
TOKEN = "oracle"
READY_SECONDS = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Peer:
    def __init__(self, bin_folder=DEFAULT_BIN):
        self.bin = pathlib.Path(bin_folder)
        self.processes = []

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="stead-oracle-"))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, name, *arguments):
        with open(self.dir / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen([self.bin / name, *arguments], stdout=log, stderr=log))

    def start(self):
        etcd, peers, self.port = (free_port() for _ in range(3))
        url = f"http://127.0.0.1:{etcd}"
        (self.dir / "tokens.csv").write_text(f'{TOKEN},admin,1,"system:masters"\n')
        os.chmod(self.dir / "tokens.csv", 0o600)
        subprocess.run(["openssl", "genrsa", "-out", self.dir / "sa.key", "2048"], check=True, stderr=subprocess.DEVNULL)
        self.run("etcd", f"--data-dir={self.dir}/etcd", f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
                 f"--listen-peer-urls=http://127.0.0.1:{peers}", "--log-level=error", "--unsafe-no-fsync")
        self.run("kube-apiserver", f"--etcd-servers={url}", f"--secure-port={self.port}", "--bind-address=127.0.0.1",
                 f"--cert-dir={self.dir}/certs", f"--service-account-key-file={self.dir}/sa.key",
                 f"--service-account-signing-key-file={self.dir}/sa.key", "--service-account-issuer=https://kubernetes.default.svc",
                 f"--token-auth-file={self.dir}/tokens.csv", "--authorization-mode=RBAC", "--allow-privileged=true",
                 "--service-cluster-ip-range=10.96.0.0/12", "--disable-admission-plugins=ServiceAccount")
        end = time.monotonic() + READY_SECONDS
        while True:
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > end or any(p.poll() is not None for p in self.processes):
                raise RuntimeError((self.dir / "kube-apiserver.log").read_text()[-3000:])
            time.sleep(0.05)

    def call(self, method, path, body=None, accept="application/json", content_type="application/json"):
        """The status, and the body as JSON where it is JSON."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the server has made its certificate itself
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        try:
            return reply.status, json.loads(data)
        except ValueError:
            return reply.status, data
