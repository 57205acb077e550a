/* SPDX-License-Identifier: Apache-2.0 */
/* Turns HTTP requests into Writes, and the outcome of a Write into a response. */
#include "api/object.h"
#include "api/schema/batch_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/storage_v1.h"
#include "api/selector.h"
#include "base/list.h"
#include "base/time/clock.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "codec/json/json.h"
#include "server/audit/audit.h"
#include "server/auth/review.h"
#include "server/read/read.h"
#include "server/request/decode.h"
#include "server/request/respond.h"
#include "server/request/table.h"
#include "server/write/body.h"
#include "server/write/http.h"

#define MANAGER_MAX 128

/* ---- outcomes ---- */

/* The kinds whose deletion is answered with the last version of the object; for others the response
 * is a Status with the name. */
static bool returns_deleted(const Kind *kind)
{
    return kind == &kind_pod || kind == &kind_service || kind == &kind_namespace ||
           kind == &kind_persistent_volume || kind == &kind_persistent_volume_claim ||
           kind == &kind_service_account || kind == &kind_storage_class;
}

static void respond_deleted(Call *call, const Write *write)
{
    const ObjectMeta *meta = object_meta(write->object);
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_add_string(&text, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                             "\"status\":\"Success\",\"details\":{\"name\":");
    json_encode_string(&text, meta->name, strlen(meta->name));
    if (*write->kind->group)
        strbuf_printf(&text, ",\"group\":\"%s\"", write->kind->group);
    strbuf_printf(&text, ",\"kind\":\"%s\",\"uid\":\"%s\"}}", write->kind->plural,
                  str_or(meta->uid, ""));
    respond_json(call, 200, strbuf_bytes(&text));
}

static void on_done(Write *write)
{
    Call *call = write->call;

    if (!call)
        return;
    respond_warnings(call->request, &write->warnings);
    if (write->status.reason != STATUS_OK)
        respond_status(call, &write->status);
    else if (write->deletes && write->gone && !returns_deleted(write->kind))
        respond_deleted(call, write);
    else
        respond_object(call, write->created ? 201 : 200, write->object);
}

/* ---- requests ---- */

/* The fieldManager parameter, or else the name in the User-Agent: "kubectl/v1.36" is kubectl. */
static const char *manager_of(Call *call)
{
    const char *agent = utf8_clean(call->arena, http_header(call->request, "user-agent"));

    if (!str_empty(call->query.field_manager))
        return call->query.field_manager;
    if (str_empty(agent))
        return "unknown";
    return arena_strndup(call->arena, agent, MIN_OF(strcspn(agent, "/"), (size_t)MANAGER_MAX));
}

static int check_options(Call *call, Write *write, const char *options_kind)
{
    const Kind options = {
        .group = "meta.k8s.io", .kind = options_kind, .plural = "", .version = "v1"};
    static const char *const validations[] = {"", "Ignore", "Strict", "Warn", NULL};
    Causes causes = {.arena = &write->arena};
    int r;

    if (!decode_validation(call->query.field_validation, &write->validation))
        causes_not_supported(&causes, "fieldValidation", call->query.field_validation, validations);
    if (call->query.dry_run && !str_equal(call->query.dry_run, "All"))
        causes_add(&causes, CAUSE_NOT_SUPPORTED, "dryRun",
                   arena_printf(&write->arena, "[\"%s\"]", call->query.dry_run),
                   "supported values: \"All\"");
    if (call->query.field_manager && strlen(call->query.field_manager) > MANAGER_MAX)
        causes_add(&causes, CAUSE_TOO_LONG, "fieldManager", "", "may not be more than 128 bytes");
    if (causes.n) {
        r = status_invalid(&write->status, &write->arena, &options, "", &causes);
        write->status.group = "meta.k8s.io";
        write->status.kind = arena_strdup(&write->arena, options_kind);
        return r;
    }
    write->dry_run = call->query.dry_run != NULL;
    write->force = query_true(call->query.force);
    write->manager = arena_strdup(&write->arena, manager_of(call));
    return 0;
}

static Write *start(Call *call)
{
    const Route *route = &call->route;
    Write *write = write_new(call->server, call->user, route->kind, route->ns, route->name);

    write->subresource = arena_strdup(&write->arena, route->subresource);
    write->call = call;
    write->done = on_done;
    write->decoded = body_take(call, &write->arena);
    call->write = write;
    return write;
}

static int decode_into(Call *call, Write *write)
{
    Decoded *decoded = write->decoded;

    if (decoded) {
        write->object = TAKE_PTR(decoded->object);
        write->completed = !(write->kind->flags & KIND_NOT_STORED);
        write->warnings = decoded->warnings;
        write->status = decoded->status;
        if (decoded->foreseen.reason != STATUS_OK)
            write->foreseen = &decoded->foreseen;
        return decoded->r;
    }
    return decode_object(&write->arena, write->kind, http_header(call->request, "content-type"),
                         call->body, write->validation, &write->object, &write->warnings,
                         &write->status);
}

/* The audit log records the object with its defaults, as kube-apiserver does. */
static void record(Call *call, Write *write)
{
    if (_likely_(!call->audit))
        return;
    if (!write->completed && !(write->kind->flags & KIND_NOT_STORED)) {
        write_complete(write->object);
        write->completed = true;
    }
    audit_request_object(call, write->object);
}

void http_create(Call *call)
{
    Write *write;

    if (call->route.kind == &kind_binding) {
        subresource_binding(call);
        return;
    }
    write = start(call);
    if (check_options(call, write, "CreateOptions") || decode_into(call, write)) {
        write_finish(write);
        return;
    }
    record(call, write);
    if (write->kind->flags & KIND_NOT_STORED) {
        write->call = NULL;
        call->write = NULL;
        review_create(call, write->object);
        write_finish(write);
    } else {
        write_create(write);
    }
}

void http_update(Call *call)
{
    Write *write = start(call);

    if (check_options(call, write, "UpdateOptions") || decode_into(call, write)) {
        write_finish(write);
        return;
    }
    record(call, write);
    write_update(write);
}

void http_patch(Call *call)
{
    Write *write = start(call);
    PatchType type;

    if (patch_type_of(http_header(call->request, "content-type"), &type)) {
        write->status = (ApiStatus){.reason = STATUS_UNSUPPORTED_MEDIA_TYPE,
                                    .message = "415: Unsupported Media Type",
                                    .kind = ""};
        write_finish(write);
        return;
    }
    if (check_options(call, write, "PatchOptions")) {
        write_finish(write);
        return;
    }
    audit_request_patch(call, call->body);
    /* An apply requires a field manager chosen by the client; the User-Agent is no substitute. */
    if (type == PATCH_APPLY)
        write->manager = arena_strdup(&write->arena, call->query.field_manager);
    write_patch(write, type, call->body);
}

/* ---- deletion ---- */

static int read_delete_options(Call *call, Write *write)
{
    const Query *query = &call->query;
    DeleteOptions options = {0};
    int64_t grace;
    int r;

    if (call->body.n) {
        r = decode_value(&write->arena, &type_DeleteOptions, "DeleteOptions",
                         http_header(call->request, "content-type"), call->body, &options,
                         &write->status);
        if (r)
            return r;
        audit_request_options(call, &options);
    }
    write->grace_seconds = options.grace_period_seconds;
    write->propagation = options.propagation_policy;
    write->dry_run |= options.dry_run.n > 0;
    if (options.preconditions) {
        write->precondition_uid = options.preconditions->uid;
        write->precondition_revision = options.preconditions->resource_version;
    }
    if (query->grace_period) {
        if (str_to_int64(query->grace_period, INT64_MIN, INT64_MAX, &grace))
            return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                              "strconv.ParseInt: parsing \"%s\": invalid syntax",
                              query->grace_period);
        write->grace_seconds = arena_int64(&write->arena, grace);
    }
    if (query->propagation)
        write->propagation = arena_strdup(&write->arena, query->propagation);
    if (query->orphan || options.orphan_dependents)
        write->propagation =
            (query->orphan ? query_true(query->orphan) : *options.orphan_dependents) ? "Orphan"
                                                                                     : "Background";
    return 0;
}

/* By default Jobs orphan their pods, which surprises users. */
static void warn_of_orphans(const Call *call, Write *write)
{
    if (call->route.kind == &kind_job && str_empty(write->propagation))
        write_warn(write, "child pods are preserved by default when jobs are deleted; set "
                          "propagationPolicy=Background to remove them or set "
                          "propagationPolicy=Orphan to suppress this warning");
}

void http_delete(Call *call)
{
    Write *write = start(call);

    write->deletes = true;
    if (check_options(call, write, "DeleteOptions") || read_delete_options(call, write))
        write_finish(write);
    else {
        warn_of_orphans(call, write);
        write_delete(write);
    }
}

/* ---- deletecollection: one Write for each object, one response for all ---- */

typedef struct Collection {
    Server *server;
    Call *call; /* NULL after the peer has disconnected */
    VEC(Object *) objects;
    int64_t limit, remaining; /* of the page; left behind it, where there is one */
    bool counted;             /* remaining is the exact number, and not only known to be positive */
    size_t open;              /* the number of Writes that have not been answered yet */
    ApiStatus status;         /* the first failure */
    ListPlace place;          /* where the page begins */
    Arena arena;
} Collection;

static void collection_close(void *data)
{
    ((Collection *)data)->call = NULL;
}

static void collection_free(Collection *collection)
{
    for (size_t i = 0; i < collection->objects.n; i++)
        object_unref(collection->objects.v[i]);
    VEC_DEINIT(&collection->objects);
    arena_clear(&collection->arena);
    free(collection);
}

static const char *collection_metadata(Collection *collection)
{
    ListPlace place = collection->place;
    Arena *arena = &collection->arena;
    const char *remaining = "";

    if (!collection->remaining)
        return arena_printf(arena, "{\"resourceVersion\":\"%" PRIu64 "\"}", place.revision);
    place.after = list_key_of(arena, collection->objects.v[collection->objects.n - 1]);
    if (collection->counted)
        remaining = arena_printf(arena, ",\"remainingItemCount\":%" PRId64, collection->remaining);
    return arena_printf(arena, "{\"resourceVersion\":\"%" PRIu64 "\",\"continue\":\"%s\"%s}",
                        place.revision, list_make_continue(arena, &place), remaining);
}

static void add_collection_table(Collection *collection, const Call *call, StrBuf *text)
{
    table_begin(text, call->route.kind, call->accept.as_version, collection_metadata(collection),
                true);
    for (size_t i = 0; i < collection->objects.n; i++) {
        strbuf_add_string(text, i ? "," : "");
        table_row(text, collection->objects.v[i], call->query.include_object,
                  call->accept.as_version, clock_wall_ns(collection->server->clock));
    }
    table_end(text);
}

static void add_collection(Collection *collection, const Call *call, StrBuf *text)
{
    const Kind *kind = call->route.kind;
    size_t skip = strlen(kind->json_prefix) + 2;

    strbuf_printf(text, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":%s,\"items\":[",
                  kind->list_kind, kind->api_version, collection_metadata(collection));
    for (size_t i = 0; i < collection->objects.n; i++) {
        Bytes json = object_json(collection->objects.v[i]);

        strbuf_add_string(text, i ? ",{" : "{");
        strbuf_add(text, json.p + skip, json.n - skip);
    }
    strbuf_add_string(text, "]}");
}

static void collection_answer(Collection *collection)
{
    Call *call = collection->call;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (call)
        call->stream = NULL;
    if (call && collection->status.reason != STATUS_OK) {
        respond_status(call, &collection->status);
    } else if (call) {
        if (call->accept.as == AS_TABLE)
            add_collection_table(collection, call, &text);
        else
            add_collection(collection, call, &text);
        respond_json(call, 200, strbuf_bytes(&text));
    }
    collection_free(collection);
}

static void on_one_deleted(Write *write)
{
    Collection *collection = write->data;

    /* An object that has been removed in the meantime is deleted as requested. */
    if (write->status.reason != STATUS_OK && write->status.reason != STATUS_NOT_FOUND &&
        collection->status.reason == STATUS_OK)
        status_copy(&collection->status, &collection->arena, &write->status);
    if (--collection->open == 0)
        collection_answer(collection);
}

typedef struct Collect {
    Collection *collection;
    const Selector *labels, *fields;
} Collect;

static bool collect(void *data, Object *object)
{
    Collect *to = data;

    Collection *collection = to->collection;

    if (!read_matches(object, NULL, to->labels, to->fields))
        return true;
    if (collection->limit && collection->objects.n == (size_t)collection->limit) {
        collection->remaining++;
        return collection->counted;
    }
    VEC_PUSH(&collection->objects, object_ref(object));
    return true;
}

static void delete_each(Collection *collection, const Write *like)
{
    /* The count begins at one more than the number of objects, so that the request is not answered
     * too early if writes end at once. */
    collection->open = collection->objects.n + 1;
    for (size_t i = 0; i < collection->objects.n; i++) {
        const ObjectMeta *meta = object_meta(collection->objects.v[i]);
        Write *write = write_new(like->server, like->user, like->kind, meta->namespace, meta->name);

        write->dry_run = like->dry_run;
        write->propagation = arena_strdup(&write->arena, like->propagation);
        if (like->grace_seconds)
            write->grace_seconds = arena_int64(&write->arena, *like->grace_seconds);
        write->precondition_uid = arena_strdup(&write->arena, meta->uid);
        write->done = on_one_deleted;
        write->data = collection;
        write_delete(write);
    }
    if (--collection->open == 0)
        collection_answer(collection);
}

void http_delete_collection(Call *call)
{
    Write *like = start(call);
    Selector *labels, *fields;
    Collection *collection;
    ListPlace place;
    int64_t limit;
    Collect to;

    if (check_options(call, like, "DeleteOptions") || read_delete_options(call, like) ||
        list_read_limit(call, &limit, &like->status) ||
        list_read_continue(call, &place, &like->status) ||
        read_selectors(call, &labels, &fields, &like->status)) {
        write_finish(like);
        return;
    }
    warn_of_orphans(call, like);
    respond_warnings(call->request, &like->warnings);
    collection = mem_new_type(Collection);
    collection->limit = limit;
    collection->place = place;
    collection->counted = !labels && !fields;
    collection->server = call->server;
    collection->call = call;
    call->stream = collection;
    call->stream_close = collection_close;
    to = (Collect){collection, labels, fields};
    store_list(call->server->store, call->route.kind, call->route.ns, place.after, collect, &to);
    /* `like` only carries the options; the collection answers the request. */
    like->call = NULL;
    call->write = NULL;
    delete_each(collection, like);
    write_finish(like);
}
