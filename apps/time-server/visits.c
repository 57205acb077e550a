/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/file.h>
#include <uv.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/vec.h"
#include "visits.h"

#define FILE_MAX 64 /* a count has at most 20 digits */

typedef struct Waiter {
    VisitDone done;
    void *data;
} Waiter;

typedef VEC(Waiter) Waiters;

struct Visits {
    uv_loop_t *loop;
    uv_work_t work;
    char *file;
    int lock;
    uint64_t count;   /* on disk */
    uint64_t writing; /* what the write under way makes of it */
    Waiters waiting;  /* for the next write */
    Waiters served;   /* by the write under way */
    bool busy;
    int r;   /* of the write under way */
    Err err; /* of the newest write; code 0 and no message: it worked */
};

static int parse_count(const char *text, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v))
            return 1;
    if (i == 0 || (i < n && !(i + 1 == n && text[i] == '\n')))
        return 1;
    *ret = v;
    return 0;
}

static int read_count(Visits *visits, Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r;

    if (!file_exists(visits->file))
        return 0;
    r = file_read(visits->file, FILE_MAX, &text, &n);
    if (r < 0)
        return err_set(reterr, -r, "cannot read %s", visits->file);
    if (parse_count(text, n, &visits->count))
        return err_set(
            reterr, 0,
            "%s holds no count of visits; it stays as it is. Move it away to start from 0",
            visits->file);
    return 0;
}

int visits_open(struct uv_loop_s *loop, const char *file, Visits **ret, Err *reterr)
{
    _free_ char *lock = mem_printf("%s.lock", file);
    Visits *visits = mem_new_type(Visits);
    int r = 0;

    visits->loop = loop;
    visits->file = mem_strdup(file);
    visits->work.data = visits;
    visits->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (visits->lock < 0)
        r = err_set(reterr, errno, "cannot open %s", lock);
    else if (flock(visits->lock, LOCK_EX | LOCK_NB) < 0)
        r = err_set(reterr, 0, "another process counts in %s", file);
    else
        r = read_count(visits, reterr);
    if (r < 0) {
        visits_close(visits);
        return r;
    }
    *ret = visits;
    return 0;
}

Visits *visits_close(Visits *visits)
{
    if (!visits)
        return NULL;
    ASSERT(!visits->busy);
    VEC_DEINIT(&visits->waiting);
    VEC_DEINIT(&visits->served);
    close_fdp(&visits->lock);
    free(visits->file);
    free(visits);
    return NULL;
}

/* On the pool. */
static void write_count(uv_work_t *work)
{
    Visits *visits = work->data;
    char text[24];
    int n = snprintf(text, sizeof(text), "%" PRIu64, visits->writing);

    visits->r = file_write_atomic(visits->file, text, (size_t)n, 0644);
}

static void write_next(Visits *visits);

static void on_written(uv_work_t *work, int status)
{
    Visits *visits = work->data;
    Waiters served = visits->served;
    uint64_t first = visits->count + 1;

    (void)status; /* nobody cancels */
    visits->served = (Waiters)VEC_INIT;
    visits->busy = false;
    visits->err = ERR_INIT;
    if (visits->r < 0)
        err_set(&visits->err, -visits->r, "cannot write %s", visits->file);
    else
        visits->count = visits->writing;
    for (size_t i = 0; i < served.n; i++)
        served.v[i].done(served.v[i].data, first + i, visits_error(visits));
    VEC_DEINIT(&served);
    write_next(visits);
}

static void write_next(Visits *visits)
{
    if (visits->busy || !visits->waiting.n)
        return;
    visits->served = visits->waiting;
    visits->waiting = (Waiters)VEC_INIT;
    visits->writing = visits->count + visits->served.n;
    visits->busy = true;
    uv_queue_work(visits->loop, &visits->work, write_count, on_written);
}

void visits_add(Visits *visits, VisitDone done, void *data)
{
    VEC_PUSH(&visits->waiting, ((Waiter){done, data}));
    write_next(visits);
}

uint64_t visits_count(const Visits *visits)
{
    return visits->count;
}

const char *visits_error(const Visits *visits)
{
    return visits->err.message[0] ? visits->err.message : NULL;
}

bool visits_busy(const Visits *visits)
{
    return visits->busy;
}
