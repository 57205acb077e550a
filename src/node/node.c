/* SPDX-License-Identifier: Apache-2.0 */
/* The node agent: watches the pods that are bound to this node, the objects that they use, and
 * the volumes to be removed. At its start it finds what an earlier process has left, and removes
 * what is not wanted any more. */
#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <linux/capability.h>

#include "base/files/file.h"
#include "base/log.h"
#include "http/http.h"
#include "node/machine/machine.h"
#include "node/metrics/collect.h"
#include "node/node_object.h"
#include "node/pod/agent.h"
#include "node/pod/claim_volumes.h"
#include "node/pod/disk_eviction.h"
#include "node/pod/probes.h"
#include "node/pod/restore.h"
#include "node/pod/sandbox.h"
#include "node/pod/volume_room.h"
#include "node/resize/resize.h"
#include "node/runtime/cgroup.h"
#include "node/runtime/exec.h"
#include "node/runtime/forward.h"
#include "node/runtime/logs.h"
#include "node/runtime/runtime.h"
#include "node/streams.h"
#include "node/volume/mounts.h"

/* ---- pods ---- */

static void on_pod(void *data, const WatchEvent *event)
{
    NodeAgent *agent = data;
    AgentPod *pod;

    if (event->type == WATCH_BOOKMARK) {
        resize_pods_are_known(agent);
        return;
    }
    pod = strmap_get(&agent->pods, object_meta(event->object)->uid);
    if (event->type == WATCH_DELETED) {
        if (pod)
            agent_pod_deleted(pod);
        return;
    }
    if (pod) {
        agent_pod_update(pod, event->object);
        return;
    }
    if (agent->shutting_down)
        return;
    pod = agent_pod_new(agent, event->object);
    strmap_put(&agent->pods, pod->uid, pod);
}

/* An object from which pods may be made has been created, changed or deleted. */
static void input_changed(NodeAgent *agent, const PodInput *input, const WatchEvent *event)
{
    const ObjectMeta *meta;

    if (event->type == WATCH_BOOKMARK)
        return;
    meta = object_meta(event->object);
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;
        unsigned uses = 0;

        if (pod->machine && (str_empty(meta->namespace) || str_equal(pod->ns, meta->namespace)))
            uses = input->uses(pod->object->value, event->object);
        if (uses & POD_USES_FILES)
            follow_changed(&pod->files);
        if (uses & POD_USES_START)
            machine_kick(pod->machine);
    }
}

typedef struct InputWatch {
    NodeAgent *agent;
    const PodInput *input;
} InputWatch;

static void on_input(void *data, const WatchEvent *event)
{
    const InputWatch *watch = data;

    input_changed(watch->agent, watch->input, event);
}

void node_image_added(NodeAgent *agent)
{
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;

        if (pod->machine)
            machine_kick(pod->machine);
    }
}

void node_each_image(NodeAgent *agent, void (*each)(void *data, const char *id), void *data)
{
    STRMAP_EACH(&agent->pods, slot) {
        const AgentPod *pod = slot->value;

        for (size_t i = 0; pod->machine && i < pod->n_containers; i++)
            if ((pod->containers[i]->starting || pod->containers[i]->task) &&
                pod->containers[i]->image_config)
                each(data, pod->containers[i]->image_config);
    }
}

/* ---- volumes ---- */

static void on_volume(void *data, const WatchEvent *event)
{
    if (event->type != WATCH_BOOKMARK && event->type != WATCH_DELETED)
        agent_volume_check(data, event->object);
}

/* ---- what an earlier run left ---- */

typedef struct Orphan {
    uv_work_t work;
    NodeAgent *agent;
    char *uid, *run, *data, *cgroup;
    int deleting;
} Orphan;

static void orphan_work(uv_work_t *work)
{
    Orphan *orphan = CONTAINER_OF(work, Orphan, work);

    sandbox_end_pause(orphan->run);
    cgroup_remove(orphan->cgroup);
    if (mounts_below_remove(orphan->run, NULL) >= 0)
        (void)file_remove_tree(orphan->run);
    if (mounts_below_remove(orphan->data, NULL) >= 0)
        (void)file_remove_tree(orphan->data);
}

static void orphan_done(uv_work_t *work, int status _unused_)
{
    Orphan *orphan = CONTAINER_OF(work, Orphan, work);

    orphan->agent->busy--;
    net_pod_remove(orphan->agent->options.net, orphan->uid, NULL, NULL);
    free(orphan->uid);
    free(orphan->run);
    free(orphan->data);
    free(orphan->cgroup);
    free(orphan);
}

static void orphan_container_deleted(void *data, const Err *err _unused_)
{
    Orphan *orphan = data;

    if (--orphan->deleting == 0)
        uv_queue_work(orphan->agent->options.loop, &orphan->work, orphan_work, orphan_done);
}

static void each_entry(const char *path,
                       void (*each)(void *data, const char *path, const char *name), void *data)
{
    DIR *dir = opendir(path);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *full = NULL;

        if (entry->d_name[0] == '.')
            continue;
        full = mem_printf("%s/%s", path, entry->d_name);
        each(data, full, entry->d_name);
    }
    if (dir)
        closedir(dir);
}

static void orphan_attempt(void *data, const char *path, const char *name _unused_)
{
    Orphan *orphan = data;
    _free_ char *file = mem_printf("%s/id", path), *id = NULL;
    size_t n;

    if (file_read(file, 128, &id, &n) < 0)
        return;
    orphan->deleting++;
    runtime_delete(orphan->agent->runtime, id, orphan_container_deleted, orphan);
}

static void orphan_container(void *data, const char *path, const char *name _unused_)
{
    each_entry(path, orphan_attempt, data);
}

static bool needs_folders(const AgentPod *pod)
{
    return pod && pod->machine && machine_stage(pod->machine) != MACHINE_DONE;
}

static void orphan_pod(void *data, const char *path _unused_, const char *name)
{
    NodeAgent *agent = data;
    AgentPod *pod = strmap_get(&agent->pods, name);
    _free_ char *containers = NULL;
    Orphan *orphan;

    if (needs_folders(pod))
        return;
    orphan = mem_new_type(Orphan);
    orphan->agent = agent;
    orphan->uid = mem_strdup(name);
    orphan->run = mem_printf("%s/pods/%s", agent->options.run_dir, name);
    orphan->data = mem_printf("%s/pods/%s", agent->options.data_dir, name);
    orphan->cgroup = mem_printf("%s/pod%s", agent->cgroup, name);
    containers = mem_printf("%s/c", orphan->run);
    orphan->deleting = 1;
    agent->busy++;
    each_entry(containers, orphan_container, orphan);
    orphan_container_deleted(orphan, NULL);
}

static void orphan_data(void *data, const char *path, const char *name)
{
    NodeAgent *agent = data;
    _free_ char *run = mem_printf("%s/pods/%s", agent->options.run_dir, name);

    if (!file_exists(run))
        orphan_pod(data, path, name);
}

/* The network of an orphan is removed last, after the folders of the pod. */
static void orphan_network(void *data, const char *path _unused_, const char *name)
{
    NodeAgent *agent = data;
    _free_ char *uid = mem_strndup(name, strcspn(name, "."));
    _free_ char *run = mem_printf("%s/pods/%s", agent->options.run_dir, uid);

    if (str_ends_with(name, ".address") && !needs_folders(strmap_get(&agent->pods, uid)) &&
        !file_exists(run))
        net_pod_remove(agent->options.net, uid, NULL, NULL);
}

static void orphan_log(void *data, const char *path, const char *name)
{
    NodeAgent *agent = data;
    const char *uid = strrchr(name, '_');

    if (uid && !strmap_get(&agent->pods, uid + 1))
        (void)file_remove_tree(path);
}

static void remove_orphans(NodeAgent *agent)
{
    _free_ char *run = mem_printf("%s/pods", agent->options.run_dir);
    _free_ char *data = mem_printf("%s/pods", agent->options.data_dir);
    _free_ char *logs = mem_printf("%s/logs/pods", agent->options.data_dir);
    _free_ char *networks = mem_printf("%s/netns", agent->options.run_dir);

    each_entry(run, orphan_pod, agent);
    each_entry(data, orphan_data, agent);
    each_entry(networks, orphan_network, agent);
    each_entry(logs, orphan_log, agent);
}

/* ---- starting and stopping ---- */

/* The name is stored in RUN, so that `stead reset` finds it without a server. */
static int write_cgroup(NodeAgent *agent)
{
    _free_ char *path = mem_printf("%s/cgroup", agent->options.run_dir);

    agent->cgroup = mem_printf("/stead-%s", str_or(agent->options.instance, agent->options.name));
    return file_replace(path, agent->cgroup, strlen(agent->cgroup), 0600);
}

static void copy_options(NodeAgent *agent, const NodeOptions *options)
{
    Arena *arena = &agent->arena;
    NodeOptions *own = &agent->options;

    *own = *options;
    own->name = arena_strdup(arena, options->name);
    own->instance = arena_strdup(arena, options->instance);
    own->data_dir = arena_strdup(arena, options->data_dir);
    own->run_dir = arena_strdup(arena, options->run_dir);
    own->dns_ip = arena_strdup(arena, options->dns_ip);
    own->domain = arena_strdup(arena, str_or(options->domain, "cluster.local"));
    own->api_address = arena_strdup(arena, options->api_address);
    own->root_ca_pem = arena_strdup(arena, options->root_ca_pem);
    own->helper_dir = arena_strdup(arena, options->helper_dir);
}

static void start_watches(NodeAgent *agent)
{
    Client *client = agent->options.client;
    const char *error = NULL;
    Selector *fields = NULL;
    ListOptions mine = {0};
    char *text = arena_printf(&agent->arena, "spec.nodeName=%s", agent->options.name);

    ASSERT(selector_parse_fields(&agent->arena, text, &fields, &error) == 0);
    mine.fields = fields;
    /* These watches begin first, so that existing objects do not count as changes for the pods. */
    for (size_t i = 0; i < POD_INPUTS; i++) {
        InputWatch *watch = arena_new(&agent->arena, InputWatch);

        *watch = (InputWatch){agent, &pod_inputs[i]};
        agent->input_watches[i] =
            client_watch(client, kind_find("", "v1", pod_inputs[i].kind), NULL, on_input, watch);
    }
    agent->pod_watch = client_watch(client, kind_find("", "v1", "Pod"), &mine, on_pod, agent);
    agent->volume_watch =
        client_watch(client, kind_find("", "v1", "PersistentVolume"), NULL, on_volume, agent);
}

static int own_oom_score_adj(void)
{
    _free_ char *text = NULL;
    int64_t own;
    size_t n;

    if (file_read("/proc/self/oom_score_adj", 32, &text, &n) < 0)
        return 0;
    text[strcspn(text, "\n")] = 0;
    return str_to_int64(text, -1000, 1000, &own) == 0 ? (int)own : 0;
}

int node_start(const NodeOptions *options, NodeAgent **ret, Err *reterr)
{
    NodeAgent *agent = mem_new_type(NodeAgent);
    _free_ char *shim = mem_printf("%s/stead-runtime", options->helper_dir);
    _free_ char *root = mem_printf("%s/crun", options->run_dir);
    RuntimeOptions runtime = {.loop = options->loop, .root = root, .shim = shim};
    int r;

    list_init(&agent->attempts);
    copy_options(agent, options);
    r = file_mkdir_all(root, 0700);
    if (r < 0 || access(shim, X_OK) < 0) {
        r = r < 0 ? err_set(reterr, -r, "cannot make %s", root)
                  : err_set(reterr, errno, "cannot find the helper %s", shim);
        arena_clear(&agent->arena);
        free(agent);
        return r;
    }
    (void)write_cgroup(agent);
    agent->can_lower_oom =
        !options->rootless && prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) == 1;
    agent->own_oom = own_oom_score_adj();
    if (!agent->can_lower_oom)
        log_info("node",
                 "this machine does not allow to lower oom_score_adj: Guaranteed pods run without");
    agent->runtime = runtime_new(&runtime);
    agent->streams.ops = &node_streams_ops;
    usage_start(agent);
    resize_agent_init(agent);
    agent->events =
        event_recorder_new(options->client, options->clock, "kubelet", agent->options.name);
    node_object_register(agent);
    agent_volumes_sweep(agent);
    restore_begin(agent);
    start_watches(agent);
    remove_orphans(agent);
    restore_end(agent);
    volume_room_start(agent);
    *ret = agent;
    return 0;
}

static void stop_watches(NodeAgent *agent)
{
    Client *client = agent->options.client;

    client_watch_stop(client, agent->pod_watch);
    for (size_t i = 0; i < POD_INPUTS; i++) {
        client_watch_stop(client, agent->input_watches[i]);
        agent->input_watches[i] = NULL;
    }
    client_watch_stop(client, agent->volume_watch);
    agent->pod_watch = agent->volume_watch = NULL;
}

NodeAgent *node_stop(NodeAgent *agent)
{
    if (!agent)
        return NULL;
    agent->stopping = true;
    stop_watches(agent);
    while (agent->logs.n)
        log_stream_stop(agent->logs.v[0]);
    while (agent->execs.n)
        exec_stream_close(agent->execs.v[0]);
    while (agent->forwards.n)
        forward_stream_close(agent->forwards.v[0]);
    STRMAP_EACH(&agent->pods, slot)
        agent_pod_forget(slot->value);
    attempts_cancel(agent);
    timer_stop(agent->options.clock, &agent->volume_retry);
    storage_stop(agent);
    resize_agent_stop(agent);
    volume_room_stop(agent);
    follow_stop(&agent->node_status);
    /* Results in flight on the pool, in the runtime and in the network still refer to the agent:
     * wait for them. */
    while (uv_loop_alive(agent->options.loop)) {
        bool busy = agent->busy > 0;

        STRMAP_EACH(&agent->pods, slot)
            busy = busy || ((AgentPod *)slot->value)->refs > 1;
        if (!busy)
            break;
        uv_run(agent->options.loop, UV_RUN_ONCE);
    }
    STRMAP_DEINIT_WITH(&agent->pods, agent_pod_unref);
    STRMAP_DEINIT_WITH(&agent->host_ports, free);
    VEC_DEINIT(&agent->logs);
    VEC_DEINIT(&agent->execs);
    VEC_DEINIT(&agent->forwards);
    event_recorder_free(agent->events);
    runtime_free(agent->runtime);
    if (agent->probe_tls)
        http_tls_free(agent->probe_tls);
    free(agent->host_ip);
    free(agent->runtime_version);
    free(agent->cgroup);
    arena_clear(&agent->arena);
    free(agent);
    return NULL;
}

static void on_shutdown_begun(Timer *timer)
{
    NodeAgent *agent = timer->data;

    free(timer);
    agent_shutdown_check(agent);
}

void node_shutdown(NodeAgent *agent, void (*done)(void *data), void *data)
{
    Timer *timer = mem_new_type(Timer);

    agent->shutting_down = true;
    agent->shutdown_done = done;
    agent->shutdown_data = data;
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;

        if (pod->machine)
            machine_halt(pod->machine);
    }
    timer->on_fire = on_shutdown_begun; /* calls back even if there is no pod to wait for */
    timer->data = agent;
    timer_start(agent->options.clock, timer, 0);
}

PodStreams *node_streams(NodeAgent *agent)
{
    return &agent->streams;
}

UsageSource *node_usage(NodeAgent *agent)
{
    return &agent->usage;
}
