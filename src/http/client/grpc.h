/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One unary gRPC call to a peer over plain HTTP/2, for health checks. A GrpcExchange is the
 * protocol alone, which turns received bytes into bytes to send and uses no socket; a GrpcCall
 * transports an exchange over TCP.
 *
 * The reply has a status (GrpcStatus), which is either that of the peer or derived from the way in
 * which the exchange ended, as in all gRPC libraries.
 */
#ifndef HTTP_CLIENT_GRPC_H
#define HTTP_CLIENT_GRPC_H

#include "base/base.h"
#include "base/error.h"

struct uv_loop_s;

typedef enum GrpcStatus {
    GRPC_OK,
    GRPC_CANCELED,
    GRPC_UNKNOWN,
    GRPC_INVALID_ARGUMENT,
    GRPC_DEADLINE_EXCEEDED,
    GRPC_NOT_FOUND,
    GRPC_ALREADY_EXISTS,
    GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_FAILED_PRECONDITION,
    GRPC_ABORTED,
    GRPC_OUT_OF_RANGE,
    GRPC_UNIMPLEMENTED,
    GRPC_INTERNAL,
    GRPC_UNAVAILABLE,
    GRPC_DATA_LOSS,
    GRPC_UNAUTHENTICATED,
    _GRPC_STATUS_MAX
} GrpcStatus;

const char *grpc_status_name(unsigned status); /* "NotFound"; "Code(99)" is "Unknown" */

typedef struct GrpcRequest {
    const char *address; /* "10.42.0.7" */
    uint16_t port;
    const char *method; /* "/grpc.health.v1.Health/Check" */
    const char *user_agent;
    Bytes message; /* the request, in protobuf */
    int64_t timeout_ns;
} GrpcRequest;

typedef struct GrpcReply {
    bool connected; /* the peer speaks HTTP/2 */
    int error;      /* -errno if there was no connection; -ETIMEDOUT after the time limit */
    GrpcStatus status;
    const char *text; /* of the status or the error; never NULL */
    Bytes message;    /* with GRPC_OK */
} GrpcReply;

/* ---- the talk ---- */

typedef struct GrpcExchange GrpcExchange;

GrpcExchange *grpc_exchange_new(const GrpcRequest *request);
GrpcExchange *grpc_exchange_free(GrpcExchange *exchange);
/* The bytes that have to be sent now. They are valid until the next call. */
Bytes grpc_exchange_output(GrpcExchange *exchange);
/* Takes received bytes. Returns true when the reply is complete. */
bool grpc_exchange_input(GrpcExchange *exchange, Bytes bytes);
/* The peer has ended its side. */
void grpc_exchange_eof(GrpcExchange *exchange);
/* Fills in the reply, which is valid as long as the exchange. */
void grpc_exchange_reply(GrpcExchange *exchange, GrpcReply *ret);

/* ---- over TCP ---- */

typedef struct GrpcCall GrpcCall;
typedef void (*GrpcDone)(void *data, const GrpcReply *reply);

/* Calls done once, from the loop, unless cancelled. */
GrpcCall *grpc_call(struct uv_loop_s *loop, const GrpcRequest *request, GrpcDone done, void *data);
void grpc_call_cancel(GrpcCall *call);

#endif
