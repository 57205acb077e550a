/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that define other kinds: CustomResourceDefinitions. The registry of kinds follows what is
 * committed, before anybody is told of it, so whoever sees that a definition is established can use
 * the resource at once.
 *
 * At start, an object may be read before the one that defines its kind. Records of unknown keys are
 * kept until everything else has been read, and then tried again.
 */
#include "store/internal.h"

/* ---- definitions ---- */

static const KindDefiner *definer_of(const Kind *kind)
{
    return kind->rules ? kind->rules->definer : NULL;
}

static bool has_objects(const Store *store, const KindFamily *family)
{
    const StoreKind *of =
        family->store_id < store->kinds.n ? store->kinds.v[family->store_id] : NULL;

    return of && of->index.n_entries > 0;
}

static void undefine(Store *store, const KindDefiner *definer, const void *value, const char *group,
                     const char *plural)
{
    KindFamily *family = kind_family_find(group, plural);

    if (!family)
        return;
    if (!has_objects(store, family)) {
        kind_family_remove(group, plural);
        return;
    }
    /* Whoever takes the finalizer off a definition leaves its objects behind. They are kept, and are back
     * when somebody defines the resource again. */
    family = definer->family(value, true);
    if (!family)
        return;
    kind_family_put(family);
    kind_family_unref(family);
}

void store_define(Store *store, const Object *object, bool deletion)
{
    const KindDefiner *definer = definer_of(object->kind);
    const char *group, *plural;
    KindFamily *family;

    if (_likely_(!definer))
        return;
    definer->names(object_value(object), &group, &plural);
    if (deletion) {
        undefine(store, definer, object_value(object), group, plural);
        return;
    }
    family = definer->family(object_value(object), false);
    if (!family)
        return;
    kind_family_put(family);
    kind_family_unref(family);
    strmap_put(&store->defined, object_meta(object)->name, (void *)(uintptr_t)object->kind);
}

/* ---- at start ---- */

static bool define_one(void *data, Object *object)
{
    store_define(data, object, false);
    return true;
}

void store_define_loaded(Store *store)
{
    for (size_t i = 0; i < store->kinds.n; i++) {
        const StoreKind *of = store->kinds.v[i];

        if (of && !of->kind->family && definer_of(of->kind))
            store_list(store, of->kind, NULL, NULL, define_one, store);
    }
}

/* ---- at the end ---- */

void store_undefine_all(Store *store)
{
    STRMAP_EACH(&store->defined, slot) {
        /* "plural.group", as the definition is called */
        char *dot = strchr(slot->key, '.');

        if (NEVER(!dot))
            continue;
        *dot = 0;
        kind_family_remove(dot + 1, slot->key);
    }
    strmap_deinit(&store->defined);
}
