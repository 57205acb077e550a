/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are decoded on libuv's pool: body.c says how. */
#ifndef SERVER_WRITE_BODY_H
#define SERVER_WRITE_BODY_H

#include <uv.h>

#include "codec/json/json.h"
#include "server/request/decode.h"
#include "server/write/write.h"

/* What is longer is decoded on the pool. Below it, the way there and back costs more than it
 * gives. */
enum { BODY_LOOP_MAX = 64 * 1024 };

struct Decoded {
    uv_work_t work;
    ListNode node;  /* of server->bodies_waiting, then of bodies_decoding */
    Server *server; /* NULL: it has gone first */
    struct uv_loop_s *loop;
    Call *call; /* NULL: the peer has gone */
    HttpRequest *request;
    /* in: these lie in the request, which is held */
    Bytes body;
    const char *content_type;
    const Kind *kind;
    FieldValidation validation;
    bool is_patch, is_yaml;
    bool foresees; /* the object is stored as it comes */
    Foresight foresight;
    /* out */
    Arena arena; /* of all that is not in the object */
    int r;
    Object *object; /* with its defaults, unless it is not stored */
    Warnings warnings;
    ApiStatus status;
    ApiStatus foreseen;
    yyjson_doc *doc; /* of a patch */
    const char *why;
};

/* Is the body decoded on the pool? */
bool body_is_long(const Call *call);
/* Calls call->handle when the body is decoded, unless the peer goes before that. */
void body_decode(Call *call);
void body_close(Call *call);
/* What was decoded for the call, tied to the arena; NULL: its body is short, and not yet decoded. */
Decoded *body_take(Call *call, Arena *arena);
/* Of a Write that ends: an object that nobody else has goes with what was decoded. */
void body_give_back(Decoded *decoded, Object **object);

void bodies_init(Server *server);
/* Whoever waits is forgotten, and what the pool still works on goes when it is done. */
void bodies_forget(Server *server);

#endif
