/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of kinds. Built-in kinds are the rows of a generated table, by id. Two hash tables,
 * by kind and by resource, are filled on first use and do not change afterwards (open addressing,
 * at most half full, so that each search ends).
 */
#include "api/kind.h"

#include <assert.h>
#include <pthread.h>

#include "api/schema/kinds.h"
#include "base/fnv.h"

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

size_t kind_count(void)
{
    return KIND_COUNT;
}

const Kind *kind_at(size_t id)
{
    return id < KIND_COUNT ? kind_table[id] : NULL;
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
    return NULL;
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
    return NULL;
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
