/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the control socket for the verbs of `stead image`; `app` is an App. */
#ifndef DAEMON_IMAGE_CALLS_H
#define DAEMON_IMAGE_CALLS_H

#include "base/strbuf.h"
#include "daemon/daemon.h"

/* Appends a line for each image: name, id and size, with tabs between them. */
void app_print_images(void *app, Arena *arena, StrBuf *out);
void app_call_image_list(void *app, HttpRequest *request);
void app_call_image_config(void *app, HttpRequest *request);
void app_call_image_import(void *app, HttpRequest *request);
void app_call_image_pull(void *app, HttpRequest *request);
void app_call_image_remove(void *app, HttpRequest *request);

#endif
