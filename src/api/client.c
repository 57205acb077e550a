/* SPDX-License-Identifier: Apache-2.0 */
#include "api/client.h"

static bool count_one(void *data, Object *object _unused_)
{
    ++*(size_t *)data;
    return true;
}

size_t client_count(Client *client, const Kind *kind, const char *ns)
{
    size_t n = 0;

    if (client->ops->count)
        return client->ops->count(client, kind, ns);
    client_list(client, kind, &(ListOptions){.ns = ns}, count_one, &n);
    return n;
}
