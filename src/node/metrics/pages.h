/* SPDX-License-Identifier: Apache-2.0 */
/* What the node answers below nodes/NAME/proxy/ of the API, under kubelet's paths and in its formats. */
#ifndef NODE_METRICS_PAGES_H
#define NODE_METRICS_PAGES_H

#include "api/streams.h"
#include "base/strbuf.h"
#include "node/metrics/collect.h"

/* See PodStreamsOps.node. */
NodePage *node_page_start(NodeAgent *agent, const char *path, NodePageDone done, void *data);
void node_page_cancel(NodePage *page);

/* The pages that need a collection. */
void print_summary(const Collection *c, StrBuf *out);           /* summary.c */
void print_container_metrics(const Collection *c, StrBuf *out); /* container_metrics.c */
void print_resource_metrics(const Collection *c, StrBuf *out);

/* container_metrics.c: of the agent alone. */
void print_probe_metrics(NodeAgent *agent, StrBuf *out);

#endif
