/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder, or one program, as an image: a docker archive with one layer, for those who have no
 * docker. The same files give the same image, byte for byte.
 *
 * On top of a base image it needs no layer of it: an import finds those in the store by their
 * digests. So the archive is only good where its base is.
 */
#ifndef IMAGE_MAKE_H
#define IMAGE_MAKE_H

#include "image/image.h"

typedef struct ImageRecipe {
    const char *name;
    const char *source;     /* a folder: the root's content; a static program: /usr/bin/ITS-NAME */
    Bytes base;             /* the config of the image below; none: from scratch */
    StringArray env;        /* "A=b", added to the base's */
    StringArray entrypoint; /* none: the program, or the base's */
    StringArray
        command; /* default arguments of the entrypoint; none: the base's, if that has the entrypoint, too */
    const char *working_dir; /* NULL: the base's */
    const char *user;        /* NULL: the base's */
    /* Called often while the source is read (all: 0, since its size is not known) and while the
     * archive is written; may be NULL. */
    void (*on_bytes)(void *data, int64_t done, int64_t all);
    void *on_bytes_data;
} ImageRecipe;

/* Writes the archive. Files that belong to whom the folder belongs to become root's, as in other
 * image builders; others keep their owners. Sockets and devices are left out. */
int image_make(const ImageRecipe *recipe, const char *archive, Err *reterr);

/* The config of an image in the store, for a base; 0, or IMAGE_E_MISSING with a message. */
int image_read_config(ImageStore *store, const char *name, Arena *arena, Bytes *ret, Err *reterr);

#endif
