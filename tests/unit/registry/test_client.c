/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a registry does, a call ends soon, with the right outcome and the registry's reason. */
#include "testing.h"

#include <fcntl.h>
#include <uv.h>

#include "base/strbuf.h"
#include "conversation.h"

typedef enum Ask { HEAD, MANIFEST_OF_TAG, MANIFEST_OF_DIGEST, READ_BLOB, READ_UNSIZED } Ask;

typedef struct Case {
    const char *sentence;
    Ask ask;
    int outcome;
    const char *message; /* a part of it */
    FakeReply replies[6];
    size_t requests; /* 0: not checked */
} Case;

#define GET_TAG "GET /v2/app/manifests/1 "
#define HEAD_TAG "HEAD /v2/app/manifests/1 "
#define GET_DIGEST "GET /v2/app/manifests/" MANIFEST_DIGEST " "
#define GET_BLOB "GET " BLOB_PATH " "
#define ERRORS(json) "Content-Length: @LENGTH@\r\n\r\n" json

// clang-format off
static const Case cases[] = {
    {"a tag is asked for with one request", HEAD, 0, NULL,
     {{HEAD_TAG, "Accept: application/vnd.oci.image.index.v1+json",
       "HTTP/1.1 200 OK\r\n" OCI_TYPE "Docker-Content-Digest: " MANIFEST_DIGEST "\r\nContent-Length: 100\r\n\r\n"}}, 1},
    {"a registry that does not state the digest is asked for the manifest", HEAD, 0, NULL,
     {{HEAD_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"}, {GET_TAG, NULL, MANIFEST_OK}}, 2},
    {"a digest that is none is not believed", HEAD, 0, NULL,
     {{HEAD_TAG, NULL, "HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:../../x\r\nContent-Length: 0\r\n\r\n"},
      {GET_TAG, NULL, MANIFEST_OK}}, 2},
    {"a manifest is read by tag", MANIFEST_OF_TAG, 0, NULL, {{GET_TAG, NULL, MANIFEST_OK}}, 1},
    {"a manifest is read by digest", MANIFEST_OF_DIGEST, 0, NULL, {{GET_DIGEST, NULL, MANIFEST_OK}}, 1},
    {"a manifest of another digest is refused", MANIFEST_OF_DIGEST, REGISTRY_E_BAD_DATA, "has another digest",
     {{GET_DIGEST, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"}}, 1},
    {"a manifest has the digest that the registry states", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA,
     "another digest than the registry says",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nDocker-Content-Digest: " BLOB_DIGEST "\r\nContent-Length: 2\r\n\r\n{}"}}, 1},
    {"a manifest has the type that the registry states", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "another type",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json; x=y\r\n"
                      "Content-Length: 100\r\n\r\n" MANIFEST}}, 1},
    {"the type that a manifest states counts where the registry states none", MANIFEST_OF_TAG, 0, NULL,
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" MANIFEST}}, 1},
    {"a manifest is JSON", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "is not JSON",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>"}}, 1},
    {"a manifest is an object", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "not a JSON object",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"}}, 1},
    {"a manifest of 5 MiB is refused before it is read", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "larger than allowed",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\n\r\n", FAKE_ZEROS}}, 1},
    {"a manifest without end is refused", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "larger than allowed",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\n\r\n", FAKE_ZEROS}}, 1},
    {"a missing manifest gives the registry's reason", MANIFEST_OF_TAG, REGISTRY_E_MISSING, "app: manifest unknown: HTTP status 404",
     {{GET_TAG, NULL, "HTTP/1.1 404 Not Found\r\n" ERRORS("{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}")}}, 1},
    {"a reason has no control characters", MANIFEST_OF_TAG, REGISTRY_E_MISSING, "app: a b   c: HTTP status 404",
     {{GET_TAG, NULL, "HTTP/1.1 404 Not Found\r\n" ERRORS("{\"errors\":[{\"message\":\"a\\nb \\u202e c\"}]}")}}, 1},
    {"a page of a proxy is not shown", MANIFEST_OF_TAG, REGISTRY_E_UNAVAILABLE, "app: HTTP status 502",
     {{GET_TAG, NULL, "HTTP/1.1 502 Bad\r\n" ERRORS("<html>"), .times = 3}}, 3},
    {"an error of the server is asked about three times", MANIFEST_OF_TAG, 0, NULL,
     {{GET_TAG, NULL, EMPTY("500 Oops"), .times = 2}, {GET_TAG, NULL, MANIFEST_OK}}, 3},
    {"a registry that wants us to wait is waited for", MANIFEST_OF_TAG, 0, NULL,
     {{GET_TAG, NULL, "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"}, {GET_TAG, NULL, MANIFEST_OK}}, 2},
    {"a registry that wants us to wait long is not", MANIFEST_OF_TAG, REGISTRY_E_THROTTLED, "too many requests",
     {{GET_TAG, NULL, "HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"}}, 1},
    {"access is denied", MANIFEST_OF_TAG, REGISTRY_E_AUTH, "access denied", {{GET_TAG, NULL, EMPTY("403 Forbidden")}}, 1},
    {"authorization of an unknown kind is an outcome", MANIFEST_OF_TAG, REGISTRY_E_AUTH, "authentication required",
     {{GET_TAG, NULL, UNAUTHORIZED("Negotiate")}}, 1},
    {"no answer in time", MANIFEST_OF_TAG, REGISTRY_E_UNAVAILABLE, "no response came in time",
     {{GET_TAG, NULL, NULL, FAKE_HANG, 3}}, 3},
    {"a manifest that comes too slowly", MANIFEST_OF_TAG, REGISTRY_E_UNAVAILABLE, "sends too slowly",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", FAKE_TRICKLE, -1}}, 0},
    {"a line of a head without end", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "head of the response is too large",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\nX: ", FAKE_ZEROS}}, 1},
    {"a head without end", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "head of the response is too large",
     {{GET_TAG, NULL, "HTTP/1.1 200 OK\r\n", FAKE_LINES}}, 1},
    {"interim responses without end", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "head of the response is too large",
     {{GET_TAG, NULL, "", FAKE_INTERIM}}, 1},
    {"what is not HTTP", MANIFEST_OF_TAG, REGISTRY_E_UNAVAILABLE, "", {{GET_TAG, NULL, "SSH-2.0-OpenSSH\r\n", FAKE_CLOSE, 3}}, 3},
    {"a registry that redirects to itself", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "more than 10 redirects",
     {{GET_TAG, NULL, REDIRECT("/v2/app/manifests/1"), .times = -1}}, 11},
    {"a redirect without a place", MANIFEST_OF_TAG, REGISTRY_E_BAD_DATA, "redirect without a location",
     {{GET_TAG, NULL, EMPTY("302 Found")}}, 1},
    {"a redirect to a file", MANIFEST_OF_TAG, REGISTRY_E_REFUSED, "not http or https", {{GET_TAG, NULL, REDIRECT("file:///etc/passwd")}}, 1},
    {"a redirect to another protocol", MANIFEST_OF_TAG, REGISTRY_E_REFUSED, "not http or https", {{GET_TAG, NULL, REDIRECT("gopher://localhost:1/x")}}, 1},
    {"a redirect with a password", MANIFEST_OF_TAG, REGISTRY_E_REFUSED, "not http or https", {{GET_TAG, NULL, REDIRECT("http://a:b@localhost:@PORT@/")}}, 1},
    {"a redirect is followed", MANIFEST_OF_TAG, 0, NULL, {{GET_TAG, NULL, REDIRECT("/other?x=y")}, {"GET /other?x=y ", NULL, MANIFEST_OK}}, 2},

    {"a blob is read", READ_BLOB, 0, NULL, {{GET_BLOB, NULL, BLOB_OK}}, 1},
    {"a blob of unknown size is read", READ_UNSIZED, 0, NULL, {{GET_BLOB, NULL, BLOB_OK}}, 1},
    {"a blob of unknown size ends with the connection", READ_UNSIZED, 0, NULL, {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\n\r\n" BLOB, FAKE_CLOSE}}, 1},
    {"a blob with other content is refused at the end", READ_BLOB, REGISTRY_E_BAD_DATA, "another digest",
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789abcdefghiX"}}, 1},
    {"a blob of another size is refused at once", READ_BLOB, REGISTRY_E_BAD_DATA, "another size",
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" BLOB "X"}}, 1},
    {"a blob with more than its size is refused", READ_BLOB, REGISTRY_E_BAD_DATA, "more than its size",
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\n\r\n" BLOB "X", FAKE_CLOSE}}, 1},
    {"ten gigabytes of zeros are refused", READ_BLOB, REGISTRY_E_BAD_DATA, "more than its size",
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\n\r\n", FAKE_ZEROS}}, 1},
    {"a blob goes on after a break", READ_BLOB, 0, NULL,
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", FAKE_CLOSE},
      {GET_BLOB, "Range: bytes=5-\r\n", "HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-19/20\r\nContent-Length: 15\r\n\r\n56789abcdefghij"}}, 2},
    {"a blob goes on where the server sends it from the start", READ_BLOB, 0, NULL,
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", FAKE_CLOSE}, {GET_BLOB, "Range: bytes=5-\r\n", BLOB_OK}}, 2},
    {"a blob that ends early goes on", READ_BLOB, 0, NULL,
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\n\r\n01234", FAKE_CLOSE}, {GET_BLOB, "Range: bytes=5-\r\n", BLOB_OK}}, 2},
    {"a blob that stalls goes on", READ_BLOB, 0, NULL,
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", FAKE_HANG}, {GET_BLOB, "Range: bytes=5-\r\n", BLOB_OK}}, 2},
    {"another part than was asked for is refused", READ_BLOB, REGISTRY_E_BAD_DATA, "another part",
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", FAKE_CLOSE},
      {GET_BLOB, "Range: bytes=5-\r\n", "HTTP/1.1 206 Partial\r\nContent-Range: bytes 4-19/20\r\nContent-Length: 16\r\n\r\n456789abcdefghij"}}, 2},
    {"a blob that breaks each time is given up", READ_BLOB, REGISTRY_E_UNAVAILABLE, "",
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", FAKE_CLOSE, -1}}, 7},
    {"a registry that starts again in the middle", READ_BLOB, 0, NULL,
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", FAKE_CLOSE},
      {GET_BLOB, "Range: bytes=5-\r\n", "", FAKE_CLOSE, 5}, {GET_BLOB, "Range: bytes=5-\r\n", BLOB_OK}}, 7},
    {"a registry that does not come back", READ_BLOB, REGISTRY_E_UNAVAILABLE, "",
     {{GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", FAKE_CLOSE}, {GET_BLOB, NULL, "", FAKE_CLOSE, -1}}, 0},
    {"a missing blob", READ_BLOB, REGISTRY_E_MISSING, "not found", {{GET_BLOB, NULL, EMPTY("404 Not Found")}}, 1},
};
// clang-format on

static int ask(Conversation *c, Ask what)
{
    _strbuf_ StrBuf blob = STRBUF_INIT;
    Descriptor found = {0};
    Bytes bytes;
    int r;

    if (what == READ_BLOB || what == READ_UNSIZED) {
        r = read_blob(c, what == READ_BLOB ? 20 : -1, &blob);
        if (r == 0)
            assert_string_equal(strbuf_string(&blob), BLOB);
        return r;
    }
    r = what == HEAD
            ? registry_head(c->registry, &c->arena, &found, &c->err)
            : registry_manifest(c->registry, what == MANIFEST_OF_DIGEST ? MANIFEST_DIGEST : NULL,
                                &c->arena, &found, &bytes, &c->err);
    if (r == 0) {
        assert_string_equal(found.digest, MANIFEST_DIGEST);
        assert_int_equal(found.size, 100);
    }
    return r;
}

static void registries_get_the_right_outcome_whatever_they_do(void **state)
{
    EACH_ROW(i, cases, cases[i].sentence) {
        Conversation c;

        conversation_begin(&c, cases[i].replies, ARRAY_LEN(cases[i].replies), NULL);
        if (ask(&c, cases[i].ask) != cases[i].outcome)
            fail_msg("%s: %s", cases[i].sentence, c.err.message);
        if (cases[i].outcome && !strstr(c.err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].sentence, c.err.message);
        if (cases[i].requests)
            assert_int_equal(fake_requests(c.fake), cases[i].requests);
        conversation_end(&c);
    }
}

static void the_time_to_wait_is_passed_on(void **state)
{
    const FakeReply replies[] = {
        {GET_TAG, NULL, "HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"}};
    Conversation c;

    conversation_begin(&c, replies, ARRAY_LEN(replies), NULL);
    assert_int_equal(ask(&c, MANIFEST_OF_TAG), REGISTRY_E_THROTTLED);
    assert_int_equal(registry_retry_after(c.registry), 3600);
    conversation_end(&c);
}

static void a_registry_that_is_not_there_is_unavailable(void **state)
{
    const char *const names[] = {"localhost:1/app", "127.0.0.1:1/app"};
    const RegistryOptions options = {.conf = "", .times = short_times};
    _registry_config_ RegistryConfig *config = NULL;
    _arena_ Arena arena = ARENA_INIT;
    Err err = ERR_INIT;

    assert_int_equal(registry_config_load(&options, &config, &err), 0);
    EACH_ROW(i, names, names[i]) {
        _registry_ Registry *registry = NULL;
        ImageReference reference;
        Descriptor found;

        assert_int_equal(reference_parse(&arena, names[i], &reference, NULL), 0);
        assert_int_equal(registry_open(config, &reference, NULL, &registry, &err), 0);
        assert_int_equal(registry_head(registry, &arena, &found, &err), REGISTRY_E_UNAVAILABLE);
        assert_non_null(strstr(err.message, "connect"));
    }
}

static void no_descriptor_is_inherited_by_programs(void **state)
{
    const FakeReply replies[] = {{HEAD_TAG, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
                                 {GET_TAG, NULL, MANIFEST_OK}};
    Conversation c;

    conversation_begin(&c, replies, ARRAY_LEN(replies), NULL);
    assert_int_equal(ask(&c, HEAD), 0);
    /* The connection stays open. */
    for (int fd = STDERR_FILENO + 1; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);

        if (flags >= 0 && !(flags & FD_CLOEXEC))
            fail_msg("descriptor %d", fd);
    }
    conversation_end(&c);
}

/* ---- canceling ------------------------------------------------------------------------------ */

typedef struct Canceled {
    const char *sentence;
    Ask ask;
    FakeReply reply;
} Canceled;

static const Canceled canceled[] = {
    {"while the head is awaited", HEAD, {HEAD_TAG, NULL, NULL, FAKE_HANG}},
    {"in the middle of a blob",
     READ_BLOB,
     {GET_BLOB, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123", FAKE_HANG}},
    {"while the registry wants us to wait",
     HEAD,
     {HEAD_TAG, NULL, "HTTP/1.1 429 Slow\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n"}},
};

static void cancel_when_asked(void *data)
{
    Conversation *c = data;

    fake_wait(c->fake, 1);
    registry_cancel(c->registry);
}

static void a_canceled_call_ends_at_once(void **state)
{
    EACH_ROW(i, canceled, canceled[i].sentence) {
        const RegistryTimes patient = {.retry_after_ms = 1000000, .retry_ms = 1000000};
        const RegistryOptions options = {.conf = "", .times = patient};
        Conversation c;
        uv_thread_t thread;

        conversation_begin(&c, &canceled[i].reply, 1, NULL);
        /* The times that would end the call otherwise are the usual ones: longer than the test
         * may take. */
        registry_close(c.registry);
        registry_config_free(c.config);
        c.registry = NULL;
        assert_int_equal(registry_config_load(&options, &c.config, &c.err), 0);
        conversation_again(&c);
        assert_int_equal(uv_thread_create(&thread, cancel_when_asked, &c), 0);
        assert_int_equal(ask(&c, canceled[i].ask), -ECANCELED);
        uv_thread_join(&thread);
        assert_int_equal(ask(&c, canceled[i].ask), -ECANCELED); /* also what begins later */
        conversation_end(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registries_get_the_right_outcome_whatever_they_do),
        cmocka_unit_test(the_time_to_wait_is_passed_on),
        cmocka_unit_test(a_registry_that_is_not_there_is_unavailable),
        cmocka_unit_test(no_descriptor_is_inherited_by_programs),
        cmocka_unit_test(a_canceled_call_ends_at_once),
    };

    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
