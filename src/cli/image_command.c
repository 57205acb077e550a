/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image import FILE... | ls | rm NAME...`: through the server where one runs, else straight
 * on the store. */
#include <uv.h>

#include "base/strbuf.h"
#include "cli/command.h"
#include "cli/control_socket.h"
#include "image/image.h"

#define IMPORT_TIMEOUT_NS (INT64_C(1800) * 1000000000)

typedef struct Direct {
    uv_loop_t loop;
    ImageStore *images;
} Direct;

static int direct_open(Direct *direct, const Options *options, Err *reterr)
{
    _free_ char *dir = mem_printf("%s/images", options->data);

    uv_loop_init(&direct->loop);
    return image_store_open(&direct->loop, dir, NULL, &direct->images, reterr);
}

static void direct_close(Direct *direct)
{
    direct->images = image_store_close(direct->images);
    uv_run(&direct->loop, UV_RUN_DEFAULT);
    uv_loop_close(&direct->loop);
}

/* Asks the server; the answer is printed, or becomes the message. */
static int ask(const Options *options, const char *method, const char *path, StrBuf *ret,
               Err *reterr)
{
    int status = control_socket_call(options->run, method, path, IMPORT_TIMEOUT_NS, ret, reterr);

    if (status < 0)
        return status;
    if (status == 200)
        return 0;
    strbuf_truncate(ret, strcspn(strbuf_string(ret), "\n"));
    return err_set(reterr, 0, "%s", strbuf_string(ret));
}

static int import_one(Options *options, const char *file, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, names = STRBUF_INIT;
    char real[PATH_MAX];

    if (!realpath(file, real))
        return err_set(reterr, errno, "cannot read %s", file);
    if (control_socket_alive(options->run)) {
        int r;

        strbuf_add_string(&path, "/images?file=");
        control_socket_encode(&path, real);
        r = ask(options, "POST", path.p, &names, reterr);
        if (r < 0)
            return r;
    } else {
        Direct direct = {0};
        StringArray list = {0};
        int r = direct_open(&direct, options, reterr);

        if (r == 0)
            r = image_import(direct.images, real, &list, &options->arena, reterr);
        direct_close(&direct);
        if (r < 0)
            return r;
        for (size_t i = 0; i < list.n; i++)
            strbuf_printf(&names, "%s\n", list.v[i]);
    }
    for (char *line = names.p ? names.p : (char *)(uintptr_t) "", *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end)
            break;
        printf("%.*s imported\n", (int)(end - line), line);
    }
    return 0;
}

/* name TAB id TAB size, as a table */
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

    if (control_socket_alive(options->run)) {
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
        print_row(line, tab + 1, second + 1);
        line = end + 1;
    }
    return 0;
}

static int remove_one(Options *options, const char *name, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, answer = STRBUF_INIT;
    int r;

    if (control_socket_alive(options->run)) {
        strbuf_add_string(&path, "/images?name=");
        control_socket_encode(&path, name);
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
        fputs(strbuf_string(&answer), stdout);
    return r;
}

int command_image(const char *program, Options *options)
{
    const char *verb = options->words[0];
    Err err = ERR_INIT;
    int r = 0;

    (void)program;
    if (need_root("image"))
        return 1;
    if (str_equal(verb, "ls") || str_equal(verb, "list")) {
        r = list(options, &err);
        return r < 0 ? fail(&err) : 0;
    }
    if ((!str_equal(verb, "import") && !str_equal(verb, "rm")) || options->n_words < 2) {
        fprintf(stderr, "stead: say one of: stead image import FILE..., stead image ls, stead "
                        "image rm NAME...\n");
        return 2;
    }
    for (size_t i = 1; r == 0 && i < options->n_words; i++)
        r = str_equal(verb, "rm") ? remove_one(options, options->words[i], &err)
                                  : import_one(options, options->words[i], &err);
    return r < 0 ? fail(&err) : 0;
}
