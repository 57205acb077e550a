/* SPDX-License-Identifier: Apache-2.0 */
/* get, list and watch. */
#ifndef SERVER_READ_READ_H
#define SERVER_READ_READ_H

#include "server/request/call.h"

void read_get(Call *call);
void read_list(Call *call);
/* Both for kinds whose objects are made when they are asked for: computed.c. */
void read_computed(Call *call);
void read_component_status(Call *call);
void watch_start(Call *call);
void watch_note_write(Server *server);
void watch_forget_line(Server *server);

/* The selectors of a list or watch. 0 or a reason, *reterr filled. */
int read_selectors(Call *call, Selector **ret_labels, Selector **ret_fields, ApiStatus *reterr);

/* A resourceVersion that is not newer than the newest. 0 or a reason. */
int read_revision(Call *call, const char *text, uint64_t *ret, ApiStatus *reterr);

/* Where a page of a list begins, and what its first page said. */
typedef struct ListPlace {
    const char *after; /* the key before it; NULL: it is the first page */
    uint64_t revision; /* of all pages */
    int64_t began;     /* seconds: when the first page was answered */
} ListPlace;

/* How long a page is; 0: no limit. 0 or a reason. */
int list_read_limit(Call *call, int64_t *ret, ApiStatus *reterr);

/* 0 or a reason, for example that the first page is too old to go on from. */
int list_read_continue(Call *call, ListPlace *ret, ApiStatus *reterr);
/* A token with which a client asks for the page after `place`. */
const char *list_make_continue(Arena *arena, const ListPlace *place);
/* A list of objects that are not stored, in the form that is asked for. */
void list_answer(Call *call, Object *const *objects, size_t n);
const char *list_key_of(Arena *arena, const Object *object);
bool read_matches(const Object *object, const char *ns, const Selector *labels,
                  const Selector *fields);

#endif
