# SPDX-License-Identifier: Apache-2.0
"""Charts in the shapes of well-known public ones install unchanged, and what is in them works. The programs in them are
stand-ins; the objects are what such charts make."""
import base64

import pytest

from helm import Helm
from world import ROOT

CHARTS = ROOT / "tests" / "e2e" / "charts"


@pytest.fixture(params=["helm4", "helm3"])
def helm(request, world):
    return Helm(world, request.param)


def ready(world, *sets):
    return [world.out("get", name, "--no-headers").split()[1] for name in sets]


def test_a_replicated_cache_installs_and_upgrades(helm, world):
    notes = helm.out("install", "my-cache", CHARTS / "cache", "--wait", "--timeout", "90s")
    assert "my-cache-master.default.svc.cluster.local for reading and writing" in notes
    assert ready(world, "sts/my-cache-master", "sts/my-cache-replica") == ["1/1", "2/2"]
    assert world.out("get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].ready}").split() == ["true"] * 6
    password = world.get("secret", "my-cache")["data"]["cache-password"]
    assert len(base64.b64decode(password)) == 10
    # the container has its rights, its files and its password, and no more
    inside = world.out("exec", "my-cache-replica-1", "-c", "cache", "--", "sh", "-c",
                       "id -u; id -G; touch /x 2>&1; cat /opt/cache/etc/cache.conf | wc -l; stat -Lc %a /health/*.sh; "
                       "grep cache.local /etc/hosts; echo $CACHE_PASSWORD; ls /var/run/secrets 2>&1 | wc -l").splitlines()
    assert inside[0] == "1001" and inside[1].split() == ["1001"]
    assert "Read-only file system" in inside[2] and inside[3] == "1"
    assert inside[4] == "755" and inside[5].split() == ["127.0.0.2", "cache.local"]
    assert inside[6] == base64.b64decode(password).decode()
    # each service finds its own
    for service, pods in (("master", ["my-cache-master-0"]), ("replicas", ["my-cache-replica-0", "my-cache-replica-1"])):
        ip = world.out("get", "svc", f"my-cache-{service}", "-o", "jsonpath={.spec.clusterIP}")
        assert {world.curl(f"http://{ip}:6379/").strip() for _ in range(16)} == set(pods)
    headless = world.out("exec", "my-cache-master-0", "-c", "cache", "--", "nslookup",
                         "my-cache-headless.default.svc.cluster.local").count("Address")
    assert headless >= 3
    assert world.out("get", "pdb", "--no-headers").count("my-cache-") == 2
    # an upgrade keeps the password, by lookup, and the volumes
    helm("upgrade", "my-cache", CHARTS / "cache", "--wait", "--timeout", "90s", "--set", "metrics.enabled=false")
    assert world.get("secret", "my-cache")["data"]["cache-password"] == password
    world.kubectl("rollout", "status", "sts/my-cache-replica", "--timeout=60s")
    starts = world.out("exec", "my-cache-replica-0", "--", "cat", "/data/starts").split("\n")
    assert [line.split()[-1] for line in starts if line] == ["replica", "stopped", "replica"]
    helm("uninstall", "my-cache", "--wait")
    assert len(world.get("pvc")["items"]) == 3


def test_a_database_installs(helm, world):
    helm("install", "pg", CHARTS / "database", "--wait", "--timeout", "90s")
    assert ready(world, "sts/pg") == ["1/1"]
    assert world.out("exec", "pg-0", "--", "sh", "-c",
                     "cat $PGDATA/PG_VERSION; stat -c %a:%u $PGDATA; df -k /dev/shm | tail -1 | awk '{print $2}'; "
                     "echo $password").split() == ["17", "700:1001", "16384", "second"]
    assert world.out("auth", "can-i", "update", "endpoints", "--as=system:serviceaccount:default:pg") == "yes\n"
    assert world.kubectl("auth", "can-i", "delete", "pods", "--as=system:serviceaccount:default:pg",
                         check=False).stdout == "no\n"
    # the backup runs when asked
    world.kubectl("create", "job", "now", "--from=cronjob/pg-backup")
    world.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=60s")
    helm("uninstall", "pg", "--wait")
    assert world.out("get", "pvc", "-o", "name") == "persistentvolumeclaim/data-pg-0\n"


def test_a_web_application_with_all_around_it_installs(helm, world):
    helm("install", "shop", CHARTS / "shop", "--wait", "--timeout", "90s")
    assert ready(world, "deploy/shop") == ["1/1"]
    world.kubectl("rollout", "status", "ds/shop-agent", "--timeout=60s")
    address = world.out("get", "svc", "shop", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
    assert "Visits: 1" in world.curl(f"http://{address}/")
    assert "shop.example" in world.out("get", "ingress", "shop")
    assert "shop" in world.out("get", "hpa")
    helm("uninstall", "shop", "--wait")
    for kind in ("ingress", "hpa", "ds", "deploy", "priorityclass/shop-high", "clusterrole/shop-agent"):
        assert world.out("get", *kind.split(), "--ignore-not-found", "-o", "name") == "", kind
