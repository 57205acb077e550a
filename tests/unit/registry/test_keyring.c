/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <signal.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "registry/keyring.h"

/* The entries of a document and the users that an image finds, in order. */
typedef struct Match {
    const char *auths;
    const char *image;
    const char *users;
} Match;

#define ENTRY(place, user) "\"" place "\":{\"username\":\"" user "\",\"password\":\"p\"}"

/* The rows are those of kubelet's keyring_test.go in short. */
// clang-format off
static const Match matches[] = {
    {ENTRY("quay.io", "a"), "quay.io/team/app", "a"},
    {ENTRY("https://quay.io", "a"), "quay.io/team/app", "a"},
    {ENTRY("http://quay.io/", "a"), "quay.io/team/app", "a"},
    {ENTRY("https://quay.io/v1/", "a"), "quay.io/team/app", "a"},
    {ENTRY("https://quay.io/v2/", "a"), "quay.io/team/app", "a"},
    {ENTRY("quay.io/v1/team", "a"), "quay.io/team/app", "a"},
    {ENTRY("quay.io/team", "a"), "quay.io/team/app", "a"},
    {ENTRY("quay.io/other", "a"), "quay.io/team/app", ""},
    {ENTRY("quay.io", "a") "," ENTRY("quay.io/team", "b") "," ENTRY("quay.io/team/app", "c"), "quay.io/team/app", "c b a"},
    {ENTRY("quay.io", "a"), "notquay.io/app", ""},
    {ENTRY("quay.io", "a"), "sub.quay.io/app", ""},
    {ENTRY("quay.io", "a"), "quay.io.evil.example/app", ""},
    {ENTRY("*.example.com", "a"), "reg.example.com/app", "a"},
    {ENTRY("*.example.com", "a"), "a.b.example.com/app", ""},
    {ENTRY("*.*.example.com", "a"), "a.b.example.com/app", "a"},
    {ENTRY("r*g.example.com", "a"), "reg.example.com/app", "a"},
    {ENTRY("*", "a"), "localhost/app", "a"},
    {ENTRY("*.com", "a"), "example.com/app", "a"},
    {ENTRY("localhost:5000", "a"), "localhost:5000/app", "a"},
    {ENTRY("localhost:5000", "a"), "localhost:5001/app", ""},
    {ENTRY("localhost", "a"), "localhost:5000/app", ""},
    {ENTRY("*:5000", "a"), "localhost:5000/app", "a"},
    {ENTRY("[::1]:5000", "a"), "[::1]:5000/app", "a"},
    {ENTRY("[::1]", "a"), "[::1]:5000/app", ""},
    {ENTRY("https://index.docker.io/v1/", "a"), "docker.io/library/busybox", "a"},
    {ENTRY("index.docker.io", "a"), "docker.io/library/busybox", "a"},
    {ENTRY("docker.io", "b") "," ENTRY("https://index.docker.io/v1/", "a"), "docker.io/library/busybox", "b"},
    {ENTRY("https://index.docker.io/v1/", "a"), "localhost/app", ""},
    {ENTRY("https://index.docker.io/v1/", "a"), "quay.io/app", ""},
    {"\"quay.io\":{\"auth\":\"YW5uOnNlY3JldDE=\"}", "quay.io/app", "ann"},
    {"\"quay.io\":{\"auth\":\"YW5uOnNlY3JldDE\"}", "quay.io/app", "ann"},
    {"\"quay.io\":{\"username\":\"x\",\"auth\":\"YW5uOnNlY3JldDE=\"}", "quay.io/app", "ann"},
    {"\"quay.io\":{\"identitytoken\":\"t\"}", "quay.io/app", "(t)"},
    {"\"quay.io\":{}", "quay.io/app", ""},
    {"\"\":{\"username\":\"a\"}", "quay.io/app", ""},
    {"", "quay.io/app", ""},
};

static const struct { const char *document, *message; } malformed[] = {
    {"", "not JSON"},
    {"{", "not JSON"},
    {"[]", "not a JSON object"},
    {"{\"auths\":[]}", "not a JSON object"},
    {"{\"auths\":{\"quay.io\":\"secret1\"}}", "the credential of quay.io is not a JSON object"},
    {"{\"auths\":{\"quay.io\":{\"auth\":\"secret1!\"}}}", "the auth of quay.io is not base64 of user:password"},
    {"{\"auths\":{\"quay.io\":{\"auth\":\"c2VjcmV0MQ==\"}}}", "the auth of quay.io is not base64 of user:password"},
};
// clang-format on

/* The users that are found, separated by blanks; an identity token in parentheses. */
static const char *find(Arena *arena, const Keyring *keyring, const char *image)
{
    CredentialArray found;
    const char *users = "";
    Err err = ERR_INIT;

    if (keyring_find(keyring, image, arena, &found, &err))
        return arena_strdup(arena, err.message);
    for (size_t i = 0; i < found.n; i++)
        users = arena_printf(arena, "%s%s%s", users, i ? " " : "",
                             str_empty(found.v[i].identity_token)
                                 ? found.v[i].user
                                 : arena_printf(arena, "(%s)", found.v[i].identity_token));
    return users;
}

static void credentials_are_found_as_kubelet_does(void **state)
{
    EACH_ROW(i, matches, matches[i].auths) {
        _arena_ Arena arena = ARENA_INIT;
        _keyring_ Keyring *keyring = keyring_new();
        _keyring_ Keyring *old = keyring_new();
        const char *entries = arena_printf(&arena, "{%s}", matches[i].auths);
        const char *document = arena_printf(&arena, "{\"auths\":%s}", entries);

        assert_int_equal(keyring_add_dockerconfigjson(keyring, bytes_from_string(document), NULL),
                         0);
        assert_int_equal(keyring_add_dockercfg(old, bytes_from_string(entries), NULL), 0);
        assert_string_equal(find(&arena, keyring, matches[i].image), matches[i].users);
        assert_string_equal(find(&arena, old, matches[i].image), matches[i].users);
    }
}

static void malformed_documents_are_errors_without_secrets(void **state)
{
    EACH_ROW(i, malformed, malformed[i].document) {
        _keyring_ Keyring *keyring = keyring_new();
        Err err = ERR_INIT;

        assert_true(keyring_add_dockerconfigjson(keyring, bytes_from_string(malformed[i].document),
                                                 &err) < 0);
        assert_non_null(strstr(err.message, malformed[i].message));
        assert_null(strstr(err.message, "secret1"));
    }
}

static void documents_are_tried_in_order(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _keyring_ Keyring *keyring = keyring_new();
    const char *const documents[] = {
        "{\"auths\":{" ENTRY("quay.io", "first") "}}",
        "{\"auths\":{" ENTRY("quay.io", "second") "}}",
        "{\"auths\":{" ENTRY("quay.io/team", "closer") "}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(documents); i++)
        assert_int_equal(
            keyring_add_dockerconfigjson(keyring, bytes_from_string(documents[i]), NULL), 0);
    assert_string_equal(find(&arena, keyring, "quay.io/team/app"), "closer first second");
}

/* ---- files and helpers ---------------------------------------------------------------------- */

static char folder[] = "/tmp/test-keyring-XXXXXX";

static int make_folder(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    signal(SIGPIPE, SIG_IGN); /* a helper need not read its input */
    if (!mkdtemp(folder))
        return -1;
    setenv("HOME", folder, 1);
    setenv("PATH", arena_printf(&arena, "%s:/usr/bin:/bin", folder), 1);
    unsetenv("DOCKER_CONFIG");
    unsetenv("XDG_CONFIG_HOME");
    setenv("XDG_RUNTIME_DIR", arena_printf(&arena, "%s/run", folder), 1);
    return 0;
}

static int remove_folder(void **state)
{
    return file_remove_tree(folder);
}

static const char *put(Arena *arena, const char *name, mode_t mode, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s", folder, name);

    assert_int_equal(file_mkdir_for(path, 0700), 0);
    assert_int_equal(file_replace(path, text, strlen(text), mode), 0);
    return path;
}

static void files_of_the_user_come_after_documents(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _keyring_ Keyring *keyring = keyring_new();
    const char *document = "{\"auths\":{" ENTRY("quay.io", "secret") "}}";

    put(&arena, ".docker/config.json", 0600, "{\"auths\":{" ENTRY("quay.io/team", "docker") "}}");
    put(&arena, "run/containers/auth.json", 0600,
        "{\"auths\":{" ENTRY("quay.io", "containers") "}}");
    assert_int_equal(keyring_add_user_files(keyring, NULL), 0);
    assert_int_equal(keyring_add_dockerconfigjson(keyring, bytes_from_string(document), NULL), 0);
    assert_string_equal(find(&arena, keyring, "quay.io/team/app"), "secret containers docker");
}

static void a_missing_file_is_fine(void **state)
{
    _keyring_ Keyring *keyring = keyring_new();

    assert_int_equal(keyring_add_file(keyring, "/nonexistent/config.json", NULL), 0);
}

static void a_malformed_file_is_named(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _keyring_ Keyring *keyring = keyring_new();
    const char *path = put(&arena, "bad.json", 0600, "{");
    Err err = ERR_INIT;

    assert_true(keyring_add_file(keyring, path, &err) < 0);
    assert_true(str_starts_with(err.message, path));
}

typedef struct HelperCase {
    const char *sentence, *script, *file, *image, *users;
} HelperCase;

#define STORE "{\"credsStore\":\"test\",\"auths\":{\"quay.io\":{}," ENTRY("known.io", "file") "}}"
#define ANSWER \
    "cat > \"$0.asked\"; echo '{\"ServerURL\":\"x\",\"Username\":\"helped\",\"Secret\":\"s\"}'"

// clang-format off
static const HelperCase helpers[] = {
    {"a helper has the credential", "[ \"$1\" = get ] && " ANSWER, STORE, "quay.io/app", "helped"},
    {"a helper is asked for a host that the file does not list", ANSWER, STORE, "other.io/app", "helped"},
    {"a credential in the file counts", "exit 1", STORE, "known.io/app", "file"},
    {"a helper for one host is not asked for others", "exit 1", "{\"credHelpers\":{\"quay.io\":\"test\"}}", "other.io/app", ""},
    {"a helper for one host", ANSWER, "{\"credHelpers\":{\"quay.io\":\"test\"}}", "quay.io/app", "helped"},
    {"a helper gives an identity token", "echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}'", STORE, "quay.io/app", "(t)"},
    {"a helper has nothing", "echo credentials not found in native keychain; exit 1", STORE, "quay.io/app", ""},
    {"a helper fails", "echo secret1; exit 3", STORE, "quay.io/app", "docker-credential-test failed with status 3"},
    {"a helper answers nonsense", "echo secret1", STORE, "quay.io/app", "docker-credential-test: its answer is not JSON"},
    {"a helper is not there", NULL, "{\"credsStore\":\"none\"}", "quay.io/app", "docker-credential-none could not be started: No such file or directory"},
    {"a helper's name is no path", NULL, "{\"credsStore\":\"../../bin/sh\"}", "quay.io/app", "the name of a credential helper is invalid"},
};
// clang-format on

static void helpers_are_asked_by_their_protocol(void **state)
{
    EACH_ROW(i, helpers, helpers[i].sentence) {
        _arena_ Arena arena = ARENA_INIT;
        _keyring_ Keyring *keyring = keyring_new();
        const char *path = put(&arena, "helped.json", 0600, helpers[i].file);

        put(&arena, "docker-credential-test", 0700,
            arena_printf(&arena, "#!/bin/sh\n%s\n", str_or(helpers[i].script, "exit 9")));
        assert_int_equal(keyring_add_file(keyring, path, NULL), 0);
        assert_string_equal(find(&arena, keyring, helpers[i].image), helpers[i].users);
    }
}

static void a_helper_is_asked_once_for_its_server(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _keyring_ Keyring *keyring = keyring_new();
    const char *path = put(&arena, "helped.json", 0600, "{\"credsStore\":\"test\"}");
    _free_ char *asked = NULL;
    size_t n;

    put(&arena, "docker-credential-test", 0700,
        "#!/bin/sh\ncat >> \"$0.servers\"; echo '{\"Username\":\"u\",\"Secret\":\"s\"}'\n");
    assert_int_equal(keyring_add_file(keyring, path, NULL), 0);
    assert_string_equal(find(&arena, keyring, "docker.io/library/busybox"), "u");
    assert_string_equal(find(&arena, keyring, "docker.io/library/other"), "u");
    path = arena_printf(&arena, "%s/docker-credential-test.servers", folder);
    assert_int_equal(file_read(path, 4096, &asked, &n), 0);
    assert_string_equal(asked, "https://index.docker.io/v1/");
}

static void no_secret_of_the_cluster_starts_a_program(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    _keyring_ Keyring *keyring = keyring_new();
    const char *document = "{\"credsStore\":\"test\",\"credHelpers\":{\"quay.io\":\"test\"},"
                           "\"auths\":{\"quay.io\":{}}}";

    put(&arena, "docker-credential-test", 0700,
        "#!/bin/sh\ntouch \"$0.ran\"; echo '{\"Username\":\"u\",\"Secret\":\"s\"}'\n");
    assert_int_equal(keyring_add_dockerconfigjson(keyring, bytes_from_string(document), NULL), 0);
    assert_string_equal(find(&arena, keyring, "quay.io/app"), "");
    assert_false(file_exists(arena_printf(&arena, "%s/docker-credential-test.ran", folder)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_found_as_kubelet_does),
        cmocka_unit_test(malformed_documents_are_errors_without_secrets),
        cmocka_unit_test(documents_are_tried_in_order),
        cmocka_unit_test(files_of_the_user_come_after_documents),
        cmocka_unit_test(a_missing_file_is_fine),
        cmocka_unit_test(a_malformed_file_is_named),
        cmocka_unit_test(helpers_are_asked_by_their_protocol),
        cmocka_unit_test(a_helper_is_asked_once_for_its_server),
        cmocka_unit_test(no_secret_of_the_cluster_starts_a_program),
    };

    return cmocka_run_group_tests_name("keyring", tests, make_folder, remove_folder);
}
