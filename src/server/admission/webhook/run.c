/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking webhooks. A HookRun is one step of a write: all mutating webhooks in order, or all validating ones
 * at once. It holds references to the configurations as they were at its start.
 *
 * At most RUNNING_MAX questions are under way; others wait in order. The time limit of a question counts
 * from the moment when it is due, so a write waits no longer for a webhook that is dead, however many
 * others wait for the same one.
 */
#include <uv.h>

#include "api/object.h"
#include "api/schema/core_reference_v1.h"
#include "api/schema/core_service_v1.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "base/time/clock.h"
#include "base/vec.h"
#include "http/client/fetch.h"
#include "server/admission/webhook/webhook.h"

#define RUNNING_MAX 256
#define TLS_MAX 128
#define ANSWER_MAX ((size_t)4 * 1024 * 1024)
#define DEFAULT_SECONDS 10

struct Hooks {
    Server *server;
    ListNode runs;    /* of HookRun */
    ListNode waiting; /* of HookCall */
    size_t running;
    StrMap tls; /* from certificates of authorities to contexts */
};

/* A question to one webhook. */
typedef struct HookCall {
    ListNode node; /* of hooks->waiting, while it waits */
    HookRun *run;
    Object *configuration;
    size_t index; /* of the webhook in it */
    bool waits, invoked;
    int64_t due; /* monotonic */
    Fetch *fetch;
    Arena arena; /* of the answer */
    char uid[37];
    const char *url;
} HookCall;

struct HookRun {
    ListNode node; /* of hooks->runs */
    Hooks *hooks;
    Write *write;
    HookOperation operation;
    bool mutating, starting;
    VEC(HookCall *) calls;
    size_t next; /* mutating: the call to make next */
    size_t open; /* calls that have not been answered */
    bool again;  /* the second round of the mutating ones */
    size_t last_change;
    bool changed;
    int r; /* the reason of the first refusal */
    void (*then)(Write *write, int r);
};

static HookView view_of(const HookCall *call)
{
    return hook_view(call->configuration->kind, call->configuration->value, call->index);
}

/* ---- life ---- */

Hooks *hooks_new(Server *server)
{
    Hooks *hooks = mem_new_type(Hooks);

    hooks->server = server;
    list_init(&hooks->runs);
    list_init(&hooks->waiting);
    return hooks;
}

static void drop_tls(Hooks *hooks)
{
    STRMAP_DEINIT_WITH(&hooks->tls, http_tls_free);
    hooks->tls = (StrMap){0};
}

static void call_stop(HookCall *call)
{
    Hooks *hooks = call->run->hooks;

    if (call->fetch) {
        call->fetch = fetch_cancel(call->fetch);
        hooks->running--;
    }
    if (call->waits)
        list_remove(&call->node);
    call->waits = false;
}

static void run_free(HookRun *run)
{
    for (size_t i = 0; i < run->calls.n; i++) {
        HookCall *call = run->calls.v[i];

        call_stop(call);
        object_unref(call->configuration);
        arena_clear(&call->arena);
        free(call);
    }
    VEC_DEINIT(&run->calls);
    list_remove(&run->node);
    free(run);
}

void hooks_abandon(Write *write)
{
    if (!write->run)
        return;
    run_free(write->run);
    write->run = NULL;
    write_finish(write);
}

Hooks *hooks_free(Hooks *hooks)
{
    if (!hooks)
        return NULL;
    LIST_EACH_SAFE(&hooks->runs, node) {
        Write *write = CONTAINER_OF(node, HookRun, node)->write;

        write->server = NULL;
        hooks_abandon(write);
    }
    drop_tls(hooks);
    free(hooks);
    return NULL;
}

bool hooks_exist(const Server *server)
{
    return store_size(server->store, &kind_validating_webhook_configuration) ||
           store_size(server->store, &kind_mutating_webhook_configuration);
}

/* ---- the end of a run ---- */

static void run_end(HookRun *run, int r)
{
    Write *write = run->write;
    void (*then)(Write *, int) = run->then;

    run_free(run);
    write->run = NULL;
    then(write, r);
}

static int refuse(HookRun *run, const HookView *hook, const HookAnswer *answer)
{
    Write *write = run->write;
    Arena *arena = &write->arena;
    const char *why = "without explanation", *colon = "";

    if (!str_empty(answer->message) || !str_empty(answer->reason)) {
        why = !str_empty(answer->message) ? answer->message : answer->reason;
        colon = ":";
    }
    write->status = (ApiStatus){
        .reason = STATUS_BAD_REQUEST,
        .code = answer->code < 400 ? 400 : answer->code,
        .reason_text = arena_strdup(arena, str_or(answer->reason, "")),
        .message = arena_printf(arena, "admission webhook \"%s\" denied the request%s %s",
                                hook->name, colon, why),
        .kind = ""};
    return write->status.reason;
}

static void annotate(HookRun *run, const HookView *hook, const HookAnswer *answer)
{
    Write *write = run->write;

    for (size_t i = 0; write->call && i < answer->annotations.n; i++)
        request_audit_annotation(
            write->call,
            arena_printf(&write->arena, "%s/%s", hook->name, answer->annotations.v[i].key),
            answer->annotations.v[i].value);
    for (size_t i = 0; i < answer->warnings.n; i++)
        write_warn(write, answer->warnings.v[i]);
}

static void advance(HookRun *run);

/* The webhook could not be asked. */
static int fail(HookCall *call, const HookView *hook, const char *why)
{
    Write *write = call->run->write;

    log_limited(LOG_LEVEL_WARN, "admission", "failed calling webhook \"%s\": %s", hook->name, why);
    if (str_equal(hook->failure_policy, "Ignore"))
        return 0;
    return status_set(&write->status, &write->arena, STATUS_INTERNAL_ERROR,
                      "Internal error occurred: failed calling webhook \"%s\": %s", hook->name,
                      why);
}

/* Goes on after a call, which ended in r. */
static void call_ended(HookCall *call, int r)
{
    HookRun *run = call->run;

    run->open--;
    if (!run->r)
        run->r = r;
    if (!run->starting)
        advance(run);
}

static int use_answer(HookCall *call, const HookView *hook, const HookAnswer *answer)
{
    HookRun *run = call->run;
    bool changed = false;
    int r;

    annotate(run, hook, answer);
    if (!answer->allowed)
        return refuse(run, hook, answer);
    if (!answer->patch)
        return 0;
    r = review_apply(run->write, hook->name, answer->patch, &changed);
    if (changed) {
        run->changed = true;
        run->last_change = run->again ? run->last_change : run->next;
        run->write->mutated = true;
    }
    return r;
}

/* ---- the call ---- */

static void start_waiting(Hooks *hooks);

static const char *fault_of_status(Arena *arena, const FetchAnswer *got)
{
    if (got->status >= 200 && got->status <= 299)
        return NULL;
    if (got->status == 404)
        return "failed to call webhook: the server could not find the requested resource";
    if (got->status >= 500)
        return arena_printf(arena,
                            "failed to call webhook: an error on the server (\"%.*s\") has "
                            "prevented the request from succeeding",
                            (int)MIN_OF(got->body.n, (size_t)200), (const char *)got->body.p);
    return arena_printf(arena,
                        "failed to call webhook: the server rejected our request for an unknown "
                        "reason (status %d)",
                        got->status);
}

static void on_answer(void *data, const FetchAnswer *got)
{
    HookCall *call = data;
    Hooks *hooks = call->run->hooks;
    HookView hook = view_of(call);
    HookAnswer answer = {0};
    const char *fault;
    int r;

    call->fetch = NULL;
    hooks->running--;
    if (got->error)
        fault = arena_printf(&call->arena, "failed to call webhook: %s", got->error);
    else
        fault = fault_of_status(&call->arena, got);
    if (!fault)
        fault = review_read(&call->arena, got->body, call->uid, review_version(&hook),
                            call->run->mutating, &answer);
    r = fault ? fail(call, &hook, fault) : use_answer(call, &hook, &answer);
    call_ended(call, r);
    start_waiting(hooks);
}

static struct ssl_ctx_st *tls_of(Hooks *hooks, const HookView *hook, Err *reterr)
{
    Bytes ca = hook->client->ca_bundle;
    _free_ char *key = ca.n ? mem_strndup((const char *)ca.p, ca.n) : mem_strdup("");
    struct ssl_ctx_st *tls = strmap_get(&hooks->tls, key);

    if (tls)
        return tls;
    if (hooks->tls.n >= TLS_MAX && !hooks->running)
        drop_tls(hooks);
    if (http_tls_trusting(*key ? key : NULL, false, NULL, NULL, &tls, reterr) < 0)
        return NULL;
    strmap_put(&hooks->tls, key, tls);
    return tls;
}

/* ---- where it is ---- */

static bool pick(Hooks *hooks, const Endpoints *endpoints, const char *port, FetchRequest *ret)
{
    for (size_t i = 0; i < endpoints->subsets.n; i++) {
        const EndpointSubset *subset = &endpoints->subsets.v[i];
        size_t n = subset->addresses.n;

        for (size_t k = 0; n && k < subset->ports.n; k++) {
            if (!str_equal(str_or(subset->ports.v[k].name, ""), port))
                continue;
            ret->address = subset->addresses.v[random_below(hooks->server->random, n)].ip;
            ret->port = (uint16_t)subset->ports.v[k].port;
            return true;
        }
    }
    return false;
}

/* Returns NULL, or why the Service cannot be called. */
static const char *locate(HookCall *call, const AdmissionServiceReference *reference,
                          FetchRequest *ret)
{
    Store *store = call->run->hooks->server->store;
    const char *ns = str_or(reference->namespace, ""), *name = str_or(reference->name, "");
    int32_t number = reference->port ? *reference->port : 443;
    Object *service = store_get(store, &kind_service, ns, name);
    Object *endpoints = store_get(store, &kind_endpoints, ns, name);
    const char *port = NULL;

    ret->server_name = arena_printf(&call->arena, "%s.%s.svc", name, ns);
    if (!service)
        return arena_printf(&call->arena, "service \"%s\" not found", name);
    for (size_t i = 0; i < OBJECT_AS(Service, service)->spec.ports.n; i++)
        if (OBJECT_AS(Service, service)->spec.ports.v[i].port == number)
            port = str_or(OBJECT_AS(Service, service)->spec.ports.v[i].name, "");
    if (!port)
        return arena_printf(&call->arena, "no service port %d found for service \"%s\"", number,
                            name);
    if (!endpoints || !pick(call->run->hooks, OBJECT_AS(Endpoints, endpoints), port, ret))
        return arena_printf(&call->arena, "no endpoints available for service \"%s\"", name);
    ret->address = arena_strdup(&call->arena, ret->address);
    return NULL;
}

static const char *prepare(HookCall *call, const HookView *hook, FetchRequest *ret)
{
    const AdmissionServiceReference *service = hook->client->service;
    int32_t seconds = hook->timeout_seconds ? *hook->timeout_seconds : DEFAULT_SECONDS;
    const char *fault = NULL, *path;
    Err err = ERR_INIT;

    if (service) {
        path = str_or(service->path, "");
        path += *path == '/';
        fault = locate(call, service, ret);
        ret->url = arena_printf(&call->arena, "https://%s.%s.svc:%d/%s?timeout=%ds",
                                str_or(service->name, ""), str_or(service->namespace, ""),
                                service->port ? *service->port : 443, path, seconds);
    } else {
        ret->url =
            arena_printf(&call->arena, "%s?timeout=%ds", str_or(hook->client->url, ""), seconds);
    }
    if (fault)
        return arena_printf(&call->arena, "failed to call webhook: Post \"%s\": %s", ret->url,
                            fault);
    ret->tls = tls_of(call->run->hooks, hook, &err);
    if (!ret->tls) {
        fault = arena_printf(&call->arena, "could not get REST client: %s", err.message);
        return fault;
    }
    return NULL;
}

static void send_review(HookCall *call)
{
    static const HttpHeader headers[] = {{"Content-Type", "application/json"},
                                         {"Accept", "application/json, */*"},
                                         {"User-Agent", "kube-apiserver-admission"}};
    Hooks *hooks = call->run->hooks;
    int64_t left = call->due - (int64_t)uv_hrtime();
    HookView hook = view_of(call);
    _strbuf_ StrBuf body = STRBUF_INIT;
    FetchRequest request = {.method = "POST",
                            .headers = headers,
                            .n_headers = ARRAY_LEN(headers),
                            .timeout_ns = MAX_OF(left, INT64_C(1)),
                            .body_limit = ANSWER_MAX};
    const char *fault = prepare(call, &hook, &request);

    if (fault) {
        call_ended(call, fail(call, &hook, fault));
        return;
    }
    random_uuid(hooks->server->random, call->uid);
    review_print(call->run->write, &hook, call->run->operation, call->uid, &body);
    request.body = strbuf_bytes(&body);
    hooks->running++;
    call->fetch = fetch_start(hooks->server->loop, &request, on_answer, call);
}

static void start_waiting(Hooks *hooks)
{
    while (hooks->running < RUNNING_MAX && !list_empty(&hooks->waiting)) {
        HookCall *call = CONTAINER_OF(hooks->waiting.next, HookCall, node);

        list_remove(&call->node);
        call->waits = false;
        send_review(call);
    }
}

static bool has_effects(const HookView *hook)
{
    return !str_equal(hook->side_effects, "None") && !str_equal(hook->side_effects, "NoneOnDryRun");
}

/* Begins a call that matches. */
static void call_start(HookCall *call)
{
    HookRun *run = call->run;
    HookView hook = view_of(call);
    int32_t seconds = hook.timeout_seconds ? *hook.timeout_seconds : DEFAULT_SECONDS;

    call->invoked = true;
    run->open++;
    run->write->waited = true;
    call->due = (int64_t)uv_hrtime() + seconds * NS_PER_SEC;
    if (run->write->dry_run && has_effects(&hook)) {
        call_ended(call,
                   status_set(&run->write->status, &run->write->arena, STATUS_BAD_REQUEST,
                              "admission webhook \"%s\" does not support dry run", hook.name));
    } else if (run->hooks->running < RUNNING_MAX) {
        send_review(call);
    } else {
        call->waits = true;
        list_append(&run->hooks->waiting, &call->node);
    }
}

/* ---- the order ---- */

/* Whether the next mutating webhook is asked in this round. */
static bool is_due(const HookRun *run, const HookCall *call)
{
    _arena_ Arena arena = ARENA_INIT;
    HookView hook = view_of(call);

    if (run->again)
        return call->invoked && str_equal(hook.reinvocation_policy, "IfNeeded") &&
               run->next < run->last_change;
    return hook_matches(&hook, run->write, run->operation, &arena);
}

/* The next mutating webhook to ask; NULL: all have answered. Of two rounds, the second one asks those that
 * came before the last change. */
static HookCall *next_call(HookRun *run)
{
    for (;;) {
        HookCall *call;

        if (run->next == run->calls.n) {
            if (run->again || !run->changed)
                return NULL;
            run->again = true;
            run->next = 0;
        }
        call = run->calls.v[run->next++];
        if (is_due(run, call))
            return call;
    }
}

/* Goes on when no question is open, or ends the run. */
static void advance(HookRun *run)
{
    while (!run->r && !run->open && run->mutating) {
        HookCall *call = next_call(run);

        if (!call)
            break;
        run->starting = true;
        call_start(call);
        run->starting = false;
    }
    if (run->r || !run->open)
        run_end(run, run->r);
}

static bool each_configuration(void *data, Object *object)
{
    HookRun *run = data;
    size_t n = hook_count(object->kind, object_value(object));

    for (size_t i = 0; i < n; i++) {
        HookView hook = hook_view(object->kind, object->value, i);
        _arena_ Arena arena = ARENA_INIT;
        HookCall *call;

        /* What a mutating one is asked depends on the answers of those before it, which may add labels. */
        if (!run->mutating && !hook_matches(&hook, run->write, run->operation, &arena))
            continue;
        call = mem_new_type(HookCall);
        call->run = run;
        call->configuration = object_ref(object);
        call->index = i;
        VEC_PUSH(&run->calls, call);
    }
    return true;
}

static void ask(Write *write, HookOperation operation, bool mutating,
                void (*then)(Write *write, int r))
{
    const Kind *kind =
        mutating ? &kind_mutating_webhook_configuration : &kind_validating_webhook_configuration;
    Hooks *hooks = write->server->hooks;
    HookRun *run;

    if (!hooks || write->unhooked || !store_size(write->server->store, kind) ||
        str_equal(write->kind->group, kind->group)) {
        then(write, 0);
        return;
    }
    run = mem_new_type(HookRun);
    run->hooks = hooks;
    run->write = write;
    run->operation = operation;
    run->mutating = mutating;
    run->then = then;
    run->starting = true;
    list_append(&hooks->runs, &run->node);
    store_list(write->server->store, kind, NULL, NULL, each_configuration, run);
    write->run = run;
    if (run->calls.n && write->object && write->object->refs > 1) {
        Object *own = object_copy(write->object);

        object_unref(write->object);
        write->object = own;
    }
    for (size_t i = 0; !mutating && !run->r && i < run->calls.n; i++)
        call_start(run->calls.v[i]);
    run->starting = false;
    advance(run);
}

void hooks_mutate(Write *write, HookOperation operation, void (*then)(Write *write, int r))
{
    ask(write, operation, true, then);
}

void hooks_validate(Write *write, HookOperation operation, void (*then)(Write *write, int r))
{
    ask(write, operation, false, then);
}
