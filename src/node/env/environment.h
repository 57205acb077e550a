/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container learns about its pod and its cluster: environment variables (its own, from
 * ConfigMaps and Secrets, of Services), the downward API, and $(VAR) in commands. Runs on the loop:
 * it reads through the client.
 */
#ifndef NODE_ENV_ENVIRONMENT_H
#define NODE_ENV_ENVIRONMENT_H

#include "api/client.h"
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
    StringMap node_resources;        /* allocatable: limits that are not set */
    const struct PodVolume *volumes; /* once they are there */
    size_t n_volumes;
} PodFacts;

/* The kernel takes 128 KiB of one argument or variable, and never more than 6 MiB of all. What
 * references make longer than that is cut just behind it, so that they cannot fill the memory, and
 * the container does not start. */
enum { ENV_ONE_MAX = 128 * 1024, ENV_ALL_MAX = 6 * 1024 * 1024 };

typedef struct EnvList {
    StringEntry *v; /* in order; names unique */
    size_t n, cap;
    Arena *arena;
    TextMap index;   /* name -> 1 + position in v */
    size_t expanded; /* bytes of what was expanded with it */
} EnvList;

const char *env_get(const EnvList *env, const char *name);
void env_set(EnvList *env, const char *name, const char *value);
/* $(NAME) becomes its value where env, or else `others` (may be NULL), has it; $$ is a single $. */
char *env_expand(Arena *arena, const char *text, EnvList *env, const EnvList *others);

/* The container's variables, without the image's. Services the pod may see are among them where it
 * wants so. */
int pod_env(const PodFacts *facts, Arena *arena, const Container *container, EnvList *ret,
            Err *reterr);
/* "metadata.name", "metadata.labels['a']", "status.podIP"... */
int pod_field(const PodFacts *facts, Arena *arena, const char *path, const char **ret, Err *reterr);
int pod_resource(const PodFacts *facts, Arena *arena, const Container *container,
                 const ResourceFieldSelector *selector, const char **ret, Err *reterr);
const Container *pod_find_container(const PodSpec *spec, const char *name);
const char *pod_hostname(const Object *pod, Arena *arena);
/* What the kernel is told: the name, or with setHostnameAsFQDN the whole one. */
int pod_kernel_hostname(const Object *pod, const char *domain, Arena *arena, const char **ret,
                        Err *reterr);
/* "web-0.web.default.svc.cluster.local" without its first label, or NULL. */
const char *pod_host_domain(const Object *pod, const char *domain, Arena *arena);
void pod_hosts_file(const PodFacts *facts, StrBuf *out);
void pod_resolv_conf(const PodFacts *facts, StrBuf *out);

#endif
