/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structural schemas: what a CustomResourceDefinition says about its objects, as a tree that values are checked against, and as
 * tables of fields like those of built-in kinds, so that everything that works on tables works on custom resources.
 *
 * The way of a schema: its JSON (openAPIV3Schema of a version, as json_encode_field writes it) is parsed into a tree of
 * SchemaNodes, structural_check says what is wrong with it, and structural_compile makes the tables. The tree and the tables lie in
 * the caller's arena, do not refer to the JSON, and do not change any more, so threads may share them.
 *
 * Objects are decoded by the table and completed with type_default, as those of built-in kinds. A value that does not fit into its
 * field is kept beside the fields. structural_validate checks what comes of it. It works on the JSON of the object, which is made
 * anyway before it is stored.
 */
#ifndef API_STRUCTURAL_STRUCTURAL_H
#define API_STRUCTURAL_STRUCTURAL_H

#include <yyjson.h>

#include "api/validate/validate.h"
#include "base/regex/regex.h"
#include "base/strbuf.h"

/* Limits of a schema: how many schemas it consists of, and how deep they are in each other. */
enum { SCHEMA_NODES_MAX = 60000, SCHEMA_DEPTH_MAX = 80 };

typedef enum SchemaType {
    SCHEMA_ANY, /* none given */
    SCHEMA_OBJECT,
    SCHEMA_ARRAY,
    SCHEMA_STRING,
    SCHEMA_INTEGER,
    SCHEMA_NUMBER,
    SCHEMA_BOOLEAN,
    SCHEMA_NULL,
    SCHEMA_OTHER, /* a text that is none of these */
} SchemaType;

/* Keywords that have no place in a structural schema, or not in every part of it. */
typedef enum SchemaGiven {
    GIVEN_ID = 1 << 0,
    GIVEN_SCHEMA = 1 << 1,
    GIVEN_REF = 1 << 2,
    GIVEN_PATTERN_PROPERTIES = 1 << 3,
    GIVEN_DEPENDENCIES = 1 << 4,
    GIVEN_ADDITIONAL_ITEMS = 1 << 5,
    GIVEN_DEFINITIONS = 1 << 6,
    GIVEN_TITLE = 1 << 7,
    GIVEN_DESCRIPTION = 1 << 8,
    GIVEN_EXTERNAL_DOCS = 1 << 9,
    GIVEN_EXAMPLE = 1 << 10,
    GIVEN_ITEMS_ARRAY = 1 << 11,
    GIVEN_PRESERVE_FALSE = 1 << 12, /* x-kubernetes-preserve-unknown-fields: false */
    GIVEN_UNIQUE_ITEMS = 1 << 13,
} SchemaGiven;

typedef struct SchemaNode SchemaNode;

typedef struct SchemaNodes {
    SchemaNode **v;
    size_t n;
} SchemaNodes;

typedef struct SchemaProperty {
    const char *name;
    SchemaNode *node;
} SchemaProperty;

/* One of x-kubernetes-validations. The texts are NULL where they are not given. */
typedef struct SchemaRule {
    const char *rule, *message, *message_expression, *reason, *field_path;
    bool has_optional_old_self, optional_old_self;
    void *program; /* for whoever compiles the rule */
} SchemaRule;

/* What limits a value, beyond its type. Lengths that are not given are -1. */
typedef struct SchemaLimits {
    const char *pattern;
    const Regex *regex; /* of the pattern; NULL: none, or it does not compile */
    const char *regex_error;
    bool has_minimum, has_maximum, has_multiple_of, exclusive_minimum, exclusive_maximum;
    double minimum, maximum, multiple_of;
    int64_t min_length, max_length, min_items, max_items, min_properties, max_properties;
    yyjson_val *enum_values; /* an array; NULL: any value */
    SchemaNodes all_of, any_of, one_of;
    SchemaNode * not ;
} SchemaLimits;

struct SchemaNode {
    const char *type_text;
    const char *format;
    SchemaType type : 8;
    bool nullable : 1;
    bool int_or_string : 1;
    bool embedded_resource : 1;
    bool preserve_unknown : 1;
    bool additional_given : 1;   /* additionalProperties, in any form */
    bool additional_allowed : 1; /* true, or a schema */
    bool has_rules_below : 1; /* it, or a property, item or additional property of it, has rules */
    bool has_uniques_below : 1;  /* the same for lists that are sets or maps */
    bool has_embedded_below : 1; /* the same for embedded resources */
    uint32_t given;              /* SchemaGiven */
    SchemaProperty *properties;  /* in order of names */
    size_t n_properties;
    SchemaNode *items, *additional;
    const char *list_type, *map_type; /* NULL: not given */
    StringArray list_map_keys, required;
    StringArray sorted_keys;  /* list_map_keys in order of names */
    const char *default_json; /* NULL: none */
    SchemaLimits *limits;     /* NULL: none */
    SchemaRule *rules;
    size_t n_rules;
};

/* The schema of a version, compiled. */
typedef struct Structural {
    SchemaNode *root; /* NULL: the definition has no schema */
    const Type *
        type; /* its first field is metadata (ObjectMeta), at offset 0; it has no apiVersion and kind */
} Structural;

/* Parses the JSON of a schema, which the table of JSONSchemaProps has written. NULL if it is too deep or has too many parts; the
 * cause has been added then. `path` is that of openAPIV3Schema. */
SchemaNode *structural_parse(Arena *arena, Bytes json, const Path *path, Causes *causes);

/* The property of this name, or NULL. */
SchemaNode *schema_property(const SchemaNode *node, const char *name, size_t length);

/* Says what is wrong with the schema of a version, in the words of kube-apiserver. Only rules are left out.
 * has_status: the version has the status subresource. */
void structural_check(Arena *arena, const SchemaNode *root, bool has_status, const Path *path,
                      Causes *causes);
/* Warnings about formats that nobody knows. */
void structural_warn(Arena *arena, const SchemaNode *root, Warnings *warnings);

/* Makes the tables of a kind. The schema is one that structural_check has accepted. `name` is that of the kind ("Widget"), and `openapi`
 * that of its definition ("com.example.v1.Widget"). */
const Structural *structural_compile(Arena *arena, SchemaNode *root, const char *name,
                                     const char *openapi);

typedef enum StructuralPart {
    STRUCTURAL_OBJECT, /* the whole object: create, and update of the resource itself */
    STRUCTURAL_STATUS, /* only the status: update of the status subresource */
} StructuralPart;

/*
 * Checks an object, whose JSON has apiVersion, kind and metadata as well. `before` is the version before, or NULL. What was wrong
 * in it and has not changed is no cause. Returns whether rules may be evaluated: not if the object has values of the wrong type, lacks required
 * ones or is too large, in which case the cause that says so has been added if the schema has rules.
 */
bool structural_validate(const Structural *structural, StructuralPart part, yyjson_val *object,
                         yyjson_val *before, Causes *causes);

/*
 * Calls on_node for each value of an object whose schema has rules, from the root down. `before` is the value that it had before, or
 * NULL where there was none, or where the items of a list cannot be told apart. The path of the root is NULL.
 */
typedef struct StructuralVisit StructuralVisit;
struct StructuralVisit {
    void (*on_value)(StructuralVisit *visit, const SchemaNode *node, yyjson_val *value,
                     yyjson_val *before, const Path *path);
};
void structural_visit(const Structural *structural, StructuralPart part, yyjson_val *object,
                      yyjson_val *before, StructuralVisit *visit);

/* Writes the schema as OpenAPI has it. Version 2 leaves out what it cannot express. `json` is that of openAPIV3Schema; empty: none.
 * kind NULL: no x-kubernetes-group-version-kind. Metadata refers to the definition of ObjectMeta. */
void structural_publish(Bytes json, int version, const char *group, const char *api_version,
                        const char *kind, StrBuf *out);

/* ---- formats ---- */

typedef enum SchemaFormat {
    SCHEMA_FORMAT_NONE,
    SCHEMA_FORMAT_BSON_OBJECT_ID,
    SCHEMA_FORMAT_BYTE,
    SCHEMA_FORMAT_CIDR,
    SCHEMA_FORMAT_CREDIT_CARD,
    SCHEMA_FORMAT_DATE,
    SCHEMA_FORMAT_DATE_TIME,
    SCHEMA_FORMAT_DURATION,
    SCHEMA_FORMAT_EMAIL,
    SCHEMA_FORMAT_HEX_COLOR,
    SCHEMA_FORMAT_HOSTNAME,
    SCHEMA_FORMAT_IPV4,
    SCHEMA_FORMAT_IPV6,
    SCHEMA_FORMAT_ISBN,
    SCHEMA_FORMAT_ISBN10,
    SCHEMA_FORMAT_ISBN13,
    SCHEMA_FORMAT_LONG_NAME,
    SCHEMA_FORMAT_MAC,
    SCHEMA_FORMAT_PASSWORD,
    SCHEMA_FORMAT_RGB_COLOR,
    SCHEMA_FORMAT_SHORT_NAME,
    SCHEMA_FORMAT_SSN,
    SCHEMA_FORMAT_URI,
    SCHEMA_FORMAT_UUID,
    SCHEMA_FORMAT_UUID3,
    SCHEMA_FORMAT_UUID4,
    SCHEMA_FORMAT_UUID5,
    _SCHEMA_FORMAT_MAX,
} SchemaFormat;

/* Finds the format of a string by its name; dashes do not count. */
SchemaFormat schema_format_find(const char *name);
bool schema_format_matches(SchemaFormat format, const char *text, size_t n);
/* Whether the format of the node means anything for values of its type. */
bool schema_format_known(const SchemaNode *node);

#endif
