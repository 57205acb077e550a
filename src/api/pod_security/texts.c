/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/pod_security/internal.h"
#include "base/strbuf.h"

void names_add(Names *names, const char *name)
{
    ARENA_PUSH(names->arena, names, str_or(name, ""));
}

void names_sort(Names *names)
{
    size_t n = 0;

    str_sort(names->v, names->n);
    for (size_t i = 0; i < names->n; i++)
        if (n == 0 || !str_equal(names->v[n - 1], names->v[i]))
            names->v[n++] = names->v[i];
    names->n = n;
}

static const char *join(const Names *names, const char *between, const char *around)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < names->n; i++)
        strbuf_printf(&text, "%s%s%s%s", i ? between : "", around, names->v[i], around);
    return arena_strdup(names->arena, strbuf_string(&text));
}

const char *names_join(const Names *names)
{
    return join(names, ", ", "");
}

const char *names_quote(const Names *names)
{
    return join(names, ", ", "\"");
}

const char *names_join_and(const Names *setters)
{
    return join(setters, " and ", "");
}

const char *name_containers(const Names *containers)
{
    return arena_printf(containers->arena, "%s %s", plural(containers, "container", "containers"),
                        names_quote(containers));
}

const char *name_setters(bool pod, const Names *containers)
{
    Names setters = {.arena = containers->arena};

    if (pod)
        names_add(&setters, "pod");
    if (containers->n)
        names_add(&setters, name_containers(containers));
    return names_join_and(&setters);
}

void found(SecurityCheck *check, const char *reason, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    check->finding = (SecurityFinding){reason, arena_vprintf(check->arena, format, args)};
    va_end(args);
}

const Container *next_container(const PodSpec *spec, size_t *next)
{
    size_t i = (*next)++;

    if (i < spec->init_containers.n)
        return &spec->init_containers.v[i];
    i -= spec->init_containers.n;
    if (i < spec->containers.n)
        return &spec->containers.v[i];
    i -= spec->containers.n;
    if (i < spec->ephemeral_containers.n) /* begins with the fields of a container */
        return (const Container *)&spec->ephemeral_containers.v[i].ephemeral_container_common;
    return NULL;
}

bool is_windows(const PodSpec *spec)
{
    return spec->os && str_equal(spec->os->name, "windows");
}

bool has_own_users(const PodSpec *spec)
{
    return spec->host_users && !*spec->host_users;
}

bool seccomp_is_allowed(const SeccompProfile *profile)
{
    return str_equal(profile->type, "Localhost") || str_equal(profile->type, "RuntimeDefault");
}
