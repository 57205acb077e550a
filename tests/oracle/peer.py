# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver with etcd, to be asked for its answers. Nothing else of Kubernetes runs, so nothing acts on what
is stored. `with Peer(bin) as peer: peer.call("GET", "/version")`."""

import http.client
import json
import os
import pathlib
import re
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


def unquoted(warning):
    """The text of a header such as: 299 - "text"."""
    return re.sub(r'^299 - "(.*)"$', r"\1", warning).replace('\\"', '"').replace("\\\\", "\\")


class Peer:
    def __init__(self, bin_folder=DEFAULT_BIN, admission_off="ServiceAccount", admission_on="", audit_policy=None):
        self.bin = pathlib.Path(bin_folder)
        self.admission_off = admission_off
        self.admission_on = admission_on
        self.audit_policy = audit_policy  # the log is dir/audit.log
        self.processes = []
        self.connection = None
        self.warnings = []  # of the newest reply

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
                 "--service-cluster-ip-range=10.96.0.0/12", f"--disable-admission-plugins={self.admission_off}",
                 *([f"--enable-admission-plugins={self.admission_on}"] if self.admission_on else []),
                 *([f"--audit-policy-file={self.audit_policy}", f"--audit-log-path={self.dir}/audit.log"] if self.audit_policy else []))
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

    def call(self, method, path, body=None, accept="application/json", content_type="application/json", user=None, group=None,
             headers=None):
        """The status, and the body as JSON where it is JSON. An empty header is not sent."""
        headers = {k: v for k, v in {"Authorization": f"Bearer {TOKEN}", "Accept": accept, **(headers or {})}.items() if v}
        if user:
            headers["Impersonate-User"] = user
        if group:
            headers["Impersonate-Group"] = group
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        if self.connection is None:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # the server has made its certificate itself
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)
        try:
            self.connection.request(method, path, body, headers)
            reply = self.connection.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        self.warnings = [unquoted(warning) for warning in reply.headers.get_all("Warning", [])]
        try:
            return reply.status, json.loads(data)
        except ValueError:
            return reply.status, data
