/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator sees of requests and objects: metrics with the names and labels of kube-apiserver, a
 * log line for each request at debug level, and a log line for each slow request that says what it
 * waited for. Each request starts with observe_begin and ends with observe_end.
 *
 * For most requests this costs a few clock readings, one lookup in a hash table and some additions,
 * because the series of a verb, kind and scope are looked up once and kept. All values of labels come
 * from tables of this program and never from a client, so their number is bounded.
 */
#include "api/version.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "base/time/clock.h"
#include "server/request/decode.h"
#include "server/request/observe.h"
#include "server/request/respond.h"

#define SLOW_NS (500 * NS_PER_MS)
#define BUCKETS 256
#define CODES_MAX 24

typedef enum Verb {
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_POST,
    VERB_PUT,
    VERB_PATCH,
    VERB_APPLY,
    VERB_DELETE,
    VERB_DELETECOLLECTION,
    VERB_CONNECT,
    VERB_HEAD,
    VERB_OPTIONS,
    VERB_OTHER,
} Verb;

static const char *const verb_names[] = {
    "GET",     "LIST", "WATCH",   "POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION",
    "CONNECT", "HEAD", "OPTIONS", "other"};

/* The labels under which a request is counted. */
typedef struct Labels {
    const Kind *kind; /* NULL: the request is not for a resource */
    const char
        *sub; /* a constant such as "status" or "/readyz", compared by its address; NULL: none */
    uint8_t verb;
    uint8_t scope; /* index into scope_names */
    bool dry_run;
} Labels;

static const char *const scope_names[] = {"", "cluster", "namespace", "resource"};

typedef struct Row {
    struct Row *next;
    Labels labels;
    MetricSeries *duration, *sli, *sizes,
        *long_running; /* the last three are looked up at their first use */
    struct {
        int code;
        MetricSeries *total;
    } codes[CODES_MAX]; /* a code of 0 ends the list */
} Row;

struct Observer {
    Server *server;
    Row *rows[BUCKETS];
    MetricSeries *inflight[2]; /* of requests that read, and of requests that write */
    uint64_t last_id;
    MetricCollector collector;
};

/* ---- labels and series ---- */

static Verb verb_of_method(const char *method)
{
    static const uint8_t verbs[] = {VERB_GET,    VERB_POST, VERB_PUT,    VERB_PATCH,
                                    VERB_DELETE, VERB_HEAD, VERB_OPTIONS};

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_equal(method, verb_names[verbs[i]]))
            return (Verb)verbs[i];
    return VERB_OTHER;
}

static Labels labels_of(const Call *call)
{
    const Route *route = &call->route;
    Verb verb = verb_of_method(call->request->method);
    Labels labels = {.verb = (uint8_t)verb, .sub = call->path_label};
    PatchType type;

    if (!route->kind || (route->subresource && !call->sub))
        return labels;
    labels.kind = route->kind;
    labels.sub = call->sub ? call->sub->name : NULL;
    labels.dry_run = call->query.dry_run != NULL;
    labels.scope = route->name || verb == VERB_POST ? 3 : route->ns ? 2 : 1;
    if (call->long_running && call->sub && call->sub->create)
        labels.verb = VERB_CONNECT;
    else if (verb == VERB_GET && !route->name)
        labels.verb = call->long_running ? VERB_WATCH : VERB_LIST;
    else if (verb == VERB_DELETE && !route->name)
        labels.verb = VERB_DELETECOLLECTION;
    else if (verb == VERB_PATCH &&
             patch_type_of(http_header(call->request, "content-type"), &type) == 0 &&
             type == PATCH_APPLY)
        labels.verb = VERB_APPLY;
    return labels;
}

static const char *const *texts_of(const Labels *labels, bool with_dry_run,
                                   const char *texts[static 10])
{
    const Kind *kind = labels->kind;
    size_t n = 0;

    texts[n++] = verb_names[labels->verb];
    if (with_dry_run)
        texts[n++] = labels->dry_run ? "All" : "";
    texts[n++] = kind ? kind->group : "";
    texts[n++] = kind ? kind->version : "";
    texts[n++] = kind ? kind->plural : "";
    texts[n++] = labels->sub;
    texts[n++] = scope_names[labels->scope];
    texts[n++] = "apiserver";
    return texts;
}

static MetricSeries *series_of(Metric metric, const Labels *labels, bool with_dry_run)
{
    const char *texts[10];

    return metric_series(metric, texts_of(labels, with_dry_run, texts));
}

static Row *row_of(Observer *observer, const Labels *labels)
{
    uintptr_t hash = (uintptr_t)labels->kind / sizeof(Kind) * 31 + (uintptr_t)labels->sub * 7 +
                     labels->verb * 5u + labels->scope * 3u + labels->dry_run;
    Row **at = &observer->rows[(hash ^ hash >> 8) % BUCKETS];

    for (Row *row = *at; row; row = row->next)
        if (row->labels.kind == labels->kind && row->labels.sub == labels->sub &&
            row->labels.verb == labels->verb && row->labels.scope == labels->scope &&
            row->labels.dry_run == labels->dry_run)
            return row;
    Row *row = mem_new_type(Row);

    row->labels = *labels;
    row->duration = series_of(METRIC_REQUEST_DURATION, labels, true);
    row->next = *at;
    *at = row;
    return row;
}

static MetricSeries *total_of(Row *row, int code)
{
    const char *texts[10];
    char text[16];
    size_t i = 0;

    while (i < CODES_MAX - 1 && row->codes[i].code && row->codes[i].code != code)
        i++;
    if (_likely_(row->codes[i].total && row->codes[i].code == code))
        return row->codes[i].total;
    snprintf(text, sizeof(text), "%d", code);
    texts_of(&row->labels, true, texts);
    texts[8] = text;
    row->codes[i].code = code;
    row->codes[i].total = metric_series(METRIC_REQUEST_TOTAL, texts);
    return row->codes[i].total;
}

/* ---- the steps of a request ---- */

static bool changes_something(const Call *call)
{
    const char *method = call->request->method;

    return method[0] == 'P' || method[0] == 'D';
}

void observe_begin(Call *call)
{
    error_trace_forget();
    call->times.began = clock_mono_ns(call->server->clock);
    metric_inc(call->server->observer->inflight[changes_something(call)]);
}

void observe_body(Call *call)
{
    error_trace_forget();
    call->times.body = clock_mono_ns(call->server->clock);
}

void observe_handled(Call *call)
{
    call->times.handled = clock_mono_ns(call->server->clock);
}

void observe_stored(Call *call)
{
    StoreTimes times = store_commit_times(call->server->store);

    call->times.committing = times.began_ns;
    call->times.committed = times.ended_ns;
    call->times.stored = clock_mono_ns(call->server->clock);
}

void observe_long_running(Call *call)
{
    Observer *observer = call->server->observer;
    Labels labels;
    Row *row;

    call->long_running = observer->inflight[0]; /* labels_of only checks whether it is set */
    labels = labels_of(call);
    row = row_of(observer, &labels);
    if (!row->long_running)
        row->long_running = series_of(METRIC_LONGRUNNING, &labels, false);
    call->long_running = row->long_running;
    metric_inc(call->long_running);
    metric_add(observer->inflight[changes_something(call)], -1);
}

/* ---- log lines ---- */

typedef struct Phase {
    const char *name, *field;
    int64_t ns;
} Phase;

enum { PHASES = 6 };

/* Fills in how long each phase of the request took, and returns the longest one. */
static const Phase *find_phases(const CallTimes *times, int64_t end, Phase phases[static PHASES])
{
    int64_t at = times->began, stored = times->stored ? times->stored : times->handled;
    const struct {
        const char *name, *field;
        int64_t until;
    } steps[PHASES] = {
        {"the client's body", "body_ms", times->body},
        {"decoding and checks", "handle_ms", times->handled},
        {"the queue of commits", "queue_ms", times->committing},
        {"the disk", "commit_ms", times->committed},
        {"the loop", "deliver_ms", stored},
        {"the client's reading", "send_ms", end},
    };
    const Phase *longest = &phases[0];

    for (size_t i = 0; i < PHASES; i++) {
        int64_t until = steps[i].until;

        phases[i] = (Phase){steps[i].name, steps[i].field, until > at ? until - at : 0};
        at = MAX_OF(at, until);
        if (phases[i].ns > longest->ns)
            longest = &phases[i];
    }
    return longest;
}

static void log_request(Call *call, const Labels *labels, LogLevel level, int code, int64_t end,
                        uint64_t left_out)
{
    const HttpRequest *request = call->request;
    Phase phases[PHASES];
    const Phase *longest = find_phases(&call->times, end, phases);
    LogField fields[12 + PHASES] = {
        LOG_NUMBER("id", ++call->server->observer->last_id),
        LOG_TEXT("verb", verb_names[labels->verb]),
        LOG_TEXT("path", request->path),
        LOG_TEXT("user", call->user ? call->user->name : NULL),
        LOG_TEXT("from", request->peer ? request->peer->address : NULL),
        LOG_NUMBER("status", code),
        LOG_NUMBER("bytes", http_answer_bytes(request)),
        LOG_MS("ms", end - call->times.began),
    };
    size_t n = 8;

    if (request->failed)
        fields[n++] = LOG_TEXT("aborted", "true");
    if (level == LOG_LEVEL_DEBUG) {
        log_write_fields(level, "request", fields, n, "answered");
        return;
    }
    for (size_t i = 0; i < PHASES; i++)
        if (phases[i].ns >= NS_PER_MS)
            fields[n++] = LOG_MS(phases[i].field, phases[i].ns);
    if (left_out)
        fields[n++] = LOG_NUMBER("left_out", left_out);
    log_write_fields(level, "request", fields, n, "slow: it waited for %s", longest->name);
}

static void log_slow(Call *call, const Labels *labels, int code, int64_t end)
{
    static LogLimit limit;
    uint64_t left_out;

    if (log_enabled(LOG_LEVEL_WARN) && log_limit_take(&limit, end, &left_out))
        log_request(call, labels, LOG_LEVEL_WARN, code, end, left_out);
}

void observe_end(Call *call)
{
    Observer *observer = call->server->observer;
    Labels labels = labels_of(call);
    int code = http_answer_status(call->request);
    int64_t end = clock_mono_ns(call->server->clock), took = end - call->times.began;
    Row *row = row_of(observer, &labels);

    metric_inc(total_of(row, code));
    metric_observe_ns(row->duration, took);
    if (call->long_running) {
        metric_add(call->long_running, -1);
    } else {
        metric_add(observer->inflight[changes_something(call)], -1);
        if (_unlikely_(!row->sli)) {
            row->sli = series_of(METRIC_REQUEST_SLI_DURATION, &labels, false);
            row->sizes = series_of(METRIC_RESPONSE_SIZES, &labels, false);
        }
        metric_observe_ns(row->sli, took);
        metric_observe(row->sizes, (double)http_answer_bytes(call->request));
    }
    if (log_enabled(LOG_LEVEL_DEBUG))
        log_request(call, &labels, LOG_LEVEL_DEBUG, code, end, 0);
    if (_unlikely_(took >= SLOW_NS) && !call->long_running)
        log_slow(call, &labels, code, end);
}

void observe_fatal(const HttpRequest *request, const ApiStatus *status)
{
    static LogLimit limit;
    Err err = ERR_INIT;

    if (_likely_(status_code(status) != 500))
        return;
    error_trace_take(err.trace, sizeof(err.trace));
    snprintf(err.message, sizeof(err.message), "%s", str_or(status->message, ""));
    log_err_limited(&limit, LOG_LEVEL_ERROR, "request", &err, "%s %s failed", request->method,
                    request->path);
}

void observe_bad_request(const HttpPeer *peer, int code, const char *text)
{
    char label[16];

    snprintf(label, sizeof(label), "%d", code);
    metric_inc(METRIC_SERIES(METRIC_BAD_REQUESTS, label));
    log_limited(LOG_LEVEL_INFO, "request", "refused before it had a meaning: %d %s, from %s", code,
                text, str_or(peer->address, "an unknown address"));
}

/* ---- objects ---- */

void observe_watch_event(Call *call)
{
    const Kind *kind = call->route.kind;

    if (_unlikely_(!call->events))
        call->events = METRIC_SERIES(METRIC_WATCH_EVENTS, kind->group, kind->version, kind->plural);
    metric_inc(call->events);
}

static void collect(void *data)
{
    Observer *observer = data;

    KIND_EACH(kind) {
        double n;
        char name[256];

        if (str_empty(kind->plural) || !kind_is_stored(kind))
            continue;
        n = (double)store_size(observer->server->store, kind);
        snprintf(name, sizeof(name), "%s%s%s", kind->plural, *kind->group ? "." : "", kind->group);
        metric_set(METRIC_SERIES(METRIC_STORAGE_OBJECTS, name), n);
        metric_set(METRIC_SERIES(METRIC_RESOURCE_OBJECTS, kind->group, kind->plural), n);
    }
    metric_set(metric_single(METRIC_STORE_REVISION),
               (double)store_revision(observer->server->store));
    metric_set(METRIC_SERIES(METRIC_BUILD_INFO, "1", API_MINOR, API_GIT_VERSION), 1);
}

void answer_metrics(Call *call)
{
    StrBuf text = STRBUF_INIT;

    metrics_print(&text);
    respond_text(call->request, 200, METRICS_TEXT_TYPE, &text);
}

/* ---- life ---- */

Observer *observer_new(Server *server)
{
    Observer *observer = mem_new_type(Observer);

    observer->server = server;
    observer->inflight[false] = METRIC_SERIES(METRIC_INFLIGHT, "readOnly");
    observer->inflight[true] = METRIC_SERIES(METRIC_INFLIGHT, "mutating");
    observer->collector.collect = collect;
    observer->collector.data = observer;
    metrics_collector_add(&observer->collector);
    return observer;
}

Observer *observer_free(Observer *observer)
{
    if (!observer)
        return NULL;
    metrics_collector_remove(&observer->collector);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (Row *row = observer->rows[i], *next; row; row = next) {
            next = row->next;
            free(row);
        }
    }
    free(observer);
    return NULL;
}
