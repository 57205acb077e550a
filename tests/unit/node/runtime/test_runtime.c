/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real containers: busybox from a folder, under conmon and crun, without network. Everything lies
 * in a folder under /tmp and goes with it. Skipped where there is no root or no runtime.
 */
#include "testing.h"

#include <signal.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <uv.h>
#include <sys/wait.h>

#include "../busybox.h"
#include "base/files/file.h"
#include "node/runtime/cgroup.h"
#include "node/runtime/oci.h"
#include "node/runtime/runtime.h"

/* The parent of the cgroups of this run, which is removed at its end. */
static char cgroups[32];

typedef struct Case {
    uv_loop_t loop;
    Runtime *runtime;
    char dir[64], id[64];
    char *bundle, *root, *log;
    RuntimeTask *task;
    int created, started, failed, exited, deleted;
    char message[512];
    RuntimeExit end;
    int64_t begin_ns, started_ns;
} Case;

static void on_created(void *data)
{
    ((Case *)data)->created++;
}

static void on_started(void *data, int64_t started_ns _unused_)
{
    Case *c = data;

    c->started++;
    c->started_ns = (int64_t)uv_hrtime();
}

static void on_failed(void *data, bool created _unused_, const char *message)
{
    Case *c = data;

    c->failed++;
    c->task = NULL;
    snprintf(c->message, sizeof(c->message), "%s", message);
    print_message("failed: %s\n", message);
}

static void on_exit_event(void *data, const RuntimeExit *end)
{
    Case *c = data;

    c->exited++;
    c->task = NULL;
    c->end = *end;
}

static const RuntimeEvents events = {on_created, on_started, on_failed, on_exit_event};

static void on_deleted(void *data, const Err *err)
{
    Case *c = data;

    if (err)
        print_message("%s\n", err->message);
    assert_null(err);
    c->deleted++;
}

static bool usable(void)
{
    return geteuid() == 0 && file_exists(BUSYBOX) &&
           (file_exists("/usr/bin/conmon") || file_exists("/usr/local/bin/conmon"));
}

static int setup(void **state)
{
    Case *c = mem_new_type(Case);
    char *path;

    *state = c;
    if (!usable())
        return 0;
    snprintf(c->dir, sizeof(c->dir), "/tmp/stead-test-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->id, sizeof(c->id), "test-%s", c->dir + 16);
    assert_int_equal(uv_loop_init(&c->loop), 0);
    c->bundle = mem_printf("%s/bundle", c->dir);
    c->root = mem_printf("%s/root", c->dir);
    c->log = mem_printf("%s/logs/0.log", c->dir);
    path = mem_printf("%s/bin", c->root);
    assert_int_equal(file_mkdir_all(path, 0755), 0);
    assert_int_equal(file_mkdir_all(c->bundle, 0755), 0);
    free(path);
    path = mem_printf("%s/bin/busybox", c->root);
    assert_int_equal(busybox_copy_to(path), 0);
    free(path);
    path = mem_printf("%s/bin/sh", c->root);
    assert_int_equal(symlink("busybox", path), 0);
    free(path);
    path = mem_printf("%s/crun", c->dir);
    RuntimeOptions options = {.loop = &c->loop, .root = path, .shim = RUNTIME_SHIM};
    c->runtime = runtime_new(&options);
    free(path);
    return 0;
}

static int group_teardown(void **state)
{
    cgroup_remove(cgroups);
    return 0;
}

static int teardown(void **state)
{
    Case *c = *state;

    if (c->runtime) {
        runtime_signal(c->task, SIGKILL);
        while (c->task)
            uv_run(&c->loop, UV_RUN_ONCE);
        c->deleted = 0;
        runtime_delete(c->runtime, c->id, on_deleted, c);
        uv_run(&c->loop, UV_RUN_DEFAULT);
        runtime_free(c->runtime);
        assert_int_equal(uv_loop_close(&c->loop), 0);
        assert_int_equal(file_remove_tree(c->dir), 0);
    }
    free(c->bundle);
    free(c->root);
    free(c->log);
    free(c);
    return 0;
}

static void start(Case *c, const char *script)
{
    const char *args[] = {"/bin/busybox", "sh", "-c", script}, *env[] = {"PATH=/bin", "A=b"};
    _free_ char *cgroup = mem_printf("%s/%s", cgroups, c->id);
    _free_ char *config = mem_printf("%s/config.json", c->bundle);
    _strbuf_ StrBuf json = STRBUF_INIT;
    OciSpec spec = {.root = c->root,
                    .hostname = "web-0",
                    .args = {args, 4},
                    .env = {env, 2},
                    .cwd = "/",
                    .cgroup = cgroup,
                    .memory_limit = 64 << 20,
                    .cpu_shares = 102};
    RuntimeStart options = {.id = c->id, .name = "web", .bundle = c->bundle, .log_path = c->log};

    if (!script)
        spec.args.v[0] = "/nonexistent";
    oci_spec_json(&spec, &json);
    assert_int_equal(file_replace(config, json.p, json.n, 0600), 0);
    c->begin_ns = (int64_t)uv_hrtime();
    c->task = runtime_start(c->runtime, &options, &events, c);
}

static void run_until(Case *c, const int *what)
{
    while (!*what && !c->failed)
        uv_run(&c->loop, UV_RUN_ONCE);
}

static void a_container_runs_logs_and_tells_its_exit_code(void **state)
{
    Case *c = *state;
    _free_ char *log = NULL;
    size_t n;

    if (!c->runtime)
        skip();
    start(c, "echo hello $A; echo oops >&2; exit 7");
    run_until(c, &c->exited);
    assert_int_equal(c->failed, 0);
    assert_int_equal(c->created, 1);
    assert_int_equal(c->started, 1);
    assert_int_equal(c->end.exit_code, 7);
    assert_false(c->end.lost);
    assert_int_equal(file_read(c->log, 4096, &log, &n), 0);
    assert_non_null(strstr(log, " stdout F hello b\n"));
    assert_non_null(strstr(log, " stderr F oops\n"));
    print_message("start took %.1f ms\n", (double)(c->started_ns - c->begin_ns) / 1e6);
}

static void a_container_ends_by_signal(void **state)
{
    Case *c = *state;

    if (!c->runtime)
        skip();
    start(c, "trap 'exit 3' TERM; while :; do read x < /dev/zero; done");
    run_until(c, &c->started);
    assert_int_equal(c->failed, 0);
    assert_int_equal(runtime_signal(c->task, SIGKILL), 0);
    run_until(c, &c->exited);
    assert_int_equal(c->end.exit_code, 137);
}

static void a_started_container_is_known_as_started(void **state)
{
    Case *c = *state;
    _free_ char *fifo = mem_printf("%s/crun/%s/exec.fifo", c->dir, c->id);
    _free_ char *started = mem_printf("%s/started", c->bundle);

    if (!c->runtime)
        skip();
    runtime_expect(c->runtime);
    runtime_expect(c->runtime); /* while the first is under way */
    start(c, "exec busybox sleep 1000");
    run_until(c, &c->created);
    run_until(c, &c->started);
    assert_int_equal(c->failed, 0);
    assert_true(file_exists(started));
    assert_false(file_exists(fifo)); /* what crun and the node go by */
    assert_int_equal(runtime_signal(c->task, SIGKILL), 0);
    run_until(c, &c->exited);
    assert_int_equal(c->end.exit_code, 137);
    assert_false(c->end.lost);
}

static void a_missing_program_is_said_so(void **state)
{
    Case *c = *state;

    if (!c->runtime)
        skip();
    start(c, NULL);
    run_until(c, &c->exited);
    assert_int_equal(c->failed, 1);
    assert_non_null(strstr(c->message, "nonexistent"));
}

static void a_running_container_is_adopted_and_its_end_heard(void **state)
{
    Case *c = *state;

    if (!c->runtime)
        skip();
    start(c, "exec busybox sleep 1000");
    run_until(c, &c->started);
    assert_int_equal(c->failed, 0);
    c->task = runtime_forget(c->task);
    c->task = runtime_adopt(c->runtime, c->id, c->bundle, &events, c);
    assert_non_null(c->task);
    assert_int_equal(runtime_signal(c->task, SIGKILL), 0);
    run_until(c, &c->exited);
    assert_int_equal(c->end.exit_code, 137);
    assert_int_equal(c->end.lost, false);
    assert_null(runtime_adopt(c->runtime, c->id, c->bundle, &events, c));
    assert_true(runtime_read_exit(c->bundle, &c->end));
    assert_int_equal(c->end.exit_code, 137);
}

/* A container that could write to the program of the runtime would own the machine, so it only sees a
 * sealed copy in memory. Other runtimes protect themselves. */
static void crun_is_executed_from_a_sealed_copy(void **state)
{
    static const struct {
        const char *name;
        bool sealed;
    } rows[] = {{"crun", true}, {"runc", false}};
    Case *c = *state;

    if (!c->runtime)
        skip();
    EACH_ROW(i, rows, rows[i].name) {
        _free_ char *program = mem_printf("%s/programs/%s", c->dir, rows[i].name);
        _free_ char *out = mem_printf("%s/out", c->dir), *text = NULL;
        _free_ char *command =
            mem_printf("cp /usr/bin/readlink %s && CRUN=%s %s /proc/self/exe >%s", program, program,
                       RUNTIME_SHIM, out);
        size_t n;
        int status;
        pid_t pid;

        assert_int_equal(file_mkdir_for(program, 0755), 0);
        pid = fork();
        if (pid == 0) {
            execl("/bin/sh", "sh", "-c", command, NULL);
            _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(file_read(out, 4096, &text, &n), 0);
        text[strcspn(text, "\n")] = 0;
        assert_string_equal(text, rows[i].sealed ? "/memfd:crun (deleted)" : program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_container_runs_logs_and_tells_its_exit_code, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_container_ends_by_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_started_container_is_known_as_started, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_program_is_said_so, setup, teardown),
        cmocka_unit_test_setup_teardown(crun_is_executed_from_a_sealed_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_running_container_is_adopted_and_its_end_heard, setup,
                                        teardown),
    };

    snprintf(cgroups, sizeof(cgroups), "/stead-test-%d", getpid());
    return cmocka_run_group_tests(tests, NULL, group_teardown);
}
