# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent: a Status or a closed connection, and the server goes on, no bigger than before."""
import json
import re
import socket
import ssl
import struct

import pytest

import api

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
JSON, MERGE, PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"


@pytest.fixture(scope="module")
def credentials(shared):
    return api.Credentials(shared)


@pytest.fixture
def admin(shared, credentials):
    made = api.Api(shared, credentials.context())
    yield made
    made.close()
    # whatever the test did: the server is the same one, and answers
    assert shared.out("get", "--raw", "/readyz") == "ok"


def status_of(answer, code, reason=None, message=None):
    status, body = answer
    assert status == code, answer
    assert (body["kind"], body["apiVersion"], body["status"], body["code"]) == ("Status", "v1", "Failure", code), body
    if reason:
        assert body["reason"] == reason, body
    if message:
        assert re.search(message, body["message"]), body["message"]
    return body


def config(**fields):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}, **fields}).encode()


DEEP = b'{"a":' * 100 + b"1" + b"}" * 100

BODIES = [
    ("nothing", b"", JSON, 400, "EOF|empty|unexpected end"),
    ("no JSON", b"hello", JSON, 400, "invalid character|couldn't get version/kind|cannot|json"),
    ("half of it", config(data={"a": "1"})[:-7], JSON, 400, None),
    ("something behind it", config() + b"x", JSON, 400, None),
    ("an array", b"[]", JSON, 400, None),
    ("a number", b"1", JSON, 400, None),
    ("null", b"null", JSON, (400, 422), None),
    ("bytes that are no UTF-8", config().replace(b"bad", b"\xff\xfe"), JSON, (400, 422), None),
    ("an over-long encoding", config().replace(b"bad", b"\xc0\xaf"), JSON, (400, 422), None),
    ("half of a surrogate pair", config().replace(b"bad", b"\\ud800"), JSON, (400, 422), None),
    ("NUL in a name", config().replace(b"bad", b"a\\u0000b"), JSON, (400, 422), None),
    ("a number for a string", config(data={"a": 1}), JSON, 400, "string"),
    ("a string for an object", config(data="x"), JSON, 400, None),
    ("an object for a string", config(data={"a": {}}), JSON, 400, "string"),
    ("a kind of another path", config().replace(b"ConfigMap", b"Secret"), JSON, 400, "Secret"),
    ("another version", config().replace(b'"v1"', b'"v9"'), JSON, 400, None),
    ("no name", config().replace(b'"name": "bad"', b'"x": "y"'), JSON, 422, None),
    ("an endless number", b'{"a":' + b"9" * 100000 + b"}", JSON, (400, 422), None),
    ("YAML that is none", b"a: b: c\n\t-", "application/yaml", 400, None),
    ("YAML of anchors that grow", b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)),
     "application/yaml", (400, 422), None),
    ("protobuf without its mark", b"\x0a\x00", PROTOBUF, 400, None),
    ("protobuf cut off", b"k8s\x00\x0a\xff\xff\xff\x7f", PROTOBUF, 400, None),
    ("another media type", b"<x/>", "text/xml", 415, None),
]


@pytest.mark.parametrize("body,media,code,message", [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_a_bad_body_is_refused_with_a_status(admin, body, media, code, message):
    status, answer = admin.call("POST", CONFIGMAPS, body, media=media)
    assert status in (code if isinstance(code, tuple) else (code,)), (status, answer)
    status_of((status, answer), status, message=message)


def test_deep_nesting_is_refused_or_stored_whole(admin):
    status_of(admin.call("POST", CONFIGMAPS, config(data={"a": 0}).replace(b"0", DEEP)), 400)
    status_of(admin.call("POST", CONFIGMAPS, b"[" * 1000000, media=JSON), 400)
    status_of(admin.call("POST", CONFIGMAPS, b"[" * 1000000, media="application/yaml"), 400)
    admin.call("POST", CONFIGMAPS, {"metadata": {"name": "deep"}})
    for media in (MERGE, STRATEGIC, APPLY):
        status, body = admin.call("PATCH", CONFIGMAPS + "/deep?fieldManager=x", b'{"a":' * 100000, media=media)
        status_of((status, body), 400)
    # the schema of CRDs may hold such depth; of a ConfigMap nothing is left
    status_of(admin.call("PATCH", CONFIGMAPS + "/deep?fieldValidation=Strict", b'{"data":' + DEEP + b"}", media=MERGE),
              400)


def test_unknown_and_double_fields_by_what_is_asked_for(admin):
    body = b'{"metadata":{"name":"f%d"},"dat":{"a":"1"},"data":{"k":"1","k":"2"}}'
    refused = status_of(admin.call("POST", CONFIGMAPS + "?fieldValidation=Strict", body % 1), 400, "BadRequest")
    assert 'unknown field "dat"' in refused["message"] and 'duplicate field "data.k"' in refused["message"]
    answer = admin.send("POST", CONFIGMAPS + "?fieldValidation=Warn", body % 2)
    warnings = answer.headers.get_all("Warning")
    answer.read()
    assert answer.status == 201 and warnings == ['299 - "unknown field \\"dat\\""', '299 - "duplicate field \\"data.k\\""']
    answer = admin.send("POST", CONFIGMAPS + "?fieldValidation=Ignore", body % 3)
    assert json.loads(answer.read())["data"] == {"k": "2"}
    assert answer.status == 201 and not answer.headers.get_all("Warning")
    status_of(admin.call("POST", CONFIGMAPS + "?fieldValidation=Bogus", body % 4), 422)


PATCHES = [
    ("no patch", b"{", MERGE, 400),
    ("an object for a JSON patch", b"{}", PATCH, 400),
    ("an operation that is none", b'[{"op":"nope","path":"/data"}]', PATCH, (400, 422)),
    ("a path without a slash", b'[{"op":"add","path":"data","value":1}]', PATCH, (400, 422)),
    ("a copy that grows", b"[" + b",".join([b'{"op":"copy","from":"/data","path":"/data/x"}'] * 60) + b"]", PATCH,
     (400, 413, 422)),
    ("more operations than are taken", b"[" + b",".join([b'{"op":"test","path":"/kind","value":"ConfigMap"}'] * 10001)
     + b"]", PATCH, 413),
    ("another name", b'{"metadata":{"name":"other"}}', MERGE, (400, 422)),
    ("another uid", b'{"metadata":{"uid":"other"}}', MERGE, (409, 422)),
    ("a wrong type", b'{"data":[1]}', MERGE, (400, 422, 500)),
    ("a kind of patch that is none", b"{}", "application/x", 415),
    ("apply without a type", b"{}", APPLY, 400),
]


@pytest.mark.parametrize("body,media,code", [row[1:] for row in PATCHES], ids=[row[0] for row in PATCHES])
def test_a_bad_patch_is_refused_and_changes_nothing(admin, body, media, code):
    admin.call("POST", CONFIGMAPS, {"metadata": {"name": "patched"}, "data": {"a": "1"}})
    before = admin.call("GET", CONFIGMAPS + "/patched")[1]
    status, answer = admin.call("PATCH", CONFIGMAPS + "/patched?fieldManager=x", body, media=media)
    assert status in (code if isinstance(code, tuple) else (code,)), (status, answer)
    status_of((status, answer), status)
    assert admin.call("GET", CONFIGMAPS + "/patched")[1] == before


def test_text_that_is_no_utf8_is_neither_kept_nor_echoed(admin):
    body = admin.call("POST", CONFIGMAPS + "?fieldManager=%ff", {"metadata": {"name": "ff"}, "data": {"a": "1"}})[1]
    assert body["metadata"]["managedFields"][0]["manager"] == "\ufffd"
    status_of(admin.call("GET", CONFIGMAPS + "/%ff"), 404, "NotFound")
    answer = admin.call("PATCH", CONFIGMAPS + "/ff", {"data": {"b": "1"}}, media=MERGE, headers={"User-Agent": b"\xff/1"})
    assert [entry["manager"] for entry in answer[1]["metadata"]["managedFields"]] == ["\ufffd"]


# codes as kube-apiserver has them
QUERIES = [
    ("labelSelector=a in (", 400), ("labelSelector=-x", 400), ("fieldSelector=x=y", 400),
    ("fieldSelector=metadata.name", 400), ("limit=x", 400), ("limit=-1", 200), ("continue=nonsense", 400),
    ("resourceVersion=x", 400), ("resourceVersion=99999999999", 504), ("resourceVersionMatch=Exact", 422),
    ("watch=1&resourceVersion=x", 500), ("timeoutSeconds=x", 400), ("%zz=1", (200, 400)), ("x=%00", (200, 400)), ("fieldSelector=%ff", 400),
]


@pytest.mark.parametrize("query,code", QUERIES)
def test_a_bad_query_is_refused_with_a_status(admin, query, code):
    status, answer = admin.call("GET", f"{CONFIGMAPS}?{query.replace(' ', '%20')}")
    assert status in (code if isinstance(code, tuple) else (code,)), (status, answer)
    if status != 200:
        status_of((status, answer), status)


def test_ten_megabytes_are_too_much(admin):
    big = config(data={"a": "x" * (10 << 20)})
    try:
        answer = admin.call("POST", CONFIGMAPS, big)
    except api.GONE:  # answered and closed while we were still sending
        admin.close()
        return
    status_of(answer, 413, "RequestEntityTooLarge")


def test_an_object_larger_than_the_store_takes_is_refused(admin):
    status_of(admin.call("POST", CONFIGMAPS, config(data={"a": "x" * (2 << 20)})), 422, "Invalid",
              "Too long: may not be more than 1048576 bytes")


# ---- who asks ----

def openssl(world, *args):
    world.run("openssl", *args)


def signed(world, name, ca, key, *more):
    """A client certificate of the administrators' group, signed by a CA."""
    base = world.dir / name
    openssl(world, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            f"{base}.key", "-out", f"{base}.csr", "-subj", "/O=system:masters/CN=" + name)
    (world.dir / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    openssl(world, "x509", "-req", "-in", f"{base}.csr", "-CA", ca, "-CAkey", key, "-CAcreateserial", "-CAserial",
            f"{base}.srl", "-out", f"{base}.crt", "-extfile", world.dir / "client.ext", *more)
    return f"{base}.crt", f"{base}.key"


def answer_with(world, context, headers=()):
    """The status that a certificate gets for a list; None when the connection is refused."""
    caller = api.Api(world, context)
    try:
        return caller.call("GET", "/api/v1/nodes", headers=headers)
    except api.GONE:
        return None, None
    finally:
        caller.close()


def test_certificates_that_are_expired_or_of_another_ca_are_refused(shared, credentials):
    pki = shared.data / "pki"
    ca, key = pki / "ca.crt", pki / "ca.key"
    good = signed(shared, "good", ca, key, "-days", "1")
    assert answer_with(shared, credentials.context(*good))[0] == 200
    # openssl x509 counts days from now: a negative number is a certificate that is over
    expired = signed(shared, "expired", ca, key, "-days", "-1")
    status, body = answer_with(shared, credentials.context(*expired))
    assert status in (None, 401), body
    openssl(shared, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            shared.dir / "other.key", "-out", shared.dir / "other.crt", "-subj", "/CN=other", "-days", "1")
    foreign = signed(shared, "foreign", shared.dir / "other.crt", shared.dir / "other.key", "-days", "1")
    status, body = answer_with(shared, credentials.context(*foreign))
    assert status in (None, 401), body
    context = ssl.create_default_context(cafile=shared.dir / "other.crt")
    with pytest.raises(ssl.SSLCertVerificationError):
        api.Api(shared, context).call("GET", "/version")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer a.b.c", "Bearer " + "x" * 5000, "Basic YTpi", "Bearer",
                                    "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06YWRtaW4ifQ."])
def test_bad_tokens_are_unauthorized(shared, credentials, header):
    answer = answer_with(shared, credentials.context(cert=False), {"Authorization": header})
    status_of(answer, 401, "Unauthorized", "^Unauthorized$")


def test_a_stranger_is_unauthorized_or_forbidden_but_may_ask_for_health(shared, credentials):
    context = credentials.context(cert=False)
    status, _ = answer_with(shared, context)
    assert status in (401, 403)
    assert api.Api(shared, context).call("GET", "/livez")[0] == 200


# ---- connections ----

def reads_until_closed(stream, limit=60):
    stream.settimeout(limit)
    got = b""
    try:
        while chunk := stream.recv(65536):
            got += chunk
    except (ssl.SSLError, ConnectionError):
        pass
    return got


RAW = [
    ("no HTTP", b"hello\r\n\r\n"),
    ("a method that is none", b"\x00\x01\x02\x03 / HTTP/1.1\r\n\r\n"),
    ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    ("a length and chunks", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a length that is none", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
    ("a chunk that is none", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ("headers without end", b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * (2 << 20)),
    ("too many headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200000),
    ("HTTP/2 without frames", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100),
]


@pytest.mark.parametrize("sent", [row[1] for row in RAW], ids=[row[0] for row in RAW])
def test_bytes_that_are_no_request_close_the_connection(admin, sent):
    with admin.tls() as stream:
        try:
            stream.sendall(sent)
        except (ssl.SSLError, ConnectionError):
            pass
        got = reads_until_closed(stream)
        assert not got or re.match(rb"HTTP/1\.[01] (400|404|405|413|431|501)", got) or got[3:4] in (b"\x04", b"\x07"), got


H2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


FRAMES = [
    ("a frame of no size that may be", frame(0, 0, 0, b"x" * 20000)),
    ("data on no stream", frame(0, 0, 1, b"x")),
    ("a window of nothing", frame(8, 0, 0, b"\0\0\0\0")),
    ("settings cut off", frame(4, 0, 0, b"xxx")),
    ("continued headers without headers", frame(9, 4, 1, b"x")),
    ("headers that are no HPACK", frame(1, 5, 1, b"\xff" * 50)),
    ("an even stream", frame(1, 5, 2, b"\x82\x84\x87\x41\x01x")),
    ("headers that never end", frame(1, 1, 1, b"\x82") + frame(9, 0, 1, b"\x40\x01a\x01b" * 3000) * 200),
    ("reset after reset", b"".join(frame(1, 5, 1 + 2 * i, b"\x82\x84\x87\x41\x01x") + frame(3, 0, 1 + 2 * i, b"\0\0\0\x08")
                                  for i in range(20000))),
    ("pings without end", frame(6, 0, 0, b"12345678") * 20000),
]


@pytest.mark.parametrize("sent", [row[1] for row in FRAMES], ids=[row[0] for row in FRAMES])
def test_bad_http2_frames_end_the_connection(shared, credentials, admin, sent):
    context = credentials.context()
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(api.connect(shared), server_hostname=api.HOST) as stream:
        assert stream.selected_alpn_protocol() == "h2"
        try:
            stream.sendall(H2 + frame(4, 0, 0))
            stream.sendall(sent)
            # ours is done: a server that took no offence sees the end
            stream.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            pass
        try:
            reads_until_closed(stream)
        except ValueError:
            pass


def test_a_client_that_sends_slowly_is_not_waited_for_and_does_not_hold_others_up(shared, credentials, admin):
    held = [admin.tls() for _ in range(50)]
    try:
        for stream in held:
            stream.sendall(b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n")
        assert admin.call("GET", "/api/v1/nodes")[0] == 200
        for stream in held[:10]:
            stream.sendall(b"\r\n{")
        assert admin.call("GET", "/api/v1/nodes")[0] == 200
    finally:
        for stream in held:
            stream.close()


def test_raw_tcp_that_says_nothing_or_nonsense_is_dropped(shared, admin):
    silent = [api.connect(shared) for _ in range(50)]
    with api.connect(shared) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reads_until_closed(plain)
    with api.connect(shared) as noise:
        noise.sendall(bytes(range(256)) * 100)
        reads_until_closed(noise)
    assert admin.call("GET", "/api/v1/nodes")[0] == 200
    for stream in silent:
        stream.close()


def test_half_closed_streams_get_their_answer_or_the_end(shared, admin):
    with admin.tls() as stream:
        stream.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        raw = socket.socket(fileno=socket.dup(stream.fileno()))
        raw.shutdown(socket.SHUT_WR)
        raw.close()
        got = reads_until_closed(stream)
        assert got == b"" or got.startswith(b"HTTP/1.1 200")
    # a watch whose client is gone is let go
    for _ in range(50):
        stream = admin.tls()
        stream.sendall(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert stream.recv(12) == b"HTTP/1.1 200"
        stream.close()
    assert admin.call("GET", "/api/v1/nodes")[0] == 200


def memory(world):
    text = world.run("cat", f"/proc/{world.server_pid()}/status").stdout
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])


def test_memory_does_not_grow_with_bad_requests(shared, credentials, admin):
    def abuse():
        for _ in range(200):
            admin.call("POST", CONFIGMAPS, b'{"data":' + b"[" * 50000)
            admin.call("POST", CONFIGMAPS, config(data={"a": "x" * 200000})[:-1])
        for _ in range(30):
            try:
                admin.call("POST", CONFIGMAPS, b"x" * (4 << 20))
            except api.GONE:
                admin.close()
        for _ in range(100):
            stream = admin.tls()
            stream.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)
            stream.close()

    abuse()
    before = memory(shared)
    for _ in range(3):
        abuse()
    assert memory(shared) < before + 8 * 1024, (before, memory(shared))
