/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of the commands. It uses the API over HTTPS with the credentials of a kubeconfig, so every command works with any
 * Kubernetes. Calls block: each of them runs the client's own loop until it is done.
 *
 * The context is chosen in this order: the one of --context; the one of this server ("stead", or "stead-INSTANCE") in the
 * kubeconfig; for root, the one of the server's own DATA/admin.kubeconfig; the current context of a kubeconfig that was given by
 * --kubeconfig.
 */
#ifndef CLI_CLUSTER_H
#define CLI_CLUSTER_H

#include <uv.h>
#include <yyjson.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "cli/options.h"
#include "cli/kubeconfig.h"
#include "cli/url.h"
#include "http/client/client.h"

typedef struct Resources Resources;

typedef struct Cluster {
    const Options *options;
    Arena *arena; /* of the options: it lives as long as the command */
    Kubeconfig config;
    const char *address; /* the numeric address of the server */
    uint16_t port;
    const char *host, *server_name;
    const char *prefix; /* the path of the server's URL, before /api; usually "" */
    const char *ns;     /* of -n, else of the context, else "default" */
    struct ssl_ctx_st *tls;
    uv_loop_t loop;
    Resources *resources; /* the kinds of the cluster, see resources.h; NULL: not asked for yet */
    StringArray
        warned; /* the warnings of the server that were printed, since each is printed once */
} Cluster;

#define CLUSTER_JSON "application/json"
#define CLUSTER_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

typedef struct ClusterCall {
    const char *method; /* NULL: GET */
    const char *path;   /* with the query */
    const char *accept; /* NULL: JSON */
    const char *content_type;
    Bytes body;
    int64_t timeout_ns; /* 0: no timeout */
} ClusterCall;

typedef struct ClusterReply {
    int status;
    Bytes body;
    yyjson_val *json; /* the body; NULL: it is not JSON */
} ClusterReply;

/* Returns 0, or an exit code after printing a message; *ret then needs no cluster_close, but may be given to it. */
int cluster_open(const Options *options, Cluster *ret);
void cluster_close(Cluster *cluster);

/* Sends a request and waits for the reply, which is in the arena. Returns 0 for a reply with any status, or 1 after printing why
 * there is no reply. */
int cluster_send(Cluster *cluster, const ClusterCall *call, ClusterReply *ret);
/* Like cluster_send, but returns 1 for a status other than 2xx, too, after printing the message of kubectl. */
int cluster_call(Cluster *cluster, const ClusterCall *call, ClusterReply *ret);
/* Prints a refusal as kubectl does: Error from server (NotFound): pods "x" not found. Returns 1. */
int cluster_refused(const ClusterReply *reply);
static inline bool cluster_ok(const ClusterReply *reply)
{
    return reply->status >= 200 && reply->status < 300;
}

typedef enum WatchEnd {
    WATCH_ENDED,     /* by the server, which does so now and then: the caller may watch again */
    WATCH_ENOUGH,    /* by the callback */
    WATCH_TIMED_OUT, /* by the timeout of the call */
    WATCH_FAILED,    /* refused or broken; a message was printed */
} WatchEnd;

/* ---- parts of a call, for exec ---- */

#define CLUSTER_HEADERS 5

/* The request of a call, with its headers in `headers`; it refers to the call and the cluster. */
HttpClientRequest cluster_request(Cluster *cluster, const ClusterCall *call,
                                  HttpHeader headers[static CLUSTER_HEADERS]);
/* Prints why there is no reply. Returns 1. */
int cluster_unreachable(const Cluster *cluster, int error, const char *text);
/* Parses a body in the arena. NULL: it is not JSON. */
yyjson_val *cluster_parse(Cluster *cluster, Bytes body);

/* ---- streams ---- */

/* A call whose reply is handled piece by piece. */
typedef struct ClusterStream {
    ClusterCall call;
    bool (*on_data)(void *data, Bytes piece); /* false: the stream ends with WATCH_ENOUGH */
    void *data;
    WatchEnd end; /* set by cluster_streams */
} ClusterStream;

/* Runs n streams at the same time and returns when all of them have ended. A message is printed for each that fails. */
void cluster_streams(Cluster *cluster, ClusterStream *streams, size_t n);

/* Watches, and calls on_event for each change until it returns false. Prints a message only for WATCH_FAILED. */
WatchEnd cluster_watch(Cluster *cluster, const ClusterCall *call,
                       bool (*on_event)(void *data, const char *type, yyjson_val *object),
                       void *data);

/* The text at a JSON pointer; "": there is none. */
const char *json_text(yyjson_val *json, const char *pointer);
/* The whole number at a JSON pointer, or `otherwise`. */
int64_t json_number(yyjson_val *json, const char *pointer, int64_t otherwise);
/* Parses "5s", "2m", "1h30m" or a plain number of seconds. Returns 0, or positive for a malformed text. */
int duration_parse(const char *text, int64_t *ret_ns);
/* Parses the duration of an option; without a text it is 0. Returns 0, or the exit code 2 after printing a message. */
int option_duration(const char *name, const char *text, int64_t *ret_ns);
/* Parses the whole number of an option; without a text *ret stays as it is. Returns 0, or the exit code 2 after printing a
 * message. */
int option_number(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret);

#endif
