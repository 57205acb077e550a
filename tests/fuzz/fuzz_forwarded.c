/* SPDX-License-Identifier: Apache-2.0 */
/* X-Forwarded-For and lists of networks, as anybody may send or set them. */
#include <arpa/inet.h>

#include "caller.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Headers, one a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _free_ char *text = mem_strndup((const char *)data, size);
    HttpPeer peer = {.address = "10.0.0.1"};
    HttpHeader headers[8];
    HttpRequest request = {.peer = &peer, .headers = headers};
    Networks networks;
    char caller[CALLER_MAX];
    uint8_t address[16];

    networks_parse(text, &networks, NULL);
    for (char *line = text, *next; line && request.n_headers < ARRAY_LEN(headers); line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        headers[request.n_headers++] = (HttpHeader){"x-forwarded-for", line};
    }
    networks_parse("10.0.0.0/8, 192.168.0.0/16, fd00::/8", &networks, NULL);
    caller_of(&request, &networks, caller);
    /* Whatever was sent, what goes into the log is an address. */
    ASSERT(inet_pton(AF_INET, caller, address) == 1 || inet_pton(AF_INET6, caller, address) == 1);
    return 0;
}
