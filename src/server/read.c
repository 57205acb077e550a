/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get and list: straight from the cache of committed objects. The JSON of an object is made once
 * and shared by all answers; a list is these texts behind one another.
 */
#include "codec/protobuf.h"
#include "server/internal.h"

#define KEY_MAX 512

/* The kinds whose field selectors kube-apiserver refuses in this other wording. */
static bool has_own_fields(const Kind *kind)
{
    return kind == &kind_pod || kind == &kind_node || kind == &kind_event ||
           kind == &kind_namespace || kind == &kind_secret || kind == &kind_service;
}

int read_selectors(Call *call, Selector **ret_labels, Selector **ret_fields, ApiStatus *reterr)
{
    const char *why = "", *unknown;

    *ret_labels = *ret_fields = NULL;
    if (!str_empty(call->query.label_selector) &&
        selector_parse_labels(call->arena, call->query.label_selector, ret_labels, &why))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "%s", why);
    if (str_empty(call->query.field_selector))
        return 0;
    if (selector_parse_fields(call->arena, call->query.field_selector, ret_fields, &why))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "%s", why);
    unknown = selector_unknown_field(*ret_fields, call->route.kind);
    if (!unknown)
        return 0;
    if (has_own_fields(call->route.kind))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST, "field label not supported: %s",
                          unknown);
    return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                      "\"%s\" is not a known field selector: only \"metadata.name\", "
                      "\"metadata.namespace\"",
                      unknown);
}

int read_revision(Call *call, const char *text, uint64_t *ret, ApiStatus *reterr)
{
    static const Cause too_large = {CAUSE_RESOURCE_VERSION_TOO_LARGE, "",
                                    "Too large resource version"};
    uint64_t newest = store_revision(call->server->store);
    int64_t v = 0;

    *ret = 0;
    if (str_empty(text))
        return 0;
    if (str_to_int64(text, 0, INT64_MAX, &v))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                          "strconv.ParseUint: parsing \"%s\": invalid syntax",
                          text, text);
    *ret = (uint64_t)v;
    if (*ret <= newest)
        return 0;
    status_set(reterr, call->arena, STATUS_TIMEOUT,
               "Timeout: Too large resource version: %" PRIu64 ", current: %" PRIu64, *ret, newest);
    reterr->causes = &too_large;
    reterr->n_causes = 1;
    reterr->retry_after = 1;
    return reterr->reason;
}

bool read_matches(const Object *object, const char *ns, const Selector *labels,
                  const Selector *fields)
{
    return (str_empty(ns) || str_equal(object_meta(object)->namespace, ns)) &&
           (!labels || selector_matches_labels(labels, &object_meta(object)->labels)) &&
           (!fields || selector_matches_fields(fields, object));
}

void read_get(Call *call)
{
    const Route *route = &call->route;
    Object *object = store_peek(call->server->store, route->kind, route->ns, route->name);
    uint64_t revision;
    ApiStatus status;

    if (call->query.resource_version &&
        read_revision(call, call->query.resource_version, &revision, &status)) {
        respond_status(call, &status);
    } else if (object) {
        respond_object(call, 200, object);
    } else {
        status_not_found(&status, call->arena, route->kind, route->name);
        respond_status(call, &status);
    }
}

/* ---- list ---- */

typedef struct ListWalk {
    Call *call;
    const Selector *labels, *fields;
    int64_t limit;        /* 0: none */
    int64_t n, remaining; /* sent; left behind the limit */
    const Object *last;
    size_t skip; /* of each object's JSON: "{" and its type, which lists leave out */
    int64_t now_ns;
    bool begun; /* out has what stands before the items */
    StrBuf out;
} ListWalk;

static void add_protobuf_item(StrBuf *out, Object *object)
{
    _strbuf_ StrBuf raw = STRBUF_INIT;
    ObjectMeta *meta = object_meta(object);
    const char *before = meta->resource_version;
    char revision[24];
    size_t n;

    snprintf(revision, sizeof(revision), "%" PRIu64, object->revision);
    meta->resource_version = revision;
    protobuf_encode(object->kind->type, object_value(object), &raw);
    meta->resource_version = before;
    strbuf_add_char(out, 0x12);
    for (n = raw.n; n > 0x7f; n >>= 7)
        strbuf_add_char(out, (char)(n | 0x80));
    strbuf_add_char(out, (char)n);
    strbuf_add(out, raw.p, raw.n);
}

static void add_item(ListWalk *walk, Object *object)
{
    const Call *call = walk->call;

    if (call->accept.type == TYPE_PROTOBUF) {
        add_protobuf_item(&walk->out, object);
        return;
    }
    if (walk->n)
        strbuf_add_char(&walk->out, ',');
    if (call->accept.as == AS_TABLE) {
        table_row(&walk->out, object, call->query.include_object, call->accept.as_version,
                  walk->now_ns);
    } else if (call->accept.as == AS_OBJECT) {
        strbuf_add_char(&walk->out, '{');
        object_add_json(object, walk->skip, &walk->out);
    } else {
        partial_object(&walk->out, object, call->accept.as_version, true);
    }
}

static bool each_object(void *data, Object *object)
{
    ListWalk *walk = data;

    if (!read_matches(object, NULL, walk->labels, walk->fields))
        return true;
    if (walk->limit && walk->n == walk->limit) {
        walk->remaining++;
        /* With a selector nobody knows how many are left without looking at all of them. */
        return !walk->labels && !walk->fields;
    }
    add_item(walk, object);
    walk->last = object;
    walk->n++;
    return true;
}

/* {"v":"meta.k8s.io/v1","rv":12,"start":"default/web-0"} in base64url */
static const char *make_continue(Arena *arena, const Object *last, uint64_t revision)
{
    const ObjectMeta *meta = object_meta(last);
    _strbuf_ StrBuf json = STRBUF_INIT, text = STRBUF_INIT;

    strbuf_printf(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%" PRIu64 ",\"start\":\"%s%s%s\"}",
                  revision, str_or(meta->namespace, ""), str_empty(meta->namespace) ? "" : "/",
                  meta->name);
    base64url_add(&text, (const uint8_t *)json.p, json.n);
    return arena_strdup(arena, text.p);
}

static int read_continue(Call *call, const char **ret, ApiStatus *reterr)
{
    const char *token = call->query.continue_;
    DecodeReport report = {0};
    const char *start = NULL;
    yyjson_doc *doc;
    Bytes json;

    *ret = NULL;
    if (str_empty(token))
        return 0;
    if (!base64url_decode(call->arena, token, strcspn(token, "="), &json) &&
        !json_parse(call->arena, json, &doc, &report))
        start = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "start"));
    if (str_empty(start) || strlen(start) > KEY_MAX)
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "invalid continue token: continue key is not valid: %s",
                          report.error ? report.error : "it names no place to start from");
    *ret = arena_strdup(call->arena, start);
    return 0;
}

static const Kind list_options_kind = {
    .group = "meta.k8s.io", .kind = "ListOptions", .plural = "listoptions"};

static int options_forbidden(Call *call, const char *field, const char *why, ApiStatus *reterr)
{
    Causes causes = {.arena = call->arena};

    causes_forbidden(&causes, field, why);
    return status_invalid(reterr, call->arena, &list_options_kind, "", &causes);
}

static int refuse_match(Call *call, ApiStatus *reterr)
{
    static const char *const known[] = {"Exact", "NotOlderThan", "", NULL};
    Causes causes = {.arena = call->arena};

    causes_not_supported(&causes, "resourceVersionMatch", call->query.resource_version_match,
                         known);
    return status_invalid(reterr, call->arena, &list_options_kind, "", &causes);
}

static int check_list(Call *call, ListWalk *walk, const char **ret_after, ApiStatus *reterr)
{
    const Query *query = &call->query;
    uint64_t revision;
    int64_t timeout_s;
    int r;

    if (query->limit && str_to_int64(query->limit, INT64_MIN, INT64_MAX, &walk->limit))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "strconv.ParseInt: parsing \"%s\": invalid syntax", query->limit);
    if (query->timeout_seconds &&
        str_to_int64(query->timeout_seconds, INT64_MIN, INT64_MAX, &timeout_s))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "strconv.ParseInt: parsing \"%s\": invalid syntax",
                          query->timeout_seconds);
    walk->limit = MAX_OF(walk->limit, INT64_C(0));
    if (!str_empty(query->resource_version_match)) {
        if (str_empty(query->resource_version))
            return options_forbidden(
                call, "resourceVersionMatch",
                "resourceVersionMatch is forbidden unless resourceVersion is provided", reterr);
        if (!str_empty(query->continue_))
            return options_forbidden(call, "resourceVersionMatch",
                                     "resourceVersionMatch is forbidden when continue is provided",
                                     reterr);
        if (!str_equal(query->resource_version_match, "Exact") &&
            !str_equal(query->resource_version_match, "NotOlderThan"))
            return refuse_match(call, reterr);
    }
    r = read_revision(call, query->resource_version, &revision, reterr);
    if (r)
        return r;
    if (str_equal(query->resource_version_match, "Exact") &&
        revision != store_revision(call->server->store))
        return status_set(reterr, call->arena, STATUS_EXPIRED,
                          "The resourceVersion for the provided list is too old.");
    r = read_continue(call, ret_after, reterr);
    return r ? r
             : read_selectors(call, (Selector **)&walk->labels, (Selector **)&walk->fields, reterr);
}

static const char *list_metadata(const ListWalk *walk, uint64_t revision)
{
    Arena *arena = walk->call->arena;
    const char *remaining = "";

    if (!walk->remaining)
        return arena_printf(arena, "{\"resourceVersion\":\"%" PRIu64 "\"}", revision);
    if (!walk->labels && !walk->fields)
        remaining = arena_printf(arena, ",\"remainingItemCount\":%" PRId64, walk->remaining);
    return arena_printf(arena, "{\"resourceVersion\":\"%" PRIu64 "\",\"continue\":\"%s\"%s}",
                        revision, make_continue(arena, walk->last, revision), remaining);
}

static void finish_protobuf(ListWalk *walk, uint64_t revision)
{
    _strbuf_ StrBuf meta = STRBUF_INIT, raw = STRBUF_INIT;
    const Kind *kind = walk->call->route.kind;
    StrBuf text = STRBUF_INIT;
    ListMeta value = {.resource_version = arena_printf(walk->call->arena, "%" PRIu64, revision)};

    if (walk->remaining)
        value.continue_ = make_continue(walk->call->arena, walk->last, revision);
    protobuf_encode(&type_ListMeta, &value, &meta);
    ASSERT(meta.n < 0x4000);
    strbuf_add_char(&raw, 0x0a);
    if (meta.n > 0x7f)
        strbuf_add_char(&raw, (char)(meta.n | 0x80));
    strbuf_add_char(&raw, (char)(meta.n > 0x7f ? meta.n >> 7 : meta.n));
    strbuf_add(&raw, strbuf_string(&meta), meta.n);
    strbuf_add(&raw, strbuf_string(&walk->out), walk->out.n);
    protobuf_encode_envelope(kind->api_version, kind->list_kind, strbuf_bytes(&raw), &text);
    respond_text(walk->call->request, 200, "application/vnd.kubernetes.protobuf", &text);
}

static void begin_list(const ListWalk *walk, uint64_t revision, StrBuf *text)
{
    const Call *call = walk->call;
    const Kind *kind = call->route.kind;
    const char *metadata = list_metadata(walk, revision);

    if (call->accept.as == AS_TABLE)
        table_begin(text, kind, call->accept.as_version, metadata, true);
    else if (call->accept.as == AS_OBJECT)
        strbuf_printf(text, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":%s,\"items\":[",
                      kind->list_kind, kind->api_version, metadata);
    else
        strbuf_printf(text,
                      "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/%s\","
                      "\"metadata\":%s,\"items\":[",
                      call->accept.as_version, metadata);
}

static void finish_list(ListWalk *walk, uint64_t revision)
{
    Call *call = walk->call;
    StrBuf text = STRBUF_INIT;

    if (call->accept.type == TYPE_PROTOBUF) {
        finish_protobuf(walk, revision);
        return;
    }
    if (walk->begun) {
        text = walk->out;
        walk->out = STRBUF_INIT;
    } else {
        strbuf_reserve(&text, walk->out.n + 1024);
        begin_list(walk, revision, &text);
        strbuf_add(&text, strbuf_string(&walk->out), walk->out.n);
    }
    if (call->accept.as == AS_TABLE)
        table_end(&text);
    else
        strbuf_add_string(&text, "]}");
    respond_json_taken(call, 200, &text);
}

void read_list(Call *call)
{
    const Route *route = &call->route;
    Store *store = call->server->store;
    ListWalk walk = {.call = call,
                     .skip = strlen(route->kind->json_prefix) + 2,
                     .now_ns = clock_wall_ns(call->server->clock),
                     .out = STRBUF_INIT};
    const char *after = NULL, *name;
    ApiStatus status;

    if (check_list(call, &walk, &after, &status)) {
        respond_status(call, &status);
        return;
    }
    /* Without a limit all that stands before the items is known now, and they need not be moved. */
    walk.begun = !walk.limit && call->accept.type != TYPE_PROTOBUF;
    if (walk.begun)
        begin_list(&walk, store_revision(store), &walk.out);
    name = walk.fields ? selector_exact(walk.fields, "metadata.name") : NULL;
    if (name && (route->ns || !(route->kind->flags & KIND_NAMESPACED))) {
        Object *object = store_peek(store, route->kind, route->ns, name);

        if (object)
            each_object(&walk, object);
    } else {
        store_walk(store, route->kind, route->ns, after, each_object, &walk);
    }
    finish_list(&walk, store_revision(store));
    strbuf_deinit(&walk.out);
}
