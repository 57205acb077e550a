/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds that a CustomResourceDefinition defines: a family with a kind for each version. Whatever a kind
 * of the schema's texts has, such a kind has as well, so they are handled alike. What only these kinds
 * have is in api/custom.h.
 */
#ifndef API_EXTENSION_CUSTOM_H
#define API_EXTENSION_CUSTOM_H

#include "api/custom.h"
#include "api/schema/apiextensions_v1.h"

/* Keeps a definition until its objects are gone. */
#define DEFINITION_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

/* The family of an established definition, as KindDefiner has it. */
KindFamily *custom_family(const void *definition, bool closed);

/* Whether the registry has room for its versions. */
bool custom_fits(const CustomResourceDefinition *definition);

/* Sets the condition of the type. Its time changes with its status. */
void definition_set_condition(Arena *arena, CustomResourceDefinitionStatus *status,
                              const CustomResourceDefinitionCondition *condition, int64_t now_ns);

#endif
