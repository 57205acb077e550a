/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the room of the disk on which thin volumes lie, and divides it among those that are
 * mounted (node/volume/disk_room.h).
 *
 * Nothing is done while the disk has room for all that mounted volumes could still take. When it has
 * not, each of them may grow by its share, and the shares are computed anew while volumes grow. The
 * kernel reports the first write after a time without any (node/volume/write_watch.h), so no timer
 * runs while nobody writes.
 *
 * Pods with thin volumes and their claims get an Event when the disk is 90 %, 95 % and completely
 * full. Claims that were refused are reported to the controller when there is room for one.
 */
#ifndef NODE_POD_VOLUME_ROOM_H
#define NODE_POD_VOLUME_ROOM_H

#include "node/pod/agent.h"

/* Looks at the volumes that an earlier process has mounted. */
void volume_room_start(NodeAgent *agent);
void volume_room_stop(NodeAgent *agent);
/* The volume has been mounted for a pod. */
void volume_room_add(NodeAgent *agent, const char *name);
/* The room of the disk may have changed. */
void volume_room_look(NodeAgent *agent);
/* A claim that needs so many bytes has been refused for want of room. */
void volume_room_refused(NodeAgent *agent, int64_t bytes);
/* How many bytes of the disk volumes leave free. */
int64_t volume_room_keep(const NodeAgent *agent);
/* The time until the next look at volumes that grow: that in which one of them can use half of the
 * least grant, in bytes. */
int64_t volume_room_next_look(int64_t least_grant);

#endif
