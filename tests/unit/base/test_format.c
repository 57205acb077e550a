/* SPDX-License-Identifier: Apache-2.0 */
/* Texts are what libc makes of them, but for strings that are not there. */
#include "testing.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/format.h"
#include "base/strbuf.h"

static _printf_(3, 4) int ours(char *buf, size_t size, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = format_text(buf, size, format, args);
    va_end(args);
    return n;
}

/* Into every size of buffer. */
#define SAME(...)                                            \
    do {                                                     \
        for (size_t size = 0; size < 80; size++) {           \
            char a[80] = "untouched", b[80] = "untouched";   \
            int n = snprintf(a, size, __VA_ARGS__);          \
                                                             \
            assert_int_equal(ours(b, size, __VA_ARGS__), n); \
            assert_string_equal(b, a);                       \
        }                                                    \
    } while (0)

#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif

static void texts_are_those_of_libc(void **state)
{
    SAME("plain");
    SAME("100%% of %s", "it");
    SAME("%s%s%s", "a", "", "b");
    SAME("[%10s] [%-10s] [%3s]", "right", "left", "longer");
    SAME("[%.2s] [%.*s] [%*s] [%-*.*s]", "cut", 3, "shorter", 8, "w", 6, 2, "both");
    SAME("[%*s]", -8, "left");
    SAME("[%.*s]", -1, "whole");
    SAME("%d %i %5d %-5d| %05d %+d % d %.3d", 1, -2, 3, 4, 5, 6, 7, 8);
    SAME("%u %x %X %#x %o %08x", 1u, 0xabu, 0xabu, 0xabu, 8u, 0xcafeu);
    SAME("%ld %lu %lx %lld %llu", LONG_MIN, ULONG_MAX, 255ul, LLONG_MIN, ULLONG_MAX);
    SAME("%hd %hhd %hu %hhu", (short)-3, (signed char)-4, (unsigned short)5, (unsigned char)6);
    SAME("%zu %zd %zx %jd %td", SIZE_MAX, (ssize_t)-1, (size_t)16, INTMAX_MIN, (ptrdiff_t)-9);
    SAME("%" PRId64 " %" PRIu64 " %" PRIx64, INT64_MIN, UINT64_MAX, UINT64_MAX);
    SAME("%c%c [%3c]", 'a', 'b', 'c');
    SAME("%g %.1f %6.1f %e %.0f", 1.5, 2.25, 3.5, 4e10, 1e15);
    SAME("%p", (void *)0x1234);
}

#pragma GCC diagnostic pop

static void what_is_not_there_prints_as_nothing(void **state)
{
    const char *volatile nothing = NULL;
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf text = STRBUF_INIT;
    _free_ char *heap = mem_printf("<%s>", nothing);
    Err err = ERR_INIT;
    char buf[32];

    assert_int_equal(ours(buf, sizeof(buf), "<%s> <%4s> <%-4s> <%.3s> <%.*s>", nothing, nothing,
                          nothing, nothing, 5, nothing),
                     22);
    assert_string_equal(buf, "<> <    > <    > <> <>");
    assert_string_equal(arena_printf(&arena, "<%s>", nothing), "<>");
    strbuf_printf(&text, "<%s>", nothing);
    assert_string_equal(strbuf_string(&text), "<>");
    assert_string_equal(heap, "<>");
    err_set(&err, 0, "<%s>", nothing);
    assert_string_equal(err.message, "<>");
}

static void errors_are_worded_as_by_go(void **state)
{
    static const struct {
        int error;
        const char *text;
    } rows[] = {
        {ECONNREFUSED, "connection refused"},
        {-ECONNREFUSED, "connection refused"},
        {-EHOSTUNREACH, "no route to host"},
        {-ENETUNREACH, "network is unreachable"},
        {-ECONNRESET, "connection reset by peer"},
        {-ETIMEDOUT, "connection timed out"},
        {-EPIPE, "broken pipe"},
        {-EXDEV, "invalid cross-device link"},
        {-ELIBACC, "can not access a needed shared library"},
        {-ENOCSI, "no CSI structure available"},
    };

    EACH_ROW(i, rows, rows[i].text) {
        char text[ERROR_TEXT_MAX];

        assert_string_equal(format_error(rows[i].error, text), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_those_of_libc),
        cmocka_unit_test(what_is_not_there_prints_as_nothing),
        cmocka_unit_test(errors_are_worded_as_by_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
