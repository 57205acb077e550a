/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/strbuf.h"
#include "registry/challenge.h"

// clang-format off
static const struct { const char *header, *out; } headers[] = {
    {"Basic realm=\"x\"", "basic realm=x"},
    {"bAsIc ReAlM=x", "basic realm=x"},
    {"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"",
     "bearer realm=https://auth.docker.io/token service=registry.docker.io scope=repository:a/b:pull,push"},
    {"Bearer realm = \"a\" , service= b,error=\"invalid_token\"", "bearer realm=a service=b error=invalid_token"},
    {"Bearer realm=\"a \\\"b\\\\c\"", "bearer realm=a \"b\\c"},
    {"Basic realm=\"x\", Bearer realm=\"y\", service=\"z\"", "basic realm=x|bearer realm=y service=z"},
    {"Negotiate, Basic realm=x", "other|basic realm=x"},
    {"Negotiate YII/abc==, Basic realm=x", "other|basic realm=x"},
    {"Negotiate a=, Basic realm=x", "other|basic realm=x"},
    {"Digest realm=\"d\", qop=\"auth,auth-int\", nonce=\"1\", Basic realm=x", "other realm=d|basic realm=x"},
    {",, Basic realm=x,,", "basic realm=x"},
    {"Basic", "basic"},
    {"Basic realm=a, realm=b", "basic realm=a"},
    {"Basic realm=\"", "basic"},
    {"Basic realm=\"a", "basic"},
    {"Basic realm=\"a\\", "basic"},
    {"Basic realm=", "basic"},
    {"realm=x", ""},
    {"", ""},
    {"\"Basic\"", ""},
    {"A, B, C, D, E, F, G, H, I, Basic realm=x", "other|other|other|other|other|other|other|other"},
};
// clang-format on

static void print(StrBuf *out, const Challenge *c)
{
    static const char *const names[] = {"other", "basic", "bearer"};

    strbuf_add_string(out, names[c->scheme]);
    if (c->realm)
        strbuf_printf(out, " realm=%s", c->realm);
    if (c->service)
        strbuf_printf(out, " service=%s", c->service);
    if (c->scope)
        strbuf_printf(out, " scope=%s", c->scope);
    if (c->error)
        strbuf_printf(out, " error=%s", c->error);
}

static void challenges_are_read_as_far_as_they_are_well_formed(void **state)
{
    EACH_ROW(i, headers, headers[i].header) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        Challenge found[CHALLENGES_MAX];
        size_t n = challenges_parse(&arena, headers[i].header, found, 0);

        for (size_t c = 0; c < n; c++) {
            strbuf_add_string(&out, c ? "|" : "");
            print(&out, &found[c]);
        }
        assert_string_equal(strbuf_string(&out), headers[i].out);
    }
}

static void several_headers_are_one_list(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Challenge found[CHALLENGES_MAX];
    size_t n = challenges_parse(&arena, "Basic realm=a", found, 0);

    assert_int_equal(challenges_parse(&arena, "Bearer realm=b", found, n), 2);
    assert_int_equal(challenges_parse(&arena, "realm=c", found, 2),
                     2); /* belongs to no challenge */
    assert_string_equal(found[1].realm, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(challenges_are_read_as_far_as_they_are_well_formed),
        cmocka_unit_test(several_headers_are_one_list),
    };

    return cmocka_run_group_tests_name("challenge", tests, NULL, NULL);
}
