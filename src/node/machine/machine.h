/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pod's life as a state machine. It does nothing itself: it is told what happened
 * (machine_prepared, machine_exited, machine_probed...), asks for actions through MachineOps, and
 * says at any time what the pod's status is. With the clock injected, all of it runs in a test or
 * the simulator without a container.
 *
 *   PREPARING -> ACTIVE -> STOPPING -> TEARDOWN -> DONE
 *
 *   PREPARING  sandbox and volumes are being made; failures are tried again with back-off
 *   ACTIVE     init containers in order, then all others; what ends is started again as the
 *              policies say
 *   STOPPING   nothing starts any more; containers end: hooks, SIGTERM, grace, SIGKILL; sidecars
 *              last, in reverse
 *   TEARDOWN   no container runs; sandbox and volumes go
 *   DONE       where the pod was deleted, the object may go, too
 *
 * A container:
 *
 *   WAITING -> STARTING -> RUNNING -> STOPPING -> EXITED -> (WAITING for back-off) -> STARTING ...
 *
 * Restarts: the first at once, then 10 s after the end, 20 s, ... 5 min; anew after 10 min without
 * one. Probes: the first at once, then again after 2 ms, 3 ms, 4.5 ms... (those that run a program
 * after 20 ms, 30 ms...) up to the period, until the first success; then every period. In that fast phase one failure a period counts, from the end of
 * the first period on, so that thresholds last as long as they do under Kubernetes.
 */
#ifndef NODE_MACHINE_MACHINE_H
#define NODE_MACHINE_MACHINE_H

#include "api/object.h"
#include "base/time/clock.h"

typedef struct Machine Machine;

typedef enum MachineStage {
    MACHINE_PREPARING,
    MACHINE_ACTIVE,
    MACHINE_STOPPING,
    MACHINE_TEARDOWN,
    MACHINE_DONE,
} MachineStage;

typedef enum MachineProbe {
    MACHINE_STARTUP,
    MACHINE_READINESS,
    MACHINE_LIVENESS,
    _MACHINE_PROBE_MAX
} MachineProbe;
typedef enum MachineHook { MACHINE_POST_START, MACHINE_PRE_STOP } MachineHook;
typedef enum ContainerKind {
    CONTAINER_INIT,
    CONTAINER_SIDECAR,
    CONTAINER_REGULAR,
    CONTAINER_EPHEMERAL
} ContainerKind;
typedef enum ContainerStage {
    CONTAINER_WAITING,
    CONTAINER_STARTING,
    CONTAINER_RUNNING,
    CONTAINER_STOPPING,
    CONTAINER_EXITED,
} ContainerStage;

/* Containers are counted through: init containers, regular ones, ephemeral ones. No answer may come
 * before the op returns. */
typedef struct MachineOps {
    void (*prepare)(void *data);
    void (*start)(void *data, size_t container, int attempt);
    void (*signal)(void *data, size_t container, bool kill);
    /* `serial` comes back with the result: old ones are ignored. */
    void (*probe)(void *data, size_t container, MachineProbe probe, uint64_t serial);
    void (*hook)(void *data, size_t container, MachineHook hook, int64_t limit_ns, uint64_t serial);
    void (*teardown)(void *data);
    void (*changed)(void *data); /* the status may be another one */
    void (*gone)(void *data);    /* deleted, and nothing is left: the last call */
    /* container SIZE_MAX: about the pod */
    void (*event)(void *data, size_t container, const char *type, const char *reason,
                  const char *message);
} MachineOps;

/* How an instance of a container ended. */
typedef struct MachineEnd {
    int exit_code;
    int64_t started_ns, finished_ns; /* wall; started 0: never */
    const char *reason;              /* NULL: Completed, OOMKilled or Error, after the facts */
    const char *message;
    bool oom_killed;
} MachineEnd;

/* Pod object: referenced while the machine lives. */
Machine *machine_new(Object *pod, Clock *clock, const MachineOps *ops, void *data);
Machine *machine_free(Machine *machine);
/* A container's instance that was found running or ended when the node came back; before
 * machine_run. */
void machine_restore_running(Machine *machine, size_t container, int attempt, const char *id,
                             int64_t started_ns, bool started, bool ready);
void machine_restore_exited(Machine *machine, size_t container, int attempt, const char *id,
                            const MachineEnd *end);
/* The same for one that went with its sandbox (a reboot): it is started again without back-off,
 * init containers too. */
void machine_restore_lost(Machine *machine, size_t container, int attempt, const char *id,
                          const MachineEnd *end);
void machine_restore_last(Machine *machine, size_t container, const char *id,
                          const MachineEnd *end);
void machine_restore_image(Machine *machine, size_t container, const char *image,
                           const char *image_id);
/* The image that the spec named when it was started: a running container is replaced if that
 * changes. */
void machine_restore_start_image(Machine *machine, size_t container, const char *image);
/* A finished pod (Succeeded, Failed) has nothing to run any more. */
void machine_restore_finished(Machine *machine, const char *phase, const char *reason,
                              const char *message);
void machine_run(Machine *machine);

/* What happened. */
void machine_update(Machine *machine,
                    Object *pod); /* new version: labels, ephemeral containers, images */
void machine_delete(Machine *machine, int64_t grace_ns);
/* Ends the pod as Failed: eviction, admission, a deadline. */
void machine_fail(Machine *machine, const char *reason, const char *message);
/* The same with a second's grace only, as kubelet evicts whoever uses too much. */
void machine_evict(Machine *machine, const char *reason, const char *message);
/* Stops all containers, as `stead down` does, without deleting or changing what the pod is wanted
 * to be. */
void machine_halt(Machine *machine);
void machine_prepared(Machine *machine, const char *pod_ip);
void machine_prepare_failed(Machine *machine, const char *reason, const char *message);
void machine_created(Machine *machine, size_t container, const char *id, const char *image,
                     const char *image_id);
void machine_started(Machine *machine, size_t container, int64_t started_ns);
/* It could not be started. created: an instance existed, which counts as one that ended with 128
 * (StartError). */
void machine_start_failed(Machine *machine, size_t container, const char *reason,
                          const char *message, bool created);
void machine_exited(Machine *machine, size_t container, const MachineEnd *end);
void machine_probed(Machine *machine, size_t container, MachineProbe probe, uint64_t serial,
                    bool ok, const char *output);
void machine_hooked(Machine *machine, size_t container, MachineHook hook, uint64_t serial, bool ok,
                    const char *message);
void machine_torn_down(Machine *machine);
/* Something outside that a start waits for may be there now (an image, a ConfigMap): what waits
 * tries at once, and what is under way tries once more if it fails, since it may have looked too
 * early. */
void machine_kick(Machine *machine);

/* What is. */
MachineStage machine_stage(const Machine *machine);
size_t machine_count(const Machine *machine);
const Container *machine_container(const Machine *machine, size_t container);
ContainerKind machine_kind(const Machine *machine, size_t container);
ContainerStage machine_container_stage(const Machine *machine, size_t container);
int machine_attempt(const Machine *machine, size_t container);
const char *machine_container_id(const Machine *machine, size_t container);
int64_t machine_started_ns(const Machine *m, size_t container); /* wall, of the newest one */
/* "waiting to start: ContainerCreating" and the like for a container without a log; NULL: it has
 * run. */
const char *machine_waiting_reason(const Machine *machine, size_t container);
bool machine_has_run(const Machine *machine, size_t container);
bool machine_has_previous(const Machine *machine, size_t container);
Object *machine_pod(const Machine *machine);
/* SIZE_MAX: no such container. */
size_t machine_find(const Machine *machine, const char *name);

/* The whole status. before: the newest one known, for times of transition and what others put
 * there. */
void machine_status(const Machine *machine, Arena *arena, const PodStatus *before,
                    const char *host_ip, PodStatus *ret);

#endif
