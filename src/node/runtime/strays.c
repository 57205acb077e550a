/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/files/file.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "node/runtime/process_tree.h"
#include "node/runtime/strays.h"

#define END_TIMEOUT_MS 2000
#define ROUNDS 10 /* a killed process may have forked just before */

void process_end(int64_t pid)
{
    int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
    struct pollfd end = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    (void)poll(&end, 1, END_TIMEOUT_MS);
    close(fd);
}

typedef struct Stray {
    int64_t pid;
    char *id;
    char *bundle; /* set for conmon; NULL for a command of the runtime */
    bool exec;    /* a `crun exec` */
} Stray;

typedef struct Strays {
    const char *root;
    VEC(Stray) v;
} Strays;

static void strays_deinit(Strays *strays)
{
    for (size_t i = 0; i < strays->v.n; i++) {
        free(strays->v.v[i].id);
        free(strays->v.v[i].bundle);
    }
    VEC_DEINIT(&strays->v);
}

static const char *next(const char *at, const char *end)
{
    at += strlen(at) + 1;
    return at < end ? at : NULL;
}

/* conmon ... -c ID ... -b BUNDLE ... --runtime-arg=--root=ROOT; crun --root ROOT VERB ... ID */
static void look_at(Strays *strays, int64_t pid, const char *line, size_t n)
{
    const char *end = line + n, *id = NULL, *last = "", *bundle = NULL;
    bool ours = false, conmon = false, exec = false;

    for (const char *at = line; at; at = next(at, end)) {
        const char *value = next(at, end);

        if (str_starts_with(at, "--runtime-arg=--root=") && str_equal(at + 21, strays->root))
            ours = conmon = true;
        else if (str_starts_with(at, "--root=") && str_equal(at + 7, strays->root))
            ours = true;
        else if (str_equal(at, "--root") && value && str_equal(value, strays->root))
            ours = true;
        else if (str_equal(at, "-c") && value && !id)
            id = value;
        else if (str_equal(at, "-b") && value && !bundle)
            bundle = value;
        else if (str_equal(at, "exec"))
            exec = true;
        last = at;
    }
    if (!ours || (conmon && (!id || !bundle)))
        return;
    VEC_PUSH(&strays->v, ((Stray){
                             .pid = pid,
                             .id = mem_strdup(conmon ? id : last),
                             .bundle = conmon ? mem_strdup(bundle) : NULL,
                             .exec = exec && !conmon,
                         }));
}

static void scan(Strays *strays)
{
    DIR *dir = opendir("/proc");

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = NULL, *line = NULL;
        int64_t pid;
        size_t n;

        if (str_to_int64(entry->d_name, 2, INT32_MAX, &pid) != 0)
            continue;
        path = mem_printf("/proc/%s/cmdline", entry->d_name);
        if (file_read(path, 64 * 1024, &line, &n) == 0 && n > 0)
            look_at(strays, pid, line, n);
    }
    if (dir)
        closedir(dir);
}

/* One round; returns how many processes had to be killed. */
static size_t end_round(const char *root, const char *only, StrayDecide decide, void *data)
{
    Strays strays = {root, VEC_INIT};
    StrMap staying = {0};
    size_t ended = 0;

    scan(&strays);
    for (size_t i = 0; i < strays.v.n && decide; i++) {
        const Stray *stray = &strays.v.v[i];

        if (stray->bundle && decide(data, stray->id, stray->bundle) == STRAY_STAYS)
            strmap_put(&staying, stray->id, &staying);
    }
    for (size_t i = 0; i < strays.v.n; i++) {
        const Stray *stray = &strays.v.v[i];

        if (only && !str_equal(stray->id, only))
            continue;
        /* The client of an exec was lost with the server, whether or not the container stays. */
        if (strmap_get(&staying, stray->id) && !stray->exec)
            continue;
        if (stray->exec)
            process_tree_end(&stray->pid, 1);
        process_end(stray->pid);
        ended++;
    }
    strmap_deinit(&staying);
    strays_deinit(&strays);
    return ended;
}

void strays_end(const char *root, StrayDecide decide, void *data)
{
    for (int i = 0; i < ROUNDS && end_round(root, NULL, decide, data) > 0; i++)
        ;
}

void strays_end_of(const char *root, const char *id)
{
    for (int i = 0; i < ROUNDS && end_round(root, id, NULL, NULL) > 0; i++)
        ;
}

void strays_end_init(const char *id, const char *bundle)
{
    _free_ char *file = mem_printf("%s/pid", bundle), *text = NULL, *path = NULL, *cgroup = NULL;
    int64_t pid;
    size_t n;

    if (file_read(file, 32, &text, &n) < 0 || str_to_int64(text, 2, INT32_MAX, &pid) != 0)
        return;
    path = mem_printf("/proc/%" PRId64 "/cgroup", pid);
    if (file_read(path, 64 * 1024, &cgroup, &n) == 0 && strstr(cgroup, id))
        process_end(pid);
}
