/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of RuntimeClasses. */
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/schema/node_v1.h"
#include "api/validate/pod.h"
#include "base/text_map.h"

static void check_tolerations(const TolerationArray *tolerations, Causes *causes)
{
    const Path *path = PATH(NULL, "scheduling.tolerations");
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    validate_tolerations(tolerations, path, causes);
    for (size_t i = 0; i < tolerations->n; i++) {
        const Toleration *t = &tolerations->v[i];

        const char *text = arena_printf(
            causes->arena, "{\"Key\":%s,\"Operator\":%s,\"Value\":%s,\"Effect\":%s",
            causes_quote(causes, str_or(t->key, "")), causes_quote(causes, str_or(t->operator, "")),
            causes_quote(causes, str_or(t->value, "")),
            causes_quote(causes, str_or(t->effect, "")));

        if (text_map_add(&seen, text))
            continue;
        if (t->toleration_seconds)
            text = arena_printf(causes->arena, "%s,\"TolerationSeconds\":%" PRId64 "}", text,
                                *t->toleration_seconds);
        else
            text = arena_printf(causes->arena, "%s,\"TolerationSeconds\":null}", text);
        causes_add(causes, CAUSE_DUPLICATE, path_text(PATH_INDEX(path, i), causes), text, NULL);
    }
}

static void runtime_class_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const RuntimeClass *class = value;

    if (class->overhead)
        validate_resources(&(ResourceRequirements){.limits = class->overhead->pod_fixed},
                           PATH(NULL, "overhead"), causes);
    if (!class->scheduling)
        return;
    validate_labels(&class->scheduling->node_selector, "scheduling.nodeSelector", causes);
    check_tolerations(&class->scheduling->tolerations, causes);
}

static void runtime_class_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const RuntimeClass *class = value;

    cell_string(out, class->metadata.name);
    cell_string(out, class->handler);
    cell_age(out, class->metadata.creation_timestamp, now_ns);
}

const KindRules rules_runtime_class = {
    .validate = runtime_class_validate,
    .print = runtime_class_print,
};
