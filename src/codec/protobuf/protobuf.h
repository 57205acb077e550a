/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes values as Kubernetes' protobuf and decodes them, by their tables. A whole object is sent
 * as "k8s\0" + Unknown{TypeMeta, raw}. Nesting is limited to 100, and a length that exceeds the
 * remaining bytes is an error, so a peer cannot cause large allocations by announcing them.
 */
#ifndef CODEC_PROTOBUF_PROTOBUF_H
#define CODEC_PROTOBUF_PROTOBUF_H

#include "base/arena.h"
#include "base/strbuf.h"
#include "codec/type.h"

enum { PROTOBUF_E_MALFORMED = 1 };

/* The envelope: apiVersion, kind, content type of raw (empty: protobuf), raw itself (points into
 * body). */
typedef struct ProtobufEnvelope {
    const char *api_version, *kind;
    const char *content_type;
    Bytes raw;
} ProtobufEnvelope;

int protobuf_envelope(Arena *arena, Bytes body, ProtobufEnvelope *ret, const char **reterr);
int protobuf_decode(const Type *type, Arena *arena, Bytes raw, void *value, const char **reterr);

void protobuf_encode(const Type *type, const void *value, StrBuf *out);
void protobuf_encode_envelope(const char *api_version, const char *kind, Bytes raw, StrBuf *out);

#endif
