/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes of a pod, as a table of kinds. Each kind has a plan function, which runs on the
 * loop, reads objects through the client, and fills a PodVolume: plain data that say what to make
 * and where. volume_setup() then makes it on the pool.
 *
 * Volumes of files (ConfigMap, Secret, downward API, projected) are written as Kubernetes does it:
 * all files go into a new folder "..<number>", and the link "..data" is switched to it by one
 * rename. The names in the volume are links through ..data, so readers see either all old or all
 * new files.
 */
#ifndef NODE_VOLUME_VOLUME_H
#define NODE_VOLUME_VOLUME_H

#include "api/schema/core_pod_v1.h"
#include "api/schema/core_volume_v1.h"
#include "base/strmap.h"
#include "base/time/clock.h"
#include "node/env/environment.h"
#include "node/volume/pod_volume.h"

/* A service account token in a volume of a pod. It is reused by each plan until it has to be
 * renewed, so that a change of another file in the volume does not change the token. */
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
    StrMap *tokens; /* the PodTokens by what the pod asks for; planning creates and renews them */
    char *(*make_token)(void *data, Arena *arena, const Object *pod, const char *service_account,
                        const char *audience, int64_t lifetime_seconds);
    void *make_token_data;
} VolumePlanner;

/* Returns 0, or a negative result with a message that continues kubelet's "MountVolume.SetUp
 * failed for volume "x" : ". refresh_ns is set in both cases. */
int volume_plan(VolumePlanner *planner, const Volume *volume, PodVolume *ret, Err *reterr);
void pod_tokens_clear(StrMap *tokens);
/* The user as whom all containers of the pod run; -1 if they may differ. */
int64_t pod_single_user(const PodSpec *spec);
/* Does the content of the volume come from this ConfigMap or Secret? */
bool volume_uses(const Volume *volume, const char *kind, const char *name);

/* Makes the volume; runs on the pool. fs_group is -1 if there is none. The arena holds the paths
 * of claims. */
int volume_setup(PodVolume *volume, const char *data_dir, int64_t fs_group,
                 bool fs_group_on_mismatch, Arena *arena, Err *reterr);
/* Writes only the files, after a change while the pod runs. */
int volume_write_files(const PodVolume *volume, int64_t fs_group, Err *reterr);
/* Bind-mounts the sub path of a volume at `pin`, so that no link in it can lead out of the
 * volume. */
int volume_sub_path(const char *volume_path, const char *sub_path, const char *pin, Err *reterr);

/* The names of kinds in the table, for tests. */
const char *volume_kind_name(size_t i); /* NULL: there are no more */

#endif
