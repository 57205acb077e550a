# SPDX-License-Identifier: Apache-2.0
"""Resources that a CustomResourceDefinition defines, with the real kubectl."""
import json
import re

import pytest
import yaml

from world import ROOT

SCHEMA = {"type": "object", "properties": {
    "spec": {"type": "object", "required": ["color"], "properties": {
        "size": {"type": "integer", "minimum": 1, "default": 3},
        "color": {"type": "string", "enum": ["red", "blue"], "description": "What it looks like."},
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                  "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}}}},
    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}


def definition(plural, **more):
    kind = plural.capitalize().removesuffix("s")
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}, "subresources": {"status": {}},
               "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                                            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'}]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": plural, "kind": kind}, "versions": [version]} | more}


def define(world, plural, **more):
    world.apply(json.dumps(definition(plural, **more)))
    world.kubectl("wait", "--for=condition=Established", f"crd/{plural}.example.com", "--timeout=30s")


def thing(kind, name, version="v1", **spec):
    return json.dumps({"apiVersion": f"example.com/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec})


def test_what_the_page_says_works_as_it_is_written(shared):
    page = (ROOT / "docs/custom-resources.md").read_text()
    script = "\n".join(re.findall(r"^```\n(.*?)^```$", page, re.S | re.M))
    done = shared.shell(f"set -e\n{script}")
    assert re.search(r"^hall +Europe/Berlin$", done.stdout, re.M) and "hours" in done.stdout


def refusal(world, *args, stdin=None):
    done = world.kubectl(*args, stdin=stdin, check=False)
    assert done.returncode != 0
    return done.stderr


def test_a_resource_is_used_like_any_other(shared):
    define(shared, "boxes", names={"plural": "boxes", "kind": "Box", "shortNames": ["bx"], "categories": ["all"]})
    shared.apply(thing("Box", "a", color="red"))
    assert json.loads(shared.out("get", "bx", "a", "-o", "json"))["spec"] == {"color": "red", "size": 3}
    assert shared.out("get", "boxes").split() == ["NAME", "SIZE", "READY", "a", "3"]
    shared.kubectl("patch", "box", "a", "--subresource=status", "--type=merge", "-p",
                   '{"status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}}')
    assert shared.out("get", "boxes").split() == ["NAME", "SIZE", "READY", "a", "3", "True"]
    assert "box.example.com/a" in shared.out("get", "all", "-o", "name")
    assert "What it looks like." in shared.out("explain", "box.spec.color")
    assert "box.example.com/a condition met" in shared.out("wait", "box/a", "--for=condition=Ready", "--timeout=10s")
    shared.kubectl("label", "box", "a", "x=y")
    assert shared.out("get", "boxes", "-l", "x=y", "-o", "name").strip() == "box.example.com/a"


def test_what_the_schema_forbids_is_refused(shared):
    define(shared, "cans")
    assert 'unknown field "spec.lid"' in refusal(shared, "apply", "-f", "-", stdin=thing("Can", "a", color="red", lid=1))
    assert "spec.color: Required value" in refusal(shared, "apply", "-f", "-", stdin=thing("Can", "a"))
    assert 'spec.color: Unsupported value: "green"' in refusal(shared, "apply", "-f", "-", stdin=thing("Can", "a", color="green"))
    wrong = refusal(shared, "apply", "-f", "-", stdin=thing("Can", "a", color="red", size="big"))
    assert "spec.size: Invalid value: \"string\"" in wrong
    shared.kubectl("apply", "--validate=false", "-f", "-", stdin=thing("Can", "a", color="red", lid=1))
    assert "lid" not in json.loads(shared.out("get", "can", "a", "-o", "json"))["spec"]
    assert "greater than or equal to 1" in refusal(shared, "patch", "can", "a", "--type=merge", "-p", '{"spec": {"size": 0}}')


def test_a_format_that_nobody_knows_is_warned_about(shared):
    version = definition("pans")["spec"]["versions"][0] | {"schema": {"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"a": {"type": "string", "format": "unheard-of"}}}}}}}
    done = shared.kubectl("create", "-f", "-", stdin=json.dumps(definition("pans", versions=[version])))
    assert 'Warning: unrecognized format "unheard-of"' in done.stderr


def test_apply_merges_lists_by_their_keys(shared):
    define(shared, "racks")
    for manager, part in (("one", {"name": "x", "n": 1}), ("two", {"name": "y", "n": 2})):
        shared.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=thing("Rack", "a", color="red", parts=[part]))
    assert json.loads(shared.out("get", "rack", "a", "-o", "json"))["spec"]["parts"] == [{"name": "x", "n": 1}, {"name": "y", "n": 2}]
    assert "conflict with \"two\"" in refusal(shared, "apply", "--server-side", "--field-manager=one", "-f", "-",
                                            stdin=thing("Rack", "a", color="red", parts=[{"name": "y", "n": 3}]))


def test_versions_show_the_same_objects(shared):
    versions = [{"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": SCHEMA}} for name in ("v1", "v2")]
    versions[0] |= {"deprecated": True}
    define(shared, "jars", versions=versions)
    shared.apply(thing("Jar", "a", color="blue"))
    assert json.loads(shared.out("get", "jars.v2.example.com", "a", "-o", "json"))["apiVersion"] == "example.com/v2"
    assert "example.com/v1 Jar is deprecated" in shared.kubectl("get", "jars.v1.example.com").stderr
    assert shared.out("get", "crd", "jars.example.com", "-o", "jsonpath={.status.storedVersions}") == '["v1"]'


def test_scale_and_selectable_fields(shared):
    version = definition("cups")["spec"]["versions"][0] | {
        "subresources": {"scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.n"}}, "selectableFields": [{"jsonPath": ".spec.color"}]}
    define(shared, "cups", versions=[version])
    shared.apply(thing("Cup", "a", color="blue"))
    shared.apply(thing("Cup", "b", color="red"))
    shared.kubectl("scale", "cup", "a", "--replicas=5")
    assert shared.out("get", "cups", "--field-selector=spec.color=blue", "-o", "jsonpath={.items[*].spec.size}") == "5"
    assert "field label not supported: spec.size" in refusal(shared, "get", "cups", "--field-selector=spec.size=1")


def test_a_schema_may_change_while_there_are_objects(shared):
    define(shared, "pots")
    shared.apply(thing("Pot", "a", color="red"))
    changed = definition("pots")
    properties = json.loads(json.dumps(SCHEMA))
    properties["properties"]["spec"]["properties"]["lid"] = {"type": "boolean", "default": True}
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = properties
    shared.apply(json.dumps(changed))
    assert json.loads(shared.out("get", "pot", "a", "-o", "json"))["spec"] == {"color": "red", "lid": True, "size": 3}
    shared.apply(thing("Pot", "b", color="red", lid=False))
    assert shared.out("get", "pots", "-o", "jsonpath={.items[*].spec.lid}") == "true false"


def test_a_definition_has_a_limited_number_of_versions(shared):
    versions = [{"name": f"v{i}", "served": True, "storage": i == 1, "schema": {"openAPIV3Schema": {"type": "object"}}} for i in range(1, 102)]
    text = json.dumps(definition("nets", versions=versions))
    assert "spec.versions: Too many: 101: must have at most 100 items" in refusal(shared, "create", "-f", "-", stdin=text)
    define(shared, "nets", versions=versions[:100])
    shared.kubectl("get", "nets.v77.example.com")
    shared.kubectl("delete", "crd", "nets.example.com")


def test_two_definitions_do_not_share_a_name(shared):
    define(shared, "mugs", names={"plural": "mugs", "kind": "Mug"})
    shared.apply(json.dumps(definition("beakers", names={"plural": "beakers", "kind": "Mug"})))
    wait = lambda: shared.kubectl("wait", "--for=condition=NamesAccepted=false", "crd/beakers.example.com", "--timeout=10s")
    wait()
    assert "the server doesn't have a resource type" in refusal(shared, "get", "beakers")
    shared.kubectl("delete", "crd", "mugs.example.com")
    shared.kubectl("wait", "--for=condition=Established", "crd/beakers.example.com", "--timeout=30s")
    shared.kubectl("get", "beakers")


def test_owners_and_namespaces_take_their_resources_along(shared):
    define(shared, "tins")
    shared.apply(thing("Tin", "owner", color="red"))
    uid = shared.out("get", "tin", "owner", "-o", "jsonpath={.metadata.uid}")
    child = yaml.safe_load(thing("Tin", "child", color="red"))
    child["metadata"]["ownerReferences"] = [{"apiVersion": "example.com/v1", "kind": "Tin", "name": "owner", "uid": uid}]
    shared.apply(json.dumps(child))
    shared.kubectl("create", "namespace", "shelf")
    shared.kubectl("-n", "shelf", "apply", "-f", "-", stdin=thing("Tin", "a", color="red"))
    shared.kubectl("delete", "tin", "owner")
    shared.kubectl("wait", "--for=delete", "tin/child", "--timeout=30s")
    shared.kubectl("delete", "namespace", "shelf")
    assert shared.out("get", "tins", "-A", "-o", "name") == ""


@pytest.mark.parametrize("kill", [False, True])
def test_a_deleted_definition_takes_its_objects_along(world, kill):
    define(world, "bins")
    kept = yaml.safe_load(thing("Bin", "a", color="red"))
    kept["metadata"]["finalizers"] = ["example.com/wait"]
    world.apply(json.dumps(kept))
    world.kubectl("delete", "crd", "bins.example.com", "--wait=false")
    assert "create not allowed while custom resource definition is terminating" in refusal(world, "create", "-f", "-", stdin=thing("Bin", "b", color="red"))
    if kill:
        world.kill_server()
        world.up()
    world.kubectl("patch", "bin", "a", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    world.kubectl("wait", "--for=delete", "crd/bins.example.com", "--timeout=30s")
    assert "bins" not in world.out("api-resources", "-o", "name")
    define(world, "bins")
    assert world.out("get", "bins", "-o", "name") == ""


def test_everything_is_there_after_a_kill(world):
    define(world, "kits")
    for i in range(30):  # enough for a dictionary of the kind
        world.apply(thing("Kit", f"k{i}", color="red", size=i + 1))
    before = world.out("get", "kits", "-o", "json")
    world.kill_server()
    world.up()
    assert json.loads(world.out("get", "kits", "-o", "json"))["items"] == json.loads(before)["items"]


def test_objects_outlive_a_definition_that_lost_its_finalizer(world):
    define(world, "lots")
    kept = yaml.safe_load(thing("Lot", "a", color="red"))
    kept["metadata"]["finalizers"] = ["example.com/wait"]
    world.apply(json.dumps(kept))
    world.kubectl("delete", "crd", "lots.example.com", "--wait=false")
    world.kubectl("patch", "crd", "lots.example.com", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    refusal(world, "get", "lots")
    define(world, "lots")
    assert world.out("get", "lots", "-o", "name").strip() == "lot.example.com/a"
