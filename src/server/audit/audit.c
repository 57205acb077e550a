/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of a request. An AuditEntry lies in the arena of its request and contains the AuditEvent that its next stage
 * writes, so that each event has everything that is known by then.
 */
#include "api/schema/audit_v1.h"
#include "base/ip.h"
#include "base/observe/metrics.h"
#include "base/utf8.h"
#include "codec/json/json.h"
#include "codec/yaml/yaml.h"
#include "server/audit/audit.h"
#include "server/audit/log.h"
#include "server/audit/policy.h"
#include "server/request/call.h"

/* Longer texts of a client are cut. kube-apiserver cuts user agents at the same length, and ids not at all. */
#define CLIENT_TEXT_MAX 1024
/* A longer object is left out of the event, which is then marked like one that kube-apiserver has truncated. */
#define OBJECT_MAX ((size_t)4 * 1024 * 1024)
#define MEGABYTE (INT64_C(1024) * 1024)
#define TRUNCATED "audit.k8s.io/truncated"

struct Audit {
    Server *server;
    AuditRules *rules;
    AuditLog *log;
    MetricSeries *events, *levels[_AUDIT_LEVEL_MAX];
};

struct AuditEntry {
    AuditVerdict verdict;
    bool long_running;
    bool started; /* the status of the answer is known */
    bool hidden;  /* the answer is not recorded */
    bool pieces;  /* the answer came in pieces, and may need its managedFields removed */
    User *user;   /* a reference: event.user refers to its texts */
    AuditEvent event;
    UserInfo impersonated;
    AuditAuthenticationMetadata metadata;
    AuditObjectReference reference;
    Status status;
    StrBuf request, response; /* JSON; too long: empty, and truncated is set */
    bool truncated;
};

/* ---- life ---- */

int audit_new(Server *server, const ServerAudit *options, Audit **ret, Err *reterr)
{
    Audit *audit = mem_new_type(Audit);
    AuditLogOptions log = {.loop = server->loop,
                           .clock = server->clock,
                           .path = options->log_path,
                           .max_bytes = options->max_megabytes * MEGABYTE,
                           .max_backups = options->max_backups,
                           .max_age_days = options->max_age_days};
    int r = audit_rules_load(options->policy_file, &audit->rules, reterr);

    if (r == 0)
        r = audit_log_open(&log, &audit->log, reterr);
    if (r < 0) {
        audit_free(audit);
        return ERR_TRACE(r);
    }
    audit->server = server;
    audit->events = metric_single(METRIC_AUDIT_EVENTS);
    metric_single(METRIC_AUDIT_REJECTED);
    *ret = audit;
    return 0;
}

Audit *audit_free(Audit *audit)
{
    if (!audit)
        return NULL;
    audit_log_close(audit->log);
    audit_rules_free(audit->rules);
    free(audit);
    return NULL;
}

bool audit_is_idle(const Audit *audit)
{
    return !audit || audit_log_is_idle(audit->log);
}

/* ---- writing ---- */

static Time time_of(int64_t wall_ns)
{
    return (Time){
        .seconds = wall_ns / NS_PER_SEC, .nanos = (int32_t)(wall_ns % NS_PER_SEC), .set = true};
}

static void write_event(Call *call, AuditStage stage)
{
    Audit *audit = call->server->audit;
    AuditEntry *entry = call->audit;
    AuditEvent *event = &entry->event;
    _strbuf_ StrBuf line = STRBUF_INIT;

    if (entry->verdict.omitted & 1u << stage)
        return;
    event->stage = audit_stage_name(stage);
    event->stage_timestamp = stage == AUDIT_RECEIVED ? event->request_received_timestamp
                                                     : time_of(clock_wall_ns(call->server->clock));
    event->annotations = call->audit_annotations;
    event->request_object = entry->request.n ? strbuf_bytes(&entry->request) : BYTES_NULL;
    event->response_object = entry->response.n ? strbuf_bytes(&entry->response) : BYTES_NULL;
    strbuf_reserve(&line, 1024 + entry->request.n + entry->response.n);
    json_encode(&type_AuditEvent, event, "\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\"",
                &line);
    strbuf_add_char(&line, '\n');
    metric_inc(audit->events);
    audit_log_add(audit->log, strbuf_bytes(&line));
}

/* ---- what the client says ---- */

static const char *client_text(Arena *arena, const char *text, const char *cut)
{
    if (text && strlen(text) > CLIENT_TEXT_MAX)
        text = arena_printf(arena, "%.*s%s", CLIENT_TEXT_MAX, text, cut);
    return utf8_clean(arena, text);
}

static bool lists(const StringArray *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i], text))
            return true;
    return false;
}

/* Addresses of X-Forwarded-For, that of X-Real-Ip, and the one of the connection, as kube-apiserver collects them. */
static StringArray source_ips(const HttpRequest *request, Arena *arena)
{
    char *at = arena_strdup(arena, http_header(request, "x-forwarded-for")), *part;
    const char *real = http_header(request, "x-real-ip"), *peer = request->peer->address;
    StringArray ret = {0};
    size_t cap = 0;

    while (at && (part = strsep(&at, ","))) {
        part += strspn(part, " \t");
        part[strcspn(part, " \t")] = 0;
        if (ip_valid(part))
            ARENA_PUSH_CAP(arena, &ret, &cap, part);
    }
    if (real && ip_valid(real) && !lists(&ret, real))
        ARENA_PUSH_CAP(arena, &ret, &cap, real);
    if (!str_empty(peer) && (!ret.n || !str_equal(ret.v[ret.n - 1], peer)))
        ARENA_PUSH_CAP(arena, &ret, &cap, peer);
    return ret;
}

/* ---- begin ---- */

static void on_begin(HttpRequest *request)
{
    Call *call = request->data;
    AuditEntry *entry = call->audit;

    if (!entry || entry->started)
        return;
    entry->status.code = http_answer_status(request);
    entry->event.response_status = &entry->status;
    entry->started = true;
    if (entry->long_running)
        write_event(call, AUDIT_STARTED);
}

static UserInfo describe(const User *user)
{
    return (UserInfo){
        .username = user->name, .uid = user->uid, .groups = user->groups, .extra = user->extra};
}

static const char *give_id(Call *call)
{
    const char *id = client_text(call->arena, http_header(call->request, "audit-id"), "");

    if (str_empty(id)) {
        char *uuid = arena_alloc(call->arena, 37);

        random_uuid(call->server->random, uuid);
        id = uuid;
    }
    call->audit_id = id;
    http_add_header(call->request, "audit-id", id);
    return id;
}

static bool is_long_running(const Attributes *attributes)
{
    static const char *const subresources[] = {"attach", "exec", "log", "portforward", "proxy"};

    if (attributes->path)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(subresources); i++)
        if (str_equal(attributes->subresource, subresources[i]))
            return true;
    return str_equal(attributes->verb, "watch") || str_equal(attributes->verb, "proxy");
}

static void describe_target(Call *call, AuditEntry *entry)
{
    const Attributes *attributes = &call->target.attributes;

    entry->event.verb = attributes->verb;
    if (attributes->path)
        return;
    entry->reference = (AuditObjectReference){.resource = attributes->resource,
                                              .namespace = attributes->ns,
                                              .name = attributes->name,
                                              .api_group = attributes->group,
                                              .api_version = call->target.version,
                                              .subresource = attributes->subresource};
    entry->event.object_ref = &entry->reference;
}

static AuditEntry *begin(Call *call, User *user)
{
    Audit *audit = call->server->audit;
    const HttpRequest *request = call->request;
    const char *id = give_id(call);
    AuditVerdict verdict = audit_rules_decide(audit->rules, user, &call->target.attributes);
    Clock *clock = call->server->clock;
    AuditEntry *entry;
    AuditEvent *event;

    if (!audit->levels[verdict.level])
        audit->levels[verdict.level] =
            METRIC_SERIES(METRIC_AUDIT_LEVELS, audit_level_name(verdict.level));
    metric_inc(audit->levels[verdict.level]);
    if (verdict.level == AUDIT_NONE)
        return NULL;
    entry = arena_new(call->arena, AuditEntry);
    entry->verdict = verdict;
    entry->long_running = is_long_running(&call->target.attributes);
    event = &entry->event;
    event->level = audit_level_name(verdict.level);
    event->audit_id = id;
    event->request_uri = *request->query
                             ? arena_printf(call->arena, "%s?%s", request->path, request->query)
                             : request->path;
    event->request_uri = utf8_clean(call->arena, event->request_uri);
    if (user) {
        entry->user = user_ref(user);
        event->user = describe(user);
    }
    event->source_ips = source_ips(request, call->arena);
    event->user_agent =
        client_text(call->arena, http_header(request, "user-agent"), "...TRUNCATED");
    event->request_received_timestamp =
        time_of(clock_wall_ns(clock) - (clock_mono_ns(clock) - call->times.began));
    describe_target(call, entry);
    call->request->on_begin = on_begin;
    call->audit = entry;
    return entry;
}

void audit_begin(Call *call)
{
    if (_unlikely_(call->server->audit != NULL) && begin(call, call->user))
        write_event(call, AUDIT_RECEIVED);
}

void audit_begin_refused(Call *call)
{
    AuditEntry *entry = call->server->audit ? begin(call, NULL) : NULL;

    /* Only the refusal is recorded, as the start of an answer. */
    if (entry) {
        entry->verdict.omitted |= 1u << AUDIT_COMPLETE;
        entry->long_running = true;
    }
}

const char *audit_id(const Call *call)
{
    return call->audit_id;
}

/* ---- on the way ---- */

void audit_impersonated(Call *call, const char *constraint)
{
    AuditEntry *entry = call->audit;

    if (_likely_(!entry))
        return;
    /* The entry lives as long as the request, which holds a reference to this user until its end. */
    entry->impersonated = describe(call->user);
    entry->event.impersonated_user = &entry->impersonated;
    if (constraint) {
        entry->metadata.impersonation_constraint = constraint;
        entry->event.authentication_metadata = &entry->metadata;
    }
}

void audit_decision(Call *call, bool allowed, const char *reason)
{
    if (_likely_(!call->audit))
        return;
    request_audit_annotation(call, "authorization.k8s.io/decision", allowed ? "allow" : "forbid");
    request_audit_annotation(call, "authorization.k8s.io/reason", reason ? reason : "");
}

/* ---- objects ---- */

static void remove_managed_fields(yyjson_mut_val *object)
{
    yyjson_mut_val *metadata = yyjson_mut_obj_get(object, "metadata");

    if (yyjson_mut_is_obj(metadata))
        yyjson_mut_obj_remove_key(metadata, "managedFields");
}

/* The objects in a list, or in the rows of a Table. */
static void remove_of_items(yyjson_mut_val *root)
{
    yyjson_mut_val *items = yyjson_mut_obj_get(root, "items"), *item;
    yyjson_mut_val *rows = yyjson_mut_obj_get(root, "rows");
    size_t i, n;

    yyjson_mut_arr_foreach(items, i, n, item) remove_managed_fields(item);
    yyjson_mut_arr_foreach(rows, i, n, item)
        remove_managed_fields(yyjson_mut_obj_get(item, "object"));
}

/* Adds a JSON document in one line, without managedFields if the policy says so. */
static void add_document(const AuditEntry *entry, yyjson_doc *doc, StrBuf *out)
{
    yyjson_mut_doc *copy;
    yyjson_doc *made;

    if (!entry->verdict.omit_managed_fields) {
        json_encode_tree(yyjson_doc_get_root(doc), out);
        return;
    }
    copy = yyjson_doc_mut_copy(doc, NULL);
    remove_managed_fields(yyjson_mut_doc_get_root(copy));
    remove_of_items(yyjson_mut_doc_get_root(copy));
    made = yyjson_mut_doc_imut_copy(copy, NULL);
    json_encode_tree(yyjson_doc_get_root(made), out);
    yyjson_doc_free(made);
    yyjson_mut_doc_free(copy);
}

static void truncate_object(Call *call, StrBuf *text)
{
    strbuf_deinit(text);
    call->audit->truncated = true;
    request_audit_annotation(call, TRUNCATED, "true");
}

static void add_json(Call *call, Bytes json, StrBuf *to)
{
    AuditEntry *entry = call->audit;
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;

    strbuf_truncate(to, 0);
    if (json.n > OBJECT_MAX)
        truncate_object(call, to);
    else if (json_parse(&arena, json, &doc, &report) == 0)
        add_document(entry, doc, to);
}

static bool records_request(const Call *call)
{
    return call->audit && call->audit->verdict.level >= AUDIT_REQUEST;
}

/* The reference of a request that creates an object gets the name and the like from the object. */
static void complete_reference(Call *call, const Object *object)
{
    AuditObjectReference *reference = &call->audit->reference;
    const ObjectMeta *meta = object_meta(object);
    struct {
        const char **to, *from;
    } fields[] = {{&reference->namespace, meta->namespace},
                  {&reference->name, meta->name},
                  {&reference->uid, meta->uid},
                  {&reference->resource_version, meta->resource_version}};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (str_empty(*fields[i].to))
            *fields[i].to = arena_strdup(call->arena, fields[i].from);
}

void audit_request_object(Call *call, const Object *object)
{
    AuditEntry *entry = call ? call->audit : NULL;
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (_likely_(!entry))
        return;
    complete_reference(call, object);
    if (!records_request(call))
        return;
    json_encode(object->kind->type, object->value, object->kind->json_prefix, &text);
    add_json(call, strbuf_bytes(&text), &entry->request);
}

/* In the log of kube-apiserver, these options have the version that it uses internally. */
void audit_request_options(Call *call, const DeleteOptions *options)
{
    if (_likely_(!records_request(call)))
        return;
    strbuf_truncate(&call->audit->request, 0);
    json_encode(&type_DeleteOptions, options,
                "\"kind\":\"DeleteOptions\",\"apiVersion\":\"meta.k8s.io/__internal\"",
                &call->audit->request);
}

void audit_request_patch(Call *call, Bytes body)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_doc *doc = NULL;
    const char *why;

    if (_likely_(!records_request(call)) || !body.n)
        return;
    strbuf_truncate(&call->audit->request, 0);
    if (body.n > OBJECT_MAX)
        truncate_object(call, &call->audit->request);
    else if (yaml_parse(&arena, body, 0, &doc, &why) == 0 && doc)
        json_encode_tree(yyjson_doc_get_root(doc), &call->audit->request);
}

bool audit_wants_response(const Call *call)
{
    return _unlikely_(call->audit != NULL) && call->audit->verdict.level == AUDIT_REQUEST_RESPONSE;
}

/* The answer is a Status, whose contents are recorded at each level. */
static void read_status(Call *call, Bytes json)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    AuditEntry *entry = call->audit;
    DecodeReport report = {0};
    yyjson_doc *doc;
    Status status = {0};

    if (json_parse(call->arena, json, &doc, &report) ||
        json_decode(&type_Status, call->arena, yyjson_doc_get_root(doc), 0, ignore, &status,
                    &report))
        return;
    status.metadata = (ListMeta){0};
    entry->status = status;
    entry->event.response_status = &entry->status;
}

void audit_response_hidden(Call *call)
{
    if (_unlikely_(call->audit != NULL))
        call->audit->hidden = true;
}

void audit_response(Call *call, Bytes json)
{
    static const char status[] = "{\"kind\":\"Status\",";

    if (_likely_(!call->audit) || call->audit->hidden)
        return;
    if (json.n > sizeof(status) && memcmp(json.p, status, sizeof(status) - 1) == 0)
        read_status(call, json);
    if (audit_wants_response(call))
        add_json(call, json, &call->audit->response);
}

void audit_response_object(Call *call, Object *object)
{
    if (audit_wants_response(call))
        add_json(call, object_json(object), &call->audit->response);
}

void audit_response_piece(Call *call, Bytes json)
{
    StrBuf *response;

    if (!audit_wants_response(call) || call->audit->truncated)
        return;
    response = &call->audit->response;
    call->audit->pieces = true;
    if (response->n + json.n > OBJECT_MAX)
        truncate_object(call, response);
    else
        strbuf_add(response, json.p, json.n);
}

/* ---- the end ---- */

/* The peer has closed the connection before there was an answer. */
static void close_early(Call *call)
{
    AuditEntry *entry = call->audit;

    entry->status =
        (Status){.status = "Success", .message = "Connection closed early", .code = 200};
    entry->event.response_status = &entry->status;
    entry->started = true;
    if (entry->long_running)
        write_event(call, AUDIT_STARTED);
}

/* Makes one line of the pieces of an answer. Of one that was not finished, nothing is recorded. */
static void join_pieces(Call *call)
{
    StrBuf pieces = call->audit->response;

    call->audit->response = STRBUF_INIT;
    if (!call->audit->truncated)
        add_json(call, strbuf_bytes(&pieces), &call->audit->response);
    strbuf_deinit(&pieces);
}

void audit_end(Call *call)
{
    AuditEntry *entry = call->audit;

    if (_likely_(!entry))
        return;
    if (!entry->started)
        close_early(call);
    if (entry->pieces)
        join_pieces(call);
    write_event(call, AUDIT_COMPLETE);
    entry->user = user_unref(entry->user);
    strbuf_deinit(&entry->request);
    strbuf_deinit(&entry->response);
    call->audit = NULL;
}
