#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The client against Debian's docker-registry: plain, with TLS and Basic, and with TLS and tokens. skopeo pushes what the
client reads, and reads what the client has pushed. Everything is on loopback.

    real.py REAL_CLIENT"""
import base64
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

CLIENT = sys.argv.pop()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
LAYER = os.urandom(3 << 20)
USER, PASSWORD = "ann", "secret:1"
HASH = "$2b$04$wQ/l9itU/8MJJ69FWo.RBOvwSfqIMCMaSwsFCiuuEotfSwAfKyGeK"  # bcrypt of the password
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def run(*args, **more):
    return subprocess.run([str(a) for a in args], check=True, capture_output=True, text=True, timeout=60, **more).stdout


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Folder:
    """Certificates, an image as an OCI layout, and the files of users."""

    def __init__(self, path):
        self.path = path
        self.make_certificates()
        self.make_image()

    def make_certificates(self):
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA", "-keyout",
            self.path / "ca.key", "-out", self.path / "ca.crt", "-addext", "keyUsage=critical,keyCertSign,digitalSignature")
        self.make_certificate("server", "subjectAltName=DNS:localhost,DNS:other.localhost,IP:127.0.0.1\n")
        self.make_certificate("client", "extendedKeyUsage=clientAuth\n")

    def make_certificate(self, name, extension):
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", self.path / f"{name}.key",
            "-out", self.path / f"{name}.csr")
        (self.path / f"{name}.ext").write_text(extension)
        run("openssl", "x509", "-req", "-in", self.path / f"{name}.csr", "-CA", self.path / "ca.crt", "-CAkey",
            self.path / "ca.key", "-CAcreateserial", "-days", "2", "-extfile", self.path / f"{name}.ext", "-out",
            self.path / f"{name}.crt")

    def put(self, data):
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "oci/blobs/sha256" / digest).write_bytes(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def make_image(self):
        (self.path / "oci/blobs/sha256").mkdir(parents=True)
        layer = gzip.compress(LAYER, 1)
        self.layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **self.put(layer)}
        diff = "sha256:" + hashlib.sha256(LAYER).hexdigest()
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff]}}
        self.config = {"mediaType": "application/vnd.oci.image.config.v1+json", **self.put(json.dumps(config).encode())}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.config, "layers": [self.layer]}
        self.manifest = {"mediaType": MANIFEST, **self.put(json.dumps(manifest).encode())}
        name = {"annotations": {"org.opencontainers.image.ref.name": "1"}}
        (self.path / "oci/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [{**self.manifest, **name}]}))
        (self.path / "oci/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


class Registry:
    def __init__(self, folder, name, extra=None, tls=True, client_ca=None):
        self.port = free_port()
        self.address = f"localhost:{self.port}"
        http_config = {"addr": f"127.0.0.1:{self.port}", "secret": "x"}
        if tls:
            http_config["tls"] = {"certificate": str(folder / "server.crt"), "key": str(folder / "server.key")}
        if client_ca:
            http_config["tls"]["clientcas"] = [str(client_ca)]
        config = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}}, "http": http_config,
                  "storage": {"filesystem": {"rootdirectory": str(folder / name)}}, **(extra or {})}
        (folder / f"{name}.yml").write_text(json.dumps(config))  # JSON is YAML
        with open(folder / f"{name}.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(folder / f"{name}.yml")], stdout=log, stderr=log)
        self.wait()

    def wait(self):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:  # no event says that a foreign program listens
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("docker-registry does not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def serve_tls(folder, answer):
    """Calls `answer` with each GET and HEAD; gives the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def do_HEAD(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class TokenServer:
    """Gives tokens for what is asked to ann, and for pulling to anybody."""

    def __init__(self, folder):
        self.asked = []
        self.folder = folder
        self.der = base64.b64encode(ssl.PEM_cert_to_DER_cert((folder / "server.crt").read_text())).decode()
        self.realm = f"https://localhost:{serve_tls(folder, self.answer)}/token"

    def answer(self, request):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(request.path).query)
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        sent = request.headers.get("Authorization")
        self.asked.append((query.get("scope", []), sent == wanted))
        if sent and sent != wanted:
            self.reply(request, 401, {"details": "incorrect username or password"})
            return
        access = []
        for scope in query.get("scope", []):
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": [a for a in actions.split(",") if sent or a == "pull"]})
        self.reply(request, 200, {"token": self.token(access), "expires_in": 300})

    @staticmethod
    def reply(request, status, body):
        body = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def token(self, access):
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.der]}
        claims = {"iss": "test", "aud": "registry", "sub": USER, "iat": now, "nbf": now - 60, "exp": now + 300, "access": access}

        def part(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")

        signed = part(json.dumps(head).encode()) + b"." + part(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.folder / "server.key")], input=signed,
                                   check=True, capture_output=True).stdout
        return (signed + b"." + part(signature)).decode()


class RealRegistries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="test-registries-")
        cls.addClassCleanup(cls.temporary.cleanup)
        folder = cls.dir = pathlib.Path(cls.temporary.name)
        cls.image = Folder(folder)
        (folder / "htpasswd").write_text(f"{USER}:{HASH}\n")
        cls.tokens = TokenServer(folder)
        cls.plain = cls.start("plain", tls=False)
        cls.basic = cls.start("basic", {"auth": {"htpasswd": {"realm": "basic", "path": str(folder / "htpasswd")}}})
        cls.token = cls.start("token", {"auth": {"token": {"realm": cls.tokens.realm, "service": "registry", "issuer": "test",
                                                           "rootcertbundle": str(folder / "ca.crt")}}})
        # The host is "localhost" for all, so the ports tell the places apart.
        for registry in (cls.basic, cls.token):
            (folder / "certs" / registry.address).mkdir(parents=True)
            (folder / "certs" / registry.address / "ca.crt").write_text((folder / "ca.crt").read_text())
        (folder / "conf").write_text(f"[[registry]]\nprefix = 'quay.io/mirrored'\nlocation = '{cls.plain.address}/none'\n"
                                     f"[[registry.mirror]]\nlocation = '{cls.basic.address}/mirror'\n")
        cls.write_auth("auth.json", PASSWORD)
        cls.write_auth("wrong.json", "wrong")
        (folder / "none.json").write_text("{}")
        for registry in (cls.plain, cls.basic, cls.token):
            cls.skopeo_push(f"{registry.address}/app:1")
        cls.skopeo_push(f"{cls.basic.address}/mirror:1")

    @classmethod
    def start(cls, name, extra=None, **more):
        registry = Registry(cls.dir, name, extra, **more)
        cls.addClassCleanup(registry.stop)
        return registry

    @classmethod
    def write_auth(cls, name, password):
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        (cls.dir / name).write_text(json.dumps({"auths": {r.address: {"auth": auth} for r in (cls.basic, cls.token)}}))

    @classmethod
    def skopeo_push(cls, name):
        run("skopeo", "--insecure-policy", "copy", "--preserve-digests", "--authfile", cls.dir / "auth.json", "--dest-tls-verify=false",
            f"oci:{cls.dir}/oci:1", f"docker://{name}")

    def client(self, *args, auth="auth.json", conf="conf", fails=False):
        done = subprocess.run([CLIENT, str(self.dir / conf), str(self.dir / "certs"), str(self.dir / auth), *map(str, args)],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1 if fails else 0, done.stdout + done.stderr)
        self.assertNotIn(PASSWORD, done.stdout + done.stderr)
        return done.stdout

    def expect_image(self, out):
        for part in (f"manifest {self.image.manifest['digest']} {MANIFEST}", f"blob {self.image.config['digest']}",
                     f"blob {self.image.layer['digest']} {self.image.layer['size']}"):
            self.assertIn(part, out)

    def expect_pushed(self, name):
        """skopeo reads what the client has pushed."""
        out = run("skopeo", "inspect", "--authfile", self.dir / "auth.json", "--tls-verify=false", "--raw", f"docker://{name}")
        self.assertEqual("sha256:" + hashlib.sha256(out.encode()).hexdigest(), self.image.manifest["digest"])
        to = tempfile.mkdtemp(dir=self.dir)
        run("skopeo", "--insecure-policy", "copy", "--authfile", self.dir / "auth.json", "--src-tls-verify=false", f"docker://{name}", f"dir:{to}")
        layer = self.image.layer["digest"].partition(":")[2]
        self.assertEqual((pathlib.Path(to) / layer).read_bytes(), (self.dir / "oci/blobs/sha256" / layer).read_bytes())

    def test_a_plain_registry_on_this_machine_is_read(self):
        self.expect_image(self.client("pull", f"{self.plain.address}/app:1", auth="none.json"))

    def test_tls_with_an_own_ca_and_basic(self):
        self.expect_image(self.client("pull", f"{self.basic.address}/app:1"))

    def test_a_token_is_fetched_with_and_without_a_credential(self):
        for auth in ("none.json", "auth.json"):
            self.tokens.asked.clear()
            self.expect_image(self.client("pull", f"{self.token.address}/app:1", auth=auth))
            # One token serves all requests.
            self.assertEqual(self.tokens.asked, [(["repository:app:pull"], auth == "auth.json")])

    def test_missing_and_wrong_credentials_give_the_registrys_reason(self):
        basic, token = f"{self.basic.address}/app:1", f"{self.token.address}/app:1"
        self.assertRegex(self.client("pull", basic, auth="none.json", fails=True), "outcome auth: .*: authentication required")
        self.assertRegex(self.client("pull", basic, auth="wrong.json", fails=True), "outcome auth: .*: authentication required")
        self.assertRegex(self.client("pull", token, auth="wrong.json", fails=True), "outcome auth: .*incorrect username or password")

    def test_what_is_not_there(self):
        self.assertRegex(self.client("pull", f"{self.basic.address}/app:2", fails=True), "outcome missing: ")
        self.assertRegex(self.client("pull", f"{self.plain.address}/none:1", fails=True), "outcome missing: ")
        self.assertRegex(self.client("pull", f"localhost:{free_port()}/app:1", fails=True), "outcome unavailable: .*[Cc]onnect")

    def test_an_unknown_ca_is_not_trusted(self):
        # This name is loopback for libcurl, but only "localhost" itself need not have a valid certificate.
        out = self.client("pull", f"other.localhost:{self.basic.port}/app:1", fails=True)
        self.assertRegex(out, "outcome unavailable: .*certificate")

    def test_a_registry_that_wants_a_certificate_of_ours(self):
        registry = self.start("client", client_ca=self.dir / "ca.crt")
        certs = self.dir / "certs" / registry.address
        certs.mkdir()
        self.assertRegex(self.client("pull", f"{registry.address}/app:1", fails=True),
                         "outcome unavailable: .*it wants a client's certificate")
        for ending in ("cert", "key"):
            (certs / f"client.{ending}").write_text((self.dir / f"client.{ending.replace('cert', 'crt')}").read_text())
        self.assertRegex(self.client("pull", f"{registry.address}/app:1", fails=True), "outcome missing: ")

    def test_the_example_of_the_documentation(self):
        documented = re.search("```toml\n(.*?)```", (ROOT / "docs/images.md").read_text(), re.S)[1]
        (self.dir / "documented").write_text(documented)
        out = self.client("pull", "untrusted.example/app:1", conf="documented", fails=True)
        self.assertIn("outcome refused: registries.conf blocks untrusted.example", out)

    def test_a_registry_with_tls_cannot_refer_to_plain_http(self):
        asked = []

        def answer(request):
            asked.append(request.path)
            request.send_response(307)
            request.send_header("Location", f"http://{self.plain.address}/v2/app/manifests/1")
            request.send_header("Content-Length", "0")
            request.end_headers()

        host = f"other.localhost:{serve_tls(self.dir, answer)}"
        (self.dir / "certs" / host).mkdir()
        (self.dir / "certs" / host / "ca.crt").write_text((self.dir / "ca.crt").read_text())
        self.assertRegex(self.client("pull", f"{host}/app:1", fails=True), "outcome refused: .*from https to http")
        self.assertEqual(asked, ["/v2/app/manifests/1"])

    def test_a_mirror_with_a_credential_of_its_own(self):
        self.expect_image(self.client("pull", "quay.io/mirrored:1"))

    def test_pushing_to_each_kind(self):
        for registry in (self.plain, self.basic, self.token):
            for chunk in (0, 1 << 20):
                with self.subTest(registry=registry.address, chunk=chunk):
                    name = f"{registry.address}/pushed-{chunk}:1"
                    self.client("copy", f"{self.plain.address}/app:1", name, chunk)
                    self.expect_pushed(name)

    def test_what_is_there_is_not_pushed_again(self):
        out = self.client("copy", f"{self.plain.address}/app:1", f"{self.token.address}/app:again", 0)
        self.assertEqual(len(re.findall("^there", out, re.M)), 2)
        self.expect_pushed(f"{self.token.address}/app:again")

    def test_a_blob_is_mounted_from_another_repository(self):
        digest = self.image.layer["digest"]
        self.tokens.asked.clear()
        self.assertIn("mounted", self.client("mount", f"{self.token.address}/mounted:1", digest, "app"))
        (scopes, known), = self.tokens.asked
        self.assertTrue(known)
        self.assertEqual(scopes[:2], ["repository:mounted:pull,push", "repository:app:pull"])

    def test_pushing_without_the_right_is_refused(self):
        out = self.client("copy", f"{self.plain.address}/app:1", f"{self.token.address}/denied:1", 0, auth="none.json", fails=True)
        self.assertRegex(out, "outcome auth: .*(denied|authentication required)")


if __name__ == "__main__":
    unittest.main()
