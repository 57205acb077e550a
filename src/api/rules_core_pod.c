/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Pods and Bindings. */
#include "api/generated.h"
#include "api/validate.h"

const KindRules rules_pod = {0};
const KindRules rules_binding = {0};
