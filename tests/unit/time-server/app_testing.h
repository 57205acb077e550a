/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for each test. */
#ifndef UNIT_TIME_SERVER_APP_TESTING_H
#define UNIT_TIME_SERVER_APP_TESTING_H

#include "testing.h"

#include "base/fault.h"
#include "base/files/file.h"

static char home[64];

static inline const char *at(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
    return path;
}

static inline void make_home(void)
{
    snprintf(home, sizeof(home), "%s/time-server-XXXXXX", str_or(getenv("TMPDIR"), "/tmp"));
    assert_non_null(mkdtemp(home));
}

static inline void remove_home(void)
{
    fault_arm("", 0);
    assert_int_equal(file_remove_tree(home), 0);
}

static inline void put_file(const char *name, const char *text, size_t n)
{
    assert_int_equal(file_replace(at(name), text, n, 0644), 0);
}

static inline void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

static inline void assert_file(const char *name, const char *text)
{
    _free_ char *got = NULL;

    assert_int_equal(file_read(at(name), 1 << 20, &got, NULL), 0);
    assert_string_equal(got, text);
}

#endif
