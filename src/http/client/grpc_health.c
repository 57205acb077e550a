/* SPDX-License-Identifier: Apache-2.0 */
/* See grpc_health.h. */
#include "http/client/grpc_health.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void add_varint(StrBuf *out, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        strbuf_add_char(out, (char)(value | 0x80));
    strbuf_add_char(out, (char)value);
}

void grpc_health_request(const char *service, StrBuf *out)
{
    if (str_empty(service))
        return;
    strbuf_add_char(out, 1 << 3 | WIRE_BYTES);
    add_varint(out, strlen(service));
    strbuf_add_string(out, service);
}

static bool take_varint(Bytes *at, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; at->n && shift < 64; shift += 7) {
        uint8_t c = *at->p++;

        at->n--;
        *ret |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return true;
    }
    return false;
}

static bool skip(Bytes *at, uint64_t n)
{
    if (n > at->n)
        return false;
    at->p += n;
    at->n -= (size_t)n;
    return true;
}

int grpc_health_response(Bytes message, uint64_t *ret_status)
{
    *ret_status = HEALTH_UNKNOWN;
    while (message.n) {
        uint64_t tag, value;
        bool ok;

        if (!take_varint(&message, &tag))
            return HEALTH_E_MALFORMED;
        switch (tag & 7) {
        case WIRE_VARINT:
            ok = take_varint(&message, &value);
            if (ok && tag >> 3 == 1)
                *ret_status = value;
            break;
        case WIRE_FIXED64:
            ok = skip(&message, 8);
            break;
        case WIRE_BYTES:
            ok = take_varint(&message, &value) && skip(&message, value);
            break;
        case WIRE_FIXED32:
            ok = skip(&message, 4);
            break;
        default:
            ok = false;
        }
        if (!ok)
            return HEALTH_E_MALFORMED;
    }
    return 0;
}

const char *grpc_health_name(uint64_t status, char buf[static 24])
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};

    static_assert(ARRAY_LEN(names) == _HEALTH_MAX, "a name for each status");
    if (status < ARRAY_LEN(names))
        return names[status];
    snprintf(buf, 24, "%" PRIu64, status);
    return buf;
}
