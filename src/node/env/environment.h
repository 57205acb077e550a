/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is told about its pod and its cluster: environment variables (from its spec, from ConfigMaps and Secrets,
 * and of Services), the downward API, and $(VAR) in commands. These functions read objects through the client, so they run
 * on the loop.
 */
#ifndef NODE_ENV_ENVIRONMENT_H
#define NODE_ENV_ENVIRONMENT_H

#include "api/client.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_reference_v1.h"
#include "base/error.h"
#include "base/text_map.h"
#include "base/vec.h"

typedef struct PodFacts {
    Client *client;
    const Object *pod;
    const char *node_name, *host_ip, *pod_ip;
    const char *domain; /* "cluster.local" */
    const char *dns_ip;
    const char *api_address; /* of the kubernetes Service */
    uint16_t api_port;
    StringMap node_resources;        /* allocatable: stands for limits that are not set */
    const struct PodVolume *volumes; /* once they have been made */
    size_t n_volumes;
} PodFacts;

/* The kernel accepts 128 KiB for one argument or variable, and at most 6 MiB for all of them. The expansion of references
 * stops just above that, so it cannot fill the memory, and the start fails. */
enum { ENV_ONE_MAX = 128 * 1024, ENV_ALL_MAX = 6 * 1024 * 1024 };

typedef struct EnvList {
    StringEntry *v; /* in order; names unique */
    size_t n, cap;
    Arena *arena;
    TextMap index;   /* name -> 1 + position in v */
    size_t expanded; /* bytes that were expanded with this list */
} EnvList;

const char *env_get(const EnvList *env, const char *name);
void env_set(EnvList *env, const char *name, const char *value);
/* Replaces $(NAME) by its value in `env` or else in `others` (may be NULL); other references stay. $$ gives a single $. */
char *env_expand(Arena *arena, const char *text, EnvList *env, const EnvList *others);

/* The variables of the container, without those of its image. They include the Services of the pod's namespace unless the
 * pod disables that. */
int pod_env(const PodFacts *facts, Arena *arena, const Container *container, EnvList *ret,
            Err *reterr);
/* The value of a field of the downward API: "metadata.name", "metadata.labels['a']", "status.podIP"... */
int pod_field(const PodFacts *facts, Arena *arena, const char *path, const char **ret, Err *reterr);
int pod_resource(const PodFacts *facts, Arena *arena, const Container *container,
                 const ResourceFieldSelector *selector, const char **ret, Err *reterr);
const Container *pod_find_container(const PodSpec *spec, const char *name);
const char *pod_hostname(const Object *pod, Arena *arena);
/* The host name that the kernel is given: the short name, or the FQDN if setHostnameAsFQDN asks for it. */
int pod_kernel_hostname(const Object *pod, const char *domain, Arena *arena, const char **ret,
                        Err *reterr);
void pod_hosts_file(const PodFacts *facts, StrBuf *out);
void pod_resolv_conf(const PodFacts *facts, StrBuf *out);

#endif
