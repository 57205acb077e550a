/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain YAML 1.1 scalar means, as go-yaml v2 resolves it. */
#ifndef CODEC_YAML_SCALAR_H
#define CODEC_YAML_SCALAR_H

#include "base/base.h"

typedef enum YamlScalarType {
    YAML_SCALAR_STRING,
    YAML_SCALAR_NULL,
    YAML_SCALAR_BOOL,
    YAML_SCALAR_INT,
    YAML_SCALAR_UINT, /* beyond int64 */
    YAML_SCALAR_FLOAT,
    YAML_SCALAR_MERGE,
} YamlScalarType;

typedef struct YamlScalar {
    YamlScalarType type;
    bool boolean;
    int64_t integer;
    uint64_t natural;
    double real; /* may be infinite or NaN */
} YamlScalar;

YamlScalar yaml_scalar_resolve(const char *s, size_t n);

#endif
