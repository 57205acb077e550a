/* SPDX-License-Identifier: Apache-2.0 */
/* Who a request is from: bootstrap tokens, and the key set for those who verify tokens. */
#include "testing.h"

#include "api_harness.h"

#define SECRETS "/api/v1/namespaces/kube-system/secrets"
#define REVIEWS "/apis/authentication.k8s.io/v1/selfsubjectreviews"
#define TOKEN "abcdef.0123456789abcdef"
#define BEARER(token) "authorization: Bearer " token "\r\n"
#define SECRET(more)                                                                             \
    "{\"metadata\":{\"name\":\"bootstrap-token-abcdef\"},\"type\":\"bootstrap.kubernetes.io/"    \
    "token\",\"stringData\":{\"token-id\":\"abcdef\",\"token-secret\":\"0123456789abcdef\"" more \
    "}}"
#define MAY ",\"usage-bootstrap-authentication\":\"true\""

static int setup(void **state)
{
    Api *api = mem_new_type(Api);

    api_start(api, NULL);
    *state = api;
    return 0;
}

static int teardown(void **state)
{
    api_stop(*state);
    free(*state);
    return 0;
}

/* Asks who the bearer of the token is, on this connection. */
static int who(Api *api, HttpLoopback *connection, const char *headers)
{
    api_call_on(api, connection, "POST", REVIEWS, headers, "{}", 2);
    return api->status;
}

static const struct {
    const char *name, *secret, *header;
    int status;
    const char *user; /* what the review says of it */
} cases[] = {
    {"a token is a user of its own", SECRET(MAY), BEARER(TOKEN), 201,
     "{\"username\":\"system:bootstrap:abcdef\",\"groups\":[\"system:bootstrappers\",\"system:"
     "authenticated\"]}"},
    {"it may have more groups", SECRET(MAY ",\"auth-extra-groups\":\"system:bootstrappers:x\""),
     BEARER(TOKEN), 201,
     "{\"username\":\"system:bootstrap:abcdef\",\"groups\":[\"system:bootstrappers\",\"system:"
     "bootstrappers:x\",\"system:authenticated\"]}"},
    {"but no other ones", SECRET(MAY ",\"auth-extra-groups\":\"system:masters\""), BEARER(TOKEN),
     401, NULL},
    {"a wrong secret is refused", SECRET(MAY), BEARER("abcdef.0123456789abcdeg"), 401, NULL},
    {"a token must be meant for this", SECRET(""), BEARER(TOKEN), 401, NULL},
    {"it may have expired", SECRET(MAY ",\"expiration\":\"2026-11-21T07:59:59Z\""), BEARER(TOKEN),
     401, NULL},
    {"or still be valid", SECRET(MAY ",\"expiration\":\"2026-11-21T08:00:01Z\""), BEARER(TOKEN),
     201, NULL},
};

static void bootstrap_tokens_are_secrets(void **state)
{
    EACH_ROW(i, cases, cases[i].name) {
        Api *api;
        HttpLoopback *connection;
        char *user;

        setup((void **)&api);
        connection = api_connect(api, NULL);
        assert_int_equal(who(api, connection, BEARER(TOKEN)), 401);
        api_call(api, "POST", SECRETS, NULL, cases[i].secret);
        assert_int_equal(api->status, 201);
        assert_int_equal(who(api, connection, cases[i].header), cases[i].status);
        user = api_json(api, "/status/userInfo");
        if (cases[i].user)
            assert_string_equal(user, cases[i].user);
        free(user);
        http_loopback_free(connection);
        teardown((void **)&api);
    }
}

static void a_token_ends_with_its_secret(void **state)
{
    Api *api = *state;
    HttpLoopback *connection = api_connect(api, NULL);

    api_call(api, "POST", SECRETS, NULL, SECRET(MAY));
    assert_int_equal(who(api, connection, BEARER(TOKEN)), 201);
    api_call(api, "DELETE", SECRETS "/bootstrap-token-abcdef", NULL, NULL);
    assert_int_equal(who(api, connection, BEARER(TOKEN)), 401);
    http_loopback_free(connection);
}

static void a_token_ends_at_its_time(void **state)
{
    Api *api = *state;
    HttpLoopback *connection = api_connect(api, NULL);

    api_call(api, "POST", SECRETS, NULL, SECRET(MAY ",\"expiration\":\"2026-11-21T08:01:00Z\""));
    assert_int_equal(who(api, connection, BEARER(TOKEN)), 201);
    clock_fake_advance(api->clock, 61 * NS_PER_SEC);
    assert_int_equal(who(api, connection, BEARER(TOKEN)), 401);
    http_loopback_free(connection);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bootstrap_tokens_are_secrets),
        TEST(a_token_ends_with_its_secret),
        TEST(a_token_ends_at_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
