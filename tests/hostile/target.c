/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"
#include "hostile.h"
#include "server/request/call.h"

typedef VEC(HostileTarget) Targets;

static bool has_verb(const char *const *verbs, const char *verb)
{
    for (; *verbs; verbs++)
        if (str_equal(*verbs, verb))
            return true;
    return false;
}

/* Streams read no body; they are started by query parameters. */
static bool reads_body(const Subresource *sub)
{
    return !sub->is_stream && (sub->create || sub->update || sub->patch);
}

static void add_subresources(Targets *targets, const Kind *host)
{
    for (const char *const *name = host->subresources; name && *name; name++) {
        const Subresource *sub = subresource_find(host, *name);
        HostileTarget target;

        ASSERT(sub);
        if (!reads_body(sub))
            continue;
        target = (HostileTarget){
            .host = host,
            .subresource = sub->name,
            .kind = sub->kind ? kind_find(sub->kind_group, sub->kind_version, sub->kind) : host,
            .create = sub->create != NULL,
            .update = sub->update != NULL,
            .patch = sub->patch != NULL,
        };
        ASSERT(target.kind);
        target.type = target.kind->type;
        VEC_PUSH(targets, target);
    }
}

size_t targets_all(HostileTarget **ret)
{
    Targets targets = VEC_INIT;
    HostileTarget removal = {
        .host = kind_find("", "v1", "ConfigMap"), .type = &type_DeleteOptions, .remove = true};

    for (size_t i = 0; i < kind_count(); i++) {
        const Kind *kind = kind_at(i);
        const char *const *verbs;

        if (!*kind->plural || kind->flags & KIND_COMPUTED)
            continue;
        verbs = kind_verbs(kind);
        VEC_PUSH(&targets, ((HostileTarget){.host = kind,
                                            .kind = kind,
                                            .type = kind->type,
                                            .create = true,
                                            .update = has_verb(verbs, "update"),
                                            .patch = has_verb(verbs, "patch")}));
        if (!(kind->flags & KIND_NOT_STORED))
            add_subresources(&targets, kind);
    }
    VEC_PUSH(&targets, removal);
    *ret = targets.v;
    return targets.n;
}

const char *target_name(const HostileTarget *target, char room[128])
{
    snprintf(room, 128, "%s%s%s", target->host->kind, target->subresource ? "/" : "",
             target->remove ? " DeleteOptions" : str_or(target->subresource, ""));
    return room;
}
