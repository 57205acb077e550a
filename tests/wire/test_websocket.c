/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket on the wire: golden frames. The mask is 0, so that a payload can be read. */
#include "testing.h"

#include "http_testing.h"

/* The key and its answer are those of RFC 6455, 1.3. */
#define HANDSHAKE(more)                                                                        \
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" more "\r\n"
#define SWITCHED(more)                                            \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" more "Upgrade: websocket\r\n\r\n"
#define MASK "\0\0\0\0"

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

static void expect_frames(Testing *t, Bytes in, Bytes out)
{
    Bytes got;

    testing_send_bytes(t, in);
    got = testing_take_bytes(t);
    if (got.n != out.n)
        print_error("frames differ: %zu bytes in, first 0x%02x\n", in.n, in.n ? in.p[0] : 0);
    assert_int_equal(got.n, out.n);
    if (out.n > 0)
        assert_memory_equal(got.p, out.p, out.n);
}

#define FRAMES(in, out) expect_frames(t, BYTES_LITERAL(in), BYTES_LITERAL(out))

static void the_handshake_answers_key_and_protocol(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE("Sec-WebSocket-Protocol: c, a\r\nSec-WebSocket-Protocol: b\r\n"),
                   SWITCHED("Sec-WebSocket-Protocol: b\r\n"));
    testing_connect(t);
    testing_expect(t, HANDSHAKE("Sec-WebSocket-Protocol: aa, c\r\n"), SWITCHED(""));
}

static void an_incomplete_handshake_is_a_plain_request(void **state)
{
    Testing *t = *state;

    testing_send(
        t, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_true(str_starts_with(testing_take(t), "HTTP/1.1 400 "));
    assert_false(http_loopback_closed(t->loopback));
    testing_send(
        t, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_true(str_starts_with(testing_take(t), "HTTP/1.1 400 "));
}

static void messages_come_back(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x81\x85" MASK "hello", "\x81\x05hello");
    FRAMES("\x82\x83" MASK "\x00\x01\xff", "\x82\x03\x00\x01\xff");
    FRAMES("\x81\x80" MASK, "\x81\x00");
    FRAMES("\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e", "\x81\x05hello");
    FRAMES("\x81\x81" MASK "a\x81\x81" MASK "b\x81", "\x81\x01"
                                                     "a\x81\x01"
                                                     "b");
    FRAMES("\x81" MASK "c", "\x81\x01"
                            "c");
}

static void frames_behind_the_handshake_are_heard(void **state)
{
    Testing *t = *state;
    StrBuf all = STRBUF_INIT;
    Bytes out;

    strbuf_add_string(&all, HANDSHAKE(""));
    strbuf_add(&all, "\x81\x85" MASK "hello", 11);
    testing_send_bytes(t, strbuf_bytes(&all));
    strbuf_deinit(&all);
    out = testing_take_bytes(t);
    assert_int_equal(out.n, strlen(SWITCHED("")) + 7);
    assert_memory_equal(out.p + out.n - 7, "\x81\x05hello", 7);
}

static void fragments_make_one_message_with_pings_between(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x01\x83" MASK "one", "");
    FRAMES("\x89\x82" MASK "hi", "\x8a\x02hi");
    FRAMES("\x00\x83" MASK "two", "");
    FRAMES("\x80\x85" MASK "three", "\x81\x0bonetwothree");
}

static void the_client_closes_and_is_answered(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x88\x82" MASK "\x03\xe8", "\x88\x02\x03\xe8");
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->ws_closed, 1);
}

static void the_server_closes_and_waits_for_the_answer(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x81\x83" MASK "bye", "\x88\x09\x03\xe8so long");
    assert_false(http_loopback_closed(t->loopback));
    FRAMES("\x88\x82" MASK "\x03\xe8", "");
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->ws_closed, 1);
}

static void broken_frames_end_it_with_a_reason(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x83\x80" MASK, "\x88\x02\x03\xea"); /* unknown opcode: 1002 */
    assert_true(http_loopback_closed(t->loopback));
    testing_connect(t);
    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x81\x82" MASK "\xc3\x28", "\x88\x02\x03\xef"); /* no UTF-8: 1007 */
    assert_true(http_loopback_closed(t->loopback));
    testing_connect(t);
    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x82\xff\x00\x00\x00\x00\x00\x10\x00\x01" MASK "x",
           "\x88\x02\x03\xf1"); /* too big: 1009 */
    assert_true(http_loopback_closed(t->loopback));
    testing_connect(t);
    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    FRAMES("\x81\x05hello", "\x88\x02\x03\xea"); /* not masked */
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->ws_closed, 4);
}

static void a_paused_peer_is_not_heard_until_it_goes_on(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    websocket_pause(t->ws, true);
    FRAMES("\x81\x81" MASK "a\x81\x81" MASK "b", "");
    websocket_pause(t->ws, false);
    FRAMES("", "\x81\x01"
               "a\x81\x01"
               "b");
}

static void a_peer_that_goes_closes_it_once(void **state)
{
    Testing *t = *state;

    testing_expect(t, HANDSHAKE(""), SWITCHED(""));
    http_loopback_eof(t->loopback);
    assert_true(http_loopback_closed(t->loopback));
    assert_int_equal(t->ws_closed, 1);
    assert_int_equal(t->closed, 1);
    assert_null(t->ws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_handshake_answers_key_and_protocol, begin, end),
        cmocka_unit_test_setup_teardown(an_incomplete_handshake_is_a_plain_request, begin, end),
        cmocka_unit_test_setup_teardown(messages_come_back, begin, end),
        cmocka_unit_test_setup_teardown(frames_behind_the_handshake_are_heard, begin, end),
        cmocka_unit_test_setup_teardown(fragments_make_one_message_with_pings_between, begin, end),
        cmocka_unit_test_setup_teardown(the_client_closes_and_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(the_server_closes_and_waits_for_the_answer, begin, end),
        cmocka_unit_test_setup_teardown(broken_frames_end_it_with_a_reason, begin, end),
        cmocka_unit_test_setup_teardown(a_paused_peer_is_not_heard_until_it_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(a_peer_that_goes_closes_it_once, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
