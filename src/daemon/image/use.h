/* SPDX-License-Identifier: Apache-2.0 */
/* Which images the pods of the server use. */
#ifndef DAEMON_IMAGE_USE_H
#define DAEMON_IMAGE_USE_H

#include "base/strmap.h"
#include "daemon/daemon.h"

typedef struct ImageUse {
    size_t containers; /* that were made from it */
    const char *
        pod; /* one of the pods that use it, "NAMESPACE/NAME"; NULL: a container is being started */
} ImageUse;

/* Fills the map: id of the image -> ImageUse, in the arena. An image is used by the pods whose containers were made from it, and by
 * those that name it, since they would start from it again. These may differ when the name belongs to a newer image by now. */
void image_uses_collect(App *app, Arena *arena, StrMap *ret);
/* The same without a server, from the objects in the data folder: containers may still run, and pods start again with the next server.
 * images: of this data folder. */
int image_uses_read(const char *data_dir, ImageStore *images, Arena *arena, StrMap *ret,
                    Err *reterr);

#endif
