/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of kinds. Built-in kinds are the rows of a generated table, by id. Two hash tables,
 * by kind and by resource, are filled on first use and do not change afterwards (open addressing,
 * at most half full, so that each search ends).
 *
 * Kinds that were added at run time are in tables of their own, behind a lock, and are only looked for
 * after the built-in ones, so that finding a built-in kind never takes the lock. Their ids follow those of
 * the built-in kinds.
 */
#include "api/kind.h"

#include <assert.h>
#include <pthread.h>

#include "api/schema/kinds.h"
#include "base/fnv.h"
#include "base/strmap.h"
#include "base/vec.h"

enum { WARNINGS_MAX = 512 };

const char *const status_without_meta_paths[] = {"metadata", "spec", NULL};
const SubresourceRules status_without_meta[] = {
    {.name = "status", .reset = status_without_meta_paths, .keeps_meta = true}, {0}};

const SubresourceRules *kind_subresource_rules(const Kind *kind, const char *name)
{
    const SubresourceRules *rules = kind->rules ? kind->rules->subresources : NULL;

    for (; rules && rules->name; rules++)
        if (str_equal(rules->name, str_or(name, "")))
            return rules;
    return NULL;
}

void warnings_add(Arena *arena, Warnings *warnings, const char *text)
{
    if (warnings->n < WARNINGS_MAX)
        ARENA_PUSH(arena, warnings, text);
}

enum { SLOTS = 512 };
static_assert(KIND_COUNT * 2 <= SLOTS, "the tables must stay half empty");

typedef struct Index {
    uint16_t slots[SLOTS]; /* id + 1; 0: free */
} Index;

static Index by_kind, by_resource;

/* The names of built-in kinds are not attacker-controlled, so FNV is good enough. */
static uint64_t hash_names(const char *group, const char *version, const char *name)
{
    uint64_t hash = fnv1a(fnv1a(FNV_START, group), "/");

    return fnv1a(fnv1a(fnv1a(hash, version), "/"), name);
}

static void index_add(Index *index, uint64_t hash, size_t id)
{
    uint64_t slot = hash % SLOTS;

    while (index->slots[slot])
        slot = (slot + 1) % SLOTS;
    index->slots[slot] = (uint16_t)(id + 1);
}

static void fill(void)
{
    for (size_t id = 0; id < KIND_COUNT; id++) {
        const Kind *kind = kind_table[id];

        ASSERT(kind->id == id);
        index_add(&by_kind, hash_names(kind->group, kind->version, kind->kind), id);
        index_add(&by_resource, hash_names(kind->group, kind->version, kind->plural), id);
    }
}

/* Threads of the pool look up kinds, too, so this has to be thread-safe. */
static void fill_indexes(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fill);
}

/* ---- kinds of the run time ---- */

typedef struct Slot {
    const Kind *kind; /* NULL: the id belongs to a store, or is free */
    bool taken;
} Slot;

static struct {
    pthread_rwlock_t lock;       /* the loop, which alone writes, takes it for writing only */
    size_t n_families;           /* atomic */
    StrMap families;             /* "group/plural" */
    StrMap by_kind, by_resource; /* "group/version/name" */
    VEC(Slot) slots;             /* by id - KIND_COUNT */
    size_t first_free, n_taken;  /* of slots: all before the first one are taken */
    ListNode listeners;
    uint64_t generation;
} runtime = {.lock = PTHREAD_RWLOCK_INITIALIZER, .generation = 1};

KindFamily *kind_family_new(void)
{
    KindFamily *family = mem_new_type(KindFamily);

    family->refs = 1;
    return family;
}

static KindFamily *family_ref(KindFamily *family)
{
    __atomic_fetch_add(&family->refs, 1, __ATOMIC_RELAXED);
    return family;
}

KindFamily *kind_family_unref(KindFamily *family)
{
    if (family && __atomic_fetch_sub(&family->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        arena_clear(&family->arena);
        free(family);
    }
    return NULL;
}

const Kind *kind_ref(const Kind *kind)
{
    if (_unlikely_(kind && kind->family))
        family_ref(kind->family);
    return kind;
}

void kind_unref(const Kind *kind)
{
    if (_unlikely_(kind && kind->family))
        kind_family_unref(kind->family);
}

static char *join(const char *group, const char *version, const char *name)
{
    return version ? mem_printf("%s/%s/%s", group, version, name)
                   : mem_printf("%s/%s", group, name);
}

static void put_name(StrMap *map, const char *group, const char *version, const char *name,
                     const void *value)
{
    _free_ char *key = join(group, version, name);

    if (value)
        strmap_put(map, key, (void *)(uintptr_t)value);
    else
        strmap_remove(map, key);
}

static void *get_name(const StrMap *map, const char *group, const char *version, const char *name)
{
    _free_ char *key = join(group, version, name);

    return strmap_get(map, key);
}

static const Kind *find_runtime(const StrMap *map, const char *group, const char *version,
                                const char *name)
{
    const Kind *kind;

    if (_likely_(__atomic_load_n(&runtime.n_families, __ATOMIC_RELAXED) == 0))
        return NULL;
    pthread_rwlock_rdlock(&runtime.lock);
    kind = get_name(map, group, version, name);
    pthread_rwlock_unlock(&runtime.lock);
    return kind;
}

static uint16_t take_id(void)
{
    size_t i = runtime.first_free;

    while (i < runtime.slots.n && runtime.slots.v[i].taken)
        i++;
    if (i == runtime.slots.n)
        VEC_PUSH(&runtime.slots, (Slot){0});
    runtime.slots.v[i].taken = true;
    runtime.first_free = i + 1;
    runtime.n_taken++;
    ASSERT(KIND_COUNT + i <= UINT16_MAX); /* see kind_family_fits */
    return (uint16_t)(KIND_COUNT + i);
}

static void give_id(uint16_t id)
{
    runtime.slots.v[id - KIND_COUNT] = (Slot){0};
    runtime.first_free = MIN_OF(runtime.first_free, (size_t)(id - KIND_COUNT));
    runtime.n_taken--;
}

bool kind_family_fits(size_t n_kinds)
{
    return n_kinds < UINT16_MAX && KIND_COUNT + runtime.n_taken + n_kinds + 1 <= UINT16_MAX;
}

static void unlist(const KindFamily *family)
{
    for (size_t i = 0; i < family->n_kinds; i++) {
        const Kind *kind = family->kinds[i];

        runtime.slots.v[kind->id - KIND_COUNT].kind = NULL;
        put_name(&runtime.by_kind, kind->group, kind->version, kind->kind, NULL);
        put_name(&runtime.by_resource, kind->group, kind->version, kind->plural, NULL);
    }
}

static void list(const KindFamily *family)
{
    for (size_t i = 0; i < family->n_kinds; i++) {
        const Kind *kind = family->kinds[i];

        runtime.slots.v[kind->id - KIND_COUNT].kind = kind;
        if (kind->flags & KIND_NOT_SERVED)
            continue;
        put_name(&runtime.by_kind, kind->group, kind->version, kind->kind, kind);
        put_name(&runtime.by_resource, kind->group, kind->version, kind->plural, kind);
    }
}

static const Kind *version_of(const KindFamily *family, const char *version)
{
    for (size_t i = 0; i < family->n_kinds; i++)
        if (str_equal(family->kinds[i]->version, version))
            return family->kinds[i];
    return NULL;
}

/* A version keeps its id, so that what is filed under the id is still found. */
static void assign_ids(KindFamily *family, const KindFamily *before)
{
    family->store_id = before ? before->store_id : take_id();
    for (size_t i = 0; i < family->n_kinds; i++) {
        const Kind *same = before ? version_of(before, family->kinds[i]->version) : NULL;

        family->kinds[i]->id = same ? same->id : take_id();
        family->kinds[i]->family = family;
    }
}

static void give_ids(const KindFamily *before, const KindFamily *after)
{
    for (size_t i = 0; i < before->n_kinds; i++)
        if (!after || !version_of(after, before->kinds[i]->version))
            give_id(before->kinds[i]->id);
    if (!after)
        give_id(before->store_id);
}

static void tell(KindFamily *before, KindFamily *after)
{
    runtime.generation++;
    if (runtime.listeners.next)
        LIST_EACH_SAFE(&runtime.listeners, node) {
            KindListener *listener = CONTAINER_OF(node, KindListener, node);

            listener->on_change(listener, before, after);
        }
    kind_family_unref(before);
}

void kind_family_put(KindFamily *family)
{
    const char *group = family->stored->group, *plural = family->stored->plural;
    KindFamily *before = kind_family_find(group, plural);

    pthread_rwlock_wrlock(&runtime.lock);
    assign_ids(family, before);
    if (before) {
        unlist(before);
        give_ids(before, family);
    }
    list(family_ref(family));
    put_name(&runtime.families, group, NULL, plural, family);
    __atomic_store_n(&runtime.n_families, runtime.families.n, __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&runtime.lock);
    tell(before, family);
}

void kind_family_remove(const char *group, const char *plural)
{
    KindFamily *before = kind_family_find(group, plural);

    if (!before)
        return;
    pthread_rwlock_wrlock(&runtime.lock);
    unlist(before);
    give_ids(before, NULL);
    put_name(&runtime.families, group, NULL, plural, NULL);
    __atomic_store_n(&runtime.n_families, runtime.families.n, __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&runtime.lock);
    tell(before, NULL);
    if (runtime.families.n ==
        0) { /* nothing is left behind when the last server of a process ends */
        strmap_deinit(&runtime.families);
        strmap_deinit(&runtime.by_kind);
        strmap_deinit(&runtime.by_resource);
        VEC_DEINIT(&runtime.slots);
        runtime.first_free = 0;
    }
}

KindFamily *kind_family_find(const char *group, const char *plural)
{
    return get_name(&runtime.families, group, NULL, plural);
}

void kind_listen(KindListener *listener)
{
    if (!runtime.listeners.next)
        list_init(&runtime.listeners);
    list_append(&runtime.listeners, &listener->node);
}

void kind_unlisten(KindListener *listener)
{
    list_remove(&listener->node);
}

uint64_t kind_generation(void)
{
    return runtime.generation;
}

/* ---- look-ups ---- */

size_t kind_count(void)
{
    return KIND_COUNT + runtime.slots.n;
}

const Kind *kind_at(size_t id)
{
    if (id < KIND_COUNT)
        return kind_table[id];
    return id - KIND_COUNT < runtime.slots.n ? runtime.slots.v[id - KIND_COUNT].kind : NULL;
}

const Kind *kind_next(const Kind *kind)
{
    size_t n = kind_count();

    for (size_t id = kind ? kind->id + (size_t)1 : 0; id < n; id++)
        if (kind_at(id))
            return kind_at(id);
    return NULL;
}

const Kind *kind_find(const char *group, const char *version, const char *name)
{
    fill_indexes();
    for (uint32_t slot = hash_names(group, version, name) % SLOTS; by_kind.slots[slot];
         slot = (slot + 1) % SLOTS) {
        const Kind *kind = kind_table[by_kind.slots[slot] - 1];

        if (strcmp(kind->kind, name) == 0 && strcmp(kind->version, version) == 0 &&
            strcmp(kind->group, group) == 0)
            return kind;
    }
    return find_runtime(&runtime.by_kind, group, version, name);
}

const Kind *kind_find_resource(const char *group, const char *version, const char *plural)
{
    fill_indexes();
    for (uint32_t slot = hash_names(group, version, plural) % SLOTS; by_resource.slots[slot];
         slot = (slot + 1) % SLOTS) {
        const Kind *kind = kind_table[by_resource.slots[slot] - 1];

        if (strcmp(kind->plural, plural) == 0 && strcmp(kind->version, version) == 0 &&
            strcmp(kind->group, group) == 0)
            return kind;
    }
    return find_runtime(&runtime.by_resource, group, version, plural);
}

const Kind *kind_find_api_version(const char *api_version, const char *name)
{
    char group[256];
    const char *slash = strchr(api_version, '/');
    size_t n = slash ? (size_t)(slash - api_version) : 0;

    if (n >= sizeof(group))
        return NULL;
    memcpy(group, api_version, n);
    group[n] = 0;
    return kind_find(group, slash ? slash + 1 : api_version, name);
}

/* ---- groups ---- */

enum { DEFAULT_GROUP = 1000, DEFAULT_VERSION = 100 };

static const struct {
    const char *group, *version;
    int32_t group_priority, version_priority;
} priorities[] = {
    {"apiregistration.k8s.io", "v1", 20000, 15}, /* has no APIService, but comes first */
    {"", "v1", 18000, 1},
    {"apps", "v1", 17800, 15},
    {"events.k8s.io", "v1", 17750, 15},
    {"authentication.k8s.io", "v1", 17700, 15},
    {"authorization.k8s.io", "v1", 17600, 15},
    {"autoscaling", "v1", 17500, 15},
    {"autoscaling", "v2", 17500, 30},
    {"batch", "v1", 17400, 15},
    {"certificates.k8s.io", "v1", 17300, 15},
    {"networking.k8s.io", "v1", 17200, 15},
    {"policy", "v1", 17100, 15},
    {"rbac.authorization.k8s.io", "v1", 17000, 15},
    {"storage.k8s.io", "v1", 16800, 15},
    {"apiextensions.k8s.io", "v1", 16700, 15},
    {"admissionregistration.k8s.io", "v1", 16700, 15},
    {"scheduling.k8s.io", "v1", 16600, 15},
    {"coordination.k8s.io", "v1", 16500, 15},
    {"node.k8s.io", "v1", 16300, 15},
    {"discovery.k8s.io", "v1", 16200, 15},
    {"resource.k8s.io", "v1", 16200, 21},
    {"flowcontrol.apiserver.k8s.io", "v1", 16100, 21},
};

void group_priority(const char *group, const char *version, int32_t *ret_group,
                    int32_t *ret_version)
{
    *ret_group = DEFAULT_GROUP;
    *ret_version = DEFAULT_VERSION;
    for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
        if (!str_equal(priorities[i].group, group) || !str_equal(priorities[i].version, version))
            continue;
        *ret_group = priorities[i].group_priority;
        *ret_version = priorities[i].version_priority;
    }
}

/* ---- versions ---- */

typedef struct VersionName {
    int stage; /* 2: v1, 1: v1beta1, 0: v1alpha1, -1: none of these */
    uint64_t major, minor;
} VersionName;

/* Reads a number without leading zeros. */
static bool read_number(const char **at, uint64_t *ret)
{
    const char *p = *at;

    *ret = 0;
    if (*p < '1' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, (uint64_t)(*p - '0'), ret))
            return false;
    *at = p;
    return true;
}

static VersionName read_version(const char *name)
{
    static const VersionName other = {.stage = -1};
    VersionName version = {.stage = 2};
    const char *at = name + 1;

    if (*name != 'v' || !read_number(&at, &version.major))
        return other;
    if (!*at)
        return version;
    if (str_starts_with(at, "alpha")) {
        version.stage = 0;
        at += strlen("alpha");
    } else if (str_starts_with(at, "beta")) {
        version.stage = 1;
        at += strlen("beta");
    } else {
        return other;
    }
    return read_number(&at, &version.minor) && !*at ? version : other;
}

int version_compare(const char *a, const char *b)
{
    VersionName x = read_version(a), y = read_version(b);

    if (x.stage != y.stage)
        return x.stage > y.stage ? -1 : 1;
    if (x.stage < 0)
        return strcmp(a, b);
    if (x.major != y.major)
        return x.major > y.major ? -1 : 1;
    return x.minor == y.minor ? 0 : x.minor > y.minor ? -1 : 1;
}
