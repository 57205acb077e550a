/* SPDX-License-Identifier: Apache-2.0 */
/* nodes/NAME/proxy/...: paths that the node agent serves. */
#include "api/schema/core_cluster_v1.h"
#include "server/request/respond.h"
#include "server/stream/stream.h"

void subresource_node_proxy(Call *call)
{
    PodStreams *streams = call->server->streams;
    ApiStatus status = {.reason = STATUS_OK};
    const char *path = arena_printf(call->arena, "/%s", str_or(call->route.rest, ""));
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *type;

    if (!store_get(call->server->store, &kind_node, NULL, call->route.name)) {
        status_not_found(&status, call->arena, &kind_node, call->route.name);
        respond_status(call, &status);
    } else if (!streams) {
        status_set(&status, call->arena, STATUS_UNAVAILABLE, "the node agent is not running");
        respond_status(call, &status);
    } else if (streams->ops->node && streams->ops->node(streams, path, &type, &text)) {
        http_respond(call->request, 200, type, strbuf_bytes(&text));
    } else {
        http_respond(call->request, 404, "text/plain; charset=utf-8",
                     BYTES_LITERAL("404 page not found\n"));
    }
}
