/* SPDX-License-Identifier: Apache-2.0 */
/* Images leave the store. Images that are removed meanwhile are kept until it has ended. */
#ifndef IMAGE_TRANSFER_TRANSFER_H
#define IMAGE_TRANSFER_TRANSFER_H

#include "image/image.h"

/* Writes an archive with all these images, which is an OCI layout as well as what `docker save` writes. The file is new or replaced
 * as a whole. Returns 0, IMAGE_E_MISSING or a negative result. */
int image_export(ImageStore *store, const StringArray *names, const char *file, Err *reterr);

#endif
