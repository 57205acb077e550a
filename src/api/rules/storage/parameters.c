/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rules/storage/parameters.h"

#include "api/text_check.h"

enum {
    PARAMETERS_MAX = 512,
    PARAMETERS_SIZE_MAX = 256 * 1024,
};

void rules_driver_name(const char *name, const char *path, Causes *causes)
{
    const char *lower = text_lower(causes->arena, str_or(name, ""));

    if (*lower)
        faults_add(check_qualified_name(lower), path, lower, causes);
}

void rules_parameters(const StringMap *parameters, Causes *causes)
{
    size_t size = 0;

    if (parameters->n > PARAMETERS_MAX) {
        causes_add(causes, CAUSE_TOO_LONG, "parameters", NULL, "may not be more than 512 bytes");
        return;
    }
    for (size_t i = 0; i < parameters->n; i++) {
        if (str_empty(parameters->v[i].key))
            causes_invalid_string(causes, "parameters", "", "field can not be empty.");
        size += strlen(parameters->v[i].key) + strlen(str_or(parameters->v[i].value, ""));
    }
    if (size > PARAMETERS_SIZE_MAX)
        causes_add(causes, CAUSE_TOO_LONG, "parameters", NULL, "may not be more than 262144 bytes");
}
