/* SPDX-License-Identifier: Apache-2.0 */
/* Turns a container of the API into what the runtime runs. container_spec_new() collects on the
 * loop what objects and the image say; container_spec_prepare() does the work on the disk, on
 * the pool, and writes config.json. */
#ifndef NODE_POD_CONTAINER_SPEC_H
#define NODE_POD_CONTAINER_SPEC_H

#include "api/schema/core_container_v1.h"
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
    Object *pod; /* a reference to the version whose texts are used here */
    const char *name, *id, *bundle, *root; /* root: folder of upper, work, root */
    const char *image;                     /* as written in the spec */
    char *resources;                       /* those that it is started with, as text */
    StringArray layers;
    OciSpec oci;
    OciMount *mounts;
    SpecMount *sub_paths;
    size_t n_sub_paths;
    const char *termination_path, *termination_file; /* in the container; on the machine */
    bool standard_in, stdin_once;
    /* the user that it runs as */
    const char *image_user;
    int64_t run_as_user, run_as_group; /* -1 if not specified */
    bool non_root;
    const uint32_t *extra_groups;
    size_t n_extra_groups;
    bool strict_groups;
    const char *pod_text;
    const char *seccomp_file; /* NULL: none is to be read */
    bool armor_optional;      /* without oci.apparmor, the container starts as well */
    EnvList env;
    bool config_error; /* container_spec_prepare failed because of what the pod asks for */
} ContainerSpec;

int container_spec_new(AgentContainer *c, const Container *container, int attempt,
                       const Image *image, ContainerSpec **ret, Err *reterr);
int container_spec_prepare(ContainerSpec *spec, Err *reterr);
ContainerSpec *container_spec_free(ContainerSpec *spec);

/* The termination message of a container that has ended; NULL if there is none. The caller frees
 * it. */
char *container_end_message(const AgentPod *pod, const Container *spec, int attempt, int exit_code);

#endif
