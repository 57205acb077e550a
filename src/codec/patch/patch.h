/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of patches that work on JSON trees. Each function takes the tree of the current object
 * and a patch, and returns the new tree, which belongs to doc. Error texts that clients see are
 * those of kube-apiserver.
 */
#ifndef CODEC_PATCH_PATCH_H
#define CODEC_PATCH_PATCH_H

#include <yyjson.h>

#include "base/arena.h"
#include "codec/type.h"

enum {
    PATCH_E_MALFORMED = 1, /* 400: the patch itself is wrong */
    PATCH_E_TOO_LARGE,     /* 413: more than 10,000 operations */
    PATCH_E_CONFLICT,      /* 422: a JSON patch's test failed, or a path is missing */
};

/* RFC 6902; at most 10,000 operations. */
int patch_json(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *patch, Arena *arena,
               yyjson_mut_val **ret, const char **reterr);
/* RFC 7386 */
int patch_merge(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *patch, Arena *arena,
                yyjson_mut_val **ret);
/* Kubernetes' strategic merge patch, with $patch, $deleteFromPrimitiveList, $setElementOrder,
 * $retainKeys; merge keys come from the type's table. */
int patch_strategic(const Type *type, yyjson_mut_doc *doc, yyjson_mut_val *object,
                    yyjson_val *patch, Arena *arena, yyjson_mut_val **ret, const char **reterr);

#endif
