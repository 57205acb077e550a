/* SPDX-License-Identifier: Apache-2.0 */
/* Who is shown which credential, and what is remembered of it. */
#include "testing.h"

#include <uv.h>

#include "conversation.h"

#define ANN "Basic YW5uOnNlY3JldDE="
#define BOB "Basic Ym9iOnNlY3JldDI="
#define KEYS_ANN \
    "{\"auths\":{\"localhost:@PORT@\":{\"username\":\"ann\",\"password\":\"secret1\"}}}"
#define KEYS_ANN_OLD \
    "{\"auths\":{\"localhost:@PORT@\":{\"username\":\"ann\",\"password\":\"old\"}}}"
#define KEYS_BOB \
    "{\"auths\":{\"localhost:@PORT@\":{\"username\":\"bob\",\"password\":\"secret2\"}}}"
#define KEYS_BOTH                                                                           \
    "{\"auths\":{\"localhost:@PORT@/app\":{\"username\":\"ann\",\"password\":\"secret1\"}," \
    "\"localhost:@PORT@\":{\"username\":\"bob\",\"password\":\"secret2\"}}}"
#define KEYS_IDENTITY "{\"auths\":{\"localhost:@PORT@\":{\"identitytoken\":\"id/1\"}}}"
#define KEYS_TOKEN "{\"auths\":{\"localhost:@PORT@\":{\"registrytoken\":\"reg1\"}}}"
#define KEYS_OTHER "{\"auths\":{\"quay.io\":{\"username\":\"ann\",\"password\":\"secret1\"}}}"

#define GET_TAG "GET /v2/app/manifests/1 "
#define BEARER \
    "Bearer realm=\"http://localhost:@PORT@/token\",service=\"reg\",scope=\"repository:app:pull\""
#define GET_TOKEN "GET /token?service=reg&scope=repository%3Aapp%3Apull "
#define GET_TOKEN_ANN "GET /token?service=reg&account=ann&scope=repository%3Aapp%3Apull "
#define GET_TOKEN_BOB "GET /token?service=reg&account=bob&scope=repository%3Aapp%3Apull "
#define JSON(text) "HTTP/1.1 200 OK\r\nContent-Length: @LENGTH@\r\n\r\n" text
#define TOKEN(text) JSON("{\"token\":\"" text "\",\"expires_in\":300}")

typedef struct Case {
    const char *sentence;
    const char *keys;
    int outcome;
    const char *message;
    FakeReply replies[6];
} Case;

// clang-format off
static const Case cases[] = {
    {"a credential is sent only when it is asked for", KEYS_ANN, 0, NULL, {{GET_TAG, NULL, MANIFEST_OK}}},
    {"a credential is sent for Basic", KEYS_ANN, 0, NULL,
     {{GET_TAG, "Authorization: " ANN "\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED("Basic realm=\"x\"")}}},
    {"the credential of another host is not sent", KEYS_OTHER, REGISTRY_E_AUTH, "authentication required",
     {{GET_TAG, NULL, UNAUTHORIZED("Basic realm=\"x\"")}}},
    {"several credentials are tried in order", KEYS_BOTH, 0, NULL,
     {{GET_TAG, BOB, MANIFEST_OK}, {GET_TAG, ANN, UNAUTHORIZED("Basic realm=x")}, {GET_TAG, NULL, UNAUTHORIZED("Basic realm=x")}}},
    {"a credential that is denied access is not the last one", KEYS_BOTH, 0, NULL,
     {{GET_TAG, BOB, MANIFEST_OK}, {GET_TAG, ANN, EMPTY("403 Forbidden")}, {GET_TAG, NULL, UNAUTHORIZED("Basic realm=x")}}},
    {"a credential that sees no such image is not the last one", KEYS_BOTH, 0, NULL,
     {{GET_TAG, BOB, MANIFEST_OK}, {GET_TAG, ANN, EMPTY("404 Not Found")}, {GET_TAG, NULL, UNAUTHORIZED("Basic realm=x")}}},
    {"no credential is accepted", KEYS_BOTH, REGISTRY_E_AUTH, "authentication required",
     {{GET_TAG, NULL, UNAUTHORIZED("Basic realm=x"), .times = 3}}},
    {"a token is fetched anonymously", NULL, 0, NULL,
     {{GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED(BEARER)}, {GET_TOKEN, NULL, TOKEN("t1")}}},
    {"a token is fetched with the credential", KEYS_ANN, 0, NULL,
     {{GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED(BEARER)}, {GET_TOKEN_ANN, ANN, TOKEN("t1")}}},
    {"a token may be called access_token", NULL, 0, NULL,
     {{GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED(BEARER)},
      {GET_TOKEN, NULL, JSON("{\"access_token\":\"t1\"}")}}},
    {"a token is preferred to Basic", KEYS_ANN, 0, NULL,
     {{GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED("Basic realm=x, " BEARER)},
      {GET_TOKEN_ANN, ANN, TOKEN("t1")}}},
    {"a token server that refuses one credential is asked with the next", KEYS_BOTH, 0, NULL,
     {{GET_TAG, "Authorization: Bearer t2\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED(BEARER)},
      {GET_TOKEN_ANN, ANN, EMPTY("401 Unauthorized")}, {GET_TOKEN_BOB, BOB, TOKEN("t2")}}},
    {"a token server's reason is given", KEYS_ANN, REGISTRY_E_AUTH, "the token server refuses: wrong password: HTTP status 401",
     {{GET_TAG, NULL, UNAUTHORIZED(BEARER)},
      {GET_TOKEN_ANN, NULL, "HTTP/1.1 401 No\r\nContent-Length: @LENGTH@\r\n\r\n{\"details\":\"wrong password\"}"}}},
    {"a token that is not accepted", NULL, REGISTRY_E_AUTH, "authentication required",
     {{GET_TAG, NULL, UNAUTHORIZED(BEARER), .times = 2}, {GET_TOKEN, NULL, TOKEN("t1")}}},
    {"an identity token is posted", KEYS_IDENTITY, 0, NULL,
     {{GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED(BEARER)},
      {"POST /token ", "\r\n\r\ngrant_type=refresh_token&service=reg&client_id=stead&refresh_token=id%2F1&scope=repository%3Aapp%3Apull", TOKEN("t1")}}},
    {"a token of the registry is sent as it is", KEYS_TOKEN, 0, NULL,
     {{GET_TAG, "Authorization: Bearer reg1\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED(BEARER)}}},
    {"a token cannot add a header", NULL, REGISTRY_E_BAD_DATA, "did not answer with a token",
     {{GET_TAG, NULL, UNAUTHORIZED(BEARER)}, {GET_TOKEN, NULL, TOKEN("t1\\r\\nX: y")}}},
    {"an answer without a token", NULL, REGISTRY_E_BAD_DATA, "did not answer with a token",
     {{GET_TAG, NULL, UNAUTHORIZED(BEARER)}, {GET_TOKEN, NULL, JSON("{}")}}},
    {"a token server that sends without end", NULL, REGISTRY_E_BAD_DATA, "larger than allowed",
     {{GET_TAG, NULL, UNAUTHORIZED(BEARER)}, {GET_TOKEN, NULL, "HTTP/1.1 200 OK\r\n\r\n", FAKE_ZEROS}}},
    {"a token server that fails is asked again", NULL, 0, NULL,
     {{GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK}, {GET_TAG, NULL, UNAUTHORIZED(BEARER), .times = 2},
      {GET_TOKEN, NULL, EMPTY("503 Busy")}, {GET_TOKEN, NULL, TOKEN("t1")}}},
    {"a token server is reached by http or https", NULL, REGISTRY_E_REFUSED, "not https",
     {{GET_TAG, NULL, UNAUTHORIZED("Bearer realm=\"file:///etc/passwd\"")}}},
    {"a challenge without a place", NULL, REGISTRY_E_REFUSED, "not https", {{GET_TAG, NULL, UNAUTHORIZED("Bearer service=x")}}},
};
// clang-format on

static int get_manifest(Conversation *c)
{
    Descriptor found;
    Bytes bytes;

    return registry_manifest(c->registry, NULL, &c->arena, &found, &bytes, &c->err);
}

static void credentials_are_shown_to_whom_they_are_for(void **state)
{
    EACH_ROW(i, cases, cases[i].sentence) {
        Conversation c;

        conversation_begin(&c, cases[i].replies, ARRAY_LEN(cases[i].replies), cases[i].keys);
        if (get_manifest(&c) != cases[i].outcome)
            fail_msg("%s: %s", cases[i].sentence, c.err.message);
        if (cases[i].outcome && !strstr(c.err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].sentence, c.err.message);
        assert_null(strstr(c.err.message, "secret"));
        conversation_end(&c);
    }
}

static void the_next_conversation_needs_one_request(void **state)
{
    static const struct {
        const char *sentence, *keys;
        FakeReply replies[3];
        size_t first;
    } rows[] = {
        {"with a token",
         KEYS_ANN,
         {{GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK, .times = 2},
          {GET_TAG, NULL, UNAUTHORIZED(BEARER)},
          {GET_TOKEN_ANN, ANN, TOKEN("t1")}},
         3},
        {"with Basic",
         KEYS_ANN,
         {{GET_TAG, ANN, MANIFEST_OK, .times = 2}, {GET_TAG, NULL, UNAUTHORIZED("Basic realm=x")}},
         2},
    };

    EACH_ROW(i, rows, rows[i].sentence) {
        Conversation c;

        conversation_begin(&c, rows[i].replies, ARRAY_LEN(rows[i].replies), rows[i].keys);
        assert_int_equal(get_manifest(&c), 0);
        assert_int_equal(fake_requests(c.fake), rows[i].first);
        conversation_again(&c);
        assert_int_equal(get_manifest(&c), 0);
        assert_int_equal(fake_requests(c.fake), rows[i].first + 1);
        conversation_end(&c);
    }
}

static void a_token_is_given_only_to_who_has_the_credential(void **state)
{
    static const struct {
        const char *sentence, *keys, *get_token;
    } rows[] = {
        {"none", "{}", GET_TOKEN},
        {"another password", KEYS_ANN_OLD, GET_TOKEN_ANN},
        {"another user", KEYS_BOB, GET_TOKEN_BOB},
    };

    EACH_ROW(i, rows, rows[i].sentence) {
        const FakeReply replies[] = {
            {GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK, .times = -1},
            {GET_TAG, NULL, UNAUTHORIZED(BEARER), .times = 2},
            {GET_TOKEN_ANN, ANN, TOKEN("t1")},
            {rows[i].get_token, NULL, EMPTY("403 Forbidden")},
        };
        Conversation c;
        Bytes keys;

        conversation_begin(&c, replies, ARRAY_LEN(replies), KEYS_ANN);
        assert_int_equal(get_manifest(&c), 0);
        keyring_free(c.keyring);
        c.keyring = keyring_new();
        keys = bytes_from_string(with_port(&c.arena, fake_port(c.fake), rows[i].keys));
        assert_int_equal(keyring_add_dockerconfigjson(c.keyring, keys, NULL), 0);
        conversation_again(&c);
        assert_int_equal(get_manifest(&c), REGISTRY_E_AUTH);
        conversation_end(&c);
    }
}

static void a_token_that_has_become_invalid_is_replaced(void **state)
{
    const FakeReply replies[] = {
        {GET_TAG, "Authorization: Bearer t1\r\n", MANIFEST_OK},
        {GET_TAG, "Authorization: Bearer t2\r\n", MANIFEST_OK},
        {GET_TAG, NULL, UNAUTHORIZED(BEARER), .times = 2},
        {GET_TOKEN, NULL, TOKEN("t1")},
        {GET_TOKEN, NULL, TOKEN("t2")},
    };
    Conversation c;

    conversation_begin(&c, replies, ARRAY_LEN(replies), NULL);
    assert_int_equal(get_manifest(&c), 0);
    conversation_again(&c);
    assert_int_equal(get_manifest(&c), 0);
    conversation_end(&c);
}

/* The host that a registry redirects to, on another port, is another one. */
static void what_a_registry_redirects_to_sees_no_credential(void **state)
{
    const FakeReply elsewhere[] = {{"GET /blob ", NULL, BLOB_OK}};
    const FakeReply challenge[] = {
        {"GET /blob ", NULL, UNAUTHORIZED("Bearer realm=\"http://localhost:@PORT@/token\"")}};
    const struct {
        const char *sentence;
        const FakeReply *replies;
        int outcome;
    } rows[] = {
        {"it has the blob", elsewhere, 0},
        {"it asks for the credential", challenge, REGISTRY_E_AUTH},
    };

    EACH_ROW(i, rows, rows[i].sentence) {
        _arena_ Arena arena = ARENA_INIT;
        FakeRegistry *other = fake_start(rows[i].replies, 1);
        const FakeReply replies[] = {
            {"GET " BLOB_PATH " ", ANN,
             with_port(&arena, fake_port(other), REDIRECT("http://localhost:@PORT@/blob"))},
            {"GET " BLOB_PATH " ", NULL, UNAUTHORIZED("Basic realm=x")},
        };
        Conversation c;

        conversation_begin(&c, replies, ARRAY_LEN(replies), KEYS_BOTH);
        assert_int_equal(read_blob(&c, 20, NULL), rows[i].outcome);
        assert_int_equal(fake_requests(other), 1);
        assert_false(fake_has_seen(other, "Authorization"));
        conversation_end(&c);
        assert_int_equal(fake_stop(other), 0);
    }
}

static void read_in_thread(void *data)
{
    Conversation own = {.registry = ((Conversation *)data)->registry}; /* a message of its own */

    assert_int_equal(read_blob(&own, 20, NULL), 0);
}

static void threads_that_are_refused_together_share_one_token(void **state)
{
    const FakeReply replies[] = {
        {"GET " BLOB_PATH " ", "Authorization: Bearer t1\r\n", BLOB_OK, .times = -1},
        {"GET " BLOB_PATH " ", NULL, UNAUTHORIZED(BEARER), .times = -1},
        {GET_TOKEN, NULL, TOKEN("t1")},
    };
    uv_thread_t threads[6];
    Conversation c;

    conversation_begin(&c, replies, ARRAY_LEN(replies), NULL);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(uv_thread_create(&threads[i], read_in_thread, &c), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        uv_thread_join(&threads[i]);
    conversation_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_shown_to_whom_they_are_for),
        cmocka_unit_test(the_next_conversation_needs_one_request),
        cmocka_unit_test(a_token_is_given_only_to_who_has_the_credential),
        cmocka_unit_test(a_token_that_has_become_invalid_is_replaced),
        cmocka_unit_test(what_a_registry_redirects_to_sees_no_credential),
        cmocka_unit_test(threads_that_are_refused_together_share_one_token),
    };

    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
