/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Leases. */
#include "api/object.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/schema/coordination_v1.h"

static void lease_prepare(Arena *arena _unused_, void *value, const void *before_value)
{
    LeaseSpec *spec = &((Lease *)value)->spec;
    const LeaseSpec *before = before_value ? &((const Lease *)before_value)->spec : NULL;

    /* Coordinated election is off, as it is by default in Kubernetes. */
    if (!before || !before->strategy)
        spec->strategy = NULL;
    if (!before || !before->preferred_holder)
        spec->preferred_holder = NULL;
}

static void lease_validate(const void *value, const void *before _unused_, Causes *causes)
{
    static const char *const strategies[] = {"OldestEmulationVersion", NULL};
    const LeaseSpec *spec = &((const Lease *)value)->spec;

    if (spec->strategy && strchr(spec->strategy, '/'))
        faults_add(check_qualified_name(spec->strategy), "spec.strategy.strategy", spec->strategy,
                   causes);
    else if (spec->strategy && !str_equal(spec->strategy, strategies[0]))
        causes_not_supported(causes, "spec.strategy.strategy", spec->strategy, strategies);
    if (!str_empty(spec->preferred_holder) && str_empty(spec->strategy))
        causes_forbidden(causes, "spec.preferredHolder",
                         "may only be specified if `strategy` is defined");
}

static void lease_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const Lease *lease = value;

    cell_string(out, lease->metadata.name);
    cell_string(out, lease->spec.holder_identity);
    cell_age(out, lease->metadata.creation_timestamp, now_ns);
}

const KindRules rules_lease = {
    .prepare = lease_prepare,
    .validate = lease_validate,
    .print = lease_print,
};
