/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of the node. Those that say what containers use need a pass over the files of the kernel, which
 * takes place in the pool; the others are answered at once.
 */
#include "node/metrics/pages.h"

#include "base/observe/metrics.h"
#include "node/machine/machine.h"

struct NodePage {
    Collection *collection;
    size_t row;
    NodePageDone done;
    void *data;
};

static void print_pods(NodeAgent *agent, StrBuf *out)
{
    bool first = true;

    strbuf_add_string(out,
                      "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
    STRMAP_EACH(&agent->pods, slot) {
        Bytes json = object_json(((AgentPod *)slot->value)->object);

        if (!first)
            strbuf_add_char(out, ',');
        strbuf_add(out, json.p, json.n);
        first = false;
    }
    strbuf_add_string(out, "]}");
}

static void print_health(NodeAgent *agent _unused_, StrBuf *out)
{
    strbuf_add_string(out, "ok");
}

static const struct {
    const char *path, *type;
    void (*print)(NodeAgent *agent, StrBuf *out);
    void (*print_collected)(const Collection *c, StrBuf *out);
} rows[] = {
    {"/healthz", "text/plain; charset=utf-8", .print = print_health},
    {"/metrics/cadvisor", METRICS_TEXT_TYPE, .print_collected = print_container_metrics},
    {"/metrics/probes", METRICS_TEXT_TYPE, .print = print_probe_metrics},
    {"/metrics/resource", METRICS_TEXT_TYPE, .print_collected = print_resource_metrics},
    {"/pods", "application/json", .print = print_pods},
    {"/stats/summary", "application/json", .print_collected = print_summary},
};

static void on_collected(Collection *c)
{
    NodePage *page = c->data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    rows[page->row].print_collected(c, &text);
    page->done(page->data, rows[page->row].type, &text);
    free(page);
}

static NodePage *collected_page(NodeAgent *agent, size_t row, NodePageDone done, void *data)
{
    NodePage *page = mem_new_type(NodePage);

    page->row = row;
    page->done = done;
    page->data = data;
    page->collection = collect_start(agent, &(UsageQuery){0}, true, on_collected, page);
    return page;
}

NodePage *node_page_start(NodeAgent *agent, const char *path, NodePageDone done, void *data)
{
    size_t n = strlen(path);
    _strbuf_ StrBuf text = STRBUF_INIT;

    while (n > 1 && path[n - 1] == '/')
        n--;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strlen(rows[i].path) != n || strncmp(rows[i].path, path, n) != 0)
            continue;
        if (rows[i].print_collected)
            return collected_page(agent, i, done, data);
        rows[i].print(agent, &text);
        done(data, rows[i].type, &text);
        return NULL;
    }
    done(data, NULL, NULL);
    return NULL;
}

void node_page_cancel(NodePage *page)
{
    collect_cancel(page->collection);
    free(page);
}
