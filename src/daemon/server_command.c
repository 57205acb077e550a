/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead server`: starts all parts on one loop and runs until a signal arrives. A part starts after the parts that it uses, and the
 * parts stop in the reverse order. Containers are not stopped: they continue under conmon.
 */
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

#include "base/files/file.h"
#include "base/files/watch.h"
#include "base/log.h"
#include "base/observe/turn.h"
#include "base/time/clock.h"
#include "cli/control_call.h"
#include "cli/kubeconfig.h"
#include "cli/place.h"
#include "image/pull/pull.h"
#include "daemon/commands.h"
#include "daemon/image/collect.h"
#include "daemon/daemon.h"
#include "daemon/ranges.h"
#include "daemon/rootless/publish.h"
#include "daemon/rootless/rootless.h"
#include "image/local/local.h"

#define CERTIFICATE_SECONDS (INT64_C(365) * 86400)
#define YEARS_10 (INT64_C(3650) * 86400)
#define IDLE_NS (INT64_C(90) * NS_PER_SEC) /* the idle timeout of a connection */
#define FILES_WANTED 65536
#define UNKNOWN_IDLE_NS \
    (INT64_C(15) * NS_PER_SEC) /* the same for a peer that has not authenticated */
#define DRAIN_NS (INT64_C(2) * NS_PER_SEC)

static void log_net_error(void *data, const Err *err)
{
    App *app = data;

    app->net_failed_ns = clock_mono_ns(app->clock);
    log_err_limited(NULL, LOG_LEVEL_ERROR, "net", err,
                    "a change of the network failed and will be retried");
}

static char *make_token(void *data, Arena *arena, const Object *pod, const char *service_account,
                        const char *audience, int64_t lifetime_seconds)
{
    App *app = data;

    return server_make_token(app->server, arena, object_meta(pod)->namespace, service_account, pod,
                             audience, lifetime_seconds);
}

/* ---- start ---- */

static int open_folders(App *app, Err *reterr)
{
    int r = file_mkdir_all(app->options->data, 0700);

    if (r < 0)
        return err_set(reterr, -r, "cannot make the data folder %s", app->options->data);
    r = file_mkdir_all(app->options->run, 0700);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the run folder %s", app->options->run);
    return 0;
}

static int open_store(App *app, Err *reterr)
{
    StoreEngine *engine;
    int r = engine_sqlite_open(app->options->data, STORE_WINDOW, &engine, reterr);

    if (r < 0)
        return r;
    return store_open(&app->loop, engine, STORE_WINDOW, &app->store, reterr);
}

static int open_net(App *app, Err *reterr)
{
    const Options *o = app->options;
    NetOptions options = {.instance = o->instance,
                          .pod_cidr = o->pod_cidr,
                          .service_cidr = o->service_cidr,
                          .load_balancer_cidr = o->load_balancer_cidr,
                          .dns_ip = o->dns_ip,
                          .run_dir = o->run,
                          .on_error = log_net_error,
                          .on_error_data = app};

    return o->no_network ? 0 : net_open(&app->loop, &options, &app->net, reterr);
}

/* Limits connections to half of the descriptors. The other half is for pods, files and connections to pods. */
static void limit_connections(HttpLimits *limits)
{
    struct rlimit files;
    unsigned most = limits->connections;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = MAX_OF(files.rlim_cur, MIN_OF(files.rlim_max, (rlim_t)FILES_WANTED));
        if (setrlimit(RLIMIT_NOFILE, &files) == 0 || getrlimit(RLIMIT_NOFILE, &files) == 0)
            most = (unsigned)MIN_OF((rlim_t)most, files.rlim_cur / 2);
    }
    limits->connections = most;
    limits->reserve = most / 4;
    limits->per_address = most / 16;
    limits->known_per_address = most / 4;
    limits->idle_timeout_ns = IDLE_NS;
    limits->unknown_idle_timeout_ns = UNKNOWN_IDLE_NS;
}

/* In the namespaces of an ordinary user's server, the same address is served both on the machine and inside. */
static int listen_for_clients(App *app, Err *reterr)
{
    const Options *o = app->options;
    _free_ char *inside = NULL;
    int fd;

    if (!place_is_inside())
        return http_server_listen(app->http, o->listen, reterr);
    fd = rootless_listen(o->run, app->listen_address, app->port);
    if (fd < 0)
        return err_set(reterr, -fd, "listen on %s (--listen 127.0.0.1:PORT takes another port)",
                       o->listen);
    http_server_listen_fd(app->http, fd);
    inside = mem_printf("%s:%u", app->listen_address, http_server_port(app->http));
    return http_server_listen(app->http, inside, reterr);
}

static int read_count(const char *option, const char *text, int64_t usual, int64_t *ret,
                      Err *reterr)
{
    *ret = usual;
    if (text && str_to_int64(text, 0, INT32_MAX, ret))
        return err_set(reterr, 0, "%s %s: give a number from 0 on", option, text);
    return 0;
}

/* The numbers that are not given are those of kube-apiserver. */
static int read_audit(const Options *o, ServerAudit *audit, const ServerAudit **ret, Err *reterr)
{
    int r;

    *ret = NULL;
    if (!o->audit_policy && !o->audit_log)
        return 0;
    if (!o->audit_policy || !o->audit_log)
        return err_set(reterr, 0, "%s has no effect without %s",
                       o->audit_log ? "--audit-log-path" : "--audit-policy-file",
                       o->audit_log ? "--audit-policy-file" : "--audit-log-path");
    *audit = (ServerAudit){.policy_file = o->audit_policy, .log_path = o->audit_log};
    r = read_count("--audit-log-maxsize", o->audit_max_size, 100, &audit->max_megabytes, reterr);
    if (r == 0)
        r = read_count("--audit-log-maxbackup", o->audit_max_backup, 100, &audit->max_backups,
                       reterr);
    if (r == 0)
        r = read_count("--audit-log-maxage", o->audit_max_age, 366, &audit->max_age_days, reterr);
    *ret = audit;
    return r;
}

static int open_api(App *app, Err *reterr)
{
    Options *o = app->options;
    const char *service = options_address(&o->arena, o->service_cidr, 1);
    const char *gateway = o->no_network ? NULL : options_address(&o->arena, o->pod_cidr, 1);
    const char *addresses[] = {app->listen_address,
                               "127.0.0.1",
                               "localhost",
                               o->node_name,
                               service,
                               gateway,
                               arena_printf(&o->arena, "kubernetes.default.svc.%s", o->domain)};
    int64_t lifetime = CERTIFICATE_SECONDS;
    _free_ char *pki_dir = mem_printf("%s/pki", o->data);
    ServerOptions options;
    ServerAudit audit;
    HttpServerOptions http = {.limits = http_limits_default};
    int r;

    if (o->certificate_life && str_to_int64(o->certificate_life, 4, YEARS_10, &lifetime))
        return err_set(reterr, 0, "--certificate-life %s: give seconds", o->certificate_life);
    static_assert(ARRAY_LEN(addresses) < ARRAY_LEN(app->names), "room for the end");
    for (size_t i = 0, n = 0; i < ARRAY_LEN(addresses); i++)
        if (addresses[i])
            app->names[n++] = addresses[i];
    r = pki_open(pki_dir, app->names, lifetime, app->clock, &app->pki, reterr);
    if (r < 0)
        return r;
    options = (ServerOptions){.loop = &app->loop,
                              .store = app->store,
                              .clock = app->clock,
                              .random = &app->random,
                              .pki = app->pki,
                              .token_file = o->token_file,
                              .service_cidr = o->service_cidr,
                              .node_name = o->node_name,
                              .external_address = o->listen,
                              .anonymous = true};
    r = read_audit(o, &audit, &options.audit, reterr);
    if (r >= 0)
        r = app_authentication(app, &options, reterr);
    if (r >= 0)
        r = server_new(&options, &app->server, reterr);
    if (r < 0)
        return r;
    r = app_use_certificate(app, &http.tls, reterr);
    if (r < 0)
        return r;
    limit_connections(&http.limits);
    http.handler = server_http_handler(app->server);
    app->http = http_server_new(&app->loop, &http);
    http_tls_free(http.tls);
    app_watch_certificate(app);
    r = app_watch_authentication(app, reterr);
    return r < 0 ? r : listen_for_clients(app, reterr);
}

static int listen_for_pods(App *app, Err *reterr)
{
    _free_ char *address = NULL;

    app->port = http_server_port(app->http);
    if (!app->net || str_equal(app->listen_address, "0.0.0.0") ||
        str_equal(app->listen_address, "[::]"))
        return 0;
    address = mem_printf("%s:%u", net_gateway(app->net), app->port);
    return http_server_listen(app->http, address, reterr);
}

/* Until the node has started, a volume is reserved without a check; the space is then checked when a pod first uses it. */
static void reserve_volume(void *data, const char *name, int64_t size, bool reserved,
                           ClientDone done, void *done_data)
{
    static const ApiStatus ok = {.reason = STATUS_OK};
    App *app = data;

    if (app->node)
        node_reserve_volume(app->node, name, size, reserved, done, done_data);
    else
        done(done_data, &ok, NULL);
}

static void on_volume_room(void *data)
{
    App *app = data;

    if (app->control)
        control_volume_room(app->control);
}

static void start_control(App *app)
{
    Options *o = app->options;
    ControlOptions options = {.volume_dir = arena_printf(&o->arena, "%s/volumes", o->data),
                              .client =
                                  server_client(app->server, "system:kube-controller-manager"),
                              .clock = app->clock,
                              .random = &app->random,
                              .load_balancer_cidr = app->net ? o->load_balancer_cidr : NULL,
                              .node_name = o->node_name,
                              .root_ca_pem = app->pki->ca_pem,
                              .ca_key_pem = app->pki->ca_key_pem,
                              .may_request = server_may_request,
                              .may_request_data = app->server,
                              .reserve_volume = reserve_volume,
                              .reserve_volume_data = app,
                              .api_address = app->net ? net_gateway(app->net) : NULL,
                              .api_port = app->port};

    app->control = control_start(&options);
}

static void start_proxy(App *app)
{
    const Options *o = app->options;
    OptionRange ranges[OPTIONS_RANGES];
    Cidr4 external[EXTERNAL_RANGES_MAX];
    ServiceProxyOptions options = {.client = server_client(app->server, "system:kube-proxy"),
                                   .net = app->net,
                                   .clock = app->clock,
                                   .random = &app->random,
                                   .node_name = o->node_name,
                                   .external = external};

    options_ranges(o, ranges);
    options.pods = ranges[RANGE_PODS].cidr;
    options.services = ranges[RANGE_SERVICES].cidr;
    options.load_balancers = ranges[RANGE_LOAD_BALANCERS].cidr;
    ASSERT(!cidr4_parse_list(o->external_ips, ARRAY_LEN(external), external, &options.n_external));
    app->proxy = service_proxy_start(&options);
}

/* Where a registry may refer the server to: not to pods, Services and this machine. */
static bool may_connect(void *data, const struct sockaddr *to)
{
    App *app = data;

    return !ranges_are_own(app->options, to);
}

/* Images that are on this machine can be used even if the configuration of registries cannot. */
static void start_puller(App *app)
{
    const RegistryOptions options = {.may_connect = may_connect, .data = app};
    Err err = ERR_INIT;

    if (registry_config_load(&options, &app->registries, &err) < 0)
        log_warn("image", "no image is pulled: %s", err.message);
    else
        app->puller = puller_new(&app->loop, app->images, app->registries);
}

static void start_publisher(App *app)
{
    PublisherOptions options = {.loop = &app->loop,
                                .client = server_client(app->server, "system:publisher"),
                                .clock = app->clock,
                                .run_dir = app->options->run,
                                .node_name = app->options->node_name};

    app->publisher = publisher_start(&options);
}

static int start_node(App *app, Err *reterr)
{
    const Options *o = app->options;
    Client *client = server_client(app->server, "system:node");
    _free_ char *images = mem_printf("%s/images", o->data);
    DnsOptions dns = {
        .address = o->dns_ip, .port = 53, .domain = o->domain, .resolv_conf = "/etc/resolv.conf"};
    NodeOptions node = {.loop = &app->loop,
                        .client = client,
                        .clock = app->clock,
                        .random = &app->random,
                        .net = app->net,
                        .name = o->node_name,
                        .data_dir = o->data,
                        .run_dir = o->run,
                        .dns_ip = o->dns_ip,
                        .domain = o->domain,
                        .api_address = options_address(&app->options->arena, o->service_cidr, 1),
                        .api_port = 443,
                        .root_ca_pem = app->pki->ca_pem,
                        .helper_dir = app->helper_dir,
                        .disk_reserve = -1,
                        .instance = o->instance,
                        .rootless = place_is_inside(),
                        .no_cgroups = rootless_lacks_cgroups(),
                        .make_token = make_token,
                        .make_token_data = app,
                        .on_volume_room = on_volume_room,
                        .on_volume_room_data = app,
                        .reclaim = image_collector_look,
                        .reclaim_data = app};
    int r;

    if (!app->net)
        return 0;
    r = image_store_open(&app->loop, images, app->image_dir, &app->images, reterr);
    if (r >= 0)
        r = local_stores_open(o->image_stores, app->images, reterr);
    if (r < 0)
        return r;
    start_puller(app);
    node.images = app->images;
    node.puller = app->puller;
    if (o->pids_limit && str_to_int64(o->pids_limit, 16, INT32_MAX, &node.pids_limit))
        return err_set(reterr, 0, "--pod-pids-limit %s: give a number from 16 on", o->pids_limit);
    if (node.no_cgroups)
        log_warn("node",
                 "limits of CPU, memory and processes are not enforced%s, since this server has no "
                 "cgroup",
                 o->pids_limit ? ", --pod-pids-limit included" : "");
    if (o->disk_reserve &&
        options_size("--disk-reserve", o->disk_reserve, 0, &node.disk_reserve, reterr) < 0)
        return -EINVAL;
    r = dns_server_start(&app->loop, server_client(app->server, "system:dns"), &dns, &app->dns,
                         reterr);
    if (r < 0)
        return r;
    start_proxy(app);
    r = image_collector_start(app, reterr);
    if (r >= 0)
        r = node_start(&node, &app->node, reterr);
    if (r >= 0)
        r = app_start_registry(app, reterr);
    if (r < 0)
        return r;
    server_set_streams(app->server, node_streams(app->node));
    server_set_usage(app->server, node_usage(app->node));
    if (app->control)
        control_set_usage(app->control, node_usage(app->node));
    if (place_is_inside())
        start_publisher(app);
    return 0;
}

/* Writes the server's own kubeconfig, from which `stead up` copies the entry to the kubeconfig of the user. */
static int write_kubeconfig(App *app, const char *path, Err *reterr)
{
    bool any = str_equal(app->listen_address, "0.0.0.0");
    _free_ char *url =
        mem_printf("https://%s:%u", any ? "127.0.0.1" : app->listen_address, app->port);
    KubeconfigEntry entry = {.name = app->options->context_name,
                             .server = url,
                             .ca_pem = app->pki->ca_pem,
                             .certificate_pem = app->pki->admin_pem,
                             .key_pem = app->pki->admin_key_pem};
    int r;

    r = kubeconfig_put(path, &entry, reterr);
    if (r != -ENOSPC && r != -EDQUOT)
        return r;
    /* The server has to start on a full disk. The existing kubeconfig is usually still correct. */
    log_warn("server", "%s; the existing kubeconfig may be out of date", reterr->message);
    *reterr = ERR_INIT;
    return 0;
}

static int start(App *app, Err *reterr)
{
    _free_ char *kubeconfig = mem_printf("%s/admin.kubeconfig", app->options->data);
    int r;

    /* These checks come before anything is created or changed, since another server may use it. */
    if (control_is_alive(app->options->run))
        return err_set(reterr, 0, "a server is running already with --run %s", app->options->run);
    r = ranges_check(app->options, reterr);
    if (r == 0)
        r = open_folders(app, reterr);
    if (r == 0)
        r = options_listen(app->options, app->listen_address, &app->port, reterr);
    if (r == 0)
        r = open_store(app, reterr);
    if (r == 0)
        r = open_api(app, reterr);
    if (r == 0)
        r = open_net(app, reterr);
    if (r == 0)
        r = listen_for_pods(app, reterr);
    if (r == 0)
        r = write_kubeconfig(app, kubeconfig, reterr);
    if (r < 0)
        return r;
    start_control(app);
    app_watch_health(app);
    r = start_node(app, reterr);
    if (r == 0)
        r = app_open_socket(app, reterr);
    return r;
}

/* Notifies systemd by a datagram to the socket that it names (sd_notify(3)). */
static void tell_systemd(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET"), text[] = "READY=1";
    size_t n = path ? strlen(path) : 0;
    _close_fd_ int fd = -1;

    if (n < 2 || n >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, n);
    if (*path == '@') /* an abstract one */
        to.sun_path[0] = 0;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL, (struct sockaddr *)&to,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
        log_warn("server", "systemd cannot be notified of readiness: %s", strerror(errno));
    unsetenv("NOTIFY_SOCKET");
}

static void say_ready(App *app)
{
    int64_t fd;

    server_set_ready(app->server, true);
    log_info("server", "ready on https://%s:%u after %" PRId64 " ms", app->listen_address,
             app->port, (clock_mono_ns(app->clock) - app->started_ns) / NS_PER_MS);
    tell_systemd();
    if (!app->options->ready_fd || str_to_int64(app->options->ready_fd, 3, INT_MAX, &fd))
        return;
    if (write((int)fd, "1", 1) < 0)
        log_warn("server", "readiness cannot be reported on the descriptor of --ready-fd: %s",
                 strerror(errno));
    close((int)fd);
}

/* ---- stop ---- */

static void on_drained(void *data)
{
    App *app = data;

    app->http = http_server_free(app->http);
    app->server = server_free(app->server);
    app->store = store_close(app->store);
    app->net = app->failed ? net_abandon(app->net) : net_close(app->net);
    app->puller = puller_close(app->puller);
    app->registries = registry_config_free(app->registries);
    app->images = image_store_close(app->images);
    app->clock = clock_free_uv(app->clock);
    turn_watch_stop();
    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++)
        if (app->signals[i].loop && !uv_is_closing((uv_handle_t *)&app->signals[i]))
            uv_close((uv_handle_t *)&app->signals[i], NULL);
}

void app_stop(App *app)
{
    if (app->stopping)
        return;
    app->stopping = true;
    timer_stop(app->clock, &app->ending);
    timer_stop(app->clock, &app->renewal);
    app->key_watch = file_watch_free(app->key_watch);
    if (app->server) {
        server_set_ready(app->server, false);
        server_set_streams(app->server, NULL);
        server_set_usage(app->server, NULL);
    }
    app->socket = control_socket_close(app->socket);
    app->publisher = publisher_stop(app->publisher);
    app->distribution = distribution_close(app->distribution);
    if (app->control)
        control_set_usage(app->control, NULL);
    app->node = node_stop(app->node);
    image_collector_stop(app);
    app->proxy = service_proxy_stop(app->proxy);
    app->dns = dns_server_stop(app->dns);
    app->control = control_stop(app->control);
    if (app->http)
        http_server_drain(app->http, DRAIN_NS, on_drained, app);
    else
        on_drained(app);
}

static void on_ending(Timer *timer)
{
    app_stop(timer->data);
}

/*
 * The stop begins in the next turn of the loop, because answers are sent at the end of the turn that made them. The loop
 * reads all signals that are pending at once, so when a child ends in the turn that answers a "stead down", this function
 * runs before the answer was sent.
 */
static void on_signal(uv_signal_t *handle, int number)
{
    App *app = handle->data;

    if (app->stopping || app->ending.active)
        return;
    log_info("server", "stopping: %s", strsignal(number));
    timer_start(app->clock, &app->ending, 0);
}

static void watch_signals(App *app)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    static_assert(ARRAY_LEN(numbers) == ARRAY_LEN(app->signals), "a handle for each signal");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    app->ending.on_fire = on_ending;
    app->ending.data = app;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, numbers[i]);
    }
}

int command_server(const char *program, Options *options)
{
    App *app = mem_new_type(App);
    Err err = ERR_INIT;
    int r;

    if (!options->no_network &&
        need_root(options, "the server manages links, mounts and cgroups of this machine"))
        return 1;
    /* Only two threads allocate much memory: the loop and that of the store. More heaps would only waste memory. */
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    mallopt(M_TOP_PAD, 512 * 1024);
    umask(0022);
    app->options = options;
    app_find_files(app, program);
    uv_loop_init(&app->loop);
    turn_watch_start(&app->loop);
    app->clock = clock_new_uv(&app->loop);
    app->started_ns = clock_mono_ns(app->clock);
    random_seed_system(&app->random);
    watch_signals(app);
    r = start(app, &err);
    if (r < 0) {
        log_err_limited(NULL, LOG_LEVEL_ERROR, "server", &err, "the server does not start");
        fail(&err);
        app->failed = true;
        app_stop(app);
    } else {
        say_ready(app);
    }
    uv_run(&app->loop, UV_RUN_DEFAULT);
    uv_loop_close(&app->loop);
    pki_free(app->pki);
    free(app->helper_dir);
    free(app->image_dir);
    free(app);
    return r < 0;
}
