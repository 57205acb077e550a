/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rules/resource/device.h"

#include "codec/json/json.h"

enum {
    POOL_NAME_MAX = 253,
    IDENTIFIER_MAX = 32,
    SELECTORS_MAX = 32,
    EXPRESSION_MAX = 10 * 1024,
};

const char *const device_taint_effects[] = {"NoExecute", "NoSchedule", "None", NULL};

bool device_too_many(Causes *causes, const Path *path, size_t n, size_t max)
{
    if (n <= max)
        return false;
    rules_too_many(causes, path_text(path, causes), n, max);
    return true;
}

/* ---- names ---- */

void device_check_label(const char *name, const Path *path, Causes *causes)
{
    fail_faults(causes, path, str_or(name, ""), check_dns_label(str_or(name, "")));
}

void device_check_pool(const char *name, const Path *path, Causes *causes)
{
    if (str_empty(name)) {
        fail_required(causes, path, "");
        return;
    }
    if (strlen(name) > POOL_NAME_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
                   "may not be more than 253 bytes");
    for (const char *at = name;; at++) {
        size_t n = strcspn(at, "/");
        const char *part = arena_strndup(causes->arena, at, n);

        fail_faults(causes, path, part, check_dns_subdomain(part));
        at += n;
        if (!*at)
            return;
    }
}

void device_check_uid(const char *uid, const Path *path, Causes *causes)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t n = strlen(uid);
    bool good = n == sizeof(form) - 1, lower = true;

    for (size_t i = 0; good && form[i]; i++) {
        good = form[i] == '-' ? uid[i] == '-' : strchr("0123456789abcdefABCDEF", uid[i]) != NULL;
        lower = lower && !(uid[i] >= 'A' && uid[i] <= 'F');
    }
    if (n != sizeof(form) - 1)
        fail_invalid(
            causes, path, uid,
            arena_printf(causes->arena, "error validating uid: invalid UUID length: %zu", n));
    else if (!good)
        fail_invalid(causes, path, uid, "error validating uid: invalid UUID format");
    else if (!lower)
        fail_invalid(
            causes, path, uid,
            "uid must be in RFC 4122 normalized form, "
            "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters");
}

static void check_identifier(const char *name, const Path *path, Causes *causes)
{
    bool good = *name && !(*name >= '0' && *name <= '9');

    for (const char *c = name; *c && good; c++)
        good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
               *c == '_';
    if (strlen(name) > IDENTIFIER_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
                   "may not be more than 32 bytes");
    if (!good)
        fail_invalid(
            causes, path, name,
            "a valid C identifier must start with alphabetic character or '_', followed by "
            "a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  "
            "or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')");
}

void device_check_qualified(const char *name, const Path *path, Causes *causes)
{
    const char *slash = strchr(name, '/'), *domain;

    if (!slash) {
        check_identifier(name, path, causes);
        return;
    }
    if (strchr(slash + 1, '/')) /* which Kubernetes does not look at either */
        return;
    domain = arena_strndup(causes->arena, name, (size_t)(slash - name));
    if (!*domain)
        fail_invalid(causes, path, "", "the domain must not be empty");
    else
        validate_driver_name(domain, path, causes);
    if (!slash[1])
        fail_invalid(causes, path, "", "the name must not be empty");
    else
        check_identifier(slash + 1, path, causes);
}

/* ---- configuration ---- */

void device_check_object(Bytes raw, const Path *path, Causes *causes)
{
    size_t at = 0;

    while (at < raw.n && memchr(" \t\r\n", raw.p[at], 4))
        at++;
    if (at == raw.n || (raw.n - at == 4 && memcmp(raw.p + at, "null", 4) == 0))
        fail_required(causes, path, "");
    else if (raw.n > DEVICE_RAW_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(path, causes), NULL,
                   "may not be more than 10240 bytes");
    else if (raw.p[at] != '{')
        fail_invalid(causes, path, "<value omitted>", "must be a valid JSON object");
}

void device_check_configuration(const DeviceConfiguration *configuration, const Path *path,
                                Causes *causes)
{
    const OpaqueDeviceConfiguration *opaque = configuration->opaque;

    if (!opaque) {
        fail_required(causes, PATH(path, "opaque"), "");
        return;
    }
    validate_driver_name(opaque->driver, PATH(path, "opaque.driver"), causes);
    device_check_object(opaque->parameters, PATH(path, "opaque.parameters"), causes);
}

/* Expressions are compiled by whoever allocates; here only their length is checked. */
static void check_selector(const DeviceSelector *selector, const Path *path, Causes *causes)
{
    const char *expression = selector->cel ? str_or(selector->cel->expression, "") : NULL;

    if (!expression)
        fail_required(causes, PATH(path, "cel"), "");
    else if (!*expression)
        fail_required(causes, PATH(path, "cel.expression"), "");
    else if (strlen(expression) > EXPRESSION_MAX)
        causes_add(causes, CAUSE_TOO_LONG, path_text(PATH(path, "cel.expression"), causes), NULL,
                   "may not be more than 10240 bytes");
}

void device_check_selectors(const DeviceSelectorArray *selectors, const Path *path, Causes *causes)
{
    if (device_too_many(causes, path, selectors->n, SELECTORS_MAX))
        return;
    for (size_t i = 0; i < selectors->n; i++)
        check_selector(&selectors->v[i], PATH_INDEX(path, i), causes);
}

/* ---- taints and conditions ---- */

static void check_toleration(const DeviceToleration *toleration, const Path *path, Causes *causes)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};

    if (!str_empty(toleration->key))
        fail_faults(causes, PATH(path, "key"), toleration->key,
                    check_qualified_name(toleration->key));
    if (str_equal(toleration->operator, "Exists")) {
        if (!str_empty(toleration->value))
            fail_invalid(causes, PATH(path, "value"), toleration->value,
                         "must be empty for operator `Exists`");
    } else if (str_equal(toleration->operator, "Equal")) {
        fail_faults(causes, PATH(path, "value"), str_or(toleration->value, ""),
                    check_label_value(str_or(toleration->value, "")));
    } else {
        fail_not_supported(causes, PATH(path, "operator"), toleration->operator, operators);
    }
    if (!str_empty(toleration->effect) && !name_is_one_of(toleration->effect, device_taint_effects))
        fail_not_supported(causes, PATH(path, "effect"), toleration->effect, device_taint_effects);
}

void device_check_tolerations(const DeviceTolerationArray *tolerations, const Path *path,
                              Causes *causes)
{
    for (size_t i = 0; i < tolerations->n; i++)
        check_toleration(&tolerations->v[i], PATH_INDEX(path, i), causes);
}

static void check_condition_names(const StringArray *names, const StringArray *others,
                                  const Path *path, Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena), excluded = TEXT_MAP_INIT(causes->arena);

    if (device_too_many(causes, path, names->n, DEVICE_BINDING_CONDITIONS_MAX))
        return;
    for (size_t i = 0; i < names->n; i++)
        fail_faults(causes, PATH_INDEX(path, i), names->v[i], check_qualified_name(names->v[i]));
    for (size_t i = 0; others && i < others->n; i++)
        (void)text_map_add(&excluded, others->v[i]);
    for (size_t i = 0; i < names->n; i++) {
        fail_if_seen(causes, PATH_INDEX(path, i), &seen, names->v[i]);
        if (text_map_has(&excluded, names->v[i]))
            fail_invalid(causes, PATH_INDEX(path, i), names->v[i],
                         "bindingFailureConditions must not overlap with bindingConditions");
    }
}

void device_check_binding_conditions(const StringArray *conditions, const StringArray *failures,
                                     const Path *path, Causes *causes)
{
    check_condition_names(conditions, NULL, PATH(path, "bindingConditions"), causes);
    check_condition_names(failures, conditions, PATH(path, "bindingFailureConditions"), causes);
    if (!conditions->n && failures->n)
        rules_invalid(causes, PATH(path, "bindingConditions"), conditions->v ? "[]" : "null",
                      "bindingConditions are required to use bindingFailureConditions");
    if (!failures->n && conditions->n)
        rules_invalid(causes, PATH(path, "bindingFailureConditions"), failures->v ? "[]" : "null",
                      "bindingFailureConditions are required to use bindingConditions");
}
