/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>
#include <uv.h>

#include "node/volume/write_watch.h"

/* Data that are written or deleted: both change the room that is left. */
#define EVENTS (FAN_MODIFY | FAN_DELETE | FAN_ONDIR)
#define READS_MAX 64

struct WriteWatch {
    uv_poll_t poll;
    int fd;
    void (*on_write)(void *data);
    void *data;
};

static void drain(int fd)
{
    char buffer[4096];

    for (int i = 0; i < READS_MAX && read(fd, buffer, sizeof(buffer)) > 0; i++)
        ;
}

void write_watch_clear(WriteWatch *watch)
{
    (void)fanotify_mark(watch->fd, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, NULL);
    drain(watch->fd);
}

static void on_readable(uv_poll_t *poll, int status _unused_, int events _unused_)
{
    WriteWatch *watch = poll->data;

    write_watch_clear(watch);
    watch->on_write(watch->data);
}

WriteWatch *write_watch_new(struct uv_loop_s *loop, void (*on_write)(void *data), void *data)
{
    int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_FID,
                           O_RDONLY | O_CLOEXEC);
    WriteWatch *watch;

    if (fd < 0)
        return NULL;
    watch = mem_new_type(WriteWatch);
    *watch = (WriteWatch){.fd = fd, .on_write = on_write, .data = data};
    if (uv_poll_init(loop, &watch->poll, fd) != 0) {
        close(fd);
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    (void)uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&watch->poll);
    return watch;
}

static void on_closed(uv_handle_t *handle)
{
    WriteWatch *watch = handle->data;

    close(watch->fd);
    free(watch);
}

WriteWatch *write_watch_free(WriteWatch *watch)
{
    if (watch)
        uv_close((uv_handle_t *)&watch->poll, on_closed);
    return NULL;
}

int write_watch_add(WriteWatch *watch, const char *path)
{
    return fanotify_mark(watch->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, EVENTS, AT_FDCWD, path) < 0
               ? -errno
               : 0;
}
