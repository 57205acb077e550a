# SPDX-License-Identifier: Apache-2.0
"""Requests to the API of a world without kubectl: sockets made inside its network namespace, used from outside."""
import base64
import ctypes
import http.client
import json
import os
import socket
import ssl
import threading

CLONE_NEWNET = 0x40000000
HOST, PORT = "127.0.0.1", 6443
GONE = (ConnectionError, ssl.SSLError, http.client.HTTPException, TimeoutError, OSError)


def connect(world, host=HOST, port=PORT, timeout=30):
    """A TCP connection of a world. Only a thread can step into a namespace, so one is made for it."""
    made = []

    def step_in():
        try:
            fd = os.open(f"/proc/{world.init}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                connected = socket.create_connection((host, port), timeout)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.append(connected)
            finally:
                os.close(fd)
        except BaseException as error:  # the thread that waits raises it
            made.append(error)

    thread = threading.Thread(target=step_in)
    thread.start()
    thread.join()
    if isinstance(made[0], BaseException):
        raise made[0]
    return made[0]


class Credentials:
    """What `stead up` wrote into the kubeconfig, as files."""

    def __init__(self, world):
        config = json.loads(world.out("config", "view", "--raw", "-o", "json"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.files = {}
        for name, text in (("ca", cluster["certificate-authority-data"]), ("cert", user["client-certificate-data"]),
                           ("key", user["client-key-data"])):
            self.files[name] = world.dir / f"admin.{name}"
            self.files[name].write_bytes(base64.b64decode(text))

    def context(self, cert=None, key=None):
        """For TLS as the administrator, or with another certificate; False: with none."""
        context = ssl.create_default_context(cafile=self.files["ca"])
        if cert is not False:
            context.load_cert_chain(cert or self.files["cert"], key or self.files["key"])
        return context


class Api:
    """One connection, made anew when it is needed. Errors of the connection are the caller's."""

    def __init__(self, world, context, timeout=30):
        self.world, self.context, self.timeout = world, context, timeout
        self.connection = None

    def tls(self):
        return self.context.wrap_socket(connect(self.world, timeout=self.timeout), server_hostname=HOST)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def send(self, method, path, body=None, headers=(), media="application/json"):
        """Gives the answer, whose body is still to be read."""
        if not self.connection:
            self.connection = http.client.HTTPSConnection(HOST, PORT, context=self.context)
            try:
                self.connection.sock = self.tls()
            except BaseException:
                self.close()
                raise
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        sent = {"Accept": "application/json", **dict(headers)}
        if body is not None:
            sent.setdefault("Content-Type", media)
        try:
            self.connection.request(method, path, body, sent)
            return self.connection.getresponse()
        except BaseException:
            self.close()
            raise

    def call(self, method, path, body=None, **more):
        """(status, the JSON that came)."""
        try:
            answer = self.send(method, path, body, **more)
            text = answer.read()
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        kind = answer.headers.get("Content-Type") or ""
        return answer.status, json.loads(text) if "json" in kind else text.decode()

    def create_until_refused(self, path, size, most=200):
        """Creates ConfigMaps c0, c1, ... with so many bytes each, until one is refused. Gives the names of those that were
        created, the status of the refusal and its body."""
        names = []
        for n in range(most):
            status, body = self.call("POST", path, {"metadata": {"name": f"c{n}"}, "data": {"pad": "x" * size}})
            if status != 201:
                return names, status, body
            names.append(f"c{n}")
        raise AssertionError(f"none of {most} ConfigMaps of {size} bytes was refused")
