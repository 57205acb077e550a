/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp profile RuntimeDefault: it allows what programs in a container need, and nothing
 * that reaches beyond the container. The profile is data that becomes linux.seccomp in
 * config.json; crun compiles the filter. */
#ifndef NODE_RUNTIME_SECCOMP_H
#define NODE_RUNTIME_SECCOMP_H

#include <stdint.h>

#include "base/error.h"

struct yyjson_mut_doc;
struct yyjson_mut_val;

/* Some calls are allowed only if the container has a certain capability. */
struct yyjson_mut_val *seccomp_default(struct yyjson_mut_doc *doc, uint64_t capabilities);

/* Parses a profile that a user wrote as JSON. If doc is NULL, the profile is only checked.
 * Returns 0 or a negative result with a message. */
int seccomp_parse(const char *text, size_t n, struct yyjson_mut_doc *doc,
                  struct yyjson_mut_val **ret, Err *reterr);

#endif
