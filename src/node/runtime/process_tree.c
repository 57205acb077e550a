/* SPDX-License-Identifier: Apache-2.0 */
/* See process_tree.h. A process could fork while its children are being searched, so each
 * process that is found is stopped first. The search is repeated until it finds nothing new, and
 * then everything is killed. */
#include <dirent.h>
#include <signal.h>

#include "base/files/file.h"
#include "base/vec.h"
#include "node/runtime/process_tree.h"

#define ROUNDS 20

typedef struct Process {
    int64_t pid, parent, session;
    bool found;
} Process;

typedef VEC(Process) ProcessVec;

/* Parses "pid (name) state ppid pgrp session ...". The name may contain any character, including
 * parentheses. */
static bool parse_stat(const char *text, Process *ret)
{
    const char *at = strrchr(text, ')');
    long long parent, session;

    if (!at || sscanf(at + 1, " %*c %lld %*d %lld", &parent, &session) != 2)
        return false;
    ret->parent = parent;
    ret->session = session;
    return true;
}

static void scan(ProcessVec *all)
{
    DIR *dir = opendir("/proc");

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        _free_ char *path = NULL, *text = NULL;
        Process process = {0};

        if (str_to_int64(entry->d_name, 2, INT32_MAX, &process.pid) != 0)
            continue;
        path = mem_printf("/proc/%s/stat", entry->d_name);
        if (file_read(path, 4096, &text, NULL) == 0 && parse_stat(text, &process))
            VEC_PUSH(all, process);
    }
    if (dir)
        closedir(dir);
}

static const Process *find(const ProcessVec *all, int64_t pid)
{
    size_t low = 0, high = all->n;

    while (low < high) { /* the list is sorted by pid */
        size_t middle = (low + high) / 2;

        if (all->v[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < all->n && all->v[low].pid == pid ? &all->v[low] : NULL;
}

static bool is_in(const ProcessVec *all, int64_t pid)
{
    const Process *process = find(all, pid);

    return process && process->found;
}

static int by_pid(const void *a, const void *b)
{
    const Process *one = a, *two = b;

    return one->pid < two->pid ? -1 : one->pid > two->pid;
}

/* Marks descendants and members of sessions until nothing is added. A session belongs to the
 * tree if its leader is marked, or was marked in an earlier round. */
static void mark(ProcessVec *all, const ProcessVec *before)
{
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < all->n; i++) {
            Process *p = &all->v[i];

            if (p->found ||
                !(is_in(all, p->parent) || is_in(all, p->session) || is_in(before, p->session)))
                continue;
            p->found = more = true;
        }
    }
}

static size_t signal_found(const ProcessVec *all, const ProcessVec *except, int signal)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++)
        if (all->v[i].found && !is_in(except, all->v[i].pid))
            n += kill((pid_t)all->v[i].pid, signal) == 0;
    return n;
}

static void add_roots(ProcessVec *to, const int64_t *pids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pids[i] > 1)
            VEC_PUSH(to, ((Process){.pid = pids[i], .found = true}));
    if (to->n)
        qsort(to->v, to->n, sizeof(*to->v), by_pid);
}

/* A runtime may put its process into a session whose leader, a helper, has ended. Such a session
 * counts as a root; a session that another living process leads does not. */
static void add_sessions(ProcessVec *roots, const ProcessVec *all)
{
    for (size_t i = 0; i < all->n; i++) {
        int64_t session = all->v[i].session;

        if (!all->v[i].found || !is_in(roots, all->v[i].pid) || session < 2 || find(all, session) ||
            is_in(roots, session))
            continue;
        VEC_PUSH(roots, ((Process){.pid = session, .found = true}));
        qsort(roots->v, roots->n, sizeof(*roots->v), by_pid);
    }
}

void process_tree_end(const int64_t *pids, size_t n)
{
    static const ProcessVec none = VEC_INIT;
    ProcessVec before = VEC_INIT, roots = VEC_INIT;

    add_roots(&roots, pids, n);
    for (int round = 0; round < ROUNDS && roots.n; round++) {
        ProcessVec all = VEC_INIT;
        size_t fresh;

        scan(&all);
        if (all.n)
            qsort(all.v, all.n, sizeof(*all.v), by_pid);
        for (size_t i = 0; i < all.n; i++)
            all.v[i].found = is_in(&roots, all.v[i].pid) || is_in(&before, all.v[i].pid);
        add_sessions(&roots, &all);
        mark(&all, &roots);
        fresh = signal_found(&all, &before, SIGSTOP);
        VEC_DEINIT(&before);
        before = all;
        if (fresh == 0)
            break;
    }
    (void)signal_found(&before, &none, SIGKILL);
    VEC_DEINIT(&before);
    VEC_DEINIT(&roots);
}
