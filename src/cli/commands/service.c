/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead service NAME [--url] [-n NS]` and `stead service list`: prints the addresses of Services as a table or as plain text, and opens
 * the page of one in the default browser.
 *
 * The address of a port can be reached from this machine: it is the address of the node with the node port if there is one, else that of
 * the load balancer, else the cluster IP. A user who may not read nodes gets 127.0.0.1, where node ports answer as well, and the
 * user of a rootless server has them only there.
 */
#include <uv.h>

#include "base/process.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "cli/commands/commands.h"
#include "cli/cluster.h"
#include "cli/control_call.h"
#include "cli/url.h"

#define OPEN_TIMEOUT_NS (INT64_C(10) * 1000000000)
#define COLUMNS 4

enum { COLUMN_NAMESPACE, COLUMN_NAME, COLUMN_TARGET, COLUMN_URL };

/* A port of a Service. */
typedef struct Row {
    const char *cells[COLUMNS];
    bool ready; /* whether the Service has a ready endpoint */
} Row;

typedef VEC(Row) Rows;

/* ---- what the API says ---- */

typedef struct Listing {
    Cluster *cluster;
    const char *node_address;
    Rows *rows;
} Listing;

static int get_json(Cluster *cluster, const char *path, ClusterReply *ret)
{
    return cluster_call(cluster, &(ClusterCall){.path = path}, ret);
}

/* The address of the first node; 127.0.0.1 for users who may not know it. */
static int find_node_address(Listing *listing)
{
    ClusterReply reply;
    yyjson_val *address;
    size_t i, n;

    listing->node_address = "127.0.0.1";
    if (listing->cluster->options->rootless)
        return 0; /* the address of the node is one inside of the server's namespaces */
    if (cluster_send(listing->cluster, &(ClusterCall){.path = "/api/v1/nodes?limit=1"}, &reply))
        return 1;
    yyjson_arr_foreach(yyjson_ptr_get(reply.json, "/items/0/status/addresses"), i, n, address)
    {
        if (str_equal(json_text(address, "/type"), "InternalIP"))
            listing->node_address = json_text(address, "/address");
    }
    return 0;
}

/* An endpoint without the condition counts as ready. */
static int find_ready(Cluster *cluster, yyjson_val *service, bool *ret)
{
    _strbuf_ StrBuf path = STRBUF_INIT, label = STRBUF_INIT;
    yyjson_val *slice, *endpoint;
    ClusterReply reply;
    size_t i, k, n, m;

    strbuf_add_string(&path, "/apis/discovery.k8s.io/v1/namespaces");
    url_add_segment(&path, json_text(service, "/metadata/namespace"));
    strbuf_add_string(&path, "/endpointslices");
    strbuf_printf(&label, "kubernetes.io/service-name=%s", json_text(service, "/metadata/name"));
    url_add_query(&path, "labelSelector", label.p);
    if (get_json(cluster, path.p, &reply))
        return 1;
    *ret = false;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, slice)
    {
        yyjson_arr_foreach(yyjson_obj_get(slice, "endpoints"), k, m, endpoint)
        {
            yyjson_val *ready = yyjson_ptr_get(endpoint, "/conditions/ready");

            *ret = *ret || !ready || yyjson_get_bool(ready);
        }
    }
    return 0;
}

static const char *port_url(const Listing *listing, yyjson_val *service, yyjson_val *port)
{
    const char *balancer = json_text(service, "/status/loadBalancer/ingress/0/ip");
    const char *address = json_text(service, "/spec/clusterIP");
    int64_t number = json_number(port, "/port", 0), node_port = json_number(port, "/nodePort", 0);

    if (node_port) {
        address = listing->node_address;
        number = node_port;
    } else if (*balancer) {
        address = balancer;
    }
    if (!*address || str_equal(address, "None"))
        return "";
    return arena_printf(listing->cluster->arena, "%s://%s:%" PRId64,
                        str_equal(json_text(port, "/name"), "https") ? "https" : "http", address,
                        number);
}

static int add_service(Listing *listing, yyjson_val *service)
{
    Arena *arena = listing->cluster->arena;
    yyjson_val *port;
    bool ready;
    size_t i, n;

    if (find_ready(listing->cluster, service, &ready))
        return 1;
    yyjson_arr_foreach(yyjson_ptr_get(service, "/spec/ports"), i, n, port)
    {
        const char *name = json_text(port, "/name");
        Row row = {.ready = ready};

        row.cells[COLUMN_NAMESPACE] = json_text(service, "/metadata/namespace");
        row.cells[COLUMN_NAME] = json_text(service, "/metadata/name");
        row.cells[COLUMN_TARGET] = arena_printf(arena, "%s%s%" PRId64, name, *name ? "/" : "",
                                                json_number(port, "/port", 0));
        row.cells[COLUMN_URL] = port_url(listing, service, port);
        VEC_PUSH(listing->rows, row);
    }
    return 0;
}

static int add_all(Listing *listing)
{
    ClusterReply reply;
    yyjson_val *service;
    size_t i, n;
    int r = get_json(listing->cluster, "/api/v1/services", &reply);

    if (r)
        return r;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, service)
    {
        r = r ? r : add_service(listing, service);
    }
    return r;
}

static int add_one(Listing *listing, const char *name)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    Cluster *cluster = listing->cluster;
    ClusterReply reply;

    strbuf_add_string(&path, "/api/v1/namespaces");
    url_add_segment(&path, cluster->ns);
    strbuf_add_string(&path, "/services");
    url_add_segment(&path, name);
    if (cluster_send(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    if (reply.status == 404) {
        fprintf(stderr,
                "stead: there is no service %s in the namespace %s; see: stead service list\n",
                name, cluster->ns);
        return 1;
    }
    return cluster_ok(&reply) ? add_service(listing, reply.json) : cluster_refused(&reply);
}

/* ---- what is printed ---- */

static void print_line(const size_t *widths)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        putchar('|');
        for (size_t i = 0; i < widths[c] + 2; i++)
            putchar('-');
    }
    printf("|\n");
}

static void print_table(const Rows *rows)
{
    static const char *const headers[COLUMNS] = {"NAMESPACE", "NAME", "TARGET PORT", "URL"};
    size_t widths[COLUMNS];

    for (size_t c = 0; c < COLUMNS; c++) {
        widths[c] = strlen(headers[c]);
        for (size_t i = 0; i < rows->n; i++)
            widths[c] = MAX_OF(widths[c], strlen(rows->v[i].cells[c]));
    }
    print_line(widths);
    for (size_t c = 0; c < COLUMNS; c++) {
        size_t room = widths[c] - strlen(headers[c]), left = room / 2;

        printf("| %*s%s%*s ", (int)left, "", headers[c], (int)(room - left), "");
    }
    printf("|\n");
    print_line(widths);
    for (size_t i = 0; i < rows->n; i++) {
        for (size_t c = 0; c < COLUMNS; c++)
            printf("| %-*s ", (int)widths[c], rows->v[i].cells[c]);
        printf("|\n");
    }
    print_line(widths);
}

static void on_opened(void *data, const ProcessResult *result)
{
    *(bool *)data = result->error == 0 && result->signal == 0 && result->exit_status == 0;
}

static int open_browser(const Row *row)
{
    const char *const argv[] = {"xdg-open", row->cells[COLUMN_URL], NULL};
    ProcessOptions options = {.argv = argv, .timeout_ns = OPEN_TIMEOUT_NS};
    bool opened = false;
    uv_loop_t loop;

    if (str_empty(getenv("DISPLAY")) && str_empty(getenv("WAYLAND_DISPLAY"))) {
        fprintf(stderr,
                "stead: there is no display to open a browser on. Open %s yourself; --url prints "
                "only the address.\n",
                row->cells[COLUMN_URL]);
        return 1;
    }
    printf("Opening service %s/%s in default browser...\n", row->cells[COLUMN_NAMESPACE],
           row->cells[COLUMN_NAME]);
    uv_loop_init(&loop);
    process_run(&loop, &options, on_opened, &opened, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    if (opened)
        return 0;
    fprintf(stderr,
            "stead: no browser could be opened (is xdg-open installed?). Open %s yourself.\n",
            row->cells[COLUMN_URL]);
    return 1;
}

static int show_one(const Options *options, const Rows *rows)
{
    if (!rows->n) {
        fprintf(stderr, "stead: service %s has no ports\n", options->words[0]);
        return 1;
    }
    if (options->url) {
        for (size_t i = 0; i < rows->n && *rows->v[i].cells[COLUMN_URL]; i++)
            printf("%s\n", rows->v[i].cells[COLUMN_URL]);
    } else {
        print_table(rows);
    }
    if (!*rows->v[0].cells[COLUMN_URL]) {
        fprintf(stderr, "stead: service %s/%s is headless: it has no address of its own\n",
                rows->v[0].cells[COLUMN_NAMESPACE], rows->v[0].cells[COLUMN_NAME]);
        return 1;
    }
    if (!rows->v[0].ready) {
        fprintf(stderr, "stead: service %s/%s has no ready endpoint: nothing answers there yet\n",
                rows->v[0].cells[COLUMN_NAMESPACE], rows->v[0].cells[COLUMN_NAME]);
        return 1;
    }
    return options->url ? 0 : open_browser(&rows->v[0]);
}

int command_service(const char *program, Options *options)
{
    bool list = str_equal(options->words[0], "list");
    Rows rows = VEC_INIT;
    Cluster cluster = {0};
    Listing listing = {.cluster = &cluster, .rows = &rows};
    int r;

    (void)program;
    if (control_reaches(options) && !control_is_alive(options->run)) {
        fprintf(stderr, "stead: the server is not running. Start it with: stead up\n");
        return 1;
    }
    r = cluster_open(options, &cluster);
    if (r == 0)
        r = find_node_address(&listing);
    if (r == 0)
        r = list ? add_all(&listing) : add_one(&listing, options->words[0]);
    if (r == 0 && list)
        print_table(&rows);
    else if (r == 0)
        r = show_one(options, &rows);
    cluster_close(&cluster);
    VEC_DEINIT(&rows);
    return r;
}
