/* SPDX-License-Identifier: Apache-2.0 */
#include "api/schema/meta_v1.h"
#include "api/status.h"

#include "base/utf8.h"
#include "codec/json/json.h"

/* clang-format off */
static const StatusReasonInfo reasons[] = {
    {STATUS_OK,                     200, ""},
    {STATUS_BAD_REQUEST,            400, "BadRequest"},
    {STATUS_UNAUTHORIZED,           401, "Unauthorized"},
    {STATUS_FORBIDDEN,              403, "Forbidden"},
    {STATUS_NOT_FOUND,              404, "NotFound"},
    {STATUS_METHOD_NOT_ALLOWED,     405, "MethodNotAllowed"},
    {STATUS_NOT_ACCEPTABLE,         406, "NotAcceptable"},
    {STATUS_ALREADY_EXISTS,         409, "AlreadyExists"},
    {STATUS_CONFLICT,               409, "Conflict"},
    {STATUS_GONE,                   410, "Gone"},
    {STATUS_EXPIRED,                410, "Expired"},
    {STATUS_TOO_LARGE,              413, "RequestEntityTooLarge"},
    {STATUS_UNSUPPORTED_MEDIA_TYPE, 415, "UnsupportedMediaType"},
    {STATUS_INVALID,                422, "Invalid"},
    {STATUS_TOO_MANY_REQUESTS,      429, "TooManyRequests"},
    {STATUS_INTERNAL_ERROR,         500, "InternalError"},
    {STATUS_UNAVAILABLE,            503, "ServiceUnavailable"},
    {STATUS_TIMEOUT,                504, "Timeout"},
    {STATUS_NO_SPACE,               507, "InsufficientStorage"},
    {STATUS_UNKNOWN,                500, ""},
};
static_assert(ARRAY_LEN(reasons) == _STATUS_MAX, "every reason has its row");

static const struct {
    const char *name;   /* as details.causes[].reason */
    const char *text;   /* how the message begins */
} causes_table[] = {
    [CAUSE_REQUIRED]                   = {"FieldValueRequired", "Required value"},
    [CAUSE_INVALID]                    = {"FieldValueInvalid", "Invalid value"},
    [CAUSE_DUPLICATE]                  = {"FieldValueDuplicate", "Duplicate value"},
    [CAUSE_NOT_SUPPORTED]              = {"FieldValueNotSupported", "Unsupported value"},
    [CAUSE_FORBIDDEN]                  = {"FieldValueForbidden", "Forbidden"},
    [CAUSE_TOO_LONG]                   = {"FieldValueTooLong", "Too long"},
    [CAUSE_TOO_MANY]                   = {"FieldValueTooMany", "Too many"},
    [CAUSE_NOT_FOUND]                  = {"FieldValueNotFound", "Not found"},
    [CAUSE_TYPE_INVALID]               = {"FieldValueTypeInvalid", "Invalid value"},
    [CAUSE_INTERNAL]                   = {"InternalError", "Internal error"},
    [CAUSE_CONFLICT]                   = {"FieldManagerConflict", "conflict"},
    [CAUSE_RESOURCE_VERSION_TOO_LARGE] = {"ResourceVersionTooLarge", "Too large resource version"},
    [CAUSE_NAMESPACE_TERMINATING]      = {"NamespaceTerminating", "namespace is being terminated"},
    [CAUSE_DISRUPTION_BUDGET]          = {"DisruptionBudget", ""},
    [CAUSE_NODE_CAPACITY]              = {"NodeCapacity", ""},
    [CAUSE_UNSUPPORTED_PLATFORM]       = {"UnsupportedPlatform", ""},
};
static_assert(ARRAY_LEN(causes_table) == _CAUSE_MAX, "every cause has its row");
/* clang-format on */

const StatusReasonInfo *status_reason_info(StatusReason reason)
{
    ASSERT(reason < _STATUS_MAX);
    return &reasons[reason];
}

void causes_add(Causes *causes, CauseType type, const char *field, const char *bad,
                const char *detail)
{
    Cause cause = {.type = type};

    if (causes_full(causes)) {
        causes->left_out++;
        return;
    }
    cause.field = arena_strdup(causes->arena, field);
    cause.message =
        arena_printf(causes->arena, "%s%s%s%s%s", causes_table[type].text, bad ? ": " : "",
                     bad ? bad : "", str_empty(detail) ? "" : ": ", detail ? detail : "");
    causes->text += strlen(str_or(cause.field, "")) + strlen(cause.message);
    ARENA_PUSH(causes->arena, causes, cause);
}

void causes_required(Causes *causes, const char *field, const char *detail)
{
    causes_add(causes, CAUSE_REQUIRED, field, NULL, detail);
}

/* Characters beyond ASCII that Go does not print: spaces and marks that cannot be seen, and those of private use. */
static bool is_unprintable(uint32_t c)
{
    return c <= 0xa0 || c == 0xad || c == 0x1680 || (c >= 0x2000 && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202f) || (c >= 0x205f && c <= 0x206f) || c == 0x3000 ||
           (c >= 0xe000 && c <= 0xf8ff) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb);
}

/* Adds the character at `s` that begins with a byte above ASCII, and returns its length. */
static size_t quote_character(StrBuf *out, const char *s)
{
    uint32_t c;
    size_t n = utf8_decode((const uint8_t *)s, strnlen(s, 4), &c);

    if (is_unprintable(c))
        strbuf_printf(out, "\\u%04x", c);
    else
        strbuf_add(out, s, n);
    return n;
}

const char *causes_quote(Causes *causes, const char *s)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (causes_full(causes))
        return "";
    strbuf_add_char(&text, '"');
    for (const char *at = s ? s : ""; *at; at++) {
        unsigned char c = (unsigned char)*at;

        if (c == '"' || c == '\\')
            strbuf_printf(&text, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            strbuf_printf(&text, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else if (c < 0x20 || c == 0x7f)
            strbuf_printf(&text, "\\x%02x", c);
        else if (c >= 0x80)
            at += quote_character(&text, at) - 1;
        else
            strbuf_add_char(&text, (char)c);
    }
    strbuf_add_char(&text, '"');
    return arena_strndup(causes->arena, text.p, text.n);
}

void causes_invalid_string(Causes *causes, const char *field, const char *bad, const char *detail)
{
    causes_add(causes, CAUSE_INVALID, field, causes_quote(causes, bad), detail);
}

void causes_invalid_int(Causes *causes, const char *field, int64_t bad, const char *detail)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, bad);
    causes_add(causes, CAUSE_INVALID, field, text, detail);
}

void causes_forbidden(Causes *causes, const char *field, const char *detail)
{
    causes_add(causes, CAUSE_FORBIDDEN, field, NULL, detail);
}

void causes_not_supported(Causes *causes, const char *field, const char *bad,
                          const char *const *supported)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (supported && *supported && !causes_full(causes)) {
        strbuf_add_string(&text, "supported values: ");
        for (size_t i = 0; supported[i]; i++)
            strbuf_printf(&text, "%s\"%s\"", i ? ", " : "", supported[i]);
    }
    causes_add(causes, CAUSE_NOT_SUPPORTED, field, causes_quote(causes, bad), strbuf_string(&text));
}

/* "statefulsets.apps", "pods" */
static const char *resource_name(Arena *arena, const Kind *kind)
{
    if (str_empty(kind->group))
        return kind->plural;
    return arena_printf(arena, "%s.%s", kind->plural, kind->group);
}

/* name may be NULL, as that of a reference may be. */
static ApiStatus *about(ApiStatus *ret, Arena *arena, StatusReason reason, const Kind *kind,
                        const char *name)
{
    *ret = (ApiStatus){.reason = reason,
                       .name = arena_strdup(arena, name),
                       .group = kind->group,
                       .kind = kind->plural};
    return ret;
}

int status_not_found(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name)
{
    about(ret, arena, STATUS_NOT_FOUND, kind, name)->message =
        arena_printf(arena, "%s \"%s\" not found", resource_name(arena, kind), str_or(name, ""));
    return ret->reason;
}

int status_already_exists(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name)
{
    about(ret, arena, STATUS_ALREADY_EXISTS, kind, name)->message = arena_printf(
        arena, "%s \"%s\" already exists", resource_name(arena, kind), str_or(name, ""));
    return ret->reason;
}

int status_conflict(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name,
                    const char *detail)
{
    if (!detail)
        detail = "the object has been modified; please apply your changes to the latest version "
                 "and try again";
    about(ret, arena, STATUS_CONFLICT, kind, name)->message =
        arena_printf(arena, "Operation cannot be fulfilled on %s \"%s\": %s",
                     resource_name(arena, kind), str_or(name, ""), detail);
    return ret->reason;
}

int status_forbidden(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name,
                     const char *detail)
{
    about(ret, arena, STATUS_FORBIDDEN, kind, name);
    if (str_empty(name))
        ret->message =
            arena_printf(arena, "%s is forbidden: %s", resource_name(arena, kind), detail);
    else
        ret->message = arena_printf(arena, "%s \"%s\" is forbidden: %s", resource_name(arena, kind),
                                    name, detail);
    return ret->reason;
}

int status_invalid(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name,
                   const Causes *causes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    about(ret, arena, STATUS_INVALID, kind, name);
    ret->kind = kind->kind; /* this one reason names the kind, not the resource */
    ret->causes = causes->v;
    ret->n_causes = causes->n;
    strbuf_printf(&text, "%s%s%s \"%s\" is invalid: ", kind->kind, *kind->group ? "." : "",
                  kind->group, name ? name : "");
    if (causes->n > 1 || causes->left_out)
        strbuf_add_char(&text, '[');
    for (size_t i = 0; i < causes->n; i++)
        strbuf_printf(&text, "%s%s: %s", i ? ", " : "", causes->v[i].field, causes->v[i].message);
    if (causes->left_out)
        strbuf_printf(&text, ", and %zu more", causes->left_out);
    if (causes->n > 1 || causes->left_out)
        strbuf_add_char(&text, ']');
    ret->message = arena_strndup(arena, text.p, text.n);
    return ret->reason;
}

int status_set(ApiStatus *ret, Arena *arena, StatusReason reason, const char *format, ...)
{
    va_list args;

    *ret = (ApiStatus){.reason = reason};
    va_start(args, format);
    ret->message = arena_vprintf(arena, format, args);
    va_end(args);
    return reason;
}

int status_code(const ApiStatus *status)
{
    return status->code ? status->code : status_reason_info(status->reason)->code;
}

static void add_member(StrBuf *out, bool *first, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    if (!*first)
        strbuf_add_char(out, ',');
    *first = false;
    strbuf_printf(out, "\"%s\":", name);
    json_encode_string(out, value, strlen(value));
}

static void add_details(const ApiStatus *status, StrBuf *out)
{
    bool first = true;

    strbuf_add_string(out, ",\"details\":{");
    add_member(out, &first, "name", status->name);
    add_member(out, &first, "group", status->group);
    add_member(out, &first, "kind", status->kind);
    add_member(out, &first, "uid", status->uid);
    if (status->n_causes)
        strbuf_add_string(out, first ? "\"causes\":[" : ",\"causes\":[");
    for (size_t i = 0; i < status->n_causes; i++) {
        bool inner = true;

        strbuf_add_string(out, i ? ",{" : "{");
        add_member(out, &inner, "reason", causes_table[status->causes[i].type].name);
        add_member(out, &inner, "message", status->causes[i].message);
        add_member(out, &inner, "field", status->causes[i].field);
        strbuf_add_char(out, '}');
    }
    if (status->n_causes) {
        strbuf_add_char(out, ']');
        first = false;
    }
    if (status->retry_after)
        strbuf_printf(out, "%s\"retryAfterSeconds\":%d", first ? "" : ",", status->retry_after);
    strbuf_add_char(out, '}');
}

void status_json(const ApiStatus *status, StrBuf *out)
{
    const StatusReasonInfo *info = status_reason_info(status->reason);
    bool details = status->name || status->kind || status->uid || status->n_causes ||
                   status->retry_after || !str_empty(status->group);
    bool first = true;

    strbuf_add_string(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{");
    add_member(out, &first, "continue", status->continue_);
    first = true;
    strbuf_add_string(out, "},\"status\":");
    strbuf_add_string(out, status->reason == STATUS_OK ? "\"Success\"," : "\"Failure\",");
    add_member(out, &first, "message", status->message);
    add_member(out, &first, "reason", status->reason_text ? status->reason_text : info->name);
    if (first)
        strbuf_truncate(out, out->n - 1);
    if (details)
        add_details(status, out);
    strbuf_printf(out, ",\"code\":%d}", status_code(status));
}

static const StatusReasonInfo *find_reason(const char *name, int code)
{
    for (size_t i = 1; i < ARRAY_LEN(reasons); i++)
        if (name && str_equal(reasons[i].name, name))
            return &reasons[i];
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].code == code)
            return &reasons[i];
    return &reasons[STATUS_INTERNAL_ERROR];
}

int status_parse(Arena *arena, Bytes json, ApiStatus *ret)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    DecodeReport report = {0};
    yyjson_doc *doc;
    Status s = {0};

    if (json_parse(arena, json, &doc, &report) ||
        json_decode(&type_Status, arena, yyjson_doc_get_root(doc), 0, ignore, &s, &report))
        return 1;
    *ret = (ApiStatus){.reason = find_reason(s.reason, s.code)->reason, .message = s.message};
    if (str_equal(s.status, "Success"))
        ret->reason = STATUS_OK;
    if (s.details) {
        ret->name = s.details->name;
        ret->group = s.details->group;
        ret->kind = s.details->kind;
        ret->uid = s.details->uid;
        ret->retry_after = s.details->retry_after_seconds;
    }
    return 0;
}

void status_copy(ApiStatus *ret, Arena *arena, const ApiStatus *status)
{
    Cause *causes = status->n_causes ? arena_new_n(arena, Cause, status->n_causes) : NULL;

    *ret = *status;
    ret->message = arena_strdup(arena, status->message);
    ret->continue_ = arena_strdup(arena, status->continue_);
    ret->reason_text = arena_strdup(arena, status->reason_text);
    ret->name = arena_strdup(arena, status->name);
    ret->group = arena_strdup(arena, status->group);
    ret->kind = arena_strdup(arena, status->kind);
    ret->uid = arena_strdup(arena, status->uid);
    for (size_t i = 0; i < status->n_causes; i++)
        causes[i] = (Cause){status->causes[i].type, arena_strdup(arena, status->causes[i].field),
                            arena_strdup(arena, status->causes[i].message)};
    ret->causes = causes;
}

bool status_has_cause(const ApiStatus *status, CauseType type)
{
    for (size_t i = 0; i < status->n_causes; i++)
        if (status->causes[i].type == type)
            return true;
    return false;
}
