/* SPDX-License-Identifier: Apache-2.0 */
/* Small texts that pods depend on: resolv.conf, files of variables, health messages, sysctls, the
 * seccomp profile. */
#include "testing.h"

#include <yyjson.h>

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "http/client/grpc_health.h"
#include "node/env/env_file.h"
#include "node/env/resolvconf.h"
#include "node/pod/admit.h"
#include "node/runtime/oci.h"
#include "node/runtime/seccomp.h"

/* ---- resolv.conf ---- */

static void resolv_conf_is_read_and_written(void **state)
{
    ResolvConf conf = {0};
    _strbuf_ StrBuf out = STRBUF_INIT;

    resolv_conf_read(&conf, "# comment\nnameserver 1.1.1.1 more\nnameserver 1.1.1.1\nsearch lost\n"
                            "search a.example\tb.example\noptions ndots:1 rotate\nsortlist x\n"
                            "nameserver 2.2.2.2\r\nnameserver 3.3.3.3\nnameserver 4.4.4.4");
    resolv_conf_set_option(&conf, "ndots", "5");
    resolv_conf_set_option(&conf, "nd", "1");
    resolv_conf_add_search(&conf, "a.example");
    resolv_conf_print(&conf, &out);
    assert_string_equal(strbuf_string(&out),
                        "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\n"
                        "search a.example b.example\noptions ndots:5 rotate nd:1\n");
    resolv_conf_deinit(&conf);
}

static void searches_end_at_the_limit(void **state)
{
    ResolvConf conf = {0};
    _strbuf_ StrBuf out = STRBUF_INIT;
    char name[32];
    size_t spaces = 0;

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        resolv_conf_add_search(&conf, name);
    }
    resolv_conf_print(&conf, &out);
    for (const char *at = strbuf_string(&out); *at; at++)
        spaces += *at == ' ';
    assert_int_equal(spaces, 32);
    resolv_conf_deinit(&conf);
}

/* ---- files of variables ---- */

static const struct {
    const char *text, *key, *value, *error; /* value NULL: not there */
} files[] = {
    {"A='1'\n", "A", "1", NULL},
    {"# x\n\n  A='1' # why\nB='2'", "B", "2", NULL},
    {"A='two\nlines=\n'\nB='3'\n", "A", "two\nlines=\n", NULL},
    {"A='two\nlines'\nB='3'\n", "B", "3", NULL},
    {"A='1'\n", "C", NULL, NULL},
    {"A= '1'\nB='2'\n", "A", NULL, NULL},
    {"A= '1'\nB='2'\n", "B", "2", NULL},
    {"A=''\n", "A", "", NULL},
    {"", "A", NULL, NULL},
    {"A\n", "A", NULL, "line 1: missing '='"},
    {"\n='x'\n", "A", NULL, "line 2: empty variable name"},
    {"A ='x'\n", "A", NULL, "line 1: whitespace before '=' is not allowed"},
    {"A=x\n", "A", NULL, "line 1: value must be enclosed in single quotes"},
    {"A='x\ny'\nB\n", "B", NULL, "line 3: missing '='"},
    {"A='x' y\n", "A", NULL, "line 1: unexpected content after closing quote"},
    {"A='x\n", "A", NULL, "line 1: unclosed single quote"},
};

static void variables_are_found_in_files(void **state)
{
    EACH_ROW(i, files, files[i].text) {
        _arena_ Arena arena = ARENA_INIT;
        Err err = ERR_INIT;
        const char *value;
        int r = env_file_find(files[i].text, files[i].key, &arena, &value, &err);

        if (files[i].error) {
            assert_true(r < 0);
            if (!strstr(err.message, files[i].error))
                fail_msg("%zu: %s", i, err.message);
            continue;
        }
        assert_int_equal(r, 0);
        if (!str_equal(value, files[i].value))
            fail_msg("%zu: %s", i, str_or(value, "(none)"));
    }
}

/* ---- health ---- */

static void health_is_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int outcome;
        uint64_t status;
    } rows[] = {
        {"", 0, 0, HEALTH_UNKNOWN},
        {"\x08\1", 2, 0, HEALTH_SERVING},
        {"\x12\3abc\x08\2", 7, 0, HEALTH_NOT_SERVING},
        {"\x09"
         "12345678\x08\3\x15"
         "1234",
         16, 0, HEALTH_SERVICE_UNKNOWN},
        {"\x08", 1, HEALTH_E_MALFORMED, 0},
        {"\x12\x09"
         "abc",
         5, HEALTH_E_MALFORMED, 0},
        {"\x0b", 1, HEALTH_E_MALFORMED, 0},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 12, HEALTH_E_MALFORMED, 0},
    };

    EACH_ROW(i, rows, rows[i].bytes) {
        uint64_t status;
        int r = grpc_health_response((Bytes){(const uint8_t *)rows[i].bytes, rows[i].n}, &status);

        if (r != rows[i].outcome || (r == 0 && status != rows[i].status))
            fail_msg("%zu: %d, %" PRIu64, i, r, status);
    }
}

/* ---- rights ---- */

static void safe_settings_are_known_in_both_spellings(void **state)
{
    static const struct {
        const char *name;
        bool host_ipc, host_network;
        const char *message; /* NULL: the pod is admitted */
    } rows[] = {
        {"net.ipv4.tcp_syncookies", false, false, NULL},
        {"net/ipv4/tcp_syncookies", true, false, NULL},
        {"kernel.shm_rmid_forced", false, true, NULL},
        {"net.ipv4.tcp_syncookie", false, false,
         "forbidden sysctl: \"net.ipv4.tcp_syncookie\" not allowlisted"},
        {"net.ipv4.tcp_syncookies.x", false, false,
         "forbidden sysctl: \"net.ipv4.tcp_syncookies.x\" not allowlisted"},
        {"kernel.msgmax", false, false, "forbidden sysctl: \"kernel.msgmax\" not allowlisted"},
        {"", false, false, "forbidden sysctl: \"\" not allowlisted"},
        {"kernel.shm_rmid_forced", true, false,
         "forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host ipc enabled"},
        {"net/ipv4/tcp_syncookies", false, true,
         "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Sysctl sysctl = {.name = rows[i].name, .value = "1"};
        PodSecurityContext security = {.sysctls = {&sysctl, 1}};
        Pod pod = {.spec = {.security_context = &security,
                            .host_ipc = rows[i].host_ipc,
                            .host_network = rows[i].host_network}};
        const char *reason = NULL;
        Err err = ERR_INIT;
        int r = pod_admit(&pod, NULL, 0, &reason, &err);

        print_message("%s\n", rows[i].name);
        assert_int_equal(r < 0, rows[i].message != NULL);
        assert_string_equal(err.message, str_or(rows[i].message, ""));
        if (rows[i].message)
            assert_string_equal(reason, "SysctlForbidden");
    }
}

/* What a rule without conditions says of a call; NULL: none does. */
static const char *rule_of(yyjson_mut_val *profile, const char *call, size_t *ret_n)
{
    yyjson_mut_val *rule, *name;
    yyjson_mut_arr_iter rules, names;
    const char *found = NULL;

    *ret_n = 0;
    rules = yyjson_mut_arr_iter_with(yyjson_mut_obj_get(profile, "syscalls"));
    while ((rule = yyjson_mut_arr_iter_next(&rules))) {
        names = yyjson_mut_arr_iter_with(yyjson_mut_obj_get(rule, "names"));
        while ((name = yyjson_mut_arr_iter_next(&names))) {
            if (strcmp(yyjson_mut_get_str(name), call) != 0)
                continue;
            ++*ret_n;
            if (!yyjson_mut_obj_get(rule, "args"))
                found = yyjson_mut_get_str(yyjson_mut_obj_get(rule, "action"));
        }
    }
    return found;
}

static void calls_are_allowed_by_capability(void **state)
{
    static const struct {
        const char *call;
        bool without, with; /* all capabilities */
        size_t n;
    } rows[] = {
        {"read", true, true, 1},
        {"mount", false, true, 1},
        {"bpf", false, true, 1},
        {"syslog", false, true, 1},
        {"reboot", false, true, 1},
        {"keyctl", false, false, 1},
        {"io_uring_setup", false, false, 1},
        {"clone3", false, true, 1},
    };

    for (int all = 0; all <= 1; all++) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *profile = seccomp_default(doc, all ? UINT64_MAX : 0);

        EACH_ROW(i, rows, rows[i].call) {
            size_t n;
            bool allowed = str_equal(rule_of(profile, rows[i].call, &n), "SCMP_ACT_ALLOW");

            if (allowed != (all ? rows[i].with : rows[i].without) || n != rows[i].n)
                fail_msg("%s: %d, %zu rules", rows[i].call, allowed, n);
        }
        yyjson_mut_doc_free(doc);
    }
}

static void no_call_has_two_rules(void **state)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *profile = seccomp_default(doc, oci_default_capabilities()), *rule, *name;
    yyjson_mut_arr_iter rules, names;

    rules = yyjson_mut_arr_iter_with(yyjson_mut_obj_get(profile, "syscalls"));
    while ((rule = yyjson_mut_arr_iter_next(&rules))) {
        if (yyjson_mut_obj_get(rule, "args"))
            continue;
        names = yyjson_mut_arr_iter_with(yyjson_mut_obj_get(rule, "names"));
        while ((name = yyjson_mut_arr_iter_next(&names))) {
            size_t n;

            (void)rule_of(profile, yyjson_mut_get_str(name), &n);
            if (n != 1)
                fail_msg("%s has %zu rules", yyjson_mut_get_str(name), n);
        }
    }
    yyjson_mut_doc_free(doc);
}

static void a_profile_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"", "{", "[]", "{}", "{\"defaultAction\": 1}"};

    EACH_ROW(i, bad, bad[i])
        assert_true(seccomp_parse(bad[i], strlen(bad[i]), NULL, NULL, NULL) < 0);
    assert_int_equal(seccomp_parse("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", 34, NULL, NULL, NULL),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolv_conf_is_read_and_written),
        cmocka_unit_test(searches_end_at_the_limit),
        cmocka_unit_test(variables_are_found_in_files),
        cmocka_unit_test(health_is_read),
        cmocka_unit_test(safe_settings_are_known_in_both_spellings),
        cmocka_unit_test(calls_are_allowed_by_capability),
        cmocka_unit_test(no_call_has_two_rules),
        cmocka_unit_test(a_profile_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
