/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of ConfigMaps, Secrets and ServiceAccounts. */
#include "api/generated.h"
#include "api/validate.h"

const KindRules rules_config_map = {0};
const KindRules rules_secret = {0};
const KindRules rules_service_account = {0};
