/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.managedFields: who set which field, and server-side apply. */
#ifndef SERVER_WRITE_MANAGED_FIELDS_H
#define SERVER_WRITE_MANAGED_FIELDS_H

#include "codec/fieldset/fieldset.h"
#include "server/write/write.h"

/* Records in the metadata of the object which manager has changed which fields since `before`
 * (NULL: a create). */
/* Whether a client may set this list. */
bool managed_readable(const ManagedFieldsEntryArray *fields);

void managed_update(Server *server, Object *object, const Object *before, const char *manager,
                    const char *subresource);

/* Server-side apply: makes the new version from live (NULL: there is none) and the applied
 * document. 0 or a reason. */
int managed_apply(Write *write, const Object *live, yyjson_val *applied, Object **ret);

/* Of `kubectl apply`: fields of the live object that its annotation shows to be the caller's. */
FieldSet *last_applied_owns(Write *write, const Object *live);

void last_applied_refresh(Write *write, Object *object, yyjson_val *applied);
/* Whether the objects are equal except for the times in managedFields. */
bool managed_same(const Object *a, const Object *b);

#endif
