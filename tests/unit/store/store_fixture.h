/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's tests share: a store over either engine, small objects, and a log of what
 * happened. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "testing.h"

// clang-format off
// clang-format on
#include <uv.h>

#include "api/schema/core_config_v1.h"
#include "base/fault.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "store/store.h"

#define FIXTURE_WINDOW 16

typedef struct Fixture {
    bool sqlite;
    uv_loop_t loop;
    char dir[64];
    MemoryState *memory;
    Store *store;
    StrBuf log; /* "web-0 ok 3\n", "+web-0 3\n" ... */
} Fixture;

static inline void fixture_open(Fixture *fixture)
{
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;

    if (fixture->sqlite)
        assert_int_equal(engine_sqlite_open(fixture->dir, FIXTURE_WINDOW, &engine, &err), 0);
    else
        assert_int_equal(engine_memory_open(fixture->memory, &engine), 0);
    assert_int_equal(store_open(&fixture->loop, engine, FIXTURE_WINDOW, &fixture->store, &err), 0);
}

static inline void fixture_run(Fixture *fixture)
{
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
}

static inline void fixture_close(Fixture *fixture)
{
    fixture->store = store_close(fixture->store);
    fixture_run(fixture);
}

static inline Fixture *fixture_new(bool sqlite)
{
    Fixture *fixture = mem_new_type(Fixture);

    fixture->sqlite = sqlite;
    uv_loop_init(&fixture->loop);
    snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/stead-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture->memory = memory_state_new();
    fixture_open(fixture);
    return fixture;
}

static inline void fixture_free(Fixture *fixture)
{
    fixture_close(fixture);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    memory_state_free(fixture->memory);
    assert_int_equal(file_remove_tree(fixture->dir), 0);
    strbuf_deinit(&fixture->log);
    free(fixture);
}

static inline const Kind *config_map_kind(void)
{
    return kind_find("", "v1", "ConfigMap");
}

/* A ConfigMap in namespace "default" (or in the one of "ns/name") with one datum. */
static inline Object *make_config_map(const char *name, const char *datum)
{
    Object *object = object_new(config_map_kind());
    ConfigMap *map = object->value;
    const char *slash = strchr(name, '/');
    Arena *arena = &object->arena;

    map->metadata.namespace =
        slash ? arena_strndup(arena, name, (size_t)(slash - name)) : "default";
    map->metadata.name = arena_strdup(arena, slash ? slash + 1 : name);
    map->metadata.uid = arena_printf(arena, "uid-of-%s", map->metadata.name);
    string_map_put(arena, &map->data, "datum", datum);
    return object;
}

static inline const char *datum_of(const Object *object)
{
    return object ? string_map_get(&OBJECT_AS(ConfigMap, object)->data, "datum") : NULL;
}

static inline void log_done(void *data, int outcome, const char *reason _unused_, Object *object)
{
    Fixture *fixture = data;

    if (outcome)
        strbuf_printf(&fixture->log, "failed %d\n", outcome);
    else
        strbuf_printf(&fixture->log, "%s %" PRIu64 "\n", object_meta(object)->name,
                      object->revision);
}

static inline void log_event(void *data, const WatchEvent *event)
{
    Fixture *fixture = data;

    strbuf_printf(&fixture->log, "%c%s %" PRIu64 " %s", "+~-"[event->type],
                  object_meta(event->object) -> name, event -> revision, datum_of(event->object));
    if (event->before)
        strbuf_printf(&fixture->log, " before %s", datum_of(event->before));
    strbuf_add_char(&fixture->log, '\n');
}

static inline int fixture_create(Fixture *fixture, const char *name, const char *datum)
{
    _object_ Object *object = make_config_map(name, datum);

    return store_create(fixture->store, object, log_done, fixture);
}

static inline int fixture_update(Fixture *fixture, const char *name, const char *datum,
                                 uint64_t expected)
{
    _object_ Object *object = make_config_map(name, datum);

    return store_update(fixture->store, object, expected, log_done, fixture);
}

static inline int fixture_delete(Fixture *fixture, const char *name, uint64_t expected)
{
    Object *head = store_head(fixture->store, config_map_kind(), "default", name);
    _object_ Object *last = head ? object_copy(head) : make_config_map(name, "");

    return store_delete(fixture->store, last, expected, log_done, fixture);
}

static inline const char *fixture_datum(Fixture *fixture, const char *name)
{
    return datum_of(store_get(fixture->store, config_map_kind(), "default", name));
}

/* The log is exactly this; it is emptied. */
#define ASSERT_LOG(fixture, text)                                  \
    do {                                                           \
        assert_string_equal(strbuf_string(&(fixture)->log), text); \
        strbuf_truncate(&(fixture)->log, 0);                       \
    } while (0)

#endif
