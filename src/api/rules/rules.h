/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers that the rules of several kinds share. */
#ifndef API_RULES_RULES_H
#define API_RULES_RULES_H

#include "api/validate/validate.h"

/* "[8081 \"x\"]": the member's value, for messages. */
static inline const char *rules_bad(const Type *type, const void *value, const char *member,
                                    Causes *causes)
{
    const TypeName *name = type_find(type, member, strlen(member));

    return NEVER(!name)
               ? "null"
               : validate_bad_value(name->field, (const char *)value + name->offset, causes);
}

/* The texts that name checks and selectors quote. */
static inline const char *rules_quoted(const char *s, Causes *causes)
{
    return arena_printf(causes->arena, "\"%s\"", s ? s : "");
}

/* `bad` is the value as JSON, for values that are not texts; NULL: it is not shown. */
static inline void rules_invalid(Causes *causes, const Path *path, const char *bad,
                                 const char *detail)
{
    causes_add(causes, CAUSE_INVALID, path_text(path, causes), bad, detail);
}

static inline void rules_too_many(Causes *causes, const char *path, size_t n, size_t max)
{
    causes_add(
        causes, CAUSE_TOO_MANY, path, arena_printf(causes->arena, "%zu", n),
        arena_printf(causes->arena, "must have at most %zu item%s", max, max == 1 ? "" : "s"));
}

/* Is it among the first n? */
static inline bool rules_among(const StringArray *strings, size_t n, const char *s)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(strings->v[i], s))
            return true;
    return false;
}

static inline void rules_warn(Arena *arena, Warnings *warnings, const char *text)
{
    warnings_add(arena, warnings, text);
}

/* Warnings about the spec of a pod, or of a template at the path, and about a name from which host
 * names are made. */
/* `at` is the path of what has the metadata and the spec: "" for a pod, "spec.template" for a template. */
void rules_warn_pod(Arena *arena, const ObjectMeta *meta, const PodSpec *spec, const char *at,
                    Warnings *warnings);
void rules_warn_name(Arena *arena, const char *name, Warnings *warnings);

#endif
