/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones by name, from the machine's files (/usr/share/zoneinfo): how far local time is ahead
 * of UTC at a moment. The C library supports one zone for the whole process; these functions
 * support any number at the same time.
 */
#ifndef BASE_TIME_ZONE_H
#define BASE_TIME_ZONE_H

#include "base/base.h"

typedef struct Zone Zone;

/* Loads a zone such as "Europe/Berlin". Returns NULL if it does not exist; "UTC" always does. */
Zone *zone_load(const char *name);
Zone *zone_free(Zone *zone);
/* The offset of the zone from UTC in seconds, positive to the east, at a moment (in seconds since
 * 1970). If zone is NULL, it is UTC. */
int32_t zone_offset(const Zone *zone, int64_t at);

#endif
