/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the control socket for the verbs of `stead image`; `app` is an App. */
#ifndef DAEMON_IMAGE_CALLS_H
#define DAEMON_IMAGE_CALLS_H

#include "base/strbuf.h"
#include "daemon/daemon.h"

/* Appends the list of images as JSON, see work.c. */
void app_print_images(void *app, Arena *arena, StrBuf *out);
void app_call_image_list(void *app, HttpRequest *request);
void app_call_image_config(void *app, HttpRequest *request);
void app_call_image_import(void *app, HttpRequest *request);
void app_call_image_pull(void *app, HttpRequest *request);
/* All calls of work.h, by the path. */
void app_call_image_work(void *app, HttpRequest *request);

#endif
