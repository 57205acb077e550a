/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole node with real containers, against a small client, in a network and mount namespace of
 * its own. Images are a folder with busybox. Skipped without root, crun or conmon.
 */
#include "testing.h"

#include <signal.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "api/schema/coordination_v1.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/version.h"
#include "base/files/file.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "base/process.h"
#include "busybox.h"
#include "fake_client.h"
#include "image/image.h"
#include "node/node.h"

/* ---- images: one folder ---- */

static char image_root[128];

int image_find(ImageStore *store _unused_, const char *name, Arena *arena, Image *ret,
               Err *reterr _unused_)
{
    if (strstr(name, "missing"))
        return IMAGE_E_MISSING;
    *ret = (Image){.name = "docker.io/library/busybox:1",
                   .id = "sha256:0123",
                   .user = "",
                   .working_dir = "/",
                   .stop_signal = ""};
    ret->layers.v = arena_new_n(arena, const char *, 1);
    ret->layers.v[0] = image_root;
    ret->layers.n = 1;
    return 0;
}

const char *image_normalize(Arena *arena, const char *name)
{
    return arena_strdup(arena, name);
}

void image_bring(ImageStore *store _unused_, const char *name _unused_)
{
}

/* ---- the world ---- */

typedef struct World {
    uv_loop_t loop;
    char dir[64], run[80], data[80];
    FakeClient *fake;
    Clock *clock;
    Random random;
    Net *net;
    NodeAgent *node;
    uv_timer_t watchdog;
} World;

static bool usable(void)
{
    return geteuid() == 0 && file_exists(BUSYBOX) && file_exists("/usr/bin/conmon") &&
           file_exists("/usr/bin/crun");
}

static void on_watchdog(uv_timer_t *timer _unused_)
{
    fprintf(stderr, "the test takes too long\n");
    abort();
}

static void start_node(World *w)
{
    Err err = ERR_INIT;
    NetOptions net = {.instance = "stt",
                      .pod_cidr = "10.99.0.0/24",
                      .service_cidr = "10.98.0.0/16",
                      .dns_ip = "10.98.0.10",
                      .run_dir = w->run};
    _free_ char *data = mem_strdup(w->data), *run = mem_strdup(w->run);
    NodeOptions options = {.loop = &w->loop,
                           .client = fake_client(w->fake),
                           .clock = w->clock,
                           .random = &w->random,
                           .name = "node",
                           .instance = "stt",
                           .data_dir = w->data,
                           .run_dir = w->run,
                           .dns_ip = "10.98.0.10",
                           .domain = "cluster.local",
                           .api_address = "10.98.0.1",
                           .api_port = 443,
                           .helper_dir = HELPER_DIR};

    if (net_open(&w->loop, &net, &w->net, &err) < 0)
        fail_msg("%s", err.message);
    options.net = w->net;
    /* The agent keeps copies: the options of its caller may be gone by the time they are used. */
    options.data_dir = data;
    options.run_dir = run;
    if (node_start(&options, &w->node, &err) < 0)
        fail_msg("%s", err.message);
    memset(data, 'x', strlen(data));
    memset(run, 'x', strlen(run));
}

static void make_link(const char *name)
{
    _free_ char *path = mem_printf("%s/bin/%s", image_root, name);

    assert_int_equal(symlink("busybox", path), 0);
}

static int setup(void **state)
{
    static const char *const names[] = {
        "sh",   "cat", "echo", "sleep", "ls", "id",       "env", "httpd", "touch", "wget",
        "stat", "ps",  "true", "false", "nc", "hostname", "tty", "df",    "cut",   "readlink"};
    World *w = mem_new_type(World);
    _free_ char *bin = NULL;
    _free_ char *target = NULL;

    *state = w;
    if (!usable())
        return 0;
    snprintf(w->dir, sizeof(w->dir), "/tmp/stead-node-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->run, sizeof(w->run), "%s/run", w->dir);
    snprintf(w->data, sizeof(w->data), "%s/data", w->dir);
    snprintf(image_root, sizeof(image_root), "%s/image", w->dir);
    bin = mem_printf("%s/bin", image_root);
    target = mem_printf("%s/bin/busybox", image_root);
    assert_int_equal(file_mkdir_all(bin, 0755), 0);
    assert_int_equal(file_mkdir_all(w->run, 0755), 0);
    assert_int_equal(file_mkdir_all(w->data, 0755), 0);
    assert_int_equal(busybox_copy_to(target), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        make_link(names[i]);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->watchdog);
    uv_timer_start(&w->watchdog, on_watchdog, 60000, 0);
    uv_unref((uv_handle_t *)&w->watchdog);
    w->clock = clock_new_uv(&w->loop);
    random_seed_system(&w->random);
    w->fake = fake_client_new(&w->loop);
    start_node(w);
    return 0;
}

static void stop_node(World *w)
{
    w->node = node_stop(w->node);
    w->net = net_close(w->net);
}

static int teardown(void **state)
{
    World *w = *state;
    Err err = ERR_INIT;

    if (w->fake) {
        stop_node(w);
        w->fake = fake_client_free(w->fake);
        uv_close((uv_handle_t *)&w->watchdog, NULL);
        clock_free_uv(w->clock);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        if (node_remove_all(w->data, w->run, &err) < 0 || net_remove_all("stt", w->run, &err) < 0)
            print_message("%s\n", err.message);
        (void)uv_loop_close(&w->loop);
        (void)umount2(w->run, MNT_DETACH);
        assert_int_equal(file_remove_tree(w->dir), 0);
    }
    free(w);
    return 0;
}

static Pod *find_pod(World *w, const char *name)
{
    Object *o = client_get(fake_client(w->fake), kind_find("", "v1", "Pod"), "default", name);

    return o ? o->value : NULL;
}

static bool is_ready(World *w, const char *name)
{
    Pod *pod = find_pod(w, name);

    for (size_t i = 0; pod && i < pod->status.conditions.n; i++)
        if (str_equal(pod->status.conditions.v[i].type, "Ready"))
            return str_equal(pod->status.conditions.v[i].status, "True");
    return false;
}

static void show(World *w, const char *name)
{
    Object *o = client_get(fake_client(w->fake), kind_find("", "v1", "Pod"), "default", name);

    if (o)
        print_message("%.*s\n", (int)object_json(o).n, (const char *)object_json(o).p);
}

#define RUN_UNTIL(w, condition) \
    while (!(condition))        \
    assert_true(uv_run(&(w)->loop, UV_RUN_ONCE) || (condition))

#define POD(name, uid, more)                                                 \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name \
    "\",\"namespace\":\"default\",\"uid\":\"" uid                            \
    "\",\"generation\":1,\"labels\":{\"app\":\"web\"}},\"spec\":{\"nodeName\":\"node\"," more "}}"

/* ---- exec and logs ---- */

typedef struct Output {
    StrBuf out, err;
    int code;
    bool over;
    char message[256];
} Output;

static void on_output(void *data, int channel, Bytes bytes)
{
    strbuf_add(channel == 2 ? &((Output *)data)->err : &((Output *)data)->out, bytes.p, bytes.n);
}

static void on_exit_code(void *data, int code, const char *message)
{
    Output *o = data;

    o->code = code;
    o->over = true;
    snprintf(o->message, sizeof(o->message), "%s", str_or(message, ""));
}

static void exec_begin(World *w, const char *name, const char *const *command, const char *input,
                       bool tty, Output *o, ExecStream **ret)
{
    PodStreams *s = node_streams(w->node);
    ExecOptions options = {.command = command,
                           .standard_in = input != NULL,
                           .standard_out = true,
                           .standard_err = !tty,
                           .tty = tty};
    ExecSink sink = {on_output, NULL, on_exit_code, o};
    ApiStatus status = {0};
    _arena_ Arena arena = ARENA_INIT;
    Object *pod = client_get(fake_client(w->fake), kind_find("", "v1", "Pod"), "default", name);

    assert_int_equal(s->ops->exec(s, pod, &options, &sink, ret, &status, &arena), 0);
    if (input) {
        s->ops->exec_input(*ret, bytes_from_string(input));
        s->ops->exec_input_end(*ret);
    }
}

static void exec(World *w, const char *name, const char *const *command, const char *input,
                 bool tty, Output *o)
{
    ExecStream *stream;

    exec_begin(w, name, command, input, tty, o, &stream);
    RUN_UNTIL(w, o->over);
}

static void expect_exec(World *w, const char *name, const char *script, const char *want)
{
    const char *command[] = {"sh", "-c", script, NULL};
    Output o = {0};

    exec(w, name, command, NULL, false, &o);
    if (!str_equal(strbuf_string(&o.out), want))
        print_message("%s: code %d, stderr %s, %s\n", script, o.code, strbuf_string(&o.err),
                      o.message);
    assert_string_equal(strbuf_string(&o.out), want);
    strbuf_deinit(&o.out);
    strbuf_deinit(&o.err);
}

static bool on_log(void *data, Bytes bytes)
{
    strbuf_add(&((Output *)data)->out, bytes.p, bytes.n);
    return true;
}

static void on_log_end(void *data)
{
    ((Output *)data)->over = true;
}

static void read_log(World *w, const char *name, const LogOptions *options, Output *o)
{
    PodStreams *s = node_streams(w->node);
    LogSink sink = {on_log, on_log_end, o};
    LogStream *stream;
    ApiStatus status = {0};
    _arena_ Arena arena = ARENA_INIT;
    Object *pod = client_get(fake_client(w->fake), kind_find("", "v1", "Pod"), "default", name);

    assert_int_equal(s->ops->logs(s, pod, options, &sink, &stream, &status, &arena), 0);
}

/* ---- ports ---- */

static void on_forwarded(void *data, Bytes bytes)
{
    strbuf_add(&((Output *)data)->out, bytes.p, bytes.n);
}

static void on_forward_closed(void *data, const char *message)
{
    Output *o = data;

    o->over = true;
    snprintf(o->message, sizeof(o->message), "%s", str_or(message, ""));
}

static void on_nothing(void *data)
{
}

/* What the pod sends until it closes the connection ends so. */
static void expect_forward(World *w, const char *name, uint16_t port, const char *request,
                           const char *end)
{
    PodStreams *s = node_streams(w->node);
    Output o = {0};
    ForwardSink sink = {on_forwarded, on_nothing, on_nothing, on_forward_closed, &o};
    ForwardStream *stream;
    ApiStatus status = {0};
    _arena_ Arena arena = ARENA_INIT;
    Object *pod = client_get(fake_client(w->fake), kind_find("", "v1", "Pod"), "default", name);

    assert_int_equal(s->ops->forward(s, pod, port, &sink, &stream, &status, &arena), 0);
    s->ops->forward_send(stream, bytes_from_string(request));
    s->ops->forward_end(stream);
    RUN_UNTIL(w, o.over);
    assert_string_equal(o.message, "");
    assert_true(o.out.n > strlen(end));
    assert_string_equal(o.out.p + o.out.n - strlen(end), end);
    strbuf_deinit(&o.out);
}

/* ---- tests ---- */

static Object *find_object(World *w, const Kind *kind, const char *ns, const char *name)
{
    return client_get(fake_client(w->fake), kind, ns, name);
}

/* The pods reach it by the address of the bridge, if it has no other one. */
static void a_node_registers_itself(void **state)
{
    World *w = *state;
    const NodeStatus *status;
    const LeaseSpec *lease;

    if (!w->fake)
        skip();
    RUN_UNTIL(w, find_object(w, &kind_lease, "kube-node-lease", "node"));
    lease = &OBJECT_AS(Lease, find_object(w, &kind_lease, "kube-node-lease", "node"))->spec;
    assert_string_equal(lease->holder_identity, "node");
    assert_int_equal(*lease->lease_duration_seconds, 40);
    RUN_UNTIL(w, OBJECT_AS(Node, find_object(w, &kind_node, NULL, "node"))->status.addresses.n);
    status = &OBJECT_AS(Node, find_object(w, &kind_node, NULL, "node"))->status;
    assert_string_equal(status->addresses.v[0].type, "InternalIP");
    assert_string_equal(status->addresses.v[0].address, "10.99.0.1");
    assert_string_equal(status->addresses.v[1].type, "Hostname");
    assert_string_equal(status->addresses.v[1].address, "node");
    assert_non_null(string_map_get(&status->allocatable, "memory"));
    assert_string_equal(status->node_info.kubelet_version, API_GIT_VERSION);
    assert_string_equal(status->node_info.operating_system, "linux");
    assert_non_null(status->node_info.kernel_version);
    assert_non_null(status->node_info.boot_id);
    assert_true(str_starts_with(status->node_info.container_runtime_version, "crun://"));
}

/* The Event of the reason, or NULL. */
typedef struct EventSearch {
    const char *reason;
    const Event *found;
} EventSearch;

static bool on_some_event(void *data, Object *object)
{
    EventSearch *search = data;

    if (str_equal(OBJECT_AS(Event, object)->reason, search->reason))
        search->found = object->value;
    return true;
}

static const Event *find_event(World *w, const char *reason)
{
    EventSearch search = {.reason = reason};

    client_list(fake_client(w->fake), &kind_event, NULL, on_some_event, &search);
    return search.found;
}

static void a_sandbox_that_cannot_be_made_is_told_and_tried_again(void **state)
{
    World *w = *state;
    _free_ char *pods = NULL;

    if (!w->fake)
        skip();
    pods = mem_printf("%s/pods/61111111-2222-3333-4444-555555555555", w->run);
    assert_int_equal(file_mkdir_for(pods, 0755), 0);
    assert_int_equal(file_write_atomic(pods, "", 0, 0600), 0); /* a file where its folder belongs */
    fake_client_put(w->fake, POD("p", "61111111-2222-3333-4444-555555555555",
                                 "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\","
                                 "\"command\":[\"sleep\",\"1000\"]}]"));
    RUN_UNTIL(w, find_event(w, "FailedCreatePodSandBox"));
    assert_string_equal(find_event(w, "FailedCreatePodSandBox")->type, "Warning");
    assert_non_null(strstr(find_event(w, "FailedCreatePodSandBox")->message, "pod's folders"));
    assert_int_equal(METRIC_SERIES(METRIC_POD_WARNINGS, "FailedCreatePodSandBox")->value, 1);
    assert_int_equal(unlink(pods), 0);
    RUN_UNTIL(w, is_ready(w, "p"));
    assert_int_equal(METRIC_SERIES(METRIC_POD_WARNINGS, "Started")->value, 0);
    fake_client_delete(w->fake, "Pod", "default", "p", 1);
    RUN_UNTIL(w, !find_pod(w, "p"));
}

/* Requests for a pod that this node does not run, as the API server may send them after a restart. */
static void a_pod_that_is_not_here_has_no_streams(void **state)
{
    World *w = *state;
    static const char *const command[] = {"true", NULL};
    PodStreams *s;
    Object *pod;
    ExecSink exec_sink = {on_output, NULL, on_exit_code, NULL};
    LogSink log_sink = {on_log, on_log_end, NULL};
    ForwardSink forward_sink = {on_forwarded, on_nothing, on_nothing, on_forward_closed, NULL};
    ExecOptions exec_options = {.command = command, .standard_out = true};
    LogOptions log_options = {.tail_lines = -1, .limit_bytes = -1};
    ApiStatus status = {0};
    _arena_ Arena arena = ARENA_INIT;
    ForwardStream *forward;
    ExecStream *stream;
    LogStream *log;

    if (!w->fake)
        skip();
    s = node_streams(w->node);
    fake_client_put(w->fake, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                             "\"elsewhere\",\"namespace\":\"default\",\"uid\":\"u-9\"},\"spec\":{"
                             "\"nodeName\":\"other\",\"containers\":[{\"name\":\"app\",\"image\":"
                             "\"busybox\"}]}}");
    pod = client_get(fake_client(w->fake), &kind_pod, "default", "elsewhere");
    assert_int_equal(s->ops->forward(s, pod, 80, &forward_sink, &forward, &status, &arena),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(status.message, "pod not found (\"elsewhere_default\")"));
    assert_int_not_equal(s->ops->exec(s, pod, &exec_options, &exec_sink, &stream, &status, &arena),
                         STATUS_OK);
    assert_int_not_equal(s->ops->logs(s, pod, &log_options, &log_sink, &log, &status, &arena),
                         STATUS_OK);
}

/* With a terminal or without one; the terminal echoes what it gets. */
static void a_container_reads_what_an_attached_client_sends(void **state)
{
    static const char *const pods[] = {
        POD("reader-0", "81111111-2222-3333-4444-555555555555",
            "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\",\"stdin\":true,\"command\":["
            "\"cat\"]}]"),
        POD("reader-1", "81111111-2222-3333-4444-555555555556",
            "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\",\"stdin\":true,\"tty\":true,"
            "\"command\":[\"cat\"]}]"),
    };
    static const char *const names[] = {"reader-0", "reader-1"};
    World *w = *state;

    if (!w->fake)
        skip();
    EACH_ROW(i, pods, names[i]) {
        ExecStream *stream;
        Output o = {0};

        fake_client_put(w->fake, pods[i]);
        RUN_UNTIL(w, is_ready(w, names[i]));
        exec_begin(w, names[i], NULL, "hello\n", i == 1, &o, &stream);
        RUN_UNTIL(w, strstr(strbuf_string(&o.out), "hello"));
        node_streams(w->node)->ops->exec_close(stream);
        strbuf_deinit(&o.out);
        fake_client_delete(w->fake, "Pod", "default", names[i], 1);
        RUN_UNTIL(w, !find_pod(w, names[i]));
    }
}

/* Neither the image nor the pod names a program. */
static void a_container_without_a_command_does_not_start(void **state)
{
    World *w = *state;
    const ContainerStateWaiting *waiting;

    if (!w->fake)
        skip();
    fake_client_put(w->fake, POD("p", "71111111-2222-3333-4444-555555555555",
                                 "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\"}]"));
    RUN_UNTIL(w, find_event(w, "Failed"));
    assert_non_null(strstr(find_event(w, "Failed")->message, "no command specified"));
    RUN_UNTIL(w, find_pod(w, "p")->status.container_statuses.n &&
                     (waiting = find_pod(w, "p")->status.container_statuses.v[0].state.waiting) &&
                     waiting->message && strstr(waiting->message, "no command specified"));
    fake_client_delete(w->fake, "Pod", "default", "p", 1);
    RUN_UNTIL(w, !find_pod(w, "p"));
}

static void a_pod_gets_ready_answers_exec_and_leaves_nothing(void **state)
{
    World *w = *state;
    int64_t begin;
    const char *cat[] = {"cat", NULL}, *nothing[] = {"/nothing", NULL}, *tty[] = {"tty", NULL};
    const char *fails[] = {"sh", "-c", "echo no >&2; exit 3", NULL};
    Output o = {0};

    if (!w->fake)
        skip();
    fake_client_put(w->fake, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                             "\"conf\",\"namespace\":"
                             "\"default\"},\"data\":{\"a.txt\":\"one\"}}");
    begin = (int64_t)uv_hrtime();
    fake_client_put(
        w->fake,
        POD("web-0", "11111111-2222-3333-4444-555555555555",
            "\"hostname\":\"web-0\",\"subdomain\":\"web\",\"securityContext\":{\"fsGroup\":2000},"
            "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\",\"command\":[\"sh\",\"-c\","
            "\"mkdir -p /www; echo hi > /www/index.html; echo up; exec busybox httpd -f -p 8080 -h "
            "/www\"],"
            "\"env\":[{\"name\":\"POD\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata."
            "name\"}}},"
            "{\"name\":\"BOTH\",\"value\":\"$(POD)-$(KUBERNETES_SERVICE_HOST)\"}],"
            "\"readinessProbe\":{\"httpGet\":{\"port\":8080,\"path\":\"/\"},\"periodSeconds\":5},"
            "\"volumeMounts\":[{\"name\":\"conf\",\"mountPath\":\"/"
            "conf\"},{\"name\":\"tmp\",\"mountPath\":\"/scratch\"},"
            "{\"name\":\"tmp\",\"mountPath\":\"/sub\",\"subPath\":\"inner\"}]}],"
            "\"volumes\":[{\"name\":\"conf\",\"configMap\":{\"name\":\"conf\"}},{\"name\":\"tmp\","
            "\"emptyDir\":{}}]"));
    RUN_UNTIL(w, is_ready(w, "web-0"));
    print_message("ready after %.1f ms\n", (double)((int64_t)uv_hrtime() - begin) / 1e6);
    expect_exec(w, "web-0", "echo $BOTH; hostname; cat /conf/a.txt", "web-0-10.98.0.1\nweb-0\none");
    expect_exec(w, "web-0", "touch /scratch/x /sub/y; ls /scratch/inner; stat -c %g /scratch",
                "y\n2000\n");
    expect_exec(w, "web-0", "cat /etc/resolv.conf",
                "nameserver 10.98.0.10\nsearch default.svc.cluster.local svc.cluster.local "
                "cluster.local\noptions ndots:5\n");
    expect_exec(w, "web-0", "id", "uid=0 gid=0 groups=2000\n");
    expect_exec(w, "web-0", "printf x", "x");
    expect_forward(w, "web-0", 8080, "GET / HTTP/1.0\r\n\r\n", "hi\n");
    exec(w, "web-0", cat, "hello", false, &o);
    assert_string_equal(strbuf_string(&o.out), "hello");
    assert_int_equal(o.code, 0);
    o.over = false;
    exec(w, "web-0", fails, NULL, false, &o);
    assert_int_equal(o.code, 3);
    assert_string_equal(strbuf_string(&o.err), "no\n");
    o.over = false;
    exec(w, "web-0", nothing, NULL, false, &o);
    assert_int_equal(o.code, -1);
    assert_non_null(strstr(o.message, "nothing"));
    strbuf_truncate(&o.out, 0);
    o.over = false;
    exec(w, "web-0", tty, NULL, true, &o);
    assert_string_equal(strbuf_string(&o.out), "/dev/pts/0\r\n");
    strbuf_truncate(&o.out, 0);
    o.over = false;
    read_log(w, "web-0", &(LogOptions){.tail_lines = -1, .limit_bytes = -1}, &o);
    RUN_UNTIL(w, o.over);
    assert_string_equal(strbuf_string(&o.out), "up\n");
    /* a ConfigMap's change arrives */
    fake_client_put(w->fake, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                             "\"conf\",\"namespace\":"
                             "\"default\"},\"data\":{\"b.txt\":\"two\"}}");
    {
        _free_ char *path =
            mem_printf("%s/pods/11111111-2222-3333-4444-555555555555/volumes/conf/b.txt", w->run);

        RUN_UNTIL(w, file_exists(path));
    }
    expect_exec(w, "web-0", "ls /conf", "b.txt\n");
    strbuf_truncate(&o.out, 0);
    o.over = false;
    read_log(w, "web-0", &(LogOptions){.tail_lines = -1, .limit_bytes = -1, .follow = true}, &o);
    begin = (int64_t)uv_hrtime();
    fake_client_delete(w->fake, "Pod", "default", "web-0", 1);
    RUN_UNTIL(w, !find_pod(w, "web-0"));
    print_message("gone after %.1f ms\n", (double)((int64_t)uv_hrtime() - begin) / 1e6);
    RUN_UNTIL(w, o.over);
    assert_string_equal(strbuf_string(&o.out), "up\n");
    {
        _free_ char *path = mem_printf("%s/pods/11111111-2222-3333-4444-555555555555", w->run);
        _free_ char *data = mem_printf("%s/pods/11111111-2222-3333-4444-555555555555", w->data);

        assert_false(file_exists(path));
        assert_false(file_exists(data));
    }
    strbuf_deinit(&o.out);
    strbuf_deinit(&o.err);
}

static int32_t restarts(World *w, const char *name)
{
    Pod *pod = find_pod(w, name);

    return pod && pod->status.container_statuses.n
               ? pod->status.container_statuses.v[0].restart_count
               : -1;
}

static void a_pod_outlives_the_node_and_is_taken_up_again(void **state)
{
    World *w = *state;
    _free_ char *id = NULL;

    if (!w->fake)
        skip();
    fake_client_put(w->fake, POD("db-0", "21111111-2222-3333-4444-555555555555",
                                 "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\","
                                 "\"command\":[\"sleep\",\"1000\"]}]"));
    RUN_UNTIL(w, is_ready(w, "db-0"));
    id = mem_strdup(find_pod(w, "db-0")->status.container_statuses.v[0].container_id);
    stop_node(w);
    start_node(w);
    expect_exec(w, "db-0", "echo still here", "still here\n");
    assert_true(is_ready(w, "db-0"));
    assert_string_equal(find_pod(w, "db-0")->status.container_statuses.v[0].container_id, id);
    /* ended while nobody looked */
    stop_node(w);
    {
        _free_ char *path =
            mem_printf("%s/pods/21111111-2222-3333-4444-555555555555/c/app/0", w->run);
        _free_ char *pid_file = mem_printf("%s/pid", path),
                    *exit_file = mem_printf("%s/exit", path), *text = NULL;
        int64_t pid;
        size_t n;

        assert_int_equal(file_read(pid_file, 32, &text, &n), 0);
        assert_int_equal(str_to_int64(text, 2, INT32_MAX, &pid), 0);
        assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
        while (!file_exists(exit_file))
            sched_yield();
    }
    start_node(w);
    RUN_UNTIL(w, restarts(w, "db-0") == 1 && is_ready(w, "db-0"));
    assert_int_equal(
        find_pod(w, "db-0")->status.container_statuses.v[0].last_state.terminated->exit_code, 137);
    fake_client_delete(w->fake, "Pod", "default", "db-0", 1);
    RUN_UNTIL(w, !find_pod(w, "db-0"));
}

static void a_finished_pod_tells_its_phase_and_keeps_its_log(void **state)
{
    World *w = *state;
    Output o = {0};
    Pod *pod;

    if (!w->fake)
        skip();
    fake_client_put(
        w->fake,
        POD("job", "31111111-2222-3333-4444-555555555555",
            "\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"init\",\"image\":"
            "\"busybox\","
            "\"command\":[\"sh\",\"-c\",\"echo data > "
            "/v/f\"],\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],"
            "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\",\"command\":[\"sh\",\"-c\","
            "\"cat /v/f; echo because > /dev/termination-log; exit "
            "4\"],\"volumeMounts\":[{\"name\":\"v\","
            "\"mountPath\":\"/v\"}]}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]"));
    RUN_UNTIL(w, str_equal(find_pod(w, "job")->status.phase, "Failed"));
    pod = find_pod(w, "job");
    assert_int_equal(pod->status.container_statuses.v[0].state.terminated->exit_code, 4);
    assert_string_equal(pod->status.container_statuses.v[0].state.terminated->message, "because\n");
    assert_string_equal(pod->status.init_container_statuses.v[0].state.terminated->reason,
                        "Completed");
    read_log(w, "job", &(LogOptions){.container = "app", .tail_lines = -1, .limit_bytes = -1}, &o);
    RUN_UNTIL(w, o.over);
    assert_string_equal(strbuf_string(&o.out), "data\n");
    fake_client_delete(w->fake, "Pod", "default", "job", 1);
    RUN_UNTIL(w, !find_pod(w, "job"));
    strbuf_deinit(&o.out);
}

static void a_missing_image_is_told(void **state)
{
    World *w = *state;

    if (!w->fake)
        skip();
    fake_client_put(w->fake, POD("lost", "41111111-2222-3333-4444-555555555555",
                                 "\"containers\":[{\"name\":\"app\",\"image\":\"missing\"}]"));
    RUN_UNTIL(
        w, find_pod(w, "lost")->status.container_statuses.n &&
               find_pod(w, "lost")->status.container_statuses.v[0].state.waiting &&
               str_equal(find_pod(w, "lost")->status.container_statuses.v[0].state.waiting->reason,
                         "ErrImagePull"));
    fake_client_delete(w->fake, "Pod", "default", "lost", 1);
    RUN_UNTIL(w, !find_pod(w, "lost"));
}

static void a_claim_keeps_its_data_until_its_volume_is_deleted(void **state)
{
    World *w = *state;
    _free_ char *plain = NULL, *image = NULL;

    if (!w->fake)
        skip();
    /* In a folder, or in a file system that lies in a file. */
    plain = mem_printf("%s/volumes/pvc-1/data/f", w->data);
    image = mem_printf("%s/volumes/pvc-1/image", w->data);
    fake_client_put(
        w->fake,
        "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolume\",\"metadata\":{\"name\":\"pvc-1\","
        "\"finalizers\":"
        "[\"stead.dev/"
        "volume\"]},\"spec\":{\"capacity\":{\"storage\":\"1Mi\"},\"claimRef\":{\"uid\":\"c1\"}}}");
    fake_client_put(w->fake, "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\","
                             "\"metadata\":{\"name\":\"data-web-0\","
                             "\"namespace\":\"default\",\"uid\":\"c1\"},\"spec\":{\"volumeName\":"
                             "\"pvc-1\"},\"status\":{\"phase\":\"Bound\"}}");
    fake_client_put(
        w->fake,
        POD("web-0", "51111111-2222-3333-4444-555555555555",
            "\"containers\":[{\"name\":\"app\",\"image\":\"busybox\",\"command\":[\"sh\",\"-c\","
            "\"touch /data/f; sleep "
            "1000\"],\"readinessProbe\":{\"exec\":{\"command\":[\"cat\",\"/data/"
            "f\"]},\"periodSeconds\":10},"
            "\"volumeMounts\":[{\"name\":\"data\",\"mountPath\":\"/data\"}]}],"
            "\"volumes\":[{\"name\":\"data\",\"persistentVolumeClaim\":{\"claimName\":\"data-web-"
            "0\"}}]"));
    RUN_UNTIL(w, is_ready(w, "web-0"));
    fake_client_delete(w->fake, "Pod", "default", "web-0", 1);
    RUN_UNTIL(w, !find_pod(w, "web-0"));
    assert_true(file_exists(plain) || file_exists(image));
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    _close_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)ioctl(fd, SIOCSIFFLAGS, &request);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_registers_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sandbox_that_cannot_be_made_is_told_and_tried_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_container_without_a_command_does_not_start, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pod_that_is_not_here_has_no_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(a_container_reads_what_an_attached_client_sends, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pod_gets_ready_answers_exec_and_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pod_outlives_the_node_and_is_taken_up_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_finished_pod_tells_its_phase_and_keeps_its_log, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_missing_image_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_claim_keeps_its_data_until_its_volume_is_deleted, setup,
                                        teardown),
    };

    (void)show;
    if (usable()) {
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            return 77;
        loopback_up();
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
