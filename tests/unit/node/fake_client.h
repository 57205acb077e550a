/* SPDX-License-Identifier: Apache-2.0 */
/* A client over a list of objects, for tests of the node: no validation, events and answers come
 * from the loop. */
#ifndef TESTS_NODE_FAKE_CLIENT_H
#define TESTS_NODE_FAKE_CLIENT_H

#include <uv.h>

#include "api/client.h"
#include "base/vec.h"

typedef struct FakeClient FakeClient;

FakeClient *fake_client_new(uv_loop_t *loop);
FakeClient *fake_client_free(FakeClient *client);
Client *fake_client(FakeClient *client);
/* Puts an object from JSON text (with apiVersion and kind); defaults are applied. */
Object *fake_client_put(FakeClient *client, const char *json);
/* Deletes as a user does: pods gracefully. */
void fake_client_delete(FakeClient *client, const char *kind, const char *ns, const char *name,
                        int64_t grace);

#endif
