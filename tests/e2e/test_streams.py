# SPDX-License-Identifier: Apache-2.0
"""exec, attach, cp and port-forward for every client: kubectl over SPDY and WebSocket, and channels spoken by hand."""
import base64
import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from urllib.parse import quote

import pytest

from world import KUBECTLS, LIMIT, NEWEST, without_early_message

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: time-server
    command: [sh, -c, "mkdir /tmp/w; head -c 300000 /dev/zero >/tmp/w/zeros; echo hello >/tmp/w/hello;
                       httpd -p 8080 -h /tmp/w; httpd -p 127.0.0.1:8081 -h /tmp/w;
                       nc -ll -p 8082 -e cat & exec sleep 100000"]
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: time-server, stdin: true,
     command: [sh, -c, "while read l; do echo got $l; echo err $l >&2; done; sleep 100000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: terminal}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: time-server, stdin: true, tty: true, command: [sh, -c, "while true; do sh; done"]}
"""
OLDEST = list(KUBECTLS)[0] if KUBECTLS else None
MEGABYTES = 100
GROWN_MAX = 8  # MiB that the server may take for streams, however much they carry


@pytest.fixture(scope="module")
def pods(shared):
    shared.apply(POD)
    shared.kubectl("wait", "--for=condition=Ready", "pod/p", "pod/reader", "pod/terminal", "--timeout=60s")
    return shared


@pytest.fixture(scope="module")
def big(pods):
    block = os.urandom(1 << 20)
    data = b"".join(block[i:] + block[:i] for i in range(MEGABYTES))
    path = pods.dir / "big"
    path.write_bytes(data)
    return path, hashlib.md5(data).hexdigest(), data


class Memory:
    """What the server takes at most from now on, beyond what it takes now."""

    def __init__(self, world):
        self.world, self.process = world, f"/proc/{world.server_pid()}"
        world.run("sh", "-c", f"echo 5 > {self.process}/clear_refs")  # the peak begins anew
        self.before = self.measure("VmRSS")

    def measure(self, name):
        text = self.world.run("cat", f"{self.process}/status").stdout
        return int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 1024

    def grown(self):
        """In MiB."""
        return self.measure("VmHWM") - self.before


def killable(world, *args):
    """The command, so that kill() ends it: what runs in a world has a pid of its own there."""
    return "sh", "-c", 'echo $$ >"$0"; exec "$@"', world.dir / "pid", *args


def kill(world):
    world.run("kill", (world.dir / "pid").read_text().strip(), check=False)  # it may have ended by itself


@contextlib.contextmanager
def forwarding(world, version, *ports):
    """kubectl port-forward; gives {port in the pod: port here}."""
    process = world.start(*killable(world, KUBECTLS[version], "port-forward", "pod/p", *ports),
                          stderr=subprocess.STDOUT)
    found = {}
    try:
        while len(found) < len(ports):
            line = process.stdout.readline()
            assert line, "port-forward ended"
            match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line)
            if match:
                found[int(match[2])] = int(match[1])
        yield found, process
    finally:
        if process.poll() is None:
            kill(world)
        process.communicate()


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, world, *args):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x1e\x00\x64\x00\x00\x00\x00\x00")  # 30 rows, 100 columns
        self.process = subprocess.Popen(world.command(args), env=world.environment(), stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = b""

    def until(self, what):
        end = time.monotonic() + 30
        while what not in self.text:
            left = end - time.monotonic()
            assert left > 0, (what, self.text)
            if select.select([self.master], [], [], left)[0]:
                try:
                    more = os.read(self.master, 65536)
                except OSError:
                    more = b""
                assert more, (what, self.text)
                self.text += more
        self.text = self.text.split(what, 1)[1]

    def type(self, text):
        os.write(self.master, text)

    def wait(self):
        """Exit code, once all output is read."""
        with contextlib.suppress(OSError):
            while os.read(self.master, 65536):
                pass
        os.close(self.master)
        return self.process.wait(timeout=LIMIT)


# ---- exec ----


def test_exec_gives_both_outputs_and_the_exit_code(pods, kubectl_version):
    done = pods.kubectl("exec", "p", "--", "sh", "-c", "echo out; echo err >&2; exit 3", version=kubectl_version,
                        check=False)
    assert done.returncode == 3
    assert done.stdout == "out\n"
    assert without_early_message(done.stderr) == "err\ncommand terminated with exit code 3\n"


def test_exec_takes_stdin_to_its_end(pods, kubectl_version):
    done = pods.kubectl("exec", "-i", "p", "--", "cat", version=kubectl_version, stdin="one\ntwo\n")
    assert done.stdout == "one\ntwo\n"


def test_exec_of_what_is_not_there_says_so(pods, kubectl_version):
    done = pods.kubectl("exec", "p", "--", "/no/such/program", version=kubectl_version, check=False)
    assert done.returncode != 0
    assert "/no/such/program" in done.stderr
    done = pods.kubectl("exec", "nobody", "--", "true", version=kubectl_version, check=False)
    assert done.stderr == 'Error from server (NotFound): pods "nobody" not found\n'


def test_exec_on_a_terminal_knows_its_size(pods, kubectl_version):
    terminal = Terminal(pods, KUBECTLS[kubectl_version], "exec", "-it", "p", "--", "sh")
    terminal.until(b"# ")
    # the size comes by a channel of its own, and may come after the first prompt
    terminal.type(b"until [ \"$(stty size)\" = '30 100' ]; do sleep 0.01; done; echo s$((1+1))\n")
    terminal.until(b"s2")
    terminal.type(b"exit 7\n")
    assert terminal.wait() == 7


def test_exec_over_spdy_where_websockets_do_not_pass(pods):
    done = pods.run("env", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false", KUBECTLS[NEWEST], "exec", "-i", "p", "--", "sh",
                    "-c", "cat; exit 4", stdin="text", check=False)
    assert (done.returncode, done.stdout) == (4, "text")


@pytest.mark.parametrize("version", sorted({OLDEST, NEWEST} - {None}))
def test_stdin_of_a_hundred_megabytes_arrives(pods, big, version):
    memory = Memory(pods)
    done = pods.kubectl("exec", "-i", "p", "--", "md5sum", version=version, stdin=big[2], text=False)
    assert done.stdout.split()[0].decode() == big[1]
    assert memory.grown() < GROWN_MAX


@pytest.mark.parametrize("version", sorted({OLDEST, NEWEST} - {None}))
def test_a_process_that_reads_slowly_holds_the_client_back(pods, big, version):
    # Each read makes a little room, for which the server must not take more than that little.
    slowly = "for i in $(seq 200); do head -c 65536 > /dev/null; sleep 0.005; done"
    memory = Memory(pods)
    with open(big[0], "rb") as data:
        client = pods.start(KUBECTLS[version], "exec", "-i", "p", "--", "sh", "-c", f"{slowly}; echo enough; cat > /dev/null",
                            stdin=data)
    assert client.stdout.readline().strip() == "enough"
    assert memory.grown() < GROWN_MAX
    client.communicate(timeout=LIMIT)


def test_a_reader_that_stops_holds_the_process_back(pods):
    # much more than pipes and buffers hold; the reader takes nothing until the writer has come to a stop
    script = (f"{KUBECTLS[NEWEST]} exec p -- sh -c 'head -c 200000000 /dev/zero; touch /tmp/all' | "
              "(sleep 2; wc -c)")
    pods.kubectl("exec", "p", "--", "rm", "-f", "/tmp/all")
    memory = Memory(pods)
    process = pods.start("sh", "-c", script)
    time.sleep(1)
    assert pods.kubectl("exec", "p", "--", "test", "-e", "/tmp/all", check=False).returncode == 1
    assert process.communicate(timeout=LIMIT)[0].strip() == "200000000"
    assert memory.grown() < GROWN_MAX


@pytest.mark.parametrize("terminal", [False, True])
def test_what_was_started_ends_when_its_client_goes_away(pods, terminal):
    """The process, its children, and one whose parent has ended; on a terminal they have a hang-up to ignore."""
    number = 90001 + terminal
    script = f"trap '' HUP; sleep {number} & (sleep {number} &); echo there; sleep {number}; true"
    command = killable(pods, KUBECTLS[NEWEST], "exec", *(["-it"] if terminal else []), "p", "--", "sh", "-c", script)
    if terminal:
        client = Terminal(pods, *command)
        client.until(b"there")
    else:
        client = pods.start(*command)
        assert client.stdout.readline().strip() == "there"
    running = f"ps | grep -v grep | grep -c 'sleep {number}'"
    assert pods.out("exec", "p", "--", "sh", "-c", running).strip() in ("2", "3", "4")  # the last may not be there yet
    kill(pods)
    pods.out("exec", "p", "--", "sh", "-c", f"while ps | grep -v grep | grep -q 'sleep {number}'; do sleep 0.1; done")
    pods.run("sh", "-c", "while ps axo stat,comm | grep '^Z.*crun'; do sleep 0.1; done", timeout=30)


def test_what_was_started_ends_after_its_server_was_killed(world):
    world.apply(POD.split("---")[0])
    world.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    client = world.start(KUBECTLS[NEWEST], "exec", "p", "--", "sh", "-c", "sleep 90005 & echo there; sleep 90005; true")
    assert client.stdout.readline().strip() == "there"
    world.kill_server()
    client.communicate(timeout=LIMIT)
    world.up()
    world.run("sh", "-c", "while ps axo args | grep '^sleep 90005'; do sleep 0.1; done", timeout=30)
    assert world.out("get", "pod", "p", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"


def test_what_a_process_leaves_in_the_background_stays(pods):
    pods.out("exec", "p", "--", "sh", "-c", "sleep 90003 >/dev/null 2>&1 &")
    assert pods.out("exec", "p", "--", "sh", "-c", "ps | grep -v grep | grep -c 'sleep 90003'").strip() == "1"
    pods.out("exec", "p", "--", "sh", "-c", "kill $(ps | grep -v grep | grep 'sleep 90003' | awk '{print $1}')")


# ---- cp ----


def test_cp_goes_both_ways(pods, kubectl_version):
    text = os.urandom(200000)
    there, back = pods.dir / f"there-{kubectl_version}", pods.dir / f"back-{kubectl_version}"
    there.write_bytes(text)
    pods.kubectl("cp", there, f"p:/tmp/{there.name}", version=kubectl_version)
    pods.kubectl("cp", f"p:/tmp/{there.name}", back, version=kubectl_version)
    assert back.read_bytes() == text


@pytest.mark.parametrize("version", sorted({OLDEST, NEWEST} - {None}))
def test_cp_of_a_hundred_megabytes_keeps_every_byte(pods, big, version):
    memory = Memory(pods)
    pods.kubectl("cp", big[0], "p:/tmp/big", version=version)
    assert pods.out("exec", "p", "--", "md5sum", "/tmp/big").split()[0] == big[1]
    back = pods.dir / f"big-{version}"
    pods.kubectl("cp", "p:/tmp/big", back, version=version)
    assert hashlib.md5(back.read_bytes()).hexdigest() == big[1]
    pods.kubectl("exec", "p", "--", "rm", "/tmp/big")
    assert memory.grown() < GROWN_MAX


# ---- attach ----


def test_attach_carries_stdin_and_both_outputs(pods, kubectl_version):
    word = f"w{kubectl_version}"
    process = pods.start(*killable(pods, KUBECTLS[kubectl_version], "attach", "-i", "reader"), stdin=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    process.stdin.write(word + "\n")
    process.stdin.flush()
    seen = set()
    while len(seen) < 2:
        line = process.stdout.readline()
        assert line, "attach ended"
        if line.strip() in (f"got {word}", f"err {word}"):
            seen.add(line)
    kill(pods)
    process.communicate()


@pytest.mark.parametrize("websockets", ["true", "false"])
def test_attach_returns_when_its_input_ends(pods, kubectl_version, websockets):
    # twice: the container's own input stays open
    for word in "one", "two":
        done = pods.run("env", f"KUBECTL_REMOTE_COMMAND_WEBSOCKETS={websockets}", KUBECTLS[kubectl_version],
                        "attach", "-i", "reader", stdin=word + "\n")
        assert f"got {word}" in done.stdout


@pytest.mark.parametrize("websockets", ["true", "false"])
def test_input_once_ends_with_the_client_who_sees_the_rest(pods, kubectl_version, websockets):
    name = f"once-{kubectl_version.replace('.', '-')}-{websockets}"
    done = pods.run("env", f"KUBECTL_REMOTE_COMMAND_WEBSOCKETS={websockets}", KUBECTLS[kubectl_version],
                    "run", name, "--image=time-server", "--restart=Never", "-i", "--quiet", "--command", "--",
                    "sh", "-c", "cat; echo rest", stdin="word\n")
    assert done.stdout.splitlines()[-2:] == ["word", "rest"]


def test_attach_to_a_terminal(pods, kubectl_version):
    terminal = Terminal(pods, *killable(pods, KUBECTLS[kubectl_version], "attach", "-it", "terminal"))
    terminal.until(b"enter")
    terminal.type(b"\n")
    terminal.until(b"# ")
    terminal.type(b"echo s$((1+1))\n")
    terminal.until(b"s2")
    kill(pods)
    terminal.wait()


def test_run_on_a_terminal_ends_with_the_exit_code(pods, kubectl_version):
    name = "r" + kubectl_version.replace(".", "-")
    terminal = Terminal(pods, KUBECTLS[kubectl_version], "run", "-it", "--rm", name, "--image=time-server",
                        "--restart=Never", "--command", "--", "sh")
    terminal.until(b"enter")
    terminal.type(b"echo s$((1+1))\n")
    terminal.until(b"s2")
    terminal.type(b"exit 5\n")
    assert terminal.wait() == 5
    assert "NotFound" in pods.kubectl("get", "pod", name, check=False).stderr


def test_run_takes_stdin_to_its_end(pods, kubectl_version):
    name = "i" + kubectl_version.replace(".", "-")
    done = pods.kubectl("run", "-i", "--rm", name, "--image=time-server", "--restart=Never", "--command", "--", "sh",
                        "-c", "cat", version=kubectl_version, stdin="some text\n")
    assert "some text\n" in done.stdout


# One ends before any client can attach; the other two wait for the input of one that has.
@pytest.mark.parametrize("script, want", [("echo hi", ["hi"]), ("read l; sleep 0.1; echo got $l", ["got input"]),
                                          ("cat; echo rest", ["input", "rest"])], ids=["at-once", "later", "cat"])
def test_run_prints_everything_once(pods, kubectl_version, script, want):
    name = "o" + kubectl_version.replace(".", "-")
    done = pods.kubectl("run", "-i", "--rm", name, "--image=time-server", "--restart=Never", "--command", "--", "sh",
                        "-c", script, version=kubectl_version, stdin="input\n")
    lines = done.stdout.splitlines()
    assert lines[:-1] == want and lines[-1].startswith(f'pod "{name}" deleted'), lines
    assert "couldn't attach" not in done.stderr


# ---- port-forward ----


def test_ports_are_forwarded_to_both_addresses_in_the_pod(pods, kubectl_version):
    with forwarding(pods, kubectl_version, ":8080", ":8081") as (ports, _):
        assert pods.curl(f"http://127.0.0.1:{ports[8080]}/hello") == "hello\n"
        assert pods.curl(f"http://127.0.0.1:{ports[8081]}/hello") == "hello\n"


def test_twenty_connections_at_once(pods, kubectl_version):
    with forwarding(pods, kubectl_version, ":8080") as (ports, _), concurrent.futures.ThreadPoolExecutor(20) as pool:
        sizes = pool.map(lambda _: len(pods.curl(f"http://127.0.0.1:{ports[8080]}/zeros")), range(20))
        assert set(sizes) == {300000}


def test_a_client_may_end_its_half_first(pods, kubectl_version):
    with forwarding(pods, kubectl_version, ":8082") as (ports, _):
        done = pods.run("sh", "-c", f"head -c 3000000 /dev/zero | busybox nc 127.0.0.1 {ports[8082]} | wc -c")
        assert done.stdout.strip() == "3000000"


def test_a_port_that_nobody_listens_on_is_told(pods, kubectl_version):
    with forwarding(pods, kubectl_version, ":99") as (ports, process):
        pods.curl(f"http://127.0.0.1:{ports[99]}/", check=False)
        for line in process.stdout:
            if "error forwarding port 99 to pod" in line:
                break
        assert "connect: connection refused" in line


# ---- channels, by hand ----

# Speaks WebSocket inside the world: argv: path, protocol. Prints a JSON list of the messages and the negotiated name;
# stdin: lines "channel base64", or "" to go on reading until the end.
CLIENT = r"""
import base64, json, os, socket, ssl, struct, sys
config = json.loads(sys.argv[1])
cert, key = sys.argv[2], sys.argv[3]
tls = ssl.create_default_context(); tls.check_hostname = False; tls.verify_mode = ssl.CERT_NONE
tls.load_cert_chain(cert, key)
s = tls.wrap_socket(socket.create_connection(("127.0.0.1", 6443)))
protocol = f"Sec-WebSocket-Protocol: {config['protocol']}\r\n" if config["protocol"] else ""
s.sendall((f"GET {config['path']} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{protocol}"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
f = s.makefile("rb")
head = b""
while not head.endswith(b"\r\n\r\n"):
    head += f.read(1)
if not head.startswith(b"HTTP/1.1 101"):
    print(json.dumps([head.decode(), []]))
    sys.exit()
for text, message in config["send"]:
    payload = base64.b64decode(message)
    s.sendall(bytes([0x81 if text else 0x82, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)
if config["flood"]:
    frames = (b"\x82\x82\0\0\0\0\0x") * 1024
    s.settimeout(1)
    try:
        for i in range(config["flood"]):
            s.sendall(frames)
        print("all of it went")
    except TimeoutError:
        print("held back")
    sys.exit()
messages = []
while True:
    two = f.read(2)
    if len(two) < 2:
        break
    n = two[1] & 127
    if n == 126: n = struct.unpack(">H", f.read(2))[0]
    elif n == 127: n = struct.unpack(">Q", f.read(8))[0]
    payload = f.read(n)
    if two[0] & 15 == 8:
        break
    messages.append([two[0] & 15, base64.b64encode(payload).decode()])
    if config.get("until") and base64.b64decode(config["until"]) in payload:
        break
print(json.dumps([head.decode(), messages]))
"""


def channel_client(world, wish):
    """What CLIENT prints."""
    config = json.loads(world.out("config", "view", "--raw", "-o", "json"))
    user = config["users"][0]["user"]
    for name in ("cert", "key"):
        field = {"cert": "client-certificate-data", "key": "client-key-data"}[name]
        (world.dir / f"client.{name}").write_bytes(base64.b64decode(user[field]))
    return world.run(sys.executable, "-c", CLIENT, json.dumps({"flood": 0} | wish), world.dir / "client.cert",
                     world.dir / "client.key", timeout=30).stdout


def speak(world, path, protocol, send=(), until=None):
    wish = {"path": path, "protocol": protocol, "until": until and base64.b64encode(until).decode(),
            "send": [[text, base64.b64encode(message).decode()] for text, message in send]}
    head, messages = json.loads(channel_client(world, wish))
    return head, [(kind, base64.b64decode(message)) for kind, message in messages]


EXEC = "/api/v1/namespaces/default/pods/p/exec?stdout=true&stderr=true&command=sh&command=-c&command="


def gathered(messages, channel):
    return b"".join(message[1:] for _, message in messages if message[0] == channel)


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_channels_tell_the_end_as_a_status(pods, protocol):
    head, messages = speak(pods, EXEC + quote("echo a; echo b >&2; exit 3"), protocol)
    assert head.startswith("HTTP/1.1 101") and f"sec-websocket-protocol: {protocol}" in head.lower()
    assert (gathered(messages, 1), gathered(messages, 2)) == (b"a\n", b"b\n")
    status = json.loads(gathered(messages, 3))
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


def test_input_in_the_smallest_pieces_counts_as_what_it_takes(pods):
    memory = Memory(pods)
    wish = {"path": EXEC + quote("sleep 30") + "&stdin=true", "protocol": "v4.channel.k8s.io", "send": [], "flood": 16384}
    assert channel_client(pods, wish).strip() == "held back"
    assert memory.grown() < GROWN_MAX


@pytest.mark.parametrize("protocol", ["channel.k8s.io", None])
def test_the_first_version_tells_errors_as_text(pods, protocol):
    head, messages = speak(pods, EXEC + quote("echo a; exit 3"), protocol)
    assert gathered(messages, 1) == b"a\n"
    assert gathered(messages, 3) == b"command terminated with non-zero exit code: exit status 3"
    head, messages = speak(pods, EXEC + quote("echo a"), protocol)
    assert gathered(messages, 3) == b""


@pytest.mark.parametrize("protocol", ["v4.base64.channel.k8s.io", "base64.channel.k8s.io"])
def test_browsers_may_speak_base64(pods, protocol):
    line = b"0" + base64.b64encode(b"hello\n")
    head, messages = speak(pods, EXEC + quote("read x; echo $x$x") + "&stdin=true", protocol, [(True, line)])
    assert all(kind == 1 for kind, _ in messages)
    text = b"".join(base64.b64decode(message[1:]) for _, message in messages if message[:1] == b"1")
    assert text == b"hellohello\n"


def test_a_protocol_that_nobody_knows_is_refused(pods):
    head, _ = speak(pods, EXEC + "true", "v9.channel.k8s.io")
    assert head.startswith("HTTP/1.1 400")


def test_ports_are_forwarded_over_channels(pods):
    path = "/api/v1/namespaces/default/pods/p/portforward?ports=8082,99"
    head, messages = speak(pods, path, "v4.channel.k8s.io", [(False, b"\x00some text")], until=b"text")
    assert head.startswith("HTTP/1.1 101")
    assert messages[0][1] == b"\x00" + (8082).to_bytes(2, "little")
    assert messages[1][1] == b"\x01" + (8082).to_bytes(2, "little")
    assert messages[2][1] == b"\x02" + (99).to_bytes(2, "little")
    assert gathered(messages, 0)[2:] == b"some text"
    _, messages = speak(pods, "/api/v1/namespaces/default/pods/p/portforward?ports=99", "v4.channel.k8s.io")
    assert b"error forwarding port 99 to pod p" in gathered(messages, 1)
    head, _ = speak(pods, "/api/v1/namespaces/default/pods/p/portforward", "v4.channel.k8s.io")
    assert head.startswith("HTTP/1.1 400")


# ---- debug ----


def test_debug_adds_a_container_that_sees_the_target(pods, kubectl_version):
    name = "debug-" + kubectl_version.replace(".", "-")
    pods.kubectl("debug", "p", "-c", name, "--image=time-server", "--target=c", "--", "sleep", "100000",
                 version=kubectl_version)
    pods.kubectl("wait", f"--for=jsonpath={{.status.ephemeralContainerStatuses[?(@.name==\"{name}\")].state.running}}",
                 "pod/p", "--timeout=30s")
    assert "sleep 100000" in pods.out("exec", "p", "-c", name, "--", "cat", "/proc/1/cmdline").replace("\0", " ")
    patch = '[{"op": "remove", "path": "/spec/ephemeralContainers/0"}]'
    done = pods.kubectl("patch", "pod", "p", "--subresource=ephemeralcontainers", "--type=json", "-p", patch, check=False)
    assert "may not be removed" in done.stderr


# ---- the server's health after all that ----


def test_nothing_is_left_open(pods):
    """Connections into pods and their sockets go with their clients."""
    text = pods.run("ls", "-l", f"/proc/{pods.server_pid()}/fd").stdout
    assert text.count("socket:") < 60
