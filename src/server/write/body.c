/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large bodies are decoded on libuv's pool. Parsing 3 MB, creating the structs and setting the
 * defaults takes a tenth of a second, during which the loop would answer no other request.
 *
 *   loop   the request is authorized, its body is there: body_decode holds the request and queues
 *   pool   decode_run reads the body and the tables, and writes into what the Decoded owns
 *   loop   on_decoded hands the outcome to the Write of the handler, which goes on as always
 *
 * While the pool works on a Decoded, the loop only clears `call` when the peer disconnects or
 * `server` when the server stops; the result is then dropped. At most DECODING_MAX bodies are
 * decoded at once, so that half of the pool's threads remain available for pods; the others wait in
 * order.
 */
#include "api/object.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "base/list.h"
#include "base/observe/turn.h"
#include "server/request/decode.h"
#include "server/request/observe.h"
#include "server/write/body.h"
#include "server/write/http.h"

enum { DECODING_MAX = 2, FREED_ON_POOL = 256 * 1024 };

bool body_is_long(const Call *call)
{
    const Kind *kind = call->route.kind;

    if (call->body.n <= BODY_LOOP_MAX)
        return false;
    return call->handle == http_update || call->handle == http_patch ||
           (call->handle == http_create && kind != &kind_binding);
}

static void decoded_free(Decoded *decoded)
{
    object_unref(decoded->object);
    arena_clear(&decoded->arena);
    kind_unref(decoded->kind);
    free(decoded);
}

static void free_run(uv_work_t *work)
{
    Decoded *d = CONTAINER_OF(work, Decoded, work);

    d->object = object_unref(d->object);
    arena_clear(&d->arena);
}

static void on_freed(uv_work_t *work, int status _unused_)
{
    decoded_free(CONTAINER_OF(work, Decoded, work));
}

/* A body of 3 MB can become 100 MB of structs; returning these to the kernel takes time as well. */
static void decoded_release(void *data)
{
    Decoded *d = data;

    if (d->arena.total + (d->object ? d->object->arena.total : 0) > FREED_ON_POOL)
        uv_queue_work(d->loop, &d->work, free_run, on_freed);
    else
        decoded_free(d);
}

void body_give_back(Decoded *decoded, Object **object)
{
    if (decoded && *object && (*object)->refs == 1 && !(*object)->pool)
        decoded->object = TAKE_PTR(*object);
}

static void decode_run(uv_work_t *work)
{
    Decoded *d = CONTAINER_OF(work, Decoded, work);

    if (d->is_patch) {
        d->r = decode_document(&d->arena, d->is_yaml, d->body, &d->doc, &d->why);
        return;
    }
    d->r = decode_object(&d->arena, d->kind, d->content_type, d->body, d->validation, &d->object,
                         &d->warnings, &d->status);
    if (d->r == 0 && !(d->kind->flags & KIND_NOT_STORED))
        write_complete(d->object);
    if (d->r == 0 && d->foresees)
        write_foresee(&d->foresight, d->object, &d->arena, &d->foreseen);
}

static void start_next(Server *server);

static void on_decoded(uv_work_t *work, int status _unused_)
{
    Decoded *d = CONTAINER_OF(work, Decoded, work);
    HttpRequest *request = d->request;
    Server *server = d->server;
    Call *call = d->call;
    TurnWork turn;

    list_remove(&d->node);
    if (call) {
        /* The handler makes a Write, which takes the Decoded (body_take). */
        turn_work_begin(&turn, "request", request->method, request->path);
        error_trace_forget();
        call->handle(call);
        observe_handled(call);
        turn_work_end(&turn);
        d = call->decoded;
        call->decoded = NULL;
    }
    if (d)
        decoded_release(d);
    http_request_release(request);
    if (server) {
        server->decoding--;
        start_next(server);
    }
}

static void start_next(Server *server)
{
    while (server->decoding < DECODING_MAX && !list_empty(&server->bodies_waiting)) {
        Decoded *d = CONTAINER_OF(server->bodies_waiting.next, Decoded, node);
        HttpRequest *request = d->request;

        list_remove(&d->node);
        if (!d->call) {
            decoded_free(d);
            http_request_release(request);
            continue;
        }
        list_append(&server->bodies_decoding, &d->node);
        server->decoding++;
        server->decoded_on_pool++;
        uv_queue_work(server->loop, &d->work, decode_run, on_decoded);
    }
}

void body_decode(Call *call)
{
    Decoded *d = mem_new_type(Decoded);
    PatchType type;

    d->server = call->server;
    d->loop = call->server->loop;
    d->call = call;
    d->request = call->request;
    d->body = call->body;
    d->kind = kind_ref(call->route.kind);
    d->content_type = http_header(call->request, "content-type");
    decode_validation(call->query.field_validation, &d->validation);
    d->is_patch = call->handle == http_patch;
    d->is_yaml = d->is_patch && patch_type_of(d->content_type, &type) == 0 && type == PATCH_APPLY;
    d->foresees = !d->is_patch && !call->sub && !(d->kind->flags & KIND_NOT_STORED);
    d->foresight = (Foresight){.kind = d->kind,
                               .ns = call->route.ns,
                               .creates = call->handle == http_create,
                               .stores = !call->query.dry_run};
    random_suffix(call->server->random, d->foresight.suffix, GENERATED_SUFFIX);
    call->decoded = d;
    http_request_hold(call->request);
    list_append(&call->server->bodies_waiting, &d->node);
    start_next(call->server);
}

static void forget_call(Decoded *d)
{
    if (d->call)
        d->call->decoded = NULL;
    d->call = NULL;
}

void body_close(Call *call)
{
    if (call->decoded)
        forget_call(call->decoded);
}

Decoded *body_take(Call *call, Arena *arena)
{
    Decoded *d = call->decoded;

    call->decoded = NULL;
    if (d)
        arena_link(arena, decoded_release, d);
    return d;
}

void bodies_init(Server *server)
{
    list_init(&server->bodies_waiting);
    list_init(&server->bodies_decoding);
}

void bodies_forget(Server *server)
{
    LIST_EACH_SAFE(&server->bodies_decoding, node) {
        Decoded *d = CONTAINER_OF(node, Decoded, node);

        d->server = NULL;
        forget_call(d);
        list_remove(node);
    }
    LIST_EACH_SAFE(&server->bodies_waiting, node) {
        Decoded *d = CONTAINER_OF(node, Decoded, node);
        HttpRequest *request = d->request;

        list_remove(node);
        forget_call(d);
        decoded_free(d);
        http_request_release(request);
    }
}

size_t server_decoding(const Server *server)
{
    return server->decoding;
}

uint64_t server_decoded_on_pool(const Server *server)
{
    return server->decoded_on_pool;
}
