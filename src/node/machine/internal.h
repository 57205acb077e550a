/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's own state, shared by its transitions and its status (status.c). */
#ifndef NODE_MACHINE_INTERNAL_H
#define NODE_MACHINE_INTERNAL_H

#include "node/machine/machine.h"

#define BACKOFF_FIRST (10 * NS_PER_SEC)
#define BACKOFF_MAX (300 * NS_PER_SEC)
#define BACKOFF_RESET (600 * NS_PER_SEC)
#define STOP_MINIMUM (2 * NS_PER_SEC)

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
    uint64_t serial; /* of the one under way; 0: none */
    uint64_t next_serial;
    bool running;       /* its timer or a probe is under way */
    bool succeeded;     /* once: the fast phase is over */
    bool result;        /* what the thresholds say */
    bool last;          /* newest single result */
    int run;            /* how many of the same in a row */
    int64_t fast_ns;    /* next delay of the fast phase */
    int64_t counted_ns; /* mono: when a failure last counted */
    bool counted;
    struct MetricSeries *results[2]; /* failed, successful; NULL: not yet */
} ProbeState;

typedef struct MachineContainer {
    Machine *machine;
    size_t index;
    ContainerKind kind;
    const Container *spec;
    ContainerStage stage;
    int attempt; /* of the current or newest instance */
    bool ever;   /* an instance was created at least once */
    char *waiting_reason, *waiting_message;
    Instance now, last; /* now.set: the newest instance has ended */
    char *id;           /* of the newest instance */
    int64_t started_ns; /* wall, of the newest instance */
    char *image, *image_id;
    char *start_image;      /* what the spec named when the newest start began; NULL: not known */
    uint64_t start_inputs;  /* Machine.inputs at that time */
    bool replacing;         /* ended since the spec names another image: it starts again */
    int64_t backoff_ns;     /* 0: none yet */
    int64_t backoff_update; /* wall: when it was last made longer */
    Timer retry;
    int64_t retry_at;        /* mono */
    int64_t retry_backoff;   /* of a failed start; 0: it ended by itself */
    int64_t pull_backoff_ns; /* of images */
    char *pull_error;
    Timer stop;
    int64_t stop_deadline; /* mono */
    uint64_t hook_serial;  /* under way; 0: none */
    bool term_sent, kill_sent;
    bool post_start_failed;
    char *end_message; /* why we ended it; NULL: it ended by itself */
    bool started, ready;
    ProbeState probes[_MACHINE_PROBE_MAX];
} MachineContainer;

struct Machine {
    Object *pod;
    Clock *clock;
    const MachineOps *ops;
    void *data;
    MachineStage stage;
    MachineContainer **v;
    size_t n, n_init, n_regular;
    bool sandbox;     /* it is there */
    bool initialized; /* the init containers are through */
    bool deleted;
    bool halted;
    bool finished; /* all ended for good by themselves */
    char *forced_phase, *forced_reason, *forced_message;
    char *pod_ip;
    Time start_time;
    bool evicted;
    int64_t stop_grace_ns;
    uint64_t inputs;         /* how often machine_kick was called */
    uint64_t prepare_inputs; /* `inputs` when the newest preparation began */
    Timer prepare_retry, deadline;
    int64_t prepare_backoff;
    bool running; /* machine_run was called */
    uint64_t serial;
};

static inline const Pod *machine_spec(const Machine *m)
{
    return m->pod->value;
}

static inline bool container_alive(const MachineContainer *c)
{
    return c->stage == CONTAINER_STARTING || c->stage == CONTAINER_RUNNING ||
           c->stage == CONTAINER_STOPPING;
}

/* machine.c */
void machine_event(MachineContainer *c, const char *type, const char *reason, const char *format,
                   ...) _printf_(4, 5);
void machine_changed(Machine *m); /* the status may be another one now */
/* "web-0_default(uid)", as kubelet's texts have it; the caller's. */
char *machine_pod_text(const Machine *m);
void machine_set_text(char **at, const char *text); /* a copy in place of what is there */
void instance_clear(Instance *i);
void instance_set(Instance *i, const char *id, const MachineEnd *end);
void container_waits(MachineContainer *c, const char *reason, const char *message);
bool container_should_restart(const MachineContainer *c, int exit_code);
int64_t machine_grace(const Machine *m); /* how long a container may take to end */

/* start.c */
/* Does the spec name another image than the newest start was made from? */
bool container_is_outdated(const MachineContainer *c);
void container_start(MachineContainer *c);
/* Starts it again now, or says CrashLoopBackOff and waits. */
void container_restart(MachineContainer *c);
void container_backoff_next(MachineContainer *c, int64_t since, int64_t now);
bool container_waits_for_image(const MachineContainer *c);
void container_on_retry(Timer *timer);

/* stop.c */
/* Starts to end a container; a shorter grace period than the current one takes effect. message: of its Killing event. */
void container_stop(MachineContainer *c, int64_t grace_ns, const char *message);
void container_replace(MachineContainer *c); /* for another image */
void container_on_stop_timer(Timer *timer);
void machine_stop(Machine *m);
void machine_stop_next(Machine *m); /* while STOPPING */
void machine_on_deadline(Timer *timer);
void machine_deadline_arm(Machine *m); /* may be set, or come nearer, while the pod runs */

/* advance.c */
void machine_advance(Machine *m);

/* probe.c */
void probes_start(MachineContainer *c, bool adopted);
void probes_stop(MachineContainer *c);
void probes_after_started(MachineContainer *c);
const Probe *container_probe(const MachineContainer *c, MachineProbe which);
void probes_forget_results(MachineContainer *c); /* of the metrics */
void container_update_ready(MachineContainer *c);

#endif
