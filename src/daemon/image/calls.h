/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the control socket for the verbs of `stead image`; `app` is an App. */
#ifndef DAEMON_IMAGE_CALLS_H
#define DAEMON_IMAGE_CALLS_H

#include "daemon/daemon.h"

void app_call_image_list(void *app, HttpRequest *request);
void app_call_image_config(void *app, HttpRequest *request);
void app_call_image_import(void *app, HttpRequest *request);
void app_call_image_remove(void *app, HttpRequest *request);

#endif
