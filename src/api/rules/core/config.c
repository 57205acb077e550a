/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of ConfigMaps, Secrets and ServiceAccounts: keys, sizes, and immutable objects. */
#include "api/object.h"
#include "api/print.h"
#include "api/schema/core_config_v1.h"
#include "api/validate/validate.h"
#include "codec/json/json.h"

enum { DATA_MAX = 1024 * 1024 };

#define HELD "field is immutable when `immutable` is set"
#define TOO_LONG "may not be more than 1048576 bytes"

static bool is_set(const bool *flag)
{
    return flag && *flag;
}

/* Top-level fields of an immutable object stay as they were. */
static void hold_field(const Type *type, const char *json, const void *value, const void *before,
                       Causes *causes)
{
    const Field *field = type_member(type, json);

    if (!type_field_equal(field, field_at(value, field), field_at(before, field)))
        causes_forbidden(causes, json, HELD);
}

/* ---- ConfigMap ---- */

static void validate_config_map(const void *value, const void *before, Causes *causes)
{
    const ConfigMap *map = value;
    const ConfigMap *old = before;
    TextMap binary = TEXT_MAP_INIT(causes->arena);
    size_t total = 0;

    if (old && is_set(old->immutable)) {
        if (!is_set(map->immutable))
            causes_forbidden(causes, "immutable", HELD);
        hold_field(&type_ConfigMap, "data", map, old, causes);
        hold_field(&type_ConfigMap, "binaryData", map, old, causes);
    }
    for (size_t i = 0; i < map->binary_data.n; i++)
        text_map_add(&binary, map->binary_data.v[i].key);
    for (size_t i = 0; i < map->data.n; i++) {
        const StringEntry *entry = &map->data.v[i];
        const Path *at = PATH_KEY(PATH(NULL, "data"), entry->key);

        fail_faults(causes, at, entry->key, check_config_key(entry->key));
        if (text_map_has(&binary, entry->key))
            fail_invalid(causes, at, entry->key, "duplicate of key present in binaryData");
        total += strlen(entry->value ? entry->value : "");
    }
    for (size_t i = 0; i < map->binary_data.n; i++) {
        const BytesEntry *entry = &map->binary_data.v[i];

        fail_faults(causes, PATH_KEY(PATH(NULL, "binaryData"), entry->key), entry->key,
                    check_config_key(entry->key));
        total += entry->value.n;
    }
    if (total > DATA_MAX)
        causes_add(causes, CAUSE_TOO_LONG, "[]", NULL, TOO_LONG);
}

static void print_config_map(const void *value, int64_t now_ns, StrBuf *row)
{
    const ConfigMap *map = value;

    cell_string(row, map->metadata.name);
    cell_int64(row, (int64_t)(map->data.n + map->binary_data.n));
    cell_age(row, map->metadata.creation_timestamp, now_ns);
}

const KindRules rules_config_map = {
    .validate = validate_config_map,
    .print = print_config_map,
};

/* ---- Secret ---- */

/* stringData is only another way to write data and is never stored. Both maps are sorted, so this
 * is a merge. */
static void complete_secret(Arena *arena, void *value)
{
    Secret *secret = value;
    const StringMap *from = &secret->string_data;
    const BytesMap *old = &secret->data;
    BytesMap merged = {.v = arena_new_n(arena, BytesEntry, old->n + from->n + 1)};
    size_t i = 0, j = 0;

    if (from->n) {
        while (i < old->n || j < from->n) {
            int order = i == old->n ? 1 : j == from->n ? -1 : strcmp(old->v[i].key, from->v[j].key);

            if (order < 0) {
                merged.v[merged.n++] = old->v[i++];
                continue;
            }
            merged.v[merged.n++] = (BytesEntry){
                from->v[j].key, bytes_from_string(from->v[j].value ? from->v[j].value : "")};
            i += order == 0;
            j++;
        }
        secret->data = merged;
    }
    secret->string_data = (StringMap){.v = NULL};
}

static const BytesEntry *find_key(const Secret *secret, const char *key)
{
    for (size_t i = 0; i < secret->data.n; i++)
        if (str_equal(secret->data.v[i].key, key))
            return &secret->data.v[i];
    return NULL;
}

static void require_key(const Secret *secret, const char *key, Causes *causes)
{
    if (!find_key(secret, key))
        fail_required(causes, PATH_KEY(PATH(NULL, "data"), key), NULL);
}

/* Go's word for why the text is no JSON object; NULL if it is one. */
static const char *json_object_fault(Arena *arena, Bytes text)
{
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    size_t i = 0;

    if (!json_parse(arena, text, &doc, &(DecodeReport){.error = NULL})) {
        root = yyjson_doc_get_root(doc);
        if (yyjson_is_obj(root) || yyjson_is_null(root))
            return NULL;
        return arena_printf(
            arena, "json: cannot unmarshal %s into Go value of type map[string]interface {}",
            yyjson_is_arr(root)    ? "array"
            : yyjson_is_str(root)  ? "string"
            : yyjson_is_bool(root) ? "bool"
                                   : "number");
    }
    while (i < text.n && strchr(" \t\r\n", text.p[i]))
        i++;
    if (i == text.n)
        return "unexpected end of JSON input";
    if (text.p[i] >= ' ' && text.p[i] < 0x7f && !strchr("{[\"-0123456789tfn", text.p[i]))
        return arena_printf(arena, "invalid character '%s%c' looking for beginning of value",
                            strchr("'\\", text.p[i]) ? "\\" : "", text.p[i]);
    return "invalid character in JSON object";
}

static void require_json(const Secret *secret, const char *key, Causes *causes)
{
    const BytesEntry *entry = find_key(secret, key);
    const Path *at = PATH_KEY(PATH(NULL, "data"), key);
    const char *fault = NULL;

    if (entry)
        fault = json_object_fault(causes->arena, entry->value);
    else
        fail_required(causes, at, NULL);
    if (fault)
        causes_add(causes, CAUSE_INVALID, path_text(at, causes), "\"<secret contents redacted>\"",
                   fault);
}

static void validate_secret_type(const Secret *secret, Causes *causes)
{
    const BytesEntry *key;

    if (str_equal(secret->type, "kubernetes.io/service-account-token")) {
        if (str_empty(string_map_get(&secret->metadata.annotations,
                                     "kubernetes.io/service-account.name")))
            causes_required(causes, "metadata.annotations[kubernetes.io/service-account.name]",
                            NULL);
    } else if (str_equal(secret->type, "kubernetes.io/dockercfg")) {
        require_json(secret, ".dockercfg", causes);
    } else if (str_equal(secret->type, "kubernetes.io/dockerconfigjson")) {
        require_json(secret, ".dockerconfigjson", causes);
    } else if (str_equal(secret->type, "kubernetes.io/basic-auth")) {
        if (!find_key(secret, "username") && !find_key(secret, "password")) {
            require_key(secret, "username", causes);
            require_key(secret, "password", causes);
        }
    } else if (str_equal(secret->type, "kubernetes.io/ssh-auth")) {
        key = find_key(secret, "ssh-privatekey");
        if (!key || !key->value.n)
            causes_required(causes, "data[ssh-privatekey]", NULL);
    } else if (str_equal(secret->type, "kubernetes.io/tls")) {
        require_key(secret, "tls.crt", causes);
        require_key(secret, "tls.key", causes);
    }
}

static void validate_secret(const void *value, const void *before, Causes *causes)
{
    const Secret *secret = value;
    const Secret *old = before;
    size_t total = 0;

    if (old && is_set(old->immutable)) {
        if (!is_set(secret->immutable))
            causes_forbidden(causes, "immutable", HELD);
        hold_field(&type_Secret, "data", secret, old, causes);
    }
    for (size_t i = 0; i < secret->data.n; i++) {
        const BytesEntry *entry = &secret->data.v[i];

        fail_faults(causes, PATH_KEY(PATH(NULL, "data"), entry->key), entry->key,
                    check_config_key(entry->key));
        total += entry->value.n;
    }
    if (total > DATA_MAX)
        causes_add(causes, CAUSE_TOO_LONG, "data", NULL, TOO_LONG);
    validate_secret_type(secret, causes);
}

static void print_secret(const void *value, int64_t now_ns, StrBuf *row)
{
    const Secret *secret = value;

    cell_string(row, secret->metadata.name);
    cell_string(row, secret->type);
    cell_int64(row, (int64_t)secret->data.n);
    cell_age(row, secret->metadata.creation_timestamp, now_ns);
}

const KindRules rules_secret = {
    .complete = complete_secret,
    .validate = validate_secret,
    .print = print_secret,
};

/* ---- ServiceAccount ---- */

static void print_service_account(const void *value, int64_t now_ns, StrBuf *row)
{
    const ServiceAccount *account = value;

    cell_string(row, account->metadata.name);
    cell_age(row, account->metadata.creation_timestamp, now_ns);
}

const KindRules rules_service_account = {
    .print = print_service_account,
};
