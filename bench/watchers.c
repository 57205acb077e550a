/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens watches over TLS and says when each of them has seen a number of events.
 *
 *   TOKEN=... watchers PORT PATH WATCHES EVENTS
 *
 * It prints "ready" when all watches stand, and "done" when each has seen EVENTS lines since then;
 * "ended" if the server closes one before. The reader is written in C and does no more than
 * decrypt and count line ends, since a slower one measures itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Watch {
    SSL *ssl;
    long seen;
    char last; /* the last byte that came: "\r\n" belongs to the chunked encoding */
    bool done;
} Watch;

static void fail(const char *what)
{
    fprintf(stderr, "watchers: %s: %s\n", what, strerror(errno));
    exit(1);
}

static SSL *connect_to(SSL_CTX *tls, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL *ssl = SSL_new(tls);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        fail("connect");
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) != 1)
        fail("TLS");
    return ssl;
}

static void count(Watch *watch, const char *p, int n)
{
    for (const char *at = p, *end = p + n; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        watch->seen += (at == p ? watch->last : at[-1]) != '\r';
    watch->last = p[n - 1];
}

/* Reads the head of the answer, and counts what came behind it as not yet seen. */
static void open_watch(Watch *watch, const char *path)
{
    char buf[16384];
    int n = snprintf(buf, sizeof(buf),
                     "GET %s HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer %s\r\n\r\n", path,
                     getenv("TOKEN"));
    size_t have = 0;

    if (SSL_write(watch->ssl, buf, n) != n)
        fail("request");
    buf[0] = 0;
    while (!strstr(buf, "\r\n\r\n")) {
        n = SSL_read(watch->ssl, buf + have, (int)(sizeof(buf) - 1 - have));
        if (n <= 0)
            fail("answer");
        have += (size_t)n;
        buf[have] = 0;
    }
    if (strncmp(buf, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "watchers: %s\n", buf);
        exit(1);
    }
    watch->last = '\n';
    n = SSL_get_fd(watch->ssl);
    fcntl(n, F_SETFL, fcntl(n, F_GETFL) | O_NONBLOCK);
}

/* False: the server has ended it. */
static bool read_all(Watch *watch)
{
    static char buf[65536];
    int n;

    while ((n = SSL_read(watch->ssl, buf, sizeof(buf))) > 0)
        count(watch, buf, n);
    return SSL_get_error(watch->ssl, n) == SSL_ERROR_WANT_READ;
}

/* 0 for what is no number. */
static long number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    return *end ? 0 : n;
}

int main(int argc, char **argv)
{
    int port = argc == 5 ? (int)number(argv[1]) : 0, n = argc == 5 ? (int)number(argv[3]) : 0;
    int left = n;
    long events = argc == 5 ? number(argv[4]) : 0;
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    int poll = epoll_create1(EPOLL_CLOEXEC);
    Watch *watches;

    if (port <= 0 || n <= 0 || !getenv("TOKEN")) {
        fprintf(stderr, "usage: TOKEN=... watchers PORT PATH WATCHES EVENTS\n");
        return 2;
    }
    watches = calloc((size_t)n, sizeof(*watches));
    for (int i = 0; i < n; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &watches[i]};

        watches[i].ssl = connect_to(tls, port);
        open_watch(&watches[i], argv[2]);
        epoll_ctl(poll, EPOLL_CTL_ADD, SSL_get_fd(watches[i].ssl), &event);
    }
    puts("ready");
    fflush(stdout);
    while (left > 0) {
        struct epoll_event got[64];
        int n_got = epoll_wait(poll, got, 64, 30000);

        if (n_got <= 0)
            fail("no event for half a minute");
        for (int i = 0; i < n_got; i++) {
            Watch *watch = got[i].data.ptr;

            if (!read_all(watch) && !watch->done) {
                puts("ended");
                return 0;
            }
            if (!watch->done && watch->seen >= events) {
                watch->done = true;
                left--;
            }
        }
    }
    puts("done");
    return 0;
}
