/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the node share: the agent, its pods and their containers.
 *
 * Pods are found by uid. An AgentPod is reference-counted, because results of the pool, the network and the runtime arrive
 * later: whoever waits for one holds a reference, and checks `machine`, which is NULL once this process has given the pod
 * up, before it uses the result.
 *
 * Folders of a pod:
 *   RUN/pods/<uid>/            sandbox (boot id), shm, ipc, volumes/, sub/, exec/
 *   RUN/pods/<uid>/c/<container>/<attempt>/
 *                              the bundle (runtime.h), with `id` and `image` (as the spec named it)
 *   DATA/pods/<uid>/           volumes/ (emptyDir), root/<container>/<attempt>/{upper,work,root}
 *   DATA/pods/<uid>/etc/       hosts, resolv.conf, hostname, <container>.<attempt> (termination
 *                              message): on the disk, not in RUN, since pods may write to them
 *   DATA/logs/pods/<ns>_<name>_<uid>/<container>/<attempt>.log
 */
#ifndef NODE_POD_AGENT_H
#define NODE_POD_AGENT_H

#include <uv.h>

#include "api/schema/core_pod_v1.h"
#include "base/list.h"
#include "base/observe/metrics.h"
#include "base/strmap.h"
#include "base/time/follow.h"
#include "base/vec.h"
#include "node/metrics/usage.h"
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
    const char *image_config;     /* the id of the image that it is started from, in image_arena */
    Arena image_arena;
    const char *stop_signal;
    LinuxContainerUser *user; /* of the newest instance, in image_arena; NULL if unknown */
    bool starting; /* its start waits for an image, or work for it is in flight on the pool */
    struct ImageWant *want; /* the image that its start waits for */
    char *wanted_image;
    UsageSamples samples;     /* of its use of CPU; see metrics/usage.h */
    uint64_t probed[3][2];    /* how often each MachineProbe has failed and succeeded */
    uv_fs_event_t *log_watch; /* see log_watch_start */
    Timer log_timer;
} AgentContainer;

struct AgentPod {
    unsigned refs;
    NodeAgent *agent;
    Object *asked;  /* newest version seen */
    Object *object; /* the same, with the resources that the node has granted */
    Machine *machine;
    char *uid, *ns, *name, *run, *data, *logs;
    AgentContainer **containers;
    size_t n_containers;
    /* preparing */
    int preparing;                 /* how many steps are in flight */
    struct ImageWant *volume_want; /* the image of a volume that the preparation waits for */
    size_t volume_images;          /* how many volumes have their image */
    Err prepare_error;
    bool prepare_failing; /* the event about prepare_error is being recorded */
    const char *prepare_reason;
    char *netns, *ip;
    bool network; /* net_pod_add was called, so net_pod_remove has to be */
    Arena arena;  /* of `volumes` */
    PodVolume *volumes;
    size_t n_volumes;
    StrMap tokens;     /* the tokens in its volumes (node/volume/volume.h) */
    Follow files;      /* writes the files in its volumes; preparing the sandbox counts as a pass */
    Timer token_timer; /* fires when the first token has to be renewed */
    /* ending */
    Timer teardown_retry;
    bool teardown_wanted, tearing_down;
    int deleting;     /* how many containers the runtime is deleting */
    bool object_gone; /* the object has been deleted from the API */
    /* changes of resources */
    Follow resize;        /* sets the cgroups */
    int64_t resize_retry; /* the delay after a failure; 0: it did not fail */
    bool resize_known;    /* this process has set the cgroups once */
    /* reporting */
    Follow report;
    Timer hold;         /* delays the first report that a session runs; see report.c */
    int64_t hold_until; /* mono; 0 before it runs */
    bool final; /* the machine is done: the last status is written, then the object is deleted */
};

struct NodeAgent {
    NodeOptions options; /* with copies of the strings */
    Runtime *runtime;
    EventRecorder *events;
    StrMap pods;       /* by uid */
    StrMap host_ports; /* name of the port -> uid of the pod that has it */
    ClientWatch *pod_watch, *volume_watch, *input_watches[POD_INPUTS];
    PodStreams streams;
    UsageSource usage;
    UsageSamples samples; /* of the use of CPU by the whole machine */
    VEC(LogStream *) logs;
    VEC(ExecStream *) execs;
    VEC(ForwardStream *) forwards;
    char *host_ip, *cgroup;
    Follow node_status;    /* the Node object */
    bool registered;       /* the Node object exists and has our labels */
    char *runtime_version; /* "crun://1.8.1"; NULL until crun has answered */
    StringMap allocatable;
    Arena arena;
    struct ssl_ctx_st *probe_tls;
    bool can_lower_oom; /* else scores begin at that of this process, own_oom */
    int own_oom;
    unsigned busy;     /* how many results in flight refer to the agent itself */
    ListNode attempts; /* probes and hooks in flight */
    struct {
        Timer timer;
        bool busy, told;
        uint64_t blocks, files; /* how many were free when folders were last measured */
    } storage;
    struct {
        Timer review;        /* looks at the pods that wait for resources */
        const char *trigger; /* why, for the metrics */
        bool pods_known;     /* all pods that existed at the start have been seen */
        MetricCollector metrics;
    } resize;
    struct VolumeRoom *room; /* see volume_room.c */
    Timer volume_retry;
    int64_t volume_retry_at; /* mono */
    int64_t builtin_pull_at; /* mono: until then, no registry is asked for built-in images */
    bool stopping;           /* node_stop was called */
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
void agent_pod_forget(AgentPod *pod); /* this process ends; the containers keep running */
void agent_pod_facts(AgentPod *pod, PodFacts *ret);
static inline const PodSpec *agent_pod_spec(const AgentPod *pod)
{
    return &((const Pod *)pod->object->value)->spec;
}
void agent_pod_event(AgentPod *pod, size_t container, const char *type, const char *reason,
                     const char *message);
void agent_pod_gone(AgentPod *pod); /* removes the pod from the agent */

void agent_shutdown_check(NodeAgent *agent); /* ends node_shutdown if no pod is left */
/* Log streams of the file end when they have sent what is in it. */
void agent_logs_finish(NodeAgent *agent, const char *path);

/* report.c */
void agent_report(AgentPod *pod);
void agent_report_init(AgentPod *pod);
void agent_report_stop(AgentPod *pod);

#endif
