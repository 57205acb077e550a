/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json/members.h"

static JsonMember *member_at(const JsonMembers *members, const TextMapSlot *slot)
{
    return &members->v[(uintptr_t)slot->value - 1];
}

JsonMembers json_members(Arena *arena, yyjson_mut_val *object)
{
    size_t i, n, room = yyjson_mut_obj_size(object);
    JsonMembers members = {.index = TEXT_MAP_INIT(arena), .cap = room + 4};
    yyjson_mut_val *key, *value;

    members.v = arena_new_n(arena, JsonMember, members.cap);
    yyjson_mut_obj_foreach(object, i, n, key, value) json_members_put(&members, key, value);
    return members;
}

JsonMember *json_members_find(const JsonMembers *members, const char *name, size_t length)
{
    const TextMapSlot *slot = text_map_find_n(&members->index, name, length);

    return slot && member_at(members, slot)->value ? member_at(members, slot) : NULL;
}

void json_members_put(JsonMembers *members, yyjson_mut_val *key, yyjson_mut_val *value)
{
    bool is_new;
    TextMapSlot *slot =
        text_map_put_n(&members->index, yyjson_mut_get_str(key), yyjson_mut_get_len(key), &is_new);

    if (!is_new && member_at(members, slot)->value) {
        member_at(members, slot)->value = value;
        return;
    }
    ARENA_PUSH(members->index.arena, members, (JsonMember){key, value});
    slot->value = (void *)(uintptr_t)members->n;
}

void json_members_close(const JsonMembers *members, yyjson_mut_val *object)
{
    yyjson_mut_obj_clear(object);
    for (size_t i = 0; i < members->n; i++)
        if (members->v[i].value)
            yyjson_mut_obj_add(object, members->v[i].key, members->v[i].value);
}

TextMap json_index(Arena *arena, yyjson_val *object)
{
    TextMap index = TEXT_MAP_INIT(arena);
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(object, i, n, key, value)
    {
        bool is_new;

        text_map_put_n(&index, yyjson_get_str(key), yyjson_get_len(key), &is_new)->value = value;
    }
    return index;
}
