/* SPDX-License-Identifier: Apache-2.0 */
/* The form of responses: which one the client accepts, and objects and errors in this form. */
#include "api/object.h"
#include "base/text_map.h"
#include "base/time/clock.h"
#include "base/utf8.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"
#include "codec/yaml/yaml.h"
#include "server/audit/audit.h"
#include "server/request/observe.h"
#include "server/request/respond.h"
#include "server/request/table.h"

/* ---- what the client asked for ---- */

static void query_set(void *data, const char *name, const char *value)
{
    static const struct {
        const char *name;
        size_t offset;
    } names[] = {
        {"labelSelector", offsetof(Query, label_selector)},
        {"fieldSelector", offsetof(Query, field_selector)},
        {"resourceVersion", offsetof(Query, resource_version)},
        {"resourceVersionMatch", offsetof(Query, resource_version_match)},
        {"continue", offsetof(Query, continue_)},
        {"limit", offsetof(Query, limit)},
        {"timeoutSeconds", offsetof(Query, timeout_seconds)},
        {"includeObject", offsetof(Query, include_object)},
        {"fieldManager", offsetof(Query, field_manager)},
        {"fieldValidation", offsetof(Query, field_validation)},
        {"gracePeriodSeconds", offsetof(Query, grace_period)},
        {"propagationPolicy", offsetof(Query, propagation)},
        {"dryRun", offsetof(Query, dry_run)},
        {"force", offsetof(Query, force)},
        {"sendInitialEvents", offsetof(Query, send_initial)},
        {"allowWatchBookmarks", offsetof(Query, bookmarks)},
        {"watch", offsetof(Query, watch)},
        {"orphanDependents", offsetof(Query, orphan)},
        {"pretty", offsetof(Query, pretty)},
    };
    Call *call = data;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char **at = (const char **)((char *)&call->query + names[i].offset);

        if (!*at && strcmp(names[i].name, name) == 0) {
            *at = utf8_clean(call->arena, arena_strdup(call->arena, value));
            return;
        }
    }
}

void query_parse(Call *call)
{
    http_query_each(call->request, query_set, call);
}

bool query_true(const char *value)
{
    return value && !str_equal(value, "0") && strcasecmp(value, "false") != 0;
}

/* One clause of an Accept header, cut in place: "application/json;as=Table;v=v1;g=meta.k8s.io". */
static bool accept_clause(char *clause, unsigned forms, Accept *ret, bool *protobuf)
{
    char *at = clause, *media = strsep(&at, ";"), *parameter;
    const char *as = NULL, *group = NULL, *version = NULL;

    media += strspn(media, " \t");
    media[strcspn(media, " \t")] = 0;
    *ret = (Accept){.as_version = "v1"};
    *protobuf = false;
    while ((parameter = strsep(&at, ";"))) {
        char *value = parameter + strspn(parameter, " \t"), *name = strsep(&value, "=");

        if (!value)
            continue;
        value[strcspn(value, " \t")] = 0;
        if (str_equal(name, "as"))
            as = value;
        else if (str_equal(name, "g"))
            group = value;
        else if (str_equal(name, "v"))
            version = value;
        else if (str_equal(name, "stream") && !str_equal(value, "watch"))
            return false;
    }
    if (str_equal(media, "application/yaml") && !(forms & ACCEPT_STREAM))
        ret->type = TYPE_YAML;
    else if (str_equal(media, "application/vnd.kubernetes.protobuf"))
        *protobuf = true;
    else if (!str_equal(media, "application/json") && !str_equal(media, "*/*") &&
             !str_equal(media, "application/*"))
        return false;
    if (*protobuf)
        ret->type = TYPE_PROTOBUF;
    if (!as)
        return true;
    ret->as_version = version ? version : "v1";
    if (str_equal(group, "apidiscovery.k8s.io")) {
        ret->as = AS_DISCOVERY;
        return str_equal(as, "APIGroupDiscoveryList") && str_equal(version, "v2");
    }
    if (!str_equal(group, "meta.k8s.io") ||
        !(str_equal(version, "v1") || str_equal(version, "v1beta1")) || *protobuf)
        return false;
    ret->as = str_equal(as, "Table")                       ? AS_TABLE
              : str_equal(as, "PartialObjectMetadata")     ? AS_PARTIAL
              : str_equal(as, "PartialObjectMetadataList") ? AS_PARTIAL_LIST
                                                           : AS_OBJECT;
    return ret->as == AS_TABLE    ? (forms & ACCEPT_TABLE) != 0
           : ret->as == AS_OBJECT ? false
                                  : (forms & ACCEPT_PARTIAL) != 0;
}

bool accept_parse(const char *header, Arena *arena, unsigned forms, Accept *ret)
{
    bool protobuf, only_protobuf = false;
    char *at, *clause;
    Accept accept;

    *ret = (Accept){.as_version = "v1"};
    if (str_empty(header) || strcmp(header, "application/json") == 0 || strcmp(header, "*/*") == 0)
        return true;
    at = arena_strdup(arena, header);
    while ((clause = strsep(&at, ","))) {
        if (!accept_clause(clause, forms, &accept, &protobuf))
            continue;
        if (!protobuf) {
            *ret = accept;
            return true;
        }
        only_protobuf |= accept.as == AS_OBJECT && !(forms & ACCEPT_STREAM);
    }
    /* The JSON of an object is kept ready, so protobuf is only sent to clients that accept nothing
     * else. */
    if (only_protobuf)
        ret->type = TYPE_PROTOBUF;
    return only_protobuf;
}

void respond_not_acceptable(Call *call)
{
    audit_response_hidden(call);
    respond_status(call, &(ApiStatus){.reason = STATUS_NOT_ACCEPTABLE,
                                      .message = "only the following media types are accepted: "
                                                 "application/json, application/yaml, "
                                                 "application/vnd.kubernetes.protobuf",
                                      .kind = ""});
}

/* ---- JSON ---- */

/* Answers with a text and takes ownership of it. */
void respond_text(HttpRequest *request, int code, const char *type, StrBuf *text)
{
    size_t n = text->n;
    char *owned = strbuf_take(text);

    http_respond_shared(request, code, type, (Bytes){(const uint8_t *)owned, n}, free, owned);
}

/* The output of curl and browsers is read by people, so these clients get indented JSON unless
 * they ask for the other form. */
bool respond_wants_lines(const Call *call)
{
    static const char *const readers[] = {"curl", "Wget", "Mozilla/5.0"};
    const char *agent = http_header(call->request, "user-agent");

    if (call->query.pretty)
        return query_true(call->query.pretty);
    for (size_t i = 0; agent && i < ARRAY_LEN(readers); i++)
        if (strncmp(agent, readers[i], strlen(readers[i])) == 0)
            return true;
    return false;
}

static void respond_json_text(Call *call, int code, Bytes json)
{
    StrBuf text = STRBUF_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (respond_wants_lines(call) && json_parse(call->arena, json, &doc, &report) == 0) {
        size_t n;
        char *lines = yyjson_write(
            doc, YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_ALLOW_INVALID_UNICODE, &n);

        strbuf_add(&text, lines, n);
        free(lines);
    } else {
        strbuf_reserve(&text, json.n + 2);
        strbuf_add(&text, json.p, json.n);
    }
    strbuf_add_char(&text, '\n');
    respond_text(call->request, code, "application/json", &text);
}

/* ---- errors ---- */

static void add_retry(HttpRequest *request, const ApiStatus *status)
{
    if (status->retry_after)
        http_add_header(request, "retry-after",
                        arena_printf(&request->arena, "%d", status->retry_after));
}

void request_audit_annotation(Call *call, const char *key, const char *value)
{
    if (call && call->audit)
        string_map_put(call->arena, &call->audit_annotations, arena_strdup(call->arena, key),
                       arena_strdup(call->arena, value));
}

void respond_status(Call *call, const ApiStatus *status)
{
    StrBuf text = STRBUF_INIT;

    observe_fatal(call->request, status);
    status_json(status, &text);
    audit_response(call, strbuf_bytes(&text));
    add_retry(call->request, status);
    if (respond_wants_lines(call)) {
        respond_json_text(call, status_code(status), strbuf_bytes(&text));
        strbuf_deinit(&text);
    } else {
        strbuf_add_char(&text, '\n');
        respond_text(call->request, status_code(status), "application/json", &text);
    }
}

/* The first `most` characters of the text end here. */
static const char *end_of_runes(const char *text, size_t most, size_t *ret_runes)
{
    size_t n = 0;

    for (; *text; text++) {
        if (((unsigned char)*text & 0xc0) == 0x80) /* the byte continues a character */
            continue;
        if (n == most)
            break;
        n++;
    }
    *ret_runes = n;
    return text;
}

static void add_warning(HttpRequest *request, const char *from, const char *end)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_add_string(&text, "299 - ");
    strbuf_add_char(&text, '"');
    for (const char *p = from; p < end; p++) {
        if (*p == '"' || *p == '\\')
            strbuf_add_char(&text, '\\');
        strbuf_add_char(&text, (unsigned char)*p < ' ' ? ' ' : *p);
    }
    strbuf_add_char(&text, '"');
    http_add_header(request, "warning", text.p);
}

/* As in kube-apiserver, each text occurs once. If all of them together are too long, each is
 * truncated, and as many are sent as there is room for. */
void respond_warnings(HttpRequest *request, const Warnings *warnings)
{
    enum { ALL_RUNES = 4096, ONE_RUNES = 256 };
    TextMap once = TEXT_MAP_INIT(&request->arena), again = TEXT_MAP_INIT(&request->arena);
    size_t total = 0, most = SIZE_MAX, runes;

    for (size_t i = 0; i < warnings->n; i++)
        if (text_map_add(&once, warnings->v[i])) {
            end_of_runes(warnings->v[i], SIZE_MAX, &runes);
            total += runes;
        }
    if (total > ALL_RUNES)
        most = ONE_RUNES;
    total = 0;
    for (size_t i = 0; i < warnings->n && total < ALL_RUNES; i++)
        if (text_map_add(&again, warnings->v[i])) {
            add_warning(request, warnings->v[i], end_of_runes(warnings->v[i], most, &runes));
            total += runes;
        }
}

/* ---- objects ---- */

static void release_object(void *object)
{
    object_unref(object);
}

static void respond_yaml(Call *call, int code, Bytes json)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    DecodeReport report = {0};
    yyjson_doc *doc;

    if (NEVER(json_parse(call->arena, json, &doc, &report)))
        return;
    yaml_print(yyjson_doc_get_root(doc), &text);
    http_respond(call->request, code, "application/yaml", strbuf_bytes(&text));
}

void respond_json(Call *call, int code, Bytes json)
{
    audit_response(call, json);
    if (call->accept.type == TYPE_YAML)
        respond_yaml(call, code, json);
    else
        respond_json_text(call, code, json);
}

void respond_json_taken(Call *call, int code, StrBuf *text)
{
    if (call->accept.type == TYPE_YAML || respond_wants_lines(call)) {
        respond_json(call, code, strbuf_bytes(text));
        strbuf_deinit(text);
    } else {
        audit_response(call, strbuf_bytes(text));
        strbuf_add_char(text, '\n');
        respond_text(call->request, code, "application/json", text);
    }
}

static void respond_protobuf(Call *call, int code, Object *object)
{
    _strbuf_ StrBuf raw = STRBUF_INIT, text = STRBUF_INIT;
    ObjectMeta *meta = object_meta(object);
    const char *before = meta->resource_version;
    char revision[24];

    if (object->revision) {
        snprintf(revision, sizeof(revision), "%" PRIu64, object->revision);
        meta->resource_version = revision;
    }
    protobuf_encode(object->kind->type, object_value(object), &raw);
    meta->resource_version = before;
    protobuf_encode_envelope(object->kind->api_version, object->kind->kind, strbuf_bytes(&raw),
                             &text);
    http_respond(call->request, code, "application/vnd.kubernetes.protobuf", strbuf_bytes(&text));
}

static void respond_table(Call *call, int code, Object *object)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *metadata =
        arena_printf(call->arena, "{\"resourceVersion\":\"%" PRIu64 "\"}", object->revision);

    table_begin(&text, object->kind, call->accept.as_version, metadata, true);
    table_row(&text, object, call->query.include_object, call->accept.as_version,
              clock_wall_ns(call->server->clock));
    table_end(&text);
    respond_json(call, code, strbuf_bytes(&text));
}

void respond_object(Call *call, int code, Object *object)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (_likely_(call->accept.as == AS_OBJECT && call->accept.type == TYPE_JSON &&
                 !respond_wants_lines(call))) {
        audit_response_object(call, object);
        http_respond_shared(call->request, code, "application/json", object_json_line(object),
                            release_object, object_ref(object));
    } else if (call->accept.as == AS_TABLE) {
        respond_table(call, code, object);
    } else if (call->accept.as == AS_PARTIAL) {
        partial_object(&text, object, call->accept.as_version, true);
        respond_json(call, code, strbuf_bytes(&text));
    } else if (call->accept.type == TYPE_PROTOBUF) {
        audit_response_object(call, object);
        respond_protobuf(call, code, object);
    } else {
        respond_json(call, code, object_json(object));
    }
}
