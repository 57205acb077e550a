/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks of admission: which ones a write is shown to, what they are sent, and what their answers mean.
 *
 * A write that webhooks are asked about waits, and the loop goes on with other work. The write goes on with
 * `then` when all have answered. It holds no lock meanwhile, so whoever goes on has to look at the head again.
 */
#ifndef SERVER_ADMISSION_WEBHOOK_WEBHOOK_H
#define SERVER_ADMISSION_WEBHOOK_WEBHOOK_H

#include "api/webhook.h"
#include "server/write/write.h"

typedef struct HookRun HookRun;
typedef struct Hooks Hooks; /* of a server */

typedef enum HookOperation { HOOK_CREATE, HOOK_UPDATE, HOOK_DELETE } HookOperation;

Hooks *hooks_new(Server *server);
/* Ends every wait. Those writes are dropped. */
Hooks *hooks_free(Hooks *hooks);
/* Whether there is any webhook, so that a write might have to wait. */
bool hooks_exist(const Server *server);

/*
 * Asks the mutating webhooks, one after the other, or the validating ones, all at once. Calls
 * then(write, reason of the refusal or 0): before it returns, if there is nobody to ask. The object may have
 * been replaced by then; write->mutated says so.
 */
void hooks_mutate(Write *write, HookOperation operation, void (*then)(Write *write, int r));
void hooks_validate(Write *write, HookOperation operation, void (*then)(Write *write, int r));
/* The client has gone: a write that waits is dropped. */
void hooks_abandon(Write *write);

/* ---- match.c ---- */

/* Whether the webhook is to be asked about the write. */
bool hook_matches(const HookView *hook, const Write *write, HookOperation operation, Arena *arena);

/* ---- review.c ---- */

typedef struct HookAnswer {
    bool allowed;
    int code;
    const char *reason, *message; /* of a refusal; NULL: none */
    yyjson_val *patch;            /* NULL: none */
    StringMap annotations;        /* for the audit log */
    StringArray warnings;
} HookAnswer;

const char *hook_operation_name(HookOperation operation);
void review_print(const Write *write, const HookView *hook, HookOperation operation,
                  const char *uid, StrBuf *out);
/* Returns NULL, or why the answer is none. */
const char *review_read(Arena *arena, Bytes body, const char *uid, const char *version,
                        bool mutating, HookAnswer *ret);
/* The version of AdmissionReview that the webhook is sent. */
const char *review_version(const HookView *hook);
/* Applies the patch to the object. 0 or a reason; *ret_changed says whether the object is another one now. */
int review_apply(Write *write, const char *hook, yyjson_val *patch, bool *ret_changed);

#endif
