/* SPDX-License-Identifier: Apache-2.0 */
/* Bootstrap tokens: how they are read, and what is signed with them. */
#include "testing.h"

#include "api/bootstrap_token.h"
#include "api/object.h"
#include "base/time/clock.h"
#include "control/bootstrap/signer.h"

#define NOW (INT64_C(1795248000) * NS_PER_SEC) /* 2026-11-21T08:00:00Z */

static void tokens_have_six_and_sixteen_letters(void **state)
{
    static const char *const bad[] = {"",
                                      "abcdef",
                                      "abcdef.",
                                      "abcdef.0123456789abcde",
                                      "abcdef.0123456789abcdefg",
                                      "abcdeF.0123456789abcdef",
                                      "abcdef-0123456789abcdef",
                                      "abcdef.0123456789abcde.",
                                      "abcdef.0123456789abcd\xc3\xa4"};
    char id[BOOTSTRAP_ID + 1];
    const char *secret;

    assert_true(bootstrap_parse("abc123.0123456789abcdef", id, &secret));
    assert_string_equal(id, "abc123");
    assert_string_equal(secret, "0123456789abcdef");
    EACH_ROW(i, bad, bad[i])
        assert_false(bootstrap_parse(bad[i], id, &secret));
}

static void put(Arena *arena, Secret *secret, const char *key, const char *value)
{
    ARENA_APPEND(arena, &secret->data, (BytesEntry){key, bytes_from_string(value)});
}

static void groups_have_a_prefix(void **state)
{
    static const struct {
        const char *text;
        size_t n; /* 0: refused */
    } cases[] = {
        {"", 1},
        {"system:bootstrappers:a", 2},
        {"system:bootstrappers:a,system:bootstrappers:b-c:d", 3},
        {"system:bootstrappers:a,system:bootstrappers:a", 2},
        {"system:masters", 0},
        {"system:bootstrappers:", 0},
        {"system:bootstrappers:a-", 0},
        {"system:bootstrappers:A", 0},
        {"system:bootstrappers:a,", 0},
    };

    EACH_ROW(i, cases, cases[i].text) {
        _arena_ Arena arena = ARENA_INIT;
        Secret secret = {0};
        StringArray groups;

        put(&arena, &secret, "auth-extra-groups", cases[i].text);
        assert_int_equal(bootstrap_groups(&arena, &secret, &groups), cases[i].n > 0);
        if (cases[i].n)
            assert_int_equal(groups.n, cases[i].n);
    }
}

static void tokens_expire(void **state)
{
    static const struct {
        const char *expiry;
        int64_t left_s; /* -1: for ever */
    } cases[] = {
        {NULL, -1},
        {"2026-11-21T08:00:05Z", 5},
        {"2026-11-21T08:00:00Z", 0},
        {"2020-01-01T00:00:00Z", 0},
        {"tomorrow", 0},
    };

    EACH_ROW(i, cases, cases[i].expiry) {
        _arena_ Arena arena = ARENA_INIT;
        Secret secret = {0};

        if (cases[i].expiry)
            put(&arena, &secret, "expiration", cases[i].expiry);
        assert_true(bootstrap_left_ns(&secret, NOW) ==
                    (cases[i].left_s < 0 ? INT64_MAX : cases[i].left_s * NS_PER_SEC));
    }
}

/* The values of Kubernetes' own test of such signatures. */
static void signatures_are_those_of_kubernetes(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_string_equal(
        bootstrap_sign(&arena, "Hello from the other side. I must have called a thousand times.",
                       "joshua", "my voice is my passcode"),
        "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9.."
        "VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8");
}

static Secret token(Arena *arena, const char *id, const char *signing)
{
    Secret secret = {.type = BOOTSTRAP_TYPE};

    secret.metadata.name = arena_printf(arena, BOOTSTRAP_PREFIX "%s", id);
    secret.metadata.namespace = BOOTSTRAP_NAMESPACE;
    put(arena, &secret, "token-id", id);
    put(arena, &secret, "token-secret", "0123456789abcdef");
    put(arena, &secret, "usage-bootstrap-signing", signing);
    return secret;
}

static void only_tokens_that_may_sign(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    Secret good = token(&arena, "abcdef", "true"), other = token(&arena, "ghijkl", "no");
    const Secret *secrets[] = {&good, &other};
    ConfigMap map = {0};
    StringMap data;

    assert_false(bootstrap_signatures(&arena, &map, secrets, 2, NOW, &data));
    string_map_put(&arena, &map.data, "kubeconfig", "x");
    string_map_put(&arena, &map.data, "jws-kubeconfig-oldone", "y");
    assert_true(bootstrap_signatures(&arena, &map, secrets, 2, NOW, &data));
    assert_int_equal(data.n, 2);
    assert_non_null(string_map_get(&data, "jws-kubeconfig-abcdef"));
    map.data = data;
    assert_false(bootstrap_signatures(&arena, &map, secrets, 2, NOW, &data));
    good.metadata.name = "bootstrap-token-another";
    assert_true(bootstrap_signatures(&arena, &map, secrets, 2, NOW, &data));
    assert_int_equal(data.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_have_six_and_sixteen_letters),
        cmocka_unit_test(groups_have_a_prefix),
        cmocka_unit_test(tokens_expire),
        cmocka_unit_test(signatures_are_those_of_kubernetes),
        cmocka_unit_test(only_tokens_that_may_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
