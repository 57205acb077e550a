/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer of a gRPC probe answers, in pieces: the first byte says how long they are. */
#include "http/client/grpc.h"
#include "http/client/grpc_health.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    GrpcRequest request = {.address = "10.0.0.1",
                           .port = 1,
                           .method = GRPC_HEALTH_CHECK,
                           .user_agent = "fuzz",
                           .timeout_ns = 1000000};
    GrpcExchange *x = grpc_exchange_new(&request);
    size_t piece = n ? p[0] + 1u : 1;
    GrpcReply reply;
    uint64_t status;

    (void)grpc_exchange_output(x);
    for (size_t at = 1; at < n; at += piece) {
        if (grpc_exchange_input(x, (Bytes){p + at, MIN_OF(piece, n - at)}))
            break;
        (void)grpc_exchange_output(x);
    }
    grpc_exchange_eof(x);
    grpc_exchange_reply(x, &reply);
    (void)grpc_health_response(reply.message, &status);
    (void)grpc_health_response((Bytes){p, n}, &status);
    grpc_exchange_free(x);
    return 0;
}
