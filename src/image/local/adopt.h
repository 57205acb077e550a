/* SPDX-License-Identifier: Apache-2.0 */
/* Puts an image of another store into that of stead. */
#ifndef IMAGE_LOCAL_ADOPT_H
#define IMAGE_LOCAL_ADOPT_H

#include "image/local/internal.h"

/* source: the kind of the store. also: another name for the image; or NULL. */
int local_adopt(ImageStore *images, const char *source, const LocalEntry *entry,
                const LocalImage *image, const char *also, Err *reterr);

#endif
