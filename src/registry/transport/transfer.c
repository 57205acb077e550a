/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transfer goes through these states for each URL of a chain of redirects:
 *
 *   begun     the easy handle is in the lane's multi handle; the head is awaited
 *   head      head_done: status and headers are those of the final response (not of a 1xx)
 *   body      bytes are appended to the buffer until it is full, then libcurl is paused
 *   finished  libcurl has reported the result
 *
 * Callbacks of libcurl cannot return a message, so they note the reason in `why` with the outcome
 * in `refusal`, and make libcurl fail.
 */
#include <openssl/ssl.h>

#include "base/strbuf.h"
#include "registry/transport/text.h"
#include "registry/transport/transfer.h"
#include "registry/transport/url.h"

#define HEAD_BYTES_MAX (64u << 10)
#define HEADERS_MAX 128
#define RESPONSES_MAX 20              /* interim responses (1xx) and redirects together */
#define REDIRECT_BODY_MAX (64u << 10) /* read to keep the connection; else it is closed */
#define CHUNK_MAX CURL_MAX_WRITE_SIZE /* that libcurl passes at once */
#define BUFFER_SMALL (4u * CHUNK_MAX)

typedef struct Header {
    const char *name, *value;
} Header;

struct Transfer {
    LaneUsers *users;
    Lane *lane;
    const TransferHost *host;
    TransferRequest request;
    CURL *easy;
    struct curl_slist *headers;
    bool begun, finished;
    CURLcode result;
    char error[CURL_ERROR_SIZE];

    Url url;            /* of the current request */
    char *first_origin; /* of the first one */
    bool is_first_origin, is_guarded, is_proxied;
    int redirects;

    Arena head; /* of the texts of head_fields */
    Header head_fields[HEADERS_MAX];
    size_t head_n, head_bytes, responses;
    bool head_done;
    int status;

    uint8_t *buffer;
    size_t n, size;
    bool paused, handed_out;
    size_t discarded; /* bytes of the body of a redirect */

    size_t sent;      /* of request.body */
    int64_t sent_all; /* of what is sent */
    bool connected;
    bool lacks_certificate; /* the server has asked for a client's certificate, and there is none */
    uint64_t window_ns, window_bytes; /* waited and received since the window began */

    int refusal; /* 0 or an outcome or -errno */
    char why[256];
};

static void refuse(Transfer *t, int outcome, const char *why)
{
    t->refusal = outcome;
    text_quote(t->why, sizeof(t->why), why, strlen(why));
}

/* ---- callbacks of libcurl ------------------------------------------------------------------- */

static curl_socket_t on_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    Transfer *t = data;

    (void)purpose;
    if (!t->is_proxied && t->is_guarded && !guard_allows(t->host->guard, &address->addr)) {
        refuse(t, REGISTRY_E_REFUSED,
               "the registry refers to an address of this machine or of its network");
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Also runs for a connection that was open already, for which on_socket was not asked. */
static int on_connected(void *data, char *remote, char *local, int remote_port, int local_port)
{
    Transfer *t = data;
    struct sockaddr_storage address;

    (void)local;
    (void)remote_port;
    (void)local_port;
    t->connected = true;
    t->window_ns = 0;
    if (t->is_proxied || !address_parse(remote, &address))
        return CURL_PREREQFUNC_OK;
    if (!t->is_guarded) {
        guard_note(t->host->guard, (const struct sockaddr *)&address);
        return CURL_PREREQFUNC_OK;
    }
    if (guard_allows(t->host->guard, (const struct sockaddr *)&address))
        return CURL_PREREQFUNC_OK;
    refuse(t, REGISTRY_E_REFUSED,
           "the registry refers to an address of this machine or of its network");
    return CURL_PREREQFUNC_ABORT;
}

/* OpenSSL asks for a client's certificate because the server has. */
static int on_certificate_wanted(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    Transfer *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    (void)certificate;
    (void)key;
    t->lacks_certificate = true;
    return 0;
}

/* A server that gets no certificate may close the connection before libcurl has read the alert that
 * says so, and then libcurl's message is about the connection. So the request for one is noted. The
 * connection may outlive the transfer; without renegotiation the server asks only once, while the
 * connection is being made. */
static CURLcode on_tls(CURL *easy, void *context, void *user)
{
    (void)easy;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_app_data(context, user);
    SSL_CTX_set_client_cert_cb(context, on_certificate_wanted);
    return CURLE_OK;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* "name: value" of n bytes. */
static bool add_header(Transfer *t, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    const char *value = colon ? colon + 1 : NULL, *end = line + n;

    if (!colon || memchr(line, 0, n))
        return true; /* malformed: ignored, as libcurl does */
    if (t->head_n == HEADERS_MAX)
        return false;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    t->head_fields[t->head_n++] = (Header){arena_strndup(&t->head, line, (size_t)(colon - line)),
                                           arena_strndup(&t->head, value, (size_t)(end - value))};
    return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
    Transfer *t = data;
    size_t whole = size * n, length = whole;
    long status = 0;

    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    t->window_ns = 0;
    t->head_bytes += whole;
    if (t->head_done)
        return t->head_bytes > HEAD_BYTES_MAX ? 0 : whole; /* trailers are not used */
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        t->head_n = 0;
        t->responses++;
    } else if (length > 0) {
        if (!add_header(t, line, length))
            t->head_bytes = HEAD_BYTES_MAX + 1;
    } else {
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        t->head_done = status >= 200;
        t->status = (int)status;
    }
    if (t->head_bytes <= HEAD_BYTES_MAX && t->responses <= RESPONSES_MAX)
        return whole;
    refuse(t, REGISTRY_E_BAD_DATA, "the head of the response is too large");
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
    Transfer *t = data;
    size_t length = size * n;

    if (is_redirect(t->status)) {
        t->discarded += length;
        return t->discarded > REDIRECT_BODY_MAX ? 0 : length;
    }
    if (t->size - t->n < length && t->size < TRANSFER_BUFFER) {
        t->size = t->request.is_large ? TRANSFER_BUFFER : MAX_OF(t->size * 2, (size_t)BUFFER_SMALL);
        t->buffer = mem_resize(t->buffer, t->size);
    }
    if (t->size - t->n < length) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(t->buffer + t->n, bytes, length);
    t->n += length;
    t->window_bytes += length;
    return length;
}

static size_t on_send(char *buffer, size_t size, size_t n, void *data)
{
    Transfer *t = data;
    ssize_t r;

    size *= n;
    t->window_ns = 0;
    if (t->request.read) {
        size = MIN_OF(size, (size_t)(t->request.body_size - t->sent_all));
        r = size ? t->request.read(t->request.read_data, buffer, size) : 0;
        if (r < 0 || (r == 0 && size > 0)) {
            refuse(t, r < 0 ? (int)r : -EIO, "what is to be sent could not be read");
            return CURL_READFUNC_ABORT;
        }
    } else {
        r = (ssize_t)MIN_OF(size, t->request.body.n - t->sent);
        if (r > 0)
            memcpy(buffer, t->request.body.p + t->sent, (size_t)r);
        t->sent += (size_t)r;
    }
    t->sent_all += r;
    return (size_t)r;
}

/* libcurl sends a body again where a connection that it reused turns out to be closed. */
static int on_seek(void *data, curl_off_t offset, int origin)
{
    Transfer *t = data;

    if (origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    if (t->request.read && t->sent_all > 0)
        return CURL_SEEKFUNC_FAIL;
    t->sent = 0;
    t->sent_all = 0;
    return CURL_SEEKFUNC_OK;
}

/* ---- one request ---------------------------------------------------------------------------- */

static void set_body(Transfer *t)
{
    const TransferRequest *r = &t->request;
    int64_t size = r->read ? r->body_size : (int64_t)r->body.n;

    if (!r->read && !r->body.p)
        return;
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
}

static void add_request_header(Transfer *t, const char *name, const char *value)
{
    _free_ char *line = NULL;

    /* No text from a registry or a document can add a header. */
    if (!value || strpbrk(value, "\r\n"))
        return;
    line = mem_printf("%s: %s", name, value);
    t->headers = curl_slist_append(t->headers, line);
    ASSERT(t->headers);
    explicit_bzero(line, strlen(line));
}

static void set_headers(Transfer *t)
{
    const TransferRequest *r = &t->request;
    char range[48];

    add_request_header(t, "Accept", str_or(r->accept, "*/*"));
    add_request_header(t, "Expect", ""); /* "Expect:" is left out, as there is no value */
    if (r->content_type)
        add_request_header(t, "Content-Type", r->content_type);
    if (r->content_range)
        add_request_header(t, "Content-Range", r->content_range);
    if (r->authorization && t->is_first_origin)
        add_request_header(t, "Authorization", r->authorization);
    if (r->range_from) {
        snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", r->range_from);
        add_request_header(t, "Range", range);
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void set_trust(Transfer *t)
{
    const TransferHost *h = t->host;
    struct curl_blob blob = {.data = (void *)(uintptr_t)h->ca,
                             .len = strlen(str_or(h->ca, "")),
                             .flags = CURL_BLOB_COPY};

    if (h->insecure) {
        curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    /* A private registry may keep its blobs on another host with a certificate of the same CA. Our
     * own certificate is shown to the registry only. */
    if (h->ca)
        curl_easy_setopt(t->easy, CURLOPT_CAINFO_BLOB, &blob);
    if (h->client_cert && t->is_first_origin) {
        curl_easy_setopt(t->easy, CURLOPT_SSLCERT, h->client_cert);
        curl_easy_setopt(t->easy, CURLOPT_SSLKEY, str_or(h->client_key, h->client_cert));
    } else {
        curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
        curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_DATA, t);
    }
}

/* Sets the URL and what follows from it; it may be relative to the current one. */
static int set_url(Transfer *t, const char *text)
{
    bool was_https = t->url.is_https;
    const char *proxy;
    Url url;

    if (url_parse(t->url.text, text, &url)) {
        refuse(t, REGISTRY_E_REFUSED, "the registry refers to a URL that is not http or https");
        return t->refusal;
    }
    url_deinit(&t->url);
    t->url = url;
    if (!t->first_origin)
        t->first_origin = mem_strdup(url.origin);
    t->is_first_origin = str_equal(url.origin, t->first_origin);
    t->is_guarded = t->request.is_referred || !t->is_first_origin;
    proxy = proxy_for(t->host->proxies, url.is_https, url.host, url.port);
    t->is_proxied = proxy != NULL;
    curl_easy_setopt(t->easy, CURLOPT_PROXY, str_or(proxy, ""));
    if (was_https && !url.is_https && !t->host->insecure)
        refuse(t, REGISTRY_E_REFUSED, "the registry refers from https to http");
    else if (t->is_proxied && t->is_guarded && !guard_allows_name(t->host->guard, url.host))
        refuse(t, REGISTRY_E_REFUSED,
               "the registry refers to an address of this machine or of its network");
    return t->refusal;
}

static void set_method(Transfer *t)
{
    const char *method = str_or(t->request.method, "GET");

    if (str_equal(method, "HEAD"))
        curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    else if (!str_equal(method, "GET"))
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
}

static int begin(Transfer *t, const char *url)
{
    int r;

    t->refusal = 0;
    t->easy = curl_easy_init();
    ASSERT(t->easy);
    r = set_url(t, url);
    if (r)
        return r;
    curl_easy_setopt(t->easy, CURLOPT_URL, t->url.text);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L); /* cancelling waits for no DNS server */
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)t->host->times->connect_ms);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "stead/" STEAD_VERSION);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    if (t->request.is_large)
        curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, (long)TRANSFER_BUFFER);
    set_trust(t);
    set_body(t);
    set_method(t);
    set_headers(t);
    t->begun = curl_multi_add_handle(t->lane->multi, t->easy) == CURLM_OK;
    ASSERT(t->begun);
    return 0;
}

static void end(Transfer *t)
{
    if (t->begun)
        curl_multi_remove_handle(t->lane->multi, t->easy);
    curl_easy_cleanup(t->easy);
    for (struct curl_slist *s = t->headers; s; s = s->next)
        explicit_bzero(s->data, strlen(s->data));
    curl_slist_free_all(t->headers);
    t->easy = NULL;
    t->headers = NULL;
    t->begun = t->finished = t->connected = t->head_done = t->paused = false;
    t->status = 0;
    t->n = t->head_n = t->sent = 0;
    t->sent_all = 0;
    t->window_ns = t->window_bytes = 0;
    t->lacks_certificate = false;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static int failed(Transfer *t, int outcome, const char *why, Err *reterr)
{
    char text[256];

    text_quote(text, sizeof(text), why, strlen(why));
    err_set(reterr, 0, "%s: %s", str_or(t->url.origin, "the registry"), text);
    return outcome;
}

/* The result of libcurl, which has finished. */
static int result(Transfer *t, Err *reterr)
{
    if (t->result == CURLE_OK)
        return 0;
    if (t->refusal)
        return failed(t, t->refusal, t->why, reterr);
    if (t->result == CURLE_OUT_OF_MEMORY && !t->head_done) /* libcurl's limit of a line */
        return failed(t, REGISTRY_E_BAD_DATA, "the head of the response is too large", reterr);
    if (t->result == CURLE_COULDNT_RESOLVE_HOST)
        return failed(t, REGISTRY_E_UNKNOWN_HOST, t->error, reterr);
    if (t->result == CURLE_OPERATION_TIMEDOUT && !t->connected)
        return failed(t, REGISTRY_E_UNAVAILABLE, "it could not be connected to in time", reterr);
    if (t->lacks_certificate && !t->head_done)
        return failed(t, REGISTRY_E_UNAVAILABLE,
                      "it wants a client's certificate, and certs.d has none for it", reterr);
    return failed(t, REGISTRY_E_UNAVAILABLE, t->error[0] ? t->error : curl_easy_strerror(t->result),
                  reterr);
}

static int64_t limit_ms(const Transfer *t)
{
    const RegistryTimes *times = t->host->times;

    if (t->head_done)
        return times->stall_ms;
    return times->first_byte_ms + (t->connected ? 0 : times->connect_ms);
}

static int wait_more(Transfer *t, Err *reterr)
{
    uint64_t limit = (uint64_t)limit_ms(t) * 1000000, before = uv_hrtime();

    if (t->head_done && t->window_bytes >= (uint64_t)t->host->times->stall_bytes)
        t->window_ns = t->window_bytes = 0;
    if (t->window_ns >= limit)
        return failed(t, REGISTRY_E_UNAVAILABLE,
                      t->head_done ? "the registry sends too slowly" : "no response came in time",
                      reterr);
    curl_multi_poll(t->lane->multi, NULL, 0, (int)((limit - t->window_ns) / 1000000 + 1), NULL);
    t->window_ns += uv_hrtime() - before;
    return 0;
}

/* Lets libcurl work, and waits unless something has come or it has finished. */
static int step(Transfer *t, Err *reterr)
{
    size_t had = t->n;
    int running = 0, left;
    CURLMsg *message;

    if (lane_users_canceled(t->users)) {
        failed(t, 0, "the request was canceled", reterr);
        return ERR_ORIGIN(-ECANCELED);
    }
    curl_multi_perform(t->lane->multi, &running);
    while ((message = curl_multi_info_read(t->lane->multi, &left)))
        if (message->msg == CURLMSG_DONE && message->easy_handle == t->easy) {
            t->finished = true;
            t->result = message->data.result;
        }
    return t->finished || t->n > had || t->paused ? 0 : wait_more(t, reterr);
}

/* ---- the interface -------------------------------------------------------------------------- */

Transfer *transfer_new(LaneUsers *users, Lane *lane, const TransferHost *host,
                       const TransferRequest *request)
{
    Transfer *t = mem_new_type(Transfer);

    t->users = users;
    t->lane = lane;
    t->host = host;
    t->request = *request;
    return t;
}

Transfer *transfer_free(Transfer *t)
{
    if (!t)
        return NULL;
    end(t);
    arena_clear(&t->head);
    free(t->buffer);
    url_deinit(&t->url);
    free(t->first_origin);
    free(t);
    return NULL;
}

/* Where the redirect leads; the old request has ended then. */
static int follow(Transfer *t, Err *reterr)
{
    _free_ char *to = mem_strdup(transfer_header(t, "location", 0));
    const char *method = str_or(t->request.method, "GET");
    bool is_read = str_equal(method, "GET") || str_equal(method, "HEAD");
    int status = t->status, r;

    end(t);
    t->status = status;
    if (!to)
        return failed(t, REGISTRY_E_BAD_DATA, "a redirect without a location", reterr);
    if (!is_read && (status < 307 || t->request.read))
        return failed(t, REGISTRY_E_BAD_DATA, "an upload was redirected", reterr);
    if (++t->redirects > TRANSFER_REDIRECTS_MAX)
        return failed(t, REGISTRY_E_BAD_DATA, "more than 10 redirects", reterr);
    t->status = 0;
    r = begin(t, to);
    return r ? failed(t, r, t->why, reterr) : 0;
}

int transfer_head(Transfer *t, int *ret_status, Err *reterr)
{
    int r = t->begun ? 0 : begin(t, t->request.url);

    if (r)
        return failed(t, r, t->why, reterr);
    for (;;) {
        bool redirected = t->head_done && is_redirect(t->status);

        if (redirected && t->finished) {
            r = follow(t, reterr);
            if (r)
                return r;
        } else if (t->head_done && !redirected) {
            break;
        } else if (t->finished) {
            r = result(t, reterr);
            return r ? r : failed(t, REGISTRY_E_UNAVAILABLE, "no response came", reterr);
        }
        r = step(t, reterr);
        if (r)
            return ERR_TRACE(r);
    }
    *ret_status = t->status;
    return 0;
}

const char *transfer_header(const Transfer *t, const char *name, size_t i)
{
    for (size_t h = 0; h < t->head_n; h++)
        if (strcasecmp(t->head_fields[h].name, name) == 0 && i-- == 0)
            return t->head_fields[h].value;
    return NULL;
}

int64_t transfer_length(const Transfer *t)
{
    curl_off_t n = -1;

    if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &n) != CURLE_OK)
        return -1;
    return (int64_t)n;
}

const char *transfer_url(const Transfer *t)
{
    return t->url.text;
}

int transfer_read(Transfer *t, const uint8_t **ret, size_t *ret_n, Err *reterr)
{
    int r;

    ASSERT(t->head_done);
    if (t->handed_out) {
        t->n = 0;
        t->handed_out = false;
    }
    while (t->n == 0 && !t->finished) {
        if (t->paused) {
            t->paused = false;
            curl_easy_pause(t->easy, CURLPAUSE_CONT); /* may pass bytes, and pause again */
            continue;
        }
        r = step(t, reterr);
        if (r)
            return ERR_TRACE(r);
    }
    *ret = t->buffer;
    *ret_n = t->n;
    t->handed_out = t->n > 0;
    return t->n > 0 ? 0 : result(t, reterr);
}

int transfer_read_all(Transfer *t, size_t limit, Arena *arena, Bytes *ret, Err *reterr)
{
    _strbuf_ StrBuf all = STRBUF_INIT;
    const uint8_t *p;
    size_t n;
    int r;

    if (transfer_length(t) > (int64_t)limit)
        return failed(t, REGISTRY_E_BAD_DATA, "the response is larger than allowed", reterr);
    for (;;) {
        r = transfer_read(t, &p, &n, reterr);
        if (r)
            return ERR_TRACE(r);
        if (n == 0)
            break;
        if (n > limit - all.n)
            return failed(t, REGISTRY_E_BAD_DATA, "the response is larger than allowed", reterr);
        strbuf_add(&all, p, n);
    }
    *ret = arena_bytes(arena, strbuf_bytes(&all));
    return 0;
}

bool transfer_is_first_origin(const Transfer *t)
{
    return t->is_first_origin;
}

bool transfer_failed_to_connect(const Transfer *t)
{
    return t->finished && t->result == CURLE_COULDNT_CONNECT && !t->refusal;
}

bool transfer_failed_in_tls(const Transfer *t)
{
    return t->finished && !t->connected && !t->refusal && t->result != CURLE_COULDNT_CONNECT &&
           t->result != CURLE_COULDNT_RESOLVE_HOST && t->result != CURLE_COULDNT_RESOLVE_PROXY &&
           t->result != CURLE_OPERATION_TIMEDOUT;
}

int transfer_pause(LaneUsers *users, Lane *lane, int64_t ms, Err *reterr)
{
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000, now;

    while ((now = uv_hrtime()) < until && !lane_users_canceled(users))
        curl_multi_poll(lane->multi, NULL, 0, (int)((until - now) / 1000000 + 1), NULL);
    if (!lane_users_canceled(users))
        return 0;
    err_set(reterr, 0, "the request was canceled");
    return ERR_ORIGIN(-ECANCELED);
}
