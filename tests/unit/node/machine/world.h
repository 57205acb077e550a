/* SPDX-License-Identifier: Apache-2.0 */
/* A pod machine without a container: actions and events are recorded, tests report the results, and the clock advances only
 * when a test says so. */
#ifndef MACHINE_WORLD_H
#define MACHINE_WORLD_H

#include "testing.h"

#include "api/schema/core_pod_v1.h"
#include "base/strbuf.h"
#include "codec/json/json.h"
#include "node/machine/machine.h"

typedef struct World {
    Clock *clock;
    Machine *machine;
    Object *pod;
    StrBuf log;    /* actions, space-separated */
    StrBuf events; /* a line each: the container's index or "pod", type, reason, message */
    uint64_t probe_serial[8], hook_serial[8];
    int probes, gone, changes, abandoned;
    int64_t hook_limit_ns;
    Arena arena;
} World;

extern const MachineOps world_ops;

Object *world_pod(const char *spec);
void world_begin(World *w, const char *spec);
void world_end(World *w);
void world_update(World *w, const char *spec);
void world_expect(World *w, const char *actions);
void world_expect_events(World *w, const char *lines);
PodStatus *world_status(World *w);
void world_started(World *w, size_t i);
void world_exited(World *w, size_t i, int code);
bool world_condition(PodStatus *s, const char *type);

/* A pod of one container, and one whose container has the given members besides name and image. */
#define ONE "{\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]}"
#define WITH(members) "{\"containers\":[{\"name\":\"app\",\"image\":\"i\"," members "}]}"

#endif
