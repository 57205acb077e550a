/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/state.db: the durable state in SQLite.
 *
 *   objects(id, key, revision, value)   current objects: packed JSON (texts.c) under Kubernetes' own
 *                                       keys; dictionaries have ids below 0
 *   log(first, changes)                 the newest changes, one row a transaction; `first` is the
 *                                       lowest revision in it
 *   meta(name, value)                   cluster id
 *
 * The id of an object is the revision that created it, and the store tells it with each change, so
 * there is no index on the key: it would be a page written anew for each object created, wherever
 * its name falls. New rows fill pages one after the other. The newest log row is never dropped, so
 * the newest revision used is known even when the last change was a deletion.
 *
 * One row of the log is a sequence of changes, each a LogHead in the byte order of this machine,
 * the key, and the value (of a deletion: the last version).
 *
 * Durability is SQLite's: WAL with synchronous=FULL, one fdatasync a commit. Checkpoints are ours:
 * one when the WAL has grown to WAL_PAGES_MAX, and one after a while of quiet if it is worth it; a
 * quiet store writes nothing. A new database is made aside and put in place whole. It is opened
 * exclusively (no shared memory file); who comes second finds DIR/lock taken and is told the
 * holder's pid.
 *
 * When the disk is full the transaction is rolled back and the next one tries again. A checkpoint
 * is tried first, since it allows the room of the WAL to be used again. A transaction that makes
 * room may use the reserve (folder.h); until that could be taken again, no other one is tried.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/files/file.h"
#include "base/time/clock.h"
#include "base/vec.h"
#include "store/engine.h"
#include "store/folder.h"

#define SCHEMA_VERSION 3
#define SCHEMA_VERSION_JSON 2 /* the same with JSON that is not packed */
#define WAL_PAGES_MAX 4096    /* 16 MiB: the bound of the WAL file */
#define PAGE_BYTES 4096
#define WAL_PAGES_WORTH 256      /* quiet: smaller ones are left for later */
#define FREE_PAGES_WORTH 1024    /* quiet: give back room of that many pages */
#define LOG_BYTES_MAX (8u << 20) /* the log is bounded in bytes as well */
#define LOG_TRIM_EVERY 32        /* rows above the limit before some are dropped */
#define ID_ROOM 64
#define LOCK_ATTEMPTS 200
#define LOCK_PAUSE_MS 10

typedef struct LogRow {
    uint64_t first;
    uint32_t changes;
    uint32_t bytes;
} LogRow;

/* A change within a log row. */
typedef struct LogHead {
    uint64_t revision;
    uint32_t key_length;
    uint32_t value_length;
    uint32_t flags;
    uint32_t reserved;
} LogHead;

enum { LOG_CREATED = 1, LOG_DELETED = 2, LOG_HAS_VALUE = 4 };

enum {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_CREATE,
    STMT_UPDATE,
    STMT_DELETE,
    STMT_LOG,
    STMT_TRIM,
    _STMT_MAX
};

static const char *const statement_texts[_STMT_MAX] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_CREATE] = "INSERT INTO objects(id, revision, value, key) VALUES(?1, ?2, ?3, ?4)",
    [STMT_UPDATE] = "UPDATE objects SET revision = ?2, value = ?3 WHERE id = ?1",
    [STMT_DELETE] = "DELETE FROM objects WHERE id = ?1",
    [STMT_LOG] = "INSERT INTO log(first, changes) VALUES(?1, ?2)",
    [STMT_TRIM] = "DELETE FROM log WHERE first < ?1",
};

typedef struct SqliteEngine {
    StoreEngine engine;
    char *dir;
    int lock_fd;
    sqlite3 *db;
    sqlite3_stmt *statements[_STMT_MAX];
    size_t window;
    VEC(LogRow) rows; /* of the log, oldest first, from rows_at on */
    size_t rows_at;
    uint64_t log_changes, log_bytes;
    uint8_t *blob; /* the log row being made */
    size_t blob_n, blob_cap;
    int wal_pages;
    Reserve reserve;
    bool rested; /* nothing was written since the last rest */
} SqliteEngine;

static int on_wal_commit(void *data, sqlite3 *db _unused_, const char *name _unused_, int pages)
{
    SqliteEngine *sqlite = data;

    sqlite->wal_pages = pages;
    return SQLITE_OK;
}

static bool is_no_space(SqliteEngine *sqlite, int rc)
{
    int system = sqlite3_system_errno(sqlite->db);

    return (rc & 0xff) == SQLITE_FULL ||
           ((rc & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT));
}

static int step(SqliteEngine *sqlite, int statement)
{
    sqlite3_stmt *stmt = sqlite->statements[statement];
    int rc = sqlite3_step(stmt);

    sqlite3_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- the log ---- */

static void blob_add(SqliteEngine *sqlite, const void *p, size_t n)
{
    if (sqlite->blob_n + n > sqlite->blob_cap) {
        sqlite->blob_cap = MAX_OF(sqlite->blob_n + n, sqlite->blob_cap * 2);
        sqlite->blob = mem_resize(sqlite->blob, sqlite->blob_cap);
    }
    if (n > 0)
        memcpy(sqlite->blob + sqlite->blob_n, p, n);
    sqlite->blob_n += n;
}

static void blob_add_record(SqliteEngine *sqlite, const StoreRecord *record, size_t key_length)
{
    Bytes value = record->value.p ? record->value : record->last;
    LogHead head = {
        .revision = record->revision,
        .key_length = (uint32_t)key_length,
        .value_length = (uint32_t)value.n,
        .flags = (record->created ? LOG_CREATED : 0) | (record->value.p ? 0 : LOG_DELETED) |
                 (value.p ? LOG_HAS_VALUE : 0),
    };

    blob_add(sqlite, &head, sizeof(head));
    blob_add(sqlite, record->key, key_length + 1);
    blob_add(sqlite, value.p, value.n);
}

enum { BLOB_E_DAMAGED = 1 };

/* Calls each for the changes of one row and sets how many there are. */
static int blob_read(Bytes blob, int (*each)(void *data, const StoreRecord *record), void *data,
                     int *ret_n)
{
    size_t at = 0;
    int n = 0;

    while (at < blob.n) {
        StoreRecord record = {0};
        Bytes value = {0};
        LogHead head;

        if (blob.n - at < sizeof(head))
            return BLOB_E_DAMAGED;
        memcpy(&head, blob.p + at, sizeof(head));
        at += sizeof(head);
        if (blob.n - at < (uint64_t)head.key_length + 1 + head.value_length ||
            blob.p[at + head.key_length] != 0)
            return BLOB_E_DAMAGED;
        record.key = (const char *)blob.p + at;
        at += (size_t)head.key_length + 1;
        value = (Bytes){head.flags & LOG_HAS_VALUE ? blob.p + at : NULL, head.value_length};
        at += head.value_length;
        if (head.flags & LOG_DELETED)
            record.last = value;
        else
            record.value = value;
        record.revision = head.revision;
        record.created = head.flags & LOG_CREATED;
        if (each) {
            int r = each(data, &record);

            if (r < 0)
                return ERR_TRACE(r);
        }
        n++;
    }
    *ret_n = n;
    return 0;
}

/* How many of the oldest rows are beyond the window. The newest always stays. */
static size_t rows_beyond(const SqliteEngine *sqlite, uint64_t *ret_changes, uint64_t *ret_bytes)
{
    uint64_t changes = sqlite->log_changes, bytes = sqlite->log_bytes;
    size_t i = sqlite->rows_at;

    for (; i + 1 < sqlite->rows.n; i++) {
        const LogRow *row = &sqlite->rows.v[i];

        if (changes - row->changes < sqlite->window && bytes <= LOG_BYTES_MAX)
            break;
        changes -= row->changes;
        bytes -= row->bytes;
    }
    *ret_changes = changes;
    *ret_bytes = bytes;
    return i - sqlite->rows_at;
}

static void rows_push(SqliteEngine *sqlite, LogRow row)
{
    VEC_PUSH(&sqlite->rows, row);
    sqlite->log_changes += row.changes;
    sqlite->log_bytes += row.bytes;
}

static void rows_drop(SqliteEngine *sqlite, size_t n, uint64_t changes, uint64_t bytes)
{
    sqlite->rows_at += n;
    sqlite->log_changes = changes;
    sqlite->log_bytes = bytes;
    if (sqlite->rows_at > 256 && sqlite->rows_at > sqlite->rows.n / 2) {
        sqlite->rows.n -= sqlite->rows_at;
        memmove(sqlite->rows.v, sqlite->rows.v + sqlite->rows_at,
                sqlite->rows.n * sizeof(*sqlite->rows.v));
        sqlite->rows_at = 0;
    }
}

/* ---- reading ---- */

/* Runs `text`, calling `row` for each row. 0, or -errno with *reterr. */
static int query(SqliteEngine *sqlite, const char *text,
                 int (*row)(SqliteEngine *sqlite, sqlite3_stmt *stmt, void *data), void *data,
                 Err *reterr)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(sqlite->db, text, -1, &stmt, NULL), r = 0;

    while (rc == SQLITE_OK && r >= 0) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW)
            break;
        r = row ? row(sqlite, stmt, data) : 0;
        rc = SQLITE_OK;
    }
    if (r >= 0 && rc != SQLITE_DONE && rc != SQLITE_OK)
        r = err_set(reterr, 0, "%s/state.db: %s", sqlite->dir, sqlite3_errmsg(sqlite->db));
    sqlite3_finalize(stmt);
    return ERR_TRACE(r);
}

typedef struct LoadCall {
    int (*each)(void *data, const StoreRecord *record);
    void *data;
    uint64_t revision; /* the newest seen */
    Err *reterr;
} LoadCall;

static Bytes column_bytes(sqlite3_stmt *stmt, int column)
{
    const void *p = sqlite3_column_blob(stmt, column);

    return (Bytes){p ? p : (const uint8_t *)"", (size_t)sqlite3_column_bytes(stmt, column)};
}

static int on_object_row(SqliteEngine *sqlite _unused_, sqlite3_stmt *stmt, void *data)
{
    LoadCall *call = data;
    StoreRecord record = {
        .key = (const char *)sqlite3_column_text(stmt, 0),
        .revision = (uint64_t)sqlite3_column_int64(stmt, 1),
        .value = column_bytes(stmt, 2),
        .id = (uint64_t)sqlite3_column_int64(stmt, 3),
    };

    call->revision = MAX_OF(call->revision, record.revision);
    return call->each(call->data, &record);
}

static int note_revision(void *data, const StoreRecord *record)
{
    LoadCall *call = data;

    call->revision = MAX_OF(call->revision, record->revision);
    return 0;
}

static int on_newest_log_row(SqliteEngine *sqlite _unused_, sqlite3_stmt *stmt, void *data)
{
    int n;

    return ERR_FOLD(blob_read(column_bytes(stmt, 1), note_revision, data, &n));
}

static int sqlite_load(StoreEngine *engine, int (*each)(void *data, const StoreRecord *record),
                       void *data, uint64_t *revision, Err *reterr)
{
    SqliteEngine *sqlite = CONTAINER_OF(engine, SqliteEngine, engine);
    LoadCall call = {.each = each, .data = data, .reterr = reterr};
    int r;

    r = query(sqlite, "SELECT key, revision, value, id FROM objects ORDER BY id", on_object_row,
              &call, reterr);
    if (r >= 0)
        r = query(sqlite, "SELECT first, changes FROM log ORDER BY first DESC LIMIT 1",
                  on_newest_log_row, &call, reterr);
    *revision = call.revision;
    return ERR_TRACE(r);
}

static int on_log_row(SqliteEngine *sqlite, sqlite3_stmt *stmt, void *data)
{
    LoadCall *call = data;
    uint64_t first = (uint64_t)sqlite3_column_int64(stmt, 0);
    Bytes blob = column_bytes(stmt, 1);
    int n, r = blob_read(blob, call->each, call->data, &n);

    if (r == BLOB_E_DAMAGED)
        return err_set(call->reterr, 0, "%s/state.db: change %" PRIu64 " in the log is damaged",
                       sqlite->dir, first);
    if (r < 0)
        return ERR_TRACE(r);
    rows_push(sqlite, (LogRow){first, (uint32_t)n, (uint32_t)blob.n});
    return 0;
}

static int sqlite_load_log(StoreEngine *engine, int (*each)(void *data, const StoreRecord *record),
                           void *data, uint64_t *oldest, Err *reterr)
{
    SqliteEngine *sqlite = CONTAINER_OF(engine, SqliteEngine, engine);
    LoadCall call = {.each = each, .data = data, .reterr = reterr};
    int r;

    sqlite->rows.n = sqlite->rows_at = 0;
    sqlite->log_changes = sqlite->log_bytes = 0;
    r = query(sqlite, "SELECT first, changes FROM log ORDER BY first", on_log_row, &call, reterr);
    *oldest = sqlite->rows.n > 0 ? sqlite->rows.v[0].first - 1 : 0;
    return ERR_TRACE(r);
}

/* ---- writing ---- */

static int put_record(SqliteEngine *sqlite, const StoreRecord *record, size_t key_length)
{
    int statement = !record->value.p ? STMT_DELETE : record->created ? STMT_CREATE : STMT_UPDATE;
    sqlite3_stmt *stmt = sqlite->statements[statement];

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)record->id);
    if (record->value.p) {
        sqlite3_bind_int64(stmt, 2, (sqlite3_int64)record->revision);
        sqlite3_bind_blob(stmt, 3, record->value.p, (int)record->value.n, SQLITE_STATIC);
    }
    if (statement == STMT_CREATE)
        sqlite3_bind_text(stmt, 4, record->key, (int)key_length, SQLITE_STATIC);
    return step(sqlite, statement);
}

static int put_log(SqliteEngine *sqlite, uint64_t first)
{
    sqlite3_stmt *stmt = sqlite->statements[STMT_LOG];

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)first);
    sqlite3_bind_blob(stmt, 2, sqlite->blob, (int)sqlite->blob_n, SQLITE_STATIC);
    return step(sqlite, STMT_LOG);
}

/* The transaction without its begin and rollback. *dropped: how many log rows go. */
static int write_all(SqliteEngine *sqlite, const StoreRecord *records, size_t n, size_t *dropped,
                     uint64_t *changes, uint64_t *bytes)
{
    int rc = SQLITE_OK;

    sqlite->blob_n = 0;
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
        size_t key_length = strlen(records[i].key);

        rc = put_record(sqlite, &records[i], key_length);
        blob_add_record(sqlite, &records[i], key_length);
    }
    if (rc == SQLITE_OK)
        rc = put_log(sqlite, records[0].revision);
    *dropped = rows_beyond(sqlite, changes, bytes);
    if (*dropped < LOG_TRIM_EVERY && *bytes < LOG_BYTES_MAX)
        *dropped = 0;
    if (rc == SQLITE_OK && *dropped > 0) {
        uint64_t keep = sqlite->rows.v[sqlite->rows_at + *dropped].first;

        sqlite3_bind_int64(sqlite->statements[STMT_TRIM], 1, (sqlite3_int64)keep);
        rc = step(sqlite, STMT_TRIM);
    }
    if (rc == SQLITE_OK && FAULT_POINT("store.commit"))
        rc = SQLITE_IOERR;
    if (rc == SQLITE_OK && FAULT_POINT("store.full"))
        rc = SQLITE_FULL;
    return rc == SQLITE_OK ? step(sqlite, STMT_COMMIT) : rc;
}

static void checkpoint(SqliteEngine *sqlite)
{
    int in_wal = 0, done = 0;

    if (sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &done) ==
            SQLITE_OK &&
        in_wal == done)
        sqlite->wal_pages = 0;
}

static int commit_failed(SqliteEngine *sqlite, int rc, Err *reterr)
{
    bool full = is_no_space(sqlite, rc);

    err_set(reterr, full ? ENOSPC : 0, "write %s/state.db%s%s", sqlite->dir, full ? "" : ": ",
            full ? "" : sqlite3_errstr(rc));
    if (!sqlite3_get_autocommit(sqlite->db))
        step(sqlite, STMT_ROLLBACK);
    if (full)
        checkpoint(sqlite);
    return full ? ENGINE_E_NO_SPACE : ENGINE_E_FAILED;
}

/* What is in the WAL has to fit into the reserve, with room for a large transaction. */
static int wal_pages_max(const SqliteEngine *sqlite)
{
    uint64_t pages = sqlite->reserve.size / PAGE_BYTES * 2 / 3;

    return pages ? (int)MIN_OF(pages, (uint64_t)WAL_PAGES_MAX) : WAL_PAGES_MAX;
}

/* The database has no room to grow by what is in the WAL, which therefore must not grow either. */
static bool wal_is_stuck(SqliteEngine *sqlite)
{
    int most = wal_pages_max(sqlite);

    if (sqlite->wal_pages >= most + most / 8)
        checkpoint(sqlite);
    return sqlite->wal_pages >= most + most / 8;
}

static bool is_urgent(const StoreRecord *records, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!records[i].urgent)
            return false;
    return true;
}

static int commit_once(SqliteEngine *sqlite, const StoreRecord *records, size_t n, Err *reterr)
{
    uint64_t changes = 0, bytes = 0;
    size_t dropped = 0;
    int rc;

    sqlite->rested = false;
    rc = step(sqlite, STMT_BEGIN);
    if (rc == SQLITE_OK)
        rc = write_all(sqlite, records, n, &dropped, &changes, &bytes);
    if (rc != SQLITE_OK)
        return commit_failed(sqlite, rc, reterr);
    if (dropped > 0)
        rows_drop(sqlite, dropped, changes, bytes);
    rows_push(sqlite, (LogRow){records[0].revision, (uint32_t)n, (uint32_t)sqlite->blob_n});
    if (sqlite->blob_cap > (1u << 20)) {
        free(TAKE_PTR(sqlite->blob));
        sqlite->blob_cap = 0;
    }
    if (sqlite->wal_pages >= wal_pages_max(sqlite))
        checkpoint(sqlite);
    return 0;
}

static int sqlite_commit(StoreEngine *engine, const StoreRecord *records, size_t n, Err *reterr)
{
    SqliteEngine *sqlite = CONTAINER_OF(engine, SqliteEngine, engine);
    bool urgent = is_urgent(records, n);
    int r;

    if (!urgent && (!reserve_take(&sqlite->reserve) || wal_is_stuck(sqlite))) {
        sqlite->rested = false;
        err_set(reterr, ENOSPC, "write %s/state.db", sqlite->dir);
        return ENGINE_E_NO_SPACE;
    }
    r = commit_once(sqlite, records, n, reterr);
    /* A failed commit ends with a checkpoint, which may be all that was needed. */
    if (r == ENGINE_E_NO_SPACE && urgent)
        r = commit_once(sqlite, records, n, reterr);
    if (r == ENGINE_E_NO_SPACE && urgent && reserve_give(&sqlite->reserve)) {
        checkpoint(sqlite);
        r = commit_once(sqlite, records, n, reterr);
    }
    return r;
}

/* ---- quiet ---- */

static int on_int_row(SqliteEngine *sqlite _unused_, sqlite3_stmt *stmt, void *data)
{
    *(int64_t *)data = sqlite3_column_int64(stmt, 0);
    return 0;
}

static bool sqlite_wants_rest(StoreEngine *engine)
{
    SqliteEngine *sqlite = CONTAINER_OF(engine, SqliteEngine, engine);

    return !sqlite->rested && (sqlite->wal_pages >= WAL_PAGES_WORTH || !sqlite->reserve.taken);
}

/* Gives free pages back to the file system, in steps that the WAL has room for, until the reserve
 * can be taken again. */
static void make_room(SqliteEngine *sqlite)
{
    int64_t free_pages = 0, before;

    query(sqlite, "PRAGMA freelist_count", on_int_row, &free_pages, NULL);
    do {
        before = free_pages;
        query(sqlite, "PRAGMA incremental_vacuum(128)", NULL, NULL, NULL);
        checkpoint(sqlite);
        query(sqlite, "PRAGMA freelist_count", on_int_row, &free_pages, NULL);
    } while (!reserve_take(&sqlite->reserve) && free_pages < before);
}

static void sqlite_rest(StoreEngine *engine)
{
    SqliteEngine *sqlite = CONTAINER_OF(engine, SqliteEngine, engine);
    int64_t free_pages = 0, pages = 0;

    sqlite->rested = true;
    if (!reserve_take(&sqlite->reserve))
        make_room(sqlite);
    query(sqlite, "PRAGMA freelist_count", on_int_row, &free_pages, NULL);
    query(sqlite, "PRAGMA page_count", on_int_row, &pages, NULL);
    if (sqlite->reserve.taken && free_pages >= FREE_PAGES_WORTH && free_pages > pages / 4)
        query(sqlite, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
    checkpoint(sqlite);
    sqlite3_db_release_memory(sqlite->db);
}

/* ---- open and close ---- */

static void sqlite_close(StoreEngine *engine)
{
    SqliteEngine *sqlite = CONTAINER_OF(engine, SqliteEngine, engine);

    for (size_t i = 0; i < _STMT_MAX; i++)
        sqlite3_finalize(sqlite->statements[i]);
    sqlite3_close_v2(sqlite->db);
    close_fdp(&sqlite->lock_fd);
    free(sqlite->reserve.path);
    VEC_DEINIT(&sqlite->rows);
    free(sqlite->blob);
    free(sqlite->dir);
    free(sqlite);
}

static const StoreEngineOps sqlite_ops = {
    .load = sqlite_load,
    .load_log = sqlite_load_log,
    .commit = sqlite_commit,
    .wants_rest = sqlite_wants_rest,
    .rest = sqlite_rest,
    .close = sqlite_close,
};

static void sqlite_closep(SqliteEngine **sqlite)
{
    if (*sqlite)
        sqlite_close(&(*sqlite)->engine);
}

enum { LOCK_E_TAKEN = 1 };

/* Waits a moment for a lock whose owner is dead: a process that was killed while it started a
 * program may have left a child that still has all its descriptors, until it executes the program.
 * text: the pid that the owner has written into the file. */
static int lock_when_free(int fd, char text[static 32])
{
    int64_t pid;
    int r;

    for (int i = 0; (r = flock(fd, LOCK_EX | LOCK_NB)) < 0 && errno == EWOULDBLOCK; i++) {
        ssize_t n = pread(fd, text, 31, 0);

        text[n > 0 ? n : 0] = 0;
        text[strspn(text, "0123456789")] = 0;
        if (i == LOCK_ATTEMPTS || str_to_int64(text, 1, INT32_MAX, &pid) != 0 ||
            kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            return LOCK_E_TAKEN;
        (void)poll(NULL, 0, LOCK_PAUSE_MS);
    }
    return r < 0 ? -errno : 0;
}

/* The lock goes with the process, however it ends; the pid in the file is for people. */
static int take_lock(SqliteEngine *sqlite, Err *reterr)
{
    _free_ char *path = mem_printf("%s/lock", sqlite->dir);
    char text[32] = {0};
    int n, r;

    sqlite->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sqlite->lock_fd < 0)
        return err_set(reterr, errno, "open %s", path);
    r = lock_when_free(sqlite->lock_fd, text);
    if (r == LOCK_E_TAKEN)
        return err_set(reterr, 0, "%s is in use by another process (pid %s)", sqlite->dir,
                       *text ? text : "unknown");
    if (r < 0)
        return err_set(reterr, -r, "lock %s", path);
    n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(sqlite->lock_fd, 0) < 0 || pwrite(sqlite->lock_fd, text, (size_t)n, 0) != n) {
        /* A full disk must not keep the server from starting: the lock itself holds. */
    }
    return 0;
}

static int run_all(SqliteEngine *sqlite, const char *const *texts, Err *reterr)
{
    int r = 0;

    for (; *texts && r >= 0; texts++)
        r = query(sqlite, *texts, NULL, NULL, reterr);
    return ERR_TRACE(r);
}

static int set_up(SqliteEngine *sqlite, int64_t *version, Err *reterr)
{
    static const char *const texts[] = {
        /* First: else the WAL's index would be a file, which has no room on a full disk. */
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA synchronous = FULL",
        "PRAGMA wal_autocheckpoint = 0",
        "PRAGMA journal_size_limit = 16777216",
        "PRAGMA cache_size = -2048",
        "PRAGMA temp_store = MEMORY",
        NULL,
    };
    int r = run_all(sqlite, texts, reterr);

    if (r >= 0)
        r = query(sqlite, "PRAGMA user_version", on_int_row, version, reterr);
    return ERR_TRACE(r);
}

static int make_schema(SqliteEngine *sqlite, Err *reterr)
{
    static const char *const texts[] = {
        "PRAGMA synchronous = OFF", /* durable at once when it is complete */
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = MEMORY",
        "PRAGMA auto_vacuum = INCREMENTAL",
        "BEGIN IMMEDIATE",
        "CREATE TABLE objects(id INTEGER PRIMARY KEY, key TEXT NOT NULL,"
        " revision INTEGER NOT NULL, value BLOB NOT NULL)",
        "CREATE TABLE log(first INTEGER PRIMARY KEY, changes BLOB NOT NULL)",
        "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        NULL,
    };
    char uuid[37], text[160];
    Random random;
    int r = run_all(sqlite, texts, reterr);

    if (r < 0)
        return ERR_TRACE(r);
    random_seed_system(&random);
    random_uuid(&random, uuid);
    snprintf(text, sizeof(text), "INSERT INTO meta VALUES('cluster_id', '%s')", uuid);
    r = query(sqlite, text, NULL, NULL, reterr);
    snprintf(text, sizeof(text), "PRAGMA user_version = %d", SCHEMA_VERSION);
    if (r >= 0)
        r = query(sqlite, text, NULL, NULL, reterr);
    if (r >= 0)
        r = query(sqlite, "COMMIT", NULL, NULL, reterr);
    if (r >= 0)
        r = query(sqlite, "PRAGMA journal_mode = WAL", NULL, NULL, reterr);
    return ERR_TRACE(r);
}

static int open_file(SqliteEngine *sqlite, const char *path, int flags, Err *reterr)
{
    if (sqlite3_open_v2(path, &sqlite->db,
                        flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        NULL) != SQLITE_OK)
        return err_set(reterr, 0, "open %s: %s", path,
                       sqlite->db ? sqlite3_errmsg(sqlite->db) : "no memory");
    return 0;
}

/* A half-made one of a start that was cut off is begun anew. */
static int make_database(SqliteEngine *sqlite, const char *path, Err *reterr)
{
    _free_ char *folder = mem_printf("%s.new", path), *aside = mem_printf("%s/state.db", folder);
    _free_ char *wal = mem_printf("%s-wal", path); /* of a database that somebody took away */
    int r = file_remove_tree(folder);

    if (r == 0)
        r = file_remove_tree(wal);
    if (r == 0)
        r = file_mkdir_all(folder, 0700);
    if (r < 0)
        return err_set(reterr, -r, "make %s", folder);
    r = open_file(sqlite, aside, SQLITE_OPEN_CREATE, reterr);
    if (r >= 0)
        r = make_schema(sqlite, reterr);
    sqlite3_close_v2(TAKE_PTR(sqlite->db));
    if (r < 0)
        return ERR_TRACE(r);
    if (chmod(aside, 0600) < 0)
        return err_set(reterr, errno, "make %s", aside);
    r = file_sync_folder(folder);
    if (r == 0)
        r = file_rename(aside, path);
    if (r == 0)
        r = file_remove_tree(folder);
    return r < 0 ? err_set(reterr, -r, "make %s", path) : 0;
}

/* What is there is read as it is (load.c); older programs must not read what comes now. A full disk
 * must not keep the server from starting: the next start tries again. */
static void take_over(SqliteEngine *sqlite)
{
    char text[64];

    snprintf(text, sizeof(text), "PRAGMA user_version = %d", SCHEMA_VERSION);
    (void)query(sqlite, text, NULL, NULL, NULL);
}

static int on_text_row(SqliteEngine *sqlite _unused_, sqlite3_stmt *stmt, void *data)
{
    snprintf(data, ID_ROOM, "%s", (const char *)sqlite3_column_text(stmt, 0));
    return 0;
}

static int check_id(SqliteEngine *sqlite, Err *reterr)
{
    char id[ID_ROOM] = "";
    int r =
        query(sqlite, "SELECT value FROM meta WHERE name = 'cluster_id'", on_text_row, id, reterr);

    return r < 0 || !*id ? r : folder_check_id(sqlite->dir, id, reterr);
}

static int open_database(SqliteEngine *sqlite, Err *reterr)
{
    _free_ char *path = mem_printf("%s/state.db", sqlite->dir);
    int64_t version = 0;
    int r = 0;

    if (!file_exists(path)) {
        r = folder_check_new(sqlite->dir, reterr);
        if (r >= 0)
            r = make_database(sqlite, path, reterr);
    }
    if (r >= 0)
        r = open_file(sqlite, path, 0, reterr);
    if (r >= 0)
        r = set_up(sqlite, &version, reterr);
    if (r >= 0 && version == SCHEMA_VERSION_JSON)
        take_over(sqlite);
    else if (r >= 0 && version != SCHEMA_VERSION)
        r = err_set(reterr, 0, "%s has version %" PRId64 "; this program reads version %d", path,
                    version, SCHEMA_VERSION);
    if (r >= 0)
        r = check_id(sqlite, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    sqlite3_wal_hook(sqlite->db, on_wal_commit, sqlite);
    for (size_t i = 0; i < _STMT_MAX; i++)
        if (sqlite3_prepare_v3(sqlite->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &sqlite->statements[i], NULL) != SQLITE_OK)
            return err_set(reterr, 0, "%s: %s", path, sqlite3_errmsg(sqlite->db));
    return 0;
}

int engine_sqlite_open(const char *dir, size_t window, StoreEngine **ret, Err *reterr)
{
    _cleanup_(sqlite_closep)
    SqliteEngine *sqlite = mem_new_type(SqliteEngine);
    int r;

    sqlite->engine.ops = &sqlite_ops;
    sqlite->lock_fd = -1;
    sqlite->dir = mem_strdup(dir);
    sqlite->window = window;
    /* No use for SQLite's memory counters: each allocation would pay a mutex for them. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    r = file_mkdir_all(dir, 0700);
    if (r < 0)
        return err_set(reterr, -r, "make %s", dir);
    r = take_lock(sqlite, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    folder_secure(dir);
    sqlite->reserve.path = mem_printf("%s/reserve", dir);
    r = open_database(sqlite, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    (void)reserve_take(&sqlite->reserve);
    *ret = &TAKE_PTR(sqlite)->engine;
    return 0;
}
