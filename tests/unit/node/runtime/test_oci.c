/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: which capabilities a container gets. */
#include "testing.h"

#include <sys/prctl.h>

#include <linux/capability.h>
#include <yyjson.h>

#include "node/runtime/oci.h"

static bool has_capability(yyjson_val *set, const char *name)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(set);

    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));)
        if (str_equal(yyjson_get_str(item), name))
            return true;
    return false;
}

#define LIST(...) \
    ((StringArray){(const char *[]){__VA_ARGS__}, ARRAY_LEN(((const char *[]){__VA_ARGS__}))})

static void capabilities_follow_what_is_added_and_dropped(void **state)
{
    const struct {
        const char *name;
        OciSpec spec;
        bool chown, kill,
            sys_admin; /* the first one, another default one, one that is not default */
    } rows[] = {
        {"default", {0}, true, true, false},
        {"one dropped", {.cap_drop = LIST("CHOWN")}, false, true, false},
        {"the prefix is optional and case does not matter",
         {.cap_drop = LIST("CAP_chown")},
         false,
         true,
         false},
        {"one added", {.cap_add = LIST("SYS_ADMIN")}, true, true, true},
        {"all dropped", {.cap_drop = LIST("ALL")}, false, false, false},
        {"all but one dropped",
         {.cap_drop = LIST("ALL"), .cap_add = LIST("CHOWN")},
         true,
         false,
         false},
        {"all added", {.cap_add = LIST("all")}, true, true, true},
        {"all but one added",
         {.cap_add = LIST("ALL"), .cap_drop = LIST("KILL")},
         true,
         false,
         true},
        {"privileged", {.privileged = true, .cap_drop = LIST("ALL")}, true, true, true},
        {"unknown names mean nothing",
         {.cap_add = LIST("NO_SUCH"), .cap_drop = LIST("NEITHER")},
         true,
         true,
         false},
    };
    static const char *const sets[] = {"bounding", "effective", "permitted"};

    /* A container cannot be given what this process does not have. */
    if (prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0) != 1 ||
        prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0) != 1 ||
        prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 1)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        OciSpec spec = rows[i].spec;
        _strbuf_ StrBuf json = STRBUF_INIT;
        yyjson_doc *doc;
        yyjson_val *all;

        print_message("%s\n", rows[i].name);
        spec.root = "/root";
        spec.cwd = "/";
        spec.args = LIST("true");
        oci_spec_json(&spec, &json);
        doc = yyjson_read(json.p, json.n, 0);
        assert_non_null(doc);
        all = yyjson_ptr_get(yyjson_doc_get_root(doc), "/process/capabilities");
        for (size_t s = 0; s < ARRAY_LEN(sets); s++) {
            yyjson_val *set = yyjson_obj_get(all, sets[s]);

            assert_int_equal(has_capability(set, "CAP_CHOWN"), rows[i].chown);
            assert_int_equal(has_capability(set, "CAP_KILL"), rows[i].kill);
            assert_int_equal(has_capability(set, "CAP_SYS_ADMIN"), rows[i].sys_admin);
        }
        yyjson_doc_free(doc);
    }
}

static void a_profile_of_apparmor_is_named_for_exec_as_well(void **state)
{
    const OciSpec with = {.root = "/r", .apparmor = "stead-default"}, without = {.root = "/r"};
    static const char *const argv[] = {"true", NULL};
    _strbuf_ StrBuf json = STRBUF_INIT, none = STRBUF_INIT, process = STRBUF_INIT;

    oci_spec_json(&with, &json);
    assert_non_null(strstr(json.p, "\"apparmorProfile\":\"stead-default\""));
    assert_int_equal(oci_exec_process(json.p, json.n, argv, false, &process, NULL), 0);
    assert_non_null(strstr(process.p, "\"apparmorProfile\":\"stead-default\""));
    oci_spec_json(&without, &none);
    assert_null(strstr(none.p, "apparmor"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_of_apparmor_is_named_for_exec_as_well),
        cmocka_unit_test(capabilities_follow_what_is_added_and_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
