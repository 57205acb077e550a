/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job of the puller, which pull.c starts and ends on the loop, and fetch.c carries out on a thread of its own.
 *
 * Puller.lock guards all that several threads use: the states of layers, the counters, the table of layers in flight,
 * and the pointer to the conversation for canceling it. Each change of them is broadcast on `changed`. Lock order: the
 * store's write_lock, then Puller.lock, then the store's lock; no lock is held while a registry or the disk is waited
 * for, except write_lock while something is published.
 */
#ifndef IMAGE_PULL_JOB_H
#define IMAGE_PULL_JOB_H

#include <uv.h>

#include "base/list.h"
#include "image/install.h"
#include "image/platform.h"
#include "image/pull/manifest.h"
#include "image/pull/pull.h"

typedef struct PullJob PullJob;

typedef enum PullLayerState {
    LAYER_WANTED,
    LAYER_FETCHING, /* by a thread of this job */
    LAYER_UNPACKED, /* the layers below are not all there */
    LAYER_THERE,
} PullLayerState;

typedef struct PullLayer {
    PullJob *job;
    NewLayer *layer;
    Descriptor blob;
    bool foreign;
    PullLayerState state;
    bool has_thread;
    uv_thread_t thread;
    uint64_t received; /* atomic */
} PullLayer;

struct PullJob {
    Puller *puller;
    Arena arena;
    char *key; /* same name, platform and keyring */
    ImageReference reference;
    const char *name, *repository; /* normalized; "quay.io/team/app" */
    Platform platform;
    char platform_text[PLATFORM_TEXT];
    Keyring *keyring;
    PullSecret *secrets;
    size_t n_secrets;

    /* on the loop */
    ListNode link;    /* in Puller.waiting or Puller.running */
    ListNode waiters; /* Pull.link */
    bool is_running, has_thread;
    int64_t linger_until; /* ns, as uv_hrtime(); 0 while somebody waits */
    uv_thread_t thread;

    /* guarded by Puller.lock */
    bool canceled, is_done, failed;
    bool is_downloading; /* it may fetch layers */
    Registry *registry;
    PullLayer *layers;
    size_t n_layers;
    unsigned fetching;

    /* of the job's thread, until is_done */
    NewImage image;
    ImageLimits limits;
    PullResult result;
};

struct Puller {
    struct uv_loop_s *loop;
    ImageStore *store;
    const RegistryConfig *config;
    uv_async_t *wake;
    uv_timer_t *linger;
    ListNode waiting, running;
    size_t n_running;

    uv_mutex_t lock;
    uv_cond_t changed;
    StrMap in_flight; /* chain id -> PullLayer */
    unsigned fetching, downloading;
    bool closing;
};

/* Sets the result. Runs on the job's thread. */
void pull_job_run(PullJob *job);

#endif
