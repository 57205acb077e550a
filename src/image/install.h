/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds layers and images to the store; what an import and a pull have in common.
 *
 * A layer is unpacked into a folder below tmp/ (new_layer_fill), gets the attributes of folders that it does not list from
 * the layers below it (new_layer_settle), and is renamed to its final name (new_layer_publish). An import syncs the disk
 * once, before it publishes its first layer. A pull publishes each layer as soon as those below it are there, so that a
 * restarted server need not fetch it again, and syncs the disk once before it writes the name of the image. Until then
 * the layer's .size file names the boot in which it was written, and after a crash of the machine the layer does not count.
 */
#ifndef IMAGE_INSTALL_H
#define IMAGE_INSTALL_H

#include "image/internal.h"

/* A layer on top of certain other layers: the same tar on top of different layers counts twice. */
typedef struct NewLayer NewLayer;
struct NewLayer {
    const char *diff_id;   /* what the config promises */
    const char *blob;      /* what the manifest promises; NULL: nothing */
    char key[DIGEST_TEXT]; /* the chain id */
    const char *name;      /* of its folder in the store: the key */
    NewLayer *below;       /* NULL: the lowest */
    NewLayer *next_same;   /* of the same diff id, for an import */
    char *tmp; /* where it is unpacked; NULL: the store has it, or it has not been reached */
    StrMap implied;
    bool done;    /* it is unpacked, or the store has it */
    bool settled; /* its folders have their final attributes */
    int64_t size;
};

/* Looks whether the store has the layer. diff_id is not copied. */
NewLayer *new_layer(ImageStore *store, const char *diff_id, NewLayer *below);
/* Looks again: another pull or import may have brought it. */
bool new_layer_look(ImageStore *store, NewLayer *layer);
/* Removes what was unpacked and not published. */
NewLayer *new_layer_free(NewLayer *layer);

/* Unpacks the layer and verifies both digests. */
int new_layer_fill(ImageStore *store, NewLayer *layer, const LayerReader *from, ImageLimits *limits,
                   Err *reterr);
/* The same for a layer whose bytes are in a file. checked: its digest is known to be right. */
int new_layer_fill_from(ImageStore *store, NewLayer *layer, int fd, bool checked,
                        ImageLimits *limits, Err *reterr);
/* The layers below have to be settled. */
int new_layer_settle(ImageStore *store, NewLayer *layer, Err *reterr);
/* The caller holds write_lock. Does nothing if the store has the layer by now. */
int new_layer_publish(ImageStore *store, NewLayer *layer, bool synced, Err *reterr);
/* Makes everything in the store durable. */
int image_sync(ImageStore *store, Err *reterr);

typedef struct NewImage {
    const char *id;
    Bytes config;
    /* What the name stands for in a registry: a manifest, or an index with manifests for several platforms. NULL: unknown. */
    const char *digest;
    Bytes document;
    /* The manifest of this platform, if `document` is an index; else NULL. */
    const char *member;
    Bytes member_document;
    NewLayer *top;        /* NULL: it has no layers */
    const char *stamp;    /* of a built-in archive, or "" */
    bool remote;          /* it came from a registry */
    const char *source;   /* the kind of the store that it came from; NULL: none */
    const char *platform; /* "linux/amd64", if it came from a registry */
} NewImage;

/* Writes the documents, and then the names. The layers have to be published and durable. The caller holds write_lock. */
int new_image_publish(ImageStore *store, const NewImage *image, const StringArray *names,
                      Err *reterr);

#endif
