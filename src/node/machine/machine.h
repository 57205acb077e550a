/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one pod as a state machine. The machine performs no action itself: its owner reports
 * what happened (machine_prepared, machine_exited, machine_probed...), the machine requests actions
 * through MachineOps, and machine_status() computes the pod's status at any time. Since the clock is
 * injected, all of it runs in a unit test or in the simulator without a container.
 *
 *   PREPARING -> ACTIVE -> STOPPING -> TEARDOWN -> DONE
 *
 *   PREPARING  the sandbox and the volumes are being made; a failure is retried with back-off
 *   ACTIVE     the init containers run one after the other, then all other containers; a container
 *              that ends is restarted as its restart policy says
 *   STOPPING   no container is started any more, and the running ones are stopped: preStop hook,
 *              SIGTERM, grace period, SIGKILL; sidecars come last, in reverse order
 *   TEARDOWN   no container runs; the sandbox and the volumes are being removed
 *   DONE       nothing is left on the node; if the pod was deleted, its object may be removed
 *
 * A container:
 *
 *   WAITING -> STARTING -> RUNNING -> STOPPING -> EXITED -> (WAITING for back-off) -> STARTING ...
 *
 * Restarts: the first restart is immediate, the next ones wait until 10 s, 20 s, ... 5 min after the
 * end of the container. The series starts over after 10 min without a restart.
 *
 * Probes: the first probe is immediate. Until the first success, the delay before the next one is
 * 2 ms, 3 ms, 4.5 ms... (20 ms, 30 ms... for a probe that runs a program) and at most the period;
 * after it, probes run once a period. During this fast phase at most one failure per period counts,
 * and the first one only counts at the end of the first period, so that thresholds last as long as
 * they do under Kubernetes.
 */
#ifndef NODE_MACHINE_MACHINE_H
#define NODE_MACHINE_MACHINE_H

#include "api/object.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/waiting_reason.h"
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

/*
 * What the machine asks its owner to do. Containers are numbered: init containers first, then
 * regular ones, then ephemeral ones; an index of SIZE_MAX in an event means the pod itself.
 *
 * The owner reports the result of prepare, start, signal, probe, hook and teardown later, and never
 * before the op has returned: the machine is in the middle of a transition. This is asserted.
 */
typedef struct MachineOps {
    void (*prepare)(void *data);
    void (*start)(void *data, size_t container, int attempt);
    void (*signal)(void *data, size_t container, bool kill);
    /* The result of a probe or a hook repeats `serial`, by which the machine ignores stale ones. */
    void (*probe)(void *data, size_t container, MachineProbe probe, uint64_t serial);
    void (*hook)(void *data, size_t container, MachineHook hook, int64_t limit_ns, uint64_t serial);
    void (*teardown)(void *data);
    void (*changed)(void *data); /* machine_status() may give another result now */
    /* The pod was deleted, and nothing is left of it. This is the last call; it may free the machine. */
    void (*gone)(void *data);
    void (*event)(void *data, size_t container, const char *type, const char *reason,
                  const char *message);
    /* The result of `start` is not wanted any more: a start that still waits for something outside
     * the node, such as a registry, fails soon. Others continue. NULL: starts never wait. */
    void (*abandon)(void *data, size_t container);
    /* Changes the cgroups of the pod and of its running containers to the resources of the spec. The
     * owner calls machine_resources_applied() for each container that has them, then
     * machine_resized(); after an error it tries again by itself. */
    void (*resize)(void *data);
} MachineOps;

/* How an instance of a container ended. The machine copies the texts. */
typedef struct MachineEnd {
    int exit_code;
    int64_t started_ns, finished_ns; /* wall clock; started_ns is 0 if the instance never started */
    const char *reason;              /* NULL: derived as Completed, OOMKilled or Error */
    const char *message;
    bool oom_killed;
} MachineEnd;

/* The machine holds a reference to the pod object. `ops` and `data` must outlive the machine. */
Machine *machine_new(Object *pod, Clock *clock, const MachineOps *ops, void *data);
Machine *machine_free(Machine *machine);

/*
 * What was found on the node after a restart of this process. These are called between machine_new
 * and machine_run.
 */
void machine_restore_running(Machine *machine, size_t container, int attempt, const char *id,
                             int64_t started_ns, bool started, bool ready);
void machine_restore_exited(Machine *machine, size_t container, int attempt, const char *id,
                            const MachineEnd *end);
/* The instance vanished together with its sandbox (a reboot). The container is started again
 * without back-off, even if it is an init container that had completed. */
void machine_restore_lost(Machine *machine, size_t container, int attempt, const char *id,
                          const MachineEnd *end);
/* The instance before the newest one, for `lastState`. */
void machine_restore_last(Machine *machine, size_t container, const char *id,
                          const MachineEnd *end);
void machine_restore_image(Machine *machine, size_t container, const char *image,
                           const char *image_id);
/* The image that the spec named when the container was started. If the spec names another one by
 * now, the running container is replaced. */
void machine_restore_start_image(Machine *machine, size_t container, const char *image);
/* The pod has reached its final phase (Succeeded or Failed), so nothing is started any more. */
void machine_restore_finished(Machine *machine, const char *phase, const char *reason,
                              const char *message);
/* The conditions about a change of resources, from the last status. */
void machine_restore_resize(Machine *machine, const PodConditionArray *conditions);
void machine_run(Machine *machine);

/* ---- what the user or the node wants ---- */

/* A new version of the pod object: labels, images, ephemeral containers or the deadline may differ. */
void machine_update(Machine *machine, Object *pod);
/* Starts the deletion of the pod. A second call takes effect if its grace period is shorter. */
void machine_delete(Machine *machine, int64_t grace_ns);
/* Ends the pod with phase Failed: it was not admitted, or its deadline has passed. */
void machine_fail(Machine *machine, const char *reason, const char *message);
/* The same with a grace period of one second, which kubelet gives a pod that exceeds a limit. */
void machine_evict(Machine *machine, const char *reason, const char *message);
/* Stops all containers as `stead down` does: the pod is neither deleted nor failed, and is started
 * again by the next server. */
void machine_halt(Machine *machine);
/* Something outside the pod that a start may wait for has changed (an image, a ConfigMap). Starts
 * that wait for such a thing are retried at once. A start that is in flight may have looked too
 * early, so if it fails it is retried once more without delay. */
void machine_kick(Machine *machine);

/* ---- changes of resources (resize.c) ---- */

/* The node has granted the resources of this version, which the machine uses from now on. */
void machine_resize_grant(Machine *machine, Object *pod);
/* The resources of this version cannot be granted for now (Deferred) or ever (Infeasible). */
void machine_resize_wait(Machine *machine, const Pod *asked, bool infeasible, const char *message);
/* The user asks for the resources that are granted already. */
void machine_resize_settle(Machine *machine);
/* The newest instance of the container has these resources, or is about to be started with them. */
void machine_resources_applied(Machine *machine, size_t container,
                               const ResourceRequirements *resources);
/* The result of `resize`; NULL: the cgroups have been changed. */
void machine_resized(Machine *machine, const char *error);

typedef struct MachineResize {
    bool deferred, infeasible, in_progress;
    Time since; /* of the one that waits */
} MachineResize;
MachineResize machine_resize_state(const Machine *machine);
/* The container has to be restarted to get the resources of its spec. */
bool machine_restarts_for_resize(const Machine *machine, size_t container);

/* ---- what happened ---- */

void machine_prepared(Machine *machine, const char *pod_ip);
void machine_prepare_failed(Machine *machine, const char *reason, const char *message);
void machine_created(Machine *machine, size_t container, const char *id, const char *image,
                     const char *image_id);
void machine_started(Machine *machine, size_t container, int64_t started_ns);
/* The container could not be started. `created`: the runtime had created an instance, which then
 * counts as one that ended with exit code 128 and reason StartError. */
void machine_start_failed(Machine *machine, size_t container, WaitingReason reason,
                          const char *message, bool created);
void machine_exited(Machine *machine, size_t container, const MachineEnd *end);
void machine_probed(Machine *machine, size_t container, MachineProbe probe, uint64_t serial,
                    bool ok, const char *output);
void machine_hooked(Machine *machine, size_t container, MachineHook hook, uint64_t serial, bool ok);
void machine_torn_down(Machine *machine);

/* ---- the current state; a container index must be below machine_count() ---- */

MachineStage machine_stage(const Machine *machine);
size_t machine_count(const Machine *machine);
const Container *machine_container(const Machine *machine, size_t container);
ContainerKind machine_kind(const Machine *machine, size_t container);
ContainerStage machine_container_stage(const Machine *machine, size_t container);
int machine_attempt(const Machine *machine, size_t container);
const char *machine_container_id(const Machine *machine, size_t container);
/* When the newest instance started, by the wall clock; 0 if it has not. */
int64_t machine_started_ns(const Machine *machine, size_t container);
/* Why the container has no log yet; WAITING_NONE once an instance has been created. */
WaitingReason machine_waiting_reason(const Machine *machine, size_t container);
/* Is there an instance before the current one, whose log `kubectl logs --previous` shows? */
bool machine_has_previous(const Machine *machine, size_t container);
/* The resources of its newest instance; NULL: unknown. */
const ResourceRequirements *machine_applied(const Machine *machine, size_t container);
/* The index of the container of this name, or SIZE_MAX. */
size_t machine_find(const Machine *machine, const char *name);

/* The whole status, allocated in the arena. `before` is the newest known status or NULL; transition
 * times and the fields that belong to other writers are taken from it. */
void machine_status(const Machine *machine, Arena *arena, const PodStatus *before,
                    const char *host_ip, PodStatus *ret);

#endif
