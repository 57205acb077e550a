/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes values as JSON and decodes them, by their tables. Decoding reads immutable yyjson
 * documents. The value does not refer to the document afterwards; everything is copied to the
 * arena.
 */
#ifndef CODEC_JSON_JSON_H
#define CODEC_JSON_JSON_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "codec/type.h"

enum {
    JSON_E_SYNTAX = 1, /* not JSON, bad UTF-8, or deeper than JSON_DEPTH_MAX */
    JSON_E_TYPE,       /* a value of the wrong type; reterr names the path, in Go's words */
    JSON_E_FIELD,      /* strict decoding found unknown or duplicate fields */
};

#define JSON_DEPTH_MAX 100

/* The messages of a decoder, in the words of kube-apiserver: unknown field "spec.foo"    duplicate
 * field "spec.replicas" */
typedef struct DecodeReport {
    const char *error;        /* of SYNTAX and TYPE */
    StringArray field_errors; /* unknown and duplicate fields, in order, without repetition */
} DecodeReport;

typedef enum DecodeFlag {
    DECODE_CHECK_FIELDS = 1 << 0, /* collect unknown and duplicate fields in the report
                                     (fieldValidation Strict, Warn) */
} DecodeFlag;

/* An allocator for yyjson (yyjson_mut_doc_new, yyjson_read_opts) that allocates from the arena. */
yyjson_alc json_arena_alc(Arena *arena);
/* Parses text into a document whose memory is the arena's. */
int json_parse(Arena *arena, Bytes text, yyjson_doc **ret, DecodeReport *report);
/* Fills value (zeroed by the caller). `ignore` names extra top-level members that are not errors
 * (apiVersion, kind), NULL-ended. */
int json_decode(const Type *type, Arena *arena, yyjson_val *json, unsigned flags,
                const char *const *ignore, void *value, DecodeReport *report);
/* Puts map entries in order of keys; of equal ones the last stays. */
void json_sort_entries(void *entries, size_t *n, size_t size);
/* Fills one field from its JSON value. There is no report, so this is for trusted texts such as
 * defaults. */
int json_decode_field(const Field *field, Arena *arena, yyjson_val *json, void *at);

/* Appends the object, compact. The members of the value come after `prefix` (such as
 * "\"kind\":\"Pod\",\"apiVersion\":\"v1\"") where that is not NULL. */
void json_encode(const Type *type, const void *value, const char *prefix, StrBuf *out);
/* The same as a document in the arena. */
yyjson_val *json_encoded(const Type *type, const void *value, const char *prefix, Arena *arena);
void json_encode_field(const Field *field, const void *at, StrBuf *out); /* one field's value */
void json_encode_string(StrBuf *out, const char *s, size_t n); /* quoted and escaped as Go does */
void json_encode_double(StrBuf *out, double v);                /* as Go prints float64 */
void json_encode_tree(yyjson_val *json, StrBuf *out); /* any JSON, compact, escaped as Go does */

/* Value -> mutable tree and back, for patches and apply. */
yyjson_mut_val *json_tree(const Type *type, const void *value, yyjson_mut_doc *doc);
int json_decode_tree(const Type *type, Arena *arena, yyjson_mut_val *json, unsigned flags,
                     const char *const *ignore, void *value, DecodeReport *report);

#endif
