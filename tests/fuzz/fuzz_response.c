/* SPDX-License-Identifier: Apache-2.0 */
/* What a server answers to the HTTP client, in pieces: the first byte says how long they are, and which
 * kind of request it is. */
#include "http/client/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool on_body(void *data, Bytes piece)
{
    size_t *seen = data;

    *seen += piece.n;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    HttpResponseParser parser;
    size_t piece = n ? p[0] % 64 + 1u : 1, seen = 0, taken;
    ResponseState state = RESPONSE_MORE;

    response_init(&parser);
    parser.is_head = n && p[0] & 64;
    parser.upgrade = n && p[0] & 128;
    parser.on_body = on_body;
    parser.data = &seen;
    for (size_t at = 1; at < n && state == RESPONSE_MORE; at += piece) {
        Bytes input = {p + at, MIN_OF(piece, n - at)};

        state = response_feed(&parser, input, &taken);
        ASSERT(taken <= input.n);
    }
    if (state == RESPONSE_MORE)
        state = response_eof(&parser);
    ASSERT(state != RESPONSE_COMPLETE || response_status(&parser) >= 200);
    ASSERT(state != RESPONSE_UPGRADED || (parser.upgrade && response_status(&parser) == 101));
    ASSERT(seen <= n);
    for (size_t i = 0; i < parser.headers.n; i++)
        ASSERT(!strpbrk(parser.headers.v[i].value, "\r\n"));
    response_deinit(&parser);
    return 0;
}
