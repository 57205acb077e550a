/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node's parts share: the agent itself, its pods, their containers.
 *
 * An AgentPod is found by uid. It is reference-counted, since answers of the pool, the network and
 * the runtime come late: each such call holds a reference, and looks at `machine` (NULL once the
 * pod is over) before it does anything.
 *
 * Folders of a pod:
 *   RUN/pods/<uid>/            sandbox (boot id), shm, ipc, volumes/, sub/, exec/
 *   RUN/pods/<uid>/c/<container>/<attempt>/
 *                              the bundle (runtime.h), with `id` and `image` (as the spec named it)
 *   DATA/pods/<uid>/           volumes/ (emptyDir), root/<container>/<attempt>/{upper,work,root}
 *   DATA/pods/<uid>/etc/       hosts, resolv.conf, hostname, <container>.<attempt> (termination
 *                              message): pods may write to them, so they are not in memory
 *   DATA/logs/pods/<ns>_<name>_<uid>/<container>/<attempt>.log
 */
#ifndef NODE_POD_AGENT_H
#define NODE_POD_AGENT_H

#include <uv.h>

#include "base/list.h"
#include "base/strmap.h"
#include "base/time/follow.h"
#include "base/vec.h"
#include "node/node.h"
#include "node/pod/inputs.h"

struct ssl_ctx_st;
typedef struct AgentPod AgentPod;
typedef struct ExecStream ExecStream;
typedef struct ForwardStream ForwardStream;
typedef struct LogStream LogStream;
typedef struct Machine Machine;
typedef struct PodFacts PodFacts;
typedef struct PodVolume PodVolume;
typedef struct Runtime Runtime;
typedef struct RuntimeTask RuntimeTask;

typedef struct AgentContainer {
    AgentPod *pod;
    size_t index;
    RuntimeTask *task;
    char *id, *bundle, *log;
    const char *image, *image_id; /* in image_arena */
    Arena image_arena;
    const char *stop_signal;
    LinuxContainerUser *user; /* of the newest instance, in image_arena; NULL: not known */
    bool starting;            /* being prepared on the pool */
    bool signalled;           /* told to go while starting */
    uv_fs_event_t *log_watch; /* until the log has grown; see log_watch_start */
    Timer log_timer;
} AgentContainer;

struct AgentPod {
    unsigned refs;
    NodeAgent *agent;
    Object *object; /* newest version seen */
    Machine *machine;
    char *uid, *ns, *name, *run, *data, *logs;
    AgentContainer **containers;
    size_t n_containers;
    /* preparing */
    int preparing; /* steps under way */
    Err prepare_error;
    bool prepare_failing; /* that is being told just now */
    const char *prepare_reason;
    char *netns, *ip;
    bool network; /* there is something to remove */
    Arena arena;  /* of volumes */
    PodVolume *volumes;
    size_t n_volumes;
    StrMap tokens;     /* that its volumes hold (node/volume/volume.h) */
    Follow files;      /* content of volumes; preparing counts as a pass */
    Timer token_timer; /* until the first token has to be renewed */
    /* ending */
    Timer teardown_retry;
    bool teardown_wanted, tearing_down;
    int deleting;     /* containers whose remains the runtime is removing */
    bool object_gone; /* the API knows it no more */
    /* reporting */
    Follow report;
    Timer hold;         /* until a session's first Running is told; see report.c */
    int64_t hold_until; /* mono; 0: it has not run yet */
    bool final;         /* the last status is due, then the object's deletion */
};

struct NodeAgent {
    NodeOptions options; /* strings are our own */
    Runtime *runtime;
    EventRecorder *events;
    StrMap pods;       /* by uid */
    StrMap host_ports; /* name of the port -> uid of the pod that has it */
    ClientWatch *pod_watch, *volume_watch, *input_watches[POD_INPUTS];
    PodStreams streams;
    VEC(LogStream *) logs;
    VEC(ExecStream *) execs;
    VEC(ForwardStream *) forwards;
    char *host_ip, *cgroup;
    Follow node_status;    /* the Node object */
    bool registered;       /* it was there, with our labels */
    char *runtime_version; /* "crun://1.8.1"; NULL: not asked yet */
    StringMap allocatable;
    Arena arena;
    struct ssl_ctx_st *probe_tls;
    bool can_lower_oom;
    unsigned busy;     /* calls under way that come back to the agent itself */
    ListNode attempts; /* probes and hooks under way */
    struct {
        Timer timer;
        bool busy, told;
        uint64_t blocks, files; /* free at the last measuring */
    } storage;
    Timer volume_retry;
    int64_t volume_retry_at; /* mono */
    bool stopping;           /* watches are off */
    void (*shutdown_done)(void *data);
    void *shutdown_data;
    bool shutting_down;
    Object *node_object;
};

/* pod.c */
AgentPod *agent_pod_new(NodeAgent *agent, Object *object);
AgentPod *agent_pod_ref(AgentPod *pod);
AgentPod *agent_pod_unref(AgentPod *pod);
void agent_pod_update(AgentPod *pod, Object *object);
void agent_pod_deleted(AgentPod *pod);
void agent_pod_forget(AgentPod *pod); /* this process ends: containers live on */
void agent_pod_facts(AgentPod *pod, PodFacts *ret);
const ObjectMeta *agent_pod_meta(const AgentPod *pod);
void agent_pod_event(AgentPod *pod, size_t container, const char *type, const char *reason,
                     const char *message);
void agent_pod_gone(AgentPod *pod); /* out of the agent's table */

void agent_shutdown_check(NodeAgent *agent); /* has the last pod come down? */
/* Log streams of the file end when they have sent what is in it. */
void agent_logs_finish(NodeAgent *agent, const char *path);

/* report.c */
void agent_report(AgentPod *pod);
void agent_report_init(AgentPod *pod);
void agent_report_stop(AgentPod *pod);

#endif
