/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhook token authentication: a TokenReview is sent to the URL of a kubeconfig, whose answer names the
 * user.
 */
#ifndef SERVER_AUTH_TOKEN_WEBHOOK_H
#define SERVER_AUTH_TOKEN_WEBHOOK_H

#include "base/error.h"
#include "server/auth/token/lookup.h"
#include "server/server.h"

typedef struct Webhook Webhook;
/* `audiences` are those of this server, and stay. */
int webhook_new(struct uv_loop_s *loop, Clock *clock, Random *random, const WebhookOptions *options,
                const StringArray *audiences, Webhook **ret, Err *reterr);
Webhook *webhook_free(Webhook *webhook);
TokenSource *webhook_source(Webhook *webhook);

#endif
