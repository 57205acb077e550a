/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a container of the API to what the runtime runs. container_spec_new() gathers on the loop
 * all that objects and the image say; container_spec_prepare() does on the pool what touches the
 * disk, and writes config.json.
 */
#ifndef NODE_POD_CONTAINER_SPEC_H
#define NODE_POD_CONTAINER_SPEC_H

#include "node/env/environment.h"
#include "node/pod/agent.h"
#include "node/runtime/oci.h"

typedef struct SpecMount {
    const char *volume_path, *sub_path; /* sub_path NULL: the volume itself */
    const char *pin;
    size_t mount; /* index in oci.mounts, whose source is set to the pin */
} SpecMount;

typedef struct ContainerSpec {
    Arena arena;
    Object *pod; /* texts of it are used as they are: this version stays while the spec does */
    const char *name, *id, *bundle, *root; /* root: folder of upper, work, root */
    const char *image;                     /* as the pod names it */
    StringArray layers;
    OciSpec oci;
    OciMount *mounts;
    SpecMount *sub_paths;
    size_t n_sub_paths;
    const char *termination_path, *termination_file; /* in the container; on the machine */
    bool standard_in, stdin_once;
    /* whom it runs as */
    const char *image_user;
    int64_t run_as_user, run_as_group; /* -1: not said */
    bool non_root;
    const uint32_t *extra_groups;
    size_t n_extra_groups;
    bool strict_groups;
    const char *pod_text;
    const char *seccomp_file; /* NULL: none is to be read */
    EnvList env;
    bool config_error; /* prepare failed because of what the pod asks for */
} ContainerSpec;

int container_spec_new(AgentContainer *c, const Container *container, int attempt,
                       const Image *image, ContainerSpec **ret, Err *reterr);
int container_spec_prepare(ContainerSpec *spec, Err *reterr);
ContainerSpec *container_spec_free(ContainerSpec *spec);

/* Of a container that has ended; malloc'ed, NULL for none. */
char *container_end_message(const AgentPod *pod, const Container *spec, int attempt, int exit_code);

#endif
