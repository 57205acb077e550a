/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 on the wire: golden bytes. */
#include "testing.h"

#include "http_testing.h"

#define HELLO "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
#define HELLO_CLOSE                                                                    \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: " \
    "close\r\n\r\nhello\n"
#define ECHOED(n, body)                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " #n \
    "\r\n\r\n" body
#define BAD                                                                                   \
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " \
    "11\r\n"                                                                                  \
    "Connection: close\r\n\r\nBad request"

static int begin(void **state)
{
    Testing *t = mem_new_type(Testing);

    testing_begin(t);
    testing_server(t);
    testing_connect(t);
    *state = t;
    return 0;
}

static int end(void **state)
{
    testing_end(*state);
    free(*state);
    return 0;
}

static void a_get_is_answered_and_the_connection_stays(void **state)
{
    Testing *t = *state;

    testing_expect(t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", HELLO);
    testing_expect(t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", HELLO);
    assert_false(http_loopback_closed(t->loopback));
    assert_int_equal(t->closed, 2);
    assert_int_equal(t->failed, 0);
}

static void a_head_in_single_bytes_is_understood(void **state)
{
    Testing *t = *state;
    const char *head =
        "GET /head/../x?a=b&c HTTP/1.1\r\nHost: example:1\r\nX-A:  one \r\nx-b:\r\nX-C: \r\n\r\n";

    for (; *head; head++)
        testing_send_bytes(t, (Bytes){(const uint8_t *)head, 1});
    assert_non_null(strstr(testing_take(t), "404 Not Found"));
    head = "GET /head?a=b&c HTTP/1.1\r\nHost: example:1\r\nX-A:  one \r\nx-b:\r\nX-C: \r\n\r\n";
    for (; *head; head++)
        testing_send_bytes(t, (Bytes){(const uint8_t *)head, 1});
    assert_non_null(
        strstr(testing_take(t),
               "\r\n\r\nGET /head ?a=b&c @example:1 1.1\nhost=example:1\nx-a=one\nx-b=\nx-c=\n"));
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    Testing *t = *state;

    testing_expect(t,
                   "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                   "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
                   HELLO ECHOED(3, "abc") HELLO);
}

static void pipelined_requests_wait_for_a_late_answer(void **state)
{
    Testing *t = *state;

    testing_expect(
        t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /he",
        "");
    assert_int_equal(t->requests, 1);
    http_respond(t->later, 204, NULL, BYTES_NULL);
    assert_string_equal(testing_take(t), "HTTP/1.1 204 No Content\r\n\r\n" HELLO);
    testing_expect(t, "llo HTTP/1.1\r\nHost: x\r\n\r\n", HELLO);
}

static void bodies_come_with_length_or_in_chunks(void **state)
{
    Testing *t = *state;

    testing_expect(t, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", "");
    testing_expect(t, "cde", ECHOED(5, "abcde"));
    testing_expect(t,
                   "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nd",
                   "");
    testing_expect(t, "e\r\n0\r\nTrailer: 1\r\n\r\n", ECHOED(5, "abcde"));
    testing_expect(t, "DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", ECHOED(0, ""));
    testing_expect(t, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", HELLO);
    testing_expect(t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", HELLO);
}

static void a_client_that_expects_100_is_told_to_go_on(void **state)
{
    Testing *t = *state;

    testing_expect(
        t, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n");
    testing_expect(t, "ok", ECHOED(2, "ok"));
    /* An answer without the body ends the connection: nobody knows whether the body comes. */
    testing_expect(
        t, "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        HELLO_CLOSE);
    assert_true(http_loopback_closed(t->loopback));
}

static void streams_are_chunked(void **state)
{
    Testing *t = *state;

    testing_expect(t, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: "
                   "chunked\r\nX-Kind: stream\r\n\r\n"
                   "6\r\nonetwo\r\n0\r\n\r\n");
    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    http_stream_begin(t->later, 200, "application/json");
    assert_string_equal(
        testing_take(t),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    http_stream_write(t->later, BYTES_LITERAL("{}"));
    assert_int_equal(http_stream_pending(t->later), 2);
    assert_string_equal(testing_take(t), "2\r\n{}\r\n");
    assert_int_equal(http_stream_pending(t->later), 0);
    assert_true(t->drained > 0);
    http_stream_end(t->later);
    assert_string_equal(testing_take(t), "0\r\n\r\n");
    assert_int_equal(t->closed, 2);
    assert_int_equal(t->failed, 0);
}

static void http_1_0_gets_neither_chunks_nor_a_second_request(void **state)
{
    Testing *t = *state;

    testing_expect(t, "GET /stream HTTP/1.0\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nX-Kind: "
                   "stream\r\n\r\nonetwo");
    assert_true(http_loopback_closed(t->loopback));
    testing_connect(t);
    testing_expect(t, "GET /hello HTTP/1.0\r\n\r\nGET /hello HTTP/1.0\r\n\r\n", HELLO_CLOSE);
    testing_connect(t);
    testing_expect(t, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
                   "6\r\nConnection: keep-alive\r\n\r\nhello\n");
    assert_false(http_loopback_closed(t->loopback));
}

static void connection_close_is_kept(void **state)
{
    Testing *t = *state;

    testing_expect(t, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", HELLO_CLOSE);
    assert_true(http_loopback_closed(t->loopback));
}

static void head_has_a_length_and_no_body(void **state)
{
    Testing *t = *state;

    testing_expect(t, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\n");
    testing_expect(t, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Kind: stream\r\n\r\n");
    testing_expect(t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", HELLO);
}

static void malformed_requests_get_400_and_the_end(void **state)
{
    Testing *t = *state;
    static const char *const bad[] = {
        "\x16\x03\x01\x02\x00\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
        "GET /hello HTTP/1.1\nHost: a\n\n",
        "GET hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    };

    EACH_ROW(i, bad, bad[i]) {
        testing_connect(t);
        testing_expect(t, bad[i], BAD);
        assert_true(http_loopback_closed(t->loopback));
    }
}

static void an_answer_given_before_a_broken_request_still_leaves(void **state)
{
    Testing *t = *state;

    testing_expect(t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n", HELLO BAD);
    assert_true(http_loopback_closed(t->loopback));
}

static void other_versions_get_505(void **state)
{
    Testing *t = *state;

    testing_send(t, "GET /hello\r\n\r\n");
    assert_true(str_starts_with(testing_take(t), "HTTP/1.1 505 "));
    testing_connect(t);
    testing_send(t, "GET /hello HTTP/3.7\r\nHost: x\r\n\r\n");
    assert_true(str_starts_with(testing_take(t), "HTTP/1.1 505 "));
    testing_connect(t);
    testing_send(t, "GET /hello HTTP/2.0\r\nHost: x\r\n\r\n");
    assert_true(str_starts_with(testing_take(t), "HTTP/1.1 505 "));
}

static void a_head_beyond_the_limit_gets_431(void **state)
{
    Testing *t = *state;
    char line[1000];

    memset(line, 'x', sizeof(line));
    testing_send(t, "GET /hello HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 100 && !http_loopback_closed(t->loopback); i++) {
        testing_send(t, "X: ");
        testing_send_bytes(t, (Bytes){(uint8_t *)line, sizeof(line)});
        testing_send(t, "\r\n");
    }
    assert_true(
        str_starts_with(testing_take(t), "HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->requests, 0);
}

static void a_body_beyond_the_limit_gets_413(void **state)
{
    Testing *t = *state;
    char piece[64 * 1024] = "";

    testing_send(t, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3145729\r\n\r\n");
    assert_non_null(strstr(testing_take(t), "\r\n\r\nRequest entity too large: limit is 3145728"));
    assert_true(http_loopback_closed(t->loopback));
    testing_connect(t);
    testing_send(t,
                 "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1000000\r\n");
    for (int i = 0; i < 60 && !http_loopback_closed(t->loopback); i++)
        testing_send_bytes(t, (Bytes){(uint8_t *)piece, sizeof(piece)});
    assert_true(str_starts_with(testing_take(t), "HTTP/1.1 413 "));
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->closed, 2);
}

static void a_client_that_ends_its_side_still_gets_the_answer(void **state)
{
    Testing *t = *state;

    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    http_loopback_eof(t->loopback);
    assert_false(http_loopback_closed(t->loopback));
    http_respond(t->later, 200, NULL, BYTES_LITERAL("x"));
    assert_string_equal(testing_take(t),
                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" HELLO_CLOSE);
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->failed, 0);
}

static void a_client_that_ends_its_side_leaves_its_watch(void **state)
{
    Testing *t = *state;

    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    http_stream_begin(t->later, 200, "application/json");
    (void)testing_take(t);
    http_loopback_eof(t->loopback);
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->closed, 1);
    assert_int_equal(t->failed, 1);
}

static void a_request_without_on_close_outlives_its_peer(void **state)
{
    Testing *t = *state;
    HttpRequest *request;

    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    request = t->later;
    request->on_close = NULL;
    t->loopback = http_loopback_free(t->loopback);
    http_add_header(request, "a", "b");
    http_stream_write(request, BYTES_LITERAL("nobody"));
    http_respond(request, 200, NULL, BYTES_LITERAL("nobody"));
    testing_connect(t);
    testing_expect(t, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", HELLO);
}

static void a_held_request_keeps_its_arena_past_on_close(void **state)
{
    Testing *t = *state;
    HttpRequest *request;

    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\nX-Key: value\r\n\r\n");
    request = t->later;
    http_request_hold(request);
    t->loopback = http_loopback_free(t->loopback);
    assert_int_equal(t->closed, 1);
    assert_string_equal(http_header(request, "x-key"), "value");
    http_respond(request, 200, NULL, BYTES_LITERAL("nobody"));
    http_request_release(request);
}

static int released;

static void on_release(void *holder)
{
    released++;
    free(holder);
}

static void held_bytes_are_released_once(void **state)
{
    Testing *t = *state;
    const size_t n = 300 * 1024;
    uint8_t *big = mem_new(n);
    Bytes out;

    released = 0;
    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    http_respond_shared(t->later, 200, NULL, (Bytes){big, n}, on_release, big);
    assert_int_equal(released, 0);
    out = testing_take_bytes(t);
    assert_true(out.n > n);
    assert_int_equal(released, 1);
    big = mem_new(10);
    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    http_respond_shared(t->later, 200, NULL, (Bytes){big, 10}, on_release, big);
    assert_int_equal(released, 2);
    (void)testing_take_bytes(t);
    /* The peer goes before they leave. */
    big = mem_new(n);
    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    http_respond_shared(t->later, 200, NULL, (Bytes){big, n}, on_release, big);
    t->loopback = http_loopback_free(t->loopback);
    assert_int_equal(released, 3);
}

static void an_aborted_answer_ends_the_connection_unfinished(void **state)
{
    Testing *t = *state;

    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    http_stream_begin(t->later, 200, NULL);
    http_stream_write(t->later, BYTES_LITERAL("abc"));
    (void)testing_take(t);
    http_abort(t->later);
    assert_string_equal(testing_take(t), "");
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->failed, 1);
}

static void an_absolute_target_is_as_good_as_a_path(void **state)
{
    Testing *t = *state;

    testing_send(t, "GET http://other:80/head?x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(testing_take(t), "GET /head ?x @other:80 1.1\n"));
}

static void an_answer_header_cannot_break_its_line(void **state)
{
    Testing *t = *state;

    testing_send(t, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    http_add_header(t->later, "Location", "/a\r\nSet-Cookie: b");
    http_respond(t->later, 302, NULL, BYTES_NULL);
    assert_string_equal(
        testing_take(t),
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /a  Set-Cookie: b\r\n\r\n");
}

static void an_upgrade_that_nobody_takes_is_a_plain_request(void **state)
{
    Testing *t = *state;

    testing_expect(
        t,
        "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        HELLO HELLO);
}

static void a_raw_upgrade_passes_bytes_both_ways(void **state)
{
    Testing *t = *state;

    testing_expect(
        t,
        "POST /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: bytes\r\nContent-Length: "
        "0\r\n\r\nearly",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\nearly");
    testing_expect(t, "more", "more");
    testing_expect(t, "end!", "end!");
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->ws_closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_get_is_answered_and_the_connection_stays, begin, end),
        cmocka_unit_test_setup_teardown(a_head_in_single_bytes_is_understood, begin, end),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, begin, end),
        cmocka_unit_test_setup_teardown(pipelined_requests_wait_for_a_late_answer, begin, end),
        cmocka_unit_test_setup_teardown(bodies_come_with_length_or_in_chunks, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_expects_100_is_told_to_go_on, begin, end),
        cmocka_unit_test_setup_teardown(streams_are_chunked, begin, end),
        cmocka_unit_test_setup_teardown(http_1_0_gets_neither_chunks_nor_a_second_request, begin,
                                        end),
        cmocka_unit_test_setup_teardown(connection_close_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(head_has_a_length_and_no_body, begin, end),
        cmocka_unit_test_setup_teardown(malformed_requests_get_400_and_the_end, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_given_before_a_broken_request_still_leaves, begin,
                                        end),
        cmocka_unit_test_setup_teardown(other_versions_get_505, begin, end),
        cmocka_unit_test_setup_teardown(a_head_beyond_the_limit_gets_431, begin, end),
        cmocka_unit_test_setup_teardown(a_body_beyond_the_limit_gets_413, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_ends_its_side_still_gets_the_answer, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_client_that_ends_its_side_leaves_its_watch, begin, end),
        cmocka_unit_test_setup_teardown(a_request_without_on_close_outlives_its_peer, begin, end),
        cmocka_unit_test_setup_teardown(a_held_request_keeps_its_arena_past_on_close, begin, end),
        cmocka_unit_test_setup_teardown(held_bytes_are_released_once, begin, end),
        cmocka_unit_test_setup_teardown(an_aborted_answer_ends_the_connection_unfinished, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_absolute_target_is_as_good_as_a_path, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_header_cannot_break_its_line, begin, end),
        cmocka_unit_test_setup_teardown(an_upgrade_that_nobody_takes_is_a_plain_request, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_raw_upgrade_passes_bytes_both_ways, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
