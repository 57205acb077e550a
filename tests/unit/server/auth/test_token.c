/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: what is signed can be read, and nothing else is taken for one. */
#include "testing.h"

#include "server/auth/token.h"
#include "server/request/call.h"

static const TokenClaims claims = {.ns = "t",
                                   .service_account = "default",
                                   .service_account_uid = "u-1",
                                   .pod = "web-0",
                                   .pod_uid = "u-2",
                                   .audiences = {(const char *[]){"a", TOKEN_ISSUER}, 2},
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
    assert_int_equal(is.audiences.n, 2);
    assert_string_equal(is.audiences.v[1], TOKEN_ISSUER);
    assert_int_equal(is.expires, 200);
    token_key_free(key);
}

/* openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | basenc --base64url */
static void a_key_is_named_by_the_hash_of_its_public_part(void **state)
{
    static const char pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
                              "MHcCAQEEIIIWohdN6Nm/NzxS1EFPLlM1ernp/eM5/Y4f5hB6w+eYoAoGCCqGSM49\n"
                              "AwEHoUQDQgAERvWYUJiRmDNeoGr2cIFpk2CwDQOzQBgGIR1gjanuPt3/qrzxIZrO\n"
                              "EEUG9S5uNa5N8rkrFDSpYN+HC8IMy8ATYw==\n"
                              "-----END EC PRIVATE KEY-----\n";
    _strbuf_ StrBuf set = STRBUF_INIT;
    Err err = ERR_INIT;
    TokenKey *key;

    assert_int_equal(token_key_new(pem, &key, &err), 0);
    token_key_jwks(key, &set);
    assert_non_null(strstr(set.p, "\"kid\":\"zZNEbucBV2MoTOcXt75NVdUBTqWrRayU6GkXDK0l3Z8\""));
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

    EACH_ROW(i, texts, texts[i])
        assert_true(token_verify(key, &arena, texts[i], &is) > 0);
    token_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_can_be_read_again),
        cmocka_unit_test(a_key_is_named_by_the_hash_of_its_public_part),
        cmocka_unit_test(any_changed_letter_breaks_it),
        cmocka_unit_test(another_key_does_not_count),
        cmocka_unit_test(nonsense_is_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
