/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image ls` and `stead image inspect NAME...` */
#include <time.h>
#include <yyjson.h>

#include "base/timefmt.h"
#include "api/print.h"
#include "cli/control_call.h"
#include "cli/output.h"
#include "daemon/image/verbs.h"

static const char *string_of(yyjson_val *object, const char *name)
{
    const char *s = yyjson_get_str(yyjson_obj_get(object, name));

    return s ? s : "";
}

static void print_since(const char *when)
{
    _strbuf_ StrBuf age = STRBUF_INIT;
    Time since = {.set = true};
    struct timespec now;

    if (timefmt_parse(when, &since.seconds, &since.nanos) != 0) {
        printf(" %6s", "-");
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    print_age(&age, since, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    printf(" %6s", strbuf_string(&age));
}

/* Prints a row of the table. */
static void print_row(yyjson_val *image)
{
    const char *name = image_short_name(string_of(image, "name")), *id = string_of(image, "id");
    const char *colon = strrchr(name, ':'), *slash = strrchr(name, '/'), *hash = strchr(id, ':');
    int length = colon && colon > (slash ? slash : name) ? (int)(colon - name) : (int)strlen(name);
    bool nameless = str_equal(name, id);
    yyjson_val *size = yyjson_obj_get(image, "size");

    if (nameless)
        printf("%-40s %-12s", "<none>", "<none>");
    else
        printf("%-40.*s %-12s", length, name, name[length] ? name + length + 1 : "");
    printf(" %-12.12s", hash ? hash + 1 : id);
    if (size)
        printf(" %8.1f MB", (double)yyjson_get_sint(size) / 1e6);
    else
        printf(" %11s", "-");
    print_since(string_of(image, "created"));
    printf(" %-10s %6" PRId64 "\n", string_of(image, "where"),
           yyjson_get_sint(yyjson_obj_get(image, "containers")));
}

static int print(const Options *options, yyjson_val *root, Err *reterr)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    OutputStyle style = {.yaml = str_equal(options->output, "yaml")};
    yyjson_arr_iter iter;
    yyjson_val *image;
    bool names = str_equal(options->output, "name");

    if (style.yaml || str_equal(options->output, "json")) {
        output_object(&style, root, &text);
        fputs(strbuf_string(&text), stdout);
        return 0;
    }
    if (options->output && !names && !str_equal(options->output, "wide"))
        return err_set(reterr, 0, "-o %s: give wide, yaml, json or name", options->output);
    if (!names)
        printf("%-40s %-12s %-12s %11s %6s %-10s %6s\n", "IMAGE", "TAG", "ID", "SIZE", "AGE",
               "WHERE", "IN USE");
    iter = yyjson_arr_iter_with(root);
    while ((image = yyjson_arr_iter_next(&iter))) {
        if (names)
            puts(image_short_name(string_of(image, "name")));
        else
            print_row(image);
    }
    return 0;
}

int image_verb_ls(Options *options, Err *reterr)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    yyjson_doc *doc;
    int r = 0;

    if (control_reaches(options) && !control_is_alive(options->run))
        r = image_do(options, &(ImageRequest){.path = "/images"}, &text, reterr);
    else if (control_read(options, "/images", &text))
        return 1;
    if (r < 0)
        return r;
    doc = yyjson_read(strbuf_string(&text), text.n, 0);
    r = print(options, yyjson_doc_get_root(doc), reterr);
    yyjson_doc_free(doc);
    return r;
}

/* As `docker inspect`, a list, whatever the number of names. */
int image_verb_inspect(Options *options, Err *reterr)
{
    _strbuf_ StrBuf all = STRBUF_INIT;
    yyjson_doc *doc;
    int r = 0;

    strbuf_add_char(&all, '[');
    for (size_t i = 1; i < options->n_words && r >= 0; i++) {
        if (i > 1)
            strbuf_add_char(&all, ',');
        r = image_do(options, &(ImageRequest){.path = "/images/inspect", .name = options->words[i]},
                     &all, reterr);
    }
    if (r < 0)
        return r;
    strbuf_add_char(&all, ']');
    if (!options->output)
        options->output = "json";
    doc = yyjson_read(strbuf_string(&all), all.n, 0);
    r = print(options, yyjson_doc_get_root(doc), reterr);
    yyjson_doc_free(doc);
    return r;
}
