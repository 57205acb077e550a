/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories of requests whose answers a real kube-apiserver has given (golden/steps_NAME.json, made by
 * tests/oracle/record_steps.py): status, warnings, the message of a refusal, and chosen parts of the
 * answer. All differences of a story are listed.
 */
#include "testing.h"

#include "api_harness.h"
#include "base/files/file.h"
#include "base/strbuf.h"

#define GOLDEN_MAX ((size_t)16 * 1024 * 1024)
#define MERGE "application/merge-patch+json"

static const char *golden_path;

static const char *text_of(yyjson_val *object, const char *key)
{
    return yyjson_get_str(yyjson_obj_get(object, key));
}

static void differ(StrBuf *report, const char *what, const char *expected, const char *found)
{
    strbuf_printf(report, "  %s\n    expected %s\n    found    %s\n", what,
                  expected ? expected : "(absent)", found ? found : "(absent)");
}

static void send_step(Api *api, yyjson_val *step)
{
    const char *target = text_of(step, "do"), *path = strchr(target, ' ') + 1;
    _free_ char *method = mem_strndup(target, (size_t)(path - target - 1));
    _free_ char *body = yyjson_val_write(yyjson_obj_get(step, "body"), 0, NULL);
    const char *type = text_of(step, "type"), *user = text_of(step, "as");
    const char *group = text_of(step, "group");
    _strbuf_ StrBuf headers = STRBUF_INIT;

    if (body)
        strbuf_printf(&headers, "Content-Type: %s\r\n",
                      type                           ? type
                      : strcmp(method, "PATCH") == 0 ? MERGE
                                                     : "application/json");
    if (user)
        strbuf_printf(&headers, "Impersonate-User: %s\r\n", user);
    if (group)
        strbuf_printf(&headers, "Impersonate-Group: %s\r\n", group);
    api_call_on(api, api->admin, method, path, strbuf_string(&headers), body,
                body ? strlen(body) : 0);
}

/* The texts of the Warning headers, each on a line. */
static void read_warnings(const char *head, StrBuf *ret)
{
    for (const char *at = head; (at = strcasestr(at, "\nwarning: 299 - \"")); at++) {
        const char *c = strchr(at, '"') + 1;

        for (; *c && *c != '"'; c++) {
            c += *c == '\\';
            strbuf_add_char(ret, *c);
        }
        strbuf_add_char(ret, '\n');
    }
}

static void compare_warnings(Api *api, yyjson_val *step, StrBuf *report)
{
    _strbuf_ StrBuf expected = STRBUF_INIT, found = STRBUF_INIT;
    yyjson_val *warning;
    size_t i, n;

    yyjson_arr_foreach(yyjson_obj_get(step, "warnings"), i, n, warning)
        strbuf_printf(&expected, "%s\n", yyjson_get_str(warning));
    read_warnings(api->head, &found);
    if (strcmp(strbuf_string(&expected), strbuf_string(&found)) != 0)
        differ(report, "warnings", strbuf_string(&expected), strbuf_string(&found));
}

static void compare_parts(Api *api, yyjson_val *step, StrBuf *report)
{
    yyjson_val *pointer, *expected;
    size_t i, n;

    yyjson_obj_foreach(yyjson_obj_get(step, "is"), i, n, pointer, expected)
    {
        yyjson_val *found =
            api->json ? yyjson_doc_ptr_get(api->json, yyjson_get_str(pointer)) : NULL;
        _free_ char *a = yyjson_val_write(expected, 0, NULL);
        _free_ char *b = found ? yyjson_val_write(found, 0, NULL) : NULL;

        if (!(found ? yyjson_equals(expected, found) : yyjson_is_null(expected)))
            differ(report, yyjson_get_str(pointer), a, b);
    }
}

/* True: as recorded. */
static bool play(Api *api, yyjson_val *step, StrBuf *report)
{
    _strbuf_ StrBuf differences = STRBUF_INIT;
    int status = yyjson_get_int(yyjson_obj_get(step, "status"));
    const char *message = text_of(step, "message"), *found;

    send_step(api, step);
    if (api->status != status) {
        _free_ char *wanted = mem_printf("%d %s", status, message ? message : ""),
                    *got = mem_printf("%d %s", api->status, api->body);

        differ(&differences, "status", wanted, got);
    } else {
        found = message ? yyjson_get_str(yyjson_doc_ptr_get(api->json, "/message")) : NULL;
        if (message && !str_equal(message, found))
            differ(&differences, "message", message, found);
        compare_parts(api, step, &differences);
        compare_warnings(api, step, &differences);
    }
    if (differences.n) {
        _free_ char *body = yyjson_val_write(yyjson_obj_get(step, "body"), 0, NULL);

        strbuf_printf(report, "%s %s\n%s", text_of(step, "do"), body ? body : "",
                      strbuf_string(&differences));
    }
    return !differences.n;
}

static void answers_are_those_of_kube_apiserver(void **state _unused_)
{
    Api *api = mem_new_type(Api);
    _strbuf_ StrBuf report = STRBUF_INIT;
    _free_ char *text = NULL;
    yyjson_doc *golden;
    yyjson_val *step;
    size_t length, i, n, wrong = 0;

    assert_int_equal(file_read(golden_path, GOLDEN_MAX, &text, &length), 0);
    golden = yyjson_read(text, length, 0);
    assert_non_null(golden);
    api_start(api, NULL);
    api_fixture(api);
    yyjson_arr_foreach(yyjson_doc_get_root(golden), i, n, step) wrong += !play(api, step, &report);
    api_stop(api);
    free(api);
    yyjson_doc_free(golden);
    fputs(strbuf_string(&report), stderr); /* cmocka would cut it off */
    assert_int_equal(wrong, 0);
    assert_true(n > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_kube_apiserver),
    };

    golden_path = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
