/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Services and Endpoints. */
#include "api/generated.h"
#include "api/validate.h"

const KindRules rules_service = {0};
const KindRules rules_endpoints = {0};
