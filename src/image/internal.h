/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the image store, whose folder contains:
 *
 *   DIR/blobs/sha256-HEX    configs and manifests
 *   DIR/layers/HEX/         one unpacked layer, an overlay lower folder, by the chain id that OCI
 *                           defines: the digest of its uncompressed tar (diff id) and of those
 *                           below it, since folders that it does not list look as they do below
 *   DIR/layers/HEX.size     its size, and the id of the boot if it may not have been synced
 *   DIR/kept/HEX            a layer as a registry sent it, so that the image can leave as it came; HEX is the digest of these bytes. A
 *                           copy that goes first when the disk gets full.
 *   DIR/pushed/             belongs to the registry (distribution/); its blobs are used like those in kept/
 *   DIR/names/HEX.json      one image by name; HEX is the digest of the name
 *   DIR/pulls/HEX.json      the layers that a pull needs, until it has succeeded; HEX is the digest of the name
 *   DIR/grants/HEX.json     whose credentials may use an image that was pulled; HEX is that of its id
 *   DIR/tmp/                being made; emptied at start
 *
 * A layer folder that has its name is complete: it is unpacked below tmp/, synced and renamed. The
 * name of an image is written last. Removal is in the opposite order: first the name, then what no
 * other image needs.
 */
#ifndef IMAGE_INTERNAL_H
#define IMAGE_INTERNAL_H

#include <stdatomic.h>
#include <archive.h>
#include <locale.h>
#include <uv.h>

#include "base/strmap.h"
#include "base/vec.h"
#include "registry/digest.h"
#include "image/image.h"

#define JSON_BYTES_MAX \
    (4u << 20) /* of a manifest, index or config, as the OCI specification has it */
#define LAYERS_MAX 512
#define IMAGES_MAX 256 /* in one archive */

/* What an import may still consume. */
typedef struct ImageLimits {
    uint64_t bytes; /* of unpacked files, in whole blocks */
    uint64_t entries;
    uint64_t allowed; /* the value of `bytes` at the beginning */
    bool by_room;     /* `allowed` is the free room of the disk, which is less than the limit */
    const char *dir;  /* on that disk; NULL: its room is not looked at */
    uint64_t charged; /* since the room was last looked at */
} ImageLimits;

/* An image name in the store. */
typedef struct ImageRecord {
    char *name; /* normalized, or the id of an image without a name */
    char *id,
        *digest; /* of the config; of what the name stands for: a manifest or an index ("" unknown) */
    char *member; /* of this platform's manifest, if `digest` is that of an index, or "" */
    char *stamp;  /* of the built-in archive that it came from, or "" */
    int64_t size;
    bool remote;        /* it came from a registry */
    bool tagged;        /* the name was given here, so no registry has to know it */
    char *source;       /* the kind of the store that it came from, or "" */
    char *platform;     /* "linux/amd64", if it came from a registry, or "" */
    VEC(char *) layers; /* names of their folders (chain ids), lowest first */
    VEC(char *) blobs;  /* digests of the same layers as they came, or ""; none in older records */
} ImageRecord;

/* The layers that a pull needs. */
typedef struct ImageIntent {
    char *name;
    VEC(char *) layers; /* chain ids, and digests of kept layers */
    int64_t since;      /* of the newest attempt, seconds */
} ImageIntent;

/* An archive that ships with the program. */
typedef struct Builtin {
    char *path, *stamp;
    bool read;         /* names are known */
    VEC(char *) names; /* normalized; "docker.io/library/busybox:*" is one with any tag */
} Builtin;

struct ImageStore {
    struct uv_loop_s *loop;
    unsigned references; /* belongs to the loop */
    char *dir;
    char boot[64]; /* the id of this boot of the machine */
    ImageLimits limits;
    uint64_t next_tmp;
    StrMap records; /* name -> ImageRecord */
    VEC(Builtin) builtins;
    ImageElsewhere elsewhere; /* set before the store is used by several threads */
    VEC(ImageIntent) intents; /* guarded by write_lock */
    const atomic_bool *stop;  /* ends imports of a command; NULL: nothing does */
    unsigned holds;           /* image_hold; guarded by lock */
    uv_mutex_t lock;          /* guards records, builtins, next_tmp; held briefly */
    uv_mutex_t write_lock;    /* one import or removal at a time; taken before lock */
};

/* name.c: podman calls local images "localhost/x", docker calls them "docker.io/library/x": the
 * other one, or NULL. */
const char *image_name_sibling(Arena *arena, const char *normalized);

/* config.c */
/* Fills the members that come from the config, which are all but the layers. */
int image_config_decode(Bytes json, Arena *arena, Image *ret, Err *reterr);
/* Returns the diff ids of the layers. */
int image_config_layers(Bytes json, Arena *arena, StringArray *ret, Err *reterr);
/* The platform that it is made for; the architecture is "" if the config does not say. */
struct Platform;
int image_config_platform(Bytes json, struct Platform *ret, Err *reterr);

/* source.c: reading an archive, whatever it is compressed with. Each pass reads it from its
 * start, at most `most` bytes of it, uncompressed. */
#define SOURCE_ANY UINT64_MAX
/* Called for each file, whose data can be read through the archive. A positive result stops the
 * iteration. */
typedef int (*SourceEach)(void *data, const char *path, struct archive *archive, int64_t size,
                          Err *reterr);
int source_each(const char *file, uint64_t most, SourceEach each, void *data, Err *reterr);
/* Reads small files: `wanted` maps paths to Bytes, which are filled with data in the arena.
 * `links` (path -> path) collects the links in the archive; NULL: they are ignored. */
int source_read_files(const char *file, uint64_t most, StrMap *wanted, StrMap *links, Arena *arena,
                      Err *reterr);
/* "./a//b" -> "a/b"; NULL if the path has "..". The caller frees it. */
char *source_clean_path(const char *path);

/* unpack.c */
/* Where the bytes of a layer come from. `read` returns the next ones, which are valid until the next
 * call, 0 at the end, or a negative error with a message. */
typedef struct LayerReader {
    ssize_t (*read)(void *data, const void **ret, Err *reterr);
    void *data;
    bool checked; /* it fails at the end if the digest is wrong, so nobody else need compute it */
} LayerReader;
typedef struct UnpackedLayer {
    int64_t size;
    char blob[DIGEST_TEXT];    /* of the bytes that were read; "" if the reader checks it */
    char diff_id[DIGEST_TEXT]; /* of the tar */
    /* the folders that it has without an entry, by path; "" is its root */
    StrMap implied;
} UnpackedLayer;
/* Unpacks a tar (plain, gzip or zstd) into the empty folder root_fd. All bytes of the reader are
 * read. */
int layer_unpack(const LayerReader *from, int root_fd, ImageLimits *limits, UnpackedLayer *ret,
                 Err *reterr);

/* limits.c: these fail with a message if too little is left. */
/* wanted: the limit in bytes, or 0 to keep the present one. The free room of the disk is an
 * upper bound. */
void image_limits_begin(ImageLimits *limits, const char *dir, uint64_t wanted);
/* How many bytes of an archive, or of the tar of a layer, may be read. */
uint64_t image_limits_read(const ImageLimits *limits);
int image_limits_bytes(ImageLimits *limits, uint64_t n, Err *reterr);
/* Does the limit allow a file of this size at all? */
int image_limits_file(const ImageLimits *limits, uint64_t size, Err *reterr);
/* Charges the rest of the last block of a file of n bytes. */
int image_limits_rest_of_block(ImageLimits *limits, uint64_t n, Err *reterr);
int image_limits_entry(ImageLimits *limits, Err *reterr);

/* settle.c: gives the folders that a layer implies what those below it have. below: the folders of
 * the layers below, lowest first. */
int layer_settle(int root, const StrMap *implied, const int *below, size_t n, Err *reterr);

/* records.c */
ImageRecord *image_record_free(ImageRecord *record);
char *image_record_path(const ImageStore *store, const char *name);
/* The same image under another name; it is neither built in nor from elsewhere. */
ImageRecord *image_record_copy(const ImageRecord *record, const char *name);
/* install.c: saves and enters the record, which it takes over. An image that loses its last name is
 * kept under its id. The caller holds write_lock. */
int image_record_publish(ImageStore *store, ImageRecord *record, Err *reterr);
int image_record_save(ImageStore *store, const ImageRecord *record, Err *reterr);
int image_records_load(ImageStore *store, Err *reterr);

/* intents.c; with write_lock held. */
struct NewLayer;
int image_intent_begin(ImageStore *store, const char *name, const struct NewLayer *top,
                       Err *reterr);
void image_intent_end(ImageStore *store, const char *name);
bool image_intents_need(const ImageStore *store, const char *hex);
void image_intents_expire(ImageStore *store);
void image_intents_load(ImageStore *store);
void image_intents_clear(ImageStore *store);

/* install.c: what the .size file of a layer says; false if there is none. */
bool image_layer_size(const ImageStore *store, const char *key, int64_t *ret_size);
/* install.c: does the store have the layer of this chain id? */
bool image_has_layer(ImageStore *store, const char *key, int64_t *ret_size);

/* import.c; with write_lock held. stamp: "" or a built-in archive's. Fails soon after *stop has become
 * true; stop may be NULL. */
int image_import_locked(ImageStore *store, const char *file, uint64_t limit, const char *stamp,
                        const atomic_bool *stop, StringArray *ret_names, Arena *arena, Err *reterr);
/* store.c: sets a UTF-8 locale for this thread, until image_utf8_end(): names of files are UTF-8, and
 * libarchive drops names that it cannot convert. */
locale_t image_utf8_begin(locale_t *made);
/* Lowers the priority of this thread, which unpacks layers, so that the loop does not have to wait for a core. */
void image_yield_cores(void);
void image_utf8_end(locale_t before, locale_t made);
/* Reads the normalized names in an archive without importing it. */
int image_archive_names(const char *file, StringArray *ret, Arena *arena, Err *reterr);

/* builtins.c */
void image_builtins_find(ImageStore *store, const char *folder);
/* The built-in archive that has the name, or NULL. *ret_own is the name of the image in the archive. The caller holds the lock. */
Builtin *image_builtin_of(ImageStore *store, const char *normalized, const char **ret_own);

/* What image_record_find finds beside the record. */
typedef struct ImageFound {
    const char *name; /* what the image is called where the name is not the record's own; or NULL */
    Builtin *builtin; /* an archive that has the name and is newer than the record, or NULL */
} ImageFound;

/* store.c */
/* Finds the record of a name as the user wrote it. The caller holds the lock. */
ImageRecord *image_record_find(ImageStore *store, const char *name, Arena *arena, ImageFound *ret);
/* When the name was last used, and when it was given; nanoseconds, since several images may arrive
 * in the same second. */
void image_record_times(const ImageStore *store, const char *name, int64_t *ret_used,
                        int64_t *ret_stored);
char *image_layer_path(const ImageStore *store, const char *key);
char *image_layer_size_path(const ImageStore *store, const char *key);
char *image_blob_path(const ImageStore *store, const char *digest);
char *image_tmp_path(ImageStore *store);
char *image_kept_path(const ImageStore *store, const char *digest);
/* A descriptor of the layer as it came, whose bytes have this digest; -1: it is not here. */
int image_kept_open(const ImageStore *store, const char *digest);
/* Whether there is enough room to keep so many bytes more. */
bool image_may_keep(const ImageStore *store, int64_t size);
/* remove/remove.c: does an image have the layer? */
bool image_layer_is_named(ImageStore *store, const char *key);

#endif
