/* SPDX-License-Identifier: Apache-2.0 */
/* RUN/host.sock, the socket of the holder: messages that keep their boundaries, and answers with a descriptor. */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "daemon/rootless/internal.h"

#define PATIENCE_SECONDS 5

int rootless_connect(const char *run_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    _close_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/host.sock", run_dir);

    if (fd < 0 || n >= (int)sizeof(address.sun_path))
        return fd < 0 ? -errno : -ENAMETOOLONG;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

typedef union Control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
} Control;

int rootless_send_fd(int socket, int status, int fd)
{
    struct iovec part = {&status, sizeof(status)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    Control control = {0};

    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int rootless_ask(int socket, const char *text)
{
    Control control;
    int status = 0, fd = -1;
    struct iovec part = {&status, sizeof(status)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n;

    if (send(socket, text, strlen(text), MSG_NOSIGNAL) < 0)
        return -errno;
    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (n != sizeof(status))
        return -EPIPE; /* the holder has ended */
    if (CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    if (status)
        close_fdp(&fd);
    return status ? -status : fd < 0 ? -EBADMSG : fd;
}

int rootless_listen(const char *run_dir, const char *address, uint16_t port)
{
    _close_fd_ int socket = rootless_connect(run_dir);
    char text[128];

    if (socket < 0)
        return socket;
    snprintf(text, sizeof(text), "listen %s %u", address, port);
    return rootless_ask(socket, text);
}
