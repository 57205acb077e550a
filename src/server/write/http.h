/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with verbs and subresources that change something. */
#ifndef SERVER_WRITE_HTTP_H
#define SERVER_WRITE_HTTP_H

#include "server/request/call.h"

void http_create(Call *call);
void http_update(Call *call);
void http_patch(Call *call);
void http_delete(Call *call);
void http_delete_collection(Call *call);
void subresource_scale_get(Call *call);
void subresource_scale_update(Call *call);
void subresource_scale_patch(Call *call);
void subresource_binding(Call *call);
void subresource_eviction(Call *call);

#endif
