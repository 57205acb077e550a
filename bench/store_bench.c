/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many durable creates a second the store takes with N in flight, without HTTP: store_bench
 * [DIR [COUNT [IN_FLIGHT]]]. Prints one line of JSON; a second run of LIST over all objects is
 * timed as well.
 */
#include <sys/resource.h>
#include <uv.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "store/store.h"

typedef struct Bench {
    Store *store;
    int64_t next, count, done, failed;
    int64_t commits, commit_began_ns; /* commits that writes ended with; when the newest began */
} Bench;

static void on_done(void *data, int outcome, const char *reason, Object *object);

static void create_one(Bench *bench)
{
    _object_ Object *object = object_new(kind_find("", "v1", "ConfigMap"));
    ConfigMap *map = object->value;
    Arena *arena = &object->arena;
    int64_t n = bench->next++;

    map->metadata.namespace = "default";
    map->metadata.name = arena_printf(arena, "bench-%08" PRIx64, (uint64_t)n);
    map->metadata.uid = arena_printf(arena, "8d3f8a5e-0000-4000-8000-%012" PRIx64, (uint64_t)n);
    string_map_put(arena, &map->metadata.labels, "app", "bench");
    for (int i = 0; i < 8; i++)
        string_map_put(arena, &map->data, arena_printf(arena, "key-%d", i),
                       "some configuration text of a middling size");
    if (store_create(bench->store, object, on_done, bench))
        bench->failed++;
}

static void on_done(void *data, int outcome, const char *reason, Object *object)
{
    Bench *bench = data;

    int64_t began_ns = store_commit_times(bench->store).began_ns;

    bench->done++;
    bench->commits += began_ns != bench->commit_began_ns;
    bench->commit_began_ns = began_ns;
    if (outcome)
        bench->failed++;
    if (bench->next < bench->count)
        create_one(bench);
}

static bool add_size(void *data, Object *object)
{
    *(size_t *)data += object_json(object).n;
    return true;
}

static double seconds_since(uint64_t start)
{
    return (double)(uv_hrtime() - start) / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    char made[] = "/var/tmp/store-bench-XXXXXX";
    const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
    int64_t count = 200000, in_flight = 80;
    StoreEngine *engine = NULL;
    Bench bench = {0};
    Err err = ERR_INIT;
    uv_loop_t loop;
    uint64_t start;
    double wall, list, cpu;
    size_t bytes = 0;

    if ((argc > 2 && str_to_int64(argv[2], 1, 100000000, &count)) ||
        (argc > 3 && str_to_int64(argv[3], 1, 100000, &in_flight))) {
        fprintf(stderr, "usage: store_bench [DIR [COUNT [IN_FLIGHT]]]\n");
        return 2;
    }
    uv_loop_init(&loop);
    if (engine_sqlite_open(dir, 1024, &engine, &err) < 0 ||
        store_open(&loop, engine, 1024, &bench.store, &err) < 0) {
        fprintf(stderr, "store_bench: %s\n", err.message);
        return 1;
    }
    bench.count = count;
    cpu = cpu_seconds();
    start = uv_hrtime();
    for (int64_t i = 0; i < in_flight && i < count; i++)
        create_one(&bench);
    uv_run(&loop, UV_RUN_DEFAULT);
    wall = seconds_since(start);
    cpu = cpu_seconds() - cpu;
    start = uv_hrtime();
    store_list(bench.store, kind_find("", "v1", "ConfigMap"), NULL, NULL, add_size, &bytes);
    list = seconds_since(start);
    printf(
        "{\"creates\": %" PRId64 ", \"failed\": %" PRId64 ", \"in_flight\": %" PRId64
        ", \"per_second\": %.0f, \"per_commit\": %.1f, \"cpu_us_each\": %.2f, \"json_bytes\": %zu"
        ", \"list_ms\": %.2f}\n",
        bench.done, bench.failed, in_flight, (double)count / wall,
        (double)bench.done / (double)MAX_OF(bench.commits, INT64_C(1)), cpu * 1e6 / (double)count,
        bytes / (size_t)count, list * 1e3);
    store_close(bench.store);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return argc > 1 ? 0 : -file_remove_tree(dir);
}
