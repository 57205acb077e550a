/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead image import FILE... | make NAME FOLDER|PROGRAM | ls | rm NAME...`: uses the server if it runs, and otherwise works directly
 * on the image store.
 */
#include <uv.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "cli/control_call.h"
#include "cli/url.h"
#include "daemon/commands.h"
#include "daemon/daemon.h"
#include "image/make.h"

#define IMPORT_TIMEOUT_NS (INT64_C(1800) * 1000000000)

typedef struct Direct {
    uv_loop_t loop;
    ImageStore *images;
} Direct;

static int direct_open(Direct *direct, const Options *options, Err *reterr)
{
    _free_ char *dir = mem_printf("%s/images", options->data);
    App app = {0};
    int r;

    app_find_files(&app, "stead");
    uv_loop_init(&direct->loop);
    r = image_store_open(&direct->loop, dir, app.image_dir, &direct->images, reterr);
    free(app.helper_dir);
    free(app.image_dir);
    return r;
}

static void direct_close(Direct *direct)
{
    direct->images = image_store_close(direct->images);
    uv_run(&direct->loop, UV_RUN_DEFAULT);
    uv_loop_close(&direct->loop);
}

/* Calls the server. Returns 0 with the answer in *ret, or a negative error with the answer as the message. */
static int ask(const Options *options, const char *method, const char *path, StrBuf *ret,
               Err *reterr)
{
    int status = control_call(options->run, method, path, IMPORT_TIMEOUT_NS, ret, reterr);

    if (status < 0)
        return status;
    if (status == 200)
        return 0;
    strbuf_truncate(ret, strcspn(strbuf_string(ret), "\n"));
    return err_set(reterr, 0, "%s", strbuf_string(ret));
}

/* Removes the default registry: "docker.io/library/web:1" becomes "web:1". */
static const char *short_name(const char *name)
{
    static const char *const prefixes[] = {"docker.io/library/", "docker.io/"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts_with(name, prefixes[i]))
            return name + strlen(prefixes[i]);
    return name;
}

/* Imports an archive and prints the names of its images. */
static int import_one(Options *options, const char *file, const char *done, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, names = STRBUF_INIT;
    char real[PATH_MAX];
    int64_t limit = 0;

    if (!realpath(file, real))
        return err_set(reterr, errno, "cannot read %s", file);
    if (options->limit && options_size("--limit", options->limit, 1, &limit, reterr) < 0)
        return -EINVAL;
    if (control_is_alive(options->run)) {
        int r;

        strbuf_add_string(&path, "/images");
        url_add_query(&path, "file", real);
        strbuf_printf(&path, "&limit=%" PRId64, limit);
        r = ask(options, "POST", path.p, &names, reterr);
        if (r < 0)
            return r;
    } else {
        Direct direct = {0};
        StringArray list = {0};
        int r = direct_open(&direct, options, reterr);

        if (r == 0)
            r = image_import(direct.images, real, (uint64_t)limit, &list, &options->arena, reterr);
        direct_close(&direct);
        if (r < 0)
            return r;
        for (size_t i = 0; i < list.n; i++)
            strbuf_printf(&names, "%s\n", list.v[i]);
    }
    for (char *at = names.p, *line; (line = strsep(&at, "\n"));)
        if (*line)
            printf("%s %s\n", short_name(line), done);
    return 0;
}

static int import(Options *options, Err *reterr)
{
    int r = 0;

    for (size_t i = 1; r == 0 && i < options->n_words; i++)
        r = import_one(options, options->words[i], "imported", reterr);
    return r;
}

/* ---- make ---- */

static int read_base(Options *options, Bytes *ret, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, text = STRBUF_INIT;
    Direct direct = {0};
    int r;

    if (!options->base)
        return 0;
    if (control_is_alive(options->run)) {
        strbuf_add_string(&path, "/images/config");
        url_add_query(&path, "name", options->base);
        r = ask(options, "GET", path.p, &text, reterr);
        if (r == 0)
            *ret = (Bytes){
                (const uint8_t *)arena_strndup(&options->arena, strbuf_string(&text), text.n),
                text.n};
        return r;
    }
    r = direct_open(&direct, options, reterr);
    if (r == 0)
        r = image_read_config(direct.images, options->base, &options->arena, ret, reterr);
    direct_close(&direct);
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

/* NAME FOLDER|PROGRAM [-- COMMAND...]; two words stand before the dashes. */
static int make(Options *options, Err *reterr)
{
    char folder[] = "/var/tmp/stead-image-XXXXXX";
    _free_ char *archive = NULL;
    ImageRecipe recipe = {
        .name = options->words[1],
        .source = options->words[2],
        .env = options->env,
        .command = {.v = (void *)(uintptr_t)(options->words + 3), .n = options->n_words - 3},
        .working_dir = options->working_dir,
        .user = options->user};
    int r = check_recipe(&recipe, reterr);

    if (r == 0)
        r = read_base(options, &recipe.base, reterr);
    if (r < 0)
        return r;
    if (!mkdtemp(folder))
        return err_set(reterr, errno, "make %s", folder);
    archive = mem_printf("%s/image.tar", folder);
    r = image_make(&recipe, archive, reterr);
    if (r == 0)
        r = import_one(options, archive, "made", reterr);
    file_remove_tree(folder);
    return r;
}

/* ---- ls, rm ---- */

/* Prints a row of the table. */
static void print_row(const char *name, const char *id, const char *size_text)
{
    const char *colon = strrchr(name, ':'), *slash = strrchr(name, '/');
    int length = colon && colon > (slash ? slash : name) ? (int)(colon - name) : (int)strlen(name);
    const char *hash = strchr(id, ':');
    int64_t size = 0;

    str_to_int64(size_text, 0, INT64_MAX, &size);
    printf("%-44.*s %-12s %-14.12s %6.1f MB\n", length, name, name[length] ? name + length + 1 : "",
           hash ? hash + 1 : id, (double)size / 1e6);
}

static void add_row(void *data, const Image *image)
{
    strbuf_printf(data, "%s\t%s\t%" PRId64 "\n", image->name, image->id, image->size);
}

static int list(Options *options, Err *reterr)
{
    _strbuf_ StrBuf rows = STRBUF_INIT;
    int r;

    if (control_is_alive(options->run)) {
        r = ask(options, "GET", "/images", &rows, reterr);
    } else {
        Direct direct = {0};

        r = direct_open(&direct, options, reterr);
        if (r == 0)
            image_list(direct.images, &options->arena, add_row, &rows);
        direct_close(&direct);
    }
    if (r < 0)
        return r;
    printf("%-44s %-12s %-14s %9s\n", "IMAGE", "TAG", "ID", "SIZE");
    for (char *line = rows.p; line && *line;) {
        char *tab = strchr(line, '\t'), *second = tab ? strchr(tab + 1, '\t') : NULL,
             *end = second ? strchr(second, '\n') : NULL;

        if (!end)
            break;
        *tab = *second = *end = 0;
        print_row(short_name(line), tab + 1, second + 1);
        line = end + 1;
    }
    return 0;
}

static int remove_one(Options *options, const char *name, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, answer = STRBUF_INIT;
    int r;

    if (control_is_alive(options->run)) {
        strbuf_add_string(&path, "/images");
        url_add_query(&path, "name", name);
        r = ask(options, "DELETE", path.p, &answer, reterr);
    } else {
        Direct direct = {0};

        r = direct_open(&direct, options, reterr);
        if (r == 0 && image_remove(direct.images, name, reterr) == IMAGE_E_MISSING)
            r = err_set(reterr, 0, "there is no image %s", name);
        direct_close(&direct);
        strbuf_printf(&answer, "%s removed\n", name);
    }
    if (r == 0)
        fputs(short_name(strbuf_string(&answer)), stdout);
    return r;
}

static int remove_all(Options *options, Err *reterr)
{
    int r = 0;

    for (size_t i = 1; r == 0 && i < options->n_words; i++)
        r = remove_one(options, options->words[i], reterr);
    return r;
}

/* clang-format off */
static const struct {
    const char *name;
    int (*run)(Options *options, Err *reterr);
    size_t min_words, max_words; /* before the dashes, with the verb */
    const char *usage;
} verbs[] = {
    {"import", import,     2, SIZE_MAX, "import [--limit SIZE] FILE..."},
    {"make",   make,       3, 3,        "make NAME FOLDER|PROGRAM [-- COMMAND [ARG...]]"},
    {"ls",     list,       1, 1,        "ls"},
    {"list",   list,       1, 1,        NULL},
    {"rm",     remove_all, 2, SIZE_MAX, "rm NAME..."},
};
/* clang-format on */

static int explain(void)
{
    fprintf(stderr, "stead: use one of these:\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (verbs[i].usage)
            fprintf(stderr, "  stead image %s\n", verbs[i].usage);
    return 2;
}

int command_image(const char *program, Options *options)
{
    size_t n = MIN_OF(options->n_words, options->n_before_dashes);
    Err err = ERR_INIT;

    (void)program;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!n || !str_equal(options->words[0], verbs[i].name))
            continue;
        if (n < verbs[i].min_words || n > verbs[i].max_words)
            break;
        if (need_root("image"))
            return 1;
        return verbs[i].run(options, &err) < 0 ? fail(&err) : 0;
    }
    return explain();
}
