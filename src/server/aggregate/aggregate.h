/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The aggregation layer: API groups that other servers in the cluster serve, such as those of
 * metrics-server. An APIService names the Service of such a server; its requests are authorized here and
 * then passed on, with the user in the headers of an authenticating proxy.
 *
 * Whether it answers is checked every 30 seconds, and whenever its Service or its endpoints change. Nobody
 * waits for it: discovery shows what it has said last, and marks that as stale if it does not answer.
 */
#ifndef SERVER_AGGREGATE_AGGREGATE_H
#define SERVER_AGGREGATE_AGGREGATE_H

#include "server/aggregate/extension.h"
#include "server/request/call.h"

/* pki may be NULL: then extension servers cannot know who asks. */
void aggregate_start(Server *server, const Pki *pki);
void aggregate_stop(Server *server);
/* Makes what each cluster has: APIServices of the groups of this server, and what extension servers read to
 * trust it. */
void aggregate_ensure_objects(Server *server, Client *client, const Pki *pki);
/* Passes the request on if its path is of an extension server. false: it is not. */
bool aggregate_pass(Call *call);
/* The same for the OpenAPI document of a group version. */
bool aggregate_pass_openapi(Call *call, const char *group, const char *version);

/* ---- between the files of this folder ---- */

typedef struct ExtensionPlace {
    const char *address;
    uint16_t port;
    const char *server_name; /* "service.namespace.svc" */
} ExtensionPlace;

/* Where the server is now. false: *ret_reason and *ret_message say why there is none. */
bool extension_locate(const Extension *extension, Arena *arena, ExtensionPlace *ret,
                      const char **ret_reason, const char **ret_message);
/* Checks it as soon as possible; ends a check that is under way. */
void extension_check(Extension *extension);
void extension_check_stop(Extension *extension);
/* Converts the resources of a group version from the plain form of discovery into the aggregated one. NULL:
 * it is not such a list. The caller frees. */
char *extension_resources(Arena *arena, Bytes json, const char *group, const char *version);

#endif
