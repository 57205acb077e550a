/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

static void op_prepare(void *data)
{
    strbuf_add_string(&((World *)data)->log, "prepare ");
}
static void op_start(void *data, size_t container, int attempt)
{
    strbuf_printf(&((World *)data)->log, "start%zu.%d ", container, attempt);
}
static void op_signal(void *data, size_t container, bool kill)
{
    strbuf_printf(&((World *)data)->log, "%s%zu ", kill ? "kill" : "term", container);
}
static void op_probe(void *data, size_t container _unused_, MachineProbe probe, uint64_t serial)
{
    World *w = data;

    w->probes++;
    w->probe_serial[probe] = serial;
}
static void op_hook(void *data, size_t container, MachineHook hook, int64_t limit_ns,
                    uint64_t serial)
{
    World *w = data;

    w->hook_serial[hook] = serial;
    w->hook_limit_ns = limit_ns;
    strbuf_printf(&w->log, "hook%zu ", container);
}
static void op_teardown(void *data)
{
    strbuf_add_string(&((World *)data)->log, "teardown ");
}
static void op_changed(void *data)
{
    ((World *)data)->changes++;
}
static void op_gone(void *data)
{
    ((World *)data)->gone++;
}
static void op_event(void *data, size_t container, const char *type, const char *reason,
                     const char *message)
{
    StrBuf *events = &((World *)data)->events;

    if (container == SIZE_MAX)
        strbuf_add_string(events, "pod ");
    else
        strbuf_printf(events, "%zu ", container);
    strbuf_printf(events, "%s %s: %s\n", type, reason, message);
}
static void op_abandon(void *data, size_t container _unused_)
{
    ((World *)data)->abandoned++;
}
static void op_resize(void *data)
{
    strbuf_add_string(&((World *)data)->log, "resize ");
}
const MachineOps world_ops = {
    op_prepare, op_start, op_signal, op_probe,   op_hook,   op_teardown,
    op_changed, op_gone,  op_event,  op_abandon, op_resize,
};

Object *world_pod(const char *spec)
{
    _free_ char *text =
        mem_printf("{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"default\",\"uid\":\"u1\"},"
                   "\"spec\":%s}",
                   spec);
    yyjson_doc *doc;
    DecodeReport report = {0};
    Object *pod = object_new(kind_find("", "v1", "Pod"));

    assert_int_equal(json_parse(&pod->arena, bytes_from_string(text), &doc, &report), 0);
    assert_int_equal(json_decode(pod->kind->type, &pod->arena, yyjson_doc_get_root(doc),
                                 DECODE_CHECK_FIELDS, NULL, pod->value, &report),
                     0);
    assert_int_equal(report.field_errors.n, 0);
    type_default(pod->kind->type, &pod->arena, pod->value);
    return pod;
}

void world_begin(World *w, const char *spec)
{
    w->clock = clock_new_fake(INT64_C(1700000000) * NS_PER_SEC);
    w->pod = world_pod(spec);
    w->machine = machine_new(w->pod, w->clock, &world_ops, w);
    machine_run(w->machine);
}

void world_end(World *w)
{
    machine_free(w->machine);
    object_unref(w->pod);
    clock_free_fake(w->clock);
    strbuf_deinit(&w->log);
    strbuf_deinit(&w->events);
    arena_clear(&w->arena);
}

void world_update(World *w, const char *spec)
{
    Object *pod = world_pod(spec);

    machine_update(w->machine, pod);
    object_unref(w->pod);
    w->pod = pod;
}

void world_expect(World *w, const char *actions)
{
    assert_string_equal(strbuf_string(&w->log), actions);
    strbuf_truncate(&w->log, 0);
}

void world_expect_events(World *w, const char *lines)
{
    assert_string_equal(strbuf_string(&w->events), lines);
    strbuf_truncate(&w->events, 0);
}

PodStatus *world_status(World *w)
{
    PodStatus *s = arena_new(&w->arena, PodStatus);

    machine_status(w->machine, &w->arena, NULL, "192.168.1.1", s);
    return s;
}

void world_started(World *w, size_t i)
{
    machine_created(w->machine, i, "id", "image", "image-id");
    machine_started(w->machine, i, clock_wall_ns(w->clock));
}

void world_exited(World *w, size_t i, int code)
{
    MachineEnd e = {.exit_code = code, .finished_ns = clock_wall_ns(w->clock)};

    machine_exited(w->machine, i, &e);
}

bool world_condition(PodStatus *s, const char *type)
{
    for (size_t i = 0; i < s->conditions.n; i++)
        if (str_equal(s->conditions.v[i].type, type))
            return str_equal(s->conditions.v[i].status, "True");
    fail();
    return false;
}
