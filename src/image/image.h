/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images on this machine: a content store of blobs by digest, unpacked layers ready to be overlay
 * lower folders, and names that point at manifests. Everything under DATA/images; every step is
 * write-aside-then-rename, so a crash leaves either the old or the new.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "codec/type.h"

struct uv_loop_s;

typedef struct ImageStore ImageStore;

/* What a container needs of an image. */
typedef struct Image {
    const char
        *name; /* normalized: "docker.io/library/busybox:1.36", "localhost/time-server:latest" */
    const char *id;     /* "sha256:..." of the config */
    const char *digest; /* "sha256:..." of the manifest, where known */
    int64_t size;       /* of the unpacked layers, bytes */
    int64_t created;    /* seconds; 0 unknown */
    StringArray layers; /* paths of unpacked layer folders, lowest first */
    StringArray env;    /* "A=b" */
    StringArray entrypoint, cmd;
    StringArray volumes, exposed_ports;
    const char *user; /* "", "1000", "app:app" */
    const char *working_dir;
    const char *stop_signal; /* "" or "SIGTERM" */
    StringMap labels;
} Image;

/* builtin_dir: a folder of archives that belong to the program (the time-server image); each is
 * imported on first use of a name in it, without a registry. NULL: none. */
int image_store_open(struct uv_loop_s *loop, const char *dir, const char *builtin_dir,
                     ImageStore **ret, Err *reterr);
ImageStore *image_store_close(ImageStore *store);

/* Imports every image of a docker or OCI archive (plain, gzip or zstd; the tar as a whole or its
 * layers), digests checked. limit: bytes that it may need unpacked, 0: the store's. It never takes
 * the last of the disk. Blocking: call from the pool or from a command. */
int image_import(ImageStore *store, const char *file, uint64_t limit, StringArray *ret_names,
                 Arena *arena, Err *reterr);
/* From an already open descriptor (stead image import talks to the server through it). Calls back
 * on the loop. */
typedef void (*ImageImportDone)(void *data, const StringArray *names, const Err *err);
void image_import_async(ImageStore *store, const char *file, uint64_t limit, ImageImportDone done,
                        void *data);

/* image_find may import a built-in archive: it is safe to call from the pool, too. "localhost/x"
 * and "x" find each other. By name (short ones are completed as Docker does), name@digest or id. 0,
 * or IMAGE_E_MISSING. */
enum { IMAGE_E_MISSING = 1, IMAGE_E_BUSY };
int image_find(ImageStore *store, const char *name, Arena *arena, Image *ret, Err *reterr);
/* Unpacks the built-in archive that has the name, if any and not yet: may take some 100 ms, so call
 * it from the pool before the image is looked for. What fails shows when it is. */
void image_bring(ImageStore *store, const char *name);
/* By name; built-in ones that nobody used yet are listed without layers, in their archive's size.
 */
void image_list(ImageStore *store, Arena *arena, void (*each)(void *data, const Image *image),
                void *data);
/* Removes the name (or, by "sha256:...", an image that lost its name to a newer one); layers and
 * blobs that nothing else uses go too. What containers use is for the caller to know. 0,
 * IMAGE_E_MISSING, or IMAGE_E_BUSY: an import is under way. */
int image_remove(ImageStore *store, const char *name, Err *reterr);

/* What one import may unpack: 64 GiB and 4 million files unless set. */
void image_store_set_limits(ImageStore *store, uint64_t bytes, uint64_t entries);

/* "busybox" -> "docker.io/library/busybox:latest"; NULL if it is no image name. */
const char *image_normalize(Arena *arena, const char *name);

#endif
