/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of priority and fairness, which follows the objects, and its use for requests.
 *
 * The server also owns some of the objects: it makes those that every server has, brings them back, and
 * says in the status of each FlowSchema whether its priority level exists.
 */
#include "server/fair/fair.h"

#include "api/flow_bootstrap.h"
#include "base/fnv.h"
#include "base/log.h"
#include "base/vec.h"
#include "server/fair/dispatch.h"

#define PRODUCER "api-priority-and-fairness-config-producer-v1"
#define CONSUMER "api-priority-and-fairness-config-consumer-v1"
#define AUTO_UPDATE "apf.kubernetes.io/autoupdate-spec"
#define WAITING_BYTES_MAX ((size_t)32 * 1024 * 1024) /* of the bodies of requests that wait */

typedef struct Flow {
    Object *schema;
    Level *level;
    MetricSeries *dispatched, *waited;
} Flow;

typedef struct NamedLevel {
    char *name;
    Level *level;
    bool seen;
} NamedLevel;

struct Fairness {
    Server *server;
    Dispatch *dispatch;
    StoreWatch *schemas, *levels;
    VEC(Flow) flows; /* by precedence, then by name */
    VEC(NamedLevel) named;
    size_t waiting_bytes;
    Timer rebuild;
};

/* A request with its flow. */
struct CallTicket {
    Ticket ticket; /* first */
    Call *call;
    Level *level;
    uint64_t flow;
    const char *schema, *level_name;
    MetricSeries *dispatched, *waited;
    size_t bytes; /* of the body, while it waits */
    void (*run)(Call *call);
};

/* ---- objects that every server has ---- */

static void on_written(void *data _unused_, const ApiStatus *status, Object *object _unused_)
{
    if (status->reason != STATUS_OK && status->reason != STATUS_ALREADY_EXISTS &&
        status->reason != STATUS_NOT_FOUND && status->reason != STATUS_CONFLICT)
        log_limited(LOG_LEVEL_WARN, "fairness", "an object could not be written: %s",
                    str_or(status->message, "refused"));
}

static void ensure(Fairness *fairness, const FlowBootstrap *row)
{
    Object *head = store_head(fairness->server->store, row->kind, NULL, row->name);
    _object_ Object *wanted = flow_bootstrap_object(row), *copy = NULL;
    const Field *spec = row->kind->spec;
    const WriteOptions options = {.field_manager = PRODUCER};

    if (!head) {
        client_create(fairness->server->client, wanted, &options, on_written, NULL);
        return;
    }
    if (!str_equal(string_map_get(&object_meta(head)->annotations, AUTO_UPDATE), "true") ||
        type_field_equal(spec, field_at(head->value, spec), field_at(wanted->value, spec)))
        return;
    copy = object_copy(head);
    type_field_copy(spec, &copy->arena, field_at(copy->value, spec), field_at(wanted->value, spec));
    client_update(fairness->server->client, copy, &options, on_written, NULL);
}

void fairness_bootstrap(Fairness *fairness)
{
    for (size_t i = 0; i < flow_bootstrap_n; i++)
        ensure(fairness, &flow_bootstrap[i]);
}

/* ---- configuration ---- */

static Level *find_level(const Fairness *fairness, const char *name)
{
    for (size_t i = 0; i < fairness->named.n; i++)
        if (fairness->named.v[i].seen && str_equal(fairness->named.v[i].name, name))
            return fairness->named.v[i].level;
    return NULL;
}

static bool look_at_level(void *data, Object *object)
{
    Fairness *fairness = data;
    const char *name = object_meta(object)->name;
    Level *level =
        dispatch_level(fairness->dispatch, OBJECT_AS(PriorityLevelConfiguration, object));

    for (size_t i = 0; i < fairness->named.n; i++)
        if (str_equal(fairness->named.v[i].name, name)) {
            fairness->named.v[i].seen = true;
            return true;
        }
    NamedLevel named = {mem_strdup(name), level, true};

    VEC_PUSH(&fairness->named, named);
    return true;
}

static void write_dangling(Fairness *fairness, const Object *object, bool dangling)
{
    const FlowSchema *schema = OBJECT_AS(FlowSchema, object);
    const char *level = str_or(schema->spec.priority_level_configuration.name, "");
    const FlowSchemaConditionArray *conditions = &schema->status.conditions;
    const char *status = dangling ? "True" : "False";
    _object_ Object *copy = NULL;
    FlowSchemaCondition *condition = NULL;
    FlowSchemaStatus *new_status;

    for (size_t i = 0; i < conditions->n; i++)
        if (str_equal(conditions->v[i].type, "Dangling") &&
            str_equal(conditions->v[i].status, status) &&
            strstr(str_or(conditions->v[i].message, ""), level))
            return;
    copy = object_copy(object);
    new_status = &OBJECT_AS(FlowSchema, copy)->status;
    for (size_t i = 0; i < new_status->conditions.n; i++)
        if (str_equal(new_status->conditions.v[i].type, "Dangling"))
            condition = &new_status->conditions.v[i];
    if (!condition) {
        ARENA_APPEND(&copy->arena, &new_status->conditions,
                     (FlowSchemaCondition){.type = "Dangling"});
        condition = &new_status->conditions.v[new_status->conditions.n - 1];
    }
    condition->status = status;
    condition->last_transition_time = server_time(fairness->server);
    condition->reason = dangling ? "NotFound" : "Found";
    condition->message = arena_printf(
        &copy->arena,
        "This FlowSchema references the PriorityLevelConfiguration object named \"%s\" %s", level,
        dangling ? "but there is no such object" : "and it exists");
    client_update(fairness->server->client, copy,
                  &(WriteOptions){.subresource = "status", .field_manager = CONSUMER}, on_written,
                  NULL);
}

static bool look_at_schema(void *data, Object *object)
{
    Fairness *fairness = data;
    const FlowSchema *schema = OBJECT_AS(FlowSchema, object);
    const char *name = schema->spec.priority_level_configuration.name;
    Flow flow = {.level = find_level(fairness, name)};

    if (schema->metadata.deletion_timestamp.set)
        return true;
    write_dangling(fairness, object, !flow.level);
    if (!flow.level)
        return true;
    flow.schema = object_ref(object);
    flow.dispatched = METRIC_SERIES(METRIC_FLOW_DISPATCHED, name, schema->metadata.name);
    flow.waited = METRIC_SERIES(METRIC_FLOW_WAIT, name, schema->metadata.name, "true");
    VEC_PUSH(&fairness->flows, flow);
    return true;
}

static int compare_flows(const void *pa, const void *pb)
{
    const FlowSchema *a = OBJECT_AS(FlowSchema, ((const Flow *)pa)->schema);
    const FlowSchema *b = OBJECT_AS(FlowSchema, ((const Flow *)pb)->schema);

    if (a->spec.matching_precedence != b->spec.matching_precedence)
        return a->spec.matching_precedence < b->spec.matching_precedence ? -1 : 1;
    return strcmp(a->metadata.name, b->metadata.name);
}

static void forget_flows(Fairness *fairness)
{
    for (size_t i = 0; i < fairness->flows.n; i++)
        object_unref(fairness->flows.v[i].schema);
    fairness->flows.n = 0;
}

static void rebuild(Fairness *fairness)
{
    Store *store = fairness->server->store;

    for (size_t i = 0; i < fairness->named.n; i++)
        fairness->named.v[i].seen = false;
    store_list(store, &kind_priority_level_configuration, NULL, NULL, look_at_level, fairness);
    for (size_t i = 0; i < fairness->named.n; i++)
        if (!fairness->named.v[i].seen)
            dispatch_retire(fairness->named.v[i].level);
    dispatch_divide(fairness->dispatch);
    forget_flows(fairness);
    store_list(store, &kind_flow_schema, NULL, NULL, look_at_schema, fairness);
    if (fairness->flows.n > 1)
        qsort(fairness->flows.v, fairness->flows.n, sizeof(*fairness->flows.v), compare_flows);
}

static void on_rebuild(Timer *timer)
{
    rebuild(timer->data);
}

/* Many objects change at once at the start, so the configuration is read when all have. */
static void on_change(void *data, const WatchEvent *event)
{
    Fairness *fairness = data;
    const FlowBootstrap *row;

    if (event->type == WATCH_BOOKMARK)
        return;
    row = flow_bootstrap_find(event->object->kind, object_meta(event->object)->name);
    if (row && event->type != WATCH_ADDED)
        ensure(fairness, row);
    if (!fairness->rebuild.active)
        timer_start(fairness->server->clock, &fairness->rebuild, 0);
}

int fairness_new(Server *server, Fairness **ret, Err *reterr)
{
    Fairness *fairness = mem_new_type(Fairness);
    int r;

    fairness->server = server;
    fairness->dispatch = dispatch_new(server->clock);
    fairness->rebuild.on_fire = on_rebuild;
    fairness->rebuild.data = fairness;
    *ret = fairness;
    r = store_watch(server->store, &kind_flow_schema, 0, on_change, fairness, &fairness->schemas);
    if (r == 0)
        r = store_watch(server->store, &kind_priority_level_configuration, 0, on_change, fairness,
                        &fairness->levels);
    if (r)
        return err_set(reterr, 0, "cannot watch FlowSchemas");
    if (store_size(server->store, &kind_flow_schema))
        timer_start(server->clock, &fairness->rebuild, 0);
    return 0;
}

Fairness *fairness_free(Fairness *fairness)
{
    if (!fairness)
        return NULL;
    timer_stop(fairness->server->clock, &fairness->rebuild);
    store_watch_stop(fairness->schemas);
    store_watch_stop(fairness->levels);
    forget_flows(fairness);
    VEC_DEINIT(&fairness->flows);
    for (size_t i = 0; i < fairness->named.n; i++)
        free(fairness->named.v[i].name);
    VEC_DEINIT(&fairness->named);
    dispatch_free(fairness->dispatch);
    free(fairness);
    return NULL;
}

/* ---- which flow ---- */

static bool lists(const StringArray *list, const char *text)
{
    if (list->n == 1 && str_equal(list->v[0], "*"))
        return true;
    for (size_t i = 0; i < list->n; i++)
        if (str_equal(list->v[i], text))
            return true;
    return false;
}

static bool is_account(const User *user, const ServiceAccountSubject *account)
{
    static const char prefix[] = "system:serviceaccount:";
    size_t n = strlen(str_or(account->namespace, ""));
    const char *name = user->name;

    if (!str_starts_with(name, prefix))
        return false;
    name += sizeof(prefix) - 1;
    if (strncmp(name, str_or(account->namespace, ""), n) != 0 || name[n] != ':')
        return false;
    return str_equal(account->name, "*") || str_equal(account->name, name + n + 1);
}

static bool is_subject(const User *user, const FlowSubject *subject)
{
    if (subject->user && str_equal(subject->kind, "User"))
        return str_equal(subject->user->name, "*") || str_equal(subject->user->name, user->name);
    if (subject->group && str_equal(subject->kind, "Group"))
        return str_equal(subject->group->name, "*") || user_in_group(user, subject->group->name);
    return subject->service_account && str_equal(subject->kind, "ServiceAccount") &&
           is_account(user, subject->service_account);
}

static bool resource_matches(const ResourcePolicyRule *rule, const Attributes *of)
{
    char room[256];
    const char *resource = of->resource;

    if (!str_empty(of->subresource)) {
        snprintf(room, sizeof(room), "%s/%s", str_or(of->resource, ""), of->subresource);
        resource = room;
    }
    return lists(&rule->verbs, of->verb) && lists(&rule->api_groups, of->group) &&
           lists(&rule->resources, resource) &&
           (str_empty(of->ns) ? rule->cluster_scope : lists(&rule->namespaces, of->ns));
}

static bool path_matches(const char *rule, const char *path)
{
    size_t n = strlen(rule);

    if (str_equal(rule, "*") || str_equal(rule, path))
        return true;
    n -= n && rule[n - 1] == '*';
    if (strncmp(rule, path, n) != 0)
        return false;
    return (n && rule[n - 1] == '/') || path[n] == '/';
}

static bool other_matches(const NonResourcePolicyRule *rule, const Attributes *of)
{
    if (!lists(&rule->verbs, of->verb))
        return false;
    for (size_t i = 0; i < rule->non_resource_urls.n; i++)
        if (path_matches(rule->non_resource_urls.v[i], of->path))
            return true;
    return false;
}

static bool rule_matches(const PolicyRulesWithSubjects *rule, const User *user,
                         const Attributes *of)
{
    bool found = false;

    for (size_t i = 0; i < rule->subjects.n && !found; i++)
        found = is_subject(user, &rule->subjects.v[i]);
    if (!found)
        return false;
    if (of->path) {
        for (size_t i = 0; i < rule->non_resource_rules.n; i++)
            if (other_matches(&rule->non_resource_rules.v[i], of))
                return true;
        return false;
    }
    for (size_t i = 0; i < rule->resource_rules.n; i++)
        if (resource_matches(&rule->resource_rules.v[i], of))
            return true;
    return false;
}

static const Flow *flow_of(const Fairness *fairness, const User *user, const Attributes *of)
{
    for (size_t i = 0; i < fairness->flows.n; i++) {
        const FlowSchema *schema = OBJECT_AS(FlowSchema, fairness->flows.v[i].schema);

        for (size_t k = 0; k < schema->spec.rules.n; k++)
            if (rule_matches(&schema->spec.rules.v[k], user, of))
                return &fairness->flows.v[i];
    }
    return NULL;
}

static uint64_t hash_of(const FlowSchema *schema, const User *user, const Attributes *of)
{
    const FlowDistinguisherMethod *method = schema->spec.distinguisher_method;
    uint64_t hash = fnv1a(fnv1a(FNV_START, schema->metadata.name), "\n");

    if (method && str_equal(method->type, "ByUser"))
        hash = fnv1a(hash, user->name);
    else if (method)
        hash = fnv1a(hash, str_or(of->ns, ""));
    /* The low bits of FNV are poor, and they deal the first card. */
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 33;
}

void fairness_classify(Call *call)
{
    Fairness *fairness = call->server->fairness;
    const Attributes *of = &call->target.attributes;
    const Flow *flow = flow_of(fairness, call->user, of);
    const FlowSchema *schema;
    struct CallTicket *ticket;

    if (!flow) /* before the objects are there */
        return;
    schema = OBJECT_AS(FlowSchema, flow->schema);
    ticket = call->ticket = arena_new(call->arena, struct CallTicket);
    ticket->call = call;
    ticket->level = flow->level;
    ticket->flow = hash_of(schema, call->user, of);
    ticket->dispatched = flow->dispatched;
    ticket->waited = flow->waited;
    ticket->schema = arena_strdup(call->arena, schema->metadata.name);
    ticket->level_name = arena_strdup(call->arena, schema->spec.priority_level_configuration.name);
    http_add_header(call->request, "x-kubernetes-pf-flowschema-uid", schema->metadata.uid);
    http_add_header(call->request, "x-kubernetes-pf-prioritylevel-uid", level_uid(flow->level));
}

/* ---- running ---- */

static void forget_bytes(struct CallTicket *ticket)
{
    ticket->call->server->fairness->waiting_bytes -= ticket->bytes;
    ticket->bytes = 0;
}

static void run(Ticket *of)
{
    struct CallTicket *ticket = CONTAINER_OF(of, struct CallTicket, ticket);
    Call *call = ticket->call;

    metric_inc(ticket->dispatched);
    if (of->since_ns)
        metric_observe(ticket->waited,
                       (double)(clock_mono_ns(call->server->clock) - of->since_ns) / NS_PER_SEC);
    forget_bytes(ticket);
    ticket->run(call);
}

static void refuse(struct CallTicket *ticket, const char *reason)
{
    HttpRequest *request = ticket->call->request;

    metric_inc(METRIC_SERIES(METRIC_FLOW_REJECTED, ticket->level_name, ticket->schema, reason));
    http_add_header(request, "retry-after", "1");
    http_add_header(request, "x-content-type-options", "nosniff");
    http_respond(request, 429, "text/plain; charset=utf-8",
                 bytes_from_string("Too many requests, please try again later.\n"));
}

void fairness_run(Call *call, void (*then)(Call *call))
{
    Fairness *fairness = call->server->fairness;
    struct CallTicket *ticket = call->ticket;
    Bytes body = call->body;

    if (!ticket) {
        then(call);
        return;
    }
    ticket->run = then;
    ticket->ticket.run = run;
    if (fairness->waiting_bytes + body.n > WAITING_BYTES_MAX) {
        refuse(ticket, "queue-full");
        return;
    }
    if (!dispatch_run(fairness->dispatch, ticket->level, ticket->flow, &ticket->ticket)) {
        refuse(ticket, "queue-full");
        return;
    }
    if (!ticket->ticket.waits)
        return; /* the call may be gone by now, but not its arena in this turn */
    ticket->ticket.since_ns = clock_mono_ns(call->server->clock);
    if (body.n) {
        call->body = arena_bytes(call->arena, body);
        ticket->bytes = body.n;
        fairness->waiting_bytes += body.n;
    }
}

void fairness_end(Call *call)
{
    if (!call->ticket)
        return;
    forget_bytes(call->ticket);
    dispatch_end(call->server->fairness->dispatch, &call->ticket->ticket);
}
