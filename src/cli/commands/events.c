/* SPDX-License-Identifier: Apache-2.0 */
/* `stead events`: prints Events, the oldest first, like `kubectl events`. */
#include <strings.h>
#include <time.h>

#include "api/print.h"
#include "base/time/clock.h"
#include "base/timefmt.h"
#include "cli/commands/commands.h"
#include "cli/commands/events.h"
#include "cli/table.h"

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

void time_since(StrBuf *out, const char *text)
{
    Time time = {.set = true};

    if (!*text || timefmt_parse(text, &time.seconds, &time.nanos))
        time.set = false;
    print_age(out, time, now_ns());
}

void time_span(StrBuf *out, int64_t seconds)
{
    print_age(out, (Time){.set = true}, seconds * NS_PER_SEC);
}

void event_interval(StrBuf *out, yyjson_val *event)
{
    const char *first = str_or(json_text(event, "/eventTime"), json_text(event, "/firstTimestamp"));
    int64_t count = json_number(event, "/count", 0),
            series = json_number(event, "/series/count", 0);

    if (series) {
        time_since(out, json_text(event, "/series/lastObservedTime"));
        strbuf_printf(out, " (x%" PRId64 " over ", series);
    } else if (count > 1) {
        time_since(out, json_text(event, "/lastTimestamp"));
        strbuf_printf(out, " (x%" PRId64 " over ", count);
    } else {
        time_since(out, first);
        return;
    }
    time_since(out, first);
    strbuf_add_char(out, ')');
}

static int64_t event_time(yyjson_val *event)
{
    const char *text = json_text(event, "/series/lastObservedTime");
    int64_t seconds = 0;
    int32_t nanos = 0;

    if (!*text)
        text = str_or(json_text(event, "/lastTimestamp"), json_text(event, "/eventTime"));
    timefmt_parse(text, &seconds, &nanos);
    return seconds * NS_PER_SEC + nanos;
}

static int by_time(const void *a, const void *b)
{
    yyjson_val *x = *(yyjson_val *const *)a, *y = *(yyjson_val *const *)b;
    int64_t difference = event_time(x) - event_time(y), first = 0, second = 0;

    if (difference)
        return difference < 0 ? -1 : 1;
    /* The times have a resolution of one second, so the revisions decide. */
    str_to_int64(json_text(x, "/metadata/resourceVersion"), 0, INT64_MAX, &first);
    str_to_int64(json_text(y, "/metadata/resourceVersion"), 0, INT64_MAX, &second);
    return first < second ? -1 : first > second;
}

static void events_path(Cluster *cluster, const EventFilter *filter, StrBuf *path)
{
    _strbuf_ StrBuf fields = STRBUF_INIT;

    resource_path(path, resources_find(cluster, "events"), filter->ns, NULL, NULL);
    if (filter->kind)
        strbuf_printf(&fields, "involvedObject.kind=%s,involvedObject.name=%s", filter->kind,
                      filter->name);
    if (!str_empty(filter->uid))
        strbuf_printf(&fields, "%sinvolvedObject.uid=%s", fields.n ? "," : "", filter->uid);
    if (fields.n)
        url_add_query(path, "fieldSelector", fields.p);
}

int events_get(Cluster *cluster, const EventFilter *filter, EventList *ret,
               const char **ret_revision)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    yyjson_val *event;
    size_t i, n;

    events_path(cluster, filter, &path);
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, event) VEC_PUSH(ret, event);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), by_time);
    if (ret_revision)
        *ret_revision = json_text(reply.json, "/metadata/resourceVersion");
    return 0;
}

/* ---- the command ---- */

typedef struct Printing {
    const Options *options;
    Layout layout;
    StrBuf text;
} Printing;

/* "Normal,Warning" */
static bool is_wanted(const Options *options, yyjson_val *event)
{
    const char *type = json_text(event, "/type"), *at = options->types;

    for (size_t n; at && *at; at += n + (at[n] == ',')) {
        n = strcspn(at, ",");
        if (strlen(type) == n && strncasecmp(at, type, n) == 0)
            return true;
    }
    return !options->types;
}

static void add_line(Printing *printing, yyjson_val *event)
{
    const char *message = json_text(event, "/message");
    size_t n = strlen(message);

    if (!is_wanted(printing->options, event))
        return;
    while (n && strchr(" \n\t\r", message[n - 1]))
        n--;
    if (printing->options->all_namespaces)
        strbuf_printf(&printing->text, "%s\t", json_text(event, "/metadata/namespace"));
    event_interval(&printing->text, event);
    strbuf_printf(&printing->text, "\t%s\t%s\t%s/%s\t%.*s\n", json_text(event, "/type"),
                  json_text(event, "/reason"), json_text(event, "/involvedObject/kind"),
                  json_text(event, "/involvedObject/name"), (int)n, message);
}

static void flush(Printing *printing)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    layout_text(&printing->layout, strbuf_bytes(&printing->text), &out);
    fwrite(strbuf_string(&out), 1, out.n, stdout);
    fflush(stdout);
    strbuf_truncate(&printing->text, 0);
}

static bool on_change(void *data, const char *type, yyjson_val *event)
{
    if (!str_equal(type, "DELETED"))
        add_line(data, event);
    flush(data);
    return !ferror(stdout);
}

static int print_events(Cluster *cluster, const EventFilter *filter, Printing *printing)
{
    const Options *o = printing->options;
    EventList events = VEC_INIT;
    _strbuf_ StrBuf path = STRBUF_INIT;
    const char *revision;
    int r = events_get(cluster, filter, &events, &revision);
    size_t shown;

    if (r == 0 && !o->no_headers)
        strbuf_printf(&printing->text, "%sLAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n",
                      o->all_namespaces ? "NAMESPACE\t" : "");
    shown = printing->text.n;
    for (size_t i = 0; i < events.n; i++)
        add_line(printing, events.v[i]);
    if (r == 0 && printing->text.n == shown && !o->watch) {
        if (o->all_namespaces)
            fprintf(stderr, "No events found.\n");
        else
            fprintf(stderr, "No events found in %s namespace.\n", cluster->ns);
    } else if (r == 0) {
        flush(printing);
    }
    VEC_DEINIT(&events);
    if (r || !o->watch)
        return r;
    events_path(cluster, filter, &path);
    url_add_query(&path, "watch", "true");
    url_add_query(&path, "resourceVersion", revision);
    return cluster_watch(cluster, &(ClusterCall){.path = path.p}, on_change, printing) ==
           WATCH_FAILED;
}

int command_events(const char *program, Options *options)
{
    Cluster cluster = {0};
    EventFilter filter = {0};
    Printing printing = {.options = options, .layout = LAYOUT_TABLE};
    Target target;
    int r;

    (void)program;
    r = cluster_open(options, &cluster);
    if (r == 0)
        r = resources_load(&cluster);
    if (r == 0 && options->for_object) {
        r = target_from_word(&cluster, options->for_object, "pods", &target);
        if (r == 0) {
            filter.kind = target.resource->kind;
            filter.name = target.name;
        }
    }
    filter.ns = options->all_namespaces ? "" : cluster.ns;
    if (r == 0)
        r = print_events(&cluster, &filter, &printing);
    layout_deinit(&printing.layout);
    strbuf_deinit(&printing.text);
    cluster_close(&cluster);
    return r;
}
