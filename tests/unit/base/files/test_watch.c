/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are replaced are noticed, whichever way. */
#include "testing.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/files/file.h"
#include "base/files/watch.h"

static char dir[64];

static void on_change(void *data)
{
    (*(int *)data)++;
}

static void write_text(const char *name, const char *text)
{
    _free_ char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "we");

    fputs(text, f);
    fclose(f);
}

static void in_place(void)
{
    write_text("a", "2");
}

static void by_rename(void)
{
    _free_ char *from = mem_printf("%s/b", dir), *to = mem_printf("%s/a", dir);

    write_text("b", "2");
    assert_int_equal(rename(from, to), 0);
}

/* As Kubernetes replaces what a volume contains: a, b -> ..data/a, b; ..data -> another folder. */
static void by_link(void)
{
    _free_ char *to = mem_printf("%s/..data", dir), *temporary = mem_printf("%s/..tmp", dir);

    assert_int_equal(symlink("somewhere", temporary), 0);
    assert_int_equal(rename(temporary, to), 0);
}

static const struct {
    const char *name;
    void (*change)(void);
} ways[] = {
    {"a file is written", in_place},
    {"a file is replaced", by_rename},
    {"the link beside it is replaced", by_link},
};

static void a_change_is_noticed_once(void **state _unused_)
{
    EACH_ROW(i, ways, ways[i].name) {
        _free_ char *path = NULL, *other = NULL;
        FileWatch *watch;
        uv_loop_t loop;
        Err err = ERR_INIT;
        int seen = 0;

        snprintf(dir, sizeof(dir), "/tmp/stead-watch-XXXXXX");
        assert_non_null(mkdtemp(dir));
        path = mem_printf("%s/a", dir);
        other = mem_printf("%s/c", dir);
        write_text("a", "1");
        uv_loop_init(&loop);
        assert_int_equal(file_watch_new(&loop, (const char *const[]){path, NULL, other}, 3,
                                        on_change, &seen, &watch, &err),
                         0);
        ways[i].change();
        while (!seen)
            uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(seen, 1);
        file_watch_free(watch);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        file_remove_tree(dir);
    }
}

static void a_missing_folder_is_an_error(void **state _unused_)
{
    FileWatch *watch;
    uv_loop_t loop;
    Err err = ERR_INIT;

    uv_loop_init(&loop);
    assert_true(file_watch_new(&loop, (const char *const[]){"/nonexistent/a"}, 1, on_change, NULL,
                               &watch, &err) < 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_noticed_once),
        cmocka_unit_test(a_missing_folder_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
