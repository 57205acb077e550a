/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node: runs the pods that are bound to it, and tells how they are.
 *
 * It watches Pods of its name through the Client, keeps one PodMachine for each, and reports status
 * by patching the status subresource. Containers live under conmon, outside this process: after a
 * restart the machines are rebuilt from RUN (state files), the runtime and the kernel.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "api/client.h"
#include "api/streams.h"
#include "base/error.h"
#include "base/time/clock.h"
#include "image/image.h"
#include "net/net.h"
#include "view/events.h"

struct uv_loop_s;

/* The API has a kind named Node; this is what runs on one. */
typedef struct NodeAgent NodeAgent;

typedef struct NodeOptions {
    struct uv_loop_s *loop;
    Client *client;
    Clock *clock;
    Random *random;
    Net *net;
    ImageStore *images;
    const char *name;     /* node name */
    const char *instance; /* tells cgroups of several servers on one machine apart */
    const char *data_dir; /* DATA: volumes, container root folders, logs */
    const char *run_dir;  /* RUN: sockets, state of running things */
    const char *dns_ip;
    const char *domain;      /* "cluster.local" */
    const char *api_address; /* for KUBERNETES_SERVICE_HOST: the kubernetes Service's address */
    uint16_t api_port;       /* 443 */
    const char *root_ca_pem;
    const char *helper_dir; /* where our helper programs lie */
    int64_t pids_limit;     /* processes and threads of a pod; 0: POD_PIDS_LIMIT */
    int64_t
        disk_reserve; /* of the data's file system, for the machine itself; -1: see pod/disk_eviction.h */
    /* A token for a pod's ServiceAccount (projected volume); NULL where it cannot be. */
    char *(*make_token)(void *data, Arena *arena, const Object *pod, const char *service_account,
                        const char *audience, int64_t lifetime_seconds);
    void *make_token_data;
} NodeOptions;

#define POD_PIDS_LIMIT 4096

int node_start(const NodeOptions *options, NodeAgent **ret, Err *reterr);
/* Stops watching; containers live on. */
NodeAgent *node_stop(NodeAgent *node);
/* Stops every pod gracefully and calls back when all are gone: stead down. Data stay. */
void node_shutdown(NodeAgent *node, void (*done)(void *data), void *data);
/* Removes mounts, cgroups, namespaces and state of everything: stead reset. Also without a running
 * node. */
int node_remove_all(const char *data_dir, const char *run_dir, Err *reterr);

/* Takes the room of a claim's volume on the machine; for ControlOptions.reserve_volume. */
void node_reserve_volume(NodeAgent *node, const char *name, int64_t size, ClientDone done,
                         void *data);

/* An image was imported: pods that wait for one try again at once. */
void node_image_added(NodeAgent *node);

/* Logs and exec, for the server (api/streams.h). */
PodStreams *node_streams(NodeAgent *node);

#endif
