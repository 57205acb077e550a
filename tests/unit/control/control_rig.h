/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers on the real server and the memory engine, on a clock that the test moves.
 * Objects are written as JSON with single quotes, as a user would write them.
 */
#ifndef TESTS_UNIT_CONTROL_CONTROL_RIG_H
#define TESTS_UNIT_CONTROL_CONTROL_RIG_H

#include "testing.h"

#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "codec/json/json.h"
#include "control/control.h"
#include "server/server.h"
#include "store/store.h"

typedef struct Rig {
    Arena arena;
    Clock *clock;
    Random random;
    Store *store;
    Server *server;
    Client *client;
    Control *control;
    StatusReason last;
    int64_t room; /* for volumes; -1: there always is some */
} Rig;

static inline void reserve_volume(void *data, const char *name _unused_, int64_t size,
                                  bool reserved _unused_, ClientDone done, void *done_data)
{
    Rig *rig = data;
    bool fits = rig->room < 0 || size <= rig->room;
    ApiStatus status = {.reason = fits ? STATUS_OK : STATUS_NO_SPACE, .message = "no room"};

    done(done_data, &status, NULL);
}

static inline void settle(Rig *rig)
{
    for (int i = 0; i < 40; i++) {
        store_flush_now(rig->store);
        store_rest(rig->store);
        clock_fake_advance(rig->clock, 20 * NS_PER_MS);
    }
}

static inline void on_written(void *data, const ApiStatus *status, Object *object _unused_)
{
    Rig *rig = data;

    rig->last = status->reason;
    if (status->reason != STATUS_OK)
        print_message("refused: %s\n", status->message);
}

static inline Object *parse(Rig *rig, const Kind *kind, const char *text)
{
    static const char *const ignored[] = {"kind", "apiVersion", NULL};
    char *json = arena_strdup(&rig->arena, text);
    Object *object = object_new(kind);
    DecodeReport report = {0};
    yyjson_doc *doc;

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    assert_int_equal(json_parse(&rig->arena, bytes_from_string(json), &doc, &report), 0);
    assert_int_equal(json_decode(kind->type, &object->arena, yyjson_doc_get_root(doc),
                                 DECODE_CHECK_FIELDS, ignored, object->value, &report),
                     0);
    assert_int_equal(report.field_errors.n, 0);
    return object;
}

static inline void create(Rig *rig, const Kind *kind, const char *text)
{
    Object *object = parse(rig, kind, text);

    client_create(rig->client, object, NULL, on_written, rig);
    settle(rig);
    assert_int_equal(rig->last, STATUS_OK);
    object_unref(object);
}

static inline void write_status(Rig *rig, const Kind *kind, const char *ns, const char *name,
                                const char *status)
{
    char *json = arena_printf(&rig->arena, "{\"status\":%s}", status);

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    client_patch(rig->client, kind, ns, name, PATCH_MERGE, bytes_from_string(json),
                 &(WriteOptions){.subresource = "status"}, on_written, rig);
    settle(rig);
    assert_int_equal(rig->last, STATUS_OK);
}

static inline void delete (Rig *rig, const Kind *kind, const char *ns, const char *name,
                           const char *propagation)
{
    client_delete(rig->client, kind, ns, name, &(WriteOptions){.propagation = propagation},
                  on_written, rig);
    settle(rig);
    assert_int_equal(rig->last, STATUS_OK);
}

static inline Object *get(Rig *rig, const Kind *kind, const char *ns, const char *name)
{
    return client_get(rig->client, kind, ns, name);
}

static inline int setup(void **state)
{
    Rig *rig = mem_new_type(Rig);
    StoreEngine *engine;
    Err err = ERR_INIT;

    rig->room = -1;
    rig->clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC);
    random_seed(&rig->random, 7);
    if (engine_memory_open(NULL, &engine) != 0 ||
        store_open(NULL, engine, 1000, &rig->store, &err) != 0)
        return -1;
    if (server_new(&(ServerOptions){.store = rig->store,
                                    .clock = rig->clock,
                                    .random = &rig->random,
                                    .service_cidr = "10.96.0.0/12",
                                    .node_name = "n"},
                   &rig->server, &err) != 0)
        return -1;
    rig->client = server_client(rig->server, "test");
    rig->control = control_start(&(ControlOptions){.client = server_client(rig->server, "control"),
                                                   .clock = rig->clock,
                                                   .random = &rig->random,
                                                   .node_name = "n",
                                                   .root_ca_pem = "PEM",
                                                   .load_balancer_cidr = "10.53.0.0/29",
                                                   .volume_dir = "/data/volumes",
                                                   .reserve_volume = reserve_volume,
                                                   .reserve_volume_data = rig,
                                                   .api_address = "10.42.0.1",
                                                   .api_port = 6443});
    settle(rig);
    if (!get(rig, &kind_namespace, NULL, "default"))
        create(rig, &kind_namespace, "{'metadata':{'name':'default'}}");
    *state = rig;
    return 0;
}

static inline int teardown(void **state)
{
    Rig *rig = *state;

    rig->control = control_stop(rig->control);
    store_flush_now(rig->store);
    server_free(rig->server);
    store_close(rig->store);
    clock_free_fake(rig->clock);
    arena_clear(&rig->arena);
    free(rig);
    return 0;
}

#endif
