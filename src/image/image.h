/* SPDX-License-Identifier: Apache-2.0 */
/* The image store of this machine, in DATA/images: blobs by digest, unpacked layers that serve
 * as lower folders of overlayfs, and names that refer to manifests. Everything is written under
 * a temporary name and renamed, so a crash leaves either the old or the new version. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/error.h"
#include "codec/type.h"

struct uv_loop_s;

typedef struct ImageStore ImageStore;

/* What a container needs to know about an image. */
typedef struct Image {
    const char
        *name; /* normalized: "docker.io/library/busybox:1.36", "localhost/time-server:latest" */
    const char *id;     /* "sha256:..." of the config */
    const char *digest; /* "sha256:..." of the manifest or index, if known */
    int64_t size;       /* of the unpacked layers, bytes */
    bool remote;        /* it came from a registry, not from an archive */
    int64_t created;    /* seconds; 0 unknown */
    StringArray layers; /* paths of unpacked layer folders, lowest first */
    StringArray env;    /* "A=b" */
    StringArray entrypoint, cmd;
    StringArray volumes, exposed_ports;
    const char *user; /* "", "1000", "app:app" */
    const char *working_dir;
    const char *stop_signal; /* "" or "SIGTERM" */
    StringMap labels;
    /* It came with the program, so the pull policy Always is content with it where no registry can
     * be asked. */
    bool builtin;
    const char *source; /* "docker", "podman", "containerd": from whose store it came; else "" */
} Image;

/* builtin_dir: a folder of archives that ship with the program (the time-server image), or NULL.
 * An archive is imported when a name in it is used for the first time. FILE.names beside it may
 * add names with any tag, such as "busybox:*". */
int image_store_open(struct uv_loop_s *loop, const char *dir, const char *builtin_dir,
                     ImageStore **ret, Err *reterr);
/* Work on the pool keeps the store until it has ended, by a reference that its callback on the loop closes. */
ImageStore *image_store_ref(ImageStore *store);
ImageStore *image_store_close(ImageStore *store);

/* Imports all images of a docker or OCI archive and checks their digests. The tar as a whole and
 * its layers may be compressed with gzip or zstd. limit: how many bytes they may need when
 * unpacked; 0 for the limit of the store. An import never uses up the disk. Blocking: call it on
 * the pool or from a command. */
int image_import(ImageStore *store, const char *file, uint64_t limit, StringArray *ret_names,
                 Arena *arena, Err *reterr);
/* The same on the pool; `done` is called from the loop. */
typedef void (*ImageImportDone)(void *data, const StringArray *names, const Err *err);
typedef struct ImageImport ImageImport;
ImageImport *image_import_async(ImageStore *store, const char *file, uint64_t limit,
                                ImageImportDone done, void *data);
/* Lets the import fail soon, with nothing left of it. Not after `done` was called. */
void image_import_cancel(ImageImport *import);
/* The same for blocking imports: they fail soon after *stop has become true. */
void image_store_stop_on(ImageStore *store, const atomic_bool *stop);

/* Finds an image by name (short names are completed as Docker does), by name@digest or by id;
 * "localhost/x" and "x" are equivalent. It may import a built-in archive, and may also be called
 * on the pool. Returns 0, IMAGE_E_MISSING or a negative result. */
enum { IMAGE_E_MISSING = 1, IMAGE_E_BUSY, IMAGE_E_USED };
int image_find(ImageStore *store, const char *name, Arena *arena, Image *ret, Err *reterr);
/* Brings the image into the store from a built-in archive or from the store of another program, if
 * it is there and not in the store, or not as new. This may take some 100 ms, so call it on the
 * pool before image_find, which reports that the image is missing in any case. */
void image_bring(ImageStore *store, const char *name);
/* Images that lie outside of the store, in those of other programs (image/local/local.h). */
typedef void (*ImageElsewhereEach)(void *data, const char *source, const char *name, const char *id,
                                   int64_t assigned);
typedef struct ImageElsewhere {
    /* Brings the image into the store if it is there and preferable to what the store has. On the
     * pool. */
    int (*bring)(void *data, ImageStore *store, const char *name, Err *reterr);
    /* Lists all names. id: of the config, or of the manifest. */
    void (*list)(void *data, Arena *arena, ImageElsewhereEach each, void *each_data);
    void (*free)(void *data); /* when the store is closed */
    void *data;
} ImageElsewhere;
void image_store_set_elsewhere(ImageStore *store, const ImageElsewhere *elsewhere);
/* Lists the names of images elsewhere. May block for some milliseconds. */
void image_list_elsewhere(ImageStore *store, Arena *arena, ImageElsewhereEach each, void *data);

/* Calls `each` for all images in order of their names. Built-in images that have not been
 * imported have no layers, and the size of their archive. */
void image_list(ImageStore *store, Arena *arena, void (*each)(void *data, const Image *image),
                void *data);
/* Calls `each` for all names in the store in order, without the built-in images that have not been imported; reads no files. */
void image_list_names(ImageStore *store, Arena *arena,
                      void (*each)(void *data, const char *name, bool builtin), void *data);
/* When a container was last started from it, or when it got its name; seconds. */
int64_t image_last_used(ImageStore *store, const char *name);
/* Gives an image another name. Returns 0, IMAGE_E_MISSING or a negative result. */
int image_tag(ImageStore *store, const char *name, const char *new_name, Arena *arena,
              const char **ret_normalized, Err *reterr);
/* Until the release, the layers of images that are removed stay. */
void image_hold(ImageStore *store);
void image_release(ImageStore *store);
/* Says whether somebody uses the image of this id. It is called with the store locked, so it must not use it. */
typedef bool (*ImageIsUsed)(void *data, const char *id);
/* Removes a name, or by "sha256:..." an image that has lost its name to a newer one, unless the image is used; is_used may be NULL.
 * The layers stay until image_sweep. If this is called on the loop, which also starts containers, then none is started from the image
 * between the question and the removal. Returns 0, IMAGE_E_MISSING, IMAGE_E_BUSY while an import is in progress, IMAGE_E_USED, or a
 * negative result; *ret_name is what the image was called. */
int image_forget(ImageStore *store, const char *name, ImageIsUsed is_used, void *data, Arena *arena,
                 const char **ret_name, Err *reterr);
/* Removes the layers and documents that no image needs. It may take seconds, so call it on the pool. */
void image_sweep(ImageStore *store);
/* image_forget and image_sweep, whoever uses the image. */
int image_remove(ImageStore *store, const char *name, Err *reterr);

/* The layers of pulled images that are also kept as they came, without which an image leaves with other digests. Their size on the disk,
 * and their removal, which may take long. */
int64_t image_kept_size(ImageStore *store);
void image_drop_kept(ImageStore *store);

/* Removes images that a registry has, the least recently used first, until enough is free. */
typedef struct ImageCollect {
    int64_t bytes;         /* of layers that no other image needs */
    int64_t stored_before; /* seconds; newer images stay */
    ImageIsUsed is_used;
    /* Called for each image that is removed, with its names. */
    void (*each)(void *data, const StringArray *names, const char *id, int64_t freed);
    void *data;
} ImageCollect;
/* Like image_forget, on the loop; image_sweep frees the room. Returns 0, IMAGE_E_BUSY or a negative result. */
int image_collect(ImageStore *store, const ImageCollect *wanted, int64_t *ret_freed, Err *reterr);

/* Limits what one import may unpack. The default is 64 GiB and 4 million files. */
void image_store_set_limits(ImageStore *store, uint64_t bytes, uint64_t entries);

/* "busybox" -> "docker.io/library/busybox:latest"; NULL if it is not an image name. */
const char *image_normalize(Arena *arena, const char *name);

#endif
