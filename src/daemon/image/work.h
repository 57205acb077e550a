/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs of `stead image` do with the image store. It runs on the pool of the server, or in the command if no server runs,
 * with the same result: a text.
 */
#ifndef DAEMON_IMAGE_WORK_H
#define DAEMON_IMAGE_WORK_H

#include <stdatomic.h>

#include "base/strbuf.h"
#include "base/strmap.h"
#include "image/image.h"

typedef struct ImageWork {
    ImageStore *images;
    Arena arena;
    const char *name;  /* of the image; for an export the names, separated by line ends */
    const char *other; /* a new name, a file, or the name in a registry */
    bool all;
    Bytes credentials;  /* documents for the registry (credentials.h) */
    atomic_bool stop;   /* the command was interrupted: what waits for a network ends soon */
    const StrMap *uses; /* of use.h */
    StrBuf text;        /* the result */
} ImageWork;

typedef int (*ImageWorkRun)(ImageWork *work, Err *reterr); /* positive results are failures, too */

/* A verb by the path of its call, such as "/images/tag". */
typedef struct ImageWorkKind {
    const char *path;
    ImageWorkRun
        begin; /* on the loop, as long as nobody else can begin to use an image; may be NULL */
    ImageWorkRun run;
    bool adds;  /* pods may have waited for it */
    bool waits; /* for a network, with the caller's credentials, so it must not run on the pool */
} ImageWorkKind;

const ImageWorkKind *image_work_find(const char *path);
void image_work_deinit(ImageWork *work);

#endif
