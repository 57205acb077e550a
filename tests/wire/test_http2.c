/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 on the wire: golden frames, and conversations with nghttp2 as the client. */
#include "testing.h"

#include <nghttp2/nghttp2.h>

#include "http_testing.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* What the client has seen of one stream. */
typedef struct Seen {
    char status[4];
    StrBuf headers, body;
    bool ended, closed;
    uint32_t code;
} Seen;

typedef struct Client {
    Testing t; /* first */
    nghttp2_session *session;
    Seen seen[64]; /* by (id - 1) / 2 */
    Bytes upload;
    size_t uploaded;
    bool goaway;
    int32_t goaway_last;
    uint32_t goaway_code;
} Client;

static Seen *seen_of(Client *c, int32_t id)
{
    return &c->seen[((id - 1) / 2) % 64];
}

static int on_header(nghttp2_session *session _unused_, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_n, const uint8_t *value,
                     size_t value_n _unused_, uint8_t flags _unused_, void *data)
{
    Seen *seen = seen_of(data, frame->hd.stream_id);

    if (name_n == 7 && memcmp(name, ":status", 7) == 0)
        snprintf(seen->status, sizeof(seen->status), "%s", (const char *)value);
    else
        strbuf_printf(&seen->headers, "%s=%s\n", (const char *)name, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *session _unused_, uint8_t flags _unused_, int32_t id,
                   const uint8_t *p, size_t n, void *data)
{
    strbuf_add(&seen_of(data, id)->body, p, n);
    return 0;
}

static int on_frame(nghttp2_session *session _unused_, const nghttp2_frame *frame, void *data)
{
    Client *c = data;

    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->goaway = true;
        c->goaway_last = frame->goaway.last_stream_id;
        c->goaway_code = frame->goaway.error_code;
    } else if (frame->hd.stream_id > 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        seen_of(c, frame->hd.stream_id)->ended = true;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session _unused_, int32_t id, uint32_t code, void *data)
{
    Seen *seen = seen_of(data, id);

    seen->closed = true;
    seen->code = code;
    return 0;
}

static int begin(void **state)
{
    Client *c = mem_new_type(Client);
    nghttp2_session_callbacks *callbacks;

    testing_begin(&c->t);
    c->t.options.limits.header_bytes = 16 * 1024;
    testing_server(&c->t);
    testing_connect(&c->t);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_client_new(&c->session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, NULL, 0);
    *state = c;
    return 0;
}

static int end(void **state)
{
    Client *c = *state;

    testing_end(&c->t);
    nghttp2_session_del(c->session);
    for (size_t i = 0; i < ARRAY_LEN(c->seen); i++) {
        strbuf_deinit(&c->seen[i].headers);
        strbuf_deinit(&c->seen[i].body);
    }
    free(c);
    return 0;
}

/* Both sides talk until neither has anything to say. */
static void talk(Client *c)
{
    const uint8_t *p;
    ssize_t n;
    bool busy;

    do {
        Bytes out;

        busy = false;
        while ((n = nghttp2_session_mem_send(c->session, &p)) > 0) {
            testing_send_bytes(&c->t, (Bytes){p, (size_t)n});
            busy = true;
        }
        out = testing_take_bytes(&c->t);
        if (out.n > 0) {
            assert_true(nghttp2_session_mem_recv(c->session, out.p, out.n) >= 0);
            busy = true;
        }
    } while (busy);
}

static ssize_t read_upload(nghttp2_session *session _unused_, int32_t id _unused_, uint8_t *buf,
                           size_t size, uint32_t *flags, nghttp2_data_source *source _unused_,
                           void *data)
{
    Client *c = data;
    size_t n = MIN_OF(size, c->upload.n - c->uploaded);

    memcpy(buf, c->upload.p + c->uploaded, n);
    c->uploaded += n;
    if (c->uploaded == c->upload.n)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

#define NV(name, value)                                                                           \
    (nghttp2_nv)                                                                                  \
    {                                                                                             \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value), \
            NGHTTP2_NV_FLAG_NONE                                                                  \
    }

static int32_t request(Client *c, const char *method, const char *path, const char *name,
                       const char *value)
{
    const nghttp2_nv nv[] = {NV(":method", method), NV(":scheme", "http"), NV(":authority", "x"),
                             NV(":path", path), NV(name ? name : "", value ? value : "")};
    nghttp2_data_provider provider = {.read_callback = read_upload};

    return nghttp2_submit_request(c->session, NULL, nv, name ? 5 : 4,
                                  c->upload.p ? &provider : NULL, NULL);
}

static void a_get_is_answered_byte_by_byte(void **state)
{
    Client *c = *state;
    static const uint8_t in[] =
        PREFACE "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
                "\x00\x00\x0d\x01\x05\x00\x00\x00\x01\x82\x86\x41\x01x\x04\x06/hello";
    static const uint8_t settings[] =
        "\x00\x00\x12\x04\x00\x00\x00\x00\x00"
        "\x00\x03\x00\x00\x00\xfa\x00\x04\x00\x10\x00\x00\x00\x06\x00\x00\x40\x00"
        "\x00\x00\x00\x04\x01\x00\x00\x00\x00"
        "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x3f\x00\x01";
    static const uint8_t data[] = "\x00\x00\x06\x00\x01\x00\x00\x00\x01hello\n";
    Bytes out;

    for (size_t i = 0; i < sizeof(in) - 1; i++)
        testing_send_bytes(&c->t, (Bytes){in + i, 1});
    out = testing_take_bytes(&c->t);
    assert_true(out.n > sizeof(settings) - 1 + sizeof(data) - 1 + 9);
    assert_memory_equal(out.p, settings, 27);
    /* HEADERS of stream 1 without END_STREAM; ":status 200" is one byte. */
    assert_non_null(memmem(out.p, out.n, "\x01\x04\x00\x00\x00\x01\x88", 7));
    assert_memory_equal(out.p + out.n - (sizeof(data) - 1), data, sizeof(data) - 1);
    assert_non_null(memmem(out.p, out.n, settings + 27, 9));
    assert_int_equal(c->t.closed, 1);
}

static void a_request_has_the_same_form_as_over_http1(void **state)
{
    Client *c = *state;
    int32_t id = request(c, "GET", "/head?watch=1", "x-a", "one");

    talk(c);
    assert_string_equal(seen_of(c, id)->status, "200");
    assert_string_equal(strbuf_string(&seen_of(c, id)->body),
                        "GET /head ?watch=1 @x 2.0\nx-a=one\n");
    assert_string_equal(strbuf_string(&seen_of(c, id)->headers),
                        "content-type=text/plain\ncontent-length=34\n");
    assert_true(seen_of(c, id)->ended);
}

static void many_streams_are_answered_at_once(void **state)
{
    Client *c = *state;
    int32_t ids[50];

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = request(c, "GET", "/hello", NULL, NULL);
    talk(c);
    EACH_ROW(i, ids, NULL)
        assert_string_equal(strbuf_string(&seen_of(c, ids[i])->body), "hello\n");
    assert_int_equal(c->t.closed, 50);
    assert_int_equal(c->t.failed, 0);
}

static void a_large_body_goes_there_and_back(void **state)
{
    Client *c = *state;
    const size_t n = 3 * 1024 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int32_t id;

    for (size_t i = 0; i < n; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    c->upload = (Bytes){big, n};
    id = request(c, "POST", "/echo", NULL, NULL);
    talk(c);
    assert_string_equal(seen_of(c, id)->status, "200");
    assert_int_equal(seen_of(c, id)->body.n, n);
    assert_memory_equal(seen_of(c, id)->body.p, big, n);
}

/* A paused request takes no more than its window, and the others on the connection go on. */
static void a_paused_body_holds_nobody_else_back(void **state)
{
    Client *c = *state;
    const size_t n = 5 * 1024 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int32_t held, other;

    c->upload = (Bytes){big, n};
    held = request(c, "POST", "/held", NULL, NULL);
    talk(c);
    assert_int_equal(c->t.body_n, 1024 * 1024);
    c->upload.p = NULL;
    other = request(c, "GET", "/hello", NULL, NULL);
    talk(c);
    assert_string_equal(strbuf_string(&seen_of(c, other)->body), "hello\n");
    c->upload.p = big;
    http_request_pause(c->t.later, false);
    talk(c);
    assert_int_equal(c->t.body_n, n);
    assert_string_equal(strbuf_string(&seen_of(c, held)->body), "all\n");
}

static void a_body_beyond_the_limit_gets_413(void **state)
{
    Client *c = *state;
    const size_t n = 3 * 1024 * 1024 + 1;
    _free_ uint8_t *big = mem_new(n);
    int32_t id;

    c->upload = (Bytes){big, n};
    id = request(c, "POST", "/echo", NULL, NULL);
    talk(c);
    assert_string_equal(seen_of(c, id)->status, "413");
    assert_string_equal(strbuf_string(&seen_of(c, id)->body),
                        "Request entity too large: limit is 3145728");
    assert_int_equal(c->t.closed, 1);
    /* Told in the head, it is not even read. */
    c->uploaded = 0;
    id = request(c, "POST", "/echo", "content-length", "3145729");
    talk(c);
    assert_string_equal(seen_of(c, id)->status, "413");
}

static void a_head_beyond_the_limit_gets_431(void **state)
{
    Client *c = *state;
    char value[4000];
    nghttp2_nv nv[10] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":path", "/hello"),
                         NV(":authority", "x")};
    int32_t id;

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = 0;
    for (size_t i = 4; i < ARRAY_LEN(nv); i++)
        nv[i] = NV("x-long", value);
    id = nghttp2_submit_request(c->session, NULL, nv, ARRAY_LEN(nv), NULL, NULL);
    talk(c);
    assert_string_equal(seen_of(c, id)->status, "431");
    assert_int_equal(c->t.requests, 0);
    id = request(c, "GET", "/hello", NULL, NULL);
    talk(c);
    assert_string_equal(seen_of(c, id)->status, "200");
}

static void a_stream_sends_each_write_at_once(void **state)
{
    Client *c = *state;
    int32_t id = request(c, "GET", "/later", NULL, NULL);

    talk(c);
    http_stream_begin(c->t.later, 200, "application/json");
    talk(c);
    assert_string_equal(seen_of(c, id)->status, "200");
    http_stream_write(c->t.later, BYTES_LITERAL("one"));
    talk(c);
    assert_string_equal(strbuf_string(&seen_of(c, id)->body), "one");
    assert_true(c->t.drained > 0);
    http_stream_write(c->t.later, BYTES_LITERAL("two"));
    http_stream_end(c->t.later);
    talk(c);
    assert_string_equal(strbuf_string(&seen_of(c, id)->body), "onetwo");
    assert_true(seen_of(c, id)->closed);
    assert_int_equal(seen_of(c, id)->code, NGHTTP2_NO_ERROR);
    assert_int_equal(c->t.failed, 0);
}

static void a_reset_stream_closes_its_request_once(void **state)
{
    Client *c = *state;
    int32_t id = request(c, "GET", "/later", NULL, NULL);
    int32_t other = request(c, "GET", "/hello", NULL, NULL);

    talk(c);
    http_stream_begin(c->t.later, 200, NULL);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    talk(c);
    assert_int_equal(c->t.closed, 2);
    assert_int_equal(c->t.failed, 1);
    assert_null(c->t.later);
    assert_string_equal(seen_of(c, other)->status, "200");
}

static void an_aborted_request_resets_only_its_stream(void **state)
{
    Client *c = *state;
    int32_t id = request(c, "GET", "/later", NULL, NULL), other;

    talk(c);
    http_stream_begin(c->t.later, 200, NULL);
    http_stream_write(c->t.later, BYTES_LITERAL("abc"));
    http_abort(c->t.later);
    talk(c);
    assert_true(seen_of(c, id)->closed);
    assert_int_equal(seen_of(c, id)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(c->t.failed, 1);
    other = request(c, "GET", "/hello", NULL, NULL);
    talk(c);
    assert_string_equal(seen_of(c, other)->status, "200");
}

static void a_slow_reader_makes_bytes_wait(void **state)
{
    Client *c = *state;
    const size_t n = 200 * 1024;
    _free_ uint8_t *big = mem_new(n);
    int32_t id;

    /* The client's window is 64 KiB, and it takes nothing until told. */
    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 65535);
    id = request(c, "GET", "/later", NULL, NULL);
    talk(c);
    http_stream_begin(c->t.later, 200, NULL);
    http_stream_write(c->t.later, (Bytes){big, n});
    assert_int_equal(http_stream_pending(c->t.later), n);
    (void)testing_take_bytes(&c->t);
    assert_int_equal(http_stream_pending(c->t.later), n - 65535);
    assert_int_equal(c->t.drained, 0);
    (void)id;
}

static void head_and_204_have_no_body(void **state)
{
    Client *c = *state;
    int32_t id = request(c, "HEAD", "/hello", NULL, NULL), later;

    talk(c);
    assert_string_equal(strbuf_string(&seen_of(c, id)->headers),
                        "content-type=text/plain\ncontent-length=6\n");
    assert_int_equal(seen_of(c, id)->body.n, 0);
    later = request(c, "GET", "/later", NULL, NULL);
    talk(c);
    http_respond(c->t.later, 204, NULL, BYTES_NULL);
    talk(c);
    assert_string_equal(seen_of(c, later)->status, "204");
    assert_true(seen_of(c, later)->ended);
}

static void a_client_that_expects_100_is_told_to_go_on(void **state)
{
    Client *c = *state;
    int32_t id;

    c->upload = BYTES_LITERAL("ok");
    id = request(c, "POST", "/echo", "expect", "100-continue");
    talk(c);
    assert_string_equal(seen_of(c, id)->status, "200");
    assert_string_equal(strbuf_string(&seen_of(c, id)->body), "ok");
}

static void drain_finishes_what_is_in_flight(void **state)
{
    Client *c = *state;
    int32_t id = request(c, "GET", "/later", NULL, NULL);

    talk(c);
    http_server_drain(c->t.server, INT64_C(60000000000), NULL, NULL);
    talk(c);
    assert_true(c->goaway);
    assert_int_equal(c->goaway_last, id);
    assert_int_equal(c->goaway_code, NGHTTP2_NO_ERROR);
    assert_false(http_loopback_closed(c->t.loopback));
    http_respond(c->t.later, 200, NULL, BYTES_LITERAL("last"));
    talk(c);
    assert_string_equal(strbuf_string(&seen_of(c, id)->body), "last");
    assert_true(http_loopback_closed(c->t.loopback));
}

static void rapid_resets_end_the_connection(void **state)
{
    Client *c = *state;

    for (int i = 0; i < 5000 && !http_loopback_closed(c->t.loopback); i++) {
        int32_t id = request(c, "GET", "/later", NULL, NULL);

        if (id < 0)
            break;
        talk(c);
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        talk(c);
    }
    assert_true(http_loopback_closed(c->t.loopback) || c->goaway);
    assert_int_equal(c->t.requests, c->t.closed);
}

static void flood(Client *c, const void *frame, size_t n)
{
    testing_send_bytes(&c->t, BYTES_LITERAL(PREFACE "\x00\x00\x00\x04\x00\x00\x00\x00\x00"));
    testing_send_bytes(
        &c->t,
        BYTES_LITERAL("\x00\x00\x12\x01\x04\x00\x00\x00\x01\x83\x86\x41\x01x\x04\x0b/later-body"));
    assert_int_equal(c->t.requests, 1);
    for (int i = 0; i < 20000 && !http_loopback_closed(c->t.loopback); i++) {
        StrBuf frames = STRBUF_INIT;

        for (int j = 0; j < 400; j++)
            strbuf_add(&frames, frame, n);
        testing_send_bytes(&c->t, strbuf_bytes(&frames));
        strbuf_deinit(&frames);
    }
    assert_true(http_loopback_closed(c->t.loopback));
}

static void floods_of_pings_end_the_connection(void **state)
{
    flood(*state,
          "\x00\x00\x08\x06\x00\x00\x00\x00\x00"
          "12345678",
          17);
}

static void floods_of_settings_end_the_connection(void **state)
{
    flood(*state, "\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9);
}

static void floods_of_empty_data_end_the_connection(void **state)
{
    flood(*state, "\x00\x00\x00\x00\x00\x00\x00\x00\x01", 9);
}

static void more_streams_than_allowed_are_refused(void **state)
{
    Client *c = *state;
    StrBuf all = STRBUF_INIT;

    strbuf_add(&all,
               PREFACE "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00",
               sizeof(PREFACE) - 1 + 18);
    for (unsigned i = 0; i < 300; i++) {
        char head[23] = "\x00\x00\x0d\x01\x05\x00\x00\x00\x00\x82\x86\x41\x01x\x04\x06/later";

        head[7] = (char)((2 * i + 1) >> 8);
        head[8] = (char)(2 * i + 1);
        strbuf_add(&all, head, 22);
    }
    testing_send_bytes(&c->t, strbuf_bytes(&all));
    strbuf_deinit(&all);
    assert_int_equal(c->t.requests, 250);
}

static void what_is_no_http2_is_refused(void **state)
{
    Client *c = *state;

    testing_send(&c->t, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense nonsense nonsense");
    assert_true(http_loopback_closed(c->t.loopback));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_get_is_answered_byte_by_byte, begin, end),
        cmocka_unit_test_setup_teardown(a_request_has_the_same_form_as_over_http1, begin, end),
        cmocka_unit_test_setup_teardown(many_streams_are_answered_at_once, begin, end),
        cmocka_unit_test_setup_teardown(a_large_body_goes_there_and_back, begin, end),
        cmocka_unit_test_setup_teardown(a_paused_body_holds_nobody_else_back, begin, end),
        cmocka_unit_test_setup_teardown(a_body_beyond_the_limit_gets_413, begin, end),
        cmocka_unit_test_setup_teardown(a_head_beyond_the_limit_gets_431, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_sends_each_write_at_once, begin, end),
        cmocka_unit_test_setup_teardown(a_reset_stream_closes_its_request_once, begin, end),
        cmocka_unit_test_setup_teardown(an_aborted_request_resets_only_its_stream, begin, end),
        cmocka_unit_test_setup_teardown(a_slow_reader_makes_bytes_wait, begin, end),
        cmocka_unit_test_setup_teardown(head_and_204_have_no_body, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_expects_100_is_told_to_go_on, begin, end),
        cmocka_unit_test_setup_teardown(drain_finishes_what_is_in_flight, begin, end),
        cmocka_unit_test_setup_teardown(rapid_resets_end_the_connection, begin, end),
        cmocka_unit_test_setup_teardown(floods_of_pings_end_the_connection, begin, end),
        cmocka_unit_test_setup_teardown(floods_of_settings_end_the_connection, begin, end),
        cmocka_unit_test_setup_teardown(floods_of_empty_data_end_the_connection, begin, end),
        cmocka_unit_test_setup_teardown(more_streams_than_allowed_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_http2_is_refused, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
