/* SPDX-License-Identifier: Apache-2.0 */
/* The gRPC exchange against a peer made of frames. */
#include "testing.h"

#include "base/strbuf.h"
#include "http/client/grpc.h"

static void add_frame(StrBuf *out, uint8_t type, uint8_t flags, uint32_t stream, const void *p,
                      size_t n)
{
    const uint8_t head[9] = {
        (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags, 0, 0, 0, (uint8_t)stream};

    strbuf_add(out, head, sizeof(head));
    strbuf_add(out, p, n);
}

/* A literal header without indexing. */
static void add_header(StrBuf *out, const char *name, const char *value)
{
    strbuf_add_char(out, 0);
    strbuf_add_char(out, (char)strlen(name));
    strbuf_add_string(out, name);
    strbuf_add_char(out, (char)strlen(value));
    strbuf_add_string(out, value);
}

static const struct {
    const char *what, *http_status; /* http_status NULL: only trailers come */
    const char *grpc_status, *grpc_message;
    const char *body;
    size_t body_n;
    GrpcStatus wanted;
    const char *text;
} cases[] = {
    {"an answer", "200", "0", NULL, "\0\0\0\0\2\x08\1", 7, GRPC_OK, ""},
    {"an empty message", "200", "0", NULL, "\0\0\0\0\0", 5, GRPC_OK, ""},
    {"no such service", NULL, "5", "unknown%20service", "", 0, GRPC_NOT_FOUND, "unknown service"},
    {"not gRPC", "404", NULL, NULL, "", 0, GRPC_UNIMPLEMENTED,
     "unexpected HTTP status code received from server: 404"},
    {"a status that is none", NULL, "99", NULL, "", 0, GRPC_UNKNOWN, ""},
    {"no trailers", "200", NULL, NULL, "\0\0\0\0\0", 5, GRPC_INTERNAL,
     "server closed the stream without sending trailers"},
    {"a message that is too short", "200", "0", NULL, "\0\0\0\0\7x", 6, GRPC_INTERNAL,
     "malformed message"},
    {"a compressed message", "200", "0", NULL, "\1\0\0\0\1x", 6, GRPC_INTERNAL,
     "malformed message"},
    {"a broken escape", NULL, "2", "50%", "", 0, GRPC_UNKNOWN, "50%"},
};

static void answer(StrBuf *out, size_t i)
{
    _strbuf_ StrBuf head = STRBUF_INIT, tail = STRBUF_INIT;

    add_frame(out, 4, 0, 0, "", 0);
    add_header(&head, ":status", cases[i].http_status ? cases[i].http_status : "200");
    if (cases[i].grpc_status && !cases[i].http_status) {
        add_header(&head, "grpc-status", cases[i].grpc_status);
        if (cases[i].grpc_message)
            add_header(&head, "grpc-message", cases[i].grpc_message);
        add_frame(out, 1, 5, 1, head.p, head.n);
        return;
    }
    add_frame(out, 1, 4, 1, head.p, head.n);
    add_frame(out, 0, cases[i].grpc_status ? 0 : 1, 1, cases[i].body, cases[i].body_n);
    if (!cases[i].grpc_status)
        return;
    add_header(&tail, "grpc-status", cases[i].grpc_status);
    add_frame(out, 1, 5, 1, tail.p, tail.n);
}

static const GrpcRequest request = {.address = "10.0.0.1",
                                    .port = 50051,
                                    .method = "/grpc.health.v1.Health/Check",
                                    .user_agent = "test",
                                    .timeout_ns = 1000000000};

static void answers_become_statuses(void **state)
{
    EACH_ROW(i, cases, cases[i].what) {
        for (size_t piece = 1; piece <= 64; piece *= 4) {
            GrpcExchange *x = grpc_exchange_new(&request);
            _strbuf_ StrBuf bytes = STRBUF_INIT;
            GrpcReply reply;
            bool over = false;

            assert_true(grpc_exchange_output(x).n > 24);
            answer(&bytes, i);
            for (size_t at = 0; at < bytes.n && !over; at += piece)
                over = grpc_exchange_input(
                    x, (Bytes){(const uint8_t *)bytes.p + at, MIN_OF(piece, bytes.n - at)});
            assert_true(over);
            grpc_exchange_reply(x, &reply);
            assert_true(reply.connected);
            if (reply.status != cases[i].wanted || strcmp(reply.text, cases[i].text) != 0)
                fail_msg("%s: %s: %s", cases[i].what, grpc_status_name(reply.status), reply.text);
            if (cases[i].wanted == GRPC_OK)
                assert_int_equal(reply.message.n, cases[i].body_n - 5);
            grpc_exchange_free(x);
        }
    }
}

static void a_peer_that_speaks_something_else_is_not_connected(void **state)
{
    GrpcExchange *x = grpc_exchange_new(&request);
    GrpcReply reply;

    assert_true(grpc_exchange_input(x, bytes_from_string("HTTP/1.1 400 Bad Request\r\n\r\n")));
    grpc_exchange_reply(x, &reply);
    assert_false(reply.connected);
    assert_int_equal(reply.status, GRPC_UNAVAILABLE);
    grpc_exchange_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_become_statuses),
        cmocka_unit_test(a_peer_that_speaks_something_else_is_not_connected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
