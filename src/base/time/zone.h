/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones by name, from the machine's files (/usr/share/zoneinfo): how far local time is ahead
 * of UTC at a moment. The C library knows one zone for the whole process; here there can be one for
 * each question.
 */
#ifndef BASE_TIME_ZONE_H
#define BASE_TIME_ZONE_H

#include "base/base.h"

typedef struct Zone Zone;

/* "Europe/Berlin". NULL: there is no such zone. "UTC" is always there. */
Zone *zone_load(const char *name);
Zone *zone_free(Zone *zone);
/* Seconds east of UTC at a moment (seconds since 1970). zone NULL: UTC. */
int32_t zone_offset(const Zone *zone, int64_t at);

#endif
