/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a machine, which its transitions (advance.c, start.c, stop.c, probe.c) share with
 * status.c.
 *
 * A caller that breaks a precondition in a state that no test reaches would silently corrupt a pod.
 * The preconditions are therefore asserted: indices of containers, and that no result arrives while
 * the op that asked for it has not returned (`in_op`).
 */
#ifndef NODE_MACHINE_INTERNAL_H
#define NODE_MACHINE_INTERNAL_H

#include "api/quantity.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "node/machine/machine.h"

#define BACKOFF_FIRST (10 * NS_PER_SEC)
#define BACKOFF_MAX (300 * NS_PER_SEC)
#define BACKOFF_RESET (600 * NS_PER_SEC)
/* the time that a container always has after SIGTERM, however long its hook took */
#define STOP_MINIMUM (2 * NS_PER_SEC)

/* An instance of a container that has ended. */
typedef struct Instance {
    bool set;
    int exit_code;
    int64_t started_ns, finished_ns; /* wall */
    char *id, *reason, *message;
} Instance;

typedef struct ProbeState {
    struct MachineContainer *container;
    MachineProbe which;
    Timer timer;
    uint64_t serial;                 /* of the probe in flight; 0 if there is none */
    bool running;                    /* either its timer is armed or a probe is in flight */
    bool succeeded;                  /* it has succeeded once, which ends the fast phase */
    bool result;                     /* the result after the thresholds were applied */
    bool last;                       /* the newest single result */
    int run;                         /* how many single results in a row were equal to `last` */
    int64_t fast_ns;                 /* the next delay of the fast phase */
    int64_t counted_ns;              /* mono: when a failure last counted */
    bool counted;                    /* counted_ns is valid */
    struct MetricSeries *results[2]; /* failed, successful; NULL until the first result */
} ProbeState;

typedef struct MachineContainer {
    Machine *machine;
    size_t index;
    ContainerKind kind;
    const Container *spec;
    ContainerStage stage;
    int attempt; /* of the current or newest instance */
    bool ever;   /* an instance was created at least once */
    WaitingReason waiting_reason;
    char *waiting_message;
    Instance now,
        last; /* `now` is set once the newest instance has ended; `last` is the one before */
    char *id; /* of the newest instance */
    int64_t started_ns; /* wall, of the newest instance */
    char *image, *image_id;
    char
        *start_image; /* the image that the spec named when the newest start began; NULL: unknown */
    uint64_t start_inputs; /* Machine.inputs at that time */
    bool replacing;        /* it was stopped because its spec has changed, so it is restarted */
    bool has_applied;      /* `applied` is known */
    Arena applied_arena;
    ResourceRequirements applied; /* what the newest instance has; in applied_arena */
    int64_t backoff_ns;           /* the delay before the next restart; 0: none yet */
    int64_t backoff_update;       /* wall: when that delay was last increased */
    Timer retry;
    int64_t retry_at;        /* mono: when the next start is due; `retry` may fire earlier */
    int64_t retry_backoff;   /* the delay after a failed start; 0 after an end */
    int64_t pull_backoff_ns; /* the delay after a missing image */
    char *pull_error;
    Timer stop;
    int64_t stop_deadline; /* mono: when the grace period is over */
    uint64_t hook_serial;  /* of the hook in flight; 0 if there is none */
    bool term_sent, kill_sent;
    bool started; /* it runs, and its startup probe (if any) has succeeded */
    bool ready;
    ProbeState probes[_MACHINE_PROBE_MAX];
} MachineContainer;

/* A condition of the pod that is there, with status True, or not there. */
typedef struct ResizeCondition {
    bool set;
    char *reason, *message;
    int64_t generation;
    Time since;
} ResizeCondition;

struct Machine {
    Object *pod; /* with the resources that the node has granted */
    Clock *clock;
    const MachineOps *ops;
    void *data;
    MachineStage stage;
    MachineContainer **v;
    size_t n, n_init, n_regular;
    unsigned in_op;   /* how many ops have not returned yet */
    bool sandbox;     /* the sandbox exists */
    bool initialized; /* all init containers have completed */
    bool deleted;
    bool halted;
    bool finished; /* no container will be restarted: they have completed, or the pod has failed */
    char *forced_phase, *forced_reason, *forced_message;
    char *pod_ip;
    Time start_time;
    bool evicted;
    int64_t stop_grace_ns;
    uint64_t inputs;         /* counts the calls of machine_kick */
    uint64_t prepare_inputs; /* `inputs` when the newest preparation began */
    Timer prepare_retry, deadline;
    int64_t prepare_backoff;
    ResizeCondition resize_pending, resize_progress;
    bool resize_due;  /* the pod's own cgroup is to be set */
    bool resize_busy; /* the owner is changing cgroups, and tries again if it fails */
    bool running;     /* machine_run was called */
    uint64_t serial;  /* the newest one given to a probe or a hook */
};

/* Calls one of the ops that are answered later. */
#define MACHINE_OP(m, op, ...)                  \
    do {                                        \
        (m)->in_op++;                           \
        (m)->ops->op((m)->data, ##__VA_ARGS__); \
        (m)->in_op--;                           \
    } while (0)

static inline const Pod *machine_spec(const Machine *m)
{
    return m->pod->value;
}

/* The container that a result of the owner concerns. */
static inline MachineContainer *machine_at(const Machine *m, size_t container)
{
    ASSERT(container < m->n);
    return m->v[container];
}

static inline MachineContainer *machine_answer(const Machine *m, size_t container)
{
    ASSERT(!m->in_op);
    return machine_at(m, container);
}

static inline bool container_alive(const MachineContainer *c)
{
    return c->stage == CONTAINER_STARTING || c->stage == CONTAINER_RUNNING ||
           c->stage == CONTAINER_STOPPING;
}

/* machine.c */
void machine_event(MachineContainer *c, const char *type, const char *reason, const char *format,
                   ...) _printf_(4, 5);
void machine_changed(Machine *m);                   /* the status may differ now */
void machine_set_text(char **at, const char *text); /* frees the old text and stores a copy */
void instance_clear(Instance *i);
void instance_set(Instance *i, const char *id, const MachineEnd *end);
/* Sets why the container waits. WAITING_NONE: it does not wait any more. The message is copied. */
void container_waits(MachineContainer *c, WaitingReason reason, const char *message);
bool container_should_restart(const MachineContainer *c, int exit_code);
int64_t machine_spec_grace(const Machine *m); /* the grace period that the pod's spec asks for */
int64_t
machine_grace(const Machine *m); /* the grace period with which containers are stopped now */

/* start.c */
/* Does the spec name another image than the one that the newest start used? */
bool container_is_outdated(const MachineContainer *c);
void container_start(MachineContainer *c);
/* Restarts an ended container now, or reports CrashLoopBackOff and waits for the end of the delay. */
void container_restart(MachineContainer *c);
/* Increases the delay before the next restart. since: when the container ended (wall). */
void container_backoff_next(MachineContainer *c, int64_t since, int64_t now);
/* Whether the container waits for something outside the pod whose arrival machine_kick reports. */
bool container_waits_for_input(const MachineContainer *c);
void container_on_retry(Timer *timer);

/* resize.c */
bool container_resources_differ(const MachineContainer *c); /* from those of the spec */
/* The difference is one for which its resize policy asks for a restart. */
bool container_resize_restarts(const MachineContainer *c);
void machine_resize_advance(Machine *m); /* takes the next step, if there is one */
void machine_resize_forget(Machine *m);  /* frees the conditions */

/* stop.c */
/* Stops a running container with a Killing event of this message. If it is being stopped already, a
 * shorter grace period takes effect. */
void container_stop(MachineContainer *c, int64_t grace_ns, const char *message);
void container_abandon_start(MachineContainer *c); /* if it is being started */
void container_replace(MachineContainer *c); /* stops it, so that it restarts with the new image */
void container_resize(MachineContainer *c);  /* the same for other resources */
void container_on_stop_timer(Timer *timer);
void machine_stop(Machine *m);
void machine_stop_next(Machine *m); /* while STOPPING */
void machine_on_deadline(Timer *timer);
void machine_deadline_arm(Machine *m);

/* advance.c */
void machine_advance(Machine *m);

/* probe.c */
void probes_start(MachineContainer *c, bool adopted);
void probes_stop(MachineContainer *c);
const Probe *container_probe(const MachineContainer *c, MachineProbe which);
void probes_forget_results(MachineContainer *c); /* removes its series from the metrics */
void container_update_ready(MachineContainer *c);

#endif
