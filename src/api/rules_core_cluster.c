/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Namespaces, Nodes and Events. */
#include "api/generated.h"
#include "api/validate.h"

const KindRules rules_namespace = {0};
const KindRules rules_node = {0};
const KindRules rules_event = {0};
