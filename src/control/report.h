/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error boundary of a reconcile: its log line and its metrics. A refused write is remembered until
 * the reconcile ends and is logged there. Ordinary refusals are not logged unless they make the
 * reconcile fail: a conflict, an object that exists already or is gone already, and a creation in a
 * namespace that is being deleted.
 */
#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include "control/controller.h"

void report_begin(Reconcile *reconcile);
/* Notes a write that was refused. */
void report_refusal(Reconcile *reconcile, const ApiStatus *status);
/* `failures` is how many times in a row this key has failed, including this time; 0 if it has not. */
void report_end(Reconcile *reconcile, WorkResult result, unsigned failures);
/* Counts pods by phase, from the watch that all controllers share. */
void report_pod_event(const WatchEvent *event);

#endif
