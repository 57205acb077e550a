/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images in the stores of other programs on this machine: of Docker, of Podman (and Buildah, CRI-O: containers-storage), of
 * containerd. They are only read. An image that somebody built or pulled there is found by its name, as if it had been imported:
 * `podman build -t app .` and `image: app` is all.
 *
 * When an image is used for the first time, its layers are put into the image store of stead as folders whose files are hard links to
 * those of the other store: no data are copied, and a pod keeps its files when the other program removes the image, which by itself
 * it does not know to be in use. If the other store lies on another file system, the layer in the store of stead is a symbolic link
 * to the folder there, and removing the image there breaks the pods that use it, as a line in the log says.
 *
 * Where several stores have a name, the one that was given it last wins. What the program brings along has no such time, so the
 * others win. What comes from another store follows it: when the name stands for another image there, it does here, too.
 *
 * A store is used if its folder belongs to this user or root and nobody else may write to it.
 */
#ifndef IMAGE_LOCAL_LOCAL_H
#define IMAGE_LOCAL_LOCAL_H

#include "image/image.h"

typedef struct LocalStores LocalStores;

LocalStores *local_stores_new(void);
/* kind: "docker", "podman" or "containerd"; root: its folder; NULL: where it usually is, or where the configuration of the program
 * says. False if the kind is unknown. */
bool local_stores_add(LocalStores *stores, const char *kind, const char *root);
/* Passes the stores to the image store, which frees them. */
void local_stores_use(LocalStores *stores, ImageStore *images);
/* All of this for "KIND,KIND=DIR,...", "none", or NULL for all kinds. Returns 0, or a negative error with a message. */
int local_stores_open(const char *list, ImageStore *images, Err *reterr);

#endif
