/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are decoded on libuv's pool: body.c says how. */
#ifndef SERVER_WRITE_BODY_H
#define SERVER_WRITE_BODY_H

#include <uv.h>

#include "codec/json/json.h"
#include "server/request/decode.h"
#include "server/write/write.h"

/* Longer bodies are decoded on the pool. For shorter ones, passing them to the pool and back would
 * cost more than it saves. */
enum { BODY_LOOP_MAX = 64 * 1024 };

struct Decoded {
    uv_work_t work;
    ListNode node;  /* of server->bodies_waiting, then of bodies_decoding */
    Server *server; /* NULL after the server has been freed */
    struct uv_loop_s *loop;
    Call *call; /* NULL after the peer has disconnected */
    HttpRequest *request;
    /* inputs, which are in the memory of the request, to which a reference is held */
    Bytes body;
    const char *content_type;
    const Kind *kind;
    FieldValidation validation;
    bool is_patch, is_yaml;
    bool foresees; /* the object will be stored as it is, so a refusal can be foreseen */
    Foresight foresight;
    /* out */
    Arena arena; /* of everything that is not in the object */
    int r;
    Object *object; /* with its defaults, unless it is not stored */
    Warnings warnings;
    ApiStatus status;
    ApiStatus foreseen;
    yyjson_doc *doc; /* of a patch */
    const char *why;
};

/* Whether the body is decoded on the pool. */
bool body_is_long(const Call *call);
/* Calls call->handle when the body has been decoded, unless the peer disconnects before that. */
void body_decode(Call *call);
void body_close(Call *call);
/* Takes what was decoded for the call, which is freed with the arena. Returns NULL if the body is
 * short and has not been decoded yet. */
Decoded *body_take(Call *call, Arena *arena);
/* Called at the end of a Write: frees what was decoded, together with an object to which there is
 * no other reference. */
void body_give_back(Decoded *decoded, Object **object);

void bodies_init(Server *server);
/* Drops the bodies that wait. Those that the pool works on are freed when it has finished. */
void bodies_forget(Server *server);

#endif
