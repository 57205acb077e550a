/* SPDX-License-Identifier: Apache-2.0 */
/* What a job and a template of one have in common. */
#ifndef API_RULES_WORKLOAD_JOB_H
#define API_RULES_WORKLOAD_JOB_H

#include "api/rules/rules.h"
#include "api/schema/batch_v1.h"

/* All but what a job's name and selector have to do with it, also before it has its defaults.
 * Places begin with "spec". */
void job_validate_spec(const JobSpec *spec, Causes *causes);

#endif
