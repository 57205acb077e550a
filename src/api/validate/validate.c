/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the tables, and checks that all kinds share. Nothing is allocated until a mistake
 * is found.
 */
#include "api/validate/validate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include "api/object.h"
#include "codec/json/json.h"
#include "codec/quantity.h"

#define IMMUTABLE_TEXT "field is immutable"

/* ---- paths ---- */

static void path_print(const Path *path, StrBuf *out)
{
    if (path->up)
        path_print(path->up, out);
    if (path->name) {
        if (out->n && *path->name)
            strbuf_add_char(out, '.');
        strbuf_add_string(out, path->name);
    } else if (path->key) {
        strbuf_printf(out, "[%s]", path->key);
    } else {
        strbuf_printf(out, "[%zu]", path->index);
    }
}

const char *path_text(const Path *path, Causes *causes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    if (causes_full(causes))
        return "";
    if (path)
        path_print(path, &text);
    return arena_strndup(causes->arena, strbuf_string(&text), text.n);
}

void fail_required(Causes *causes, const Path *path, const char *detail)
{
    causes_required(causes, path_text(path, causes), detail);
}

void fail_invalid(Causes *causes, const Path *path, const char *bad, const char *detail)
{
    causes_invalid_string(causes, path_text(path, causes), bad, detail);
}

void fail_invalid_int(Causes *causes, const Path *path, int64_t bad, const char *detail)
{
    causes_invalid_int(causes, path_text(path, causes), bad, detail);
}

void fail_forbidden(Causes *causes, const Path *path, const char *detail)
{
    causes_forbidden(causes, path_text(path, causes), detail);
}

void fail_duplicate(Causes *causes, const Path *path, const char *bad)
{
    causes_add(causes, CAUSE_DUPLICATE, path_text(path, causes), causes_quote(causes, bad), NULL);
}

void fail_if_seen(Causes *causes, const Path *path, TextMap *seen, const char *text)
{
    if (!text_map_add(seen, text))
        fail_duplicate(causes, path, text);
}

void fail_not_found(Causes *causes, const Path *path, const char *bad)
{
    causes_add(causes, CAUSE_NOT_FOUND, path_text(path, causes), causes_quote(causes, bad), NULL);
}

void fail_not_supported(Causes *causes, const Path *path, const char *bad,
                        const char *const *supported)
{
    causes_not_supported(causes, path_text(path, causes), bad, supported);
}

void fail_faults(Causes *causes, const Path *path, const char *bad, Faults faults)
{
    if (faults.n)
        faults_add(faults, path_text(path, causes), bad, causes);
}

void validate_port_number(int64_t port, const Path *path, Causes *causes)
{
    if (port < 1 || port > 65535)
        fail_invalid_int(causes, path, port, "must be between 1 and 65535, inclusive");
}

void validate_port(const IntOrString *port, const Path *path, Causes *causes)
{
    if (port->is_string)
        fail_faults(causes, path, port->string, check_port_name(port->string));
    else
        validate_port_number(port->number, path, causes);
}

/* ---- the table walk ---- */

/* Required fields for whose absence Kubernetes has a special message: one with a detail, or one
 * from a check in the kind's rules (detail NULL). */
static const struct {
    const char *type, *field, *detail;
} required_words[] = {
    {"NodeSelector", "nodeSelectorTerms", "must have at least one node selector term"},
    {"PodAffinityTerm", "topologyKey", "can not be empty"},
    {"TopologySpreadConstraint", "topologyKey", "can not be empty"},
    {"SeccompProfile", "type", "type is required when seccompProfile is set"},
    {"AppArmorProfile", "type", "type is required when appArmorProfile is set"},
    {"Endpoint", "addresses", "must contain at least 1 address"},
    {"EndpointAddress", "ip", NULL},
    {"FieldSelectorRequirement", "key", NULL},
    {"FieldSelectorRequirement", "operator", NULL},
    {"HTTPHeader", "name", NULL},
    {"HTTPHeader", "value", NULL},
    {"HostAlias", "ip", NULL},
    {"LabelSelectorRequirement", "key", NULL},
    {"LabelSelectorRequirement", "operator", NULL},
    {"NodeSelectorRequirement", "key", NULL},
    {"NodeSelectorRequirement", "operator", NULL},
    {"OwnerReference", "apiVersion", NULL},
    {"OwnerReference", "kind", NULL},
    {"OwnerReference", "name", NULL},
    {"OwnerReference", "uid", NULL},
    {"PodReadinessGate", "conditionType", NULL},
    {"PodSchedulingGate", "name", NULL},
    {"Sysctl", "value", NULL},
    {"Taint", "effect", NULL},
    {"Taint", "key", NULL},
};

static void add_required(const Type *type, const Field *field, const Path *path, Causes *causes)
{
    const char *detail = NULL;

    for (size_t i = 0; i < ARRAY_LEN(required_words); i++)
        if (str_equal(required_words[i].type, type->name) &&
            str_equal(required_words[i].field, field->json)) {
            detail = required_words[i].detail;
            if (!detail)
                return;
        }
    causes_required(causes, path_text(path, causes), detail);
}

/* Empty in the sense of "Required value": numbers and embedded structs never are. */
static bool is_missing(const Field *field, const void *at)
{
    if (field->shape == SHAPE_LIST || field->shape == SHAPE_MAP)
        return ((const List *)at)->n == 0;
    switch (field->value) {
    case VALUE_STRING:
    case VALUE_QUANTITY:
        return str_empty(*(const char *const *)at);
    case VALUE_BYTES:
    case VALUE_RAW:
        return ((const Bytes *)at)->n == 0;
    case VALUE_TIME:
    case VALUE_MICRO_TIME:
        return !((const Time *)at)->set;
    default:
        return field->shape == SHAPE_OPTIONAL && !*(void *const *)at;
    }
}

static void check_range(const Field *field, int64_t v, const Path *path, Causes *causes)
{
    const char *detail;

    if ((!field->has_min || v >= field->min) && (!field->has_max || v <= field->max))
        return;
    if (field->has_min && field->has_max)
        detail =
            arena_printf(causes->arena, "must be between %" PRId64 " and %" PRId64 ", inclusive",
                         field->min, field->max);
    else if (field->has_max)
        detail = arena_printf(causes->arena, "must be less than or equal to %" PRId64, field->max);
    else if (field->min == 1)
        detail = "must be greater than 0";
    else
        detail =
            arena_printf(causes->arena, "must be greater than or equal to %" PRId64, field->min);
    causes_invalid_int(causes, path_text(path, causes), v, detail);
}

/* An optional text that is empty is not absent, so it has to be one of the values, too. */
static void check_enum(const Field *field, const char *s, const Path *path, Causes *causes)
{
    if (!s || (!*s && field->shape != SHAPE_OPTIONAL))
        return;
    if (!name_is_one_of(s, field->enum_values))
        causes_not_supported(causes, path_text(path, causes), s, field->enum_values);
}

static void check_string(const Field *field, const char *s, const Path *path, Causes *causes)
{
    if (field->enum_values)
        check_enum(field, s, path, causes);
    if (str_empty(s))
        return;
    if (field->format) {
        Faults faults = check_format(field->format, s);

        if (faults.n)
            faults_add(faults, path_text(path, causes), s, causes);
    }
    if (field->shape != SHAPE_LIST && field->has_max && strlen(s) > (size_t)field->max)
        causes_add(
            causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
            arena_printf(causes->arena, "may not be more than %" PRId64 " bytes", field->max));
}

static void walk(const Type *type, const void *value, const void *before, const Path *path,
                 Causes *causes);

/* One thing: a field's own value, an element, a map's value. */
static void check_thing(const Field *field, const void *at, const void *before, const Path *path,
                        Causes *causes)
{
    switch (field->value) {
    case VALUE_STRING:
        check_string(field, *(const char *const *)at, path, causes);
        break;
    case VALUE_INT32:
        check_range(field, *(const int32_t *)at, path, causes);
        break;
    case VALUE_INT64:
        check_range(field, *(const int64_t *)at, path, causes);
        break;
    case VALUE_STRUCT:
        walk(field->type, at, before, path, causes);
        break;
    default:
        break;
    }
}

static void check_list(const Field *field, const List *list, const Path *path, Causes *causes)
{
    size_t size = value_size(field);

    if (field->has_max && list->n > (size_t)field->max)
        causes_add(causes, CAUSE_TOO_MANY, path_text(path, causes),
                   arena_printf(causes->arena, "%zu", list->n),
                   arena_printf(causes->arena, "must have at most %" PRId64 " items", field->max));
    if (field->value == VALUE_STRUCT || field->enum_values || field->format)
        for (size_t i = 0; i < list->n; i++)
            check_thing(field, (const char *)list->v + i * size, NULL, PATH_INDEX(path, i), causes);
}

static void check_map(const Field *field, const List *map, const Path *path, Causes *causes)
{
    size_t size = value_size(field);

    if (field->value != VALUE_STRUCT)
        return;
    for (size_t i = 0; i < map->n; i++) {
        const char *entry = (const char *)map->v + i * size;

        check_thing(field, entry + TYPE_ENTRY_VALUE, NULL,
                    PATH_KEY(path, *(const char *const *)entry), causes);
    }
}

static void check_field(const Type *type, const Field *field, const void *at, const void *before,
                        const Path *path, Causes *causes)
{
    const void *thing;

    if ((field->flags & FIELD_REQUIRED) && is_missing(field, at)) {
        add_required(type, field, path, causes);
        return;
    }
    switch (field->shape) {
    case SHAPE_LIST:
        check_list(field, at, path, causes);
        break;
    case SHAPE_MAP:
        check_map(field, at, path, causes);
        break;
    default:
        thing = field_thing(field, at);
        if (thing)
            check_thing(field, thing, before ? field_thing(field, before) : NULL, path, causes);
        break;
    }
    if ((field->flags & FIELD_IMMUTABLE) && before && !type_field_equal(field, at, before))
        causes_add(causes, CAUSE_INVALID, path_text(path, causes),
                   validate_bad_value(field, at, causes), IMMUTABLE_TEXT);
}

static void walk(const Type *type, const void *value, const void *before, const Path *path,
                 Causes *causes)
{
    if (type_is_bare(type)) {
        check_list(&type->fields[0], field_at(value, &type->fields[0]), path, causes);
        return;
    }
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];
        const void *old = before ? field_at(before, field) : NULL;

        if (field == type->extra) /* nothing is known about it */
            continue;
        if (field->flags & FIELD_INLINE) /* its members stand in this object */
            walk(field->type, field_at(value, field), old, path, causes);
        else
            check_field(type, field, field_at(value, field), old, PATH(path, field->json), causes);
    }
}

void validate_type(const Type *type, const void *value, const void *before, const char *path,
                   Causes *causes)
{
    walk(type, value, before, path ? PATH(NULL, path) : NULL, causes);
}

/* ---- shared parts ---- */

const char *validate_bad_value(const Field *field, const void *at, Causes *causes)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    json_encode_field(field, at, &text);
    return arena_strndup(causes->arena, strbuf_string(&text), text.n);
}

void validate_immutable(const Field *field, const void *now, const void *before, const char *path,
                        Causes *causes)
{
    if (!type_field_equal(field, now, before))
        causes_add(causes, CAUSE_INVALID, path, validate_bad_value(field, now, causes),
                   IMMUTABLE_TEXT);
}

void validate_non_negative(int64_t v, const char *path, Causes *causes)
{
    if (v < 0)
        causes_invalid_int(causes, path, v, "must be greater than or equal to 0");
}

void validate_int_or_percent(const IntOrString *v, const char *path, Causes *causes)
{
    int64_t percent;
    _free_ char *digits = NULL;
    Faults faults;

    if (!v->is_string) {
        validate_non_negative(v->number, path, causes);
        return;
    }
    faults = check_percent(v->string);
    faults_add(faults, path, v->string, causes);
    if (faults.n)
        return;
    digits = mem_strndup(v->string, strlen(v->string) - 1);
    if (str_to_int64(digits, 0, 100, &percent))
        causes_invalid_string(causes, path, v->string, "must not be greater than 100%");
}

void validate_labels(const StringMap *labels, const char *path, Causes *causes)
{
    for (size_t i = 0; i < labels->n; i++) {
        faults_add(check_qualified_name(labels->v[i].key), path, labels->v[i].key, causes);
        faults_add(check_label_value(labels->v[i].value), path, labels->v[i].value, causes);
    }
}

enum { ANNOTATIONS_MAX = 256 * 1024 };

void validate_annotations(const StringMap *annotations, const char *path, Causes *causes)
{
    size_t total = 0;

    for (size_t i = 0; i < annotations->n; i++) {
        const StringEntry *entry = &annotations->v[i];

        faults_add(check_qualified_name(text_lower(causes->arena, entry->key)), path, entry->key,
                   causes);
        total += strlen(entry->key) + strlen(entry->value ? entry->value : "");
    }
    if (total > ANNOTATIONS_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path, NULL, "may not be more than 262144 bytes");
}

static void validate_selector_requirement(const LabelSelectorRequirement *requirement,
                                          const Path *path, Causes *causes)
{
    const char *op = requirement->operator;

    if (str_equal(op, "In") || str_equal(op, "NotIn")) {
        if (!requirement->values.n)
            causes_required(causes, path_text(PATH(path, "values"), causes),
                            "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_equal(op, "Exists") || str_equal(op, "DoesNotExist")) {
        if (requirement->values.n)
            causes_forbidden(causes, path_text(PATH(path, "values"), causes),
                             "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        causes_invalid_string(causes, path_text(PATH(path, "operator"), causes), op,
                              "not a valid selector operator");
    }
    faults_add(check_qualified_name(requirement->key), path_text(PATH(path, "key"), causes),
               requirement->key, causes);
    for (size_t i = 0; i < requirement->values.n; i++) {
        Faults faults = check_label_value(requirement->values.v[i]);

        if (faults.n)
            faults_add(faults, path_text(PATH_INDEX(PATH(path, "values"), i), causes),
                       requirement->values.v[i], causes);
    }
}

bool validate_label_selector(const LabelSelector *selector, const char *path, Causes *causes)
{
    const Path *base = PATH(NULL, path);
    size_t before = causes->n + causes->left_out;

    if (!selector)
        return true;
    if (selector->match_labels.n)
        validate_labels(&selector->match_labels, path_text(PATH(base, "matchLabels"), causes),
                        causes);
    for (size_t i = 0; i < selector->match_expressions.n; i++)
        validate_selector_requirement(&selector->match_expressions.v[i],
                                      PATH_INDEX(PATH(base, "matchExpressions"), i), causes);
    return causes->n + causes->left_out == before;
}

void validate_balancer_address(const char *ip, const char *hostname, const Path *path,
                               Causes *causes)
{
    uint8_t address[16];

    if (!str_empty(ip))
        fail_faults(causes, PATH(path, "ip"), ip, check_ip(ip));
    if (str_empty(hostname))
        return;
    fail_faults(causes, PATH(path, "hostname"), hostname, check_dns_subdomain(hostname));
    if (inet_pton(AF_INET, hostname, address) == 1 || inet_pton(AF_INET6, hostname, address) == 1)
        fail_invalid(causes, PATH(path, "hostname"), hostname,
                     "must be a DNS name, not an IP address");
}

void validate_basic_quantity(const char *quantity, const Path *path, Causes *causes)
{
    if (quantity_value(quantity) < 0)
        fail_invalid_int(causes, path, quantity_value(quantity),
                         "must be a valid resource quantity");
}

void validate_collision_count(const int32_t *now, const int32_t *before, Causes *causes)
{
    int32_t count = now ? *now : 0;

    if (before && (!now || count < *before))
        causes_invalid_int(causes, "status.collisionCount", count, "cannot be decremented");
}

void validate_driver_name(const char *name, const Path *path, Causes *causes)
{
    const char *lower = text_lower(causes->arena, str_or(name, ""));

    if (!*lower) {
        fail_required(causes, path, "");
        return;
    }
    if (strlen(lower) > 63)
        causes_add(causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
                   "may not be more than 63 bytes");
    fail_faults(causes, path, name, check_dns_subdomain(lower));
}

/* ---- conditions ---- */

enum { REASON_MAX = 1024, CONDITION_MESSAGE_MAX = 32 * 1024 };

static bool is_reason(const char *s)
{
    size_t n = strlen(s);
    bool good = isalpha((unsigned char)*s) && s[n - 1] != ',' && s[n - 1] != ':';

    for (size_t i = 0; i < n && good; i++)
        good = isalnum((unsigned char)s[i]) || strchr("_,:", s[i]);
    return good;
}

static void validate_condition(const Condition *condition, const Path *path, Causes *causes)
{
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};

    fail_faults(causes, PATH(path, "type"), str_or(condition->type, ""),
                check_qualified_name(str_or(condition->type, "")));
    if (!name_is_one_of(condition->status, statuses))
        fail_not_supported(causes, PATH(path, "status"), str_or(condition->status, ""), statuses);
    if (condition->observed_generation < 0)
        fail_invalid_int(causes, PATH(path, "observedGeneration"), condition->observed_generation,
                         "must be greater than or equal to zero");
    if (!condition->last_transition_time.set)
        fail_required(causes, PATH(path, "lastTransitionTime"), "");
    if (str_empty(condition->reason))
        fail_required(causes, PATH(path, "reason"), "");
    else if (!is_reason(condition->reason))
        fail_invalid(causes, PATH(path, "reason"), condition->reason,
                     "a condition reason must start with alphabetic character, optionally followed "
                     "by a string of alphanumeric characters or '_,:', and must end with an "
                     "alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  "
                     "or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
                     "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
    if (condition->reason && strlen(condition->reason) > REASON_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(path, "reason"), causes), NULL,
                   "may not be more than 1024 bytes");
    if (condition->message && strlen(condition->message) > CONDITION_MESSAGE_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(path, "message"), causes), NULL,
                   "may not be more than 32768 bytes");
}

void validate_conditions(const ConditionArray *conditions, const Path *path, Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < conditions->n; i++) {
        const char *type = str_or(conditions->v[i].type, "");

        fail_if_seen(causes, PATH(PATH_INDEX(path, i), "type"), &seen, type);
        validate_condition(&conditions->v[i], PATH_INDEX(path, i), causes);
    }
}
