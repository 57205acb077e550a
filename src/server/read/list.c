/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list: the JSON of the objects, concatenated as the store keeps it.
 *
 * A list goes through a snapshot of the store piece by piece, so that other requests have their
 * turn in between, however many objects there are. If everything before the items is known at the
 * start (JSON and tables without a limit), each piece is sent when the client has taken the
 * previous one, so the list needs only the memory of one piece. All other lists are collected and
 * answered as a whole; their limit bounds them.
 */
#include "api/object.h"
#include "api/selector.h"
#include "base/list.h"
#include "base/time/clock.h"
#include "codec/base64url.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"
#include "server/audit/audit.h"
#include "server/read/read.h"
#include "server/request/respond.h"
#include "server/request/table.h"

#define KEY_MAX 512
/* A piece ends when it reaches one of these: bytes, objects added as JSON, objects that had to be
 * decoded. */
#define PIECE_BYTES (64u * 1024)
#define PIECE_STEPS 4096
#define PIECE_WAKES 256

typedef struct ListWalk {
    Call *call;
    StoreSnapshot *snapshot;
    ListPlace place;
    const Selector *labels, *fields;
    int64_t limit;        /* 0: none */
    int64_t n, remaining; /* the items that were sent, and those beyond the limit */
    const char *last;     /* with a limit: the key of the last one sent */
    size_t skip;          /* of each object's JSON: "{" and its type, which lists leave out */
    int64_t now_ns;
    bool wakes;     /* the structs of the objects are needed, not only their JSON */
    bool full;      /* the limit is reached */
    bool begun;     /* what comes before the items has been written to out */
    bool streams;   /* the list may be sent in pieces */
    bool streaming; /* is */
    Timer timer;
    StrBuf out;
    StrBuf recorded;   /* for the audit log, if out is no JSON */
    size_t out_before; /* the length of out when this piece was begun */
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

/* The audit log records lists in JSON, even if the client gets protobuf. */
static void record_item(ListWalk *walk, Object *object)
{
    if (!audit_wants_response(walk->call))
        return;
    strbuf_add_string(&walk->recorded, walk->n ? ",{" : "{");
    object_add_json(object, walk->skip, &walk->recorded);
}

static void add_item(ListWalk *walk, Object *object)
{
    const Call *call = walk->call;

    if (call->accept.type == TYPE_PROTOBUF) {
        record_item(walk, object);
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

const char *list_key_of(Arena *arena, const Object *object)
{
    const ObjectMeta *meta = object_meta(object);

    return arena_printf(arena, "%s%s%s", str_or(meta->namespace, ""),
                        str_empty(meta->namespace) ? "" : "/", meta->name);
}

static void look_at(ListWalk *walk, Object *object)
{
    if (!read_matches(object, NULL, walk->labels, walk->fields))
        return;
    if (walk->limit && walk->n == walk->limit) {
        walk->remaining++;
        /* With a selector, counting the remaining objects would take a walk through all of them. */
        walk->full = walk->labels || walk->fields;
        return;
    }
    add_item(walk, object);
    if (++walk->n == walk->limit)
        walk->last = list_key_of(walk->call->arena, object);
}

/* A token is {"v":"meta.k8s.io/v1","rv":12,"start":"default/web-0","began":1796079260} in base64url.
 * The page that it leads to is read from the current state, but has the revision of the first page:
 * a watch from there tells the client of every change since. As in Kubernetes, whose storage keeps
 * old states for five minutes, the client has to agree when more time has passed, which it does by
 * a token without a revision. */
#define CONTINUE_SECONDS_MAX 300
#define REVISION_ANY (-1)

const char *list_make_continue(Arena *arena, const ListPlace *place)
{
    _strbuf_ StrBuf json = STRBUF_INIT, text = STRBUF_INIT;

    strbuf_printf(&json,
                  "{\"v\":\"meta.k8s.io/v1\",\"rv\":%" PRId64 ",\"start\":\"%s\",\"began\":%" PRId64
                  "}",
                  (int64_t)place->revision, place->after, place->began);
    base64url_add(&text, (const uint8_t *)json.p, json.n);
    return arena_strdup(arena, text.p);
}

static int continue_expired(Call *call, const char *start, ApiStatus *reterr)
{
    ListPlace anyway = {start, (uint64_t)REVISION_ANY, server_now(call->server)};

    status_set(reterr, call->arena, STATUS_EXPIRED,
               "The provided continue parameter is too old to display a consistent list result. "
               "You can start a new list without the continue parameter, or use the continue token "
               "in this response to retrieve the remainder of the results. Continuing with the "
               "provided token results in an inconsistent list - objects that were created, "
               "modified, or deleted between the time the first chunk was returned and now may "
               "show up in the list.");
    reterr->continue_ = list_make_continue(call->arena, &anyway);
    return reterr->reason;
}

int list_read_continue(Call *call, ListPlace *ret, ApiStatus *reterr)
{
    const Store *store = call->server->store;
    const char *token = call->query.continue_;
    DecodeReport report = {0};
    const char *start = NULL;
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    int64_t revision, began;
    Bytes json;

    *ret = (ListPlace){.revision = store_revision(store), .began = server_now(call->server)};
    if (str_empty(token))
        return 0;
    if (!base64url_decode(call->arena, token, strcspn(token, "="), &json) &&
        !json_parse(call->arena, json, &doc, &report))
        start = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "start"));
    if (str_empty(start) || strlen(start) > KEY_MAX)
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "invalid continue token: continue key is not valid: %s",
                          report.error ? report.error : "it names no place to start from");
    ret->after = arena_strdup(call->arena, start);
    root = yyjson_doc_get_root(doc);
    revision = yyjson_get_sint(yyjson_obj_get(root, "rv"));
    if (revision == REVISION_ANY)
        return 0;
    began = yyjson_get_sint(yyjson_obj_get(root, "began"));
    if (revision < 0 || (uint64_t)revision < store_oldest(store) ||
        (uint64_t)revision > ret->revision || began > ret->began ||
        began <= ret->began - CONTINUE_SECONDS_MAX)
        return continue_expired(call, ret->after, reterr);
    ret->revision = (uint64_t)revision;
    ret->began = began;
    return 0;
}

int list_read_limit(Call *call, int64_t *ret, ApiStatus *reterr)
{
    const char *limit = call->query.limit;

    *ret = 0;
    if (limit && str_to_int64(limit, INT64_MIN, INT64_MAX, ret))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "strconv.ParseInt: parsing \"%s\": invalid syntax", limit);
    *ret = MAX_OF(*ret, INT64_C(0));
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

static int check_list(Call *call, ListWalk *walk, ApiStatus *reterr)
{
    const Query *query = &call->query;
    uint64_t revision;
    int64_t timeout_s;
    int r;

    r = list_read_limit(call, &walk->limit, reterr);
    if (r)
        return r;
    if (query->timeout_seconds &&
        str_to_int64(query->timeout_seconds, INT64_MIN, INT64_MAX, &timeout_s))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "strconv.ParseInt: parsing \"%s\": invalid syntax",
                          query->timeout_seconds);
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
    r = list_read_continue(call, &walk->place, reterr);
    return r ? r
             : read_selectors(call, (Selector **)&walk->labels, (Selector **)&walk->fields, reterr);
}

static const char *next_page(const ListWalk *walk)
{
    ListPlace place = walk->place;

    place.after = walk->last;
    return list_make_continue(walk->call->arena, &place);
}

static const char *list_metadata(const ListWalk *walk)
{
    Arena *arena = walk->call->arena;
    const char *remaining = "";

    if (!walk->place.revision)
        return "{}"; /* of a list that is not stored */
    if (!walk->remaining)
        return arena_printf(arena, "{\"resourceVersion\":\"%" PRIu64 "\"}", walk->place.revision);
    if (!walk->labels && !walk->fields)
        remaining = arena_printf(arena, ",\"remainingItemCount\":%" PRId64, walk->remaining);
    return arena_printf(arena, "{\"resourceVersion\":\"%" PRIu64 "\",\"continue\":\"%s\"%s}",
                        walk->place.revision, next_page(walk), remaining);
}

static void finish_protobuf(ListWalk *walk)
{
    _strbuf_ StrBuf meta = STRBUF_INIT, raw = STRBUF_INIT;
    const Kind *kind = walk->call->route.kind;
    StrBuf text = STRBUF_INIT;
    ListMeta value = {0};

    if (walk->place.revision)
        value.resource_version = arena_printf(walk->call->arena, "%" PRIu64, walk->place.revision);

    if (walk->remaining) {
        value.continue_ = next_page(walk);
        if (!walk->labels && !walk->fields)
            value.remaining_item_count = arena_int64(walk->call->arena, walk->remaining);
    }
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

static void begin_list(const ListWalk *walk, StrBuf *text)
{
    const Call *call = walk->call;
    const Kind *kind = call->route.kind;
    const char *metadata = list_metadata(walk);

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

static void record_protobuf(ListWalk *walk)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (!audit_wants_response(walk->call))
        return;
    begin_list(walk, &text);
    strbuf_add(&text, strbuf_string(&walk->recorded), walk->recorded.n);
    strbuf_add_string(&text, "]}");
    audit_response(walk->call, strbuf_bytes(&text));
}

static void end_list(const ListWalk *walk, StrBuf *text)
{
    if (walk->call->accept.as == AS_TABLE)
        table_end(text);
    else
        strbuf_add_string(text, "]}");
}

static void answer_whole(ListWalk *walk)
{
    Call *call = walk->call;
    StrBuf text = STRBUF_INIT;

    if (call->accept.type == TYPE_PROTOBUF) {
        record_protobuf(walk);
        finish_protobuf(walk);
        return;
    }
    if (walk->begun) {
        text = walk->out;
        walk->out = STRBUF_INIT;
    } else {
        strbuf_reserve(&text, walk->out.n + 1024);
        begin_list(walk, &text);
        strbuf_add(&text, strbuf_string(&walk->out), walk->out.n);
    }
    end_list(walk, &text);
    respond_json_taken(call, 200, &text);
}

void list_answer(Call *call, Object *const *objects, size_t n)
{
    ListWalk walk = {.call = call,
                     .skip = strlen(call->route.kind->json_prefix) + 2,
                     .now_ns = clock_wall_ns(call->server->clock)};

    for (size_t i = 0; i < n; i++, walk.n++)
        add_item(&walk, objects[i]);
    answer_whole(&walk);
    strbuf_deinit(&walk.out);
    strbuf_deinit(&walk.recorded);
}

/* ---- piece by piece ---- */

static void walk_free(ListWalk *walk)
{
    timer_stop(walk->call->server->clock, &walk->timer);
    store_snapshot_free(walk->snapshot);
    strbuf_deinit(&walk->out);
    strbuf_deinit(&walk->recorded);
    free(walk);
}

static void on_request_closed(void *data)
{
    walk_free(data);
}

/* Adds the next piece. Returns false if it was the last one. */
static bool walk_piece(ListWalk *walk)
{
    size_t steps = walk->wakes ? PIECE_WAKES : PIECE_STEPS;

    for (size_t i = 0; i < steps && walk->out.n < PIECE_BYTES + walk->out_before; i++) {
        Object *object = walk->full ? NULL : store_snapshot_next(walk->snapshot);

        if (!object)
            return false;
        look_at(walk, object);
    }
    return true;
}

static void send_piece(ListWalk *walk)
{
    HttpRequest *request = walk->call->request;
    Bytes bytes;

    if (!walk->streaming)
        http_stream_begin(request, 200, "application/json");
    walk->streaming = true;
    bytes = (Bytes){(const uint8_t *)walk->out.p, walk->out.n};
    audit_response_piece(walk->call, bytes);
    http_stream_write_shared(request, bytes, free, strbuf_take(&walk->out));
}

static void go_on(ListWalk *walk)
{
    Call *call = walk->call;
    bool more;

    walk->out_before = walk->out.n;
    if (walk->streams)
        strbuf_reserve(&walk->out, PIECE_BYTES + PIECE_BYTES / 8);
    more = walk_piece(walk);
    if (!more && walk->streaming) {
        end_list(walk, &walk->out);
        strbuf_add_char(&walk->out, '\n');
    }
    if (walk->streaming || (walk->streams && more))
        send_piece(walk);
    if (more) {
        /* Continues after the other work of the loop, or in on_drain once the reader has taken this
         * piece. */
        if (!walk->streaming || http_stream_pending(call->request) == 0)
            timer_start(call->server->clock, &walk->timer, 0);
        return;
    }
    call->stream = NULL;
    if (walk->streaming)
        http_stream_end(call->request);
    else
        answer_whole(walk);
    walk_free(walk);
}

static void on_timer(Timer *timer)
{
    go_on(timer->data);
}

static void on_drain(HttpRequest *request)
{
    Call *call = request->data;
    ListWalk *walk = call->stream;

    if (walk && !walk->timer.active)
        go_on(walk);
}

static void walk_start(ListWalk *walk, const char *after)
{
    Call *call = walk->call;

    walk->snapshot = store_snapshot(call->server->store, call->route.kind, call->route.ns, after);
    walk->wakes = call->route.kind->form || walk->labels || walk->fields ||
                  call->accept.as != AS_OBJECT || call->accept.type == TYPE_PROTOBUF;
    /* Other forms need the whole text, or begin with something that is only known at the end. A
     * client that merely looks interactive (by its User-Agent) gets indented JSON only if the list
     * fits one piece. */
    walk->streams = walk->begun && call->accept.type == TYPE_JSON &&
                    !(call->query.pretty && respond_wants_lines(call));
    walk->timer.on_fire = on_timer;
    walk->timer.data = walk;
    call->stream = walk;
    call->stream_close = on_request_closed;
    call->request->on_drain = on_drain;
    go_on(walk);
}

void read_list(Call *call)
{
    const Route *route = &call->route;
    Store *store = call->server->store;
    ListWalk *walk = mem_new_type(ListWalk);
    ApiStatus status = {0};
    const char *name;

    walk->call = call;
    walk->skip = strlen(route->kind->json_prefix) + 2;
    walk->now_ns = clock_wall_ns(call->server->clock);
    if (check_list(call, walk, &status)) {
        respond_status(call, &status);
        walk_free(walk);
        return;
    }
    /* Without a limit, everything before the items is known now, so the items can be appended to
     * it. */
    walk->begun = !walk->limit && call->accept.type != TYPE_PROTOBUF;
    if (walk->begun)
        begin_list(walk, &walk->out);
    name = walk->fields ? selector_exact(walk->fields, "metadata.name") : NULL;
    if (name && (route->ns || !(route->kind->flags & KIND_NAMESPACED))) {
        Object *object = store_peek(store, route->kind, route->ns, name);

        if (object)
            look_at(walk, object);
        answer_whole(walk);
        walk_free(walk);
    } else {
        walk_start(walk, walk->place.after);
    }
}
