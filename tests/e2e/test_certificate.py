# SPDX-License-Identifier: Apache-2.0
"""The server's certificate while the server runs."""
from conftest import make

SERIAL = "openssl s_client -connect 127.0.0.1:6443 < /dev/null 2> /dev/null | openssl x509 -noout -serial"


def test_it_is_renewed_and_nobody_notices(request):
    world = make(request, ["--certificate-life", "20"]).up()
    first = world.run("sh", "-c", SERIAL).stdout
    watch = world.start("timeout", "100", *kubectl(world), "get", "configmaps", "--watch", "-o", "name")
    assert watch.stdout.readline() == "configmap/kube-root-ca.crt\n"
    world.run("sh", "-c", f"i=0; until [ \"$({SERIAL})\" != '{first.strip()}' ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; "
              "sleep 0.2; done")
    # who comes now trusts the new one, who was there still is
    world.kubectl("create", "configmap", "after")
    assert watch.stdout.readline() == "configmap/after\n"
    world.stop(watch)
    assert "the server's certificate was renewed" in world.log()
    kept = world.run("openssl", "x509", "-noout", "-serial", "-in", world.data / "pki" / "server.crt").stdout
    assert kept != first


def kubectl(world):
    import world as worlds
    return [worlds.KUBECTLS[worlds.NEWEST], "--cache-dir", world.dir / "cache"]
