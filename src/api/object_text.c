/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of an object, and its two states: with its struct, or with nothing but its packed JSON.
 * See object.h.
 *
 * The resourceVersion of an object is assigned last, so its text is made after the store has
 * assigned it; the packed text contains it, too.
 */
#include "api/object.h"
#include "api/schema/kinds.h"
#include "codec/json/json.h"

static const char *const ignored[] = {"apiVersion", "kind", NULL};

/* ---- the pool ---- */

void object_pool_init(ObjectPool *pool, size_t limit, void (*on_full)(ObjectPool *pool))
{
    *pool = (ObjectPool){.limit = limit, .on_full = on_full};
    list_init(&pool->warm);
    list_init(&pool->cold);
}

static void pool_leave(Object *object)
{
    if (!object->pool)
        return;
    list_remove(&object->node);
    object->pool->bytes -= object->warm_bytes;
    object->pool->n_warm -= object->warm_bytes > 0;
    object->warm_bytes = 0;
}

/* Updates the bytes that the object is counted with: everything that it has besides its packed
 * text. */
static void pool_count(Object *object)
{
    ObjectPool *pool = object->pool;
    size_t bytes = object->arena.total + object->json.n;

    if (!pool)
        return;
    if (object->warm_bytes == 0) {
        list_remove(&object->node);
        list_append(&pool->warm, &object->node);
        pool->n_warm++;
    }
    pool->bytes += bytes - object->warm_bytes;
    object->warm_bytes = bytes;
    object->used = true;
    pool->in_vain = 0;
    if (pool->bytes > pool->limit && pool->on_full)
        pool->on_full(pool);
}

void object_pool_add(ObjectPool *pool, Object *object)
{
    object->pool = pool;
    list_append(&pool->cold, &object->node);
    if (object->value || object->json.p)
        pool_count(object);
}

static void cool(Object *object)
{
    pool_leave(object);
    if (object->pool)
        list_append(&object->pool->cold, &object->node);
    object_drop_json(object);
    object->form = object_unref(object->form);
    arena_clear(&object->arena);
    object->value = NULL;
}

/* Every object was visited twice without success, so all that remain are in use. */
static bool wants_cooling(const ObjectPool *pool, size_t limit)
{
    return pool->bytes > limit && pool->in_vain <= 2 * pool->n_warm;
}

bool object_pool_cool(ObjectPool *pool, size_t limit, size_t max)
{
    for (size_t i = 0; i < max && wants_cooling(pool, limit); i++) {
        Object *object = CONTAINER_OF(pool->warm.next, Object, node);

        if (!object->used && object->refs == object->still) {
            cool(object);
            pool->in_vain = 0;
            continue;
        }
        object->used = false;
        list_remove(&object->node);
        list_append(&pool->warm, &object->node);
        pool->in_vain++;
    }
    return wants_cooling(pool, limit);
}

void object_pool_deinit(ObjectPool *pool)
{
    ListNode *const lists[] = {&pool->warm, &pool->cold};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        while (!list_empty(lists[i])) {
            Object *object = CONTAINER_OF(lists[i]->next, Object, node);

            list_remove(&object->node);
            object->pool = NULL;
            object->warm_bytes = 0;
        }
    }
}

/* ---- texts ---- */

void object_drop_json(Object *object)
{
    free((void *)(uintptr_t)object->json.p);
    object->json = BYTES_NULL;
}

static void encode(const Object *object, StrBuf *text)
{
    ObjectMeta *meta = object_meta(object);
    const char *before = meta->resource_version;
    char revision[24];

    if (object->revision) {
        uint64_print(object->revision, revision);
        meta->resource_version = revision;
    }
    json_encode(object->kind->type, object->value, object->kind->json_prefix, text);
    meta->resource_version = before;
}

/* Unpacks the text into a new buffer that also has room for the newline of object_json_line. */
static Bytes unpack_json(const Packed *packed)
{
    size_t n = packed->head.length;
    uint8_t *text = mem_resize(NULL, n + 2);

    ASSERT(unpack(packed, text));
    memcpy(text + n, "\n", 2);
    return (Bytes){text, n};
}

Bytes object_json(Object *object)
{
    StrBuf text = STRBUF_INIT;

    if (_likely_(object->json.p))
        return object->json;
    if (object->packed) {
        Bytes plain = packed_plain(object->packed);

        if (plain.p)
            return plain;
        object->json = unpack_json(object->packed);
        pool_count(object);
        return object->json;
    }
    strbuf_reserve(&text, 1024);
    encode(object, &text);
    strbuf_add_char(&text, '\n');
    if (!object->sealed) {
        /* The object may still change, so the text is valid for this call only and is allocated in
         * the object's arena. */
        Bytes copy = arena_bytes(&object->arena, strbuf_bytes(&text));

        copy.n--;
        strbuf_deinit(&text);
        return copy;
    }
    object->json.n = text.n - 1;
    object->json.p = (uint8_t *)strbuf_take(&text);
    return object->json;
}

Bytes object_json_line(Object *object)
{
    Bytes json = object_json(object);

    json.n++;
    return json;
}

/* Unpacks so that the skipped bytes overwrite the end of the buffer, which is saved before and
 * restored afterwards. */
static void add_unpacked(const Packed *packed, size_t skip, StrBuf *out)
{
    size_t n = packed->head.length, at = out->n - skip;
    char covered[256];

    strbuf_reserve(out, n - skip);
    memcpy(covered, out->p + at, skip);
    ASSERT(unpack(packed, (uint8_t *)out->p + at));
    memcpy(out->p + at, covered, skip);
    out->n = at + n;
    out->p[out->n] = 0;
}

void object_add_json(Object *object, size_t skip, StrBuf *out)
{
    const Packed *packed = object->packed;
    Bytes json;

    if (!object->json.p && packed && packed->head.form != PACK_PLAIN && skip <= out->n &&
        skip <= 256 && skip < packed->head.length) {
        add_unpacked(packed, skip, out);
        return;
    }
    json = object_json(object);
    strbuf_add(out, json.p + skip, json.n - skip);
}

/* ---- waking ---- */

static int decode(Object *object, Err *reterr)
{
    _arena_ Arena scratch = ARENA_INIT;
    Bytes text = object->json.p ? object->json : packed_plain(object->packed);
    const Kind *kind = object->kind;
    DecodeReport report = {0};
    yyjson_doc *doc = NULL;
    void *value;

    if (!text.p) {
        uint8_t *room = arena_alloc_raw(&scratch, object->packed->head.length + 1, 1);

        if (!unpack(object->packed, room))
            return err_set(reterr, 0, "its text cannot be unpacked");
        text = (Bytes){room, object->packed->head.length};
    }
    object->arena = ARENA_INIT_SIZE(kind->type->size + text.n);
    value = arena_alloc(&object->arena, kind->type->size);
    if (json_parse(&scratch, text, &doc, &report) != 0 ||
        json_decode(kind->type, &object->arena, yyjson_doc_get_root(doc), 0, ignored, value,
                    &report) != 0) {
        arena_clear(&object->arena);
        return err_set(reterr, 0, "%s", str_or(report.error, "it is damaged"));
    }
    object->value = value;
    object_meta(object)->resource_version =
        arena_printf(&object->arena, "%" PRIu64, object->revision);
    return 0;
}

Object *object_recoded(const Object *object, const Kind *kind)
{
    _arena_ Arena scratch = ARENA_INIT;
    Object *recoded = object_new(kind);
    yyjson_val *json = json_encoded(object->kind->type, object_value(object), NULL, &scratch);
    DecodeReport report = {0};

    /* A value that does not fit a run-time type is kept as it is, so this cannot fail. */
    ASSERT(json_decode(kind->type, &recoded->arena, json, 0, ignored, recoded->value, &report) ==
           0);
    type_default(kind->type, &recoded->arena, recoded->value);
    return recoded;
}

void object_wake(const Object *of)
{
    Object *object = (Object *)(uintptr_t)of;
    Err err = ERR_INIT;

    /* The checksum was verified on loading, and the text was written under this schema, so this
     * cannot fail. */
    ASSERT(object->packed && decode(object, &err) == 0);
    pool_count(object);
}

static uint32_t mark_of(const Kind *kind)
{
    return kind->family ? kind->mark : schema_mark;
}

/* Packs the object anew, since its text is one of an earlier schema of its run-time kind. */
static void recode(Object *object)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    type_default(object->kind->type, &object->arena, object->value);
    packed_free(TAKE_PTR(object->packed));
    object_pack(object, NULL, &text);
}

Object *object_from_packed(const Kind *kind, Packed *packed, uint64_t revision, Err *reterr)
{
    Object *object = mem_new_type(Object);

    object->refs = 1;
    object->kind = kind_ref(kind);
    object->revision = revision;
    object->sealed = true;
    object->packed = packed;
    if (packed->head.schema == mark_of(kind))
        return object;
    if (decode(object, reterr) < 0)
        return object_unref(object);
    if (kind->family)
        recode(object);
    cool(object);
    return object;
}

void object_pack(Object *object, PackDictionary *dictionary, StrBuf *scratch)
{
    ASSERT(object->sealed && !object->packed);
    object_drop_json(object);
    strbuf_truncate(scratch, 0);
    encode(object, scratch);
    object->packed = pack(dictionary, mark_of(object->kind), strbuf_bytes(scratch));
    if (object->packed->head.form == PACK_PLAIN)
        return;
    object->json.p = mem_resize(NULL, scratch->n + 2);
    object->json.n = scratch->n;
    memcpy((uint8_t *)(uintptr_t)object->json.p, scratch->p, scratch->n);
    memcpy((uint8_t *)(uintptr_t)object->json.p + scratch->n, "\n", 2);
}

/* ---- the end ---- */

Object *object_unref(Object *object)
{
    if (!object)
        return NULL;
    ASSERT(object->refs > 0);
    if (--object->refs)
        return NULL;
    pool_leave(object);
    object_drop_json(object);
    packed_free(object->packed);
    object_unref(object->form);
    arena_clear(&object->arena);
    kind_unref(object->kind);
    free(object);
    return NULL;
}
