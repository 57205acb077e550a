/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An extension server, as an APIService with a Service describes it: one version of an API group whose
 * requests are passed on. The list of them is sorted by priority, as clients expect it of discovery.
 */
#ifndef SERVER_AGGREGATE_EXTENSION_H
#define SERVER_AGGREGATE_EXTENSION_H

#include "base/list.h"
#include "base/time/clock.h"
#include "server/state.h"

typedef struct Extension {
    ListNode node; /* in server->extensions */
    Server *server;
    char *name, *group, *version; /* of the APIService, which is called "version.group" */
    char *service_ns, *service_name;
    uint16_t port; /* of the Service */
    int32_t group_priority, version_priority;
    struct ssl_ctx_st *tls; /* NULL: the caBundle is malformed */
    bool available;         /* as its condition says */
    char *resources; /* JSON of aggregated discovery: what it has last said; NULL: nothing yet */
    struct HttpCall *check; /* under way */
    Timer timer;            /* the next check */
    unsigned failures;      /* in succession */
} Extension;

/* NULL: the group version is of no extension server. */
static inline Extension *extension_find(const Server *server, const char *group,
                                        const char *version)
{
    LIST_EACH(&server->extensions, node) {
        Extension *extension = CONTAINER_OF(node, Extension, node);

        if (str_equal(extension->group, group) && str_equal(extension->version, version))
            return extension;
    }
    return NULL;
}

#endif
