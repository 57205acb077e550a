# SPDX-License-Identifier: Apache-2.0
"""Addresses that a Service asks for and cannot have keep no other Service from its own."""
import conftest
import pytest

ALLOWED = "198.51.100.0/24"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
       "spec": {"terminationGracePeriodSeconds": 0,
                "containers": [{"name": "web", "image": "time-server:latest", "imagePullPolicy": "IfNotPresent"}]}}


@pytest.fixture(scope="module")
def web(request):
    """A world where external IPs are allowed, with a page to lead to."""
    world = conftest.make(request, ["--external-ips", ALLOWED]).up()
    world.run("ip", "route", "add", ALLOWED, "dev", "lo")  # a machine in a network has a route to everywhere
    world.apply(POD)
    world.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    return world


def service(name, *external, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 5000}], "externalIPs": list(external), **spec}}


def answers(world, address, port=5000):
    """The service map follows the Service within moments: curl tries until the address answers."""
    return world.run("curl", "-sS", "--fail", "--retry", "50", "--retry-delay", "0", "--retry-all-errors", "--retry-max-time",
                     "20", "--max-time", "2", f"http://{address}:{port}/healthz", check=False).returncode == 0


def said(world, name, text):
    """The Event is there, or comes within moments."""
    world.kubectl("wait", "--for=jsonpath={.reason}", "events", "--field-selector", f"involvedObject.name={name}", "--timeout=20s")
    return text in world.out("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "jsonpath={.items[*].message}")


def test_impossible_addresses_are_left_out_and_said(web):
    cluster_ip = web.out("get", "svc", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    wrong = {"v6": ("2001:db8::7", "2001:db8::7 in externalIPs has incorrect IP version"),
             "of-services": (cluster_ip, f"{cluster_ip} in externalIPs is left out: it lies in the range of Services"),
             "of-the-machine": ("10.42.0.1", "10.42.0.1 in externalIPs is left out: it lies in the range of Pods"),
             "outside": ("203.0.113.9", "203.0.113.9 in externalIPs is left out: it lies outside of the ranges")}
    for name, (address, _) in wrong.items():
        web.apply(service(name, address))
    web.apply(service("twice", "198.51.100.5", "198.51.100.5"))
    for name, (_, text) in wrong.items():
        assert said(web, name, text), name
    for name in (*wrong, "twice"):  # each works by its own address, and later ones do
        assert answers(web, web.out("get", "svc", name, "-o", "jsonpath={.spec.clusterIP}")), name
    assert answers(web, "198.51.100.5")
    web.kubectl("delete", "svc", *wrong, "twice")


def test_the_first_owner_of_an_address_keeps_it(web):
    web.apply(service("first", "198.51.100.9"))
    assert answers(web, "198.51.100.9")
    web.apply({**POD, "metadata": {"name": "other", "labels": {"app": "other"}}})
    web.kubectl("wait", "--for=condition=Ready", "pod/other", "--timeout=60s")
    web.apply(service("second", "198.51.100.9", selector={"app": "other"}))
    assert said(web, "second", "TCP 198.51.100.9:5000 already leads to default/first:")
    assert "web" in web.curl("http://198.51.100.9:5000/")
    web.stead("restart")  # after which the older Service has it again
    assert answers(web, "198.51.100.9")
    assert "web" in web.curl("http://198.51.100.9:5000/")
    web.kubectl("delete", "svc", "first")
    for _ in range(100):  # each answer is of one of the two, until the second has taken over
        if "other" in web.run("curl", "-sS", "--max-time", "2", "http://198.51.100.9:5000/", check=False).stdout:
            break
    else:
        pytest.fail("the second Service never got the address")
    web.kubectl("delete", "svc", "second")


def test_external_ips_are_off_unless_allowed(shared):
    shared.apply(POD)
    shared.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    shared.apply(service("web", "198.51.100.5"))
    assert answers(shared, shared.out("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}"))
    assert said(shared, "web", "198.51.100.5 in externalIPs is left out: the option --external-ips allows no ranges for them")
    ruleset = shared.run("nft", "list", "ruleset").stdout
    assert "services" in ruleset and "198.51.100.5" not in ruleset
