/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: what is signed can be read, and nothing else is taken for one. Accept headers, since they
 * too are cut by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/auth/token.h"
#include "server/request/call.h"

static const TokenClaims claims = {.ns = "t",
                                   .service_account = "default",
                                   .service_account_uid = "u-1",
                                   .pod = "web-0",
                                   .pod_uid = "u-2",
                                   .audience = TOKEN_ISSUER,
                                   .id = "j",
                                   .issued = 100,
                                   .expires = 200};

static TokenKey *make_key(void)
{
    Err err = ERR_INIT;
    TokenKey *key;

    assert_int_equal(token_key_new(NULL, &key, &err), 0);
    return key;
}

static void a_token_can_be_read_again(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TokenKey *key = make_key();
    char *token = token_sign(key, &arena, &claims);
    TokenClaims is;

    assert_int_equal(token_verify(key, &arena, token, &is), 0);
    assert_string_equal(is.ns, "t");
    assert_string_equal(is.service_account, "default");
    assert_string_equal(is.service_account_uid, "u-1");
    assert_string_equal(is.pod, "web-0");
    assert_string_equal(is.pod_uid, "u-2");
    assert_string_equal(is.audience, TOKEN_ISSUER);
    assert_int_equal(is.expires, 200);
    token_key_free(key);
}

static void any_changed_letter_breaks_it(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TokenKey *key = make_key();
    char *token = token_sign(key, &arena, &claims);
    size_t n = strlen(token);
    TokenClaims is;

    /* The last letter holds bits that mean nothing. */
    for (size_t i = 0; i + 1 < n; i++) {
        char before = token[i];

        token[i] = before == 'A' ? 'B' : 'A';
        assert_true(token_verify(key, &arena, token, &is) > 0);
        token[i] = before;
    }
    assert_int_equal(token_verify(key, &arena, token, &is), 0);
    token_key_free(key);
}

static void another_key_does_not_count(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TokenKey *key = make_key(), *other = make_key();
    TokenClaims is;

    assert_true(token_verify(other, &arena, token_sign(key, &arena, &claims), &is) > 0);
    token_key_free(key);
    token_key_free(other);
}

static void nonsense_is_no_token(void **state)
{
    static const char *const texts[] = {
        "",        ".",
        "..",      "...",
        "a.b",     "a.b.c",
        "a.b.c.d", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMuZGVmYXVsdC5zdmMifQ."};
    _arena_ Arena arena = ARENA_INIT;
    TokenKey *key = make_key();
    TokenClaims is;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_true(token_verify(key, &arena, texts[i], &is) > 0);
    token_key_free(key);
}

/* ---- Accept ---- */

static void accept_headers_choose_the_form(void **state)
{
    enum { ALL = ACCEPT_TABLE | ACCEPT_PARTIAL };
    static const struct {
        const char *header;
        unsigned forms;
        bool served;
        AcceptAs as;
        AcceptType type;
    } cases[] = {
        {NULL, ALL, true, AS_OBJECT, TYPE_JSON},
        {"*/*", ALL, true, AS_OBJECT, TYPE_JSON},
        {"application/json, */*", ALL, true, AS_OBJECT, TYPE_JSON},
        {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", ALL, true, AS_TABLE,
         TYPE_JSON},
        {"application/json;as=Table;g=meta.k8s.io;v=v9,application/json", ALL, true, AS_OBJECT,
         TYPE_JSON},
        {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", ALL, true,
         AS_PARTIAL_LIST, TYPE_JSON},
        {"application/vnd.kubernetes.protobuf,application/json", ALL, true, AS_OBJECT, TYPE_JSON},
        {"application/vnd.kubernetes.protobuf", ALL, true, AS_OBJECT, TYPE_PROTOBUF},
        {"application/vnd.kubernetes.protobuf", ACCEPT_STREAM, false, AS_OBJECT, TYPE_JSON},
        {"application/yaml", ALL, true, AS_OBJECT, TYPE_YAML},
        {"application/json;as=Table;v=v1;g=meta.k8s.io", 0, false, AS_OBJECT, TYPE_JSON},
        {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", ACCEPT_TABLE, false,
         AS_OBJECT, TYPE_JSON},
        {"text/html", ALL, false, AS_OBJECT, TYPE_JSON},
        {"text/html;q=0.9,*/*;q=0.1", ALL, true, AS_OBJECT, TYPE_JSON},
        {",;=,;;", ALL, false, AS_OBJECT, TYPE_JSON},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        Accept accept;

        assert_int_equal(accept_parse(cases[i].header, &arena, cases[i].forms, &accept),
                         cases[i].served);
        if (!cases[i].served)
            continue;
        assert_int_equal(accept.as, cases[i].as);
        assert_int_equal(accept.type, cases[i].type);
    }
}

/* ---- tables ---- */

static void every_subresource_is_of_a_kind_and_can_be_asked_for(void **state)
{
    for (const Subresource *sub = subresources; sub->name; sub++) {
        bool used = false;

        for (size_t i = 0; i < kind_count(); i++)
            used |= subresource_of(sub, kind_at(i));
        assert_true(used);
        assert_non_null(sub->verbs);
        assert_true(sub->get || sub->create || sub->update || sub->patch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_can_be_read_again),
        cmocka_unit_test(any_changed_letter_breaks_it),
        cmocka_unit_test(another_key_does_not_count),
        cmocka_unit_test(nonsense_is_no_token),
        cmocka_unit_test(accept_headers_choose_the_form),
        cmocka_unit_test(every_subresource_is_of_a_kind_and_can_be_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
