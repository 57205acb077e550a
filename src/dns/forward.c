/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <uv.h>

#include "base/files/file.h"
#include "base/ip.h"
#include "base/list.h"
#include "base/time/clock.h"
#include "base/loop_timer.h"
#include "dns/forward.h"

#define SERVERS_MAX 3
#define TRIES_MAX (2 * SERVERS_MAX)
#define TIMEOUT_NS (1500 * NS_PER_MS)
#define MESSAGE_MAX 65535

struct Forwarder {
    uv_loop_t *loop;
    char *path, *own;
    struct timespec read_at; /* modification time of the file when it was last read */
    struct sockaddr_in servers[SERVERS_MAX];
    size_t n_servers;
    ListNode questions;
    size_t n_questions;
};

typedef struct Question {
    ListNode node;
    Forwarder *forwarder; /* NULL after the forwarder has been freed */
    ForwardDone done;
    void *data;
    bool tcp;
    uint32_t source;
    unsigned tries;
    uint16_t id_before, id;
    uv_udp_t udp;
    uv_tcp_t stream;
    uv_connect_t connect;
    uv_write_t write;
    uv_timer_t timer;
    bool socket_open;
    bool finished;
    int handles;
    size_t n, got;
    uint8_t *answer; /* over TCP: what has been received so far */
    uint8_t length[2];
    uint8_t message[]; /* two bytes of length, then the question */
} Question;

static void read_servers(Forwarder *f)
{
    _free_ char *text = NULL;
    struct stat st;
    char *save = NULL;

    if (stat(f->path, &st) < 0 ||
        (st.st_mtim.tv_sec == f->read_at.tv_sec && st.st_mtim.tv_nsec == f->read_at.tv_nsec))
        return;
    f->read_at = st.st_mtim;
    f->n_servers = 0;
    if (file_read(f->path, 64 * 1024, &text, NULL) < 0)
        return;
    for (char *line = strtok_r(text, "\n", &save); line && f->n_servers < SERVERS_MAX;
         line = strtok_r(NULL, "\n", &save)) {
        char address[64];

        if (sscanf(line, " nameserver %63s", address) != 1 || str_equal(address, f->own))
            continue;
        if (uv_ip4_addr(address, 53, &f->servers[f->n_servers]) == 0)
            f->n_servers++;
    }
}

Forwarder *forwarder_new(struct uv_loop_s *loop, const char *resolv_conf, const char *own)
{
    Forwarder *f = mem_new_type(Forwarder);

    f->loop = loop;
    f->path = mem_strdup(resolv_conf);
    f->own = mem_strdup(own);
    list_init(&f->questions);
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    Question *q = handle->data;

    if (--q->handles || !q->finished)
        return;
    free(q->answer);
    free(q);
}

static void close_socket(Question *q)
{
    if (!q->socket_open)
        return;
    q->socket_open = false;
    uv_close(q->tcp ? (uv_handle_t *)&q->stream : (uv_handle_t *)&q->udp, on_closed);
}

static void finish(Question *q, Bytes answer)
{
    if (q->finished)
        return;
    q->finished = true;
    if (q->forwarder) {
        list_remove(&q->node);
        q->forwarder->n_questions--;
        q->done(q->data, answer);
    }
    close_socket(q);
    uv_close((uv_handle_t *)&q->timer, on_closed);
}

Forwarder *forwarder_free(Forwarder *forwarder)
{
    if (!forwarder)
        return NULL;
    while (!list_empty(&forwarder->questions)) {
        Question *q = CONTAINER_OF(forwarder->questions.next, Question, node);

        list_remove(&q->node);
        q->forwarder = NULL;
        finish(q, BYTES_NULL);
    }
    free(forwarder->path);
    free(forwarder->own);
    free(forwarder);
    return NULL;
}

/* Answers with the question itself, turned into a reply with the code SERVFAIL. */
static void finish_failed(Question *q)
{
    uint8_t *message = q->message + 2;

    message[0] = (uint8_t)(q->id_before >> 8);
    message[1] = (uint8_t)q->id_before;
    message[2] |= 0x80;
    message[3] = (uint8_t)((message[3] & 0x70) | 0x82);
    finish(q, (Bytes){message, q->n});
}

static void ask_next(Question *q);

static void on_timeout(uv_timer_t *timer)
{
    Question *q = timer->data;

    close_socket(q);
    ask_next(q);
}

/* Finishes the question with the answer, after restoring the client's query id. Returns false if the
 * packet is not the answer to this question. */
static bool accept_answer(Question *q, uint8_t *answer, size_t n)
{
    if (n < 12 || (uint16_t)(answer[0] << 8 | answer[1]) != q->id || !(answer[2] & 0x80))
        return false;
    answer[0] = (uint8_t)(q->id_before >> 8);
    answer[1] = (uint8_t)q->id_before;
    finish(q, (Bytes){answer, n});
    return true;
}

static void on_alloc(uv_handle_t *handle _unused_, size_t suggested _unused_, uv_buf_t *buf)
{
    static _Thread_local char room[MESSAGE_MAX];

    *buf = uv_buf_init(room, sizeof(room));
}

static void on_udp(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf,
                   const struct sockaddr *from _unused_, unsigned flags _unused_)
{
    /* The socket is connected, so only packets of the server that was asked arrive. */
    if (n > 0)
        accept_answer(udp->data, (uint8_t *)buf->base, (size_t)n);
}

static void on_tcp_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    Question *q = stream->data;
    size_t want;

    if (n < 0) {
        close_socket(q);
        ask_next(q);
        return;
    }
    if (q->got + (size_t)n > MESSAGE_MAX + 2)
        return;
    q->answer = mem_resize(q->answer, q->got + (size_t)n);
    memcpy(q->answer + q->got, buf->base, (size_t)n);
    q->got += (size_t)n;
    if (q->got < 2)
        return;
    want = (size_t)(q->answer[0] << 8 | q->answer[1]);
    if (q->got >= want + 2 && !accept_answer(q, q->answer + 2, want)) {
        close_socket(q);
        ask_next(q);
    }
}

static void on_connect(uv_connect_t *connect, int status)
{
    Question *q = connect->data;
    uv_buf_t buf = uv_buf_init((char *)q->message, (unsigned)(q->n + 2));

    if (!q->socket_open || q->finished)
        return;
    if (status < 0) {
        close_socket(q);
        ask_next(q);
        return;
    }
    uv_read_start((uv_stream_t *)&q->stream, on_alloc, on_tcp_read);
    uv_write(&q->write, (uv_stream_t *)&q->stream, &buf, 1, NULL);
}

static void send_question(Question *q, const struct sockaddr *server)
{
    uv_buf_t buf = uv_buf_init((char *)q->message + 2, (unsigned)q->n);

    q->socket_open = true;
    q->handles++;
    if (q->tcp) {
        q->got = 0;
        uv_tcp_init(q->forwarder->loop, &q->stream);
        q->stream.data = q->connect.data = q;
        uv_tcp_connect(&q->connect, &q->stream, server, on_connect);
        return;
    }
    uv_udp_init(q->forwarder->loop, &q->udp);
    q->udp.data = q;
    if (uv_udp_connect(&q->udp, server) == 0 && uv_udp_recv_start(&q->udp, on_alloc, on_udp) == 0)
        uv_udp_try_send(&q->udp, &buf, 1,
                        NULL); /* if this fails, the timer moves on to the next server */
}

static void on_closed_then_ask(uv_timer_t *timer)
{
    ask_next(timer->data);
}

static void ask_next(Question *q)
{
    Forwarder *f = q->forwarder;

    if (q->finished || !f)
        return;
    if (q->tries >= TRIES_MAX || q->tries >= 2 * f->n_servers) {
        finish_failed(q);
        return;
    }
    /* The handle of the previous try must have been closed before it can be used again. */
    if (q->handles > 1) {
        loop_timer_start(&q->timer, on_closed_then_ask, NS_PER_MS);
        return;
    }
    loop_timer_start(&q->timer, on_timeout, TIMEOUT_NS);
    send_question(q, (const struct sockaddr *)&f->servers[q->tries++ % f->n_servers]);
}

static bool is_too_much(const Forwarder *f, uint32_t source)
{
    size_t n = 0;

    LIST_EACH(&f->questions, node)
        n += CONTAINER_OF(node, Question, node)->source == source;
    return f->n_questions > FORWARD_MAX || n > FORWARD_OF_SOURCE_MAX;
}

void forwarder_ask(Forwarder *f, Bytes question, bool tcp, uint32_t source, ForwardDone done,
                   void *data)
{
    Question *q;

    if (question.n < 12 || question.n > MESSAGE_MAX) {
        done(data, BYTES_NULL);
        return;
    }
    read_servers(f);
    q = mem_new(sizeof(*q) + question.n + 2);
    q->forwarder = f;
    q->done = done;
    q->data = data;
    q->tcp = tcp;
    q->source = source;
    q->n = question.n;
    q->message[0] = (uint8_t)(question.n >> 8);
    q->message[1] = (uint8_t)question.n;
    memcpy(q->message + 2, question.p, question.n);
    q->id_before = (uint16_t)(question.p[0] << 8 | question.p[1]);
    random_secret(&q->id, sizeof(q->id));
    q->message[2] = (uint8_t)(q->id >> 8);
    q->message[3] = (uint8_t)q->id;
    uv_timer_init(f->loop, &q->timer);
    q->timer.data = q;
    q->handles = 1;
    list_append(&f->questions, &q->node);
    f->n_questions++;
    if (is_too_much(f, source))
        finish_failed(q);
    else
        ask_next(q);
}
