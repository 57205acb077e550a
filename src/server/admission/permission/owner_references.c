/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owner references are permissions in disguise: an object goes when its owner goes, and a reference
 * that blocks the deletion of its owner keeps that from going. So whoever changes the references of an
 * object has to be allowed to delete the object, and whoever lets it block an owner has to be allowed
 * to update the finalizers of the owner.
 */
#include "api/object.h"
#include "base/text_map.h"
#include "server/admission/admission.h"
#include "server/auth/auth.h"

static bool may(Write *write, const Attributes *attributes, const char **ret_reason)
{
    return authorize(write->server, write->user, attributes, &write->arena, ret_reason);
}

static int refuse(Write *write, const char *what, const char *reason)
{
    return status_forbidden(&write->status, &write->arena, write->kind, write->name,
                            arena_printf(&write->arena, "%s: %s, <nil>", what, str_or(reason, "")));
}

static bool changes_owners(const Write *write)
{
    const Field *field = type_member(&type_ObjectMeta, "ownerReferences");
    const ObjectMeta *now = object_meta(write->object);

    if (!write->before)
        return now->owner_references.n > 0;
    return !type_field_equal(field, &now->owner_references,
                             &object_meta(write->before)->owner_references);
}

static bool blocks(const OwnerReference *ref)
{
    return ref->block_owner_deletion && *ref->block_owner_deletion;
}

/* The references that did not block before. */
static void find_new_blocks(Write *write, OwnerReferenceArray *ret)
{
    const OwnerReferenceArray *now = &object_meta(write->object)->owner_references;
    Arena *arena = &write->arena;
    TextMap old = TEXT_MAP_INIT(arena);

    ret->v = arena_new_n(arena, OwnerReference, now->n + 1);
    if (write->before) {
        const OwnerReferenceArray *before = &object_meta(write->before)->owner_references;

        for (size_t i = 0; i < before->n; i++)
            if (blocks(&before->v[i]))
                (void)text_map_add(&old, before->v[i].uid);
    }
    for (size_t i = 0; i < now->n; i++)
        if (blocks(&now->v[i]) && !text_map_has(&old, now->v[i].uid))
            ret->v[ret->n++] = now->v[i];
}

static int check_block(Write *write, const OwnerReference *ref)
{
    const Kind *kind = kind_find_api_version(ref->api_version, ref->kind);
    Attributes attributes = {.verb = "update", .subresource = "finalizers", .name = ref->name};
    const char *reason;

    if (!kind || !*kind->plural)
        return status_forbidden(
            &write->status, &write->arena, write->kind, write->name,
            arena_printf(&write->arena,
                         "cannot set blockOwnerDeletion in this case because cannot find "
                         "RESTMapping for APIVersion %s Kind %s: no matches for kind \"%s\" in "
                         "version \"%s\"",
                         str_or(ref->api_version, ""), str_or(ref->kind, ""), str_or(ref->kind, ""),
                         str_or(ref->api_version, "")));
    attributes.group = kind->group;
    attributes.resource = kind->plural;
    attributes.ns = kind->flags & KIND_NAMESPACED ? write->ns : NULL;
    if (may(write, &attributes, &reason))
        return 0;
    return refuse(write,
                  "cannot set blockOwnerDeletion if an ownerReference refers to a resource you "
                  "can't set finalizers on",
                  reason);
}

int owner_references_check(Write *write)
{
    static const Attributes anything = {
        .verb = "update", .group = "*", .resource = "*", .subresource = "finalizers", .name = "*"};
    const Attributes removal = {.verb = "delete",
                                .group = write->kind->group,
                                .resource = write->kind->plural,
                                .subresource = write->subresource,
                                .ns = write->ns,
                                .name = write->name};
    OwnerReferenceArray blocking = {0};
    const char *reason;
    int r = 0;

    if (write->user->masters || str_equal(write->subresource, "status") || !changes_owners(write))
        return 0;
    if (write->before && !may(write, &removal, &reason))
        return refuse(write, "cannot set an ownerRef on a resource you can't delete", reason);
    find_new_blocks(write, &blocking);
    if (blocking.n && may(write, &anything, NULL))
        return 0;
    for (size_t i = 0; i < blocking.n && r == 0; i++)
        r = check_block(write, &blocking.v[i]);
    return r;
}
