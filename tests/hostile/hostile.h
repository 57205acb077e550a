/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input, derived from the tables of the kinds: every field that a client can reach is sent
 * absent, null, empty, of the wrong type, too big or twice, in every format and by every verb, to a
 * whole control plane in this process. What is accepted is used: controllers run on it, it is read
 * in every form, and pods go through the pod machine and the container runtime's configuration.
 *
 *   target.c    what can be sent a body: each kind, each subresource, DELETE
 *   sample.c    a valid object for each type, and the way to a field in it
 *   mutation.c  what is done to one field
 *   hostile_protobuf.c  JSON to protobuf without the decoder's checks, so that protobuf can be wrong, too
 *   check.c     what has to hold for an object that was accepted
 *   cluster.c   the control plane: server, controllers, scheduler, DNS
 *   cluster_node.c  the node without containers
 *   hostile.c   chooses cases, sends them, and survives what they do
 *
 * A kind or field that is added to the schema is in it without further ado. A kind whose rules ask
 * for more than its required fields needs a row in sample.c's hints; the test says which.
 */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <yyjson.h>

#include "../wire/api_harness.h"
#include "api/object.h"
#include "base/strbuf.h"
#include "control/control.h"

/* ---- target.c ---- */

/* Bodies of one type that are sent to one kind of URL. */
typedef struct HostileTarget {
    const Kind *host;        /* the kind that the path is about */
    const char *subresource; /* NULL: the object itself */
    const Kind *kind;        /* of the body; NULL: DeleteOptions */
    const Type *type;        /* of the body */
    bool create, update, patch, remove;
} HostileTarget;

size_t targets_all(HostileTarget **ret);
const char *target_name(const HostileTarget *target, char room[128]);

/* ---- sample.c ---- */

enum { SITE_DEPTH = 16 };

/* A field, with the fields on the way to it from the root of the body. */
typedef struct Site {
    const HostileTarget *target;
    const Type *types[SITE_DEPTH]; /* whose field it is */
    const Field *fields[SITE_DEPTH];
    size_t n;
} Site;

size_t sites_of(const HostileTarget *target, Site **ret, size_t *cap, size_t n);
void site_print(const Site *site, StrBuf *out);
/* A valid body. */
/* A name of an object of the target: "h17", or what its kind wants. The caller frees. */
char *sample_name(const HostileTarget *target, char prefix, uint64_t number);
yyjson_mut_val *sample_body(yyjson_mut_doc *doc, const HostileTarget *target, const char *name);
/* Valid JSON for the field's thing. */
yyjson_mut_val *sample_thing(yyjson_mut_doc *doc, const Field *field);
/* Makes sure that the way to the field is there. Returns the object that has the field as a member;
 * pointer gets its JSON pointer, without the field. */
yyjson_mut_val *sample_reach(yyjson_mut_doc *doc, yyjson_mut_val *body, const Site *site,
                             StrBuf *pointer);

/* ---- mutation.c ---- */

/* clang-format off */
#define MUTATIONS(X)                                                                                                    \
    X(VALID) X(ABSENT) X(NULL) X(EMPTY) X(WRONG_TEXT) X(WRONG_NUMBER) X(WRONG_BOOL) X(WRONG_LIST) X(WRONG_OBJECT)       \
    X(NULL_ITEM) X(NULL_AMONG) X(EMPTY_ITEM) X(TWICE_ITEM) X(MAX_NUMBER) X(MIN_NUMBER) X(HUGE_NUMBER) X(LONG_TEXT)      \
    X(ODD_TEXT) X(FORMAT_TEXT) X(TWICE)
/* clang-format on */
typedef enum Mutation {
#define MUTATION_ENUM(name) MUTATION_##name,
    MUTATIONS(MUTATION_ENUM)
#undef MUTATION_ENUM
        _MUTATION_MAX,
} Mutation;

extern const char *const mutation_names[];
/* Changes the member of the object; false: it does not apply to such a field. */
bool mutate(yyjson_mut_doc *doc, yyjson_mut_val *object, const Field *field, Mutation mutation);

/* ---- hostile_protobuf.c ---- */

/* The body as protobuf with its envelope. What JSON has of a wrong type gets a wrong wire type. */
void protobuf_write(const HostileTarget *target, yyjson_mut_val *body, StrBuf *out);

/* ---- check.c ---- */

/* Aborts where the object breaks a rule that every stored object keeps. */
void check_object(Object *object);
/* NULL, or what is wrong with the answer. */
const char *check_answer(const Api *api);

/* ---- cluster.c ---- */

typedef struct DnsZone DnsZone;

typedef struct Cluster {
    Api api;
    Client *user, *node;
    Control *control;
    DnsZone *zone;
    ClientWatch **watches; /* of each kind */
    struct NodeAgent *agent;
    struct ServiceProxy *proxy;
    bool ready;
} Cluster;

void cluster_start(Cluster *cluster);
void cluster_stop(Cluster *cluster);
/* Everything that reacts to a change has its turn: controllers, node, DNS. */
void cluster_run(Cluster *cluster);

/* ---- cluster_node.c ---- */

void cluster_node_start(Cluster *cluster);
void cluster_node_stop(Cluster *cluster);
/* Takes every pod of the node through a life. */
void cluster_node_run(Cluster *cluster);

#endif
