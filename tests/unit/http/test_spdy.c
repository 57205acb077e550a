/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY/3.1: golden frames of a client, and what is answered. */
#include "testing.h"

#include <zlib.h>

#include "http/spdy.h"

/* The first frames of a client's zlib stream: streams 1 (streamtype: error) and 3 (streamtype:
 * stdin, port: 80, requestid: 0). */
#define SYN_1                               \
    "8003000100000028000000010000000000007" \
    "8f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff"
#define SYN_3                                                                  \
    "800300010000002e0000000300000000000002a5474ca9e21260768194d845a0d4cd6461" \
    "0024398b20f19b094af78c0600000000ffff"

typedef struct Seen {
    Spdy *spdy;
    StrBuf events; /* what the handler was told */
    StrBuf sent;   /* as hex */
    SpdyStream *last;
    bool echo, finish, reset;
} Seen;

static void on_stream(void *data, SpdyStream *stream)
{
    Seen *seen = data;

    strbuf_printf(&seen->events, "stream %u", stream->id);
    for (size_t i = 0; i < stream->n_headers; i++)
        strbuf_printf(&seen->events, " %s=%s", stream->headers[i].name, stream->headers[i].value);
    strbuf_add_string(&seen->events, "; ");
    seen->last = stream;
    if (seen->reset)
        spdy_reset(seen->spdy, stream, SPDY_CANCEL);
    else
        spdy_reply(seen->spdy, stream);
}

static void on_data(void *data, SpdyStream *stream, Bytes bytes)
{
    Seen *seen = data;

    strbuf_printf(&seen->events, "data %u %.*s; ", stream->id, (int)MIN_OF(bytes.n, 20u), bytes.p);
    if (seen->echo)
        spdy_send(seen->spdy, stream, bytes);
}

static void on_end(void *data, SpdyStream *stream)
{
    Seen *seen = data;

    strbuf_printf(&seen->events, "end %u; ", stream->id);
    if (seen->finish)
        spdy_finish(seen->spdy, stream);
}

static void on_gone(void *data, SpdyStream *stream)
{
    Seen *seen = data;

    strbuf_printf(&seen->events, "gone %u; ", stream->id);
}

static void on_goaway(void *data)
{
    Seen *seen = data;

    strbuf_add_string(&seen->events, "goaway; ");
}

static void on_send(void *data, Bytes bytes)
{
    Seen *seen = data;

    for (size_t i = 0; i < bytes.n; i++)
        strbuf_printf(&seen->sent, "%02x", bytes.p[i]);
}

static const SpdyHandler handler = {on_stream, on_data, on_end, on_gone, on_goaway, on_send};

static int setup(void **state)
{
    Seen *seen = mem_new_type(Seen);

    seen->spdy = spdy_new(&handler, seen);
    *state = seen;
    return 0;
}

static int teardown(void **state)
{
    Seen *seen = *state;

    spdy_free(seen->spdy);
    strbuf_deinit(&seen->events);
    strbuf_deinit(&seen->sent);
    free(seen);
    return 0;
}

static int feed(Seen *seen, const char *hex)
{
    size_t n = strlen(hex) / 2;
    _free_ uint8_t *bytes = mem_new(n + 1);

    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;

        assert_int_equal(sscanf(hex + i * 2, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    return spdy_feed(seen->spdy, (Bytes){bytes, n});
}

static void expect_events(Seen *seen, const char *text)
{
    assert_string_equal(strbuf_string(&seen->events), text);
    strbuf_truncate(&seen->events, 0);
}

static void expect_sent(Seen *seen, const char *hex)
{
    assert_string_equal(strbuf_string(&seen->sent), hex);
    strbuf_truncate(&seen->sent, 0);
}

/* ---- */

static void the_dictionary_is_that_of_the_specification(void **state)
{
    Bytes bytes = spdy_dictionary();

    assert_int_equal(bytes.n, 1423);
    assert_int_equal(adler32(adler32(0, NULL, 0), bytes.p, (uInt)bytes.n), 0xe3c6a7c2);
}

static void streams_of_a_client_are_opened_with_their_headers(void **state)
{
    Seen *seen = *state;

    assert_int_equal(feed(seen, SYN_1), 0);
    expect_events(seen, "stream 1 streamtype=error; ");
    assert_int_equal(feed(seen, SYN_3), 0);
    expect_events(seen, "stream 3 streamtype=stdin port=80 requestid=0; ");
}

static void frames_may_come_byte_by_byte(void **state)
{
    Seen *seen = *state;
    static const char all[] = SYN_1 SYN_3 "00000003"
                                          "01000002"
                                          "6869";

    for (size_t i = 0; i + 1 < sizeof(all); i += 2) {
        const char two[] = {all[i], all[i + 1], 0};

        assert_int_equal(feed(seen, two), 0);
    }
    expect_events(seen, "stream 1 streamtype=error; stream 3 streamtype=stdin port=80 requestid=0; "
                        "data 3 h; data 3 i; end 3; ");
}

static void a_reply_has_an_empty_header_block(void **state)
{
    Seen *seen = *state;
    uint8_t reply[128], block[16];
    Bytes dictionary = spdy_dictionary();
    z_stream z = {0};
    size_t n;

    feed(seen, SYN_1);
    assert_true(str_starts_with(strbuf_string(&seen->sent), "80030002000000"));
    n = seen->sent.n / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;

        assert_int_equal(sscanf(seen->sent.p + i * 2, "%2x", &byte), 1);
        reply[i] = (uint8_t)byte;
    }
    assert_int_equal(reply[7], n - 8);
    assert_memory_equal(reply + 8, "\0\0\0\1", 4);
    assert_int_equal(inflateInit(&z), Z_OK);
    z.next_in = reply + 12;
    z.avail_in = (uInt)n - 12;
    z.next_out = block;
    z.avail_out = sizeof(block);
    assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_NEED_DICT);
    assert_int_equal(inflateSetDictionary(&z, dictionary.p, (uInt)dictionary.n), Z_OK);
    assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
    assert_int_equal(z.avail_out, sizeof(block) - 4);
    assert_memory_equal(block, "\0\0\0\0", 4);
    inflateEnd(&z);
}

static void a_stream_goes_when_both_halves_have_ended(void **state)
{
    Seen *seen = *state;

    feed(seen, SYN_1);
    strbuf_truncate(&seen->events, 0);
    strbuf_truncate(&seen->sent, 0);
    seen->echo = seen->finish = true;
    feed(seen, "00000001000000056162636465");
    expect_sent(seen, "00000001000000056162636465");
    feed(seen, "0000000101000000");
    expect_sent(seen, "0000000101000000");
    expect_events(seen, "data 1 abcde; end 1; gone 1; ");
    assert_int_equal(feed(seen, "00000001000000056162636465"), 0); /* late data is dropped */
    expect_events(seen, "");
}

static void a_reset_ends_both_halves(void **state)
{
    Seen *seen = *state;

    feed(seen, SYN_1);
    assert_int_equal(feed(seen, "80030003000000080000000100000005"), 0);
    expect_events(seen, "stream 1 streamtype=error; gone 1; ");
    strbuf_truncate(&seen->sent, 0);
    seen->reset = true;
    feed(seen, SYN_3);
    expect_events(seen, "stream 3 streamtype=stdin port=80 requestid=0; gone 3; ");
    expect_sent(seen, "80030003000000080000000300000005");
}

static void pings_of_the_client_are_answered(void **state)
{
    Seen *seen = *state;

    assert_int_equal(feed(seen, "800300060000000400000007"), 0);
    expect_sent(seen, "800300060000000400000007");
    assert_int_equal(feed(seen, "800300060000000400000002"), 0);
    expect_sent(seen, "");
}

static void a_client_may_leave(void **state)
{
    Seen *seen = *state;

    assert_int_equal(feed(seen, "80030007000000080000000000000000"), 0);
    expect_events(seen, "goaway; ");
}

static void windows_hold_for_a_peer_that_knows_them(void **state)
{
    Seen *seen = *state;

    /* SETTINGS: initial window 3 */
    assert_int_equal(feed(seen, "800300040000000c00000001"
                                "0000000700000003"),
                     0);
    feed(seen, SYN_1);
    strbuf_truncate(&seen->sent, 0);
    spdy_send(seen->spdy, seen->last, BYTES_LITERAL("abcde"));
    expect_sent(seen, "0000000100000003616263");
    assert_int_equal(spdy_pending(seen->last), 2);
    spdy_finish(seen->spdy, seen->last); /* waits behind what waits */
    expect_sent(seen, "");
    assert_int_equal(feed(seen, "80030009000000080000000100000001"), 0);
    expect_sent(seen, "000000010000000164");
    assert_int_equal(feed(seen, "80030009000000080000000100000010"), 0);
    expect_sent(seen, "000000010000000165"
                      "0000000101000000");
}

static void a_window_that_overflows_resets_its_stream(void **state)
{
    Seen *seen = *state;

    feed(seen, SYN_1);
    strbuf_truncate(&seen->sent, 0);
    assert_int_equal(feed(seen, "8003000900000008000000017fffffff"), 0);
    expect_sent(seen, "80030003000000080000000100000007");
}

static void a_peer_that_counts_nothing_gets_all(void **state)
{
    Seen *seen = *state;
    _free_ uint8_t *much = mem_new(200000);

    feed(seen, SYN_1);
    strbuf_truncate(&seen->sent, 0);
    spdy_send(seen->spdy, seen->last, (Bytes){much, 200000});
    assert_int_equal(spdy_pending(seen->last), 0);
    assert_int_equal(seen->sent.n / 2, 200000 + 7 * 8);
}

static void what_was_read_is_told(void **state)
{
    Seen *seen = *state;
    _free_ uint8_t *much = mem_new(40008);

    feed(seen, SYN_1);
    strbuf_truncate(&seen->sent, 0);
    memcpy(much, "\0\0\0\1\0\0\x9c\x40", 8);
    assert_int_equal(spdy_feed(seen->spdy, (Bytes){much, 40008}), 0);
    expect_sent(seen, "80030009000000080000000000009c40"
                      "80030009000000080000000100009c40");
}

static void broken_frames_end_the_connection(void **state)
{
    // clang-format off
    static const char *const cases[] = {
        "8002000600000004" "00000001", /* an older version */
        "80030006000000050000000100",  /* a ping that is too long */
        "8003000100ffffff",            /* longer than a head may be */
        "0000000000000001" "61",       /* data on no stream */
        "0000000900000001" "61",       /* data on a stream to come */
        "8003000200000004" "00000001", /* an answer, and we ask nothing */
        "80030003000000040000000100000005",
        "800300010000000c" "000000010000000000000102", /* no zlib */
        SYN_1 SYN_1,                   /* the zlib stream goes on, not anew */
    };
    // clang-format on

    EACH_ROW(i, cases, cases[i]) {
        Seen seen = {0};

        seen.spdy = spdy_new(&handler, &seen);
        assert_int_equal(feed(&seen, cases[i]), SPDY_E_BROKEN);
        assert_true(
            str_ends_with(strbuf_string(&seen.sent), "00000001")); /* GOAWAY, protocol error */
        assert_int_equal(feed(&seen, SYN_1), SPDY_E_BROKEN);
        spdy_free(seen.spdy);
        strbuf_deinit(&seen.events);
        strbuf_deinit(&seen.sent);
    }
}

static void unknown_frames_are_passed_over(void **state)
{
    Seen *seen = *state;

    assert_int_equal(feed(seen, "8003000b0000000261628003000500000000" SYN_1), 0);
    expect_events(seen, "stream 1 streamtype=error; ");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dictionary_is_that_of_the_specification),
        TEST(streams_of_a_client_are_opened_with_their_headers),
        TEST(frames_may_come_byte_by_byte),
        TEST(a_reply_has_an_empty_header_block),
        TEST(a_stream_goes_when_both_halves_have_ended),
        TEST(a_reset_ends_both_halves),
        TEST(pings_of_the_client_are_answered),
        TEST(a_client_may_leave),
        TEST(windows_hold_for_a_peer_that_knows_them),
        TEST(a_window_that_overflows_resets_its_stream),
        TEST(a_peer_that_counts_nothing_gets_all),
        TEST(what_was_read_is_told),
        cmocka_unit_test(broken_frames_end_the_connection),
        TEST(unknown_frames_are_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
