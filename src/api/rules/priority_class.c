/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of PriorityClasses: which names and values are reserved for the classes of the system. */
#include "api/rules/rules.h"
#include "api/schema/scheduling_v1.h"

#define SYSTEM_PREFIX "system-"
#define USER_PRIORITY_MAX 1000000000

/* Why a name with the reserved prefix is refused; NULL if it is one of the system's own classes. */
static const char *fault_of_system_class(Arena *arena, const PriorityClass *class)
{
    static const struct {
        const char *name;
        int32_t value;
    } known[] = {{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}};
    const char *name = class->metadata.name;

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!str_equal(known[i].name, name))
            continue;
        if (class->value != known[i].value)
            return arena_printf(arena, "value of %s PriorityClass must be %d", name,
                                known[i].value);
        return class->global_default
                   ? arena_printf(arena, "globalDefault of %s PriorityClass must be false", name)
                   : NULL;
    }
    return arena_printf(arena, "%s is not a known system priority class", name);
}

/* As in Kubernetes, the generation is 1, whatever is changed later. */
static void priority_class_prepare(Arena *arena _unused_, void *value, const void *before)
{
    PriorityClass *class = value;

    if (!before)
        class->metadata.generation = 1;
}

static void priority_class_validate(const void *value, const void *before, Causes *causes)
{
    const PriorityClass *class = value, *old = before;
    const char *fault;

    if (old) {
        if (class->value != old->value)
            causes_forbidden(causes, "value", "may not be changed in an update.");
        return;
    }
    if (!str_starts_with(str_or(class->metadata.name, ""), SYSTEM_PREFIX)) {
        if (class->value > USER_PRIORITY_MAX)
            causes_forbidden(causes, "value",
                             "maximum allowed value of a user defined priority is 1000000000");
        return;
    }
    fault = fault_of_system_class(causes->arena, class);
    if (fault)
        causes_forbidden(causes, "metadata.name",
                         arena_printf(causes->arena,
                                      "priority class names with '" SYSTEM_PREFIX
                                      "' prefix are reserved for system use only. error: %s",
                                      fault));
}

const KindRules rules_priority_class = {.prepare = priority_class_prepare,
                                        .validate = priority_class_validate};
