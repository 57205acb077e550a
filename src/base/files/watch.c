/* SPDX-License-Identifier: Apache-2.0 */
/* See watch.h. */
#include <uv.h>

#include "base/files/watch.h"
#include "base/loop_timer.h"

/* Time for the writer to finish: a key and its certificate are two files. */
#define QUIET_NS INT64_C(100000000)

typedef struct Folder {
    uv_fs_event_t event;
    char *path;
    FileWatch *watch;
} Folder;

struct FileWatch {
    Folder **folders;
    size_t n;
    unsigned handles; /* that have not been closed yet */
    uv_timer_t quiet;
    void (*on_change)(void *data);
    void *data;
};

static void watch_release(FileWatch *watch)
{
    if (--watch->handles)
        return;
    free(watch->folders);
    free(watch);
}

static void on_folder_closed(uv_handle_t *handle)
{
    Folder *folder = handle->data;

    watch_release(folder->watch);
    free(folder->path);
    free(folder);
}

static void on_timer_closed(uv_handle_t *handle)
{
    watch_release(handle->data);
}

static void on_quiet(uv_timer_t *timer)
{
    FileWatch *watch = timer->data;

    watch->on_change(watch->data);
}

static void on_event(uv_fs_event_t *event, const char *name _unused_, int events _unused_,
                     int status _unused_)
{
    Folder *folder = event->data;

    loop_timer_start(&folder->watch->quiet, on_quiet, QUIET_NS);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

static bool is_watched(const FileWatch *watch, const char *path)
{
    for (size_t i = 0; i < watch->n; i++)
        if (str_equal(watch->folders[i]->path, path))
            return true;
    return false;
}

static int add_folder(FileWatch *watch, uv_loop_t *loop, const char *path)
{
    _free_ char *name = folder_of(path);
    Folder *folder;

    if (is_watched(watch, name))
        return 0;
    folder = mem_new_type(Folder);
    folder->path = mem_strdup(name);
    folder->watch = watch;
    folder->event.data = folder;
    uv_fs_event_init(loop, &folder->event);
    watch->handles++;
    watch->folders[watch->n++] = folder;
    return uv_fs_event_start(&folder->event, on_event, name, 0);
}

FileWatch *file_watch_free(FileWatch *watch)
{
    if (!watch)
        return NULL;
    for (size_t i = 0; i < watch->n; i++)
        uv_close((uv_handle_t *)&watch->folders[i]->event, on_folder_closed);
    uv_close((uv_handle_t *)&watch->quiet, on_timer_closed);
    return NULL;
}

int file_watch_new(uv_loop_t *loop, const char *const *paths, size_t n,
                   void (*on_change)(void *data), void *data, FileWatch **ret, Err *reterr)
{
    FileWatch *watch = mem_new_type(FileWatch);
    int r = 0;

    watch->folders = mem_new((n + 1) * sizeof(*watch->folders));
    watch->on_change = on_change;
    watch->data = data;
    uv_timer_init(loop, &watch->quiet);
    watch->quiet.data = watch;
    watch->handles = 1;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = paths[i] ? add_folder(watch, loop, paths[i]) : 0;
        if (r < 0)
            err_set(reterr, -r, "cannot watch the folder of %s", paths[i]);
    }
    if (r < 0) {
        file_watch_free(watch);
        return r;
    }
    *ret = watch;
    return 0;
}
