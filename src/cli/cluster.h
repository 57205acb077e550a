/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster as commands see it: the API over HTTPS with a kubeconfig's credentials, so that every
 * command works with any Kubernetes. Calls block; a loop of their own runs while they do.
 *
 * Which one: --context, else the context "stead" of the kubeconfig, else, as root, the server's own
 * DATA/admin.kubeconfig; a kubeconfig given by --kubeconfig that has no "stead": its current one.
 */
#ifndef CLI_CLUSTER_H
#define CLI_CLUSTER_H

#include <uv.h>
#include <yyjson.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "cli/command.h"
#include "cli/kubeconfig.h"
#include "cli/url.h"
#include "http/http.h"

typedef struct Resources Resources;

typedef struct Cluster {
    const Options *options;
    Arena *arena; /* the command's */
    Kubeconfig config;
    const char *address; /* of the server, numeric */
    uint16_t port;
    const char *host, *server_name;
    const char *prefix; /* path before /api; "" */
    const char *ns;     /* -n, the context's, or default */
    struct ssl_ctx_st *tls;
    uv_loop_t loop;
    Resources *resources; /* what discovery said; resources.h */
    StringArray warned;   /* by the server; each is said once */
} Cluster;

#define CLUSTER_JSON "application/json"
#define CLUSTER_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

typedef struct ClusterCall {
    const char *method; /* NULL: GET */
    const char *path;   /* with query */
    const char *accept; /* NULL: JSON */
    const char *content_type;
    Bytes body;
    int64_t timeout_ns; /* 0: none */
} ClusterCall;

typedef struct ClusterReply {
    int status;
    Bytes body;
    yyjson_val *json; /* NULL: none */
} ClusterReply;

/* 0, or an exit code after saying why. */
int cluster_open(const Options *options, Cluster *ret);
void cluster_close(Cluster *cluster);

/* 0 with any status, or 1 after saying why there is none. What comes back is in the arena. */
int cluster_send(Cluster *cluster, const ClusterCall *call, ClusterReply *ret);
/* The same, and other than 2xx is 1 too, said in kubectl's words. */
int cluster_call(Cluster *cluster, const ClusterCall *call, ClusterReply *ret);
/* "Error from server (NotFound): pods "x" not found"; 1. */
int cluster_refused(const ClusterReply *reply);
static inline bool cluster_ok(const ClusterReply *reply)
{
    return reply->status >= 200 && reply->status < 300;
}

typedef enum WatchEnd { WATCH_ENDED, WATCH_ENOUGH, WATCH_TIMED_OUT, WATCH_FAILED } WatchEnd;

/* ---- for calls of one's own ---- */

#define CLUSTER_HEADERS 5

HttpClientRequest cluster_request(Cluster *cluster, const ClusterCall *call,
                                  HttpHeader headers[static CLUSTER_HEADERS]);
/* 1, after saying why there is no answer. */
int cluster_unreachable(const Cluster *cluster, int error, const char *text);
/* A body that is JSON; NULL: it is none. */
yyjson_val *cluster_parse(Cluster *cluster, Bytes body);

/* ---- streams ---- */

/* Many streams at once. */
typedef struct ClusterStream {
    ClusterCall call;
    bool (*on_data)(void *data, Bytes piece);
    void *data;
    WatchEnd end; /* set by cluster_streams */
} ClusterStream;

/* Returns when all have ended; what failed was said. */
void cluster_streams(Cluster *cluster, ClusterStream *streams, size_t n);

/* Calls on_event once a change until that gives false. Only WATCH_FAILED was said. */
WatchEnd cluster_watch(Cluster *cluster, const ClusterCall *call,
                       bool (*on_event)(void *data, const char *type, yyjson_val *object),
                       void *data);

/* Of the member at a JSON pointer; "" where it is not there. */
const char *json_text(yyjson_val *json, const char *pointer);
int64_t json_number(yyjson_val *json, const char *pointer, int64_t otherwise);
/* "5s", "2m", "1h30m", or a plain number of seconds; 0, or positive: it is none. */
int duration_parse(const char *text, int64_t *ret_ns);
/* 0, or 2 after saying that the option needs a duration. NULL text: *ret is 0. */
int option_duration(const char *name, const char *text, int64_t *ret_ns);
/* The same for a whole number in a range; NULL text leaves *ret. */
int option_number(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret);

#endif
