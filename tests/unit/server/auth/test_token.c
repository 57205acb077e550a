/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: what is signed can be read, and nothing else is taken for one. */
#include "testing.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

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

static TokenKeys *make_key(void)
{
    Err err = ERR_INIT;
    TokenKeys *key;

    assert_int_equal(token_keys_new(&(TokenKeyOptions){0}, NULL, &key, &err), 0);
    return key;
}

static void a_token_can_be_read_again(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TokenKeys *key = make_key();
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
    token_keys_free(key);
}

static const char same_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
                               "MHcCAQEEIIIWohdN6Nm/NzxS1EFPLlM1ernp/eM5/Y4f5hB6w+eYoAoGCCqGSM49\n"
                               "AwEHoUQDQgAERvWYUJiRmDNeoGr2cIFpk2CwDQOzQBgGIR1gjanuPt3/qrzxIZrO\n"
                               "EEUG9S5uNa5N8rkrFDSpYN+HC8IMy8ATYw==\n"
                               "-----END EC PRIVATE KEY-----\n";

/* openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | basenc --base64url */
static void a_key_is_named_by_the_hash_of_its_public_part(void **state)
{
    _strbuf_ StrBuf set = STRBUF_INIT;
    Err err = ERR_INIT;
    TokenKeys *key;

    assert_int_equal(token_keys_new(&(TokenKeyOptions){0}, same_key, &key, &err), 0);
    token_keys_jwks(key, &set);
    assert_non_null(strstr(set.p, "\"kid\":\"zZNEbucBV2MoTOcXt75NVdUBTqWrRayU6GkXDK0l3Z8\""));
    token_keys_free(key);
}

static void any_changed_letter_breaks_it(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TokenKeys *key = make_key();
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
    token_keys_free(key);
}

static void another_key_does_not_count(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    TokenKeys *key = make_key(), *other = make_key();
    TokenClaims is;

    assert_true(token_verify(other, &arena, token_sign(key, &arena, &claims), &is) > 0);
    token_keys_free(key);
    token_keys_free(other);
}

static char *pem_of(EVP_PKEY *key, bool is_private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *at, *text;
    long n;

    if (is_private)
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    else
        PEM_write_bio_PUBKEY(bio, key);
    n = BIO_get_mem_data(bio, &at);
    text = mem_strndup(at, (size_t)n);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return text;
}

static const struct {
    const char *name, *curve, *header, *key; /* curve NULL: RSA */
} kinds[] = {
    {"RSA", NULL, "eyJhbGciOiJSUzI1NiIs", "\"kty\":\"RSA\""}, /* {"alg":"RS256", */
    {"P-256", "P-256", "eyJhbGciOiJFUzI1NiIs", "\"crv\":\"P-256\""},
    {"P-384", "P-384", "eyJhbGciOiJFUzM4NCIs", "\"crv\":\"P-384\""},
    {"P-521", "P-521", "eyJhbGciOiJFUzUxMiIs", "\"crv\":\"P-521\""},
};

static void tokens_of_an_old_key_stay_valid_while_it_is_configured(void **state)
{
    EACH_ROW(i, kinds, kinds[i].name) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf set = STRBUF_INIT;
        EVP_PKEY *key = kinds[i].curve ? EVP_EC_gen(kinds[i].curve) : EVP_RSA_gen(2048);
        _free_ char *public_pem = (EVP_PKEY_up_ref(key), pem_of(key, false));
        _free_ char *pem = pem_of(key, true);
        TokenKeyFile file = {"sa.pub", public_pem};
        TokenKeys *old, *new, *both;
        TokenClaims is;
        Err err = ERR_INIT;
        char *token;

        assert_int_equal(token_keys_new(&(TokenKeyOptions){0}, pem, &old, &err), 0);
        assert_int_equal(token_keys_new(&(TokenKeyOptions){0}, NULL, &new, &err), 0);
        assert_int_equal(
            token_keys_new(&(TokenKeyOptions){.files = &file, .n_files = 1}, NULL, &both, &err), 0);
        token = token_sign(old, &arena, &claims);
        assert_memory_equal(token, kinds[i].header, strlen(kinds[i].header));
        assert_int_equal(token_verify(old, &arena, token, &is), 0);
        assert_int_equal(token_verify(new, &arena, token, &is), TOKEN_E_UNSIGNED);
        assert_int_equal(token_verify(both, &arena, token, &is), 0);
        token_keys_jwks(both, &set);
        assert_non_null(strstr(set.p, kinds[i].key));
        assert_non_null(strstr(set.p, "},{\"use\""));
        token_keys_free(old);
        token_keys_free(new);
        token_keys_free(both);
    }
}

static void only_tokens_of_these_issuers_are_accepted(void **state)
{
    static const char *const names[] = {"https://new", "https://old"};
    TokenKeyOptions options = {.issuers = {(const char **)(uintptr_t)names, 2}};
    _arena_ Arena arena = ARENA_INIT;
    TokenKeys *both, *old, *usual;
    Err err = ERR_INIT;
    TokenClaims is;

    assert_int_equal(token_keys_new(&options, same_key, &both, &err), 0);
    options.issuers = (StringArray){(const char **)(uintptr_t)names + 1, 1};
    assert_int_equal(token_keys_new(&options, same_key, &old, &err), 0);
    assert_int_equal(token_keys_new(&(TokenKeyOptions){0}, same_key, &usual, &err), 0);
    assert_int_equal(token_verify(both, &arena, token_sign(old, &arena, &claims), &is), 0);
    assert_int_equal(token_verify(old, &arena, token_sign(both, &arena, &claims), &is),
                     TOKEN_E_OTHER);
    assert_int_equal(token_verify(both, &arena, token_sign(usual, &arena, &claims), &is),
                     TOKEN_E_OTHER);
    token_keys_free(both);
    token_keys_free(old);
    token_keys_free(usual);
}

static void files_without_a_usable_key_are_refused(void **state)
{
    static const char *const texts[] = {
        "", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"};

    EACH_ROW(i, texts, texts[i]) {
        TokenKeyFile file = {"sa.pub", texts[i]};
        TokenKeys *keys;
        Err err = ERR_INIT;

        assert_true(token_keys_new(&(TokenKeyOptions){.files = &file, .n_files = 1}, NULL, &keys,
                                   &err) < 0);
        assert_string_equal(err.message, "sa.pub contains no key in PEM form");
    }
}

static void nonsense_is_no_token(void **state)
{
    static const char *const texts[] = {
        "",        ".",
        "..",      "...",
        "a.b",     "a.b.c",
        "a.b.c.d", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMuZGVmYXVsdC5zdmMifQ."};
    _arena_ Arena arena = ARENA_INIT;
    TokenKeys *key = make_key();
    TokenClaims is;

    EACH_ROW(i, texts, texts[i])
        assert_true(token_verify(key, &arena, texts[i], &is) > 0);
    token_keys_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_can_be_read_again),
        cmocka_unit_test(a_key_is_named_by_the_hash_of_its_public_part),
        cmocka_unit_test(any_changed_letter_breaks_it),
        cmocka_unit_test(another_key_does_not_count),
        cmocka_unit_test(tokens_of_an_old_key_stay_valid_while_it_is_configured),
        cmocka_unit_test(only_tokens_of_these_issuers_are_accepted),
        cmocka_unit_test(files_without_a_usable_key_are_refused),
        cmocka_unit_test(nonsense_is_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
