/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change, from HTTP or from a Client in the process, is a Write. It outlives the request: if
 * the client disconnects, a queued write is still carried out.
 */
#ifndef SERVER_WRITE_WRITE_H
#define SERVER_WRITE_WRITE_H

#include "codec/patch/patch.h"
#include "server/request/call.h"
#include "server/request/decode.h"

typedef enum WriteVerb { WRITE_CREATE, WRITE_UPDATE, WRITE_DELETE } WriteVerb;

typedef struct QuotaCharge QuotaCharge;

struct Write {
    ListNode node;  /* of server->writes */
    Server *server; /* NULL after the server has been freed */
    Arena arena;    /* owns everything that belongs to the write */
    User *user;
    const Kind *kind;
    const char *ns, *name;
    const char *subresource;
    const char *manager; /* NULL if no manager is recorded */
    bool dry_run, force, reform;
    bool deletes; /* a request to delete, and not an update that removes the last finalizer */
    bool upsert;  /* an update or apply of an object that does not exist, which creates it */
    FieldValidation validation;
    const int64_t *grace_seconds;
    const char *propagation, *precondition_uid, *precondition_revision;

    Object *object;      /* in: the new version; out: what is stored */
    Object *before;      /* the version it was based on */
    bool created, gone;  /* outcomes: the object was created, or was removed for good */
    bool applied;        /* apply has computed managedFields itself */
    bool generated;      /* the object has got its name from generateName */
    bool patches;        /* the request is a patch */
    bool mutated;        /* a webhook has changed the object */
    bool waited;         /* for webhooks, so the head may have changed */
    bool unhooked;       /* webhooks have been asked already, about the request as a whole */
    struct HookRun *run; /* of webhooks that are being asked; NULL: the write does not wait */
    void (*again)(
        Write *write); /* begins anew with the current head; NULL: a conflict is the end */
    unsigned tries;    /* how often it has begun anew */
    Object *asked;     /* of an update: the object as it was sent */
    PatchType patch_type;
    Bytes patch;
    bool claimed;         /* holds addresses or ports until the store has answered */
    QuotaCharge *charges; /* what the write adds to quotas */
    ApiStatus status;
    Warnings warnings; /* grows by write_warn */

    void (*done)(Write *write); /* called last, before the write is freed */
    void *data;                 /* of done */
    Call *call;       /* NULL for a client in the process, or after the peer has disconnected */
    Decoded *decoded; /* the body, decoded on the pool; NULL: still to be decoded */
    bool completed;   /* the object has got its defaults */
    const ApiStatus *foreseen; /* the refusal that the object will meet; NULL: none is certain */
};

Write *write_new(Server *server, User *user, const Kind *kind, const char *ns, const char *name);
void write_warn(Write *write, const char *text);

/* Fills in the defaults of the table and the kind; touches nothing but the object. */
void write_complete(Object *object);

enum { GENERATED_SUFFIX = 5 }; /* characters behind generateName */

/*
 * Decides on a thread of the pool whether a complete object from a long body will be refused in any
 * state of the cluster, because it has more causes than an answer lists or is too large. Returns
 * the reason, with *ret filled in the arena, or 0. The object is not changed.
 */
typedef struct Foresight {
    const Kind *kind;
    const char *ns;
    bool creates; /* not an update, which may keep errors that the object already has */
    bool stores;  /* not a dry run */
    char suffix[GENERATED_SUFFIX + 1]; /* of the name, if one is generated */
} Foresight;

int write_foresee(const Foresight *of, Object *object, Arena *arena, ApiStatus *ret);
void write_finish(Write *write);
void write_on_stored(void *data, int outcome, const char *reason, Object *object); /* a StoreDone */

/* Each ends in write_finish, at once or when the write is durable. */
void write_create(Write *write);

void write_update(Write *write);
void write_patch(Write *write, PatchType type, Bytes body);
void write_delete(Write *write);

/* A patch (not apply) of an object that is not stored as such: *ret is the new version. 0 or a
 * reason. */
int patch_object(Write *write, const char *content_type, const Object *object, Bytes body,
                 Object **ret);

/* For subresources that change an object through a body of another type: a write that ends in
 * `done`; a function that decodes the body as an object of the kind and checks that it names the
 * object of the path (0 or a reason); and a `done` that answers with success or a refusal. */
Write *subresource_start(Call *call, void (*done)(Write *write));

int subresource_decode(Call *call, const Kind *kind, Object **ret, Write *write);
void subresource_answer(Write *write);

/* These concern a Pod; `object` is a Binding or an Eviction. */
void write_binding(Write *write, const Object *binding);

void write_eviction(Write *write, const Object *eviction);

/* Copies a field from the old version into the new one. */
void write_put_back(Write *write, const Field *field);

/* Whether the object has changed while webhooks were asked. */
bool write_is_stale(Write *write);
/* Drops what has been made so far, and begins anew with the current head. Returns false if that has been
 * tried too often, or the write cannot do so. */
bool write_begin_anew(Write *write);

/* The second half of an update or patch, after `before` and `object` have been set. */
void write_update_from(Write *write);

#endif
