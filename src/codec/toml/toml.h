/* SPDX-License-Identifier: Apache-2.0 */
/* TOML 1.0 to a tree, for configuration files of other programs. */
#ifndef CODEC_TOML_TOML_H
#define CODEC_TOML_TOML_H

#include "base/arena.h"

typedef enum TomlKind {
    TOML_STRING,
    TOML_INTEGER,
    TOML_BOOLEAN,
    TOML_OTHER, /* a float, a date or a time: the text as it is written */
    TOML_ARRAY,
    TOML_TABLE,
} TomlKind;

typedef struct TomlValue {
    TomlKind kind;
    const char *key;  /* of a member of a table */
    const char *text; /* of a string, or of another scalar */
    int64_t integer;
    bool boolean;
    struct TomlValue *first, *last; /* members or elements */
    struct TomlValue *next;
    bool is_closed;  /* it was defined by its own header or braces, and must not be extended */
    bool is_by_keys; /* it was created by a dotted key */
} TomlValue;

#define TOML_DEPTH_MAX 32
#define TOML_VALUES_MAX 8192

typedef struct TomlReport {
    size_t line;
    const char *message; /* static */
} TomlReport;

enum { TOML_E_SYNTAX = 1 };
/* *ret is the table of the document. */
int toml_parse(Arena *arena, const char *text, size_t n, TomlValue **ret, TomlReport *report);

/* NULL: it is no table, or has no such member. */
const TomlValue *toml_get(const TomlValue *table, const char *key);

#endif
