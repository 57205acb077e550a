/* SPDX-License-Identifier: Apache-2.0 */
/* See collect.h. The texts of the Events are those of kubelet. */
#include <sys/statvfs.h>

#include "api/schema/core_cluster_v1.h"
#include "base/log.h"
#include "base/observe/metrics.h"
#include "cli/cluster.h"
#include "daemon/image/collect.h"
#include "daemon/image/use.h"
#include "view/events.h"

#define HIGH_THRESHOLD 85
#define LOW_THRESHOLD 80
#define MIN_AGE (2 * 60)
#define PERIOD (300 * NS_PER_SEC) /* between attempts that do not free enough */

typedef struct ImageCollector ImageCollector;
struct ImageCollector {
    App *app;
    EventRecorder *events;
    int64_t high, low; /* percent */
    int64_t min_age;   /* seconds */
    int64_t next_ns;   /* no attempt before, unless pods are about to be evicted */
    bool sweeping;     /* on the pool */
    bool failed;       /* the last attempt */
};

typedef struct Sweep {
    uv_work_t work;
    ImageCollector *collector;
    ImageStore *images; /* a reference */
} Sweep;

/* What is collected in one attempt. */
typedef struct Round {
    StrMap uses;
    size_t n;
    StrBuf names; /* for the log */
} Round;

static bool is_used(void *data, const char *id)
{
    const Round *round = data;

    return strmap_get(&round->uses, id) != NULL;
}

static void add_size(StrBuf *out, int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes / 1024;
    size_t unit = 0;

    for (; size >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        size /= 1024;
    if (bytes < 1024)
        strbuf_printf(out, "%" PRId64 " B", bytes);
    else
        strbuf_printf(out, "%.1f %s", size, units[unit]);
}

static void on_collected(void *data, const StringArray *names, const char *id _unused_,
                         int64_t freed)
{
    Round *round = data;

    for (size_t i = 0; i < names->n; i++)
        strbuf_printf(&round->names, "%s%s", i ? " = " : round->names.n ? ", " : "", names->v[i]);
    strbuf_add_string(&round->names, " (");
    add_size(&round->names, freed);
    strbuf_add_char(&round->names, ')');
    round->n++;
    metric_inc(METRIC_SERIES(METRIC_IMAGES_COLLECTED, "space"));
}

/* ---- what is told ---- */

static Object *own_node(ImageCollector *c)
{
    return client_get(app_client(c->app), &kind_node, NULL, c->app->options->node_name);
}

static void tell(ImageCollector *c, const char *reason, const char *message)
{
    Object *node = own_node(c);

    log_warn("images", "%s", message);
    if (node)
        event_record(c->events, node, "Warning", reason, "%s", message);
}

/* As under kubelet, only the second failure in a row is an Event of the collection itself. */
static void attempt_failed(ImageCollector *c, const char *message)
{
    if (c->failed)
        tell(c, "ImageGCFailed", message);
    else
        log_warn("images", "%s", message);
    c->failed = true;
}

static void too_little(ImageCollector *c, int64_t usage, const struct statvfs *fs, int64_t freed)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text,
                  "Insufficient free disk space on the node's image filesystem (%" PRId64 "%% of ",
                  usage);
    add_size(&text, (int64_t)((uint64_t)fs->f_blocks * fs->f_frsize));
    strbuf_printf(&text,
                  " used). Failed to free sufficient space by deleting unused images (freed "
                  "%" PRId64 " bytes). Investigate disk usage, as it could be used by active "
                  "images, logs, volumes, or other data.",
                  freed);
    tell(c, "FreeDiskSpaceFailed", text.p);
    if (c->failed)
        tell(c, "ImageGCFailed", text.p);
    c->failed = true;
}

/* ---- an attempt ---- */

static void on_sweep(uv_work_t *work)
{
    ImageStore *images = CONTAINER_OF(work, Sweep, work)->images;

    image_drop_kept(images);
    image_sweep(images);
}

static void collector_free(ImageCollector *c)
{
    event_recorder_free(c->events);
    free(c);
}

static void on_swept(uv_work_t *work, int status _unused_)
{
    Sweep *sweep = CONTAINER_OF(work, Sweep, work);
    ImageCollector *c = sweep->collector;

    image_store_close(sweep->images);
    free(sweep);
    c->sweeping = false;
    if (!c->app) /* image_collector_stop was called meanwhile */
        collector_free(c);
}

static void start_sweep(ImageCollector *c)
{
    Sweep *sweep = mem_new_type(Sweep);

    sweep->collector = c;
    sweep->images = image_store_ref(c->app->images);
    c->sweeping = true;
    uv_queue_work(&c->app->loop, &sweep->work, on_sweep, on_swept);
}

static int collect(ImageCollector *c, int64_t bytes, Round *round, int64_t *ret_freed, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    ImageCollect wanted = {.bytes = bytes,
                           .stored_before = clock_wall_ns(c->app->clock) / NS_PER_SEC - c->min_age,
                           .is_used = is_used,
                           .each = on_collected,
                           .data = round};
    int r;

    image_uses_collect(c->app, &arena, &round->uses);
    r = image_collect(c->app->images, &wanted, ret_freed, reterr);
    strmap_deinit(&round->uses);
    return r;
}

/* bytes: that are to become free. True if some will. */
static bool attempt(ImageCollector *c, int64_t bytes, int64_t usage, const struct statvfs *fs)
{
    Round round = {0};
    Err err = ERR_INIT;
    int64_t kept = image_kept_size(c->app->images), freed = 0;
    int64_t now = clock_mono_ns(c->app->clock);
    int r = kept < bytes ? collect(c, bytes - kept, &round, &freed, &err) : 0;

    if (r == IMAGE_E_BUSY) /* soon again */
        return false;
    if (kept > 0)
        strbuf_printf(&round.names, "%swhat was kept to export images unchanged",
                      round.n ? ", and " : "");
    freed += kept;
    if (freed > 0 || round.n > 0) {
        _strbuf_ StrBuf size = STRBUF_INIT;

        add_size(&size, freed);
        log_info("images",
                 "the disk of the images is %" PRId64 "%% full; %s become free by removing %s",
                 usage, size.p, round.names.p);
        metric_add(metric_single(METRIC_IMAGES_COLLECTED_BYTES), (double)freed);
        start_sweep(c);
    }
    strbuf_deinit(&round.names);
    if (r >= 0 && freed >= bytes) {
        c->failed = false;
    } else if (now >= c->next_ns) {
        c->next_ns = now + PERIOD;
        if (r < 0)
            attempt_failed(c, err.message);
        else
            too_little(c, usage, fs, freed);
    }
    return freed > 0 || round.n > 0;
}

bool image_collector_look(void *data, uint64_t missing)
{
    App *app = data;
    ImageCollector *c = app->collector;
    _free_ char *folder = NULL;
    struct statvfs fs;
    int64_t all, available, usage, wanted;

    if (!c)
        return false;
    if (c->sweeping)
        return true;
    folder = mem_printf("%s/images", app->options->data);
    if (c->high >= 100 || (!missing && clock_mono_ns(app->clock) < c->next_ns) ||
        statvfs(folder, &fs) < 0)
        return false;
    all = (int64_t)((uint64_t)fs.f_blocks * fs.f_frsize);
    available = (int64_t)MIN_OF((uint64_t)fs.f_bavail * fs.f_frsize, (uint64_t)all);
    usage = all ? 100 - available * 100 / all : 0;
    if (usage < c->high && !missing) {
        c->failed = false;
        return false;
    }
    wanted = MAX_OF(all / 100 * (100 - c->low) - available, (int64_t)missing);
    return wanted > 0 && attempt(c, wanted, usage, &fs);
}

void app_image_added(void *data)
{
    App *app = data;

    if (app->node)
        node_image_added(app->node);
    (void)image_collector_look(app, 0);
}

/* ---- start and stop ---- */

static int read_percent(const char *option, const char *text, int64_t *ret, Err *reterr)
{
    if (text && str_to_int64(text, 0, 100, ret) != 0)
        return err_set(reterr, 0, "%s %s: give a number from 0 to 100", option, text);
    return 0;
}

int image_collector_start(App *app, Err *reterr)
{
    const Options *o = app->options;
    ImageCollector *c = mem_new_type(ImageCollector);
    int64_t age_ns = MIN_AGE * NS_PER_SEC;
    int r;

    c->app = app;
    c->high = HIGH_THRESHOLD;
    c->low = LOW_THRESHOLD;
    app->collector = c;
    c->events = event_recorder_new(server_client(app->server, "system:node"), app->clock, "kubelet",
                                   o->node_name);
    r = read_percent("--image-gc-high-threshold", o->image_gc_high, &c->high, reterr);
    if (r >= 0)
        r = read_percent("--image-gc-low-threshold", o->image_gc_low, &c->low, reterr);
    if (r >= 0 && c->low >= c->high)
        r = err_set(reterr, 0,
                    "--image-gc-low-threshold %" PRId64 ": it has to be lower than "
                    "--image-gc-high-threshold, which is %" PRId64,
                    c->low, c->high);
    if (r >= 0 && o->image_min_age && duration_parse(o->image_min_age, &age_ns) != 0)
        r = err_set(reterr, 0, "--minimum-image-ttl-duration %s: give a duration such as 2m",
                    o->image_min_age);
    c->min_age = age_ns / NS_PER_SEC;
    return r;
}

void image_collector_stop(App *app)
{
    ImageCollector *c = app->collector;

    app->collector = NULL;
    if (!c)
        return;
    c->app = NULL;
    if (!c->sweeping)
        collector_free(c);
}
