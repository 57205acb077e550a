/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies into objects, in JSON, YAML and protobuf. */
#ifndef SERVER_REQUEST_DECODE_H
#define SERVER_REQUEST_DECODE_H

#include "api/client.h"
#include "api/kind.h"
#include "api/object.h"
#include "api/status.h"
#include "codec/json/json.h"

typedef enum FieldValidation {
    VALIDATION_WARN,
    VALIDATION_STRICT,
    VALIDATION_IGNORE
} FieldValidation;

/* An object of the kind from a body in JSON, YAML or protobuf. 0, or a reason with *reterr filled.
 */
int decode_object(Arena *arena, const Kind *kind, const char *content_type, Bytes body,
                  FieldValidation validation, Object **ret, Warnings *warnings, ApiStatus *reterr);

/* Any other type, such as DeleteOptions: `name` is its kind. */
int decode_value(Arena *arena, const Type *type, const char *name, const char *content_type,
                 Bytes body, void *value, ApiStatus *reterr);

/* JSON or YAML into a document; text errors in Kubernetes' words. */
int decode_document(Arena *arena, bool yaml, Bytes body, yyjson_doc **ret, const char **reterr);

bool decode_validation(const char *value, FieldValidation *ret); /* false: not one of them */

/* Checks that the object has the namespace of the request, and sets it if the object has none. A
 * cluster-wide object must have none. Returns 0 or a reason. */
int object_match_namespace(Object *object, const char *ns, bool namespaced, ApiStatus *reterr,
                           Arena *arena);

/* Finds the type of patch for a Content-Type. The result is positive if there is none. */
int patch_type_of(const char *content_type, PatchType *ret);

#endif
