/* SPDX-License-Identifier: Apache-2.0 */
/* The pages that the node agent serves itself, below nodes/NAME/proxy/. */
#ifndef SERVER_PROXY_NODE_PAGE_H
#define SERVER_PROXY_NODE_PAGE_H

#include "server/request/call.h"

/* The answer may come later, when the node has read what the page reports. */
void node_page_answer(Call *call, const char *path);

#endif
