/* SPDX-License-Identifier: Apache-2.0 */
/* The registry over real connections: what clients do, what they should not, and what is left when they or the server go. */
#include "../image/image_archive.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <sys/socket.h>
#include <uv.h>

#include "distribution/distribution.h"

static int number_of(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

typedef struct Fixture {
    char dir[48];
    uv_loop_t loop;
    ImageStore *store;
    Distribution *registry;
    int port;
    Arena arena;
    unsigned images;
} Fixture;

static void on_image(void *data)
{
    ((Fixture *)data)->images++;
}

static void open_registry(Fixture *f)
{
    Err err = ERR_INIT;
    DistributionOptions options = {.loop = &f->loop,
                                   .images = f->store,
                                   .dir = arena_printf(&f->arena, "%s/pushed", f->dir),
                                   .address = "localhost:0",
                                   .user = 4711,
                                   .on_image = on_image,
                                   .data = f};

    if (distribution_open(&options, &f->registry, &err) < 0)
        fail_msg("%s", err.message);
    f->port = number_of(strrchr(distribution_host(f->registry), ':') + 1);
}

static int set_up(void **state)
{
    Fixture *f = mem_new_type(Fixture);

    snprintf(f->dir, sizeof(f->dir), "/tmp/stead-distribution-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    uv_loop_init(&f->loop);
    assert_int_equal(image_store_open(&f->loop, arena_printf(&f->arena, "%s/images", f->dir), NULL,
                                      &f->store, NULL),
                     0);
    open_registry(f);
    *state = f;
    return 0;
}

static void close_registry(Fixture *f)
{
    f->registry = distribution_close(f->registry);
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    close_registry(f);
    image_store_close(f->store);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(file_remove_tree(f->dir), 0);
    arena_clear(&f->arena);
    free(f);
    return 0;
}

/* ---- a client ---- */

typedef struct Exchange {
    Fixture *f;
    uv_thread_t thread;
    uv_async_t ended;
    Bytes bytes;
    bool hang_up; /* without waiting for the answer */
    StrBuf answer;
    bool done;
} Exchange;

/* Blocking, on a thread of its own. */
static void talk(void *data)
{
    Exchange *x = data;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)x->f->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char piece[4096];
    ssize_t n;

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        for (size_t at = 0; at < x->bytes.n; at += (size_t)n)
            if ((n = send(fd, x->bytes.p + at, x->bytes.n - at, MSG_NOSIGNAL)) <= 0)
                break;
        if (x->hang_up) /* when the server has begun to read the body, "100 Continue" */
            (void)!recv(fd, piece, sizeof(piece), 0);
        while (!x->hang_up && (n = recv(fd, piece, sizeof(piece), 0)) > 0)
            strbuf_add(&x->answer, piece, (size_t)n);
    }
    close(fd);
    uv_async_send(&x->ended);
}

static void on_ended(uv_async_t *async)
{
    Exchange *x = async->data;

    x->done = true;
    uv_close((uv_handle_t *)async, NULL);
}

/* The whole answer; its status is in *status. */
static const char *exchange(Fixture *f, Bytes bytes, bool hang_up, int *status)
{
    Exchange x = {.f = f, .bytes = bytes, .hang_up = hang_up, .answer = STRBUF_INIT};
    const char *text;

    uv_async_init(&f->loop, &x.ended, on_ended);
    x.ended.data = &x;
    uv_thread_create(&x.thread, talk, &x);
    while (!x.done || uv_is_active((uv_handle_t *)&x.ended))
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    uv_thread_join(&x.thread);
    text = arena_strdup(&f->arena, strbuf_string(&x.answer));
    *status = x.answer.n > 12 ? number_of(text + 9) : 0;
    strbuf_deinit(&x.answer);
    return text;
}

static const char *ask(Fixture *f, const char *method, const char *path, const char *headers,
                       Bytes body, int expected)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    const char *answer;
    int status;

    strbuf_printf(&out, "%s %s HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n%s", method,
                  path, f->port, headers);
    if (body.p)
        strbuf_printf(&out, "Content-Length: %zu\r\n", body.n);
    strbuf_add_string(&out, "\r\n");
    strbuf_add(&out, body.p, body.n);
    answer = exchange(f, strbuf_bytes(&out), false, &status);
    if (status != expected)
        fail_msg("%s %s: %d instead of %d: %s", method, path, status, expected, answer);
    return answer;
}

static const char *header(Fixture *f, const char *answer, const char *name)
{
    const char *at = strcasestr(answer, arena_printf(&f->arena, "\r\n%s: ", name));

    if (!at)
        fail_msg("there is no %s: %s", name, answer);
    at += strlen(name) + 4;
    return arena_strndup(&f->arena, at, strcspn(at, "\r"));
}

static const char *push_blob(Fixture *f, Bytes bytes)
{
    char *digest = arena_alloc(&f->arena, DIGEST_TEXT);

    digest_of(bytes, digest);
    ask(f, "POST", arena_printf(&f->arena, "/v2/team/app/blobs/uploads/?digest=%s", digest), "",
        bytes, 201);
    return digest;
}

static const TarEntry entries[] = {{.path = "bin/app", .data = "pushed"}};

/* The manifest of an image with one layer, whose blobs are pushed unless `without` names one. */
static const char *make_image(Fixture *f, const char *salt, bool push)
{
    _strbuf_ StrBuf tar = make_tar(entries, 1, TAR_PLAIN), layer = make_tar(entries, 1, TAR_GZIP);
    char diff_id[DIGEST_TEXT], blob[DIGEST_TEXT], id[DIGEST_TEXT];
    const char *config;

    digest_of(strbuf_bytes(&tar), diff_id);
    digest_of(strbuf_bytes(&layer), blob);
    config = make_config(&f->arena, arena_printf(&f->arena, "\"%s\"", diff_id), salt);
    digest_of(bytes_from_string(config), id);
    if (push) {
        push_blob(f, strbuf_bytes(&layer));
        push_blob(f, bytes_from_string(config));
    }
    return arena_printf(&f->arena,
                        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"
                        "vnd.oci.image.config.v1+json\",\"digest\":\"%s\"},"
                        "\"layers\":[{\"digest\":\"%s\"}]}",
                        id, blob);
}

#define MANIFEST_TYPE "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"

static size_t count_files(Fixture *f, const char *folder)
{
    _free_ char *path = mem_printf("%s/pushed/%s", f->dir, folder);
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t n = 0;

    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* ---- tests ---- */

static void a_pushed_image_is_there_at_once_and_after_a_restart(void **state)
{
    Fixture *f = *state;
    const char *manifest = make_image(f, "a", true), *name, *answer;
    char digest[DIGEST_TEXT], *text;
    Image image;

    digest_of(bytes_from_string(manifest), digest);
    answer =
        ask(f, "PUT", "/v2/team/app/manifests/1", MANIFEST_TYPE, bytes_from_string(manifest), 201);
    assert_string_equal(header(f, answer, "docker-content-digest"), digest);
    assert_int_equal(f->images, 1);
    name = arena_printf(&f->arena, "localhost:%d/team/app:1", f->port);
    assert_int_equal(image_find(f->store, name, &f->arena, &image, NULL), 0);
    assert_string_equal(image.digest, digest);
    assert_int_equal(
        file_read(arena_printf(&f->arena, "%s/bin/app", image.layers.v[0]), 100, &text, NULL), 0);
    assert_string_equal(text, "pushed");
    free(text);
    for (int i = 0; i < 2; i++) {
        answer = ask(f, "GET", "/v2/team/app/manifests/1", "", BYTES_NULL, 200);
        assert_non_null(strstr(answer, manifest));
        assert_string_equal(header(f, answer, "content-type"),
                            "application/vnd.oci.image.manifest.v1+json");
        answer = ask(f, "HEAD", arena_printf(&f->arena, "/v2/team/app/manifests/%s", digest), "",
                     BYTES_NULL, 200);
        assert_string_equal(header(f, answer, "content-length"),
                            arena_printf(&f->arena, "%zu", strlen(manifest)));
        assert_non_null(
            strstr(ask(f, "GET", "/v2/_catalog", "", BYTES_NULL, 200), "[\"team/app\"]"));
        assert_non_null(
            strstr(ask(f, "GET", "/v2/team/app/tags/list", "", BYTES_NULL, 200), "[\"1\"]"));
        close_registry(f);
        open_registry(f);
    }
    ask(f, "DELETE", "/v2/team/app/manifests/1", "", BYTES_NULL, 202);
    ask(f, "GET", "/v2/team/app/manifests/1", "", BYTES_NULL, 404);
    ask(f, "GET", arena_printf(&f->arena, "/v2/team/app/manifests/%s", digest), "", BYTES_NULL,
        200);
    ask(f, "DELETE", arena_printf(&f->arena, "/v2/team/app/manifests/%s", digest), "", BYTES_NULL,
        202);
    ask(f, "DELETE", arena_printf(&f->arena, "/v2/team/app/manifests/%s", digest), "", BYTES_NULL,
        404);
}

static void a_blob_can_come_in_chunks(void **state)
{
    Fixture *f = *state;
    const size_t n = 3 << 20;
    uint8_t *bytes = mem_new(n);
    const char *answer, *place;
    char digest[DIGEST_TEXT];

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 1000);
    digest_of((Bytes){bytes, n}, digest);
    answer = ask(f, "POST", "/v2/team/app/blobs/uploads/", "", BYTES_LITERAL(""), 202);
    place = header(f, answer, "location");
    answer = ask(f, "PATCH", place, "Content-Range: 0-1999999\r\n", (Bytes){bytes, 2000000}, 202);
    assert_string_equal(header(f, answer, "range"), "0-1999999");
    /* not the next one */
    answer = ask(f, "PATCH", place, "Content-Range: 5-9\r\n", (Bytes){bytes, 5}, 416);
    assert_string_equal(header(f, answer, "range"), "0-1999999");
    ask(f, "GET", place, "", BYTES_NULL, 204);
    ask(f, "PUT", arena_printf(&f->arena, "%s?digest=%s", place, digest), "",
        (Bytes){bytes + 2000000, n - 2000000}, 201);
    ask(f, "PUT", arena_printf(&f->arena, "%s?digest=%s", place, digest), "", BYTES_LITERAL(""),
        404);
    answer = ask(f, "GET", arena_printf(&f->arena, "/v2/other/app/blobs/%s", digest),
                 "Range: bytes=1000-1003\r\n", BYTES_NULL, 206);
    assert_memory_equal(strstr(answer, "\r\n\r\n") + 4, bytes + 1000, 4);
    assert_string_equal(header(f, answer, "content-range"),
                        arena_printf(&f->arena, "bytes 1000-1003/%zu", n));
    ask(f, "GET", arena_printf(&f->arena, "/v2/other/app/blobs/%s", digest),
        "Range: bytes=3145728-\r\n", BYTES_NULL, 416);
    ask(f, "POST",
        arena_printf(&f->arena, "/v2/third/blobs/uploads/?mount=%s&from=team/app", digest), "",
        BYTES_LITERAL(""), 201);
    assert_int_equal(count_files(f, "uploads"), 0);
    assert_int_equal(count_files(f, "blobs"), 1);
    free(bytes);
}

static void what_does_not_fit_together_is_refused(void **state)
{
    static const struct {
        const char *method, *path, *headers, *body;
        int status;
        const char *code;
    } rows[] = {
        {"POST",
         "/v2/a/blobs/uploads/?digest=sha256:"
         "0000000000000000000000000000000000000000000000000000000000000000",
         "", "x", 400, "DIGEST_INVALID"},
        {"POST", "/v2/a/blobs/uploads/?digest=md5:0", "", "x", 400, "DIGEST_INVALID"},
        {"PUT", "/v2/a/blobs/uploads/none?digest=x", "", "x", 404, "BLOB_UPLOAD_UNKNOWN"},
        {"GET", "/v2/A/manifests/x", "", NULL, 404, "NAME_INVALID"},
        {"GET", "/v2/a/../b/manifests/x", "", NULL, 404, "NAME_INVALID"},
        {"GET", "/v2/%2e%2e/manifests/x", "", NULL, 404, "NAME_INVALID"},
        {"GET", "/v2/a/blobs/..%2f..%2fpassword", "", NULL, 404, "NAME_INVALID"},
        {"GET", "/v2/a/manifests/a%2fb", "", NULL, 404, "NAME_INVALID"},
        {"GET", "/password", "", NULL, 404, "NAME_INVALID"},
        {"GET", "/v2/a/tags/list", "", NULL, 404, "NAME_UNKNOWN"},
        {"GET",
         "/v2/a/blobs/sha256:"
         "0000000000000000000000000000000000000000000000000000000000000000",
         "", NULL, 404, "BLOB_UNKNOWN"},
        {"GET", "/v2/_catalog?n=-1", "", NULL, 400, "PAGINATION_NUMBER_INVALID"},
        {"PUT", "/v2/a/manifests/1", MANIFEST_TYPE, "[]", 400, "MANIFEST_INVALID"},
        {"PUT", "/v2/a/manifests/1", MANIFEST_TYPE, "", 400, "MANIFEST_INVALID"},
        {"PUT", "/v2/a/manifests/1", MANIFEST_TYPE, "{\"config\":{}}", 404,
         "MANIFEST_BLOB_UNKNOWN"},
        {"PUT", "/v2/a/manifests/1", MANIFEST_TYPE, "{\"manifests\":[{}]}", 404,
         "MANIFEST_BLOB_UNKNOWN"},
        {"PUT",
         "/v2/a/manifests/sha256:"
         "0000000000000000000000000000000000000000000000000000000000000000",
         MANIFEST_TYPE, "{}", 400, "DIGEST_INVALID"},
        {"POST", "/v2/a/blobs/uploads/", "Origin: http://evil.example\r\n", "", 403, "DENIED"},
        {"GET", "/v2/", "Sec-Fetch-Site: cross-site\r\n", NULL, 403, "DENIED"},
    };
    Fixture *f = *state;

    EACH_ROW(i, rows, rows[i].path) {
        Bytes body = rows[i].body ? bytes_from_string(rows[i].body) : BYTES_NULL;

        assert_non_null(
            strstr(ask(f, rows[i].method, rows[i].path, rows[i].headers, body, rows[i].status),
                   rows[i].code));
    }
    assert_int_equal(count_files(f, "uploads"), 0);
    assert_int_equal(count_files(f, "blobs"), 0);
    assert_int_equal(f->images, 0);
}

static void a_manifest_without_its_blobs_is_no_image(void **state)
{
    Fixture *f = *state;
    const char *whole = make_image(f, "a", false), *liar;
    Image image;

    ask(f, "PUT", "/v2/team/app/manifests/1", MANIFEST_TYPE, bytes_from_string(whole), 404);
    /* a config that promises another layer */
    liar = make_image(f, "a", true);
    liar = arena_printf(&f->arena, "%.*s]}", (int)(strrchr(liar, '[') + 1 - liar), liar);
    assert_non_null(strstr(
        ask(f, "PUT", "/v2/team/app/manifests/1", MANIFEST_TYPE, bytes_from_string(liar), 400),
        "same layers"));
    assert_int_equal(image_find(f->store,
                                arena_printf(&f->arena, "localhost:%d/team/app:1", f->port),
                                &f->arena, &image, NULL),
                     IMAGE_E_MISSING);
}

static void a_push_that_breaks_off_can_go_on(void **state)
{
    Fixture *f = *state;
    _strbuf_ StrBuf out = STRBUF_INIT;
    const char *place, *answer;
    char digest[DIGEST_TEXT];
    int status;

    place = header(f, ask(f, "POST", "/v2/team/app/blobs/uploads/", "", BYTES_LITERAL(""), 202),
                   "location");
    strbuf_printf(&out,
                  "PATCH %s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 100\r\nExpect: "
                  "100-continue\r\n\r\nhalf of",
                  place, f->port);
    exchange(f, strbuf_bytes(&out), true, &status);
    do /* the server hears of the end a moment later */
        answer = exchange(
            f,
            bytes_from_string(arena_printf(
                &f->arena, "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n\r\n",
                place, f->port)),
            false, &status);
    while (status == 409 || str_equal(header(f, answer, "range"), "0-0"));
    assert_string_equal(header(f, answer, "range"), "0-6");
    digest_of(BYTES_LITERAL("half of it"), digest);
    ask(f, "PUT", arena_printf(&f->arena, "%s?digest=%s", place, digest), "", BYTES_LITERAL(" it"),
        201);
    /* One that never goes on is gone with the server. */
    place = header(f, ask(f, "POST", "/v2/team/app/blobs/uploads/", "", BYTES_LITERAL(""), 202),
                   "location");
    assert_int_equal(count_files(f, "uploads"), 1);
    close_registry(f);
    open_registry(f);
    assert_int_equal(count_files(f, "uploads"), 0);
    ask(f, "GET", place, "", BYTES_NULL, 404);
}

static void it_ends_in_the_middle_of_a_push(void **state)
{
    Fixture *f = *state;
    _strbuf_ StrBuf out = STRBUF_INIT;
    Exchange x = {.f = f, .answer = STRBUF_INIT};
    const char *place = header(
        f, ask(f, "POST", "/v2/team/app/blobs/uploads/", "", BYTES_LITERAL(""), 202), "location");

    strbuf_printf(&out,
                  "PATCH %s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 100000000\r\n\r\n",
                  place, f->port);
    for (int i = 0; i < 2 << 20; i++)
        strbuf_add_char(&out, 'x');
    x.bytes = strbuf_bytes(&out);
    uv_async_init(&f->loop, &x.ended, on_ended);
    x.ended.data = &x;
    uv_thread_create(&x.thread, talk, &x);
    for (int i = 0; i < 20; i++)
        uv_run(&f->loop, UV_RUN_ONCE);
    close_registry(f);
    uv_thread_join(&x.thread);
    strbuf_deinit(&x.answer);
    open_registry(f);
    assert_int_equal(count_files(f, "blobs"), 0);
}

static void only_this_machine_is_served(void **state)
{
    static const char *const bad[] = {"0.0.0.0:5000", "192.0.2.1:5000", "5000", "example.com:5000",
                                      "127.0.0.1.example.com:5000"};
    Fixture *f = *state;
    int status;

    EACH_ROW(i, bad, bad[i]) {
        DistributionOptions options = {.loop = &f->loop,
                                       .images = f->store,
                                       .dir = arena_printf(&f->arena, "%s/x", f->dir),
                                       .address = bad[i]};
        Distribution *none = NULL;

        assert_true(distribution_open(&options, &none, NULL) < 0);
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    exchange(
        f,
        bytes_from_string(arena_printf(
            &f->arena, "GET /v2/ HTTP/1.1\r\nHost: evil.example:%d\r\nConnection: close\r\n\r\n",
            f->port)),
        false, &status);
    assert_int_equal(status, 403);
    exchange(f,
             bytes_from_string(arena_printf(
                 &f->arena, "GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n",
                 f->port)),
             false, &status);
    assert_int_equal(status, 200);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_pushed_image_is_there_at_once_and_after_a_restart),
        TEST(a_blob_can_come_in_chunks),
        TEST(what_does_not_fit_together_is_refused),
        TEST(a_manifest_without_its_blobs_is_no_image),
        TEST(a_push_that_breaks_off_can_go_on),
        TEST(it_ends_in_the_middle_of_a_push),
        TEST(only_this_machine_is_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
