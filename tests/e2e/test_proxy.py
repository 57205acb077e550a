# SPDX-License-Identifier: Apache-2.0
"""Requests that the API server passes on: to pods and Services, through Endpoints that are written by hand, and to an
extension API server of its own."""
import base64
import json
import subprocess

import pytest

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: time-server
    ports: [{name: http, containerPort: 8080}]
    command: [sh, -c, "mkdir -p /tmp/w/sub; echo '<a href=\\"/x\\">x</a>' >/tmp/w/index.html; echo here >/tmp/w/sub/file;
                       httpd -p 8080 -h /tmp/w; exec sleep 100000"]
    readinessProbe: {httpGet: {path: /sub/file, port: 8080}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
"""

EXTENSION = r'''
import http.server, json, ssl, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/apis/ext.example.com/v1":
            answer = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "ext.example.com/v1", "resources": [
                {"name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing", "verbs": ["get", "list"]}]}
        else:
            user = self.headers.get("X-Remote-User")
            peer = dict(x[0] for x in self.connection.getpeercert()["subject"])["commonName"]
            answer = {"kind": "ThingList", "apiVersion": "ext.example.com/v1", "metadata": {}, "items": [
                {"kind": "Thing", "apiVersion": "ext.example.com/v1", "metadata": {"name": "one", "namespace": "default"},
                 "user": user, "peer": peer}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

address, folder = sys.argv[1:]
server = http.server.ThreadingHTTPServer((address, 7443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
context.load_verify_locations(f"{folder}/requestheader.crt")
context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
'''


@pytest.fixture(scope="module")
def web(shared):
    shared.apply(POD)
    shared.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    return shared


def raw(world, path, **more):
    return world.kubectl("get", "--raw", path, **more).stdout


def test_a_pod_and_its_service_are_reached_through_the_api(web):
    pods, services = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/services"
    assert raw(web, f"{pods}/web/proxy/sub/file") == "here\n"
    assert raw(web, f"{pods}/http:web:8080/proxy/sub/file") == "here\n"
    assert raw(web, f"{pods}/web/proxy/") == f'<a href="{pods}/web/proxy/x">x</a>\n'
    web.kubectl("wait", "--for=jsonpath={.subsets[0].addresses[0].ip}", "endpoints/web", "--timeout=60s")
    for name in ("web:http", "web:80", "http:web:http"):
        assert raw(web, f"{services}/{name}/proxy/sub/file") == "here\n"
    refused = web.kubectl("get", "--raw", f"{services}/web:81/proxy/", check=False)
    assert 'no service port 81 found for service "web"' in refused.stderr


def test_a_service_with_endpoints_of_its_own_leads_there(web):
    address = web.out("get", "pod", "web", "-o", "jsonpath={.status.podIP}")
    web.apply(f"""
apiVersion: v1
kind: Service
metadata: {{name: manual}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: manual}}
subsets: [{{addresses: [{{ip: {address}}}], ports: [{{name: http, port: 8080}}]}}]
""")
    web.kubectl("wait", "--for=jsonpath={.endpoints[0].addresses[0]}=" + address, "endpointslice",
                "-l", "kubernetes.io/service-name=manual", "--timeout=60s")
    cluster = web.out("get", "service", "manual", "-o", "jsonpath={.spec.clusterIP}")
    assert web.curl(f"http://{cluster}/sub/file", "--retry", "20", "--retry-connrefused", "--retry-delay", "1") == "here\n"


def test_an_extension_server_answers_for_its_group(web, tmp_path):
    address = web.out("get", "node", "-o", "jsonpath={.items[0].status.addresses[0].address}")
    (tmp_path / "requestheader.crt").write_text(web.out(
        "get", "configmap", "-n", "kube-system", "extension-apiserver-authentication",
        "-o", r"jsonpath={.data.requestheader-client-ca-file}"))
    (tmp_path / "extension.py").write_text(EXTENSION)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", tmp_path / "tls.key", "-out", tmp_path / "tls.crt", "-subj", "/CN=ext",
                    "-addext", "subjectAltName=DNS:ext.default.svc"], check=True, capture_output=True)
    bundle = base64.b64encode((tmp_path / "tls.crt").read_bytes()).decode()
    server = web.start("/usr/bin/python3", tmp_path / "extension.py", address, tmp_path)
    try:
        assert server.stdout.readline().strip() == "ready"
        web.apply(f"""
apiVersion: v1
kind: Service
metadata: {{name: ext}}
spec: {{ports: [{{port: 443, targetPort: 7443}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: ext}}
subsets: [{{addresses: [{{ip: {address}}}], ports: [{{port: 7443}}]}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.ext.example.com}}
spec:
  group: ext.example.com
  version: v1
  groupPriorityMinimum: 2000
  versionPriority: 10
  service: {{namespace: default, name: ext}}
  caBundle: {bundle}
""")
        web.kubectl("wait", "--for=condition=Available", "apiservice/v1.ext.example.com", "--timeout=60s")
        thing = json.loads(web.out("get", "things.ext.example.com", "-o", "json"))["items"][0]
        assert (thing["user"], thing["peer"]) == ("kubernetes-admin", "front-proxy-client")
        assert "things" in web.out("api-resources", "--api-group", "ext.example.com")
    finally:
        web.stop(server)
    web.kubectl("wait", "--for=condition=Available=False", "apiservice/v1.ext.example.com", "--timeout=60s")
    assert "deployments" in web.out("api-resources", "--api-group", "apps", "--cached=false")
    web.kubectl("delete", "apiservice", "v1.ext.example.com")
