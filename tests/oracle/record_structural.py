#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a real kube-apiserver says about schemas of CustomResourceDefinitions and about their objects, for
tests/unit/api/structural/test_structural.c.

    record_structural.py [PEERS_BIN]     writes ../unit/api/structural/cases.json

The grid below makes the schemas: each is an openAPIV3Schema whose property spec is under test, with values to try as spec. A
refused schema is recorded with its causes; for an accepted one, each object is recorded with the causes with which it is refused, or
with what is stored of it, the fields that its creator owns, and those that an applier of the same object owns. All objects are dry runs. For the cases of RATCHETED an object is stored while the schema is still open; then the
schema is closed, and the object is updated.
"""

import itertools
import json
import pathlib
import sys
import time

from peer import DEFAULT_BIN, Peer

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "unit/api/structural/cases.json"
GROUP = "grid.example.com"
BATCH = 60
READY_SECONDS = 60

S, I, N, B = ({"type": t} for t in ("string", "integer", "number", "boolean"))
O, L = {"type": "object"}, {"type": "array"}


def obj(required=None, **properties):
    return {**O, "properties": properties, **({"required": required} if required else {})}


def arr(items, **more):
    return {**L, "items": items, **more}


def of(schema):
    """A whole schema whose spec is this one."""
    return {**O, "properties": {"spec": schema}}


EVERY = [None, True, "text", "", 0, 1, -3, 1.0, 1.5, 1e30, 12345678901234567890, [], ["a"], [1], [None], {}, {"a": 1}, {"a": None}, {"a": {"b": "c"}}]

FORMATS = {
    "bsonobjectid": ["507f1f77bcf86cd799439011", "507f1f77bcf86cd79943901", "x07f1f77bcf86cd799439011"],
    "uri": ["http://a.b/c?d=e#f", "/path", "path", "mailto:a@b", "http://[::1]:80/", "http://a:x/", "%zz", "/%zz", "*", "", "http://a b/",
            "1http://a", ":a", "http://h%c3%a9/", "http://h%c3/", "http://h%c/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://a:80:90/", "http://user:pw@h/", "//h/p", "http://[::1", "http://h%41/", "http://a\\b/", "a:"],
    "email": ["a@b.c", "a@b", "a", "@b", "a@", "A B <a@b.c>", "<a@b.c>", "\"q u\"@b.c", "a@b.c (comment)", "a..b@c.d", "a@[1.2.3.4]", "",
              "a@b.c,d@e.f", "J\u00f6 <a@b.c>", ".a@b.c", "a b@c.d", "a\u0001b@c.d", "\"a\\\"b\"@c.d", "\"a\tb\"@c.d", "\"a\u0001\"@c.d"],
    "hostname": ["a", "a.b", "a-b.com", "-a", "a-", "a_b", "a." + "b" * 64, "1.2.3.4", "a..b", "", "\u00fc.com", "x" * 63, "x" * 64, "localhost.", "b" * 70 + ".com", "b" * 63 + ".com",
                 "a.b.co", "123"],
    "ipv4": ["1.2.3.4", "01.2.3.4", "1.2.3", "256.1.1.1", "::ffff:1.2.3.4", "::1", "", "1.2.3.4 "],
    "ipv6": ["::1", "1.2.3.4", "fe80::1%eth0", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", ""],
    "cidr": ["10.0.0.0/8", "10.0.0.1/33", "10.0.0.1", "::/0", "::/129", "010.0.0.0/8", "10.0.0.0/", "10.0.0.0/08", ""],
    "mac": ["00:11:22:33:44:55", "00-11-22-33-44-55", "0011.2233.4455", "00:11:22:33:44", "00:11:22:33:44:55:66:77", "00:11-22:33:44:55", ""],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "123E4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400", ""],
    "uuid3": ["123e4567-e89b-32d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"],
    "uuid4": ["123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-42d3-c456-426614174000"],
    "uuid5": ["123e4567-e89b-52d3-a456-426614174000", "123e4567-e89b-42d3-a456-426614174000"],
    "isbn": ["0321751043", "978-0321751041", "0321751044", "x"],
    "isbn10": ["0321751043", "0-321-75104-3", "080442957X", "978-0321751041", "0321751043 "],
    "isbn13": ["978-0321751041", "978-0321751042", "0321751043"],
    "creditcard": ["4111 1111 1111 1111", "4111-1111-1111-1112", "378282246310005", "4", ""],
    "ssn": ["123-45-6789", "123456789", "123 45 6789", "12-345-6789"],
    "hexcolor": ["#fff", "FFFFFF", "#ffff", ""],
    "rgbcolor": ["rgb(1,2,3)", "rgb( 1 , 2 , 255 )", "rgb(1,2,256)", "rgb(01,2,3)", "rgba(1,2,3)"],
    "byte": ["YQ==", "YWI=", "YWJj", "YQ", "", "YQ=", "_-8=", "YQ==\n"],
    "password": ["", "any\nthing"],
    "date": ["2024-02-29", "2023-02-29", "2024-2-9", "2024-13-01", "2024-02-29T00:00:00Z", ""],
    "duration": ["1h", "1.5h", "3 days", "about 3 weeks", "3 x", "x", "", "-1h", "1 µs", "2 Hours", "99999999999999999999 s", "1h 2x", "0"],
    "date-time": ["2024-02-29T12:00:00Z", "2024-02-29t12:00:00z", "2024-02-29T12:00:00", "2024-02-29T24:00:00Z", "2024-02-29T12:00:00.5+01:00",
                  "2024-02-29T12:00:00:5Z", "2024-02-29T12:00:00+0100", "2024-02-29", "2024-02-29 12:00:00Z", "2024-02-29T12:00:60Z", ""],
    "datetime": ["2024-02-29T12:00:00Z", "x"],
    "k8s-short-name": ["a-b", "A", "a.b", "", "a" * 64],
    "k8s-long-name": ["a.b-c", "A.b", "a..b", "", "a" * 254],
    "int32": ["x", 5],
    "unheard-of": ["x", 5, [1]],
}

BOUNDS = [
    ({**I, "minimum": 2, "maximum": 5}, [1, 2, 5, 6, 2.0, 5.5, -9223372036854775808, 9223372036854775807]),
    ({**I, "minimum": 2, "exclusiveMinimum": True, "maximum": 5, "exclusiveMaximum": True}, [1, 2, 3, 5, 6]),
    ({**N, "minimum": 0.5, "maximum": 2.5}, [0.4, 0.5, 1, 2.5, 2.6, 3, 1e21, 1e-7, -0.00001]),
    ({**N, "minimum": 0.5, "exclusiveMinimum": True, "maximum": 2.5, "exclusiveMaximum": True}, [0.5, 1, 2, 2.5, 3]),
    ({**I, "multipleOf": 3}, [0, 3, 4, -6, 3.0, 4.5]),
    ({**N, "multipleOf": 0.1}, [0.3, 0.35, 1, 7.7, 1e10]),
    ({**N, "multipleOf": 2.5}, [5, 5.0, 6, 7.5]),
    ({**I, "multipleOf": 0.5}, [1, 2]),
    ({**N, "multipleOf": 0}, [1, 1.5]),
    ({**N, "multipleOf": -2}, [2, 2.5]),
    ({**I, "minimum": 1.5}, [1, 2]),
    ({**I, "maximum": 1e20}, [1]),
    ({**I, "format": "int32"}, [2147483647, 2147483648, -2147483649, 1.0, 1.5, "x", True, [1], {}]),
    ({**I, "format": "int64"}, [2147483648, 9223372036854775807, 9223372036854775808, 1e18, "x"]),
    ({**I, "format": "int32", "maximum": 3000000000}, [1]),
    ({**N, "format": "float"}, [1.5, 1e39, 1, "x", True]),
    ({**N, "format": "double"}, [1.5, 1e39, 1, "x"]),
    ({**I, "format": "uint8"}, [300, "x"]),
    ({**S, "minLength": 2, "maxLength": 4}, ["", "a", "ab", "abcd", "abcde", "\u00fc\u00fc", "\u00fc\u00fc\u00fc\u00fc\u00fc"]),
    ({**S, "maxLength": 1}, ["", "a", "ab"]),
    ({**S, "maxLength": 0}, ["", "a"]),
    ({**S, "pattern": "^a+$"}, ["a", "aa", "b", "", "a\n"]),
    ({**S, "pattern": "b"}, ["abc", "c", "\"quo\\ted\"", "tab\tb", "c\u2028\u00e9"]),
    ({**S, "minLength": 5, "pattern": "^a"}, ["b", "aaaaa", "bbbbb"]),
    ({**S, "pattern": "^(a+)+$"}, ["a" * 40 + "b"]),
    ({**S, "pattern": "("}, []),
    ({**S, "pattern": "(?=a)"}, []),
    ({**S, "enum": ["a", "b", ""]}, ["a", "", "c", 1]),
    ({**I, "enum": [1, 2]}, [1, 2.0, 3, 1.5, "1"]),
    ({**N, "enum": [1, 1.5]}, [1, 1.5, 1.2, 2, 2.5]),
    ({**B, "enum": [True]}, [True, False]),
    ({**S, "nullable": True, "enum": ["a"]}, [None, "a"]),
    ({**S, "nullable": True, "enum": ["a", None]}, [None]),
    ({**obj(a=S), "enum": [{"a": "x"}]}, [{"a": "x"}, {"a": "y"}, {}]),
    ({**arr(I), "enum": [[1, 2]]}, [[1, 2], [2, 1], []]),
    (arr(I, minItems=1, maxItems=2), [[], [1], [1, 2], [1, 2, 3], ["x", 1, None]]),
    (arr(I, maxItems=1), [[1, 2]]),
    (arr(S, maxItems=0), [[], ["a"]]),
    (arr(S, uniqueItems=True), []),
    ({**O, "additionalProperties": S, "minProperties": 1, "maxProperties": 2}, [{}, {"a": "b"}, {"a": "b", "c": "d", "e": "f"}, {"a": 1}, {"a": None}]),
    ({**O, "additionalProperties": S, "maxProperties": 1}, [{"a": "b", "c": "d"}]),
    (obj(["a", "b"], a=S, b=I), [{}, {"a": "x"}, {"a": "x", "b": 1, "c": 2}, {"a": None, "b": 1}, {"a": "", "b": 0}]),
    (obj(["c"], a=S), [{}, {"a": "x"}, {"c": 1}]),
    ({**obj(a=S), "minProperties": 1, "maxProperties": 1}, [{}, {"a": "x"}, {"a": "x", "b": 1}]),
]

TYPES = [S, I, N, B, O, arr(S), arr(I), arr(arr(I)), arr(obj(a=S)), arr(O), obj(a=S), obj(a=obj(b=S)), {"x-kubernetes-int-or-string": True},
         {"x-kubernetes-preserve-unknown-fields": True}, {**O, "x-kubernetes-preserve-unknown-fields": True},
         {**obj(a=obj(b=S)), "x-kubernetes-preserve-unknown-fields": True}, {**O, "additionalProperties": S}, {**O, "additionalProperties": I},
         {**O, "additionalProperties": True}, {**O, "additionalProperties": False}, {**O, "additionalProperties": obj(b=S)},
         {**O, "additionalProperties": arr(S)}, {**O, "additionalProperties": {**O, "additionalProperties": S}},
         {**obj(a=S), "additionalProperties": True}, arr({"x-kubernetes-int-or-string": True}), arr({"x-kubernetes-preserve-unknown-fields": True}),
         {**arr(obj(a=S)), "x-kubernetes-preserve-unknown-fields": True}, arr({**O, "x-kubernetes-preserve-unknown-fields": True})]

DEFAULTS = [
    (obj(a={**S, "default": "x"}), [{}, {"a": None}, {"a": "y"}, {"a": ""}, {"a": 1}]),
    (obj(a={**I, "default": 5}), [{}, {"a": None}, {"a": 0}]),
    (obj(a={**I, "default": 5.0}), [{}]),
    (obj(a={**N, "default": 1.5}), [{}, {"a": 1}]),
    (obj(a={**B, "default": False}), [{}, {"a": True}]),
    (obj(a={**S, "nullable": True, "default": "x"}), [{}, {"a": None}]),
    (obj(a={**arr(S), "default": ["x", "y"]}), [{}, {"a": []}, {"a": None}]),
    (obj(a={**obj(b={**I, "default": 3}, c=S), "default": {}}), [{}, {"a": {}}, {"a": {"c": "x"}}, {"a": None}]),
    (obj(a={**obj(b={**I, "default": 3}, c=S), "default": {"c": "z"}}), [{}, {"a": {}}]),
    (obj(a=obj(b={**I, "default": 3})), [{}, {"a": {}}]),
    (obj(a={**obj(b=S), "default": {"b": "x", "unknown": 1}}), []),
    (obj(a={**O, "additionalProperties": obj(b={**I, "default": 3})}), [{"a": {"k": {}, "l": None}}]),
    (obj(a=arr(obj(b={**I, "default": 3}))), [{"a": [{}, {"b": 1}]}]),
    (obj(a=arr({**S, "default": "x"})), [{"a": [None, "y"]}]),
    (obj(a={**O, "additionalProperties": {**S, "default": "x"}}), [{"a": {"k": None, "l": "y"}}]),
    (obj(a={**I, "default": "x"}), []),
    (obj(a={**S, "default": 1}), []),
    (obj(a={**S, "default": None}), [{}]),
    (obj(a={**S, "enum": ["p"], "default": "q"}), []),
    (obj(a={**I, "minimum": 3, "default": 1}), []),
    (obj(a={**S, "pattern": "^a", "default": "b"}), []),
    (obj(a={**obj(["b"], b=S), "default": {}}), []),
    (obj(a={**obj(["b"], b={**S, "default": "x"}), "default": {}}), [{}]),
    (obj(["a"], a={**S, "default": "x"}), [{}, {"a": None}]),
    (obj(a={"x-kubernetes-int-or-string": True, "default": "x"}), [{}]),
    (obj(a={"x-kubernetes-int-or-string": True, "default": 3000000000}), [{}, {"a": "50%"}, {"a": 1.5}]),
    (obj(a={"x-kubernetes-preserve-unknown-fields": True, "default": {"z": 1, "a": [2]}}), [{}]),
    (obj(a={**O, "x-kubernetes-preserve-unknown-fields": True, "default": {"z": {"y": 1}}}), [{}, {"a": {"q": None}}]),
    (obj(a={**S, "format": "date", "default": "x"}), []),
    (obj(a={**arr(I), "default": ["x"]}), []),
    (obj(a={**S, "default": "quo\"te\\and\nline"}), [{}]),
]

ALTERNATIVES = [
    ({**I, "anyOf": [{"minimum": 10}, {"maximum": 5}]}, [1, 7, 12, "x"]),
    ({**I, "oneOf": [{"minimum": 10}, {"maximum": 15}]}, [1, 12, 20]),
    ({**I, "oneOf": [{"minimum": 10}, {"minimum": 20}]}, [1, 12, 25]),
    ({**I, "allOf": [{"minimum": 10}, {"maximum": 15}]}, [1, 12, 20]),
    ({**I, "allOf": [{"minimum": 10}, {"minimum": 20}]}, [1]),
    ({**I, "not": {"minimum": 10}}, [1, 12]),
    ({**S, "anyOf": [{"pattern": "^a"}, {"minLength": 5}]}, ["a", "bbbbb", "b"]),
    ({**obj(a=S, b=I), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{}, {"a": "x"}, {"b": 1}, {"a": "x", "b": 1}]),
    ({**obj(a=S, b=I), "anyOf": [{"required": ["a"]}, {"properties": {"b": {"minimum": 3}}}]}, [{}, {"b": 1}, {"a": "x", "b": 1}]),
    ({**obj(a=S, b=I), "not": {"required": ["a", "b"]}}, [{}, {"a": "x"}, {"a": "x", "b": 1}]),
    ({**obj(a=S), "allOf": [{"properties": {"a": {"minLength": 2}}}, {"properties": {"a": {"pattern": "^x"}}}]}, [{"a": "y"}, {"a": "xx"}, {}]),
    ({**arr(I), "anyOf": [{"items": {"minimum": 3}}, {"maxItems": 1}]}, [[1], [1, 2], [3, 4]]),
    ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, [1, "x", 1.5, True, None, {}]),
    ({"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"maximum": 5}]}, [1, 9, "x", True]),
    ({"x-kubernetes-int-or-string": True, "pattern": "^[0-9]+%?$", "anyOf": [{"type": "integer"}, {"type": "string"}]}, [1, "5%", "x%"]),
    ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "string"}, {"type": "integer"}]}, []),
    ({"x-kubernetes-int-or-string": True, "oneOf": [{"type": "integer"}, {"type": "string"}]}, []),
    ({**obj(a=obj(b=S)), "anyOf": [{"properties": {"a": {"required": ["b"]}}}, {"required": ["z"]}]}, [{}, {"a": {}}, {"a": {"b": "x"}}, {"z": 1}]),
    ({**S, "enum": ["a", "b"], "not": {"enum": ["b"]}}, ["a", "b", "c"]),
    ({**I, "anyOf": [{"allOf": [{"minimum": 1}, {"maximum": 3}]}, {"not": {"minimum": -5}}]}, [2, -9, 0]),
]

# What is forbidden in an alternative, and what it has to have outside of it.
NESTED = [{"type": "string"}, {"title": "t"}, {"description": "d"}, {"default": "x"}, {"nullable": True}, {"additionalProperties": S},
          {"additionalProperties": True}, {"additionalProperties": False}, {"x-kubernetes-preserve-unknown-fields": True},
          {"x-kubernetes-embedded-resource": True}, {"x-kubernetes-int-or-string": True}, {"x-kubernetes-list-type": "set"},
          {"x-kubernetes-list-map-keys": ["a"]}, {"x-kubernetes-map-type": "atomic"}, {"x-kubernetes-validations": [{"rule": "true"}]},
          {"properties": {"metadata": {}}}, {"properties": {"zz": {"minLength": 1}}}, {"items": {"minLength": 1}}, {"format": "date"},
          {"example": 1}, {"externalDocs": {"url": "x"}}, {"anyOf": [{"type": "string"}]}, {"not": {"properties": {"yy": {}}}}]

KEYWORDS = [{"$ref": "#/x"}, {"$schema": "x"}, {"id": "x"}, {"patternProperties": {"a": S}}, {"definitions": {"a": S}}, {"dependencies": {"a": ["b"]}},
            {"dependencies": {"a": O}}, {"additionalItems": True}, {"additionalItems": S}, {"items": [S, I]}, {"items": S},
            {"x-kubernetes-preserve-unknown-fields": False}, {"x-kubernetes-embedded-resource": True}, {"x-kubernetes-int-or-string": True},
            {"x-kubernetes-list-type": "map"}, {"x-kubernetes-list-type": "odd"}, {"x-kubernetes-list-map-keys": ["a"]},
            {"x-kubernetes-map-type": "atomic"}, {"x-kubernetes-map-type": "odd"}, {"additionalProperties": S}, {"nullable": True}]

LISTS = [
    (arr(S, **{"x-kubernetes-list-type": "set"}), [["a", "b"], ["a", "a", "a"], ["a", 1], []]),
    (arr(I, **{"x-kubernetes-list-type": "set"}), [[1, 2], [1, 1], [1, 1.0]]),
    (arr(N, **{"x-kubernetes-list-type": "set"}), [[1, 1.5, 1.5], [1, 1.0]]),
    (arr(B, **{"x-kubernetes-list-type": "set"}), [[True, True]]),
    (arr({"x-kubernetes-int-or-string": True}, **{"x-kubernetes-list-type": "set"}), [[1, "1"], ["a", "a"]]),
    (arr({**obj(a=S), "x-kubernetes-map-type": "atomic"}, **{"x-kubernetes-list-type": "set"}), [[{"a": "x"}, {"a": "x"}], [{}, {}]]),
    (arr(obj(a=S), **{"x-kubernetes-list-type": "set"}), []),
    (arr(arr(S), **{"x-kubernetes-list-type": "set"}), [[["a"], ["a"]]]),
    (arr(arr(S, **{"x-kubernetes-list-type": "set"}), **{"x-kubernetes-list-type": "set"}), []),
    (arr({**S, "nullable": True}, **{"x-kubernetes-list-type": "set"}), []),
    (arr(S, **{"x-kubernetes-list-type": "atomic"}), [["a", "a"]]),
    (arr(S, **{"x-kubernetes-list-type": "map"}), []),
    (arr(obj(["k"], k=S, v=S), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}),
     [[{"k": "a"}, {"k": "b"}], [{"k": "a"}, {"k": "a", "v": "x"}], [{"v": "x"}], ["x"], [None], [{"k": 1}, {"k": 1}]]),
    (arr(obj(["k", "j"], k=S, j=I), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "j"]}),
     [[{"k": "a", "j": 1}, {"k": "a", "j": 2}], [{"k": "a", "j": 1}, {"k": "a", "j": 1}]]),
    (arr(obj(k={**S, "default": "d"}, v=S), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}), [[{}, {"k": "d"}], [{}, {}]]),
    (arr(obj(k=S), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}), []),
    (arr(obj(["k"], k={**S, "nullable": True}), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}), []),
    (arr(obj(["k"], k=O), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}), []),
    (arr(obj(["k"], k=S), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "k"]}), []),
    (arr(obj(["k"], k=S), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["z"]}), []),
    (arr(obj(["k"], k=S), **{"x-kubernetes-list-type": "map"}), []),
    (arr(obj(["k"], k=S), **{"x-kubernetes-list-type": "set", "x-kubernetes-list-map-keys": ["k"]}), []),
    (arr({**obj(["k"], k=S), "nullable": True}, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}), []),
    (arr(obj(["k"], k=S), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["y", "z"]}), []),
    (arr({**obj(["k"], k=S, v=S), "x-kubernetes-map-type": "atomic"}, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}),
     [[{"k": "a", "v": "x"}]]),
    ({**obj(a=S), "x-kubernetes-map-type": "atomic"}, [{"a": "x"}]),
    ({**obj(a=S), "x-kubernetes-map-type": "granular"}, [{"a": "x"}]),
    ({**O, "additionalProperties": S, "x-kubernetes-map-type": "atomic"}, [{"a": "x"}]),
    ({**O, "additionalProperties": arr(S, **{"x-kubernetes-list-type": "set"})}, [{"m": ["a", "a"]}]),
]

EMBEDDED = [
    ({**O, "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
     [{}, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": {"a": "b"}, "unknown": 1}, "spec": {"a": 1}},
      {"apiVersion": "", "kind": "", "metadata": {}}, {"apiVersion": "a/b/c", "kind": "no_kind"}, {"apiVersion": 1, "kind": 2},
      {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a/b", "labels": {"a b": "c"}}},
      {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "A_B"}}, {"apiVersion": "v1", "kind": "Pod", "metadata": None}]),
    ({**obj(spec=obj(a=S)), "x-kubernetes-embedded-resource": True},
     [{"apiVersion": "v1", "kind": "Pod", "spec": {"a": "x", "b": 1}, "other": 1}, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "zz": 1}}]),
    ({**O, "x-kubernetes-embedded-resource": True}, []),
    ({**S, "x-kubernetes-embedded-resource": True}, []),
    ({"x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}, []),
    ({**obj(kind=I, apiVersion=I, metadata=S), "x-kubernetes-embedded-resource": True}, []),
    ({**O, "x-kubernetes-embedded-resource": True, "additionalProperties": S}, []),
    (arr({**O, "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}), [[{}, {"apiVersion": "v1", "kind": "A"}]]),
    ({"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True}, []),
    ({"x-kubernetes-int-or-string": True, "x-kubernetes-embedded-resource": True}, []),
]

RULES = [{"rule": ""}, {"rule": " "}, {"rule": "true", "message": " "}, {"rule": "true", "message": "a\nb"}, {"rule": "true\n&& true"},
         {"rule": "true\n&& true", "message": "m"}, {"rule": "true", "messageExpression": " "}, {"rule": "true", "reason": "Odd"},
         {"rule": "true", "reason": "FieldValueInvalid"}, {"rule": "true", "fieldPath": " "}, {"rule": "true", "fieldPath": ".a\n"},
         {"rule": "true", "fieldPath": ".a"}, {"rule": "true", "fieldPath": ".z"}, {"rule": "true", "fieldPath": "['a']"}, {"rule": "true", "fieldPath": "a"}]

# Whole schemas.
ROOTS = [
    {}, O, S, {**O, "x-kubernetes-preserve-unknown-fields": True}, {"x-kubernetes-preserve-unknown-fields": True}, {**O, "nullable": True},
    {**O, "additionalProperties": S}, {**O, "additionalProperties": True}, {**O, "default": {}},
    obj(metadata=obj(name={**S, "pattern": "^a"})), obj(metadata=obj(name=S, generateName=S)), obj(metadata=obj(labels=O)), obj(metadata=S),
    obj(metadata={**O, "description": "x"}), obj(metadata={**O, "default": {}}), obj(metadata={**O, "required": ["name"]}),
    obj(kind=I), obj(apiVersion=S, kind=S, metadata=O), obj(kind={**S, "default": "x"}), obj(kind={**S, "pattern": "^Z"}),
    obj(["spec"], spec=O), obj(["metadata"], spec=O), {**obj(spec=O, status=O), "oneOf": [{"required": ["spec"]}, {"required": ["other"]}]},
    {**obj(spec=O), "minProperties": 9}, obj(spec={}), obj(spec={"type": ""}), obj(spec={"type": "null"}), obj(spec={"type": "odd"}), obj(spec=L), obj(spec=arr({})),
    obj(spec={**O, "additionalProperties": {}}), obj(spec=obj(a={"description": "no type"})), obj(spec=obj(a=obj(b=arr(obj(c={}))))),
]
ROOT_OBJECTS = [{}, {"spec": {}}, {"spec": {"a": 1}, "other": {"b": None}}, {"status": {"a": 1}}]

# (schema of spec once closed, spec that is stored before, specs of the updates)
RATCHETED = [
    (obj(a={**I, "maximum": 5}, b=S), {"a": 9, "b": "x"}, [{"a": 9, "b": "y"}, {"a": 10, "b": "x"}, {"a": 3}]),
    (obj(["z"], a=S, z=S), {"a": "x"}, [{"a": "x"}, {"a": "y"}]),
    (obj(a=obj(["z"], b=S, z=S), c=S), {"a": {"b": "x"}}, [{"a": {"b": "x"}, "c": "new"}, {"a": {"b": "y"}}]),
    (arr({**S, "maxLength": 1}), ["long"], [["long"], ["long", "a"]]),
    (arr({**obj(["k"], k=S, v={**S, "maxLength": 1}), }, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}),
     [{"k": "a", "v": "long"}, {"k": "b", "v": "x"}], [[{"k": "b", "v": "y"}, {"k": "a", "v": "long"}], [{"k": "a", "v": "longer"}], [{"k": "c", "v": "long"}]]),
    (arr(S, **{"x-kubernetes-list-type": "set"}), ["a", "a"], [["a", "a"], ["b", "b"]]),
    ({**obj(a=I, b=I), "anyOf": [{"properties": {"a": {"minimum": 5}}}, {"required": ["z"]}]}, {"a": 1}, [{"a": 1}, {"a": 1, "b": 2}]),
    (obj(a=I), {"a": "text"}, [{"a": "text"}, {"a": "other"}, {"a": 1}]),
    ({**O, "additionalProperties": {**S, "pattern": "^a"}}, {"k": "b"}, [{"k": "b", "l": "a"}, {"k": "c"}]),
]


def cases():
    """(whole schema, whether it has a status, objects)"""
    def spec(schema, values):
        return of(schema), False, [{"spec": value} for value in values]

    yield from (spec(schema, EVERY) for schema in TYPES)
    yield from (spec({**schema, "nullable": True}, EVERY) for schema in TYPES)
    yield from (spec(arr({**schema, "nullable": True}), [[None], [None, *EVERY[1:4]], [[]], [{}]]) for schema in TYPES[:12])
    yield from (spec({**S, "format": name}, values) for name, values in FORMATS.items())
    yield from (spec({**schema, "format": name}, EVERY) for schema, name in itertools.product([B, arr(S), O, I], ["date", "int32"]))
    for table in (BOUNDS, DEFAULTS, ALTERNATIVES, LISTS, EMBEDDED):
        yield from (spec(schema, values) for schema, values in table)
    for inner, outer in itertools.product(NESTED, ("allOf", "anyOf", "oneOf", "not")):
        yield spec({**obj(a=S), outer: inner if outer == "not" else [inner]}, [])
    for inner in NESTED:
        yield spec({**arr(obj(a=S)), "allOf": [{"items": inner}]}, [])
    yield from (spec({**base, **more}, []) for base, more in itertools.product([obj(a=S), S, arr(S)], KEYWORDS))
    yield from (spec({**obj(a=S), "x-kubernetes-validations": [rule]}, [{"a": "x"}, {"a": 1}]) for rule in RULES)
    for root, status in itertools.product(ROOTS, (False, True)):
        yield root, status, ROOT_OBJECTS


def causes_of(reply):
    causes = reply.get("details", {}).get("causes", [])
    return [f"{c.get('field', '')}: {c['message']}" for c in causes] or [reply["message"]]


def owned(reply):
    return (reply["metadata"].get("managedFields") or [{"fieldsV1": {}}])[0]["fieldsV1"]


class Recorder:
    def __init__(self, peer):
        self.peer = peer
        self.n = 0

    def definition(self, schema, status):
        self.n += 1
        plural = f"t{self.n}s"
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **({"subresources": {"status": {}}} if status else {})}
        return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{GROUP}"},
                "spec": {"group": GROUP, "scope": "Cluster", "names": {"plural": plural, "kind": f"T{self.n}"}, "versions": [version]}}

    def define(self, schema, status, dry):
        body = self.definition(schema, status)
        code, reply = self.peer.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions" + ("?dryRun=All" if dry else ""), body)
        warnings = [w for w in self.peer.warnings if "format" in w]
        return body, code, reply, warnings

    def url(self, definition):
        return f"/apis/{GROUP}/v1/{definition['spec']['names']['plural']}"

    def wait(self, definition):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self.peer.call("GET", self.url(definition))[0] == 200:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{definition['metadata']['name']} is not served")

    def delete(self, definition):
        self.peer.call("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}")

    def body(self, definition, members):
        return {"apiVersion": f"{GROUP}/v1", "kind": definition["spec"]["names"]["kind"], "metadata": {"name": "a"}, **members}

    def answer(self, definition, code, reply):
        if code in (200, 201):
            return {"stored": {k: v for k, v in reply.items() if k not in ("apiVersion", "kind", "metadata")}}
        name = definition["spec"]["names"]["kind"]
        return {"code": code, "causes": [cause.replace(name, "KIND") for cause in causes_of(reply)]}

    def record(self, schema, status, objects):
        definition, code, reply, warnings = self.define(schema, status, not objects)
        case = {"schema": schema, **({"status": True} if status else {}), **({"warnings": warnings} if warnings else {})}
        if code != 201:
            # The schema itself is in some messages, in the words of Go.
            return definition, {**case, "code": code, "causes": [c.replace(definition["spec"]["names"]["kind"], "KIND") for c in causes_of(reply)]}, False
        return definition, case, bool(objects)

    def try_objects(self, definition, case, objects):
        self.wait(definition)
        case["objects"] = []
        for members in objects:
            code, reply = self.peer.call("POST", self.url(definition) + "?dryRun=All", self.body(definition, members))
            answer = self.answer(definition, code, reply)
            if "stored" in answer:
                answer["created"] = owned(reply)
                answer.update(self.apply(definition, members))
            case["objects"].append({"object": members, **answer})

    def apply(self, definition, members):
        code, reply = self.peer.call("PATCH", self.url(definition) + "/a?dryRun=All&fieldManager=oracle", self.body(definition, members),
                                     content_type="application/apply-patch+yaml")
        return {"applied": owned(reply)} if code == 201 else {"not_applied": reply["message"]}

    def ratchet(self, schema, before, after):
        open_schema = of({"x-kubernetes-preserve-unknown-fields": True})
        definition, code, reply, _ = self.define(open_schema, False, False)
        assert code == 201, reply
        self.wait(definition)
        code, stored = self.peer.call("POST", self.url(definition), self.body(definition, {"spec": before}))
        assert code == 201, stored
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
        patch = [{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": of(schema)}]
        code, reply = self.peer.call("PATCH", path, patch, content_type="application/json-patch+json")
        assert code == 200, reply
        time.sleep(3)  # until the new schema is in use
        case = {"schema": of(schema), "objects": []}
        for members in after:
            body = self.body(definition, {"spec": members})
            body["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
            code, reply = self.peer.call("PUT", self.url(definition) + "/a?dryRun=All", body)
            case["objects"].append({"before": {"spec": before}, "object": {"spec": members}, **self.answer(definition, code, reply)})
        self.delete(definition)
        return case

    def run(self):
        out, batch = [], []

        def flush():
            for definition, case, objects in batch:
                self.try_objects(definition, case, objects)
            for definition, _, _ in batch:
                self.delete(definition)
            batch.clear()

        for schema, status, objects in cases():
            definition, case, accepted = self.record(schema, status, objects)
            out.append(case)
            if accepted:
                batch.append((definition, case, objects))
            if len(batch) >= BATCH:
                flush()
        flush()
        out.extend(self.ratchet(*one) for one in RATCHETED)
        return out


def main():
    with Peer(*sys.argv[1:2] or [DEFAULT_BIN]) as peer:
        out = Recorder(peer).run()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in out) + "\n]\n")
    print(f"{len(out)} schemas, {sum(len(case.get('objects', [])) for case in out)} objects")


if __name__ == "__main__":
    main()
