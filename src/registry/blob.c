/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob as a stream. A connection that breaks, stalls or ends too early is replaced by a request
 * for the rest; a server that sends everything again instead has the beginning skipped. The number
 * of repetitions is limited, and so is how many may follow each other without much progress, which
 * bounds the time that a registry can take.
 */
#include "registry/digest.h"
#include "registry/internal.h"

#define TRIES_MAX 32                     /* for the whole blob */
#define FUTILE_MAX 6                     /* in a row */
#define PROGRESS (UINT64_C(8) << 20)     /* bytes that make a try worth it */
#define UNSTATED_MAX (INT64_C(64) << 30) /* of a blob whose size nothing states */

struct BlobStream {
    Registry *registry;
    char *digest;
    int64_t size; /* -1: unknown */
    Lane *lane;
    Transfer *transfer;
    Digest hash;
    atomic_uint_least64_t received;
    uint64_t skip; /* bytes that the server sends once more */
    uint64_t at_last_break;
    int tries, futile;
    int outcome;
    bool done;
};

int blob_open(Registry *registry, const Descriptor *blob, BlobStream **ret, Err *reterr)
{
    BlobStream *s;

    if (!digest_is_known(str_or(blob->digest, ""))) {
        err_set(reterr, 0, "a blob has a digest that is not supported");
        return REGISTRY_E_BAD_DATA;
    }
    s = mem_new_type(BlobStream);
    s->registry = registry;
    s->digest = mem_strdup(blob->digest);
    s->size = blob->size;
    digest_init_like(&s->hash, blob->digest);
    atomic_init(&s->received, 0);
    *ret = s;
    return 0;
}

BlobStream *blob_close(BlobStream *s)
{
    if (!s)
        return NULL;
    transfer_free(s->transfer);
    lane_return(&s->registry->users, s->lane);
    digest_deinit(&s->hash);
    free(s->digest);
    free(s);
    return NULL;
}

uint64_t blob_received(const BlobStream *s)
{
    return atomic_load_explicit(&s->received, memory_order_relaxed);
}

int blob_outcome(const BlobStream *s)
{
    return s->outcome;
}

static int bad_data(const BlobStream *s, const char *why, Err *reterr)
{
    err_set(reterr, 0, "%s/%s: blob %s: %s", s->registry->reference.domain,
            s->registry->reference.path, s->digest, why);
    return REGISTRY_E_BAD_DATA;
}

/* "bytes 100-199/200": 0 if it begins where the stream is. */
static int check_range(const BlobStream *s, const Transfer *transfer, uint64_t from, Err *reterr)
{
    const char *value = str_or(transfer_header(transfer, "content-range", 0), "");
    uint64_t first, last, size;

    if (sscanf(value, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &first, &last, &size) != 3 ||
        first != from || last < first || last >= size ||
        (s->size >= 0 && size != (uint64_t)s->size))
        return bad_data(s, "the registry sends another part than was asked for", reterr);
    return 0;
}

static int check_head(BlobStream *s, const Transfer *transfer, int status, uint64_t from,
                      Err *reterr)
{
    int64_t length = transfer_length(transfer);

    s->skip = 0;
    if (status == 206)
        return check_range(s, transfer, from, reterr);
    s->skip = from;
    if (status == 200 && (length < 0 || s->size < 0 || length == s->size))
        return 0;
    return bad_data(s, "the registry has it with another size", reterr);
}

static int begin(void *data, Endpoint *endpoint, Err *reterr)
{
    BlobStream *s = data;
    _free_ char *path = mem_printf("blobs/%s", s->digest);
    uint64_t from = blob_received(s);
    int status, r;

    if (!s->lane)
        s->lane = lane_borrow(&s->registry->users, endpoint->host);
    r = endpoint_call(s->registry, endpoint, s->lane,
                      &(Call){.path = path, .range_from = from, .is_large = true}, &s->transfer,
                      &status, reterr);
    if (r)
        return ERR_TRACE(r);
    r = check_head(s, s->transfer, status, from, reterr);
    if (r)
        s->transfer = transfer_free(s->transfer);
    return r;
}

/* After a break: 0 if there may be another try, else the outcome of the break. */
static int prepare_again(BlobStream *s, int outcome, Err *reterr)
{
    uint64_t received = blob_received(s);
    int64_t pause;

    s->transfer = transfer_free(s->transfer);
    s->futile = received - s->at_last_break >= PROGRESS ? 1 : s->futile + 1;
    s->at_last_break = received;
    if (++s->tries > TRIES_MAX || s->futile > FUTILE_MAX)
        return outcome;
    pause = s->registry->config->times.retry_ms << (s->futile - 1);
    return transfer_pause(&s->registry->users, s->lane, pause, reterr);
}

/* At the end of what the server sends. */
static int finish(BlobStream *s, Err *reterr)
{
    char found[DIGEST_TEXT];

    digest_finish(&s->hash, found);
    s->transfer = transfer_free(s->transfer);
    s->lane = lane_return(&s->registry->users, s->lane);
    if (!str_equal(found, s->digest))
        return bad_data(s, "its content has another digest", reterr);
    s->done = true;
    return 0;
}

/* Leaves out what the caller has already. */
static void skip(BlobStream *s, const uint8_t **p, size_t *n)
{
    size_t away = (size_t)MIN_OF((uint64_t)*n, s->skip);

    *p += away;
    *n -= away;
    s->skip -= away;
}

static int take(BlobStream *s, const uint8_t *p, size_t n, Err *reterr)
{
    uint64_t received = blob_received(s);
    uint64_t most = (uint64_t)(s->size >= 0 ? s->size : UNSTATED_MAX);

    if (n > most - received)
        return bad_data(s, "the registry sends more than its size", reterr);
    digest_add(&s->hash, p, n);
    atomic_store_explicit(&s->received, received + n, memory_order_relaxed);
    return 0;
}

/* After the server has sent its last byte, or the connection has broken (r). */
static bool is_whole(const BlobStream *s, int r)
{
    if (s->size >= 0)
        return (r == 0 || r == REGISTRY_E_UNAVAILABLE) && blob_received(s) == (uint64_t)s->size;
    return r == 0 && s->skip == 0;
}

/* The next bytes of the transfer; *ret_n is 0 at the checked end. */
static int receive(BlobStream *s, const uint8_t **ret, size_t *ret_n, Err *reterr)
{
    int r;

    do {
        r = transfer_read(s->transfer, ret, ret_n, reterr);
        if (r || *ret_n == 0)
            break;
        skip(s, ret, ret_n);
    } while (*ret_n == 0);
    if (r == 0 && *ret_n > 0)
        return take(s, *ret, *ret_n, reterr);
    *ret_n = 0;
    if (is_whole(s, r))
        return finish(s, reterr);
    if (r)
        return ERR_TRACE(r);
    bad_data(s, "the registry sends less than its size", reterr);
    return REGISTRY_E_UNAVAILABLE;
}

/* A network that is down for a moment, or a registry that starts again, breaks the transfer and
 * refuses the next request. Only the very first request fails at once. */
static bool may_go_on(const BlobStream *s, int r)
{
    return r == REGISTRY_E_UNAVAILABLE || (r == REGISTRY_E_UNKNOWN_HOST && s->tries > 0);
}

static int next(BlobStream *s, const uint8_t **ret, size_t *ret_n, Err *reterr)
{
    for (;;) {
        int r = s->transfer ? 0 : registry_try_endpoints(s->registry, begin, s, reterr);
        bool has_begun = r == 0 || s->tries > 0;

        if (r == 0)
            r = receive(s, ret, ret_n, reterr);
        if (r == 0)
            return 0;
        if (!has_begun || !may_go_on(s, r))
            return ERR_TRACE(r);
        r = prepare_again(s, r, reterr);
        if (r)
            return ERR_TRACE(r);
    }
}

ssize_t blob_read(BlobStream *s, const void **ret, Err *reterr)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    int r;

    if (s->outcome)
        return -EIO;
    r = s->done ? 0 : next(s, &p, &n, reterr);
    *ret = p;
    if (r == 0)
        return (ssize_t)n;
    s->outcome = r > 0 ? r : 0;
    return r > 0 ? -EIO : ERR_TRACE(r);
}
