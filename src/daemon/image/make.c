/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image make NAME FOLDER|PROGRAM`: writes an archive, and imports it. */
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/files/file.h"
#include "base/time/clock.h"
#include "cli/control_call.h"
#include "cli/url.h"
#include "daemon/image/verbs.h"
#include "image/make.h"

static int read_base(Options *options, Bytes *ret, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, text = STRBUF_INIT;
    ImageDirect direct = {0};
    int r;

    if (!options->base)
        return 0;
    if (control_is_alive(options->run)) {
        strbuf_add_string(&path, "/images/config");
        url_add_query(&path, "name", options->base);
        r = image_call(options, "GET", path.p, BYTES_NULL, &text, reterr);
        if (r == 0)
            *ret = (Bytes){
                (const uint8_t *)arena_strndup(&options->arena, strbuf_string(&text), text.n),
                text.n};
        return r;
    }
    r = image_direct_open(&direct, options, reterr);
    if (r == 0)
        r = image_read_config(direct.images, options->base, &options->arena, ret, reterr);
    image_direct_close(&direct);
    return r > 0 ? -ENOENT : r;
}

static int check_recipe(const ImageRecipe *recipe, Err *reterr)
{
    Arena scratch = ARENA_INIT;
    bool valid = image_normalize(&scratch, recipe->name) && !strchr(recipe->name, '@');

    arena_clear(&scratch);
    if (!valid)
        return err_set(reterr, 0, "%s is not a valid name for an image; web:1 would be",
                       recipe->name);
    for (size_t i = 0; i < recipe->env.n; i++)
        if (strcspn(recipe->env.v[i], "=") == 0 || !strchr(recipe->env.v[i], '='))
            return err_set(reterr, 0, "--env %s: give NAME=VALUE", recipe->env.v[i]);
    if (recipe->working_dir && recipe->working_dir[0] != '/')
        return err_set(reterr, 0, "--workdir %s: give an absolute path", recipe->working_dir);
    return 0;
}

/* ---- interruption and progress ---- */

#define SHOW_EVERY_NS (200 * NS_PER_MS)

/* The one archive that this process makes, for the signal handler. */
static struct {
    char folder[PATH_MAX], archive[PATH_MAX];
    atomic_bool stop; /* a signal has arrived */
    bool direct;      /* the import runs in this process, and cleans up after itself */
} making;

/* The server ends its part when this process is gone. */
static void on_signal(int number)
{
    atomic_store(&making.stop, true);
    if (making.direct)
        return;
    unlink(making.archive);
    rmdir(making.folder);
    _exit(128 + number);
}

static void handle_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        sigaction(numbers[i], &action, NULL);
}

typedef struct Progress {
    const char *name;
    int64_t shown_ns;
} Progress;

static void show(const char *name, const char *what, int64_t done, int64_t all)
{
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K%s: %s", name, what);
    if (done && all)
        fprintf(stderr, " %.2f of %.2f GB", (double)done / 1e9, (double)all / 1e9);
    else if (done)
        fprintf(stderr, " %.2f GB", (double)done / 1e9);
    fflush(stderr);
}

static void on_bytes(void *data, int64_t done, int64_t all)
{
    Progress *progress = data;
    struct timespec now;
    int64_t now_ns;

    clock_gettime(CLOCK_MONOTONIC, &now);
    now_ns = now.tv_sec * NS_PER_SEC + now.tv_nsec;
    if (now_ns - progress->shown_ns < SHOW_EVERY_NS)
        return;
    progress->shown_ns = now_ns;
    show(progress->name, all ? "writing" : "reading", done, all);
}

/* NAME FOLDER|PROGRAM [-- COMMAND...]; two words stand before the dashes. */
int image_verb_make(Options *options, Err *reterr)
{
    Progress progress = {.name = options->words[1]};
    ImageRecipe recipe = {
        .name = options->words[1],
        .source = options->words[2],
        .env = options->env,
        .entrypoint = options->entrypoint,
        .command = {.v = (void *)(uintptr_t)(options->words + 3), .n = options->n_words - 3},
        .working_dir = options->working_dir,
        .user = options->user,
        .on_bytes = on_bytes,
        .on_bytes_data = &progress};
    int r = check_recipe(&recipe, reterr);

    if (r == 0)
        r = read_base(options, &recipe.base, reterr);
    if (r < 0)
        return r;
    snprintf(making.folder, sizeof(making.folder), "/var/tmp/stead-image-XXXXXX");
    if (!mkdtemp(making.folder))
        return err_set(reterr, errno, "make %s", making.folder);
    snprintf(making.archive, sizeof(making.archive), "%.64s/image.tar", making.folder);
    making.direct = false;
    handle_signals();
    r = image_make(&recipe, making.archive, reterr);
    if (r == 0) {
        making.direct = !control_is_alive(options->run);
        show(recipe.name, "unpacking", 0, 0);
        r = image_import_file(options, making.archive, "made", making.direct ? &making.stop : NULL,
                              reterr);
    }
    if (r < 0 && isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
    file_remove_tree(making.folder);
    return r;
}
