/* SPDX-License-Identifier: Apache-2.0 */
/* The registry, and a walk over every row of the generated tables. */
#include "testing.h"

#include "api/kind.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/meta_v1.h"
#include "codec/json/json.h"

static void every_kind_is_found_by_its_names(void **state)
{
    EACH_ROW_OF(id, kind_count(), "kinds", kind_at(id)->kind) {
        const Kind *kind = kind_at(id);

        assert_int_equal(kind->id, id);
        assert_ptr_equal(kind_find(kind->group, kind->version, kind->kind), kind);
        assert_ptr_equal(kind_find_api_version(kind->api_version, kind->kind), kind);
        if (*kind->plural)
            assert_ptr_equal(kind_find_resource(kind->group, kind->version, kind->plural), kind);
        else
            assert_true(kind->flags & KIND_NOT_STORED);
    }
    assert_null(kind_at(kind_count()));
}

static void strangers_are_not_found(void **state)
{
    char long_group[600];

    assert_ptr_equal(kind_find("apps", "v1", "StatefulSet"), &kind_stateful_set);
    assert_ptr_equal(kind_find_resource("", "v1", "pods"), &kind_pod);
    assert_null(kind_find("apps", "v2", "StatefulSet"));
    assert_null(kind_find("", "v1", "StatefulSet"));
    assert_null(kind_find_resource("apps", "v1", "StatefulSet"));
    assert_null(kind_find_resource("policy", "v1", "evictions"));
    assert_null(kind_find_api_version("apps", "StatefulSet"));
    memset(long_group, 'a', sizeof(long_group));
    memcpy(long_group + sizeof(long_group) - 4, "/v1", 4);
    assert_null(kind_find_api_version(long_group, "StatefulSet"));
}

/* ---- kinds of the run time ---- */

typedef struct Heard {
    KindListener listener;
    const KindFamily *before, *after;
    unsigned n;
} Heard;

static void on_change(KindListener *listener, const KindFamily *before, const KindFamily *after)
{
    Heard *heard = CONTAINER_OF(listener, Heard, listener);

    heard->before = before;
    heard->after = after;
    heard->n++;
}

/* A family of the resource example.com/boxes that looks like Pods; `versions` is NULL-ended, and its first one is
 * stored. */
static KindFamily *make_family(const char *const *versions)
{
    KindFamily *family = kind_family_new();

    family->kinds = arena_new_n(&family->arena, Kind *, 8);
    for (size_t i = 0; versions[i]; i++) {
        Kind *kind = arena_new(&family->arena, Kind);

        *kind = kind_pod;
        kind->group = "example.com";
        kind->version = arena_strdup(&family->arena, versions[i]);
        kind->kind = "Box";
        kind->plural = "boxes";
        family->kinds[family->n_kinds++] = kind;
    }
    family->stored = family->kinds[0];
    return family;
}

static bool is_walked(const Kind *which)
{
    KIND_EACH(kind)
        if (kind == which)
            return true;
    return false;
}

static void kinds_come_and_go_while_the_server_runs(void **state)
{
    Heard heard = {.listener.on_change = on_change};
    KindFamily *first = make_family((const char *const[]){"v1", "v2", NULL});
    KindFamily *second = make_family((const char *const[]){"v2", "v3", NULL});
    const Kind *old = first->kinds[1], *kept;
    uint64_t generation = kind_generation();
    uint16_t id, store_id;

    kind_listen(&heard.listener);
    assert_null(kind_find("example.com", "v1", "Box"));
    kind_family_put(first);
    assert_ptr_equal(heard.after, first);
    assert_null(heard.before);
    assert_int_not_equal(kind_generation(), generation);
    assert_ptr_equal(kind_find("example.com", "v2", "Box"), old);
    assert_ptr_equal(kind_find_resource("example.com", "v2", "boxes"), old);
    assert_ptr_equal(kind_find_api_version("example.com/v2", "Box"), old);
    assert_ptr_equal(kind_at(old->id), old);
    assert_true(is_walked(first->kinds[0]) && is_walked(old));
    assert_true(kind_is_stored(first->stored) && !kind_is_stored(old));
    assert_int_equal(kind_store_id(old), kind_store_id(first->stored));
    id = old->id;
    store_id = first->store_id;
    kept = kind_ref(old);
    kind_family_unref(first);

    kind_family_put(second);
    assert_int_equal(heard.n, 2);
    assert_ptr_equal(heard.before, first);
    assert_ptr_equal(heard.after, second);
    assert_null(kind_find("example.com", "v1", "Box"));
    assert_ptr_equal(kind_find("example.com", "v2", "Box"), second->kinds[0]);
    assert_int_equal(second->kinds[0]->id, id);
    assert_int_equal(second->store_id, store_id);
    assert_string_equal(kept->version, "v2"); /* the reference keeps what was replaced */
    assert_false(kind_is_current(kept));
    kind_unref(kept);
    kind_family_unref(second);

    kind_family_remove("example.com", "boxes");
    assert_null(heard.after);
    assert_int_equal(heard.n, 3);
    assert_null(kind_find("example.com", "v2", "Box"));
    assert_null(kind_family_find("example.com", "boxes"));
    kind_family_remove("example.com", "boxes");
    assert_int_equal(heard.n, 3);
    kind_unlisten(&heard.listener);
}

static void a_version_that_is_not_served_is_only_stored(void **state)
{
    KindFamily *family = make_family((const char *const[]){"v1", "v2", NULL});

    family->kinds[0]->flags |= KIND_NOT_SERVED;
    kind_family_put(family);
    assert_null(kind_find("example.com", "v1", "Box"));
    assert_null(kind_find_resource("example.com", "v1", "boxes"));
    assert_true(is_walked(family->stored) && kind_is_stored(family->stored));
    kind_family_remove("example.com", "boxes");
    kind_family_unref(family);
}

static void the_registry_has_room_for_a_limited_number(void **state)
{
    KindFamily *family;

    assert_true(kind_family_fits(1));
    assert_true(kind_family_fits(UINT16_MAX - kind_count() - 1));
    assert_false(kind_family_fits(UINT16_MAX - kind_count()));
    assert_false(kind_family_fits(SIZE_MAX));
    family = make_family((const char *const[]){"v1", "v2", NULL});
    kind_family_put(family);
    assert_false(kind_family_fits(UINT16_MAX - kind_count() - 1 + 1));
    kind_family_remove("example.com", "boxes");
    kind_family_unref(family);
    assert_true(kind_family_fits(UINT16_MAX - kind_count() - 1));
}

static void versions_are_ordered_as_clients_prefer_them(void **state)
{
    static const char *const order[] = {"v10",      "v2",      "v1",        "v11beta2",
                                        "v10beta3", "v3beta1", "v12alpha1", "v11alpha2",
                                        "foo1",     "foo10",   "v0",        "v1beta"};

    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        for (size_t k = 0; k < ARRAY_LEN(order); k++)
            assert_true((i < k) == (version_compare(order[i], order[k]) < 0));
}

static void check_field(const Type *type, const Field *field)
{
    assert_int_equal(strlen(field->json), field->json_length);
    assert_in_range(field->value, 0, _VALUE_MAX - 1);
    assert_in_range(field->shape, 0, _SHAPE_MAX - 1);
    assert_in_range(field->format, 0, _FORMAT_MAX - 1);
    assert_true((field->type != NULL) == (field->value == VALUE_STRUCT));
    assert_true((field->number == 0) <= ((field->flags & FIELD_NO_PROTO) != 0));
    assert_true((field->list_kind == LIST_MAP) == (field->keys != NULL));
    assert_non_null(field->doc);
    for (size_t i = 0; field->keys && field->keys[i]; i++)
        assert_non_null(type_find(field->type, field->keys[i], strlen(field->keys[i])));
    if (field->patch_key)
        assert_non_null(type_find(field->type, field->patch_key, strlen(field->patch_key)));
    if (field->default_json)
        assert_true(type->has_defaults);
}

/* Every type that a kind reaches, each once. */
static void check_type(const Type *type, const Type **seen, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        if (seen[i] == type)
            return;
    assert_in_range(*n, 0, 1023);
    seen[(*n)++] = type;
    assert_non_null(type->doc);
    for (size_t i = 0; i < type->n_names; i++)
        assert_ptr_equal(type_find(type, type->names[i].json, type->names[i].length),
                         &type->names[i]);
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        check_field(type, field);
        assert_true(field->offset +
                        (field->shape == SHAPE_ONE && field->type ? field->type->size : 1) <=
                    type->size);
        if (field->type) {
            assert_true(type->has_defaults || !field->type->has_defaults);
            check_type(field->type, seen, n);
        }
    }
}

static void every_row_of_the_tables_is_whole(void **state)
{
    const Type *seen[1024];
    size_t n = 0;

    EACH_ROW_OF(id, kind_count(), "kinds", kind_at(id)->kind) {
        const Kind *kind = kind_at(id);
        bool has_name = false;

        check_type(kind->type, seen, &n);
        assert_string_equal(kind->type->fields[0].json, "metadata");
        assert_ptr_equal(kind->type->fields[0].type, &type_ObjectMeta);
        assert_int_equal(kind->type->fields[0].offset, 0);
        for (size_t i = 0; i < kind->n_columns; i++) {
            assert_true(kind->columns[i].path || (kind->rules && kind->rules->print));
            has_name = has_name || strcmp(kind->columns[i].format, "name") == 0;
        }
        assert_true(has_name || !kind->n_columns);
        if (kind->flags & KIND_HAS_STATUS)
            assert_non_null(kind->status);
    }
    assert_in_range(n, 200, 1023);
}

/* An empty object of every kind can be printed, with one cell a column. */
static void printers_fill_every_column(void **state)
{
    EACH_ROW_OF(id, kind_count(), "kinds", kind_at(id)->kind) {
        const Kind *kind = kind_at(id);
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf row = STRBUF_INIT;
        DecodeReport report = {0};
        yyjson_doc *doc;

        if (!kind->rules || !kind->rules->print)
            continue;
        strbuf_add_char(&row, '[');
        kind->rules->print(arena_alloc(&arena, kind->type->size), 0, &row);
        strbuf_add_char(&row, ']');
        assert_int_equal(json_parse(&arena, strbuf_bytes(&row), &doc, &report), 0);
        if (yyjson_arr_size(yyjson_doc_get_root(doc)) != kind->n_columns)
            fail_msg("%s: %s", kind->kind, strbuf_string(&row));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_found_by_its_names),
        cmocka_unit_test(strangers_are_not_found),
        cmocka_unit_test(kinds_come_and_go_while_the_server_runs),
        cmocka_unit_test(a_version_that_is_not_served_is_only_stored),
        cmocka_unit_test(the_registry_has_room_for_a_limited_number),
        cmocka_unit_test(versions_are_ordered_as_clients_prefer_them),
        cmocka_unit_test(every_row_of_the_tables_is_whole),
        cmocka_unit_test(printers_fill_every_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
