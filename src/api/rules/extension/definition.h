/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the rules of CustomResourceDefinitions. */
#ifndef API_RULES_EXTENSION_DEFINITION_H
#define API_RULES_EXTENSION_DEFINITION_H

#include "api/schema/apiextensions_v1.h"
#include "api/validate/validate.h"

/* The schema of a version, or of all versions. has_status: the version has the status subresource. */
void definition_check_schema(const JSONSchemaProps *schema, bool has_status, const Path *path,
                             Causes *causes);
/* Warnings about what the schema of a version says without effect. */
void definition_warn_schema(Arena *arena, const JSONSchemaProps *schema, Warnings *warnings);
/* The selectable fields of a version, or of all versions if they are shared. */
void definition_check_selectable(const CustomResourceDefinitionVersion *version,
                                 const CustomResourceDefinitionVersion *before, bool shared,
                                 const Path *path, Causes *causes);

#endif
