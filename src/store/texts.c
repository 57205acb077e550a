/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the texts of objects are packed, in memory and in the engine alike: with a dictionary for each
 * kind, which is the text of one of its objects (codec/pack.h).
 *
 * A kind gets one when many of its texts did not become small, and another when the texts have
 * changed so much that it no longer helps. Each has to wait twice as long as the one before, so
 * however varied the objects are, there are few dictionaries. They stay for ever: objects that were
 * packed with one need it.
 *
 * The engine keeps a dictionary as a record of its own, "/dictionaries/registry/pods/3", with an id
 * below those of objects, so that it is read before them. It is queued in front of the first write
 * that needs it. If that commit fails, so do all writes that were packed with it since, and it is
 * queued again with the next one.
 */
#include "store/internal.h"

#define PREFIX "/dictionaries"
#define PATIENCE 8 /* texts before the first dictionary of a kind */
#define DICTIONARIES_MAX 1024

/* Less than a third is left: alike. */
static bool is_small(const Packed *packed)
{
    return packed->n < packed->head.length / 3;
}

static void put_dictionary(Store *store, PackDictionary *dictionary)
{
    uint32_t id = pack_dictionary_id(dictionary);

    while (store->dictionaries.n < id)
        VEC_PUSH(&store->dictionaries, NULL);
    store->dictionaries.v[id - 1] = dictionary;
}

static void adopt(Store *store, StoreKind *of, Bytes text)
{
    uint32_t id = (uint32_t)store->dictionaries.n + 1;

    if (of->dictionary)
        pack_dictionary_rest(of->dictionary);
    of->dictionary = pack_dictionary_new(id, text);
    of->dictionary_saved = false;
    of->unlike = 0;
    of->patience = of->patience ? of->patience * 2 : PATIENCE * 2;
    put_dictionary(store, of->dictionary);
}

static void save_dictionary(Store *store, StoreKind *of, uint64_t revision)
{
    uint32_t id = pack_dictionary_id(of->dictionary);
    _free_ char *key = mem_printf(PREFIX "%s%" PRIu32, of->kind->store_prefix, id);
    size_t n = strlen(key) + 1;
    Write *write = mem_resize(NULL, sizeof(*write) + n);

    *write = (Write){
        .of = of,
        .revision = revision,
        .id = (uint64_t) - (int64_t)id,
        .created = true,
        .urgent = true, /* as urgent as the object that needs it */
        .value = pack_dictionary_text(of->dictionary),
    };
    write->key = memcpy(write + 1, key, n);
    of->dictionary_saved = true;
    store->waiting++;
    write_list_push(&store->fresh, write);
    commit_schedule(store);
}

void texts_pack(Store *store, StoreKind *of, Object *object)
{
    object_pack(object, of->dictionary, &store->text);
    if (of->dictionary && object->packed->dictionary && !of->dictionary_saved)
        save_dictionary(store, of, object->revision);
    if (store->text.n < PACK_MIN || store->text.n > PACK_DICTIONARY_MAX ||
        (of->dictionary && is_small(object->packed)) || store->dictionaries.n >= DICTIONARIES_MAX ||
        ++of->unlike < MAX_OF(of->patience, (uint32_t)PATIENCE))
        return;
    adopt(store, of, strbuf_bytes(&store->text));
}

void texts_not_saved(Write *write)
{
    StoreKind *of = write->of;

    if (of->dictionary && pack_dictionary_text(of->dictionary).p == write->value.p)
        of->dictionary_saved = false;
}

/* ---- from the engine ---- */

static StoreKind *find_kind(Store *store, const char *prefix, const char **ret_rest)
{
    KIND_EACH(kind) {
        if (!kind_is_stored(kind) || !str_starts_with(prefix, kind->store_prefix))
            continue;
        *ret_rest = prefix + strlen(kind->store_prefix);
        if (!strchr(*ret_rest, '/'))
            return store_kind(store, kind);
    }
    return NULL;
}

static PackDictionary *find_dictionary(void *data, uint32_t id)
{
    Store *store = data;

    return id <= store->dictionaries.n ? store->dictionaries.v[id - 1] : NULL;
}

bool texts_load(Store *store, const StoreRecord *record)
{
    const char *number;
    PackDictionary *dictionary;
    StoreKind *of;
    int64_t id;

    if (!str_starts_with(record->key, PREFIX "/"))
        return false;
    of = find_kind(store, record->key + strlen(PREFIX), &number);
    if (!of)
        number = strrchr(record->key, '/') + 1;
    if (str_to_int64(number, 1, DICTIONARIES_MAX, &id) || !record->value.p)
        return true;
    dictionary = find_dictionary(store, (uint32_t)id);
    if (!dictionary) {
        dictionary = pack_dictionary_new((uint32_t)id, record->value);
        put_dictionary(store, dictionary);
    }
    if (!of)
        return false; /* its number is taken, and its kind may be known later */
    if (!of->dictionary || pack_dictionary_id(of->dictionary) < (uint32_t)id) {
        of->dictionary = dictionary;
        of->dictionary_saved = true;
    }
    of->patience = of->patience ? of->patience * 2 : PATIENCE * 2;
    return true;
}

Packed *texts_read(Store *store, Bytes value)
{
    return packed_read(value, find_dictionary, store);
}

void texts_deinit(Store *store)
{
    for (size_t i = 0; i < store->dictionaries.n; i++)
        pack_dictionary_unref(store->dictionaries.v[i]);
    VEC_DEINIT(&store->dictionaries);
}
