/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers. Each is run by crun under a conmon of its own, which outlives this process.
 *
 * All state of a container is in the files of its bundle folder:
 *
 *   config.json   what crun runs
 *   conmon.pid    conmon, written by itself
 *   pid           the container's first process, written by crun
 *   started       wall time in ns, when it was started
 *   exit          exit code, written by conmon at the end; its mtime is the time of the end
 *   oom           there if the kernel killed it for memory
 *   attach, ctl   conmon's socket for attach, and fifo for resizing and reopening logs
 *
 * The end of a container is detected through a pidfd of conmon, which works for children and for
 * processes adopted after a restart alike. conmon writes `exit` before it exits; if it exits
 * without having done so, the container is lost.
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
    bool lost;           /* it is gone, and its exit code is unknown */
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

/* Exactly one of on_failed and on_exit is called, and it is the last call: the task is freed
 * after it. */
typedef struct RuntimeEvents {
    void (*on_created)(void *data);
    void (*on_started)(void *data, int64_t started_ns);
    void (*on_failed)(void *data, bool created, const char *message);
    void (*on_exit)(void *data, const RuntimeExit *end);
} RuntimeEvents;

Runtime *runtime_new(const RuntimeOptions *options);
Runtime *runtime_free(Runtime *runtime);

/* Announces that a container will be started soon, so that a wait of the kernel can begin now
 * (cgroup.h). */
void runtime_expect(Runtime *runtime);
/* Creates and starts a container. Events are always delivered from the loop, after this has
 * returned. */
RuntimeTask *runtime_start(Runtime *runtime, const RuntimeStart *start, const RuntimeEvents *events,
                           void *data);
/* Takes over a container that an earlier process has started; events follow as after on_started.
 * NULL if it does not run any more. */
RuntimeTask *runtime_adopt(Runtime *runtime, const char *id, const char *bundle,
                           const RuntimeEvents *events, void *data);
/* Gives the task up: there are no more events, and the container keeps running. */
RuntimeTask *runtime_forget(RuntimeTask *task);
int runtime_signal(RuntimeTask *task, int signal);
/* Reads from the bundle how its container ended; false if it was never started. */
bool runtime_read_exit(const char *bundle, RuntimeExit *ret);
/* The pid of the conmon of this bundle, or 0 if it does not run. */
int runtime_conmon_pid(const char *id, const char *bundle);
/* Kills what is left of the container, and removes its cgroup and crun's state. It is no error
 * if there is none. */
void runtime_delete(Runtime *runtime, const char *id, void (*done)(void *data, const Err *err),
                    void *data);
/* Asks conmon to reopen the log, which has been renamed. */
int runtime_reopen_log(const char *bundle);
int runtime_resize(const char *bundle, uint16_t columns, uint16_t rows);

/* The command line of `crun exec`. process_json: the path of the process description.
 * console_socket: the path of the socket to which crun sends the master of the terminal; NULL
 * without a terminal. `argv` needs room for 16 entries. */
void runtime_exec_argv(const Runtime *runtime, const char *id, const char *process_json,
                       const char *pid_file, const char *console_socket, const char **argv);

#endif
