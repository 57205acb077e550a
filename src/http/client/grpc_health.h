/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of grpc.health.v1: HealthCheckRequest {string service = 1}, HealthCheckResponse
 * {enum status = 1}.
 */
#ifndef HTTP_CLIENT_GRPC_HEALTH_H
#define HTTP_CLIENT_GRPC_HEALTH_H

#include "base/strbuf.h"

#define GRPC_HEALTH_CHECK "/grpc.health.v1.Health/Check"

typedef enum HealthStatus {
    HEALTH_UNKNOWN,
    HEALTH_SERVING,
    HEALTH_NOT_SERVING,
    HEALTH_SERVICE_UNKNOWN,
    _HEALTH_MAX
} HealthStatus;

void grpc_health_request(const char *service, StrBuf *out);
/* Parses a response. Returns 0 or HEALTH_E_MALFORMED; unknown fields are ignored. */
enum { HEALTH_E_MALFORMED = 1 };
int grpc_health_response(Bytes message, uint64_t *ret_status);
/* The name of the status, such as "SERVING". For an unknown status, the number, printed into
 * buf. */
const char *grpc_health_name(uint64_t status, char buf[static 24]);

#endif
