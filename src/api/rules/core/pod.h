/* SPDX-License-Identifier: Apache-2.0 */
/* Pods as rows of a table: pod_print.c. */
#ifndef API_RULES_CORE_POD_H
#define API_RULES_CORE_POD_H

#include "base/strbuf.h"

void print_pod(const void *value, int64_t now_ns, StrBuf *row);

#endif
