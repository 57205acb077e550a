/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boundary of a reconcile: what an operator sees of it. No answer of the server to a controller
 * is lost: each refusal is kept until the reconcile ends and is logged there, unless it is one that
 * controllers meet in the ordinary course of things (a conflict, something that exists or is gone
 * already) and that did not make the reconcile fail.
 */
#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include "control/controller.h"

void report_begin(Reconcile *reconcile);
/* The answer to a write that is no success. */
void report_refusal(Reconcile *reconcile, const ApiStatus *status);
/* failures: in a row, of this key, this one included; 0: it did not fail. */
void report_end(Reconcile *reconcile, WorkResult result, unsigned failures);
/* Counts pods by phase, from the watch that all controllers share. */
void report_pod_event(const WatchEvent *event);

#endif
