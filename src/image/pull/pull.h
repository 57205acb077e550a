/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulls images from registries into the store.
 *
 * Everybody who wants an image at the same time, with the same credentials, shares one job. A job asks the registry what
 * the name stands for, fetches only what the store does not have, unpacks each layer while it arrives, and gives the image
 * its name at the end. A layer that several jobs need is fetched by one of them. Layers that are whole stay, whatever
 * becomes of the job, so the next attempt continues with the others.
 *
 * Jobs and layers have threads of their own, since they wait for a slow network: PULL_DOWNLOADS images are downloaded at a
 * time, with at most PULL_LAYERS_EACH layers of an image and PULL_LAYERS layers in all.
 *
 * If nobody waits for a job any more, it continues for PULL_LINGER_NS, since a controller usually replaces the pod that it
 * has just deleted, and is canceled then.
 *
 * All functions are called on the loop.
 */
#ifndef IMAGE_PULL_PULL_H
#define IMAGE_PULL_PULL_H

#include "image/pull/grants.h"
#include "registry/registry.h"

#define PULL_JOBS 16     /* may talk to registries at a time; others wait */
#define PULL_DOWNLOADS 4 /* of which so many may fetch layers */
#define PULL_LAYERS 6
#define PULL_LAYERS_EACH 3
#define PULL_LINGER_NS (30 * INT64_C(1000000000))

typedef struct Puller Puller;
typedef struct Pull Pull; /* one who waits */

typedef struct PullResult {
    int outcome; /* 0, REGISTRY_E_AUTH...(registry.h), or negative; `err` has the registry's own reason */
    Err err;
    const char *name;    /* normalized */
    const char *id;      /* of the image; NULL if outcome is not 0 */
    int64_t size;        /* of its unpacked layers */
    bool is_new;         /* the name stands for another image than before */
    int64_t duration_ns; /* without waiting for other jobs */
} PullResult;

typedef struct PullRequest {
    const char *name;     /* "busybox", "quay.io/app@sha256:..." */
    const char *platform; /* "linux/arm64"; NULL: that of this machine */
    Keyring *keyring;     /* the puller frees it; NULL: no credentials */
    /* Requests whose keyrings contain the same have the same text here, without revealing any of it. */
    const char *keyring_id;
    /* The Secrets among the sources of the keyring; an image that was pulled with one of them is granted to it. With
     * another credential, or none, it is granted to every pod. */
    const PullSecret *secrets;
    size_t n_secrets;
    /* Called once, later, unless pull_leave is called before. */
    void (*done)(void *data, const PullResult *result);
    void *data;
} PullRequest;

typedef struct PullLayerProgress {
    const char *digest;
    uint64_t received, size;
    enum { PULL_LAYER_WAITS, PULL_LAYER_FETCHED, PULL_LAYER_UNPACKED, PULL_LAYER_THERE } state;
} PullLayerProgress;

typedef struct PullProgress {
    bool is_waiting;           /* for other jobs */
    uint64_t received, size;   /* of the layers that had to be fetched, compressed */
    PullLayerProgress *layers; /* lowest first */
    size_t n_layers, n_there;
} PullProgress;

/* config must outlive the puller. */
Puller *puller_new(struct uv_loop_s *loop, ImageStore *store, const RegistryConfig *config);
/* Cancels what is in flight, and waits until its threads have ended; nobody is called back. */
Puller *puller_close(Puller *puller);

/* Returns NULL with a message if the name or the platform is malformed. */
Pull *pull_begin(Puller *puller, const PullRequest *request, Err *reterr);
/* The result is not wanted any more. */
void pull_leave(Pull *pull);
/* The same for a person who has interrupted the command: unless somebody else waits, the job ends now. */
void pull_give_up(Pull *pull);
void pull_progress(Pull *pull, Arena *arena, PullProgress *ret);

#endif
