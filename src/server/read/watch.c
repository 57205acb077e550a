/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches over HTTP: a stream of events, each a JSON object on a line of its own.
 *
 * The line of an event is encoded once for all JSON watchers. It is kept until the next event, and its
 * bytes are shared by all connections that still have to send them.
 *
 * While its client is slow, a watch queues objects rather than encoded bytes. The initial state of a
 * watch goes through the same queue, so a list of any length needs only one buffer.
 *
 * A queue may hold objects that the store has dropped, so queues are limited. A watch expires, which
 * means that it ends with the error 410 and the client has to list again, if
 *
 *   - more than LIVE_MAX events or LIVE_BYTES_MAX bytes are queued, not counting the initial state,
 *   - nothing has left its queue for STALL_NS, or
 *   - the queues of all watches exceed ALL_BYTES_MAX and that of this watch is the largest.
 *
 * A callback may end the watch while a function of this file is using it, for example if the connection
 * breaks during a write. `busy` then defers the release until the outermost function returns.
 */
#include "api/object.h"
#include "api/selector.h"
#include "base/list.h"
#include "base/time/clock.h"
#include "base/vec.h"
#include "codec/json/json.h"
#include "server/read/read.h"
#include "server/request/observe.h"
#include "server/request/respond.h"
#include "server/request/table.h"

#define LIVE_MAX 20000
#define LIVE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define ALL_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define STALL_NS (60 * NS_PER_SEC)
#define PENDING_MAX ((size_t)512 * 1024)
#define BOOKMARK_NS (60 * NS_PER_SEC)
#define TIMEOUT_MIN_S 1800
#define INITIAL_END "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}"

/* The encoded line of an event, shared by the connections that send it. */
struct WatchLine {
    uint32_t refs;
    const Object *object; /* only compared, together with the revision */
    uint64_t revision;
    WatchEventType type;
    size_t n;
    char text[];
};

typedef struct WatchItem {
    Object *object; /* held by object_keep; NULL: the bookmark after the initial events */
    WatchEventType type;
    uint64_t revision;
    size_t bytes; /* counted against the limits; 0: part of the initial state */
} WatchItem;

typedef struct Watch {
    ListNode node; /* in server->watches */
    Server *server;
    Call *call;
    HttpRequest *request;
    StoreWatch *store_watch;
    const Selector *labels, *fields;
    const char *ns;
    uint64_t after;      /* events up to this revision are not sent */
    uint64_t revision;   /* of the newest event seen */
    uint64_t bookmarked; /* of the newest bookmark sent */
    bool bookmarks, initial_bookmark, columns_sent;
    bool busy;   /* a function of this file is using it */
    bool ended;  /* the answer has been ended */
    bool closed; /* the request is gone */
    Timer timeout, stall;
    VEC(WatchItem) queue;
    size_t head;       /* index of the next item in the queue */
    size_t initial;    /* queued items of the initial state */
    size_t bytes;      /* of the other queued items */
    size_t sent;       /* items that have left the queue */
    size_t sent_stall; /* value of `sent` when the stall timer was started */
} Watch;

static const char *const type_names[] = {[WATCH_ADDED] = "ADDED",
                                         [WATCH_MODIFIED] = "MODIFIED",
                                         [WATCH_DELETED] = "DELETED",
                                         [WATCH_BOOKMARK] = "BOOKMARK"};

/* ---- lines ---- */

static void line_unref(void *data)
{
    struct WatchLine *line = data;

    if (line && --line->refs == 0)
        free(line);
}

/* Returns the line of an event. The server owns the reference. */
static struct WatchLine *line_of(Server *server, WatchEventType type, Object *object)
{
    static const char middle[] = "\",\"object\":";
    struct WatchLine *line = server->newest_line;
    size_t n_type = strlen(type_names[type]), n;
    Bytes json;
    char *at;

    if (line && line->object == object && line->revision == object->revision && line->type == type)
        return line;
    json = object_json(object);
    n = 9 + n_type + sizeof(middle) - 1 + json.n + 2;
    line = mem_resize(NULL, sizeof(*line) + n);
    *line = (struct WatchLine){
        .refs = 1, .object = object, .revision = object->revision, .type = type, .n = n};
    at = mempcpy(line->text, "{\"type\":\"", 9);
    at = mempcpy(at, type_names[type], n_type);
    at = mempcpy(at, middle, sizeof(middle) - 1);
    at = mempcpy(at, json.p, json.n);
    memcpy(at, "}\n", 2);
    line_unref(server->newest_line);
    server->newest_line = line;
    return line;
}

void watch_forget_line(Server *server)
{
    line_unref(TAKE_PTR(server->newest_line));
}

static void write_text(Watch *watch, const StrBuf *text)
{
    http_stream_write(watch->request, strbuf_bytes(text));
}

/* Writes an event as a table row or as metadata only. Such watches are rare, so the text is not shared. */
static void write_other(Watch *watch, WatchEventType type, Object *object)
{
    const Call *call = watch->call;
    const char *version = call->accept.as_version;
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "{\"type\":\"%s\",\"object\":", type_names[type]);
    if (call->accept.as == AS_TABLE) {
        char metadata[64];

        snprintf(metadata, sizeof(metadata), "{\"resourceVersion\":\"%" PRIu64 "\"}",
                 object->revision);
        table_begin(&text, object->kind, version, metadata, !watch->columns_sent);
        table_row(&text, object, call->query.include_object, version,
                  clock_wall_ns(watch->server->clock));
        table_end(&text);
        watch->columns_sent = true;
    } else {
        partial_object(&text, object, version, true);
    }
    strbuf_add_string(&text, "}\n");
    write_text(watch, &text);
}

static void write_bookmark(Watch *watch, uint64_t revision, bool initial_end)
{
    const Kind *kind = watch->call->route.kind;
    _strbuf_ StrBuf text = STRBUF_INIT;

    watch->bookmarked = revision;
    strbuf_add_string(&text, "{\"type\":\"BOOKMARK\",\"object\":{");
    if (watch->call->accept.as == AS_OBJECT)
        strbuf_add_string(&text, kind->json_prefix);
    else
        strbuf_printf(&text, "\"kind\":\"%s\",\"apiVersion\":\"meta.k8s.io/%s\"",
                      watch->call->accept.as == AS_TABLE ? "Table" : "PartialObjectMetadata",
                      watch->call->accept.as_version);
    strbuf_printf(&text, ",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"%s}}}\n", revision,
                  initial_end ? "," INITIAL_END : "");
    write_text(watch, &text);
}

static void write_error(Watch *watch, const ApiStatus *status)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_add_string(&text, "{\"type\":\"ERROR\",\"object\":");
    status_json(status, &text);
    strbuf_add_string(&text, "}\n");
    write_text(watch, &text);
}

static void write_event(Watch *watch, WatchEventType type, Object *object)
{
    struct WatchLine *line;

    observe_watch_event(watch->call);
    if (watch->call->accept.as != AS_OBJECT) {
        write_other(watch, type, object);
        return;
    }
    line = line_of(watch->server, type, object);
    line->refs++;
    http_stream_write_shared(watch->request, (Bytes){(const uint8_t *)line->text, line->n},
                             line_unref, line);
}

/* ---- life ---- */

static void queue_drop(Watch *watch)
{
    for (size_t i = watch->head; i < watch->queue.n; i++)
        object_unkeep(watch->queue.v[i].object);
    VEC_DEINIT(&watch->queue);
    watch->server->watch_bytes -= watch->bytes;
    watch->head = watch->initial = watch->bytes = 0;
}

static void watch_free(Watch *watch)
{
    queue_drop(watch);
    free(watch);
}

static void watch_close(void *data)
{
    Watch *watch = data;

    timer_stop(watch->server->clock, &watch->timeout);
    timer_stop(watch->server->clock, &watch->stall);
    store_watch_stop(TAKE_PTR(watch->store_watch));
    list_remove(&watch->node);
    watch->closed = true;
    if (!watch->busy)
        watch_free(watch);
}

/* Ends the response. The on_close callback of the request releases the watch, now or later. */
static void watch_end(Watch *watch)
{
    watch->ended = true;
    queue_drop(watch);
    store_watch_stop(TAKE_PTR(watch->store_watch));
    http_stream_end(watch->request);
}

/* Ends the watch because its client is too slow; the client has to list again. */
static void watch_expire(Watch *watch)
{
    _arena_ Arena arena = ARENA_INIT;
    ApiStatus status;

    status_set(
        &status, &arena, STATUS_EXPIRED, "too old resource version: %" PRIu64 " (%" PRIu64 ")",
        watch->queue.n > watch->head ? watch->queue.v[watch->head].revision : watch->revision,
        store_revision(watch->server->store));
    queue_drop(watch);
    write_error(watch, &status);
    if (!watch->closed)
        watch_end(watch);
}

static bool enter(Watch *watch)
{
    bool outermost = !watch->busy;

    watch->busy = true;
    return outermost;
}

static void leave(Watch *watch, bool outermost)
{
    if (!outermost)
        return;
    watch->busy = false;
    if (watch->closed)
        watch_free(watch);
}

/* ---- the queue ---- */

static size_t queued(const Watch *watch)
{
    return watch->queue.n - watch->head;
}

static void on_stall(Timer *timer)
{
    Watch *watch = timer->data;
    bool outermost = enter(watch);

    if (!watch->ended && !watch->closed && queued(watch)) {
        if (watch->sent == watch->sent_stall) {
            watch_expire(watch);
        } else {
            watch->sent_stall = watch->sent;
            timer_start(watch->server->clock, timer, STALL_NS);
        }
    }
    leave(watch, outermost);
}

static void queue_push(Watch *watch, WatchEventType type, Object *object, uint64_t revision,
                       size_t bytes)
{
    WatchItem item = {object_keep(object), type, revision, bytes};

    VEC_PUSH(&watch->queue, item);
    watch->bytes += bytes;
    watch->server->watch_bytes += bytes;
    if (watch->stall.active)
        return;
    watch->stall.on_fire = on_stall;
    watch->stall.data = watch;
    watch->sent_stall = watch->sent;
    timer_start(watch->server->clock, &watch->stall, STALL_NS);
}

/* Sends from the queue until the connection has buffered PENDING_MAX bytes. */
static void queue_run(Watch *watch)
{
    while (!watch->closed && !watch->ended && queued(watch) &&
           http_stream_pending(watch->request) < PENDING_MAX) {
        WatchItem item = watch->queue.v[watch->head++];

        watch->sent++;
        watch->bytes -= item.bytes;
        watch->server->watch_bytes -= item.bytes;
        if (!item.bytes)
            watch->initial--;
        if (item.object)
            write_event(watch, item.type, item.object);
        else
            write_bookmark(watch, item.revision, true);
        object_unkeep(item.object);
    }
    if (!queued(watch))
        watch->queue.n = watch->head = 0;
}

static void on_drain(HttpRequest *request)
{
    Call *call = request->data;
    Watch *watch = call->stream;
    bool outermost;

    if (!watch)
        return;
    outermost = enter(watch);
    queue_run(watch);
    leave(watch, outermost);
}

static void expire_largest(Server *server)
{
    Watch *largest = NULL;
    bool outermost;

    LIST_EACH(&server->watches, node) {
        Watch *watch = CONTAINER_OF(node, Watch, node);

        if (!largest || watch->bytes > largest->bytes)
            largest = watch;
    }
    if (!largest)
        return;
    outermost = enter(largest);
    watch_expire(largest);
    leave(largest, outermost);
}

static void deliver(Watch *watch, WatchEventType type, Object *object, uint64_t revision)
{
    size_t bytes;

    if (!queued(watch) && http_stream_pending(watch->request) < PENDING_MAX) {
        write_event(watch, type, object);
        return;
    }
    bytes = sizeof(*object) + object->arena.total + object->json.n;
    if (queued(watch) - watch->initial >= LIVE_MAX || watch->bytes + bytes > LIVE_BYTES_MAX) {
        watch_expire(watch);
        return;
    }
    queue_push(watch, type, object, revision, bytes);
    if (watch->server->watch_bytes > ALL_BYTES_MAX)
        expire_largest(watch->server);
}

/* ---- events ---- */

/* For an object that no longer matches the selectors, the client gets a deletion of the last version
 * that did, with the revision of the change. */
static void deliver_left(Watch *watch, const WatchEvent *event)
{
    _object_ Object *last = object_copy(event->before);

    last->revision = event->revision;
    deliver(watch, WATCH_DELETED, last, event->revision);
}

static void on_event(void *data, const WatchEvent *event)
{
    Watch *watch = data;
    bool selective = watch->ns || watch->labels || watch->fields;
    bool outermost, now, before;

    watch->revision = MAX_OF(watch->revision, event->revision);
    if (event->revision <= watch->after || event->type == WATCH_BOOKMARK || watch->ended ||
        watch->closed)
        return;
    outermost = enter(watch);
    now = !selective || read_matches(event->object, watch->ns, watch->labels, watch->fields);
    if (!selective || event->type != WATCH_MODIFIED) {
        if (now)
            deliver(watch, event->type, event->object, event->revision);
    } else {
        before = !event->before
                     ? now
                     : read_matches(event->before, watch->ns, watch->labels, watch->fields);
        if (now)
            deliver(watch, before ? WATCH_MODIFIED : WATCH_ADDED, event->object, event->revision);
        else if (before)
            deliver_left(watch, event);
    }
    leave(watch, outermost);
}

static void on_timeout(Timer *timer)
{
    Watch *watch = timer->data;
    bool outermost = enter(watch);

    if (watch->bookmarks && !queued(watch))
        write_bookmark(watch, store_revision(watch->server->store), false);
    if (!watch->closed && !watch->ended)
        watch_end(watch);
    leave(watch, outermost);
}

/* Runs a minute after a write: watches that asked for bookmarks get one with the revision of the store. */
static void on_bookmark_timer(Timer *timer)
{
    Server *server = timer->data;
    uint64_t revision = store_revision(server->store);

    LIST_EACH_SAFE(&server->watches, node) {
        Watch *watch = CONTAINER_OF(node, Watch, node);
        bool outermost = enter(watch);

        if (watch->bookmarks && !queued(watch) && watch->store_watch &&
            watch->bookmarked < revision)
            write_bookmark(watch, revision, false);
        leave(watch, outermost);
    }
}

void watch_note_write(Server *server)
{
    if (server->bookmark_timer.active || list_empty(&server->watches))
        return;
    server->bookmark_timer.on_fire = on_bookmark_timer;
    server->bookmark_timer.data = server;
    timer_start(server->clock, &server->bookmark_timer, BOOKMARK_NS);
}

/* ---- start ---- */

typedef struct WatchStart {
    uint64_t revision; /* requested resourceVersion; 0: none */
    bool given;        /* a resourceVersion other than "0" was requested */
    bool initial;      /* the initial state has to be sent first */
    int64_t timeout_s;
} WatchStart;

static int forbidden(Call *call, const char *field, const char *why, ApiStatus *reterr)
{
    static const Kind list_options = {
        .group = "meta.k8s.io", .kind = "ListOptions", .plural = "listoptions"};
    Causes causes = {.arena = call->arena};

    causes_forbidden(&causes, field, why);
    return status_invalid(reterr, call->arena, &list_options, "", &causes);
}

static int check_initial(Call *call, ApiStatus *reterr)
{
    const Query *query = &call->query;

    if (query->send_initial && !str_equal(query->resource_version_match, "NotOlderThan"))
        return forbidden(call, "resourceVersionMatch",
                         "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                         reterr);
    if (!query->send_initial && !str_empty(query->resource_version_match))
        return forbidden(
            call, "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            reterr);
    return 0;
}

static int check_start(Call *call, WatchStart *ret, ApiStatus *reterr)
{
    const Query *query = &call->query;
    int64_t revision = 0;
    int r;

    *ret = (WatchStart){0};
    r = check_initial(call, reterr);
    if (r)
        return r;
    if (!str_empty(query->resource_version) &&
        str_to_int64(query->resource_version, 0, INT64_MAX, &revision)) {
        status_set(reterr, call->arena, STATUS_UNKNOWN,
                   "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": "
                   "invalid syntax",
                   query->resource_version, query->resource_version);
        return reterr->reason;
    }
    if (query->timeout_seconds &&
        str_to_int64(query->timeout_seconds, 0, INT32_MAX, &ret->timeout_s))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "strconv.ParseInt: parsing \"%s\": invalid syntax",
                          query->timeout_seconds);
    if (!ret->timeout_s)
        ret->timeout_s = TIMEOUT_MIN_S + (int64_t)random_below(call->server->random, TIMEOUT_MIN_S);
    ret->revision = (uint64_t)revision;
    ret->given = revision > 0;
    ret->initial = query->send_initial ? query_true(query->send_initial) : !ret->given;
    return 0;
}

static bool each_initial(void *data, Object *object)
{
    Watch *watch = data;

    if (read_matches(object, NULL, watch->labels, watch->fields)) {
        queue_push(watch, WATCH_ADDED, object, object->revision, 0);
        watch->initial++;
    }
    return true;
}

static void queue_initial(Watch *watch)
{
    Store *store = watch->server->store;
    const Route *route = &watch->call->route;
    const char *name = watch->fields ? selector_exact(watch->fields, "metadata.name") : NULL;

    if (name && (watch->ns || !(route->kind->flags & KIND_NAMESPACED))) {
        Object *object = store_peek(store, route->kind, watch->ns, name);

        if (object)
            each_initial(watch, object);
    } else {
        store_walk(store, route->kind, watch->ns, NULL, each_initial, watch);
    }
    watch->revision = watch->after = store_revision(store);
    if (watch->initial_bookmark) {
        queue_push(watch, WATCH_BOOKMARK, NULL, watch->revision, 0);
        watch->initial++;
    }
}

/* Starts the watch of the store. Returns false if the stream has been ended with an error. */
static bool subscribe(Watch *watch, const WatchStart *start)
{
    Store *store = watch->server->store;
    uint64_t from = 0, newest = store_revision(store);
    int r;

    if (start->initial) {
        queue_initial(watch);
        from = watch->after;
    } else if (start->given && start->revision < newest) {
        from = start->revision;
    } else {
        watch->after = MAX_OF(start->revision, newest);
        from = newest;
    }
    r = store_watch(store, watch->call->route.kind, from, on_event, watch, &watch->store_watch);
    if (r == STORE_E_EXPIRED) {
        ApiStatus status;

        status_set(&status, watch->call->arena, STATUS_EXPIRED,
                   "too old resource version: %" PRIu64 " (%" PRIu64 ")", from,
                   store_oldest(store));
        write_error(watch, &status);
    }
    if (r)
        watch_end(watch);
    else if (watch->ended ||
             watch->closed) /* this happened while the store delivered older events */
        store_watch_stop(TAKE_PTR(watch->store_watch));
    return r == 0;
}

void watch_start(Call *call)
{
    Server *server = call->server;
    Selector *labels, *fields;
    WatchStart start;
    ApiStatus status;
    Watch *watch;
    bool outermost;

    if (check_start(call, &start, &status) || read_selectors(call, &labels, &fields, &status)) {
        respond_status(call, &status);
        return;
    }
    watch = mem_new_type(Watch);
    watch->server = server;
    watch->call = call;
    watch->request = call->request;
    watch->labels = labels && labels->n + labels->nothing ? labels : NULL;
    watch->fields = fields && fields->n + fields->nothing ? fields : NULL;
    watch->ns = call->route.ns;
    watch->bookmarks = query_true(call->query.bookmarks);
    watch->initial_bookmark = start.initial && call->query.send_initial && watch->bookmarks;
    watch->timeout.on_fire = on_timeout;
    watch->timeout.data = watch;
    list_append(&server->watches, &watch->node);
    call->stream = watch;
    call->stream_close = watch_close;
    call->request->on_drain = on_drain;
    outermost = enter(watch);
    http_stream_begin(call->request, 200, "application/json");
    http_stream_patient(call->request);
    timer_start(server->clock, &watch->timeout, start.timeout_s * NS_PER_SEC);
    if (!watch->closed && subscribe(watch, &start))
        queue_run(watch);
    leave(watch, outermost);
}
