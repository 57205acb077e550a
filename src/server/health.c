/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /livez, /readyz and /healthz with their parts, as kube-apiserver answers them. The answer is
 * "ok", or, with ?verbose and whenever a part fails, a line for each part. ?exclude=NAME leaves a
 * part out, and /readyz/NAME asks for a single one. The reason of a failure is in the log, and is
 * shown only to users who may read the path of that part. All methods are answered.
 */
#include "base/list.h"
#include "base/log.h"
#include "codec/json/json.h"
#include "server/health.h"
#include "server/request/call.h"

/* A commit on a disk that works takes milliseconds; one that takes this long will not end. */
#define STORE_PATIENCE_NS (10 * NS_PER_SEC)
#define EXCLUDED_MAX 16

/* ---- the server's own parts ---- */

static const char *check_ping(void *data _unused_)
{
    return NULL;
}

static const char *check_store(void *data)
{
    Server *server = data;

    return store_trouble(server->store, STORE_PATIENCE_NS);
}

static const char *check_start(void *data)
{
    const Server *server = data;

    return server->ready ? NULL : "the server has not finished its start, or is ending";
}

void health_start(Server *server)
{
    static const HealthPart own[] = {
        {.name = "ping", .live = true, .check = check_ping},
        {.name = "store", .check = check_store},
        {.name = "start", .check = check_start},
    };

    static_assert(ARRAY_LEN(own) == ARRAY_LEN(((Server *)0)->own_health), "room for each");
    list_init(&server->health);
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        server->own_health[i] = own[i];
        server->own_health[i].data = server;
        server_add_health(server, &server->own_health[i]);
    }
}

void server_add_health(Server *server, HealthPart *part)
{
    list_append(&server->health, &part->node);
}

void server_remove_health(HealthPart *part)
{
    list_remove(&part->node);
}

/* ---- paths ---- */

typedef struct HealthRoot {
    const char *name;
    bool all; /* includes the parts that do not matter for /livez */
} HealthRoot;

static const HealthRoot roots[] = {{"healthz", false}, {"livez", false}, {"readyz", true}};

static bool has_part(const HealthRoot *root, const HealthPart *part)
{
    return root->all || part->live;
}

void health_paths(const Server *server, StrBuf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        strbuf_printf(out, "%s\"/%s\"", i ? "," : "", roots[i].name);
        LIST_EACH(&server->health, node) {
            const HealthPart *part = CONTAINER_OF(node, HealthPart, node);

            if (has_part(&roots[i], part))
                strbuf_printf(out, ",\"/%s/%s\"", roots[i].name, part->name);
        }
    }
}

typedef struct Excluded {
    const char *v[EXCLUDED_MAX];
    bool known[EXCLUDED_MAX];
    size_t n;
} Excluded;

static void note_excluded(void *data, const char *name, const char *value)
{
    Excluded *excluded = data;

    if (!str_equal(name, "exclude") || excluded->n == EXCLUDED_MAX)
        return;
    for (size_t i = 0; i < excluded->n; i++)
        if (str_equal(excluded->v[i], value))
            return;
    excluded->v[excluded->n++] = value;
}

static bool is_excluded(Excluded *excluded, const char *name)
{
    for (size_t i = 0; i < excluded->n; i++)
        if (str_equal(excluded->v[i], name))
            return excluded->known[i] = true;
    return false;
}

static void add_unknown(const Excluded *excluded, StrBuf *out)
{
    const char *lead = "warn: some health checks cannot be excluded: no matches for ";

    for (size_t i = 0; i < excluded->n; i++) {
        if (excluded->known[i])
            continue;
        strbuf_add_string(out, lead);
        json_encode_string(out, excluded->v[i], strlen(excluded->v[i]));
        lead = ", ";
    }
    if (*lead == ',')
        strbuf_add_char(out, '\n');
}

static void answer(Call *call, int code, const StrBuf *text)
{
    http_add_header(call->request, "x-content-type-options", "nosniff");
    http_respond(call->request, code, "text/plain; charset=utf-8", strbuf_bytes(text));
}

static void answer_root(Call *call, const HealthRoot *root)
{
    Excluded excluded = {.n = 0};
    _strbuf_ StrBuf text = STRBUF_INIT;
    bool failed = false, verbose = http_query(call->request, "verbose") != NULL;

    http_query_each(call->request, note_excluded, &excluded);
    LIST_EACH(&call->server->health, node) {
        const HealthPart *part = CONTAINER_OF(node, HealthPart, node);
        const char *why;

        if (!has_part(root, part))
            continue;
        if (is_excluded(&excluded, part->name)) {
            strbuf_printf(&text, "[+]%s excluded: ok\n", part->name);
            continue;
        }
        why = part->check(part->data);
        strbuf_printf(&text, why ? "[-]%s failed: reason withheld\n" : "[+]%s ok\n", part->name);
        if (why)
            log_limited(LOG_LEVEL_WARN, "server", "%s: %s: %s", root->name, part->name, why);
        failed |= why != NULL;
    }
    add_unknown(&excluded, &text);
    if (!failed && !verbose) {
        strbuf_truncate(&text, 0);
        strbuf_add_string(&text, "ok");
    } else {
        strbuf_printf(&text, "%s check %s\n", root->name, failed ? "failed" : "passed");
    }
    answer(call, failed ? 500 : 200, &text);
}

static bool answer_part(Call *call, const HealthRoot *root, const char *name)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    LIST_EACH(&call->server->health, node) {
        const HealthPart *part = CONTAINER_OF(node, HealthPart, node);
        const char *why;

        if (!has_part(root, part) || !str_equal(part->name, name))
            continue;
        why = part->check(part->data);
        if (why)
            strbuf_printf(&text, "internal server error: %s\n", why);
        else
            strbuf_add_string(&text, "ok");
        answer(call, why ? 500 : 200, &text);
        return true;
    }
    return false;
}

bool health_answer(Call *call, const char *path)
{
    static const char *const labels[] = {"/healthz", "/livez", "/readyz"};

    static_assert(ARRAY_LEN(labels) == ARRAY_LEN(roots), "a label for each");
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        size_t n = strlen(labels[i]);

        if (strncmp(path, labels[i], n) != 0)
            continue;
        if (path[n] == 0)
            answer_root(call, &roots[i]);
        else if (path[n] != '/' || !answer_part(call, &roots[i], path + n + 1))
            return false;
        call->path_label = labels[i];
        return true;
    }
    return false;
}
