/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real program under load, killed at moments that nobody chose. Whatever happens, a visit that
 * was answered is in the file, at most those in flight are there besides, and the file reads as a
 * whole count at every moment.
 */
#include "testing.h"

#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/files/file.h"
#include "base/time/clock.h"

#define CONNECTIONS 16
#define KILLS 25 /* of each format */
/* From SIGTERM to the end, on a machine that has other things to do: no client is waited for. */
#define END_NS (2 * NS_PER_SEC)

static char home[64], file[96], address[160], socket_path[100];
static Random chance;

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

static pid_t start(const char *format)
{
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(null, STDERR_FILENO);
        execl(TIME_SERVER, TIME_SERVER, "--listen", address, "--file", file, "--format", format,
              NULL);
        _exit(127);
    }
    return pid;
}

static int open_connection(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int wait_for_server(pid_t pid)
{
    int fd;

    while ((fd = open_connection()) < 0) {
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it has not given up */
        poll(NULL, 0, 1);
    }
    return fd;
}

static uint64_t count_lines(const char *text)
{
    uint64_t n = 0;

    while ((text = strchr(text, '\n'))) {
        text++;
        n++;
    }
    return n;
}

/* The count, whatever the format; fails the test where it is not whole. */
static uint64_t read_count(const char *format)
{
    _free_ char *text = NULL;
    uint64_t little = 0, count;
    int64_t v;
    size_t n;

    if (!file_exists(file))
        return 0;
    assert_int_equal(file_read(file, 1 << 24, &text, &n), 0);
    if (str_equal(format, "text")) {
        assert_int_equal(str_to_int64(text, 0, INT64_MAX, &v), 0);
        return (uint64_t)v;
    }
    if (str_equal(format, "binary")) {
        assert_int_equal(n, sizeof(little));
        memcpy(&little, text, n);
        return le64toh(little);
    }
    count = count_lines(text);
    return count && str_equal(format, "log") ? count - 1 : count; /* "Visits:" */
}

typedef struct Load {
    struct pollfd fds[CONNECTIONS];
    uint64_t sent, answered, highest;
} Load;

static void send_one(Load *load, struct pollfd *fd)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    load->sent += send(fd->fd, text, sizeof(text) - 1, MSG_NOSIGNAL) == sizeof(text) - 1;
}

static bool take_answer(Load *load, struct pollfd *fd)
{
    char text[2048];
    ssize_t n = recv(fd->fd, text, sizeof(text) - 1, 0);
    const char *visits;

    if (n <= 0)
        return false;
    text[n] = 0;
    visits = strstr(text, "Visits: ");
    assert_non_null(visits); /* answers are small: they come in one piece */
    load->answered++;
    load->highest = MAX_OF(load->highest, strtoull(visits + 8, NULL, 10));
    return true;
}

/* Loads it for a while; kills it in the midst; then counts. */
static void run_and_kill(const char *format, int64_t life_ns, int signal_number)
{
    uint64_t before = read_count(format), after;
    Load load = {0};
    pid_t pid = start(format);
    int64_t end;
    int status;

    for (size_t i = 0; i < CONNECTIONS; i++)
        load.fds[i] = (struct pollfd){.fd = wait_for_server(pid), .events = POLLIN};
    end = now_ns() + life_ns;
    for (size_t i = 0; i < CONNECTIONS; i++)
        send_one(&load, &load.fds[i]);
    while (now_ns() < end) {
        poll(load.fds, CONNECTIONS, 1);
        for (size_t i = 0; i < CONNECTIONS; i++)
            if (load.fds[i].revents && take_answer(&load, &load.fds[i]))
                send_one(&load, &load.fds[i]);
        assert_true(read_count(format) >= before + load.answered);
    }
    end = now_ns() + END_NS;
    kill(pid, signal_number);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(now_ns() < end);
    /* What it still said before it died was said. */
    for (size_t i = 0; i < CONNECTIONS; i++) {
        while (take_answer(&load, &load.fds[i]))
            continue;
        close(load.fds[i].fd);
    }
    after = read_count(format);
    assert_true(after >= load.highest);
    assert_true(after >= before + load.answered);
    assert_true(after <= before + load.sent);
    if (signal_number == SIGTERM) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(load.answered, load.sent);
        assert_int_equal(after, before + load.answered);
    }
}

static void run_all(const char *format)
{
    snprintf(home, sizeof(home), "%s/time-server-XXXXXX", str_or(getenv("TMPDIR"), "/tmp"));
    assert_non_null(mkdtemp(home));
    snprintf(file, sizeof(file), "%s/visits", home);
    snprintf(socket_path, sizeof(socket_path), "%s/socket", home);
    snprintf(address, sizeof(address), "unix:%s", socket_path);
    for (int i = 0; i < KILLS; i++)
        run_and_kill(format, (int64_t)random_below(&chance, 60 * NS_PER_MS), SIGKILL);
    for (int i = 0; i < 3; i++)
        run_and_kill(format, (int64_t)random_below(&chance, 60 * NS_PER_MS), SIGTERM);
    assert_int_equal(file_remove_tree(home), 0);
}

static void a_visit_that_was_answered_survives_every_kill(void **state)
{
    run_all("text");
}

static void so_does_a_binary_count(void **state)
{
    run_all("binary");
}

static void so_does_a_line_of_a_log(void **state)
{
    run_all("log");
}

static void so_does_a_quoted_line(void **state)
{
    run_all("quoted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_visit_that_was_answered_survives_every_kill),
        cmocka_unit_test(so_does_a_binary_count),
        cmocka_unit_test(so_does_a_line_of_a_log),
        cmocka_unit_test(so_does_a_quoted_line),
    };
    uint64_t seed;

    random_secret(&seed, sizeof(seed));
    if (getenv("SEED"))
        seed = strtoull(getenv("SEED"), NULL, 10);
    printf("SEED=%" PRIu64 "\n", seed);
    random_seed(&chance, seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
