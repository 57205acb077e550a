/* SPDX-License-Identifier: Apache-2.0 */
/* What a job and a template of one have in common. */
#ifndef API_RULES_WORKLOAD_JOB_H
#define API_RULES_WORKLOAD_JOB_H

#include "api/rules/rules.h"
#include "api/schema/batch_v1.h"

/* Validates everything except for the name and the selector of a job; defaults may not have been
 * set yet. Paths begin with "spec". */
void job_validate_spec(const JobSpec *spec, Causes *causes);

#endif
