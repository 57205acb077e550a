/* SPDX-License-Identifier: Apache-2.0 */
/* What binding, eviction and scale have in common: these subresources change an object through a
 * body of another type. */
#include "api/object.h"
#include "base/utf8.h"
#include "server/audit/audit.h"
#include "server/request/decode.h"
#include "server/request/respond.h"
#include "server/write/write.h"

static void respond_success(Call *call, int code)
{
    respond_json(call, code,
                 bytes_from_string(arena_printf(
                     call->arena,
                     "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                     "\"Success\",\"code\":%d}",
                     code)));
}

Write *subresource_start(Call *call, void (*done)(Write *write))
{
    const Route *route = &call->route;
    Write *write = write_new(call->server, call->user, route->kind, route->ns, route->name);
    const char *agent = utf8_clean(call->arena, http_header(call->request, "user-agent"));

    write->manager = call->query.field_manager
                         ? arena_strdup(&write->arena, call->query.field_manager)
                         : arena_strndup(&write->arena, str_or(agent, "unknown"),
                                         strcspn(str_or(agent, "unknown"), "/"));
    write->dry_run = call->query.dry_run != NULL;
    write->call = call;
    write->done = done;
    call->write = write;
    return write;
}

int subresource_decode(Call *call, const Kind *kind, Object **ret, Write *write)
{
    int r = decode_object(&write->arena, kind, http_header(call->request, "content-type"),
                          call->body, VALIDATION_IGNORE, ret, NULL, &write->status);

    if (r)
        return r;
    audit_request_object(call, *ret);
    return object_match_namespace(*ret, call->route.ns, true, &write->status, &write->arena);
}

void subresource_answer(Write *write)
{
    if (!write->call)
        return;
    if (write->status.reason != STATUS_OK)
        respond_status(write->call, &write->status);
    else
        respond_success(write->call, 201);
}
