/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp profile RuntimeDefault: what programs in a container need of the kernel, and nothing
 * that reaches beyond the container. It is data, turned into config.json's linux.seccomp; crun
 * makes the filter of it.
 */
#ifndef NODE_RUNTIME_SECCOMP_H
#define NODE_RUNTIME_SECCOMP_H

#include <stdint.h>

#include "base/error.h"

struct yyjson_mut_doc;
struct yyjson_mut_val;

/* capabilities: of the container; some calls come with one of them. */
struct yyjson_mut_val *seccomp_default(struct yyjson_mut_doc *doc, uint64_t capabilities);

/* A profile that someone wrote, as JSON. 0, or an error that says what is wrong with it. NULL: it
 * is only checked. */
int seccomp_parse(const char *text, size_t n, struct yyjson_mut_doc *doc,
                  struct yyjson_mut_val **ret, Err *reterr);

#endif
