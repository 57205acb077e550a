/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <time.h>

#include "base/time/clock.h"
#include "base/timefmt.h"

static void known_times_are_printed(void **state)
{
    char buf[TIMEFMT_MAX];

    timefmt_seconds(0, buf);
    assert_string_equal(buf, "1970-01-01T00:00:00Z");
    timefmt_seconds(-1, buf);
    assert_string_equal(buf, "1969-12-31T23:59:59Z");
    timefmt_micros(1669707936, 123456789, buf);
    assert_string_equal(buf, "2022-11-29T07:45:36.123456Z");
    timefmt_micros(1669707936, 0, buf);
    assert_string_equal(buf, "2022-11-29T07:45:36.000000Z");
    timefmt_nanos(1669707936, 5, buf);
    assert_string_equal(buf, "2022-11-29T07:45:36.000000005Z");
    timefmt_offset(1669707936, 3 * 3600, buf);
    assert_string_equal(buf, "2022-11-29T10:45:36+03:00");
    timefmt_offset(1669707936, -(9 * 3600 + 1800), buf);
    assert_string_equal(buf, "2022-11-28T22:15:36-09:30");
    timefmt_offset(1709164800, 0, buf);
    assert_string_equal(buf, "2024-02-29T00:00:00Z");
}

static void durations_are_printed_and_read_as_in_go(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1.5µs"},
        {150000000, "150ms"},
        {1000000000, "1s"},
        {15500000000, "15.5s"},
        {60000000000, "1m0s"},
        {3723000000001, "1h2m3.000000001s"},
        {-90000000000, "-1m30s"},
        {INT64_C(8760) * 3600 * 1000000000, "8760h0m0s"},
    };
    static const char *const bad[] = {"", "1", "s", "1x", "-", "1h2", "9999999h", ".s", "1 s"};
    int64_t ns;

    EACH_ROW(i, cases, cases[i].text) {
        char buf[TIMEFMT_MAX];

        timefmt_duration(cases[i].ns, buf);
        assert_string_equal(buf, cases[i].text);
        assert_true(timefmt_parse_duration(cases[i].text, &ns));
        assert_int_equal(ns, cases[i].ns);
    }
    assert_true(timefmt_parse_duration("1.5h", &ns));
    assert_int_equal(ns, INT64_C(5400) * 1000000000);
    assert_true(timefmt_parse_duration("0", &ns));
    EACH_ROW(i, bad, bad[i])
        assert_false(timefmt_parse_duration(bad[i], &ns));
}

/* The local mean time of Moscow was +02:30:17: a text cannot say that, and must still mean the same
 * time. */
static void an_offset_with_seconds_keeps_the_time(void **state)
{
    char buf[TIMEFMT_MAX];
    int64_t seconds;
    int32_t nanos;

    for (int offset = -50000; offset <= 50000; offset += 17) {
        timefmt_offset(-2840140817, offset, buf);
        assert_int_equal(timefmt_parse(buf, &seconds, &nanos), 0);
        assert_int_equal(seconds, -2840140817);
    }
}

static void the_calendar_is_that_of_the_c_library(void **state)
{
    for (int64_t seconds = -62135596800; seconds < 253402300800; seconds += 86400 * 13 + 3607) {
        time_t t = (time_t)seconds;
        struct tm tm;
        char buf[TIMEFMT_MAX], expected[64];
        int64_t back;
        int32_t nanos;

        gmtime_r(&t, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        timefmt_seconds(seconds, buf);
        assert_string_equal(buf, expected);
        assert_int_equal(timefmt_parse(buf, &back, &nanos), 0);
        assert_int_equal(back, seconds);
    }
}

static void what_is_printed_reads_back(void **state)
{
    Random random;

    random_seed(&random, 5);
    for (int i = 0; i < 20000; i++) {
        int64_t seconds = (int64_t)random_below(&random, 253402300800), back;
        int32_t nanos = (int32_t)random_below(&random, 1000000000), back_nanos;
        int offset = ((int)random_below(&random, 2 * 1439 + 1) - 1439) * 60;
        char buf[TIMEFMT_MAX];

        timefmt_nanos(seconds, nanos, buf);
        assert_int_equal(timefmt_parse(buf, &back, &back_nanos), 0);
        assert_true(back == seconds && back_nanos == nanos);
        timefmt_micros(seconds, nanos, buf);
        assert_int_equal(timefmt_parse(buf, &back, &back_nanos), 0);
        assert_true(back == seconds && back_nanos == nanos / 1000 * 1000);
        if (seconds < 86400 || seconds > 253402214400)
            continue;
        timefmt_offset(seconds, offset, buf);
        assert_int_equal(timefmt_parse(buf, &back, &back_nanos), 0);
        assert_true(back == seconds && back_nanos == 0);
    }
}

static void other_ways_to_write_a_time_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
    } cases[] = {
        {"1970-01-01T00:00:01Z", 1, 0},
        {"1970-01-01t00:00:01z", 1, 0},
        {"1970-01-01T00:00:01.5Z", 1, 500000000},
        {"1970-01-01T00:00:01.123456789123Z", 1, 123456789},
        {"1970-01-01T01:00:01+01:00", 1, 0},
        {"1969-12-31T23:00:01-01:00", 1, 0},
        {"1970-01-01T00:00:01-00:00", 1, 0},
        {"2000-02-29T00:00:00Z", 951782400, 0},
    };

    EACH_ROW(i, cases, cases[i].text) {
        int64_t seconds;
        int32_t nanos;

        assert_int_equal(timefmt_parse(cases[i].text, &seconds, &nanos), 0);
        assert_true(seconds == cases[i].seconds && nanos == cases[i].nanos);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {
        NULL,
        "",
        "now",
        "2022",
        "2022-11-29",
        "2022-11-29T",
        "2022-11-29T10:45",
        "2022-11-29T10:45:36",
        "2022-11-29 10:45:36Z",
        "2022-11-29T10:45:36ZZ",
        "2022-11-29T10:45:36.Z",
        "2022-11-29T10:45:36+0300",
        "2022-11-29T10:45:36+03",
        "2022-11-29T10:45:36+24:00",
        "2022-11-29T10:45:36+03:60",
        "2022-11-29T24:00:00Z",
        "2022-11-29T10:60:36Z",
        "2022-11-29T10:45:61Z",
        "2022-13-01T00:00:00Z",
        "2022-00-01T00:00:00Z",
        "2022-01-00T00:00:00Z",
        "2022-01-32T00:00:00Z",
        "2022-04-31T00:00:00Z",
        "2022-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "22-11-29T10:45:36Z",
        "+2022-11-29T10:45:36Z",
        "2022-1-29T10:45:36Z",
        "2022-11-29T10:45:36 Z",
    };
    int64_t seconds = 7;
    int32_t nanos = 7;

    EACH_ROW(i, bad, bad[i])
        assert_int_equal(timefmt_parse(bad[i], &seconds, &nanos), 1);
    assert_true(seconds == 7 && nanos == 7);
}

static void the_farthest_times_fit_the_buffer(void **state)
{
    char buf[TIMEFMT_MAX];

    timefmt_nanos(INT64_MAX / 2, 999999999, buf);
    assert_string_equal(buf + strlen(buf) - 1, "Z");
    timefmt_nanos(INT64_MIN / 2, 999999999, buf);
    assert_string_equal(buf + strlen(buf) - 1, "Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_are_printed),
        cmocka_unit_test(durations_are_printed_and_read_as_in_go),
        cmocka_unit_test(an_offset_with_seconds_keeps_the_time),
        cmocka_unit_test(the_calendar_is_that_of_the_c_library),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(other_ways_to_write_a_time_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(the_farthest_times_fit_the_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
