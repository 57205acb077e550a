/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection of images, as kubelet does it: when the disk of the images is fuller than --image-gc-high-threshold, images that no
 * pod uses are removed, the least recently used first, until it is below --image-gc-low-threshold. An image that is younger than
 * --minimum-image-ttl-duration stays. Only images that a registry has are removed; see image_collect.
 *
 * The disk is looked at when an image was added, and together with the disk of the pods, for as long as pods run: nothing else fills it.
 */
#ifndef DAEMON_IMAGE_COLLECT_H
#define DAEMON_IMAGE_COLLECT_H

#include "daemon/daemon.h"

/* Reads the options. */
int image_collector_start(App *app, Err *reterr);
void image_collector_stop(App *app);
/* An image was added: pods may have waited for it, and the disk is fuller. */
void app_image_added(void *app);
/* Removes images if the disk is too full. missing: bytes without which pods are evicted; 0 if none will be. True if room becomes
 * free soon. For NodeOptions.reclaim. */
bool image_collector_look(void *app, uint64_t missing);

#endif
