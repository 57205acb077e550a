#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unit tests of tools/schema.py: what it refuses, and where it says so; names; the C it prints for small texts."""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))
sys.dont_write_bytecode = True
import schema  # noqa: E402

HEAD = """group apps
version v1
go k8s.io/api/apps/v1 openapi io.k8s.api.apps.v1
type ObjectMeta
    doc What every object has.
    1 name string # Name.
"""
HEAD_LINES = HEAD.count("\n")


def parse(text):
    return schema.parse([("x.schema", (HEAD + text).splitlines())])


def print_c(text):
    parsed = parse(text)
    return schema.print_header(parsed, "x"), schema.print_source(parsed, mark=0)


class Names(unittest.TestCase):
    def test_json_names_become_snake_case(self):
        for json, c in {
            "name": "name", "podIP": "pod_ip", "podIPs": "pod_ips", "clusterIPs": "cluster_ips", "fsGroup": "fs_group",
            "externalIPs": "external_ips", "hostIPC": "host_ipc", "targetWWNs": "target_wwns", "uid": "uid",
            "nonResourceURLs": "non_resource_urls", "fieldsV1": "fields_v1", "HTTPGet": "http_get",
            "containerID": "container_id", "downwardAPI": "downward_api", "podCIDRs": "pod_cidrs", "$ref": "ref",
        }.items():
            self.assertEqual(schema.member_name(json), c)

    def test_keywords_get_an_underscore(self):
        for json in ("default", "enum", "continue", "not", "static"):
            self.assertEqual(schema.member_name(json), json + "_" * (json != "not"))

    def test_kinds_become_snake_case(self):
        self.assertEqual(schema.snake("StatefulSet"), "stateful_set")
        self.assertEqual(schema.snake("CSIDriver"), "csi_driver")

    def test_strings_are_escaped(self):
        self.assertEqual(schema.c_string('a"b\\c\u00e9'), r'"a\"b\\c\303\251"')


class Refusals(unittest.TestCase):
    def refused(self, text, line, message):
        """The text, put behind HEAD, is refused at this line of it."""
        with self.assertRaises(schema.SchemaError) as caught:
            parse(text)
        self.assertIn(message, str(caught.exception))
        self.assertTrue(str(caught.exception).startswith(f"x.schema:{HEAD_LINES + line}: "), caught.exception)

    def field_refused(self, line, message):
        self.refused(f"type A\n    doc A.\n    {line}\n", 3, message)

    def test_bad_fields_are_refused_with_file_and_line(self):
        for line, message in {
            "1 a": "a field is",
            "1 a string": "no doc line",
            "0 a string # d": "not a protobuf number",
            "70000 a string # d": "not a protobuf number",
            "1 a strin # d": "unknown type 'strin'",
            "1 a Nothing # d": "unknown type 'Nothing'",
            "1 a [string # d": "not a type",
            "1 a []string? # d": "lists and maps have no '?'",
            "1 a string requird # d": "unknown attribute 'requird'",
            "1 a string required=yes # d": "unknown attribute",
            "1 a string required required # d": "twice",
            "1 a string min= # d": "needs a value",
            "1 a string min=x # d": "no integer",
            "1 a string format=phone # d": "format=",
            "1 a int32 format=ip # d": "format=",
            "1 a int32 enum=A|B # d": "enum= is for strings",
            "1 a string default=x # d": "no JSON",
            "1 a int32 default=true # d": "does not fit",
            '1 a string default="C" enum=A|B # d': "not among enum=",
            '1 a string default="x # d': "a quote is not closed",
            "1 a string set # d": "are for lists",
            "1 a []string atomic set # d": "one of atomic, set, map=",
            "1 a []ObjectMeta set # d": "a set is of scalars",
            "1 a []string map=name # d": "lists of structs",
            "1 a []ObjectMeta map=nam # d": "ObjectMeta has no field 'nam'",
            "1 a []ObjectMeta merge=nam # d": "ObjectMeta has no field 'nam'",
            "1 a ObjectMeta? inline # d": "inline is for a plain struct",
            "a field": "unknown line",
        }.items():
            with self.subTest(line):
                self.field_refused(line, message)

    def test_double_numbers_and_names_are_refused(self):
        self.refused("type A\n    doc A.\n    1 a string # d\n    1 b string # d\n", 4, "number 1 is already")
        self.refused("type A\n    doc A.\n    1 a string # d\n    2 a string # d\n", 4, "name a is already")
        self.refused("type A\n    doc A.\n    1 aB string # d\n    2 b string go=a_b # d\n", 4, "C name a_b is already")
        self.refused("type A\n    doc A.\ntype A\n    doc A.\n", 3, "A is already at x.schema")

    def test_names_that_clash_through_inline_structs_are_refused(self):
        text = "type A\n    doc A.\n    1 name string # d\n    2 meta ObjectMeta inline # d\n"
        self.refused(text, 1, "name is there twice")

    def test_structs_that_hold_themselves_are_refused(self):
        self.refused("type A\n    doc A.\n    1 a A inline # d\n", 3, "use '?'")
        self.refused("type A\n    doc A.\n    1 b B # d\ntype B\n    doc B.\n    1 a A # d\n", 6, "use '?'")

    def test_types_need_docs_and_free_names(self):
        self.refused("type A\n    1 a string # d\n", 1, "no doc line")
        self.refused("type Field\n    doc F.\n", 1, "is a name of codec/type.h")
        self.refused("type a\n", 1, "a type line is")

    def test_kinds_need_metadata_names_and_scope(self):
        self.refused("kind A\n    doc A.\n    names as a\n    scope cluster\n", 1, "the first field of A must be")
        self.refused("kind A\n    doc A.\n    names as a\n    1 metadata ObjectMeta # d\n", 1, "a scope line")
        self.refused("kind A\n    doc A.\n    names as\n", 3, "unknown line")
        self.refused("kind A\n    doc A.\n    flags generations\n", 3, "unknown flag")
        self.refused("kind A\n    doc A.\n    column Name text -\n", 3, "not a column type")
        self.refused("kind A\n    doc A.\n    column Name string name\n", 3, "path begins with")

    def test_unknown_lines_are_refused(self):
        self.refused("typo A\n", 1, "unknown line")
        with self.assertRaisesRegex(schema.SchemaError, "^y:1: group, version and go lines come first"):
            schema.parse([("y", ["type A"])])
        with self.assertRaisesRegex(schema.SchemaError, "^y:1: this line belongs to no kind or type"):
            schema.parse([("y", ["    1 a string # d"])])


SET = """kind Set
    doc A set.
    names sets set st
    scope namespaced
    subresources status scale
    flags generation
    column Name   string/name .metadata.name # Its name.
    column "A B"  integer -  wide
    1 metadata ObjectMeta # Meta.
    2 spec SetSpec        # Spec.
    3 status SetStatus?   # Status.
type SetSpec
    doc Spec.
    1 replicas int32? default=1 min=0 max=9 # How many
        # there should be.
    2 policy string enum=A|B immutable      # Which.
    3 items []SetSpec map=policy merge=policy # Itself.
    4 named {}SetSpec     # Itself by name.
    5 source Source inline # Inline.
    - extra []raw         # Not in protobuf.
type SetStatus
    doc Status.
    1 at time always      # When.
type Source union
    doc Source.
    1 empty ObjectMeta?   # Nothing.
"""


class Output(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.header, cls.source = print_c(SET)

    def field(self, type_name, json):
        table = self.source.split(f"fields_{type_name}[] = {{\n")[1].split("\n};")[0]
        return next(line for line in table.splitlines() if f'.json = "{json}"' in line)

    def test_structs_hold_fields_as_type_h_says(self):
        body = re.search(r"struct SetSpec \{\n(.*?)\};", self.header, re.S).group(1)
        self.assertEqual([line.strip() for line in body.splitlines()],
                         ["int32_t *replicas;", "const char *policy;", "SetSpecArray items;", "SetSpecMap named;",
                          "Source source;", "BytesArray extra;"])
        self.assertLess(self.header.index("struct Source {"), self.header.index("struct SetSpec {"))
        self.assertLess(self.header.index("struct SetSpec {"), self.header.index("struct SetSpecEntry {"))

    def test_field_rows_say_everything(self):
        row = self.field("SetSpec", "replicas")
        for part in (".number = 1", "SHAPE_OPTIONAL", "VALUE_INT32", '.default_json = "1"', ".has_min = true",
                     ".max = INT64_C(9)", '"How many there should be."'):
            self.assertIn(part, row)
        row = self.field("SetSpec", "items")
        for part in ("LIST_MAP", '{"policy", NULL}', '.patch_key = "policy"', "FIELD_PATCH_MERGE", "&type_SetSpec"):
            self.assertIn(part, row)
        self.assertIn("FIELD_NO_PROTO", self.field("SetSpec", "extra"))
        self.assertIn("FIELD_EMIT_ALWAYS", self.field("SetStatus", "at"))
        self.assertIn("FIELD_UNION_MEMBER", self.field("Source", "empty"))
        self.assertIn("FIELD_IMMUTABLE", self.field("SetSpec", "policy"))

    def test_name_tables_pass_through_inline_structs_in_order(self):
        table = self.source.split("names_SetSpec[] = {\n")[1].split("\n};")[0]
        self.assertEqual(re.findall(r'\{"(\w+)", \d+, (\d)', table),
                         [("empty", "1"), ("extra", "0"), ("items", "0"), ("named", "0"), ("policy", "0"),
                          ("replicas", "0")])
        self.assertIn("offsetof(SetSpec, source.empty), &fields_Source[0]", table)

    def test_defaults_below_are_known_above(self):
        def has(name):
            return re.search(r"const Type type_%s = \{.*?has_defaults = (\w+)" % name, self.source, re.S).group(1)

        self.assertEqual([has("Set"), has("SetSpec"), has("SetStatus")], ["true", "true", "false"])

    def test_kinds_have_their_names_flags_and_columns(self):
        kind = self.source.split("const Kind kind_set = {")[1].split("};")[0]
        for part in ('.group = "apps"', '.api_version = "apps/v1"', '.list_kind = "SetList"', '.plural = "sets"',
                     '{"st", NULL}', '"/registry/sets/"', ".spec = &fields_Set[1]", ".status = &fields_Set[2]",
                     "KIND_NAMESPACED | KIND_HAS_STATUS | KIND_HAS_GENERATION"):
            self.assertIn(part, kind)
        self.assertNotIn("rules", kind)
        self.assertIn('{"Name", "string", "name", ".metadata.name", 0, "Its name."}', self.source)
        self.assertIn('{"A B", "integer", "", NULL, 1, ""}', self.source)

    def test_types_of_an_atomic_struct_are_atomic_wherever_they_stand(self):
        _, source = print_c("type R\n    doc R.\n    atomic-struct\n    1 a string # d\n"
                            "type H\n    doc H.\n    1 r []R # d\n    2 s R inline # d\n")
        self.assertRegex(source, r'json = "r".*FIELD_ATOMIC_STRUCT')
        self.assertNotRegex(source, r'json = "s".*FIELD_ATOMIC_STRUCT')

    def test_a_type_can_be_called_otherwise_and_a_kind_can_have_no_resource(self):
        _, source = print_c("kind AppsBinding\n    doc B.\n    called Binding\n    names -\n    scope cluster\n"
                            "    rules yes\n    1 metadata ObjectMeta # d\n")
        for part in ('"io.k8s.api.apps.v1.Binding"', '.kind = "Binding"', '.plural = ""', "rules = &rules_apps_binding",
                     "extern const KindRules rules_apps_binding;"):
            self.assertIn(part, source)


A = "type A\n    doc A.\n    1 a string # d\n"
EMPTY = """group apps
version v1
go k8s.io/api/apps/v1 openapi io.k8s.api.apps.v1
"""


class Headers(unittest.TestCase):
    """One header for each schema file, which knows of the others no more than it needs."""

    def header(self, file, **texts):
        parsed = schema.parse([(f"schema/{name}.schema", (EMPTY + text).splitlines()) for name, text in texts.items()])
        return schema.print_header(parsed, file)

    def user(self, field):
        return self.header("y", x=A, y=f"type B\n    doc B.\n    {field} # d\n")

    def test_a_header_has_the_types_of_its_file_alone(self):
        header = self.header("y", x=A, y="type B\n    doc B.\n    1 b string # d\n")
        self.assertIn("struct B {", header)
        self.assertIn("extern const Type type_B;", header)
        self.assertNotIn("A", re.findall(r"\w+", header.split("codec/type.h")[1]))

    def test_another_header_is_included_for_structs_held_by_value_only(self):
        self.assertIn('#include "api/schema/x.h"', self.user("1 a A"))
        for field in ("1 a A?", "1 a []A", "1 a {}A"):
            with self.subTest(field):
                self.assertNotIn("schema/x.h", self.user(field))
                self.assertIn("typedef struct A A;", self.user(field))

    def test_lists_and_maps_of_other_files_are_guarded_in_both_headers(self):
        for field, name in (("1 a []A", "A_ARRAY"), ("1 a {}A", "A_MAP")):
            texts = {"x": A, "y": f"type B\n    doc B.\n    {field} # d\n"}
            with self.subTest(field):
                for file in texts:
                    self.assertIn(f"#ifndef API_SCHEMA_{name}\n", self.header(file, **texts))
        self.assertIn("struct AEntry {", self.header("x", **texts))
        self.assertNotIn("struct AEntry {", self.header("y", **texts))

    def test_a_field_more_changes_no_other_header(self):
        before = self.user("1 a []A")
        after = self.header("y", x=A + "    2 more A? # d\n", y="type B\n    doc B.\n    1 a []A # d\n")
        self.assertEqual(before, after)

    def test_files_that_stay_the_same_are_not_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x.h"
            schema.write_changed(path, "a")
            path.chmod(0o444)
            first = path.stat().st_ino, path.stat().st_mtime_ns
            schema.write_changed(path, "a")
            self.assertEqual(first, (path.stat().st_ino, path.stat().st_mtime_ns))
            path.chmod(0o644)
            schema.write_changed(path, "b")
            self.assertEqual(path.read_text(), "b")


class Reach(unittest.TestCase):
    """How much of src/ a change of a schema file rebuilds, by the includes of the files."""

    MOST = 0.2
    # Every object has metadata, controllers and node are about pods, and containers and volumes contain references.
    WIDE = {"meta_v1": 0.6, "core_pod_v1": 0.3, "core_reference_v1": 0.25}

    def includes(self, path):
        if path not in self.known:
            text = self.generated.get(path) or (ROOT / "src" / path).read_text()
            self.known[path] = set()  # a header that includes itself in a circle ends here
            for name in re.findall(r'^#include "([^"]+)"', text, re.M):
                if name in self.generated or (ROOT / "src" / name).exists():
                    self.known[path] |= {name} | self.includes(name)
        return self.known[path]

    def test_a_group_reaches_at_most_a_fifth_of_the_source(self):
        texts = [(str(path), path.read_text().splitlines()) for path in (ROOT / "src/api/schema").glob("*.schema")]
        parsed = schema.parse(texts)
        self.generated = {schema.header_name(file): schema.print_header(parsed, file) for file in parsed.files}
        self.generated[schema.header_name("kinds")] = schema.print_registry(parsed)
        self.known = {}
        sources = [str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.c")]
        for file in parsed.files:
            reached = [name for name in sources if schema.header_name(file) in self.includes(name)]
            with self.subTest(file):
                self.assertLessEqual(len(reached) / len(sources), self.WIDE.get(file, self.MOST))
                self.assertTrue(reached, "no file uses it")


if __name__ == "__main__":
    unittest.main()
