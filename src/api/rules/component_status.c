/* SPDX-License-Identifier: Apache-2.0 */
/* The table of ComponentStatuses. */
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/core_cluster_v1.h"

static void component_status_print(const void *value, int64_t now_ns _unused_, StrBuf *out)
{
    const ComponentStatus *status = value;
    const char *text = "Unknown", *message = "", *error = "";

    for (size_t i = 0; i < status->conditions.n; i++) {
        const ComponentCondition *condition = &status->conditions.v[i];

        if (!str_equal(condition->type, "Healthy"))
            continue;
        text = str_equal(condition->status, "True") ? "Healthy" : "Unhealthy";
        message = condition->message;
        error = condition->error;
        break;
    }
    cell_string(out, status->metadata.name);
    cell_string(out, text);
    cell_string(out, message);
    cell_string(out, error);
}

const KindRules rules_component_status = {
    .print = component_status_print,
};
