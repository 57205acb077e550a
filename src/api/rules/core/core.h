/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules of the core group share; for src/api alone. */
#ifndef API_RULES_CORE_CORE_H
#define API_RULES_CORE_CORE_H

#include "api/object.h"
#include "api/validate/internal.h"
#include "base/strbuf.h"

void print_pod(const void *value, int64_t now_ns, StrBuf *row);

#endif
