/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_SCHEDULER_DISRUPT_H
#define CONTROL_SCHEDULER_DISRUPT_H

#include "control/controller.h"

/* Deletes a pod that has to go for another reason than its own, and says so first in its condition
 * DisruptionTarget. Both writes are issued at once; a pod that is terminating already is left alone. */
void schedule_disrupt(Reconcile *reconcile, const Object *pod, const char *reason,
                      const char *message);

#endif
