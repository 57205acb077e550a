/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge, the namespaces and addresses of pods, and the process that runs nft for the table (table.c).
 *
 * Pods have /32 addresses and reach everything, including each other, through the gateway on the bridge. So every packet
 * passes the address translation of the host, and replies return through it without the help of bridge-netfilter.
 *
 * The state of pods is kept in RUN/netns: a file NAME on which the namespace is mounted, and a file NAME.address with the
 * pod's address. net_open reads them back, so that no address is assigned twice.
 *
 * Until the first complete set of services is known (net_service_sync_done), the kernel keeps the table of the previous
 * process; then that table is replaced as a whole.
 */
#include <dirent.h>
#include <fcntl.h>
#include <uv.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/files/file.h"
#include "base/fnv.h"
#include "base/process.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "net/net.h"
#include "net/netlink.h"
#include "net/netns.h"
#include "net/nft.h"
#include "net/table.h"

/* The count of an address that was added once, see Net.addresses. */
#define ONCE ((void *)(uintptr_t)1)
#define NFT_TIMEOUT_NS INT64_C(30000000000)

struct Net {
    uv_loop_t *loop;
    char *instance, *bridge, *netns_dir;
    char *pod_cidr_text, *service_cidr_text;
    Cidr4 pod_cidr, service_cidr;
    char gateway[16];
    unsigned bridge_index;
    bool made_bridge; /* net_open created it */

    StrMap pods;    /* key -> text of the address, owned by the map's user */
    uint8_t *taken; /* a bit per address of the pod range: assigned or reserved */
    uint32_t next;  /* where the search for a free address starts */

    StrMap
        addresses; /* wanted on the bridge, our own and those of load balancers -> how often each was added */
    Table *table; /* NULL once the Net is closed */
    size_t jobs;  /* in flight on the pool; the last one frees a Net that was closed meanwhile */
    bool closing;
};

/* ---- addresses of pods ---- */

static uint32_t pod_count(const Net *net)
{
    return net->pod_cidr.bits >= 31 ? 0 : (UINT32_C(1) << (32 - net->pod_cidr.bits)) - 1;
}

static bool address_taken(const Net *net, uint32_t i)
{
    return net->taken[i / 8] & (1u << (i % 8));
}

static void address_mark(Net *net, const char *address, bool taken)
{
    uint32_t a, i;

    if (ip4_parse(address, &a) || !cidr4_contains(net->pod_cidr, a))
        return;
    i = a - net->pod_cidr.base;
    if (taken)
        net->taken[i / 8] |= (uint8_t)(1u << (i % 8));
    else
        net->taken[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

/* Takes the next free address after the newest one. A released address is reused as late as possible, so that a late packet
 * for the old pod does not reach a new one. 1: no address is free. */
static int address_take(Net *net, char buf[static 16])
{
    uint32_t n = pod_count(net);

    for (uint32_t tries = 0; tries < n; tries++) {
        uint32_t i = net->next;

        net->next = net->next + 1 >= n ? 2 : net->next + 1;
        if (i < 2 || address_taken(net, i))
            continue;
        ip4_print(net->pod_cidr.base + i, buf);
        address_mark(net, buf, true);
        return 0;
    }
    return 1;
}

/* ---- opening ---- */

static int write_setting(const char *path, const char *value)
{
    _close_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return ERR_ORIGIN(-errno);
    return 0;
}

static int bridge_settings(Net *net, Err *reterr)
{
    static const struct {
        const char *path; /* %s: the bridge */
        const char *value;
    } settings[] = {
        {"/proc/sys/net/ipv4/ip_forward", "1"},
        /* 127.0.0.1:nodePort is translated to the address of a pod */
        {"/proc/sys/net/ipv4/conf/%s/route_localnet", "1"},
        /* pods must always go through the gateway */
        {"/proc/sys/net/ipv4/conf/%s/send_redirects", "0"},
        {"/proc/sys/net/ipv4/conf/%s/rp_filter", "0"},
    };

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        char path[128];
        int r;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof(path), settings[i].path, net->bridge);
#pragma GCC diagnostic pop
        r = write_setting(path, settings[i].value);
        if (r < 0)
            return err_set(reterr, -r, "cannot set %s to %s", path, settings[i].value);
    }
    return 0;
}

static int bridge_open(Net *net, const NetOptions *options, Err *reterr)
{
    uint8_t mac[6] = {0x0a, 0x58};
    uint32_t gateway = net->pod_cidr.base + 1, dns;
    Cidr4 balancers;
    int r;

    memcpy(mac + 2, &(uint32_t){__builtin_bswap32(gateway)}, 4);
    net->made_bridge = link_index(net->bridge, &net->bridge_index) != 0;
    r = link_create_bridge(net->bridge, mac);
    if (r == 0)
        r = ERR_FOLD(link_index(net->bridge, &net->bridge_index));
    if (r == 0)
        r = link_set_up(net->bridge_index);
    if (r < 0)
        return err_set(reterr, -r, "cannot make the bridge %s", net->bridge);
    ip4_print(gateway, net->gateway);
    r = address_add(net->bridge_index, gateway, net->pod_cidr.bits);
    if (r == 0 && options->dns_ip && ip4_parse(options->dns_ip, &dns) == 0)
        r = address_add(net->bridge_index, dns, 32);
    /* Without this route, a local program could not send to a service address at all: the route is looked up before the
     * translation. */
    if (r == 0)
        r = route_add(net->bridge_index, net->service_cidr.base, net->service_cidr.bits, 0,
                      gateway);
    if (r == 0 && options->load_balancer_cidr &&
        cidr4_parse(options->load_balancer_cidr, &balancers) == 0)
        r = route_add(net->bridge_index, balancers.base, balancers.bits, 0, gateway);
    if (r < 0)
        return err_set(reterr, -r, "cannot set up addresses on %s", net->bridge);
    strmap_put(&net->addresses, net->gateway, ONCE);
    if (options->dns_ip)
        strmap_put(&net->addresses, options->dns_ip, ONCE);
    return bridge_settings(net, reterr);
}

/* Reads what an earlier process left in RUN/netns. */
static void pods_read_back(Net *net)
{
    DIR *folder = opendir(net->netns_dir);

    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        _free_ char *path = NULL, *key = NULL, *address = NULL;
        uint32_t a;

        path = mem_printf("%s/%s", net->netns_dir, entry->d_name);
        if (strstr(entry->d_name, ".tmp-"))
            unlink(path); /* that process died while it was writing this file */
        if (!str_ends_with(entry->d_name, ".address"))
            continue;
        if (file_read(path, 64, &address, NULL) < 0 || ip4_parse(address, &a))
            continue;
        key = mem_strndup(entry->d_name, strlen(entry->d_name) - strlen(".address"));
        address_mark(net, address, true);
        free(strmap_put(&net->pods, key, TAKE_PTR(address)));
    }
    closedir(folder);
}

static void run_nft(void *data, Bytes script, NftDone done, void *done_data);

int net_open(struct uv_loop_s *loop, const NetOptions *options, Net **ret, Err *reterr)
{
    Net *net = mem_new_type(Net);
    TableOptions table;
    int r;

    net->loop = loop;
    net->instance = mem_strdup(options->instance);
    net->bridge = mem_strdup(options->instance);
    net->netns_dir = mem_printf("%s/netns", options->run_dir);
    net->pod_cidr_text = mem_strdup(options->pod_cidr);
    net->service_cidr_text = mem_strdup(options->service_cidr);
    net->next = 2;
    table = (TableOptions){.names = {.instance = net->instance,
                                     .bridge = net->bridge,
                                     .pod_cidr = net->pod_cidr_text,
                                     .service_cidr = net->service_cidr_text},
                           .run = run_nft,
                           .run_data = net,
                           .on_error = options->on_error,
                           .on_error_data = options->on_error_data};
    net->table = table_new(loop, &table);
    if (strlen(options->instance) > 6)
        r = err_set(reterr, 0, "the instance name %s has more than 6 characters",
                    options->instance);
    else if (cidr4_parse(options->pod_cidr, &net->pod_cidr) || net->pod_cidr.bits < 8 ||
             net->pod_cidr.bits > 29)
        r = err_set(reterr, 0,
                    "%s is not a range for pods: give an IPv4 range such as 10.42.0.0/24",
                    options->pod_cidr);
    else if (cidr4_parse(options->service_cidr, &net->service_cidr))
        r = err_set(reterr, 0,
                    "%s is not a range for services: give an IPv4 range such as 10.96.0.0/12",
                    options->service_cidr);
    else if ((r = file_mkdir_all(net->netns_dir, 0700)) < 0)
        err_set(reterr, -r, "cannot make the folder %s", net->netns_dir);
    else
        r = bridge_open(net, options, reterr);
    if (r < 0) {
        net_abandon(net);
        return r;
    }
    net->taken = mem_new(pod_count(net) / 8 + 1);
    pods_read_back(net);
    *ret = net;
    return 0;
}

static void net_free(Net *net)
{
    STRMAP_DEINIT_WITH(&net->pods, free);
    strmap_deinit(&net->addresses);
    free(net->instance);
    free(net->bridge);
    free(net->netns_dir);
    free(net->pod_cidr_text);
    free(net->service_cidr_text);
    free(net->taken);
    free(net);
}

Net *net_close(Net *net)
{
    if (!net || net->closing)
        return NULL;
    net->table = table_close(net->table);
    net->closing = true;
    if (!net->jobs)
        net_free(net);
    return NULL;
}

Net *net_abandon(Net *net)
{
    /* Addresses and routes vanish with the bridge, and nothing else exists yet. */
    if (net && net->made_bridge)
        (void)link_delete(net->bridge);
    return net_close(net);
}

const char *net_gateway(const Net *net)
{
    return net->gateway;
}

/* ---- pods ---- */

typedef struct PodJob {
    uv_work_t work;
    Net *net;
    char *key;
    char *netns, *address_file;
    char address[16];
    char link[16];
    bool existing;
    NetPodDone added;
    void (*removed)(void *data, const Err *err);
    void *data;
    Err err;
    int r;
} PodJob;

char *net_pod_link(const Net *net, Arena *arena, const char *key)
{
    return arena_printf(arena, "%sv%08x", net->instance, fnv_fold(fnv1a(FNV_START, key)));
}

static PodJob *pod_job_new(Net *net, const char *key, void *data)
{
    PodJob *job = mem_new_type(PodJob);

    job->work.data = job;
    job->net = net;
    net->jobs++;
    job->key = mem_strdup(key);
    job->netns = mem_printf("%s/%s", net->netns_dir, key);
    job->address_file = mem_printf("%s/%s.address", net->netns_dir, key);
    job->data = data;
    snprintf(job->link, sizeof(job->link), "%sv%08x", net->instance,
             fnv_fold(fnv1a(FNV_START, key)));
    return job;
}

static void pod_job_free(PodJob *job)
{
    Net *net = job->net;

    if (--net->jobs == 0 && net->closing)
        net_free(net);
    free(job->key);
    free(job->netns);
    free(job->address_file);
    free(job);
}

/* Inside the pod's namespace: addresses and routes. */
static int pod_inside(void *data)
{
    PodJob *job = data;
    uint32_t address, gateway;
    unsigned lo, eth0;
    int r;

    ip4_parse(job->address, &address);
    ip4_parse(job->net->gateway, &gateway);
    r = ERR_FOLD(link_index("lo", &lo));
    if (r == 0)
        r = link_set_up(lo);
    if (r == 0)
        r = ERR_FOLD(link_index("eth0", &eth0));
    if (r == 0)
        r = address_add(eth0, address, 32);
    if (r == 0)
        r = link_set_up(eth0);
    if (r == 0)
        r = route_add(eth0, gateway, 32, 0, address);
    if (r == 0)
        r = route_add(eth0, 0, 0, gateway, 0);
    if (r < 0)
        return ERR_TRACE(r);
    /* A redirect would make packets bypass the gateway and its translation. Where the setting does not exist, the kernel
     * does not follow redirects. */
    (void)write_setting("/proc/sys/net/ipv4/conf/all/accept_redirects", "0");
    (void)write_setting("/proc/sys/net/ipv4/conf/eth0/accept_redirects", "0");
    /* Inside the namespace, low ports and ping need no privilege, as under other container engines. */
    (void)write_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    (void)write_setting("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    return 0;
}

/* The hardware address is derived from the IP address, so neighbour entries of an earlier pod are right for the next one. */
static void mac_of(const char *address, uint8_t mac[static 6])
{
    uint32_t a = 0;

    (void)ip4_parse(address, &a);
    memcpy(mac, (const uint8_t[]){0x0a, 0x58}, 2);
    memcpy(mac + 2, &a, 4);
}

static void pod_add_work(uv_work_t *work)
{
    PodJob *job = work->data;
    _close_fd_ int fd = -1;
    uint8_t mac[6];
    unsigned link;
    int r;

    if (job->r < 0)
        return;
    /* Everything may exist already, but the previous process may have died half-way, so all settings inside are repeated. */
    if (job->existing && netns_exists(job->netns) && link_index(job->link, &link) == 0 &&
        link_set_hairpin(link) == 0 && netns_run(job->netns, pod_inside, job) == 0)
        return;
    r = file_replace(job->address_file, job->address, strlen(job->address), 0600);
    if (r == 0)
        r = netns_create(job->netns);
    if (r < 0) {
        job->r = err_set(&job->err, -r, "cannot make the network namespace %s", job->netns);
        return;
    }
    mac_of(job->address, mac);
    fd = FAULT_CALL("net.pod.open", open(job->netns, O_RDONLY | O_CLOEXEC));
    r = fd < 0 ? ERR_ORIGIN(-errno)
               : link_create_veth(job->link, job->net->bridge_index, "eth0", mac, fd);
    if (r == NETLINK_E_EXISTS) {
        /* An earlier attempt got only half-way, and its other end may be in any namespace. */
        r = link_delete(job->link);
        if (r == 0)
            r = ERR_FOLD(link_create_veth(job->link, job->net->bridge_index, "eth0", mac, fd));
    }
    if (r == 0)
        r = ERR_FOLD(link_index(job->link, &link));
    if (r == 0)
        r = link_set_hairpin(link);
    if (r == 0)
        r = netns_run(job->netns, pod_inside, job);
    if (r < 0)
        job->r = err_set(&job->err, -r, "cannot connect the pod to %s by %s", job->net->bridge,
                         job->link);
}

static void pod_add_done(uv_work_t *work, int status _unused_)
{
    PodJob *job = work->data;

    if (job->r < 0) {
        job->added(job->data, NULL, &job->err);
    } else {
        NetPod pod = {.netns = job->netns, .address = job->address};

        job->added(job->data, &pod, NULL);
    }
    pod_job_free(job);
}

void net_pod_add(Net *net, const char *key, const char *address, NetPodDone done, void *data)
{
    PodJob *job = pod_job_new(net, key, data);
    const char *known = strmap_get(&net->pods, key);

    job->added = done;
    job->existing = known;
    if (known) {
        snprintf(job->address, sizeof(job->address), "%s", known);
    } else if (address && *address) {
        snprintf(job->address, sizeof(job->address), "%s", address);
        address_mark(net, address, true);
    } else if (address_take(net, job->address)) {
        job->r = err_set(&job->err, 0, "no address is free in %s", net->pod_cidr_text);
        /* The result is always reported from the loop. */
        uv_queue_work(net->loop, &job->work, pod_add_work, pod_add_done);
        return;
    }
    if (!known)
        strmap_put(&net->pods, key, mem_strdup(job->address));
    table_pod_add(net->table, job->address);
    uv_queue_work(net->loop, &job->work, pod_add_work, pod_add_done);
}

static void pod_remove_work(uv_work_t *work)
{
    PodJob *job = work->data;
    int r = link_delete(job->link);

    if (r == 0)
        r = netns_remove(job->netns);
    if (r == 0 && FAULT_CALL("net.pod.forget", unlink(job->address_file)) < 0 && errno != ENOENT)
        r = ERR_ORIGIN(-errno);
    if (r < 0)
        job->r = err_set(&job->err, -r, "cannot remove the network namespace %s", job->netns);
}

static void pod_remove_done(uv_work_t *work, int status _unused_)
{
    PodJob *job = work->data;

    if (job->r == 0) {
        char *address = strmap_remove(&job->net->pods, job->key);

        if (address) {
            address_mark(job->net, address, false);
            if (job->net->table)
                table_pod_remove(job->net->table, address);
        }
        free(address);
    }
    if (job->removed)
        job->removed(job->data, job->r < 0 ? &job->err : NULL);
    pod_job_free(job);
}

void net_pod_remove(Net *net, const char *key, void (*done)(void *data, const Err *err), void *data)
{
    PodJob *job = pod_job_new(net, key, data);

    job->removed = done;
    uv_queue_work(net->loop, &job->work, pod_remove_work, pod_remove_done);
}

/* ---- services ---- */

void net_service_on_problem(Net *net, NetProblem on_problem, void *data)
{
    table_on_problem(net->table, on_problem, data);
}

void net_service_set(Net *net, const NetServicePort *port)
{
    table_set(net->table, port);
}

void net_service_remove(Net *net, const char *key)
{
    table_remove(net->table, key);
}

typedef struct Strays {
    const Net *net;
    VEC(uint32_t) v;
} Strays;

static void collect_stray(void *data, uint32_t address, int bits)
{
    Strays *strays = data;
    char text[16];

    ip4_print(address, text);
    if (bits == 32 && !strmap_get(&strays->net->addresses, text))
        VEC_PUSH(&strays->v, address);
}

/* Removes addresses that an earlier process put on the bridge and that are not wanted any more. */
static void remove_strays(Net *net)
{
    Strays strays = {net, VEC_INIT};

    /* Failures are ignored: an address too many does no harm. */
    (void)address_each(net->bridge_index, collect_stray, &strays);
    for (size_t i = 0; i < strays.v.n; i++)
        (void)address_delete(net->bridge_index, strays.v.v[i], 32);
    VEC_DEINIT(&strays.v);
}

void net_service_sync_done(Net *net)
{
    remove_strays(net);
    table_start(net->table);
}

/* A process nft in flight. */
typedef struct NftRun {
    NftDone done;
    void *data;
} NftRun;

static void on_nft_done(void *data, const ProcessResult *result)
{
    _free_ NftRun *nft = data;
    Err err = ERR_INIT;

    if (result->error)
        err_set(&err, -result->error, "cannot run nft");
    else if (result->signal)
        err_set(&err, 0, "nft was ended by signal %d%s", result->signal,
                result->timed_out ? ", since it took too long" : "");
    else if (result->exit_status)
        err_set(&err, 0, "%.400s",
                result->err.n ? (const char *)result->err.p : "it did not say why");
    nft->done(nft->data,
              result->error || result->signal ? NFT_UNKNOWN
              : result->exit_status           ? NFT_REFUSED
                                              : NFT_DONE,
              err.message);
}

static void run_nft(void *data, Bytes script, NftDone done, void *done_data)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    ProcessOptions options = {.argv = argv, .timeout_ns = NFT_TIMEOUT_NS, .input = script};
    NftRun *nft = mem_new_type(NftRun);
    Net *net = data;

    *nft = (NftRun){done, done_data};
    process_run(net->loop, &options, on_nft_done, nft, NULL);
}

/* ---- addresses of load balancers ---- */

static uintptr_t times_added(const Net *net, const char *address)
{
    return (uintptr_t)strmap_get(&net->addresses, address);
}

int net_address_add(Net *net, const char *address, Err *reterr)
{
    uint32_t a;
    int r;

    if (ip4_parse(address, &a))
        return err_set(reterr, 0, "%s is not an IPv4 address", address);
    r = address_add(net->bridge_index, a, 32);
    if (r < 0)
        return err_set(reterr, -r, "cannot put %s on %s", address, net->bridge);
    strmap_put(&net->addresses, address, (void *)(times_added(net, address) + 1));
    return 0;
}

int net_address_remove(Net *net, const char *address, Err *reterr)
{
    uintptr_t times = times_added(net, address);
    uint32_t a;
    int r;

    if (ip4_parse(address, &a))
        return err_set(reterr, 0, "%s is not an IPv4 address", address);
    if (times > 1) {
        strmap_put(&net->addresses, address, (void *)(times - 1));
        return 0;
    }
    r = address_delete(net->bridge_index, a, 32);
    strmap_remove(&net->addresses, address);
    return r < 0 ? err_set(reterr, -r, "cannot take %s off %s", address, net->bridge) : 0;
}

/* ---- leaving nothing behind ---- */

typedef struct Names {
    VEC(char *) v;
} Names;

static void collect_name(void *data, const char *name)
{
    Names *names = data;

    VEC_PUSH(&names->v, mem_strdup(name));
}

static int remove_namespaces(const char *folder_path)
{
    DIR *folder = opendir(folder_path);
    int r = 0;

    if (!folder)
        return errno == ENOENT ? 0 : ERR_ORIGIN(-errno);
    for (struct dirent *entry; (entry = readdir(folder));) {
        _free_ char *path = mem_printf("%s/%s", folder_path, entry->d_name);
        int each;

        if (entry->d_name[0] == '.')
            continue;
        each = netns_remove(path);
        r = r < 0 ? r : each;
    }
    closedir(folder);
    return ERR_TRACE(r);
}

static void on_table_deleted(void *data, const ProcessResult *result)
{
    *(bool *)data = result->error || result->signal || result->exit_status;
}

/* Runs a loop of its own, since `stead reset` has none. */
static int remove_table(const char *instance, Err *reterr)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    NftTable table = {.instance = instance};
    _strbuf_ StrBuf script = STRBUF_INIT;
    bool failed = true;
    uv_loop_t loop;

    nft_print_table_delete(&table, &script);
    uv_loop_init(&loop);
    process_run(&loop,
                &(ProcessOptions){
                    .argv = argv, .input = strbuf_bytes(&script), .timeout_ns = NFT_TIMEOUT_NS},
                on_table_deleted, &failed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return failed ? err_set(reterr, 0, "cannot delete the nftables table stead-%s", instance) : 0;
}

int net_remove_all(const char *instance, const char *run_dir, Err *reterr)
{
    _free_ char *veths = mem_printf("%sv", instance), *netns_dir = mem_printf("%s/netns", run_dir);
    Names names = {VEC_INIT};
    int r = link_each(veths, collect_name, &names);

    for (size_t i = 0; i < names.v.n; i++) {
        int each = link_delete(names.v.v[i]);

        r = r < 0 ? r : each;
        free(names.v.v[i]);
    }
    VEC_DEINIT(&names.v);
    if (r == 0)
        r = link_delete(instance);
    if (r < 0)
        return err_set(reterr, -r, "cannot remove the links of %s", instance);
    r = remove_namespaces(netns_dir);
    if (r < 0)
        return err_set(reterr, -r, "cannot remove the network namespaces in %s", netns_dir);
    return remove_table(instance, reterr);
}
