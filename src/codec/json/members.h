/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a JSON object by name. yyjson keeps an object as a list, in which each look-up
 * starts at the beginning. To look up many members, open the object first, and close it after the
 * changes.
 *
 * If several members have the same name, the last one counts, as in Go.
 */
#ifndef CODEC_JSON_MEMBERS_H
#define CODEC_JSON_MEMBERS_H

#include <yyjson.h>

#include "base/text_map.h"

typedef struct JsonMember {
    yyjson_mut_val *key, *value; /* value NULL: taken out */
} JsonMember;

typedef struct JsonMembers {
    TextMap index; /* value: 1 + position in v */
    JsonMember *v;
    size_t n, cap;
} JsonMembers;

/* Opens `object`, which must not be changed in any other way until it is closed. */
JsonMembers json_members(Arena *arena, yyjson_mut_val *object);
JsonMember *json_members_find(const JsonMembers *members, const char *name, size_t length);
/* Replaces, or adds at the end. */
void json_members_put(JsonMembers *members, yyjson_mut_val *key, yyjson_mut_val *value);
/* Makes the object what the members are now. */
void json_members_close(const JsonMembers *members, yyjson_mut_val *object);

/* The same for objects that do not change: value is the yyjson_val of the member. */
TextMap json_index(Arena *arena, yyjson_val *object);

#endif
