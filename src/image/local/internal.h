/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of the image stores of other programs share. */
#ifndef IMAGE_LOCAL_INTERNAL_H
#define IMAGE_LOCAL_INTERNAL_H

#include "base/arena.h"
#include "image/internal.h"
#include "image/local/local.h"

#define LOCAL_INDEX_BYTES_MAX (64u << 20) /* of one file that lists images or layers */
#define LOCAL_ENTRIES_MAX 100000

/* A name in another store. */
typedef struct LocalEntry {
    const char *name;   /* normalized */
    const char *id;     /* "sha256:..." of the config; NULL if only reading the image shows it */
    const char *digest; /* of the manifest; NULL: unknown */
    int64_t assigned;   /* when the name was given to the image, seconds; 0: unknown */
    const char *where;  /* where the image is, in a form that only its reader interprets */
} LocalEntry;

typedef struct LocalLayer {
    const char *folder; /* the unpacked layer, as overlayfs needs it; or NULL */
    const char *blob;   /* its tar, compressed or not, if it is not unpacked */
    const char *digest; /* of the blob */
} LocalLayer;

typedef struct LocalImage {
    const char *id;
    Bytes config;
    LocalLayer *layers; /* lowest first, one for each diff id of the config */
    bool whole;         /* each folder also contains the files of all layers below it */
} LocalImage;

typedef struct LocalStore LocalStore;

/* A kind of store. */
typedef struct LocalKind {
    const char *name;
    /* Finds the store on this machine. */
    const char *(*find_root)(Arena *arena);
    /* The files that change with the list of images, relative to the root. */
    const char *const *index_files;
    /* Calls local_entry_add for each name. */
    int (*scan)(LocalStore *store, Err *reterr);
    int (*read)(const LocalStore *store, const LocalEntry *entry, Arena *arena, LocalImage *ret,
                Err *reterr);
} LocalKind;

struct LocalStore {
    const LocalKind *kind;
    char *root;
    char *stamp; /* identifies the index files as they were when the index was made */
    Arena arena; /* of the index */
    VEC(LocalEntry) entries;
    char *failure; /* the last failure that was logged, so that it is logged once */
};

extern const LocalKind local_docker, local_podman, local_containerd;

/* Adds a copy of the entry, unless its name is malformed. The name need not be normalized. */
void local_entry_add(LocalStore *store, const LocalEntry *entry);
/* Reads a file below the root of the store. If a digest is given, the contents have to match it. */
int local_read(const LocalStore *store, const char *path, size_t limit, const char *digest,
               Arena *arena, Bytes *ret, Err *reterr);
int64_t local_mtime(const LocalStore *store, const char *path);
/* Reads a time such as "2026-11-30T18:16:27.10Z"; returns 0 if the text is malformed. */
int64_t local_time(const char *text);
/* Sets the id and the config, and returns the diff ids of the layers. */
int local_config(LocalImage *image, Bytes config, Arena *arena, StringArray *ret_diff_ids,
                 Err *reterr);
/* The chain id of a layer; below: that of the layer below, or NULL. */
void local_chain_id(const char *below, const char *diff_id, char ret[static DIGEST_TEXT]);

/* link.c: makes the folder `to` with hard links to the files of `from`. Returns -EXDEV or -EMLINK if links cannot be made there.
 * *ret_size: the bytes of the files. */
int local_link_tree(const char *from, const char *to, int64_t *ret_size, Err *reterr);

#endif
