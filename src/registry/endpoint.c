/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to one endpoint.
 *
 * A registry is asked by HTTPS. Only where certificates need not be checked (it is on this machine,
 * or is configured as insecure) plain HTTP is tried when TLS cannot be spoken, and remembered.
 *
 * An overloaded or failing registry is asked again a few times, unless it wants us to wait longer
 * than the limit; then the caller is told.
 */
#include "registry/internal.h"
#include "registry/refusal.h"
#include "registry/transport/url.h"

#define TRIES 3

/* Answers of these kinds may be different the next time. */
static bool may_repeat(int outcome)
{
    return outcome == REGISTRY_E_THROTTLED || outcome == REGISTRY_E_UNAVAILABLE;
}

static int outcome_of(int status)
{
    if (status == 401 || status == 403 || status == 407)
        return REGISTRY_E_AUTH;
    if (status == 404)
        return REGISTRY_E_MISSING;
    if (status == 429)
        return REGISTRY_E_THROTTLED;
    return status / 100 == 4 && status != 408 ? REGISTRY_E_REFUSED : REGISTRY_E_UNAVAILABLE;
}

/* Seconds; 0: none. The form with a date is rare, and its clock is not ours. */
static int64_t retry_after(const Transfer *transfer)
{
    int64_t seconds;

    if (str_to_int64(str_or(transfer_header(transfer, "retry-after", 0), ""), 0, INT32_MAX,
                     &seconds))
        return 0;
    return seconds;
}

/* Turns an answer that is no success into an outcome and a message. */
static int refused(Registry *registry, const Endpoint *endpoint, Transfer *transfer, int status,
                   Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    Bytes body = BYTES_NULL;
    char reason[352];

    atomic_store(&registry->retry_after, retry_after(transfer));
    if (transfer_read_all(transfer, REFUSAL_BODY_MAX, &arena, &body, NULL) == -ECANCELED) {
        err_set(reterr, 0, "the request was canceled");
        return ERR_ORIGIN(-ECANCELED);
    }
    refusal_reason(body, status, reason, sizeof(reason));
    err_set(reterr, 0, "%s/%s: %s", endpoint->host, endpoint->path, reason);
    return outcome_of(status);
}

static int call_by_scheme(Registry *registry, Endpoint *endpoint, Lane *lane, const Call *call,
                          bool is_plain, const char *header, Transfer **ret, int *ret_status,
                          Err *reterr)
{
    _free_ char *url = mem_printf("%s://%s/v2/%s/%s", is_plain ? "http" : "https", endpoint->host,
                                  endpoint->path, str_or(call->path, ""));
    bool is_elsewhere = call->url && !url_same_origin(call->url, url);
    TransferRequest request = {
        .method = call->method,
        .url = str_or(call->url, url),
        .is_referred = is_elsewhere,
        .authorization = is_elsewhere ? NULL : header,
        .accept = call->accept,
        .range_from = call->range_from,
        .is_large = call->is_large,
        .content_type = call->content_type,
        .content_range = call->content_range,
        .body = call->body,
        .read = call->read,
        .read_data = call->read_data,
        .body_size = call->body_size,
    };

    *ret = transfer_new(&registry->users, lane, &endpoint->transfer, &request);
    return transfer_head(*ret, ret_status, reterr);
}

static bool may_be_plain(const Endpoint *endpoint, const Transfer *transfer)
{
    return endpoint->transfer.insecure &&
           (transfer_failed_in_tls(transfer) ||
            (transfer_failed_to_connect(transfer) && !strchr(endpoint->host, ':')));
}

/* One request, by HTTPS or HTTP. 0: the head of an answer has come. */
static int call_once(Registry *registry, Endpoint *endpoint, Lane *lane, const Call *call,
                     const char *header, Transfer **ret, int *ret_status, Err *reterr)
{
    RegistryMemory *memory = registry->config->memory;
    bool was_plain = endpoint->transfer.insecure && memory_is_plain(memory, endpoint->host);
    int r =
        call_by_scheme(registry, endpoint, lane, call, was_plain, header, ret, ret_status, reterr);

    if (r && was_plain)
        memory_set_plain(memory, endpoint->host, false);
    if (r != REGISTRY_E_UNAVAILABLE || was_plain || !may_be_plain(endpoint, *ret))
        return r;
    *ret = transfer_free(*ret);
    r = call_by_scheme(registry, endpoint, lane, call, true, header, ret, ret_status, reterr);
    if (r == 0)
        memory_set_plain(memory, endpoint->host, true);
    return r;
}

/* One request with each authorization that there is, until one is accepted. */
static int call_authorized(Registry *registry, Endpoint *endpoint, Lane *lane, const Call *call,
                           Transfer **ret, int *ret_status, Err *reterr)
{
    for (;;) {
        unsigned generation;
        char *header = auth_header(&endpoint->auth, &generation);
        int r = call_once(registry, endpoint, lane, call, header, ret, ret_status, reterr), next;

        auth_header_free(header);
        if (r || *ret_status / 100 == 2)
            return ERR_TRACE(r);
        r = refused(registry, endpoint, *ret, *ret_status, reterr);
        if (!transfer_is_first_origin(*ret) || call->read ||
            (r != REGISTRY_E_AUTH && !(r == REGISTRY_E_MISSING && call->tries_all)))
            return ERR_TRACE(r);
        next = auth_next(&endpoint->auth, &registry->users, lane, *ret, generation,
                         r == REGISTRY_E_AUTH ? reterr : NULL);
        if (next)
            return next == REGISTRY_E_AUTH ? r : ERR_TRACE(next);
        *ret = transfer_free(*ret);
    }
}

/* How long to wait before another try; negative: there is none. */
static int64_t pause_before(Registry *registry, const Transfer *transfer, int outcome, int tries)
{
    const RegistryTimes *times = &registry->config->times;
    int64_t wanted = atomic_load(&registry->retry_after) * 1000;

    if (tries >= TRIES || !may_repeat(outcome) || wanted > times->retry_after_ms ||
        transfer_failed_to_connect(transfer))
        return -1;
    return MAX_OF(wanted, times->retry_ms << (tries - 1));
}

int endpoint_call(Registry *registry, Endpoint *endpoint, Lane *lane, const Call *call,
                  Transfer **ret, int *ret_status, Err *reterr)
{
    for (int tries = 1;; tries++) {
        _transfer_ Transfer *transfer = NULL;
        int64_t pause;
        int r;

        atomic_store(&registry->retry_after, 0);
        r = call_authorized(registry, endpoint, lane, call, &transfer, ret_status, reterr);
        if (r == 0) {
            *ret = TAKE_PTR(transfer);
            if (reterr)
                *reterr = ERR_INIT; /* of a try before */
            return 0;
        }
        pause = call->read ? -1 : pause_before(registry, transfer, r, tries);
        if (pause < 0)
            return ERR_TRACE(r);
        r = transfer_pause(&registry->users, lane, pause, reterr);
        if (r)
            return ERR_TRACE(r);
    }
}
