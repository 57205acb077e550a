/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor profiles of pods: the fields, and the annotations that were there before the fields, one for each container. */
#include <ctype.h>

#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/validate/pod.h"

#define PREFIX "container.apparmor.security.beta.kubernetes.io/"
#define LOCAL "localhost/"
#define NAME_MAX_BYTES 4095

void validate_armor_profile(const AppArmorProfile *profile, const Path *path, Causes *causes)
{
    const Path *at = PATH(path, "localhostProfile");
    const char *name = profile ? profile->localhost_profile : NULL;
    size_t n = name ? strlen(name) : 0;

    if (!profile)
        return;
    if (!str_equal(profile->type, "Localhost")) {
        if (name)
            fail_invalid(causes, at, name, "can only be set when AppArmor type is Localhost");
        return;
    }
    if (!n)
        fail_required(causes, at, "must be set when AppArmor type is Localhost");
    else if (isspace((uint8_t)name[0]) || isspace((uint8_t)name[n - 1]))
        fail_invalid(causes, at, name, "must not be padded with whitespace");
    if (n > NAME_MAX_BYTES)
        causes_add(causes, CAUSE_TOO_LONG, path_text(at, causes), NULL,
                   "may not be more than 4095 bytes");
}

/* ---- annotations ---- */

static bool is_annotation(const StringEntry *entry)
{
    return str_starts_with(entry->key, PREFIX);
}

static bool any_annotation(const ObjectMeta *meta)
{
    for (size_t i = 0; i < meta->annotations.n; i++)
        if (is_annotation(&meta->annotations.v[i]))
            return true;
    return false;
}

/* What the annotation means as a field; false: nothing that a field can say. */
static bool profile_of(const char *annotation, AppArmorProfile *ret)
{
    *ret = (AppArmorProfile){0};
    if (str_equal(annotation, "unconfined"))
        ret->type = "Unconfined";
    else if (str_equal(annotation, "runtime/default"))
        ret->type = "RuntimeDefault";
    else if (annotation && str_starts_with(annotation, LOCAL) && annotation[strlen(LOCAL)])
        *ret =
            (AppArmorProfile){.type = "Localhost", .localhost_profile = annotation + strlen(LOCAL)};
    return ret->type;
}

/* A container of any kind, and where it is in the spec. */
typedef struct Armored {
    const char *list;
    size_t index;
    SecurityContext **security;
} Armored;

static void collect(TextMap *all, const char *list, size_t index, const char *name,
                    SecurityContext **security)
{
    Armored *armored = arena_new(all->arena, Armored);

    *armored = (Armored){list, index, security};
    text_map_put_first(all, name, armored);
}

static void collect_all(TextMap *all, PodSpec *spec)
{
    for (size_t i = 0; i < spec->init_containers.n; i++)
        collect(all, "initContainers", i, spec->init_containers.v[i].name,
                &spec->init_containers.v[i].security_context);
    for (size_t i = 0; i < spec->containers.n; i++)
        collect(all, "containers", i, spec->containers.v[i].name,
                &spec->containers.v[i].security_context);
    for (size_t i = 0; i < spec->ephemeral_containers.n; i++) {
        EphemeralContainerCommon *common =
            &spec->ephemeral_containers.v[i].ephemeral_container_common;

        collect(all, "ephemeralContainers", i, common->name, &common->security_context);
    }
}

static const AppArmorProfile *pod_profile(const PodSpec *spec)
{
    return spec->security_context ? spec->security_context->app_armor_profile : NULL;
}

/* The field of the container counts, or else that of the pod; neither may contradict the annotation. */
static void validate_match(const Armored *armored, const AppArmorProfile *of_pod,
                           const char *annotation, const Path *spec, Causes *causes)
{
    const SecurityContext *own = *armored->security;
    const AppArmorProfile *profile =
        own && own->app_armor_profile ? own->app_armor_profile : of_pod;
    const Path *list = PATH(spec, armored->list), *container = PATH_INDEX(list, armored->index);
    const Path *security = PATH(container, "securityContext");
    const Path *at = PATH(security, "appArmorProfile");
    AppArmorProfile said;

    if (!profile ||
        !(str_equal(profile->type, "Unconfined") || str_equal(profile->type, "RuntimeDefault") ||
          str_equal(profile->type, "Localhost")))
        return;
    (void)profile_of(annotation, &said);
    if (!str_equal(said.type, profile->type))
        fail_forbidden(causes, PATH(at, "type"),
                       "apparmor type in annotation and field must match");
    else if (!str_equal(said.localhost_profile, profile->localhost_profile))
        fail_forbidden(causes, PATH(at, "localhostProfile"),
                       "apparmor profile in annotation and field must match");
}

static void validate_annotation(const StringEntry *entry, const TextMap *all, const Path *path,
                                Causes *causes)
{
    const char *container = entry->key + strlen(PREFIX), *value = str_or(entry->value, "");

    if (!text_map_has(all, container))
        fail_invalid(causes, PATH_KEY(path, entry->key), container, "container not found");
    if (*value && !str_equal(value, "runtime/default") && !str_equal(value, "unconfined") &&
        !str_starts_with(value, LOCAL))
        fail_invalid(causes, PATH_KEY(path, entry->key), value,
                     arena_printf(causes->arena, "invalid AppArmor profile name: \"%s\"", value));
}

void validate_armor_annotations(const ObjectMeta *meta, const PodSpec *spec,
                                const Path *annotations, const Path *spec_path, Causes *causes)
{
    TextMap all = TEXT_MAP_INIT(causes->arena);
    bool windows = spec->os && str_equal(spec->os->name, "windows");

    if (!any_annotation(meta))
        return;
    collect_all(&all, (PodSpec *)(uintptr_t)spec);
    for (size_t i = 0; i < meta->annotations.n; i++) {
        const StringEntry *entry = &meta->annotations.v[i];
        const Armored *armored;

        if (!is_annotation(entry))
            continue;
        validate_annotation(entry, &all, annotations, causes);
        armored = text_map_get(&all, entry->key + strlen(PREFIX));
        if (armored && spec_path && !windows)
            validate_match(armored, pod_profile(spec), entry->value, spec_path, causes);
    }
}

static void collect_annotations(TextMap *values, const ObjectMeta *meta)
{
    for (size_t i = 0; i < meta->annotations.n; i++)
        if (is_annotation(&meta->annotations.v[i]))
            text_map_put_first(values, meta->annotations.v[i].key, &meta->annotations.v[i]);
}

void validate_armor_update(const ObjectMeta *meta, const ObjectMeta *before, Causes *causes)
{
    const Path *path = PATH(NULL, "metadata.annotations");
    TextMap now = TEXT_MAP_INIT(causes->arena), old = TEXT_MAP_INIT(causes->arena);

    collect_annotations(&now, meta);
    collect_annotations(&old, before);
    for (size_t i = 0; i < before->annotations.n; i++) {
        const StringEntry *entry = &before->annotations.v[i];
        const StringEntry *there = is_annotation(entry) ? text_map_get(&now, entry->key) : entry;

        if (!there || !str_equal(there->value, entry->value))
            fail_forbidden(causes, PATH_KEY(path, entry->key),
                           "may not remove or update AppArmor annotations");
    }
    for (size_t i = 0; i < meta->annotations.n; i++) {
        const StringEntry *entry = &meta->annotations.v[i];

        if (is_annotation(entry) && !text_map_has(&old, entry->key))
            fail_forbidden(causes, PATH_KEY(path, entry->key), "may not add AppArmor annotations");
    }
}

void complete_armor(Arena *arena, const ObjectMeta *meta, PodSpec *spec)
{
    TextMap all = TEXT_MAP_INIT(arena);
    const AppArmorProfile *of_pod = pod_profile(spec);

    if (!any_annotation(meta) || (spec->os && str_equal(spec->os->name, "windows")))
        return;
    collect_all(&all, spec);
    for (size_t i = 0; i < meta->annotations.n; i++) {
        const StringEntry *entry = &meta->annotations.v[i];
        const Armored *armored =
            is_annotation(entry) ? text_map_get(&all, entry->key + strlen(PREFIX)) : NULL;
        SecurityContext **own = armored ? armored->security : NULL;
        AppArmorProfile profile;

        if (!own || (*own && (*own)->app_armor_profile) || !profile_of(entry->value, &profile) ||
            (of_pod && type_equal(&type_AppArmorProfile, &profile, of_pod)))
            continue;
        if (!*own)
            *own = arena_new(arena, SecurityContext);
        (*own)->app_armor_profile = arena_new(arena, AppArmorProfile);
        *(*own)->app_armor_profile = profile;
    }
}

bool armor_is(const char *annotation, const AppArmorProfile *profile)
{
    AppArmorProfile meant;

    return profile_of(annotation, &meant) && type_equal(&type_AppArmorProfile, &meant, profile);
}

void warn_armor(Arena *arena, const ObjectMeta *meta, const PodSpec *spec, Warnings *warnings)
{
    const AppArmorProfile *of_pod =
        spec->security_context ? spec->security_context->app_armor_profile : NULL;

    for (size_t i = 0; i < meta->annotations.n; i++)
        if (is_annotation(&meta->annotations.v[i]) &&
            !(of_pod && armor_is(meta->annotations.v[i].value, of_pod)))
            warnings_add(arena, warnings,
                         arena_printf(arena,
                                      "metadata.annotations[%s]: deprecated since v1.30; use the "
                                      "\"appArmorProfile\" field instead",
                                      meta->annotations.v[i].key));
}
