/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an object is not as it should be: a chain of plain sentences that begins with the object and ends
 * with the cause, such as
 *
 *     statefulset/web  PodNotReady       1 of 3 replicas are available: waiting for pod web-1 to be ready
 *     pod/web-1        ImagePullBackOff  container web waits for its image: ...
 *
 * why_explain() is a pure function of the objects and Events that a WhySource gives it. The source asks
 * an API server for them, or a test makes them up. It gives only what its user may read; what is
 * forbidden shortens the chain, and the last step says so.
 */
#ifndef WHY_WHY_H
#define WHY_WHY_H

#include "api/kind.h"
#include "base/arena.h"

typedef struct WhyStep {
    const char *object;  /* "pod/web-1" */
    const char *reason;  /* one word for programs */
    const char *message; /* a sentence without a full stop */
    const char *next;    /* what the user can do about it; NULL: see the next step */
} WhyStep;

typedef struct WhyChain {
    WhyStep *v;
    size_t n, cap;
} WhyChain;

typedef enum WhyAnswer {
    WHY_FOUND,
    WHY_MISSING,
    WHY_UNKNOWN, /* the user may not read it, or the server does not have this kind */
} WhyAnswer;

typedef struct WhyList {
    const void **v; /* structs of the kind */
    size_t n;
} WhyList;

/* What the explanation may ask for. Results live as long as the chain. `ns` is NULL for kinds without a
 * namespace. */
typedef struct WhySource {
    void *data;
    WhyAnswer (*get)(void *data, const Kind *kind, const char *ns, const char *name,
                     const void **ret);
    /* `selector` is a label selector as text; NULL: all objects of the namespace. */
    WhyAnswer (*list)(void *data, const Kind *kind, const char *ns, const char *selector,
                      WhyList *ret);
    /* The Events (core_event_v1.h) about the object with this uid, in any order. */
    WhyAnswer (*events)(void *data, const char *ns, const char *uid, WhyList *ret);
    /* The last line that the previous run of a container wrote, or NULL. */
    const char *(*last_line)(void *data, const char *ns, const char *pod, const char *container);
} WhySource;

/* Fills the chain; it is empty if the object waits for nothing. The value is a struct of the kind, with
 * the defaults that an API server gives it. */
void why_explain(Arena *arena, const WhySource *source, int64_t now_ns, const Kind *kind,
                 const void *value, WhyChain *ret);

#endif
