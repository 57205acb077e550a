/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_RANGES_H
#define DAEMON_RANGES_H

#include "cli/command.h"

/* Refuses ranges that overlap a route of this machine that is not this instance's own. */
int ranges_check(const Options *options, Err *reterr);

#endif
