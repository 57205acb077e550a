#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the schema texts (src/api/schema/*.schema) into C: a header with structs for each text, kinds.h and tables.c.

docs/schema.md describes the format of the text. The work has three steps, in this order below: parse() reads lines into
Kind, Type and FieldLine objects and refuses bad ones with file:line; check() finds the mistakes that show only in the
whole (unknown types, cycles, double names); the print functions write C. Nothing here knows a kind by name.
"""

import argparse
import json
import pathlib
import re
import sys
import zlib
from dataclasses import dataclass, field as datafield

# ---- what the words mean ----


@dataclass(frozen=True)
class Scalar:
    """A value type that is no struct: its enum name, its C type, its name in array and map types."""

    value: str
    c: str
    array: str
    own_optional: bool = False  # absence shows in the value itself, so no pointer is needed
    json: tuple = ()            # Python types of a JSON default


SCALARS = {
    "bool": Scalar("VALUE_BOOL", "bool ", "Bool", json=(bool,)),
    "int32": Scalar("VALUE_INT32", "int32_t ", "Int32", json=(int,)),
    "int64": Scalar("VALUE_INT64", "int64_t ", "Int64", json=(int,)),
    "double": Scalar("VALUE_DOUBLE", "double ", "Double", json=(int, float)),
    "string": Scalar("VALUE_STRING", "const char *", "String", True, json=(str,)),
    "bytes": Scalar("VALUE_BYTES", "Bytes ", "Bytes", True, json=(str,)),
    "time": Scalar("VALUE_TIME", "Time ", "Time", True, json=(str,)),
    "microtime": Scalar("VALUE_MICRO_TIME", "Time ", "Time", True, json=(str,)),
    "duration": Scalar("VALUE_DURATION", "int64_t ", "Duration", json=(str,)),
    "quantity": Scalar("VALUE_QUANTITY", "const char *", "String", True, json=(str,)),
    "intorstring": Scalar("VALUE_INT_OR_STRING", "IntOrString ", "IntOrString", json=(int, str)),
    "raw": Scalar("VALUE_RAW", "Bytes ", "Bytes", True, json=(object,)),
}
DECLARED_ARRAYS = {"StringArray", "Int32Array", "Int64Array", "StringMap", "BytesMap"}  # codec/type.h has them
RESERVED_NAMES = {"Type", "Field", "TypeName", "Time", "IntOrString", "List", "Bytes", "Kind", "Column", "KindRules",
                  "Object", "Causes", "Cause", "Arena", "StrBuf", "String", "Bool", "Int32", "Int64", "Double"}
FORMATS = ("dns-label", "dns-subdomain", "qualified-name", "label-value", "env-name", "config-key", "port-name", "ip",
           "absolute-path")
FLAG_WORDS = {  # attribute: field flag
    "required": "FIELD_REQUIRED",
    "always": "FIELD_EMIT_ALWAYS",
    "inline": "FIELD_INLINE",
    "immutable": "FIELD_IMMUTABLE",
    "atomic-struct": "FIELD_ATOMIC_STRUCT",
    "noproto": "FIELD_NO_PROTO",
    "merge": "FIELD_PATCH_MERGE",
    "retainkeys": "FIELD_PATCH_RETAIN_KEYS",
    "union": "FIELD_UNION_MEMBER",
    "deprecated": "FIELD_DEPRECATED",
    "listed": "FIELD_LISTED",
}
LIST_KINDS = {"atomic": "LIST_ATOMIC", "set": "LIST_SET", "map": "LIST_MAP"}
VALUED_WORDS = {"map", "merge", "default", "min", "max", "enum", "known", "format", "go"}
KIND_FLAGS = {
    "generation": "KIND_HAS_GENERATION",
    "create-on-update": "KIND_CREATE_ON_UPDATE",
    "graceful-delete": "KIND_GRACEFUL_DELETE",
    "not-stored": "KIND_NOT_STORED",
    "computed": "KIND_COMPUTED",
    "orphans": "KIND_ORPHANS",
    "versioned-update": "KIND_VERSIONED_UPDATE",
}
C_KEYWORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline int
    long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    asm typeof bool true false linux unix""".split())


class SchemaError(Exception):
    pass


@dataclass
class Place:
    file: str
    line: int

    def error(self, message):
        return SchemaError(f"{self.file}:{self.line}: {message}")


@dataclass
class FieldLine:
    place: Place
    number: int
    json: str
    base: str                   # scalar word or type name
    shape: str                  # ONE OPTIONAL LIST MAP
    attrs: dict
    doc: str
    c_name: str

    @property
    def scalar(self):
        return SCALARS.get(self.base)

    @property
    def flags(self):
        return [flag for word, flag in FLAG_WORDS.items() if word in self.attrs]


@dataclass
class Type:
    place: Place
    name: str
    group: "Group"
    called: str = ""            # Kubernetes' name, where the C name differs
    doc: str = ""
    fields: list = datafield(default_factory=list)
    union: bool = False
    atomic: bool = False        # apply treats every such struct as one value
    has_defaults: bool = False

    @property
    def file(self):
        """The name of its schema file, without the folder and the ending."""
        return pathlib.Path(self.place.file).stem

    @property
    def openapi(self):
        return f"{self.group.openapi}.{self.called or self.name}"


@dataclass
class Column:
    name: str
    type: str
    format: str
    path: str
    priority: int
    doc: str


@dataclass
class Kind:
    type: Type
    names: list = datafield(default_factory=list)
    scope: str = ""
    categories: list = datafield(default_factory=list)
    subresources: list = datafield(default_factory=list)
    flags: list = datafield(default_factory=list)
    columns: list = datafield(default_factory=list)
    store: str = ""
    form: str = ""              # the kind that its objects are stored as
    rules: bool = False

    @property
    def name(self):
        return self.type.called or self.type.name

    @property
    def resource(self):
        return self.type.group.name, self.type.group.version, *self.names[:1]


@dataclass
class Group:
    name: str = ""
    version: str = ""
    go: str = ""
    openapi: str = ""


@dataclass
class Schema:
    types: dict = datafield(default_factory=dict)
    kinds: list = datafield(default_factory=list)
    files: list = datafield(default_factory=list)  # names of the schema files, without the folder and the ending
    order: list = datafield(default_factory=list)  # types so that each comes after those it embeds


# ---- names ----


def snake(name):
    """podIPs -> pod_ips, hostIPC -> host_ipc, fieldsV1 -> fields_v1."""
    words = re.findall(r"[A-Z]{2,}s(?![a-z])|[A-Z]+[0-9]*(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+", name)
    return "_".join(word.lower() for word in words)


def member_name(json_name):
    name = snake(json_name)
    return name + "_" if name in C_KEYWORDS else name


def c_string(text):
    out = []
    for ch in text:
        if ch in '"\\':
            out.append("\\" + ch)
        elif ch == "\n":
            out.append("\\n")
        elif " " <= ch <= "~":
            out.append(ch)
        else:
            out.extend(f"\\{byte:03o}" for byte in ch.encode())
    return '"' + "".join(out) + '"'


# ---- reading ----

TOKEN = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^\s"])+')


def split_line(text, place):
    """Words and the comment behind " # ". Quotes keep blanks and "#" together."""
    words, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        if text[at] == "#":
            return words, text[at + 1:].strip()
        match = TOKEN.match(text, at)
        if not match:
            raise place.error("a quote is not closed")
        words.append(match.group())
        at = match.end()
    return words, ""


def parse_attributes(words, place):
    attrs = {}
    for word in words:
        name, equals, value = word.partition("=")
        known = name in FLAG_WORDS or name in LIST_KINDS or name in VALUED_WORDS
        if not known or (equals and name not in VALUED_WORDS):
            raise place.error(f"unknown attribute {word!r}")
        if not equals and name in VALUED_WORDS and name != "merge" or equals and not value:
            raise place.error(f"attribute {name!r} needs a value")
        if name in attrs:
            raise place.error(f"attribute {name!r} is there twice")
        attrs[name] = value
    return attrs


def check_attributes(field):
    place, attrs, scalar = field.place, field.attrs, field.scalar
    if [word for word in LIST_KINDS if word in attrs] and field.shape != "LIST":
        raise place.error("atomic, set and map= are for lists; for structs and maps say atomic-struct")
    if sum(word in attrs for word in LIST_KINDS) > 1:
        raise place.error("a list has one of atomic, set, map=")
    if "set" in attrs and not scalar:
        raise place.error("a set is of scalars")
    if "map" in attrs and scalar:
        raise place.error("map= is for lists of structs")
    if "inline" in attrs and field.shape != "LIST" and (scalar or field.shape != "ONE"):
        raise place.error("inline is for a plain struct, or for the list that a type is")
    for word in ("min", "max"):
        if word in attrs:
            try:
                attrs[word] = int(attrs[word])
            except ValueError:
                raise place.error(f"{word}= is no integer: {attrs[word]!r}") from None
    if "enum" in attrs and field.base != "string":
        raise place.error("enum= is for strings")
    if "format" in attrs and (attrs["format"] not in FORMATS or field.base != "string"):
        raise place.error(f"format= is for strings and one of {', '.join(FORMATS)}")
    if "default" in attrs:
        check_default(field)


def check_default(field):
    try:
        value = json.loads(field.attrs["default"])
    except ValueError as error:
        raise field.place.error(f"default= is no JSON: {error}") from None
    wanted = {"LIST": (list,), "MAP": (dict,)}.get(field.shape) or (field.scalar.json if field.scalar else (dict,))
    if isinstance(value, bool) and wanted not in ((bool,), (object,)) or not isinstance(value, wanted):
        raise field.place.error(f"default={field.attrs['default']} does not fit the type")
    if "enum" in field.attrs and field.shape in ("ONE", "OPTIONAL") and value not in field.attrs["enum"].split("|"):
        raise field.place.error(f"default={field.attrs['default']} is not among enum=")


def parse_field(words, doc, place):
    if len(words) < 3:
        raise place.error("a field is: number name type [attributes] # doc")
    number, name, text = words[:3]
    match = re.fullmatch(r"(\[\]|\{\})?([A-Za-z][A-Za-z0-9]*)(\?)?", text)
    if not match:
        raise place.error(f"not a type: {text!r}")
    prefix, base, optional = match.groups()
    if prefix and optional:
        raise place.error("lists and maps have no '?': nil is their absence")
    if base not in SCALARS and not base[0].isupper():
        raise place.error(f"unknown type {base!r}")
    attrs = parse_attributes(words[3:], place)
    if number == "-":
        attrs["noproto"] = ""
    elif not number.isdigit() or not 0 < int(number) < 65536:
        raise place.error(f"not a protobuf number: {number!r}")
    shape = {"[]": "LIST", "{}": "MAP"}.get(prefix, "OPTIONAL" if optional else "ONE")
    field = FieldLine(place, 0 if number == "-" else int(number), name, base, shape, attrs, doc,
                      attrs.get("go") or member_name(name))
    check_attributes(field)
    return field


def parse_column(words, doc, place):
    if len(words) not in (4, 5) or len(words) == 5 and words[4] != "wide":
        raise place.error("a column is: column Name type[/format] path [wide] # doc")
    kind, _, form = words[2].partition("/")
    if kind not in ("string", "integer", "number", "boolean", "date"):
        raise place.error(f"not a column type: {kind!r}")
    if words[3] != "-" and not words[3].startswith("."):
        raise place.error('a column\'s path begins with "." or is "-"')
    return Column(words[1].strip('"').replace("_", " "), kind, form, "" if words[3] == "-" else words[3], len(words) - 4, doc)


def parse_kind_line(kind, words, doc, place):
    word, rest = words[0], words[1:]
    if word == "column":
        kind.columns.append(parse_column(words, doc, place))
    elif word == "names" and (len(rest) >= 2 or rest == ["-"]) and not kind.names:
        # "-" alone: no resource of its own, only a subresource's kind; as the singular: none
        kind.names = [rest[0], "" if rest[1] == "-" else rest[1], *rest[2:]] if len(rest) >= 2 else ["", ""]
    elif word == "scope" and rest in (["namespaced"], ["cluster"]) and not kind.scope:
        kind.scope = rest[0]
    elif word == "categories":
        kind.categories = rest
    elif word == "subresources" and rest:
        kind.subresources = rest
    elif word == "flags":
        if unknown := [flag for flag in rest if flag not in KIND_FLAGS]:
            raise place.error(f"unknown flag {unknown[0]!r}")
        kind.flags = rest
    elif word == "store" and len(rest) == 1:
        kind.store = rest[0]
    elif word == "form" and len(rest) == 1:
        kind.form = rest[0]
    elif word == "rules" and rest == ["yes"]:
        kind.rules = True
    else:
        return False
    return True


class Parser:
    """One file, line by line. `current` is the type being filled, `kind` its kind if it is one."""

    def __init__(self, schema, file):
        self.schema, self.file, self.group = schema, file, Group()
        self.current = self.kind = self.doc_of = None
        self.doc_indent = 0

    def add_type(self, word, words, place):
        if not (self.group.version and self.group.openapi):
            raise place.error("group, version and go lines come first")
        if len(words) < 2 or not re.fullmatch(r"[A-Z][A-Za-z0-9]*", words[1]) or words[2:] not in ([], ["union"]):
            raise place.error(f"a {word} line is: {word} Name")
        name = words[1]
        if name in RESERVED_NAMES:
            raise place.error(f"{name} is a name of codec/type.h or api/kind.h")
        if other := self.schema.types.get(name):
            raise place.error(f"{name} is already at {other.place.file}:{other.place.line}")
        self.current = Type(place, name, self.group, union=len(words) == 3)
        self.schema.types[name] = self.current
        self.kind = None
        if word == "kind":
            self.kind = Kind(self.current)
            self.schema.kinds.append(self.kind)

    def top_line(self, words, place):
        word = words[0]
        if word in ("kind", "type"):
            self.add_type(word, words, place)
        elif word == "group" and len(words) == 2:
            self.group = Group("" if words[1] == "core" else words[1])
        elif word == "version" and len(words) == 2:
            self.group.version = words[1]
        elif word == "go" and len(words) == 4 and words[2] == "openapi":
            self.group.go, self.group.openapi = words[1], words[3]
        else:
            raise place.error(f"unknown line {' '.join(words)!r}")

    def inner_line(self, words, doc, place):
        current = self.current
        if not current:
            raise place.error("this line belongs to no kind or type")
        if words[0].isdigit() or words[0] == "-":
            current.fields.append(parse_field(words, doc, place))
            self.doc_of = current.fields[-1]
        elif self.kind and parse_kind_line(self.kind, words, doc, place):
            self.doc_of = self.kind.columns[-1] if words[0] == "column" else None
        elif words == ["union"]:
            current.union = True
        elif words == ["atomic-struct"]:
            current.atomic = True
        elif words[0] == "called" and len(words) == 2:
            current.called = words[1]
        else:
            raise place.error(f"unknown line {' '.join(words)!r}")

    def line(self, text, place):
        stripped = text.strip()
        indent = len(text) - len(text.lstrip())
        if not stripped:
            return
        if stripped.startswith("#"):
            if self.doc_of and indent > self.doc_indent:
                self.doc_of.doc = f"{self.doc_of.doc} {stripped[1:].strip()}".strip()
            return
        self.doc_of, self.doc_indent = None, indent
        if indent and stripped.startswith("doc "):
            if not self.current:
                raise place.error("this line belongs to no kind or type")
            self.current.doc = f"{self.current.doc} {stripped[4:].strip()}".strip()
            self.doc_of = self.current
            return
        words, doc = split_line(stripped, place)
        if indent:
            self.inner_line(words, doc, place)
        else:
            self.top_line(words, place)

    def parse(self, lines):
        for number, text in enumerate(lines, 1):
            self.line(text.rstrip("\n"), Place(self.file, number))


def parse(files):
    """Schema of the files, given as (name, lines) pairs."""
    schema = Schema()
    for name, lines in files:
        schema.files.append(pathlib.Path(name).stem)
        Parser(schema, name).parse(lines)
    check(schema)
    return schema


# ---- what only the whole can tell ----


def check(schema):
    for type_ in schema.types.values():
        check_type(schema, type_)
    sort_by_value(schema)  # from here on no struct holds itself
    for type_ in schema.types.values():
        check_keys(schema, type_)
        flatten(schema, type_)
    for kind in schema.kinds:
        check_kind(schema, kind)
    find_defaults(schema)


def check_type(schema, type_):
    if not type_.doc:
        raise type_.place.error(f"{type_.name} has no doc line")
    seen = {}
    for field in type_.fields:
        for key in (f"number {field.number}" if field.number else None, f"name {field.json}", f"C name {field.c_name}"):
            if key and key in seen:
                raise field.place.error(f"{key} is already at line {seen[key].place.line}")
            seen[key] = field
        if not field.doc:
            raise field.place.error(f"{field.json} has no doc line")
        if not field.scalar:
            if field.base not in schema.types:
                raise field.place.error(f"unknown type {field.base!r}")
            if schema.types[field.base].atomic and "inline" not in field.attrs:
                field.attrs["atomic-struct"] = ""
        if type_.union:
            field.attrs["union"] = ""
    type_.union = any("union" in field.attrs for field in type_.fields)


def check_keys(schema, type_):
    for field in type_.fields:
        keys = field.attrs["map"].split(",") if "map" in field.attrs else []
        keys += [field.attrs["merge"]] if field.attrs.get("merge") else []
        names = {row[0] for row in flatten(schema, schema.types[field.base])} if keys and not field.scalar else ()
        for key in keys:
            if key not in names:
                raise field.place.error(f"{field.base} has no field {key!r}")


def check_kind(schema, kind):
    place = kind.type.place
    first = kind.type.fields[0] if kind.type.fields else None
    if not first or first.json != "metadata" or first.base != "ObjectMeta" or first.shape != "ONE":
        raise place.error(f"the first field of {kind.name} must be: 1 metadata ObjectMeta")
    if not kind.names or not kind.scope:
        raise place.error(f"{kind.name} needs a names line and a scope line")
    for other in schema.kinds:
        if other is not kind and kind.names[0] and kind.resource == other.resource:
            raise place.error(f"{kind.names[0]} is already the plural of {other.name}")


def flatten(schema, type_):
    """(JSON name, C path, depth, owner, index) of every member of the JSON object, inline structs passed through."""
    rows = []

    def walk(owner, path, depth):
        for index, field in enumerate(owner.fields):
            here = path + field.c_name
            if "inline" in field.attrs and field.shape == "LIST":
                if len(owner.fields) > 1:
                    raise field.place.error("a type that is a list has no other fields")
            elif "inline" in field.attrs:
                walk(schema.types[field.base], here + ".", depth + 1)
            else:
                rows.append((field.json, here, depth, owner, index))

    walk(type_, "", 0)
    rows.sort(key=lambda row: (len(row[0]), row[0].encode()))
    for a, b in zip(rows, rows[1:]):
        if a[0] == b[0]:
            raise type_.place.error(f"{a[0]} is there twice, once through an inline struct")
    return rows


def sort_by_value(schema):
    """Puts each type after those it embeds."""
    order, state = [], {}

    def visit(type_):
        state[type_.name] = "open"
        for field in type_.fields:
            if field.scalar or field.shape != "ONE":
                continue
            if state.get(field.base) == "open":
                raise field.place.error(f"{type_.name} holds {field.base}, which holds {type_.name}: use '?'")
            if field.base not in state:
                visit(schema.types[field.base])
        state[type_.name] = "done"
        order.append(type_)

    for type_ in schema.types.values():
        if type_.name not in state:
            visit(type_)
    schema.order = order


def find_defaults(schema):
    for type_ in schema.types.values():
        type_.has_defaults = any("default" in field.attrs for field in type_.fields)
    changed = True
    while changed:
        changed = False
        for type_ in schema.types.values():
            if not type_.has_defaults and any(not field.scalar and schema.types[field.base].has_defaults
                                              for field in type_.fields):
                type_.has_defaults = changed = True


# ---- printing ----

NOTICE = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Made from src/api/schema by tools/schema.py. Do not edit. */\n"


def array_stem(field):
    return field.scalar.array if field.scalar else field.base


def c_type(field):
    plain = field.scalar.c if field.scalar else field.base + " "
    if field.shape == "LIST":
        return array_stem(field) + "Array "
    if field.shape == "MAP":
        return array_stem(field) + "Map "
    if field.shape == "OPTIONAL" and not (field.scalar and field.scalar.own_optional):
        return plain + "*"
    return plain


def header_name(file):
    """The header of a schema file, as C files include it."""
    return f"api/schema/{file}.h"


def entry_struct(field):
    plain = field.scalar.c if field.scalar else field.base + " "
    return f"struct {array_stem(field)}Entry {{\n    const char *key;\n    {plain}value;\n}};"


def containers(schema):
    """Array and map types that fields need: name -> (declaration, schema files of the fields and of the elements)."""
    found = {}
    for type_ in schema.types.values():
        for field in type_.fields:
            plain = field.scalar.c if field.scalar else field.base + " "
            if field.shape == "LIST":
                name, lines = array_stem(field) + "Array", f"    {plain}*v;\n    size_t n;\n"
                text = f"typedef struct {name} {{\n{lines}}} {name};"
            elif field.shape == "MAP":
                name, entry = array_stem(field) + "Map", array_stem(field) + "Entry"
                text = (f"typedef struct {entry} {entry};\n"
                        f"typedef struct {name} {{\n    {entry} *v;\n    size_t n;\n}} {name};")
                if field.scalar:
                    text += "\n" + entry_struct(field)
            else:
                continue
            if name not in DECLARED_ARRAYS:
                files = found.setdefault(name, (text, set()))[1]
                files |= {type_.file} if field.scalar else {type_.file, schema.types[field.base].file}
    return found


def print_containers(schema, file):
    """Those that one header defines. A guard lets several headers define the same one, which C otherwise refuses."""
    out = []
    for name, (text, users) in sorted(containers(schema).items()):
        guard = f"API_SCHEMA_{snake(name).upper()}"
        if users == {file}:
            out.append(text + "\n")
        elif file in users:
            out.append(f"#ifndef {guard}\n#define {guard}\n{text}\n#endif\n")
    return out


def print_entries(schema, file):
    """Entries of the maps whose values are structs of this file, behind these structs."""
    maps = {field.base: field for type_ in schema.types.values() for field in type_.fields
            if field.shape == "MAP" and not field.scalar and schema.types[field.base].file == file}
    return [f"typedef struct {name}Entry {name}Entry;\n{entry_struct(field)}\n" for name, field in sorted(maps.items())]


def print_header(schema, file):
    """The header of one schema file. It includes others only for structs that its own hold by value: a change of one
    group's schema then rebuilds only what uses this group."""
    own = [type_ for type_ in schema.order if type_.file == file]
    used = [(field, schema.types[field.base]) for type_ in own for field in type_.fields if not field.scalar]
    held = {type_.file for field, type_ in used if field.shape == "ONE"} - {file}
    declared = {type_.name for type_ in own} | {type_.name for _, type_ in used}
    kinds = [kind for kind in schema.kinds if kind.type.file == file]
    guard = f"API_SCHEMA_{file.upper()}_H"
    out = [NOTICE, f"#ifndef {guard}\n#define {guard}\n"]
    out += [f'#include "{header_name(other)}"' for other in sorted(held)] + ['#include "codec/type.h"\n']
    out += [f"typedef struct {name} {name};" for name in sorted(declared | ({"Kind"} if kinds else set()))] + [""]
    out += print_containers(schema, file)
    for type_ in own:
        out.append(f"/* {type_.doc} */\nstruct {type_.name} {{".replace("*/*", "* / *"))
        out += [f"    {c_type(field)}{field.c_name};" for field in type_.fields]
        if not type_.fields:
            out.append("    char nothing; /* its presence is all it says */")
        out.append("};\n")
    out += print_entries(schema, file)
    out += [f"extern const Type type_{type_.name};" for type_ in sorted(own, key=lambda type_: type_.name)]
    out += [f"extern const Kind kind_{snake(kind.type.name)};" for kind in kinds]
    return "\n".join(out) + "\n\n#endif\n"


def print_registry(schema):
    """The header of what is said of all kinds together."""
    out = [NOTICE, "#ifndef API_SCHEMA_KINDS_H\n#define API_SCHEMA_KINDS_H\n", '#include "api/kind.h"\n']
    out += ["typedef enum KindId {"] + [f"    KIND_ID_{snake(kind.type.name).upper()}," for kind in schema.kinds]
    out += ["    KIND_COUNT,", "} KindId;\n"]
    out += ["extern const Kind *const kind_table[]; /* by KindId */",
            "/* Changes with the schema: an object that was stored under another schema is checked when it is read. */",
            "extern const uint32_t schema_mark;", "\n#endif"]
    return "\n".join(out) + "\n"


def string_list(values):
    return "(const char *const[]){" + "".join(c_string(value) + ", " for value in values) + "NULL}"


def field_rows(type_, field):
    """The members of a Field that are not zero."""
    attrs = field.attrs
    rows = [("json", c_string(field.json)), ("json_length", len(field.json.encode())),
            ("offset", f"offsetof({type_.name}, {field.c_name})"),
            ("number", field.number), ("flags", " | ".join(field.flags) or 0),
            ("value", field.scalar.value if field.scalar else "VALUE_STRUCT"), ("shape", f"SHAPE_{field.shape}")]
    for word, list_kind in LIST_KINDS.items():
        if word in attrs:
            rows.append(("list_kind", list_kind))
    if "format" in attrs:
        rows.append(("format", "FORMAT_" + attrs["format"].upper().replace("-", "_")))
    for word in ("min", "max"):
        if word in attrs:
            rows += [(f"has_{word}", "true"), (word, f"INT64_C({attrs[word]})")]
    if not field.scalar:
        rows.append(("type", f"&type_{field.base}"))
    if "map" in attrs:
        rows.append(("keys", string_list(attrs["map"].split(","))))
    if "enum" in attrs:
        rows.append(("enum_values", string_list(attrs["enum"].split("|"))))
    if "known" in attrs:
        rows.append(("known_values", string_list(attrs["known"].split("|"))))
    if attrs.get("merge"):
        rows.append(("patch_key", c_string(attrs["merge"])))
    if "default" in attrs:
        rows.append(("default_json", c_string(attrs["default"])))
    return [row for row in rows if row[1] != 0] + [("doc", c_string(field.doc))]


def initializer(rows, separator=", "):
    return separator.join(f".{name} = {value}" for name, value in rows)


def print_type(schema, type_):
    out = []
    if type_.fields:
        out.append(f"static const Field fields_{type_.name}[] = {{")
        out += [f"    {{{initializer(field_rows(type_, field))}}}," for field in type_.fields]
        out.append("};")
    names = flatten(schema, type_)
    if names:
        out.append(f"static const TypeName names_{type_.name}[] = {{")
        out += [f"    {{{c_string(name)}, {len(name.encode())}, {depth}, offsetof({type_.name}, {path}), "
                f"&fields_{owner.name}[{index}]}}," for name, path, depth, owner, index in names]
        out.append("};")
    rows = [("name", c_string(type_.name)), ("openapi", c_string(type_.openapi)), ("doc", c_string(type_.doc)),
            ("fields", f"fields_{type_.name}" if type_.fields else "NULL"), ("size", f"sizeof({type_.name})"),
            ("n_fields", len(type_.fields)), ("n_names", len(names)),
            ("names", f"names_{type_.name}" if names else "NULL"),
            ("has_defaults", str(type_.has_defaults).lower()), ("is_atomic", str(type_.atomic).lower()), ("is_union", str(type_.union).lower())]
    out.append(f"const Type type_{type_.name} = {{\n    {initializer(rows, f',{chr(10)}    ')},\n}};\n")
    return out


def kind_flags(kind):
    flags = ["KIND_NAMESPACED"] if kind.scope == "namespaced" else []
    flags += ["KIND_HAS_STATUS"] if "status" in kind.subresources else []
    flags += ["KIND_SECOND_FORM"] if kind.form else []
    return " | ".join(flags + [KIND_FLAGS[flag] for flag in kind.flags]) or "0"


def print_kind(kind):
    name, group, c_name = kind.name, kind.type.group, snake(kind.type.name)
    api_version = f"{group.name}/{group.version}" if group.name else group.version
    out = [f'static_assert(offsetof({kind.type.name}, metadata) == 0, "object_meta() needs metadata first");']
    if kind.columns:
        out.append(f"static const Column columns_{c_name}[] = {{")
        out += [f"    {{{c_string(c.name)}, {c_string(c.type)}, {c_string(c.format)}, "
                f"{c_string(c.path) if c.path else 'NULL'}, {c.priority}, {c_string(c.doc)}}}," for c in kind.columns]
        out.append("};")
    if kind.rules:
        out.append(f"extern const KindRules rules_{c_name};")
    if kind.form:
        out.append(f"extern const KindForm form_{c_name};")
    rows = [("group", c_string(group.name)), ("version", c_string(group.version)), ("kind", c_string(name)),
            ("list_kind", c_string(name + "List")), ("plural", c_string(kind.names[0])),
            ("singular", c_string(kind.names[1])), ("api_version", c_string(api_version)),
            ("json_prefix", c_string(f'"kind":"{name}","apiVersion":"{api_version}"')),
            ("store_prefix", c_string(f"/registry/{kind.store or kind.names[0]}/" if kind.names[0] else "")),
            ("short_names", string_list(kind.names[2:])), ("categories", string_list(kind.categories)),
            ("subresources", string_list(sorted(kind.subresources))),
            ("flags", kind_flags(kind)), ("id", f"KIND_ID_{c_name.upper()}"), ("type", f"&type_{kind.type.name}")]
    if kind.columns:
        rows += [("columns", f"columns_{c_name}"), ("n_columns", len(kind.columns))]
    for index, field in enumerate(kind.type.fields):
        if field.json in ("spec", "status"):
            rows.append((field.json, f"&fields_{kind.type.name}[{index}]"))
    if kind.rules:
        rows.append(("rules", f"&rules_{c_name}"))
    if kind.form:
        rows.append(("form", f"&form_{c_name}"))
    out.append(f"const Kind kind_{c_name} = {{\n    {initializer(rows, f',{chr(10)}    ')},\n}};\n")
    return out


def print_source(schema, mark):
    out = [NOTICE, "#include <assert.h>\n"]
    out += [f'#include "{header_name(file)}"' for file in ["kinds", *schema.files]] + [""]
    out.append('static_assert(sizeof(StringArray) == sizeof(List) && sizeof(StringMap) == sizeof(List),\n'
               '              "every list and map field has the layout of List");\n')
    for type_ in schema.order:  # a name table refers to the fields of inline structs
        out += print_type(schema, type_)
    for kind in schema.kinds:
        out += print_kind(kind)
    out.append("const Kind *const kind_table[] = {")
    out += [f"    [KIND_ID_{snake(kind.type.name).upper()}] = &kind_{snake(kind.type.name)}," for kind in schema.kinds]
    out += ["};", f"const uint32_t schema_mark = UINT32_C({mark:#010x});"]
    return "\n".join(out) + "\n"


def write_changed(path, text):
    """Leaves a file alone that has this text already: ninja then does not rebuild what depends on it."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", required=True, type=pathlib.Path, help="the folder for what is made")
    arguments.add_argument("files", nargs="+")
    options = arguments.parse_args()
    try:
        texts = []
        for name in options.files:
            with open(name, encoding="utf-8") as file:
                texts.append((name, file.readlines()))
        schema = parse(texts)
        # what is stored was encoded by this schema, or has to be looked at again
        mark = zlib.crc32("".join("".join(lines) for _, lines in texts).encode())
        made = {file + ".h": print_header(schema, file) for file in schema.files}
        made |= {"kinds.h": print_registry(schema), "tables.c": print_source(schema, mark)}
    except SchemaError as error:
        sys.exit(f"{error}")
    for name, text in made.items():
        write_changed(options.out / name, text)


if __name__ == "__main__":
    main()
