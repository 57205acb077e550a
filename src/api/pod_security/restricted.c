/* SPDX-License-Identifier: Apache-2.0 */
/* What the level restricted demands or forbids besides: the pod gives up what it does not need. */
#include "api/pod_security/internal.h"
#include "api/schema/core_volume_v1.h"
#include "base/strbuf.h"

void check_escalation(SecurityCheck *check)
{
    Names containers = names_of(check);
    const Container *c;

    if (check->minor >= 25 && is_windows(check->spec))
        return;
    for (size_t i = 0;;) {
        const SecurityContext *context = next_context(check->spec, &i, &c);

        if (!c)
            break;
        if (!context->allow_privilege_escalation || *context->allow_privilege_escalation)
            names_add(&containers, c->name);
    }
    if (containers.n)
        found(check, "allowPrivilegeEscalation != false",
              "%s must set securityContext.allowPrivilegeEscalation=false",
              name_containers(&containers));
}

static bool drops_all(const Capabilities *capabilities)
{
    for (size_t i = 0; capabilities && i < capabilities->drop.n; i++)
        if (str_equal(capabilities->drop.v[i], "ALL"))
            return true;
    return false;
}

void check_dropped_capabilities(SecurityCheck *check)
{
    Names keeping = names_of(check), adding = names_of(check), added = names_of(check);
    const Container *c;
    const char *first, *second;

    if (check->minor >= 25 && is_windows(check->spec))
        return;
    for (size_t i = 0;;) {
        const Capabilities *has = next_context(check->spec, &i, &c)->capabilities;
        size_t before = added.n;

        if (!c)
            break;
        if (!drops_all(has))
            names_add(&keeping, c->name);
        for (size_t k = 0; has && k < has->add.n; k++)
            if (!str_equal(has->add.v[k], "NET_BIND_SERVICE"))
                names_add(&added, has->add.v[k]);
        if (added.n > before)
            names_add(&adding, c->name);
    }
    names_sort(&added);
    first = keeping.n ? arena_printf(check->arena,
                                     "%s must set securityContext.capabilities.drop=[\"ALL\"]",
                                     name_containers(&keeping))
                      : "";
    second = adding.n ? arena_printf(check->arena,
                                     "%s must not include %s in securityContext.capabilities.add",
                                     name_containers(&adding), names_quote(&added))
                      : "";
    if (keeping.n || adding.n)
        found(check, "unrestricted capabilities", "%s%s%s", first,
              keeping.n && adding.n ? "; " : "", second);
}

/* The name of the type of a volume where it is a restricted one, else NULL. */
static const char *restricted_type(const VolumeSource *source)
{
    static const char *const allowed[] = {
        "configMap", "csi",   "downwardAPI",           "emptyDir",
        "ephemeral", "image", "persistentVolumeClaim", "projected",
        "secret"};
    const Type *type = &type_VolumeSource;
    const char *set = "unknown";

    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (type_field_empty(field, field_at(source, field)))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(allowed); k++)
            if (str_equal(field->json, allowed[k]))
                return NULL;
        set = field->json;
    }
    return set;
}

void check_volume_types(SecurityCheck *check)
{
    Names volumes = names_of(check), types = names_of(check);

    for (size_t i = 0; i < check->spec->volumes.n; i++) {
        const char *type = restricted_type(&check->spec->volumes.v[i].volume_source);

        if (!type)
            continue;
        names_add(&volumes, check->spec->volumes.v[i].name);
        names_add(&types, type);
    }
    names_sort(&types);
    if (volumes.n)
        found(check, "restricted volume types", "%s %s %s %s %s",
              plural(&volumes, "volume", "volumes"), names_quote(&volumes),
              plural(&volumes, "uses", "use"),
              plural(&types, "restricted volume type", "restricted volume types"),
              names_quote(&types));
}

void check_non_root(SecurityCheck *check)
{
    const PodSecurityContext *pod = check->spec->security_context;
    const bool *of_pod = pod ? pod->run_as_non_root : NULL;
    Names wrong = names_of(check), open = names_of(check);
    const Container *c;

    if (check->minor >= 35 && has_own_users(check->spec))
        return;
    for (size_t i = 0;;) {
        const bool *own = next_context(check->spec, &i, &c)->run_as_non_root;

        if (!c)
            break;
        if (own && !*own)
            names_add(&wrong, c->name);
        else if (!own && !(of_pod && *of_pod))
            names_add(&open, c->name);
    }
    if (wrong.n || (of_pod && !*of_pod))
        found(check, "runAsNonRoot != true", "%s must not set securityContext.runAsNonRoot=false",
              name_setters(of_pod && !*of_pod, &wrong));
    else if (open.n)
        found(check, "runAsNonRoot != true", "pod or %s must set securityContext.runAsNonRoot=true",
              name_containers(&open));
}

void check_user(SecurityCheck *check)
{
    const PodSecurityContext *pod = check->spec->security_context;
    bool in_pod = pod && pod->run_as_user && *pod->run_as_user == 0;
    Names containers = names_of(check);
    const Container *c;

    if (check->minor >= 35 && has_own_users(check->spec))
        return;
    for (size_t i = 0;;) {
        const int64_t *user = next_context(check->spec, &i, &c)->run_as_user;

        if (!c)
            break;
        if (user && *user == 0)
            names_add(&containers, c->name);
    }
    if (in_pod || containers.n)
        found(check, "runAsUser=0", "%s must not set runAsUser=0",
              name_setters(in_pod, &containers));
}

void check_seccomp_is_set(SecurityCheck *check)
{
    const PodSecurityContext *pod = check->spec->security_context;
    const SeccompProfile *of_pod = pod ? pod->seccomp_profile : NULL;
    Names open = names_of(check);
    const Container *c;

    if (check->minor >= 25 && is_windows(check->spec))
        return;
    check_seccomp(check); /* what is set has to be right first */
    if (check->finding.reason)
        return;
    for (size_t i = 0;;) {
        const SeccompProfile *own = next_context(check->spec, &i, &c)->seccomp_profile;

        if (!c)
            break;
        if (!own && !of_pod)
            names_add(&open, c->name);
    }
    if (open.n)
        found(check, "seccompProfile",
              "pod or %s must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
              "\"Localhost\"",
              name_containers(&open));
}
