/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers: crun under conmon, one conmon each, that outlives this process.
 *
 * A container lies in a bundle folder, and the files in it are all the state there is:
 *
 *   config.json   what crun runs
 *   conmon.pid    conmon, written by itself
 *   pid           the container's first process, written by crun
 *   started       wall time in ns, when it was started
 *   exit          exit code, written by conmon at the end; its mtime is the time of the end
 *   oom           there if the kernel killed it for memory
 *   attach, ctl   conmon's socket for attach, and fifo for resizing and reopening logs
 *
 * The end is heard through a pidfd of conmon, which works for children and for those adopted after
 * a restart alike: conmon writes `exit` before it goes; if it goes without, the container is lost.
 */
#ifndef NODE_RUNTIME_RUNTIME_H
#define NODE_RUNTIME_RUNTIME_H

#include "base/base.h"
#include "base/error.h"

struct uv_loop_s;

typedef struct Runtime Runtime;
typedef struct RuntimeTask RuntimeTask;

typedef struct RuntimeOptions {
    struct uv_loop_s *loop;
    const char *root; /* crun's own state: RUN/crun */
    const char *shim; /* stead-runtime */
} RuntimeOptions;

typedef struct RuntimeExit {
    int exit_code; /* 128 + signal for one that a signal ended */
    bool oom_killed;
    bool lost;           /* it is gone and nobody knows how */
    int64_t started_ns;  /* wall; 0 unknown */
    int64_t finished_ns; /* wall */
} RuntimeExit;

typedef struct RuntimeStart {
    const char *id;     /* unique on this machine */
    const char *name;   /* for the log's tag and process lists */
    const char *bundle; /* with config.json in it */
    const char *log_path;
    bool standard_in, stdin_once, tty;
} RuntimeStart;

/* Exactly one of on_failed and on_exit is the last call. The task is freed after it. */
typedef struct RuntimeEvents {
    void (*on_created)(void *data);
    void (*on_started)(void *data, int64_t started_ns);
    void (*on_failed)(void *data, bool created, const char *message);
    void (*on_exit)(void *data, const RuntimeExit *end);
} RuntimeEvents;

Runtime *runtime_new(const RuntimeOptions *options);
Runtime *runtime_free(Runtime *runtime);

/* A container is about to be started: what its start would wait for begins now (cgroup.h). */
void runtime_expect(Runtime *runtime);
/* Creates and starts; events come later, from the loop. */
RuntimeTask *runtime_start(Runtime *runtime, const RuntimeStart *start, const RuntimeEvents *events,
                           void *data);
/* One that runs since before this process began: events as after on_started. NULL: it does not run
 * any more. */
RuntimeTask *runtime_adopt(Runtime *runtime, const char *id, const char *bundle,
                           const RuntimeEvents *events, void *data);
/* No more events; the container lives on. */
RuntimeTask *runtime_forget(RuntimeTask *task);
int runtime_signal(RuntimeTask *task, int signal);
/* How a container of this bundle ended, from its files; false if it was never started. */
bool runtime_read_exit(const char *bundle, RuntimeExit *ret);
/* Is conmon of this bundle there? Its pid, or 0. */
int runtime_conmon_pid(const char *id, const char *bundle);
/* Kills what is left, removes cgroup and crun's state. Missing is fine. */
void runtime_delete(Runtime *runtime, const char *id, void (*done)(void *data, const Err *err),
                    void *data);
/* Tells conmon: open the log anew (it was renamed). */
int runtime_reopen_log(const char *bundle);
int runtime_resize(const char *bundle, uint16_t columns, uint16_t rows);

/* crun exec. standard_in, out, err: descriptors for the process; where tty, console_socket is the
 * path that crun sends the terminal's master to. process_json: path of the process description.
 * Returns its argv in `argv` (needs room for 16). */
void runtime_exec_argv(const Runtime *runtime, const char *id, const char *process_json,
                       const char *pid_file, const char *console_socket, const char **argv);

#endif
