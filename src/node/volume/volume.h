/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's volumes: a table of kinds. Each kind has a plan function, which runs on the loop, reads
 * objects through the client, and leaves a PodVolume: plain data that says what to make and where.
 * volume_setup() then does it on the pool.
 *
 * Volumes of files (ConfigMaps, Secrets, downward API, projected ones) are written as Kubernetes
 * does: all files into a new folder "..<number>", to which "..data" is switched in one rename; what
 * is seen in the volume are links through ..data. So readers see all of the old or all of the new.
 */
#ifndef NODE_VOLUME_VOLUME_H
#define NODE_VOLUME_VOLUME_H

#include "base/strmap.h"
#include "base/time/clock.h"
#include "node/env/environment.h"
#include "node/volume/pod_volume.h"

/* A token that a pod's volumes hold. It is the same in each plan until it has to be renewed, so
 * that a change of another file in its volume does not change it. */
typedef struct PodToken {
    char *text;
    int64_t renew_ns, expires_ns; /* wall */
} PodToken;

typedef struct VolumePlanner {
    const PodFacts *facts;
    Arena *arena;
    const char *data_dir; /* DATA */
    const char *pod_data; /* DATA/pods/<uid> */
    const char *pod_run;  /* RUN/pods/<uid> */
    const char *root_ca_pem;
    struct ImageStore *images;
    int64_t now_ns; /* wall */
    StrMap *tokens; /* of PodToken, by what was asked for; they are made and renewed here */
    char *(*make_token)(void *data, Arena *arena, const Object *pod, const char *service_account,
                        const char *audience, int64_t lifetime_seconds);
    void *make_token_data;
} VolumePlanner;

/* 0, or a message that begins as kubelet's do after "MountVolume.SetUp failed for volume "x" : ".
 * refresh_ns is set in both cases. */
int volume_plan(VolumePlanner *planner, const Volume *volume, PodVolume *ret, Err *reterr);
void pod_tokens_clear(StrMap *tokens);
/* The user as whom all of the pod's containers run; -1: they may differ. */
int64_t pod_single_user(const PodSpec *spec);
/* Does the volume's content come from this object? kind: "ConfigMap" or "Secret". */
bool volume_uses(const Volume *volume, const char *kind, const char *name);

/* On the pool. fs_group: -1 none. arena for the path of claims. */
int volume_setup(PodVolume *volume, const char *data_dir, int64_t fs_group,
                 bool fs_group_on_mismatch, Arena *arena, Err *reterr);
/* Only the files, for a change while the pod runs. */
int volume_write_files(const PodVolume *volume, int64_t fs_group, Err *reterr);
/* sub_path of a volume, held by a bind mount at `pin`, so that no link in it leads out. */
int volume_sub_path(const char *volume_path, const char *sub_path, const char *pin, Err *reterr);

/* The names of kinds in the table, for tests. */
const char *volume_kind_name(size_t i); /* NULL: there are no more */

#endif
