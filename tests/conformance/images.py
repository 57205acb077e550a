# SPDX-License-Identifier: Apache-2.0
"""Images for Kubernetes' end-to-end suite, under the names that it asks for.

The suite's own images are in a registry that a test machine need not reach. What their containers run is either part of
Kubernetes' module (agnhost, the no-new-privileges probe) or of Debian (nginx, dig, nc and so on), so each image is put
together from these. The packages are unpacked into a cache folder; nothing is installed."""
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile

REPOSITORY = "e2e-test-images/"  # of registry.k8s.io
PATH = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
LIBRARIES = "usr/lib/x86_64-linux-gnu"
PACKAGES = ["nginx", "bind9-dnsutils", "bind9-host", "netcat-openbsd", "iproute2", "util-linux"]
FOLDERS = ["bin", "dev", "etc", "home", "lib", "lib64", "mnt", "opt", "proc", "run", "sbin", "srv", "sys", "usr", "usr/bin", "usr/sbin",
           "usr/lib", "usr/local", "usr/local/bin", "var", "var/log"]
# Debian's busybox has an older or a lesser form of these, or runs its own in place of the one in PATH.
BETTER = ["bash", "curl", "dig", "ip", "ipcs", "nc", "nslookup", "printenv", "ss", "wget"]
NGINX_CONF = """user nobody nobody;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr;
events { worker_connections 256; }
http {
    include mime.types;
    access_log /dev/stdout;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fcgi;
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server { listen 80; location / { root /usr/share/nginx/html; index index.html; } }
}
"""
PASSWD = """root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
user-defined-in-image:x:1000:1000:Linux User,,,:/home/user-defined-in-image:/bin/sh
"""
GROUP = """root:x:0:
nobody:x:65534:
www-data:x:33:
user-defined-in-image:x:1000:
group-defined-in-image:x:50000:user-defined-in-image
"""
PAUSE = """#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int number) { (void) number; exit(0); }
static void reap(int number) { (void) number; while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) { signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap); for (;;) pause(); }
"""


def unpack_packages(folder: pathlib.Path) -> pathlib.Path:
    """PACKAGES and what they depend on, unpacked below `folder`."""
    root, archives = folder / "root", folder / "packages"
    if root.exists():
        return root
    archives.mkdir(parents=True, exist_ok=True)
    shown = subprocess.run(["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                            "--no-replaces", "--no-enhances", *PACKAGES], capture_output=True, text=True, check=True).stdout
    wanted = [line for line in shown.splitlines() if line and not line.startswith((" ", "<", "|"))]
    real = subprocess.run(["apt-cache", "policy", *wanted], capture_output=True, text=True, check=True).stdout
    names, name = [], None
    for line in real.splitlines():  # a virtual package has no candidate
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:") and "(none)" not in line and ":" not in name:
            names.append(name)
    subprocess.run(["apt-get", "download", *names], cwd=archives, check=True, capture_output=True)
    unpacked = folder / "root.new"
    for package in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    unpacked.rename(root)
    shutil.rmtree(archives)
    return root


class Layer:
    """The files of an image's only layer. What is added first under a name stays."""

    def __init__(self, debian):
        self.debian = debian
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w")
        self.names = set()

    def add(self, name, data=None, mode=0o755, link=None):
        if name in self.names:
            return
        self.names.add(name)
        info = tarfile.TarInfo(name)
        info.mode = mode
        if link:
            info.type, info.linkname = tarfile.SYMTYPE, link
        elif data is None:
            info.type = tarfile.DIRTYPE
        else:
            data = data.encode() if isinstance(data, str) else data
            info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data) if info.isfile() else None)

    def program(self, name, path):
        """A program with the libraries that it is linked to."""
        path = pathlib.Path(path)
        self.add(name, path.read_bytes())
        places = ":".join(str(self.debian / place) for place in (LIBRARIES, "lib/x86_64-linux-gnu"))
        shown = subprocess.run(["ldd", path], capture_output=True, text=True, check=False,
                               env=dict(os.environ, LD_LIBRARY_PATH=places)).stdout
        for words in map(str.split, shown.splitlines()):
            if "=>" in words:
                if words[2] == "not":
                    raise FileNotFoundError(f"{path} needs {words[0]}")
                self.add(f"{LIBRARIES}/{words[0]}", pathlib.Path(words[2]).read_bytes())
            elif words[0].startswith("/"):
                self.add(words[0].lstrip("/"), pathlib.Path(words[0]).read_bytes())

    def base(self, without=()):
        """What Alpine's image offers: busybox, a shell, accounts."""
        for folder in FOLDERS:
            self.add(folder)
        self.add("tmp", mode=0o1777)
        self.add("root", mode=0o700)
        busybox = pathlib.Path(shutil.which("busybox"))
        self.add("bin/busybox", busybox.read_bytes())
        # Cases compare a message of the shell in /bin with that of busybox. But Debian's busybox does not pass on variables with a dash
        # in their name, so those who look for a shell in PATH find another one.
        self.program("bin/bash", "/usr/bin/bash")
        self.add("usr/bin/sh", link="/bin/bash")
        applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
        for applet in applets:
            if applet not in ("busybox", *without):
                self.add(f"bin/{applet}", link="busybox")
        self.add("etc/os-release", 'NAME="Alpine Linux"\nID=alpine\n', 0o644)  # one case looks for these words
        self.add("etc/passwd", PASSWD, 0o644)
        self.add("etc/group", GROUP, 0o644)
        self.add("etc/nsswitch.conf", "hosts: files dns\npasswd: files\ngroup: files\n", 0o644)

    def tools(self):
        for name, path in (("dig", "usr/bin/dig"), ("host", "usr/bin/host"), ("nslookup", "usr/bin/nslookup"), ("nc", "bin/nc.openbsd"),
                           ("ipcs", "usr/bin/ipcs"), ("ss", "bin/ss"), ("ip", "bin/ip")):
            places = [self.debian / path, self.debian / "usr" / path]
            self.program(f"usr/bin/{name}", next(place for place in places if place.exists()))
        for name in ("curl", "getent", "printenv", "wget"):
            self.program(f"usr/bin/{name}", f"/usr/bin/{name}")
        for library in ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"):
            self.add(f"{LIBRARIES}/{library}", pathlib.Path("/lib/x86_64-linux-gnu", library).read_bytes())

    def nginx(self):
        share = "usr/share/nginx/html"
        self.program("usr/sbin/nginx", self.debian / "usr/sbin/nginx")
        for folder in ("etc/nginx", "usr/share", "usr/share/nginx", share, "var/log/nginx", "var/lib", "var/lib/nginx"):
            self.add(folder, mode=0o777)
        self.add(f"{share}/index.html", (self.debian / share / "index.html").read_bytes(), 0o644)
        self.add("etc/nginx/mime.types", (self.debian / "etc/nginx/mime.types").read_bytes(), 0o644)
        self.add("etc/nginx/nginx.conf", NGINX_CONF, 0o644)
        self.add("var/log/nginx/access.log", link="/dev/stdout")
        self.add("var/log/nginx/error.log", link="/dev/stderr")

    def close(self):
        self.tar.close()
        return self.bytes.getvalue()


def write_archive(path: pathlib.Path, name: str, config: dict, layer: bytes):
    """An archive of one image, as `docker save` writes it."""
    about = json.dumps({"architecture": "amd64", "os": "linux", "config": config, "history": [{"created_by": name}],
                        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    part = path.with_suffix(".part")
    with tarfile.open(part, "w") as tar:
        for member, data in (("config.json", about), ("layer.tar", layer), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    part.rename(path)


def make_images(folder: pathlib.Path, programs: dict, kubernetes: pathlib.Path) -> list:
    """[[name without the registry, archive], ...] of all images, made below `folder` once for each version of this file. `programs` has the paths of agnhost,
    sample-apiserver and etcd; `kubernetes` is the folder of Kubernetes' module."""
    done, version = folder / "made", hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    known = json.loads(done.read_text()) if done.exists() else {}
    if known.get("version") == version:
        return known["images"]
    shutil.rmtree(folder / "registry", ignore_errors=True)  # it has the images of before
    folder.mkdir(parents=True, exist_ok=True)
    debian = unpack_packages(folder)
    source = kubernetes / "test" / "images"

    def layer_of(fill):
        layer = Layer(debian)
        fill(layer)
        return layer.close()

    def plain(layer):
        layer.base()

    def with_tools(layer):
        layer.base(without=BETTER)
        layer.tools()

    def with_agnhost(layer, html=None):
        with_tools(layer)
        layer.program("agnhost", programs["agnhost"])
        layer.add("agnhost-2", link="agnhost")
        layer.add("uploads")
        for name in ("localhost.crt", "localhost.key"):
            layer.add(name, (source / "agnhost/porter" / name).read_bytes(), 0o644)
        for page in sorted((source / html / "html").iterdir()) if html else []:
            layer.add(page.name, page.read_bytes(), 0o644)

    def with_nginx(layer):
        layer.base()
        layer.nginx()

    def with_pause(layer):
        (folder / "pause.c").write_text(PAUSE)
        subprocess.run(["gcc", "-O1", "-static", "-o", folder / "pause", folder / "pause.c"], check=True)
        layer.add("pause", (folder / "pause").read_bytes())

    def with_sample(layer):
        layer.base()
        layer.program("sample-apiserver", programs["sample-apiserver"])

    def with_etcd(layer):
        layer.base()
        layer.program("usr/local/bin/etcd", programs["etcd"])

    def with_probe(layer):
        build = folder / "nnp"
        build.mkdir(exist_ok=True)
        shutil.copy(source / "nonewprivs/nnp.go", build / "main.go")
        subprocess.run(["go", "build", "-o", "nnp", "main.go"], cwd=build, check=True,
                       env=dict(os.environ, CGO_ENABLED="0", GO111MODULE="off", GOFLAGS=""))
        layer.base()
        layer.add("usr/local/bin/nnp", (build / "nnp").read_bytes(), 0o6755)

    agnhost_config = {**PATH, "Entrypoint": ["/agnhost"], "Cmd": ["pause"]}
    made = []

    def add(name, config, layer):
        archive = folder / (name.rsplit("/", 1)[-1].replace(":", "-") + ".tar")
        write_archive(archive, f"registry.k8s.io/{name}", config, layer)
        made.append([name, str(archive)])

    page_config = {**agnhost_config, "Cmd": ["test-webserver"]}
    nginx_config = {**PATH, "Cmd": ["nginx", "-g", "daemon off;"], "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT"}
    for names, config, fill in (
            (["agnhost:2.63.0", "agnhost:2.55"], agnhost_config, with_agnhost),
            (["busybox:1.37.0-1"], {**PATH, "Cmd": ["sh"]}, plain),
            (["nginx:1.15-4", "nginx:1.27-0"], nginx_config, with_nginx),
            (["nonroot:1.5"], {**PATH, "Cmd": ["sh"], "User": "1234"}, plain),
            (["glibc-dns-testing:2.0.0", "ipc-utils:1.4"], {**PATH, "Cmd": ["bash"]}, with_tools),
            (["kitten:1.8"], page_config, lambda layer: with_agnhost(layer, "kitten")),
            (["nautilus:1.8"], page_config, lambda layer: with_agnhost(layer, "nautilus")),
            (["sample-apiserver:1.29.2"], {**PATH, "Entrypoint": ["/sample-apiserver"]}, with_sample),
            (["nonewprivs:1.4"], {**PATH, "Cmd": ["nnp"]}, with_probe)):
        layer = layer_of(fill)
        for name in names:
            add(REPOSITORY + name, config, layer)
    add("pause:3.10.2", {"Entrypoint": ["/pause"], "User": "65535:65535"}, layer_of(with_pause))
    add("etcd:3.6.8-0", PATH, layer_of(with_etcd))
    done.write_text(json.dumps({"version": version, "images": made}))
    return made
