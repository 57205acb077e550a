/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite engine against the world: a second process, SIGKILL, a full disk. Each victim is a
 * child process, so that nothing of it (a mount, a lock) is left behind.
 */
#include "base/time/clock.h"
#include "store/folder.h"
#include "store_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void make_dir(char dir[32])
{
    snprintf(dir, 32, "/tmp/stead-durable-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static Store *open_store(uv_loop_t *loop, const char *dir, Err *err)
{
    StoreEngine *engine = NULL;
    Store *store = NULL;

    if (engine_sqlite_open(dir, 64, &engine, err) < 0)
        return NULL;
    return store_open(loop, engine, 64, &store, err) < 0 ? NULL : store;
}

static void close_store(uv_loop_t *loop, Store *store)
{
    store_close(store);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
}

static void a_second_process_is_told_who_holds_the_folder(void **state)
{
    char dir[32], pid[32];
    StoreEngine *engine = NULL, *second = NULL;
    Err err = ERR_INIT;

    make_dir(dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    assert_true(engine_sqlite_open(dir, 64, &second, &err) < 0);
    snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
    assert_non_null(strstr(err.message, dir));
    assert_non_null(strstr(err.message, pid));
    engine->ops->close(engine);
    assert_int_equal(engine_sqlite_open(dir, 64, &second, &err), 0);
    second->ops->close(second);
    file_remove_tree(dir);
}

/* Opens the folder, leaves a child behind that has the lock's descriptor for a moment, and ends. */
static _noreturn_ void open_and_leave_a_child(const char *dir)
{
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    pid_t pid;

    if (engine_sqlite_open(dir, 64, &engine, &err) < 0)
        _exit(1);
    pid = fork();
    if (pid == 0)
        (void)poll(NULL, 0, 50);
    _exit(pid < 0);
}

static void a_lock_that_only_an_orphan_of_a_killed_process_holds_is_waited_for(void **state)
{
    char dir[32];
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    int status;
    pid_t pid;

    make_dir(dir);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        open_and_leave_a_child(dir);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    engine->ops->close(engine);
    file_remove_tree(dir);
}

/* ---- kill -9 ---- */

typedef struct Victim {
    Store *store;
    int pipe;
    int next;
} Victim;

static void on_ack(void *data, int outcome, const char *reason _unused_, Object *object)
{
    Victim *victim = data;
    int32_t n = (int32_t)strtol(object_meta(object)->name + 1, NULL, 10);
    char name[16];

    if (outcome || write(victim->pipe, &n, sizeof(n)) != sizeof(n))
        _exit(1);
    snprintf(name, sizeof(name), "m%d", victim->next++);
    {
        _object_ Object *more = make_config_map(name, "1");

        store_create(victim->store, more, on_ack, victim);
    }
}

static _noreturn_ void run_victim(const char *dir, int pipe)
{
    Victim victim = {.pipe = pipe};
    uv_loop_t loop;
    Err err = ERR_INIT;
    char name[16];

    uv_loop_init(&loop);
    victim.store = open_store(&loop, dir, &err);
    if (!victim.store)
        _exit(2);
    victim.next = (int)store_size(victim.store, config_map_kind()) + 1000;
    victim.next += (int)store_revision(victim.store);
    for (int i = 0; i < 20; i++) {
        _object_ Object *object = NULL;

        snprintf(name, sizeof(name), "m%d", victim.next++);
        object = make_config_map(name, "1");
        store_create(victim.store, object, on_ack, &victim);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(3);
}

/* Kills the victim after it has answered some writes; returns the names that it had answered. */
static size_t kill_victim(const char *dir, size_t after, int32_t *answered, size_t max)
{
    size_t n = 0;
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        run_victim(dir, fds[1]);
    }
    close(fds[1]);
    while (n < max && read(fds[0], &answered[n], sizeof(answered[n])) == sizeof(answered[n]))
        if (++n == after)
            kill(pid, SIGKILL);
    close(fds[0]);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return n;
}

static void every_answered_write_survives_a_kill(void **state)
{
    static int32_t answered[200000];
    char dir[32], name[16];
    Err err = ERR_INIT;

    make_dir(dir);
    for (size_t round = 0; round < 6; round++) {
        size_t n = kill_victim(dir, 1 + round * 137, answered, ARRAY_LEN(answered));
        uv_loop_t loop;
        Store *store;

        uv_loop_init(&loop);
        store = open_store(&loop, dir, &err);
        assert_non_null(store);
        assert_true(n >= 1 + round * 137);
        for (size_t i = 0; i < n; i++) {
            snprintf(name, sizeof(name), "m%d", (int)answered[i]);
            assert_non_null(store_get(store, config_map_kind(), "default", name));
        }
        close_store(&loop, store);
    }
    file_remove_tree(dir);
}

/* ---- a full disk ---- */

typedef struct FullDisk {
    Store *store;
    int ok, full, other;
} FullDisk;

static void on_full_disk_done(void *data, int outcome, const char *reason, Object *object _unused_)
{
    FullDisk *disk = data;

    if (outcome == 0)
        disk->ok++;
    else if (outcome == STORE_E_NO_SPACE && strstr(reason, "No space left"))
        disk->full++;
    else
        disk->other++;
}

/* Text that cannot be packed into less than three quarters. */
static void make_noise(Random *random, char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('0' + random_below(random, 64));
}

static void fill(FullDisk *disk, uv_loop_t *loop, const char *prefix, int n)
{
    _free_ char *datum = mem_new(16384);
    char name[32];
    Random random;

    random_seed(&random, 1);
    for (int i = 0; i < n; i++) {
        _object_ Object *object = NULL;

        make_noise(&random, datum, 16383);
        snprintf(name, sizeof(name), "%s-%d", prefix, i);
        object = make_config_map(name, datum);
        store_create(disk->store, object, on_full_disk_done, disk);
        if (i % 4 == 0)
            uv_run(loop, UV_RUN_DEFAULT);
    }
    uv_run(loop, UV_RUN_DEFAULT);
}

#define CHECK(x)                                            \
    do {                                                    \
        if (!(x)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #x); \
            return 1;                                       \
        }                                                   \
    } while (0)

static int check_full_disk(const char *dir)
{
    _free_ char *data = mem_printf("%s/data", dir), *ballast = mem_printf("%s/ballast", dir);
    _free_ char *megabytes = mem_new(2 << 20);
    FullDisk disk = {0};
    Err err = ERR_INIT;
    uv_loop_t loop;
    int before;

    CHECK(file_replace(ballast, megabytes, 2 << 20, 0600) == 0);
    uv_loop_init(&loop);
    disk.store = open_store(&loop, data, &err);
    CHECK(disk.store);
    fill(&disk, &loop, "first", 400);
    CHECK(disk.ok > 10 && disk.full > 10 && disk.other == 0);
    CHECK(store_size(disk.store, config_map_kind()) == (size_t)disk.ok);
    before = disk.ok;
    CHECK(unlink(ballast) == 0);
    fill(&disk, &loop, "second", 10);
    CHECK(disk.ok == before + 10);
    fill(&disk, &loop, "third", 400);
    CHECK(disk.other == 0);
    before = disk.ok;
    store_close(disk.store);
    uv_run(&loop, UV_RUN_DEFAULT);
    disk.store = open_store(&loop, data, &err);
    if (!disk.store)
        fprintf(stderr, "%s\n", err.message);
    CHECK(disk.store);
    CHECK(store_size(disk.store, config_map_kind()) == (size_t)before);
    close_store(&loop, disk.store);
    return 0;
}

/* A deletion of each object that is there. */
static void delete_all(FullDisk *disk, uv_loop_t *loop, const char *prefix, int n)
{
    char name[32];

    for (int i = 0; i < n; i++) {
        _object_ Object *last = NULL;
        Object *head;

        snprintf(name, sizeof(name), "%s-%d", prefix, i);
        head = store_head(disk->store, config_map_kind(), "default", name);
        if (!head)
            continue;
        last = object_copy(head);
        store_delete(disk->store, last, 0, on_full_disk_done, disk);
        if (i % 3 == 0)
            uv_run(loop, UV_RUN_DEFAULT);
    }
    uv_run(loop, UV_RUN_DEFAULT);
}

/* Not a byte is left, whoever asks. */
static int fill_to_the_end(const char *path)
{
    _free_ char *zeros = mem_new(1 << 16);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    for (size_t n = 1 << 16; n > 0; n /= 2)
        while (write(fd, zeros, n) > 0)
            ;
    close(fd);
    return errno == ENOSPC ? 0 : -1;
}

static void on_tick(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* The store tidies up when it is quiet. */
static bool created_in_the_end(FullDisk *disk, uv_loop_t *loop)
{
    uv_timer_t tick;
    int before = disk->ok;

    uv_timer_init(loop, &tick);
    uv_timer_start(&tick, on_tick, 100, 100);
    for (int i = 0; i < 100 && disk->ok == before; i++) {
        _object_ Object *object = make_config_map("last", "x");

        uv_run(loop, UV_RUN_DEFAULT);
        if (i % 30 == 29)
            store_create(disk->store, object, on_full_disk_done, disk);
    }
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    return disk->ok > before;
}

/* A server is killed on the full disk, another one starts there, and objects can be deleted, while
 * others are refused, until there is room again. */
static int check_recovery(const char *dir)
{
    _free_ char *data = mem_printf("%s/data", dir), *ballast = mem_printf("%s/ballast", dir);
    FullDisk disk = {0};
    Err err = ERR_INIT;
    uv_loop_t loop;
    int refused;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        uv_loop_init(&loop);
        disk.store = open_store(&loop, data, &err);
        fill(&disk, &loop, "first", 100);
        fill_to_the_end(ballast);
        fill(&disk, &loop, "second", 20);
        kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
    CHECK(fill_to_the_end(ballast) == 0);
    uv_loop_init(&loop);
    disk.store = open_store(&loop, data, &err);
    if (!disk.store)
        fprintf(stderr, "%s\n", err.message);
    CHECK(disk.store && store_size(disk.store, config_map_kind()) >= 50);
    fill(&disk, &loop, "third", 200); /* there may be room left in files that are there */
    CHECK(disk.full >= 3 && disk.other == 0);
    disk.ok = 0;
    disk.full = 3;
    delete_all(&disk, &loop, "first", 40);
    CHECK(disk.ok == 40 && disk.full == 3 && disk.other == 0);
    /* What the deletions have taken of the reserve is not for others. */
    fill(&disk, &loop, "fourth", 3);
    CHECK(disk.ok == 40 && disk.full == 6);
    /* In one transaction with writes that are refused. */
    refused = disk.full;
    for (int i = 40; i < 50; i++) {
        _object_ Object *more = NULL, *last = NULL;
        char name[32];

        snprintf(name, sizeof(name), "first-%d", i);
        last = object_copy(store_head(disk.store, config_map_kind(), "default", name));
        store_delete(disk.store, last, 0, on_full_disk_done, &disk);
        snprintf(name, sizeof(name), "fifth-%d", i);
        more = make_config_map(name, "x");
        store_create(disk.store, more, on_full_disk_done, &disk);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(disk.ok == 50 && disk.full == refused + 10 && disk.other == 0);
    CHECK(unlink(ballast) == 0);
    fill(&disk, &loop, "sixth", 5);
    CHECK(disk.ok == 55 && disk.full == refused + 10);
    /* Deletions alone make room for others, too, when the state itself has filled the disk. */
    fill(&disk, &loop, "seventh", 700);
    CHECK(disk.full > refused + 20 && disk.other == 0);
    delete_all(&disk, &loop, "seventh", 700);
    CHECK(disk.other == 0 && !store_head(disk.store, config_map_kind(), "default", "seventh-0"));
    CHECK(created_in_the_end(&disk, &loop));
    close_store(&loop, disk.store);
    return 0;
}

static void in_a_small_disk(int (*check)(const char *dir), const char *size)
{
    char dir[32];
    int status;
    pid_t pid;

    make_dir(dir);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", dir, "tmpfs", 0, size) < 0)
            _exit(77);
        _exit(check(dir));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    file_remove_tree(dir);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_disk_refuses_writes_until_there_is_room(void **state)
{
    in_a_small_disk(check_full_disk, "size=6m");
}

static void objects_can_be_deleted_on_a_full_disk(void **state)
{
    in_a_small_disk(check_recovery, "size=16m");
}

/* ---- the folder ---- */

static mode_t mode_of(const char *dir, const char *name)
{
    _free_ char *path = mem_printf("%s/%s", dir, name);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void put_file(const char *dir, const char *name, mode_t mode)
{
    _free_ char *path = mem_printf("%s/%s", dir, name);

    assert_int_equal(file_mkdir_for(path, 0755), 0);
    assert_int_equal(file_replace(path, "x\n", 2, mode), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void the_state_and_keys_are_for_their_owner_alone(void **state)
{
    char dir[32];
    _free_ char *path = NULL, *link = NULL;
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    mode_t mask = umask(0);

    make_dir(dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    assert_int_equal(mode_of(dir, "state.db"), 0600);
    assert_int_equal(mode_of(dir, "state.db-wal"), 0600);
    engine->ops->close(engine);
    /* A folder as an older version or a backup has left it. */
    path = mem_printf("%s/state.db", dir);
    assert_int_equal(chmod(path, 0644), 0);
    put_file(dir, "state.db-wal", 0666);
    put_file(dir, "admin.kubeconfig", 0644);
    put_file(dir, "pki/ca.key", 0640);
    put_file(dir, "volumes/mine", 0644);
    link = mem_printf("%s/pki/link", dir);
    assert_int_equal(symlink("../volumes/mine", link), 0);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    assert_int_equal(mode_of(dir, "state.db"), 0600);
    assert_int_equal(mode_of(dir, "admin.kubeconfig"), 0600);
    assert_int_equal(mode_of(dir, "pki/ca.key"), 0600);
    assert_int_equal(mode_of(dir, "volumes/mine"), 0644);
    engine->ops->close(engine);
    file_remove_tree(dir);
    umask(mask);
}

static void a_folder_whose_database_is_lost_is_not_taken_for_new(void **state)
{
    char dir[32];
    _free_ char *path = NULL, *away = NULL, *id = NULL, *other = NULL;
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;

    make_dir(dir);
    path = mem_printf("%s/state.db", dir);
    away = mem_printf("%s/state.db.away", dir);
    id = mem_printf("%s/cluster-id", dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    engine->ops->close(engine);
    assert_int_equal(rename(path, away), 0);
    assert_true(engine_sqlite_open(dir, 64, &engine, &err) < 0);
    assert_non_null(
        strstr(err.message, "state.db is missing, but the folder belongs to a cluster"));
    assert_non_null(strstr(err.message, "put the database back"));
    assert_false(file_exists(path));
    /* Put back, it is taken. */
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    engine->ops->close(engine);
    /* Another cluster's is not. */
    other = mem_strdup("00000000-0000-0000-0000-000000000000\n");
    assert_int_equal(file_replace(id, other, strlen(other), 0600), 0);
    assert_true(engine_sqlite_open(dir, 64, &engine, &err) < 0);
    assert_non_null(strstr(err.message, "the folder belongs to cluster 00000000-"));
    /* A folder of an older version has no id yet, but keys. */
    assert_int_equal(unlink(id), 0);
    assert_int_equal(rename(path, away), 0);
    put_file(dir, "pki/ca.key", 0600);
    assert_true(engine_sqlite_open(dir, 64, &engine, &err) < 0);
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    engine->ops->close(engine);
    assert_true(file_exists(id));
    file_remove_tree(dir);
}

/* Runs SQL on the database of a folder that no engine has open; returns the first number that it gives. */
static int64_t query_database(const char *dir, const char *text)
{
    _free_ char *path = mem_printf("%s/state.db", dir);
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;
    int64_t n = 0;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    sqlite3_close(db);
    return n;
}

static void a_database_of_the_version_before_is_read_and_taken_over(void **state)
{
    static const StoreRecord unpacked = {
        .key = "/registry/configmaps/default/old",
        .value = BYTES_LITERAL("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                               "\"name\":\"old\",\"namespace\":\"default\"},"
                               "\"data\":{\"datum\":\"1\"}}"),
        .revision = 5,
        .id = 5,
        .created = true,
    };
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    uv_loop_t loop;
    int64_t version;
    Store *store;
    char dir[32];

    make_dir(dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    assert_int_equal(engine->ops->commit(engine, &unpacked, 1, &err), 0);
    engine->ops->close(engine);
    version = query_database(dir, "PRAGMA user_version");
    query_database(dir, "PRAGMA user_version = 2");
    uv_loop_init(&loop);
    store = open_store(&loop, dir, &err);
    assert_non_null(store);
    assert_string_equal(datum_of(store_get(store, config_map_kind(), "default", "old")), "1");
    close_store(&loop, store);
    assert_int_equal(query_database(dir, "PRAGMA user_version"), version);
    file_remove_tree(dir);
}

static void a_database_of_a_newer_version_is_refused_and_left_alone(void **state)
{
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    char dir[32];

    make_dir(dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    engine->ops->close(engine);
    query_database(dir, "PRAGMA user_version = 1000");
    assert_true(engine_sqlite_open(dir, 64, &engine, &err) < 0);
    assert_non_null(strstr(err.message, "has version 1000; this program reads version"));
    assert_int_equal(query_database(dir, "PRAGMA user_version"), 1000);
    file_remove_tree(dir);
}

static void a_first_start_that_was_cut_off_is_begun_anew(void **state)
{
    _free_ char *half_made = NULL;
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    char dir[32];

    make_dir(dir);
    put_file(dir, "state.db.new/state.db", 0600);
    put_file(dir, "state.db-wal", 0600); /* of a database that is not there */
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    half_made = mem_printf("%s/state.db.new", dir);
    assert_false(file_exists(half_made));
    engine->ops->close(engine);
    assert_int_equal(query_database(dir, "SELECT count(*) FROM objects"), 0);
    file_remove_tree(dir);
}

/* The file of the reserve stays, since a full disk may refuse to make another one. */
static void the_reserve_is_given_up_and_taken_again(void **state)
{
    char dir[32];
    _free_ char *path = NULL;
    struct stat st;
    Reserve reserve = {0};

    make_dir(dir);
    path = reserve.path = mem_printf("%s/reserve", dir);
    assert_false(reserve_give(&reserve)); /* there is none */
    assert_true(reserve_take(&reserve));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, reserve.size);
    assert_true(reserve_take(&reserve)); /* it is taken already */
    assert_true(reserve_give(&reserve));
    assert_false(reserve.taken);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_false(reserve_give(&reserve));
    assert_true(reserve_take(&reserve));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, reserve.size);
    file_remove_tree(dir);
}

/* ---- what is kept ---- */

static void write_megabytes(StoreEngine *engine, uint64_t first)
{
    _free_ char *value = mem_new(1 << 20);
    Err err = ERR_INIT;

    for (uint64_t i = first; i < first + 3; i++) {
        StoreRecord record = {.key = "/registry/configmaps/default/large",
                              .value = {(const uint8_t *)value, 1 << 20},
                              .revision = i,
                              .id = 1,
                              .created = i == 1};

        assert_int_equal(engine->ops->commit(engine, &record, 1, &err), 0);
    }
}

static void there_is_work_for_a_quiet_time_once_after_each_time_of_writing(void **state)
{
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    char dir[32];

    make_dir(dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    assert_false(engine->ops->wants_rest(engine));
    for (uint64_t i = 0; i < 2; i++) {
        write_megabytes(engine, 1 + 3 * i);
        assert_true(engine->ops->wants_rest(engine));
        engine->ops->rest(engine);
        assert_false(engine->ops->wants_rest(engine));
    }
    engine->ops->close(engine);
    file_remove_tree(dir);
}

static void the_log_and_the_wal_stay_bounded(void **state)
{
    char dir[32], path[64], name[16];
    Err err = ERR_INIT;
    uv_loop_t loop;
    Store *store;

    make_dir(dir);
    uv_loop_init(&loop);
    store = open_store(&loop, dir, &err);
    for (int i = 0; i < 2000; i++) {
        _object_ Object *object = NULL;

        snprintf(name, sizeof(name), "m%d", i);
        object = make_config_map(name, "1");
        store_create(store, object, NULL, NULL);
        if (i % 5 == 0)
            uv_run(&loop, UV_RUN_DEFAULT);
    }
    close_store(&loop, store);
    snprintf(path, sizeof(path), "%s/state.db-wal", dir);
    assert_false(file_exists(path));
    assert_in_range(query_database(dir, "SELECT count(*) FROM log"), 64 / 5, 64 + 40);
    file_remove_tree(dir);
}

static void ignore_event(void *data, const WatchEvent *event)
{
}

/* The log may hold fewer changes than the store has room for. */
static void a_watch_from_before_the_log_is_expired_after_a_restart(void **state)
{
    StoreEngine *engine = NULL;
    StoreWatch *watch = NULL;
    Store *store = NULL;
    Err err = ERR_INIT;
    uv_loop_t loop;
    char dir[32], name[16];

    make_dir(dir);
    for (int round = 0; round < 2; round++) {
        uv_loop_init(&loop);
        assert_int_equal(engine_sqlite_open(dir, 4, &engine, &err), 0);
        assert_int_equal(store_open(&loop, engine, 128, &store, &err), 0);
        for (int i = 0; round == 0 && i < 150; i++) {
            _object_ Object *object = NULL;

            snprintf(name, sizeof(name), "m%d", i);
            object = make_config_map(name, "1");
            store_create(store, object, NULL, NULL);
            uv_run(&loop, UV_RUN_DEFAULT);
        }
        assert_int_equal(store_watch(store, config_map_kind(), 1, ignore_event, NULL, &watch),
                         STORE_E_EXPIRED);
        assert_in_range(store_oldest(store), 2, 149);
        close_store(&loop, store);
    }
    file_remove_tree(dir);
}

static void keys_of_unknown_kinds_are_left_alone(void **state)
{
    static const StoreRecord strange = {
        .key = "/registry/example.com/widgets/default/w",
        .value = {(const uint8_t *)"{\"a\":1}", 7},
        .revision = 5,
        .id = 5,
        .created = true,
    };
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    uv_loop_t loop;
    Store *store;
    char dir[32];

    make_dir(dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    assert_int_equal(engine->ops->commit(engine, &strange, 1, &err), 0);
    engine->ops->close(engine);
    for (int i = 0; i < 2; i++) {
        uv_loop_init(&loop);
        store = open_store(&loop, dir, &err);
        assert_non_null(store);
        assert_int_equal(store_revision(store), 5);
        close_store(&loop, store);
    }
    file_remove_tree(dir);
}

static void a_damaged_object_is_named(void **state)
{
    static const StoreRecord damaged = {
        .key = "/registry/configmaps/default/broken",
        .value = {(const uint8_t *)"{\"data\":", 8},
        .revision = 5,
        .id = 5,
        .created = true,
    };
    StoreEngine *engine = NULL;
    Err err = ERR_INIT;
    uv_loop_t loop;
    char dir[32];

    make_dir(dir);
    assert_int_equal(engine_sqlite_open(dir, 64, &engine, &err), 0);
    assert_int_equal(engine->ops->commit(engine, &damaged, 1, &err), 0);
    engine->ops->close(engine);
    uv_loop_init(&loop);
    assert_null(open_store(&loop, dir, &err));
    assert_non_null(strstr(err.message, "/registry/configmaps/default/broken"));
    uv_loop_close(&loop);
    file_remove_tree(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_process_is_told_who_holds_the_folder),
        cmocka_unit_test(a_lock_that_only_an_orphan_of_a_killed_process_holds_is_waited_for),
        cmocka_unit_test(every_answered_write_survives_a_kill),
        cmocka_unit_test(a_full_disk_refuses_writes_until_there_is_room),
        cmocka_unit_test(objects_can_be_deleted_on_a_full_disk),
        cmocka_unit_test(the_state_and_keys_are_for_their_owner_alone),
        cmocka_unit_test(a_folder_whose_database_is_lost_is_not_taken_for_new),
        cmocka_unit_test(a_database_of_the_version_before_is_read_and_taken_over),
        cmocka_unit_test(a_database_of_a_newer_version_is_refused_and_left_alone),
        cmocka_unit_test(a_first_start_that_was_cut_off_is_begun_anew),
        cmocka_unit_test(the_reserve_is_given_up_and_taken_again),
        cmocka_unit_test(there_is_work_for_a_quiet_time_once_after_each_time_of_writing),
        cmocka_unit_test(the_log_and_the_wal_stay_bounded),
        cmocka_unit_test(a_watch_from_before_the_log_is_expired_after_a_restart),
        cmocka_unit_test(keys_of_unknown_kinds_are_left_alone),
        cmocka_unit_test(a_damaged_object_is_named),
    };

    return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
