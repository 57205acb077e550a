/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines, streams, rotation; and the small pure parts of a container's description. */
#include "testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <uv.h>

#include "api/schema/core_container_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/files/file.h"
#include "node/env/environment.h"
#include "node/runtime/logs.h"
#include "node/runtime/oci.h"
#include "node/volume/volume.h"

static char folder[64];

static int setup(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/stead-logs-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    return file_remove_tree(folder);
}

typedef struct Reader {
    StrBuf text;
    bool ended, slow;
    int pieces;
} Reader;

static bool on_data(void *data, Bytes bytes)
{
    Reader *r = data;

    strbuf_add(&r->text, bytes.p, bytes.n);
    r->pieces++;
    return !r->slow;
}

static void on_end(void *data)
{
    ((Reader *)data)->ended = true;
}

static void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

#define A "2026-01-02T03:04:05.100000000+00:00 stdout F a\n"
#define B "2026-01-02T03:04:06.200000000+00:00 stderr F b\n"
#define C                                                                                         \
    "2026-01-02T03:04:07.300000000+00:00 stdout P c\n2026-01-02T03:04:07.300000001+00:00 stdout " \
    "F d\n"

static void lines_are_taken_apart(void **state)
{
    static const struct {
        const char *line;
        bool ok, partial;
        const char *text;
    } rows[] = {
        {"2026-01-02T03:04:05Z stdout F hello world", true, false, "hello world"},
        {"2026-01-02T03:04:05Z stderr P x", true, true, "x"},
        {"2026-01-02T03:04:05Z stdout F ", true, false, ""},
        {"2026-01-02T03:04:05Z stdout F", true, false, ""},
        {"2026-01-02T03:04:05Z stdout X x", false, false, ""},
        {"2026-01-02T03:04:05Z other F x", false, false, ""},
        {"plain", false, false, ""},
        {"", false, false, ""},
    };

    EACH_ROW(i, rows, rows[i].text) {
        CriLine line;
        bool ok = cri_line_parse((const uint8_t *)rows[i].line, strlen(rows[i].line), &line);

        assert_int_equal(ok, rows[i].ok);
        if (!ok)
            continue;
        assert_int_equal(line.partial, rows[i].partial);
        assert_int_equal(line.text.n, strlen(rows[i].text));
        assert_memory_equal(line.text.p, rows[i].text, line.text.n);
    }
}

static void streams_honour_their_options(void **state)
{
    static const struct {
        LogOptions options;
        const char *want;
    } rows[] = {
        {{.tail_lines = -1, .limit_bytes = -1}, "a\nb\ncd\n"},
        {{.tail_lines = 2, .limit_bytes = -1}, "cd\n"},
        {{.tail_lines = 0, .limit_bytes = -1}, ""},
        {{.tail_lines = 99, .limit_bytes = -1}, "a\nb\ncd\n"},
        {{.tail_lines = -1, .limit_bytes = 3}, "a\nb"},
        {{.tail_lines = -1, .limit_bytes = -1, .since_ns = INT64_C(1767323046) * 1000000000},
         "b\ncd\n"},
        {{.tail_lines = 3, .limit_bytes = -1, .timestamps = true},
         "2026-01-02T03:04:06.200000000Z b\n2026-01-02T03:04:07.300000000Z cd\n"},
    };
    _free_ char *path = mem_printf("%s/0.log", folder);
    uv_loop_t loop;

    append(path, A B C);
    uv_loop_init(&loop);
    EACH_ROW(i, rows, rows[i].want) {
        Reader r = {0};
        LogSink sink = {on_data, on_end, &r};

        log_stream_new(&loop, path, true, &rows[i].options, &sink);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_true(r.ended);
        assert_string_equal(strbuf_string(&r.text), rows[i].want);
        strbuf_deinit(&r.text);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void following_goes_on_over_a_rotation_and_ends_with_the_container(void **state)
{
    _free_ char *path = mem_printf("%s/1.log", folder), *old = mem_printf("%s/1.log.1", folder);
    LogOptions options = {.tail_lines = -1, .limit_bytes = -1, .follow = true};
    Reader r = {0};
    LogSink sink = {on_data, on_end, &r};
    LogStream *s;
    uv_loop_t loop;

    append(path, A);
    uv_loop_init(&loop);
    s = log_stream_new(&loop, path, false, &options, &sink);
    while (r.text.n < 2)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(log_rotate(path, 1 << 20, 5));
    assert_true(log_rotate(path, 10, 5));
    assert_true(file_exists(old));
    append(path, B);
    while (r.text.n < 4)
        uv_run(&loop, UV_RUN_ONCE);
    append(path, C);
    log_stream_finish(s);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(r.ended);
    assert_string_equal(strbuf_string(&r.text), "a\nb\ncd\n");
    strbuf_deinit(&r.text);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* The data folder may be behind a link, but a pod must not lead the server to another file. */
static void links_are_followed_above_the_folder_of_the_pod_only(void **state)
{
    static const struct {
        const char *link, *target, *path, *text;
    } rows[] = {
        {"data", "real", "data/pod/app/0.log", "a\n"},
        {"real/other", "pod", "real/other/app/0.log", ""},
        {"real/pod/other", "app", "real/pod/other/0.log", ""},
        {"real/pod/app/1.log", "0.log", "real/pod/app/1.log", ""},
    };
    _free_ char *log = mem_printf("%s/real/pod/app/0.log", folder);

    assert_int_equal(file_mkdir_for(log, 0755), 0);
    append(log, "2026-01-02T03:04:05Z stdout F a\n");
    EACH_ROW(i, rows, rows[i].path) {
        _free_ char *link = mem_printf("%s/%s", folder, rows[i].link);
        _free_ char *path = mem_printf("%s/%s", folder, rows[i].path);
        _free_ char *text = NULL;

        assert_int_equal(symlink(rows[i].target, link), 0);
        text = log_tail_text(path, 1000, 10);
        assert_string_equal(text, rows[i].text);
    }
}

static void a_slow_reader_is_waited_for(void **state)
{
    _free_ char *path = mem_printf("%s/2.log", folder);
    LogOptions options = {.tail_lines = -1, .limit_bytes = -1};
    Reader r = {.slow = true};
    LogSink sink = {on_data, on_end, &r};
    LogStream *s;
    uv_loop_t loop;

    append(path, A);
    uv_loop_init(&loop);
    s = log_stream_new(&loop, path, true, &options, &sink);
    while (!r.pieces)
        uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(r.ended);
    r.slow = false;
    log_stream_resume(s);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(r.ended);
    strbuf_deinit(&r.text);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void users_are_found_in_the_root_folder(void **state)
{
    static const struct {
        const char *user;
        int r;
        uint32_t uid, gid, group;
    } rows[] = {
        {"", 0, 0, 0, 0},         {"1000", 0, 1000, 100, 7}, {"app", 0, 1000, 100, 7},
        {"app:7", 0, 1000, 7, 0}, {"4242", 0, 4242, 0, 0},   {"app:ops", 0, 1000, 7, 0},
        {"nobody", -1, 0, 0, 0},  {"app:none", -1, 0, 0, 0}, {"5:6", 0, 5, 6, 0},
    };
    _free_ char *etc = mem_printf("%s/etc", folder), *passwd = mem_printf("%s/passwd", etc);
    _free_ char *group = mem_printf("%s/group", etc);

    assert_int_equal(file_mkdir_all(etc, 0755), 0);
    append(passwd, "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100::/home/app:\n");
    append(group, "root:x:0:\nops:x:7:other,app\n");
    EACH_ROW(i, rows, rows[i].user) {
        _arena_ Arena arena = ARENA_INIT;
        OciUser user;
        Err err = ERR_INIT;
        int r = oci_user_find(folder, rows[i].user, &arena, &user, &err);

        assert_int_equal(r < 0, rows[i].r < 0);
        if (r < 0)
            continue;
        assert_int_equal(user.uid, rows[i].uid);
        assert_int_equal(user.gid, rows[i].gid);
        assert_int_equal(user.n_groups ? user.groups[0] : 0, rows[i].group);
    }
}

static void variables_are_expanded_as_kubernetes_does(void **state)
{
    static const char *const rows[][2] = {
        {"$(A)-$(B)", "1-$(B)"},
        {"$$(A)", "$(A)"},
        {"$(A", "$(A"},
        {"$A", "$A"},
        {"a$", "a$"},
        {"", ""},
        {"$$$(A)", "$1"},
    };
    _arena_ Arena arena = ARENA_INIT;
    EnvList env = {.arena = &arena};

    env_set(&env, "A", "0");
    env_set(&env, "A", "1");
    assert_int_equal(env.n, 1);
    EACH_ROW(i, rows, rows[i][0])
        assert_string_equal(env_expand(&arena, rows[i][0], &env, NULL), rows[i][1]);
}

static void references_cannot_fill_the_memory(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    EnvList env = {.arena = &arena};
    size_t total = 0;

    env_set(&env, "V0", "0123456789abcdef");
    for (int i = 1; i < 10000; i++) {
        char *value =
            env_expand(&arena, arena_printf(&arena, "$(V%d)$(V%d)", i - 1, i - 1), &env, NULL);

        assert_true(strlen(value) <= ENV_ONE_MAX + 1);
        total += strlen(value);
        env_set(&env, arena_printf(&arena, "V%d", i), value);
    }
    assert_int_equal(total, ENV_ALL_MAX);
    assert_string_equal(env_get(&env, "V1"), "0123456789abcdef0123456789abcdef");
}

static void files_of_a_volume_change_all_at_once(void **state)
{
    _free_ char *path = mem_printf("%s/volume", folder);
    VolumeFile one[] = {{"a", BYTES_LITERAL("1"), 0644}, {"d/b", BYTES_LITERAL("2"), 0400}},
               two[] = {{"d/c", BYTES_LITERAL("3"), 0644}};
    PodVolume v = {.name = "v", .form = VOLUME_FILES, .path = path, .files = one, .n_files = 2};
    _arena_ Arena arena = ARENA_INIT;
    _free_ char *a = mem_printf("%s/a", path), *b = mem_printf("%s/d/b", path),
                *c = mem_printf("%s/d/c", path);
    struct stat st;
    Err err = ERR_INIT;

    assert_int_equal(volume_setup(&v, folder, -1, false, &arena, &err), 0);
    assert_int_equal(volume_setup(&v, folder, -1, false, &arena, &err), 0); /* again: no change */
    assert_true(file_exists(a));
    assert_int_equal(stat(b, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    v.files = two;
    v.n_files = 1;
    assert_int_equal(volume_write_files(&v, -1, &err), 0);
    assert_false(file_exists(a));
    assert_false(file_exists(b));
    assert_true(file_exists(c));
    v.files[0].path = "../escape";
    assert_true(volume_write_files(&v, -1, &err) < 0);
}

static void a_token_is_for_its_user_alone(void **state)
{
    static const struct {
        int64_t pod, first, second; /* runAsUser; -1: none */
        int64_t user;
    } cases[] = {
        {-1, -1, -1, -1}, {1000, -1, -1, 1000}, {1000, 1000, -1, 1000}, {1000, 2000, -1, -1},
        {-1, 7, 7, 7},    {-1, 7, -1, -1},      {0, -1, -1, 0},         {5, 6, 6, 6},
    };
    _free_ char *path = mem_printf("%s/token", folder), *token = mem_printf("%s/t", path);
    VolumeFile file = {"t", BYTES_LITERAL("1"), 0600, 1000};
    PodVolume v = {.name = "v", .form = VOLUME_FILES, .path = path, .files = &file, .n_files = 1};
    _arena_ Arena arena = ARENA_INIT;
    struct stat st;
    Err err = ERR_INIT;

    EACH_ROW(i, cases, NULL) {
        SecurityContext own[2] = {{.run_as_user = arena_int64(&arena, cases[i].first)},
                                  {.run_as_user = arena_int64(&arena, cases[i].second)}};
        Container container = {.security_context = cases[i].first < 0 ? NULL : &own[0]},
                  init = {.security_context = cases[i].second < 0 ? NULL : &own[1]};
        PodSecurityContext all = {.run_as_user = arena_int64(&arena, cases[i].pod)};
        PodSpec spec = {.init_containers = {&init, 1},
                        .containers = {&container, 1},
                        .security_context = cases[i].pod < 0 ? NULL : &all};

        assert_int_equal(pod_single_user(&spec), cases[i].user);
    }
    if (geteuid() != 0)
        return;
    assert_int_equal(volume_setup(&v, folder, -1, false, &arena, &err), 0);
    assert_int_equal(stat(token, &st), 0);
    assert_int_equal(st.st_uid, 1000);
    assert_int_equal(st.st_mode & 0777, 0600);
    file.data = BYTES_LITERAL("2"); /* the next one */
    assert_int_equal(volume_write_files(&v, 3000, &err), 0);
    assert_int_equal(stat(token, &st), 0);
    assert_int_equal(st.st_uid, 1000);
    assert_int_equal(st.st_gid, 3000);
    assert_int_equal(st.st_mode & 0777, 0640);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_apart),
        cmocka_unit_test(streams_honour_their_options),
        cmocka_unit_test(following_goes_on_over_a_rotation_and_ends_with_the_container),
        cmocka_unit_test(links_are_followed_above_the_folder_of_the_pod_only),
        cmocka_unit_test(a_slow_reader_is_waited_for),
        cmocka_unit_test(users_are_found_in_the_root_folder),
        cmocka_unit_test(variables_are_expanded_as_kubernetes_does),
        cmocka_unit_test(references_cannot_fill_the_memory),
        cmocka_unit_test(files_of_a_volume_change_all_at_once),
        cmocka_unit_test(a_token_is_for_its_user_alone),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
