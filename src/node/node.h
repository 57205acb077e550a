/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node: runs the pods that are bound to it, and reports their status.
 *
 * It watches the Pods with its name in spec.nodeName through the Client, keeps a Machine for each,
 * and updates their status subresource. Containers run under conmon, outside of this process.
 * After a restart, the machines are rebuilt from the state files in RUN, the runtime and the
 * kernel.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "api/client.h"
#include "api/streams.h"
#include "api/usage.h"
#include "base/error.h"
#include "base/time/clock.h"
#include "image/image.h"
#include "net/net.h"
#include "view/events.h"

struct uv_loop_s;

/* Named NodeAgent because Node is a kind of the API. */
typedef struct NodeAgent NodeAgent;

typedef struct NodeOptions {
    struct uv_loop_s *loop;
    Client *client;
    Clock *clock;
    Random *random;
    Net *net;
    ImageStore *images;
    struct Puller *puller; /* NULL: no registry is asked */
    const char *name;      /* node name */
    const char *instance;  /* distinguishes the cgroups of several servers on one machine */
    const char *data_dir;  /* DATA: volumes, container root folders, logs */
    const char *run_dir;   /* RUN: sockets, state of running things */
    const char *dns_ip;
    const char *domain;      /* "cluster.local" */
    const char *api_address; /* address of the Service `kubernetes`, for KUBERNETES_SERVICE_HOST */
    uint16_t api_port;       /* 443 */
    const char *root_ca_pem;
    bool
        rootless; /* in a user namespace: without loop devices, and root of the machine is not root here */
    bool no_cgroups;        /* limits of pods are not enforced */
    const char *helper_dir; /* the folder of stead-runtime and stead-pause */
    int64_t pids_limit;     /* how many processes and threads a pod may have; 0: POD_PIDS_LIMIT */
    int64_t
        disk_reserve; /* of the data's file system, for the machine itself; -1: see pod/disk_eviction.h */
    /* Makes a token of a ServiceAccount for a projected volume, in the arena; NULL if that is
     * not possible. */
    char *(*make_token)(void *data, Arena *arena, const Object *pod, const char *service_account,
                        const char *audience, int64_t lifetime_seconds);
    void *make_token_data;
    /* The disk has room again for one of the volumes that were refused; may be NULL. */
    void (*on_volume_room)(void *data);
    void *on_volume_room_data;
    /* The disk of the data is looked at. missing: bytes for want of which a pod is about to be evicted; 0: none is. Returns true if
     * room becomes free soon, so that no pod need be evicted now. May be NULL. */
    bool (*reclaim)(void *data, uint64_t missing);
    void *reclaim_data;
} NodeOptions;

#define POD_PIDS_LIMIT 4096

int node_start(const NodeOptions *options, NodeAgent **ret, Err *reterr);
/* Stops the agent; the containers keep running. */
NodeAgent *node_stop(NodeAgent *node);
/* For `stead down`: stops every pod gracefully, and calls back when all have been torn down.
 * Data stay. */
void node_shutdown(NodeAgent *node, void (*done)(void *data), void *data);
/* For `stead reset`: removes all mounts, cgroups, namespaces and state. Works without a running
 * node. */
int node_remove_all(const char *data_dir, const char *run_dir, Err *reterr);

/* Makes the volume of a claim on the machine; for ControlOptions.reserve_volume. */
void node_reserve_volume(NodeAgent *node, const char *name, int64_t size, bool reserved,
                         ClientDone done, void *data);

/* An image has been imported: pods that wait for one retry at once. */
void node_image_added(NodeAgent *node);

/* Calls `each` with the ids of the images from which containers are being started, or run. Their status may not say so yet. */
void node_each_image(NodeAgent *node, void (*each)(void *data, const char *id), void *data);

/* Logs and exec, for the server (api/streams.h). */
PodStreams *node_streams(NodeAgent *node);
/* The use of CPU and memory, for the server and the controllers (api/usage.h). */
UsageSource *node_usage(NodeAgent *node);

#endif
