/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derives the target of a request, and the attributes for its authorization, from the method, the
 * path and the query alone.
 *
 * Every request is parsed here, once, and the routing reads the same Target afterwards. A request
 * that is authorized for one object therefore cannot be carried out on another. The rules are those
 * of kube-apiserver's RequestInfo, since roles are written for them:
 *
 *   /api/VERSION/...  /apis/GROUP/VERSION/...       with at least one segment behind: a resource
 *   [watch|proxy/] [namespaces/NS/] RESOURCE [/NAME [/SUBRESOURCE [/REST]]]
 *   everything else                                 a path, and the method in lower case
 *
 * The path is decoded before it is cut, so that an encoded slash separates segments like any other.
 */
#include "api/selector.h"
#include "base/utf8.h"
#include "server/request/call.h"

/* apis, group, version, proxy, namespaces, namespace, resource, name, subresource. */
#define SEGMENTS_MAX 9

typedef struct Segments {
    const char *v[SEGMENTS_MAX];
    const char *behind[SEGMENTS_MAX]; /* the rest of the path behind the segment and its slash */
    size_t n;
    size_t hole; /* the index of the first empty segment; SEGMENTS_MAX if none is empty */
} Segments;

static void cut(Arena *arena, const char *path, Segments *ret)
{
    size_t n = strlen(path), at, end;
    const char *whole;
    char *pieces;

    while (n && path[n - 1] == '/')
        n--;
    at = MIN_OF(strspn(path, "/"), n);
    n -= at;
    whole = arena_strndup(arena, path + at, n);
    pieces = arena_strndup(arena, path + at, n);
    ret->n = 0;
    ret->hole = SEGMENTS_MAX;
    for (at = 0; at < n && ret->n < SEGMENTS_MAX; at = end + 1) {
        end = (size_t)(strchrnul(whole + at, '/') - whole);
        pieces[end] = 0;
        ret->v[ret->n] = pieces + at;
        if (end == at && ret->hole == SEGMENTS_MAX)
            ret->hole = ret->n;
        ret->behind[ret->n++] = whole + MIN_OF(end + 1, n);
    }
}

static const char *verb_of_method(const char *method)
{
    static const struct {
        const char *method, *verb;
    } rows[] = {
        {"POST", "create"}, {"GET", "get"},     {"HEAD", "get"},
        {"PUT", "update"},  {"PATCH", "patch"}, {"DELETE", "delete"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_equal(rows[i].method, method))
            return rows[i].verb;
    return "";
}

static const char *lower(Arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);

    for (char *p = copy; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    return copy;
}

/* A list or watch that its field selector restricts to one name counts as a request for this
 * object, since roles may name it. */
static const char *selected_name(Call *call)
{
    Selector *selector = NULL;
    const char *name, *error;

    if (str_empty(call->query.field_selector) ||
        selector_parse_fields(call->arena, call->query.field_selector, &selector, &error))
        return NULL;
    name = selector_exact(selector, "metadata.name");
    if (str_empty(name) || strpbrk(name, "/%") || str_equal(name, ".") || str_equal(name, ".."))
        return NULL;
    return name;
}

/* Turns a request without a name into one for all objects of its kind. */
static void widen(Call *call, Attributes *attributes)
{
    if (str_equal(attributes->verb, "get")) {
        attributes->verb = query_true(call->query.watch) ? "watch" : "list";
        attributes->name = selected_name(call);
    } else if (str_equal(attributes->verb, "delete")) {
        attributes->verb = "deletecollection";
    }
}

/* `at` is the first segment behind the version. */
static void parse_resource(Call *call, const Segments *segments, size_t at, Target *ret)
{
    Attributes *attributes = &ret->attributes;
    const char *const *v = segments->v;
    size_t n = segments->n;

    attributes->verb = verb_of_method(call->request->method);
    if (str_equal(v[at], "watch") || str_equal(v[at], "proxy")) {
        attributes->verb = v[at++];
        ret->old_form = true;
        if (at == n)
            return;
    }
    if (str_equal(v[at], "namespaces") && n > at + 1) {
        attributes->ns = v[at + 1];
        if (n > at + 2 && !str_equal(v[at + 2], "status") && !str_equal(v[at + 2], "finalize"))
            at += 2;
    }
    attributes->resource = v[at];
    attributes->name = n > at + 1 ? v[at + 1] : NULL;
    if (n > at + 2 && !str_equal(attributes->verb, "proxy")) {
        attributes->subresource = v[at + 2];
        /* What is behind a proxy belongs to the other server. */
        ret->malformed = ret->malformed && segments->hole <= at + 2;
        ret->rest = *segments->behind[at + 2] ? segments->behind[at + 2] : NULL;
    }
    ret->named = !str_empty(attributes->name);
    if (!ret->named)
        widen(call, attributes);
}

void target_read(Call *call, Target *ret)
{
    const HttpRequest *request = call->request;
    char *decoded = http_percent_decode(call->arena, request->path, strlen(request->path));
    const char *path = utf8_clean(call->arena, decoded ? decoded : request->path);
    Segments segments;
    size_t at = 0;

    *ret = (Target){.path = path};
    cut(call->arena, path, &segments);
    ret->malformed = segments.hole < SEGMENTS_MAX;
    if (segments.n >= 3 && str_equal(segments.v[0], "api"))
        at = 1;
    else if (segments.n >= 4 && str_equal(segments.v[0], "apis"))
        at = 2;
    if (!at) {
        ret->attributes.verb = lower(call->arena, request->method);
        ret->attributes.path = path;
        ret->malformed |= !decoded;
        return;
    }
    ret->attributes.group = at == 2 ? segments.v[1] : "";
    ret->version = segments.v[at];
    parse_resource(call, &segments, at + 1, ret);
    ret->malformed |= !decoded;
}
