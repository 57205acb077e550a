/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table form of a type: what the schema generator emits, and what CustomResourceDefinitions
 * build at run time.
 *
 * A value is a plain C struct; its Type says where each field lies and how it travels. All that a
 * value points at lives in one arena. How fields are held in C:
 *
 *   BOOL INT32 INT64 DOUBLE   the scalar itself
 *   STRING                    const char *; NULL and "" both mean empty for a plain field, NULL
 *                             means absent for an optional one; never with a NUL byte inside
 *   BYTES                     Bytes (base64 in JSON)
 *   TIME MICRO_TIME           Time; set == false is the zero time (null in JSON)
 *   QUANTITY                  const char *, the canonical text as Kubernetes prints it ("256M",
 *                             "500m"); see api/quantity.h
 *   INT_OR_STRING             IntOrString
 *   RAW                       Bytes: any JSON value as compact text (RawExtension, FieldsV1, JSON)
 *   STRUCT                    the struct itself, embedded
 *
 * and by shape:
 *
 *   ONE       as above
 *   OPTIONAL  a pointer to it; for STRING, QUANTITY, BYTES, RAW, TIME and MICRO_TIME the same as
 *             ONE, where NULL, .p == NULL or !set means absent
 *   LIST      struct { T *v; size_t n; }; v == NULL is nil, v != NULL with n == 0 is empty
 *   MAP       struct { Entry *v; size_t n; }, Entry { const char *key; T value; }; sorted by key,
 *             keys unique
 *
 * A text or quantity that is an element of a list or the value of a map entry is never NULL, and
 * neither is the string of an IntOrString whose is_string is set. Clients may send null in these
 * places; decoders turn it into what Go makes of it ("" and "0", type_thing_init), so that users of
 * a list need no check. A plain or optional text that was not sent stays NULL: whoever reads one
 * outside of str_equal(), str_empty() and str_or() has to expect that.
 *
 * List and Map below have the layout of all of these.
 */
#ifndef CODEC_TYPE_H
#define CODEC_TYPE_H

#include "base/arena.h"
#include "base/base.h"

typedef struct Type Type;
typedef struct Field Field;

typedef struct Time {
    int64_t seconds;
    int32_t nanos;
    bool set;
} Time;

typedef struct IntOrString {
    bool is_string;
    int32_t number;
    const char *string;
} IntOrString;

typedef struct StringEntry {
    const char *key;
    const char *value;
} StringEntry;

typedef struct BytesEntry {
    const char *key;
    Bytes value;
} BytesEntry;

typedef struct StringArray {
    const char **v;
    size_t n;
} StringArray;

typedef struct Int32Array {
    int32_t *v;
    size_t n;
} Int32Array;

typedef struct Int64Array {
    int64_t *v;
    size_t n;
} Int64Array;

typedef struct StringMap { /* also of quantities */
    StringEntry *v;
    size_t n;
} StringMap;

typedef struct BytesMap {
    BytesEntry *v;
    size_t n;
} BytesMap;

/* The layout of every list and map field. */
typedef struct List {
    void *v;
    size_t n;
} List;

typedef enum ValueType {
    VALUE_BOOL,
    VALUE_INT32,
    VALUE_INT64,
    VALUE_DOUBLE,
    VALUE_STRING,
    VALUE_BYTES,
    VALUE_TIME,
    VALUE_MICRO_TIME,
    VALUE_QUANTITY,
    VALUE_INT_OR_STRING,
    VALUE_RAW,
    VALUE_DURATION, /* int64_t, in nanoseconds */
    VALUE_STRUCT,
    _VALUE_MAX,
} ValueType;

typedef enum Shape {
    SHAPE_ONE,
    SHAPE_OPTIONAL,
    SHAPE_LIST,
    SHAPE_MAP,
    _SHAPE_MAX,
} Shape;

typedef enum ListKind {
    LIST_ATOMIC, /* replaced as a whole: the default */
    LIST_SET,    /* of scalars */
    LIST_MAP,    /* of structs, told apart by `keys` */
} ListKind;

typedef enum FieldFlag {
    FIELD_REQUIRED = 1 << 0,    /* validation: missing or empty is an error */
    FIELD_EMIT_ALWAYS = 1 << 1, /* no omitempty in Go: 0, "", null, [] are written out */
    FIELD_INLINE =
        1 << 2, /* a struct whose JSON members stand in the parent's object; nested in protobuf */
    FIELD_IMMUTABLE = 1 << 3, /* may not change after creation */
    FIELD_ATOMIC_STRUCT =
        1 << 4, /* apply treats the struct or map as one value (x-kubernetes-map-type: atomic) */
    FIELD_NO_PROTO = 1 << 5, /* not in protobuf */
    FIELD_PATCH_MERGE =
        1 << 6, /* strategic merge: patchStrategy merge; key in patch_key, none for scalars */
    FIELD_PATCH_RETAIN_KEYS = 1 << 7, /* patchStrategy retainKeys */
    FIELD_UNION_MEMBER = 1 << 8,      /* of a "one of" struct such as VolumeSource */
    FIELD_DEPRECATED = 1 << 9,
    FIELD_LISTED = 1 << 10, /* required as OpenAPI has it; the kind's rules check it, or nobody */
    FIELD_EXACT =
        1
        << 11, /* of a kind that is defined at run time: an empty list or map is not absent, and a value of the
                               wrong type is kept in Type.extra */
    FIELD_NULLABLE =
        1
        << 12, /* null is a value of its own for the thing: the text "null" for RAW, else is_nullable of the struct */
    FIELD_EMPTIED = 1 << 13, /* of RAW: what is in objects below it is dropped */
} FieldFlag;

/* Text formats that validation knows by name. */
typedef enum FieldFormat {
    FORMAT_NONE,
    FORMAT_DNS_LABEL,      /* RFC 1123 label */
    FORMAT_DNS_SUBDOMAIN,  /* RFC 1123 subdomain */
    FORMAT_QUALIFIED_NAME, /* label keys */
    FORMAT_LABEL_VALUE,
    FORMAT_ENV_NAME,
    FORMAT_CONFIG_KEY,
    FORMAT_PORT_NAME, /* IANA service name */
    FORMAT_IP,
    FORMAT_ABSOLUTE_PATH,
    _FORMAT_MAX,
} FieldFormat;

struct Field {
    const char *json; /* JSON name; for an inline struct its Go name, used nowhere on the wire */
    uint32_t offset;
    uint16_t number; /* protobuf field number */
    uint16_t flags;
    uint8_t value; /* ValueType of the thing, an element or a map's value */
    uint8_t shape;
    uint8_t list_kind;    /* for LIST */
    uint8_t format;       /* FieldFormat of a string (or of each string in a list) */
    uint16_t json_length; /* strlen(json) */
    bool has_min, has_max;
    int64_t min, max;        /* of numbers; of lengths for strings and lists */
    const Type *type;        /* for STRUCT: the type of the thing, an element or a map's value */
    const char *const *keys; /* LIST_MAP: NULL-ended JSON names */
    const char *const *enum_values;  /* NULL-ended; NULL: any */
    const char *const *known_values; /* the same for OpenAPI alone: others are no error, or are one
                                        of the kind's rules */
    const char *patch_key;           /* strategic merge key */
    const char *default_json;        /* what an absent field becomes, as JSON; NULL: none */
    const char
        *element_default; /* of EXACT: what null becomes in the list or map; NULL: stays null */
    const char *doc;
};

struct Type {
    const char *name;    /* C and schema name, "PodSpec" */
    const char *openapi; /* "io.k8s.api.core.v1.PodSpec" */
    const char *doc;
    const Field *fields; /* in order of declaration: the order of JSON output */
    uint32_t size;
    uint16_t n_fields;
    uint16_t n_names;
    const struct TypeName *names; /* every JSON name reachable here, inline structs flattened,
                                     sorted by (length, bytes) */
    bool has_defaults;  /* it, or something below it, has defaults: lets the walker skip whole
                          subtrees */
    bool is_atomic;     /* server-side apply treats every such struct as one value */
    bool is_union;      /* exactly or at most one of the UNION_MEMBER fields */
    bool is_exact;      /* its fields are EXACT */
    bool keeps_unknown; /* members without a field of their own are kept, too */
    bool is_nullable;   /* a value begins with a bool that is set for null */
    const Field *
        extra; /* of a kind that is defined at run time: keeps members whose values do not fit into their fields. An
                           inline map of RAW, which is also one of the fields */
};

/* A JSON name and the way to its field through inline structs. */
typedef struct TypeName {
    const char *json;
    uint16_t length;
    uint8_t depth;   /* how many inline fields to pass */
    uint32_t offset; /* of the field from the start of the outer struct */
    const Field *field;
} TypeName;

/* The name's entry, or NULL. */
const TypeName *type_find(const Type *type, const char *json, size_t length);
/* The field of this name, which the type has itself, not by an inline field. */
const Field *type_member(const Type *type, const char *json);
size_t value_size(const Field *field);      /* of one element, map entry or the thing itself */
size_t type_field_size(const Field *field); /* of the field in its struct */

/* Gives a zeroed element or value of a map entry the value that null has there: "" for a text, "0"
 * for a quantity, zero for everything else. */
void type_thing_init(const Field *field, void *at);

/* Whether the value follows the rule above: no NULL text in a list, a map or an IntOrString. */
bool type_sound(const Type *type, const void *value);

/* The offset of the value in a map's entry, behind the key. */
#define TYPE_ENTRY_VALUE 8

/* Is the field held as a pointer to the thing? */
static inline bool type_is_pointer(const Field *field)
{
    return field->shape == SHAPE_OPTIONAL &&
           (field->value < VALUE_STRING || field->value == VALUE_INT_OR_STRING ||
            field->value == VALUE_STRUCT);
}

static inline void *field_at(const void *value, const Field *field)
{
    return (char *)(uintptr_t)value + field->offset;
}

/* The thing of a field that is no list and no map: NULL if an optional one is held by a pointer and
 * absent. */
static inline void *field_thing(const Field *field, const void *at)
{
    return type_is_pointer(field) ? *(void *const *)at : (void *)(uintptr_t)at;
}

/* ---- generic operations on values; each is a walk over the table ---- */

void type_copy(const Type *type, Arena *arena, void *to, const void *from); /* deep */
/* The same into new room in the arena. */
void *type_clone(const Type *type, Arena *arena, const void *from);
bool type_equal(const Type *type, const void *a, const void *b); /* nil list == empty list */
bool type_thing_equal(const Field *field, const void *a,
                      const void *b); /* pointers to things: elements, values of map entries */
/* The same for one field; the pointers are to the fields. */
void type_field_copy(const Field *field, Arena *arena, void *to, const void *from);
bool type_field_equal(const Field *field, const void *a, const void *b);
/* The same for the field of this name; the pointers are to the structs. */
void type_member_copy(const Type *type, const char *json, Arena *arena, void *to, const void *from);
bool type_member_equal(const Type *type, const char *json, const void *a, const void *b);
/* A type that is a bare list or map, such as authorization's ExtraValue: its one field is an inline list.
 * Its JSON is that of the list; in protobuf it is a message. */
static inline bool type_is_bare(const Type *type)
{
    return type->n_fields == 1 && type->fields[0].shape >= SHAPE_LIST &&
           (type->fields[0].flags & FIELD_INLINE) && !type->extra;
}

/* Whether the value of a nullable struct is null. */
static inline bool type_is_null(const Type *type, const void *value)
{
    return _unlikely_(type->is_nullable) && *(const bool *)value;
}

/* Whether nothing is known about what is in the field: JSON that is kept as it is. */
static inline bool type_is_open(const Field *field)
{
    return field->value == VALUE_RAW && (field->flags & FIELD_EXACT) && field->shape != SHAPE_LIST;
}

/* The inline map of a field whose thing is a bare map; NULL: it is none. */
static inline const Field *type_bare_map(const Field *field)
{
    const Field *inner =
        field->value == VALUE_STRUCT && type_is_bare(field->type) ? &field->type->fields[0] : NULL;

    return inner && inner->shape == SHAPE_MAP && !(inner->flags & FIELD_ATOMIC_STRUCT) ? inner
                                                                                       : NULL;
}

/* Would omitempty drop it? As in Go, never a struct that is not a pointer: those, and quantities
 * and int-or-strings of shape ONE, are always written. */
bool type_field_empty(const Field *field, const void *at);
bool type_field_zero(const Field *field,
                     const void *at); /* nothing set: empty, or a struct with nothing in it */
bool type_zero(const Type *type, const void *value);
/* Table defaults, whole tree: json/defaults.c. */
void type_default(const Type *type, Arena *arena, void *value);

#endif
