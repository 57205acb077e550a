/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "conversation.h"

typedef enum Push { EXISTS, MOUNT, PUT_WHOLE, PUT_CHUNKS, PUT_SHORT, PUT_MANIFEST } Push;

typedef struct Case {
    const char *sentence;
    Push push;
    int outcome;
    const char *message;
    FakeReply replies[6];
    const char *keys;
} Case;

#define ACCEPTED(place) "HTTP/1.1 202 Accepted\r\nLocation: " place "\r\nContent-Length: 0\r\n\r\n"
#define CREATED(digest) \
    "HTTP/1.1 201 Created\r\nDocker-Content-Digest: " digest "\r\nContent-Length: 0\r\n\r\n"
#define POST_UPLOAD "POST /v2/app/blobs/uploads/ "
#define MOUNT_BLOB "POST /v2/app/blobs/uploads/?mount=" BLOB_DIGEST "&from=other "
#define PUT_TAG "PUT /v2/app/manifests/1 "
#define KEYS "{\"auths\":{\"localhost:@PORT@\":{\"username\":\"ann\",\"password\":\"secret1\"}}}"
#define ANN "Authorization: Basic YW5uOnNlY3JldDE="
#define BEARER "Bearer realm=\"http://localhost:@PORT@/token\",service=\"reg\""

// clang-format off
static const Case cases[] = {
    {"a blob is there", EXISTS, 0, NULL, {{"HEAD " BLOB_PATH " ", NULL, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"}}},
    {"a blob is not there", EXISTS, REGISTRY_E_MISSING, "not found", {{"HEAD " BLOB_PATH " ", NULL, EMPTY("404 Not Found")}}},
    {"a blob is mounted", MOUNT, 0, NULL, {{MOUNT_BLOB, "Content-Length: 0\r\n", CREATED(BLOB_DIGEST)}}},
    {"a registry that does not mount begins an upload, which is ended", MOUNT, REGISTRY_E_MISSING, "does not take the blob from other",
     {{MOUNT_BLOB, NULL, ACCEPTED("/v2/app/blobs/uploads/u1")}, {"DELETE /v2/app/blobs/uploads/u1 ", NULL, "HTTP/1.1 204 Gone\r\n\r\n"}}},
    {"a mount asks for a token for both", MOUNT, 0, NULL,
     {{MOUNT_BLOB, "Authorization: Bearer t1\r\n", CREATED(BLOB_DIGEST)}, {MOUNT_BLOB, NULL, UNAUTHORIZED(BEARER)},
      {"GET /token?service=reg&account=ann&scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Aother%3Apull ", ANN,
       "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"token\":\"t1\"}"}}, KEYS},
    {"a blob is uploaded in one piece", PUT_WHOLE, 0, NULL,
     {{POST_UPLOAD, NULL, ACCEPTED("/v2/app/blobs/uploads/u1?state=x")},
      {"PUT /v2/app/blobs/uploads/u1?state=x&digest=" BLOB_DIGEST " ", "Content-Length: 20\r\n", CREATED(BLOB_DIGEST)}}},
    {"the bytes are sent", PUT_WHOLE, 0, NULL,
     {{POST_UPLOAD, NULL, ACCEPTED("/u")}, {"PUT /u?digest=" BLOB_DIGEST " ", "\r\n\r\n" BLOB, CREATED(BLOB_DIGEST)}}},
    {"a place may be absolute", PUT_WHOLE, 0, NULL,
     {{POST_UPLOAD, NULL, ACCEPTED("http://localhost:@PORT@/u")}, {"PUT /u?digest=" BLOB_DIGEST " ", NULL, CREATED(BLOB_DIGEST)}}},
    {"an upload is authorized", PUT_WHOLE, 0, NULL,
     {{POST_UPLOAD, ANN, ACCEPTED("/u")}, {POST_UPLOAD, NULL, UNAUTHORIZED("Basic realm=x")}, {"PUT /u?digest=" BLOB_DIGEST " ", ANN, CREATED(BLOB_DIGEST)}}, KEYS},
    {"an upload without a place", PUT_WHOLE, REGISTRY_E_BAD_DATA, "names no place", {{POST_UPLOAD, NULL, EMPTY("202 Accepted")}}},
    {"a place that is a file", PUT_WHOLE, REGISTRY_E_BAD_DATA, "names no place", {{POST_UPLOAD, NULL, ACCEPTED("file:///etc/passwd")}}},
    {"an upload that does not begin", PUT_WHOLE, REGISTRY_E_BAD_DATA, "does not begin an upload", {{POST_UPLOAD, NULL, EMPTY("200 OK")}}},
    {"an upload is denied", PUT_WHOLE, REGISTRY_E_AUTH, "access denied", {{POST_UPLOAD, NULL, EMPTY("403 Forbidden")}}},
    {"an upload that fails is not repeated", PUT_WHOLE, REGISTRY_E_UNAVAILABLE, "HTTP status 500",
     {{POST_UPLOAD, NULL, ACCEPTED("/u")}, {"PUT /u?digest=" BLOB_DIGEST " ", NULL, EMPTY("500 Oops")}}},
    {"another digest is noticed", PUT_WHOLE, REGISTRY_E_BAD_DATA, "under another digest",
     {{POST_UPLOAD, NULL, ACCEPTED("/u")}, {"PUT /u?digest=" BLOB_DIGEST " ", NULL, CREATED(MANIFEST_DIGEST)}}},
    {"a blob is uploaded in chunks", PUT_CHUNKS, 0, NULL,
     {{POST_UPLOAD, NULL, ACCEPTED("/u?p=0")},
      {"PATCH /u?p=0 ", "Content-Range: 0-7\r\n", ACCEPTED("/u?p=8")}, {"PATCH /u?p=8 ", "Content-Range: 8-15\r\n", ACCEPTED("u?p=16")},
      {"PATCH /u?p=16 ", "\r\n\r\nghij", ACCEPTED("/u?p=20")}, {"PUT /u?p=20&digest=" BLOB_DIGEST " ", "Content-Length: 0\r\n", CREATED(BLOB_DIGEST)}}},
    {"a chunk is sent again", PUT_CHUNKS, 0, NULL,
     {{POST_UPLOAD, NULL, ACCEPTED("/u?p=0")}, {"PATCH /u?p=0 ", "\r\n\r\n01234567", EMPTY("503 Busy")},
      {"PATCH /u?p=0 ", "\r\n\r\n01234567", ACCEPTED("/u?p=8")}, {"PATCH /u?p=8 ", NULL, ACCEPTED("/u?p=16")},
      {"PATCH /u?p=16 ", NULL, ACCEPTED("/u?p=20")}, {"PUT /u?p=20&digest=" BLOB_DIGEST " ", NULL, CREATED(BLOB_DIGEST)}}},
    {"what cannot be read is not sent", PUT_SHORT, -EIO, "could not be read",
     {{POST_UPLOAD, NULL, ACCEPTED("/u")}, {"PUT /u?digest=" BLOB_DIGEST " ", NULL, EMPTY("500 Oops")}}},
    {"a manifest is put", PUT_MANIFEST, 0, NULL, {{PUT_TAG, OCI_TYPE, CREATED(MANIFEST_DIGEST)}}},
    {"a manifest is refused with a reason", PUT_MANIFEST, REGISTRY_E_REFUSED, "manifest invalid: HTTP status 400",
     {{PUT_TAG, NULL, "HTTP/1.1 400 Bad\r\nContent-Length: @LENGTH@\r\n\r\n{\"errors\":[{\"message\":\"manifest invalid\"}]}"}}},
    {"a manifest under another digest", PUT_MANIFEST, REGISTRY_E_BAD_DATA, "under another digest", {{PUT_TAG, NULL, CREATED(BLOB_DIGEST)}}},
};
// clang-format on

typedef struct Source {
    const char *at;
    size_t left;
} Source;

static ssize_t read_source(void *data, void *buffer, size_t size)
{
    Source *source = data;
    size_t n = MIN_OF(MIN_OF(size, source->left), (size_t)7); /* less than is wanted */

    memcpy(buffer, source->at, n);
    source->at += n;
    source->left -= n;
    return (ssize_t)n;
}

static int push(Conversation *c, Push what)
{
    const Descriptor blob = {.digest = BLOB_DIGEST, .size = 20};
    Source source = {BLOB, what == PUT_SHORT ? 10 : 20};

    switch (what) {
    case EXISTS:
        return registry_blob_exists(c->registry, BLOB_DIGEST, &c->err);
    case MOUNT:
        return registry_blob_mount(c->registry, BLOB_DIGEST, "other", &c->err);
    case PUT_WHOLE:
    case PUT_SHORT:
        return registry_blob_put(c->registry, &blob, 0, read_source, &source, &c->err);
    case PUT_CHUNKS:
        return registry_blob_put(c->registry, &blob, 8, read_source, &source, &c->err);
    case PUT_MANIFEST:
        break;
    }
    return registry_manifest_put(c->registry, "1", "application/vnd.oci.image.manifest.v1+json",
                                 BYTES_LITERAL(MANIFEST), &c->err);
}

static void pushing_follows_the_protocol(void **state)
{
    EACH_ROW(i, cases, cases[i].sentence) {
        Conversation c;

        conversation_begin(&c, cases[i].replies, ARRAY_LEN(cases[i].replies), cases[i].keys);
        if (push(&c, cases[i].push) != cases[i].outcome)
            fail_msg("%s: %s", cases[i].sentence, c.err.message);
        if (cases[i].outcome && !strstr(c.err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].sentence, c.err.message);
        conversation_end(&c);
    }
}

static void another_host_that_an_upload_is_sent_to_sees_no_credential(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const FakeReply elsewhere[] = {
        {"PUT /u?digest=" BLOB_DIGEST " ", "\r\n\r\n" BLOB, CREATED(BLOB_DIGEST)}};
    FakeRegistry *other = fake_start(elsewhere, ARRAY_LEN(elsewhere));
    const FakeReply replies[] = {
        {POST_UPLOAD, ANN,
         with_port(&arena, fake_port(other), ACCEPTED("http://localhost:@PORT@/u"))},
        {POST_UPLOAD, NULL, UNAUTHORIZED("Basic realm=x")},
    };
    Conversation c;

    conversation_begin(&c, replies, ARRAY_LEN(replies), KEYS);
    assert_int_equal(push(&c, PUT_WHOLE), 0);
    assert_int_equal(fake_requests(other), 1);
    assert_false(fake_has_seen(other, "Authorization"));
    conversation_end(&c);
    assert_int_equal(fake_stop(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushing_follows_the_protocol),
        cmocka_unit_test(another_host_that_an_upload_is_sent_to_sees_no_credential),
    };

    return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
