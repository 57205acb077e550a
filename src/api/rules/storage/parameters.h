/* SPDX-License-Identifier: Apache-2.0 */
/* What the classes of volumes share: the name of a driver, and parameters that only it understands. */
#ifndef API_RULES_STORAGE_PARAMETERS_H
#define API_RULES_STORAGE_PARAMETERS_H

#include "api/validate/validate.h"

/* Checks the name of a driver. An empty name is reported by the table. */
void rules_driver_name(const char *name, const char *path, Causes *causes);
/* Checks the field "parameters". */
void rules_parameters(const StringMap *parameters, Causes *causes);

#endif
