/* SPDX-License-Identifier: Apache-2.0 */
/* Names that the storage classes of stead, the controller of volumes and the node share. */
#ifndef API_VOLUME_CLASS_H
#define API_VOLUME_CLASS_H

#include "api/object.h"

#define VOLUME_PROVISIONER "stead.dev/volume"
#define VOLUME_CLASS "standard"                   /* the default class; its volumes are thin */
#define VOLUME_CLASS_RESERVED "standard-reserved" /* all room is taken when a volume is made */
/* The finalizer of provisioned volumes, which the node removes when it has deleted the files. */
#define VOLUME_FINALIZER "stead.dev/volume"
/* A parameter of a StorageClass with this provisioner ("room"), and the annotation that its volumes
 * get from it: "thin", which is the default, or "reserved". */
#define VOLUME_ROOM_PARAMETER "room"
#define VOLUME_ROOM_ANNOTATION "stead.dev/room"

static inline bool volume_is_reserved(const ObjectMeta *volume)
{
    return str_equal(string_map_get(&volume->annotations, VOLUME_ROOM_ANNOTATION), "reserved");
}

#endif
