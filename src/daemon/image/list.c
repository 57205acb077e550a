/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image ls` */
#include "cli/control_call.h"
#include "daemon/image/verbs.h"

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

int image_verb_ls(Options *options, Err *reterr)
{
    _strbuf_ StrBuf rows = STRBUF_INIT;
    int r = 0;

    if (!control_reaches(options) || control_is_alive(options->run)) {
        if (control_read(options, "/images", &rows))
            return 1;
    } else {
        ImageDirect direct = {0};

        r = image_direct_open(&direct, options, reterr);
        if (r == 0)
            image_list(direct.images, &options->arena, add_row, &rows);
        image_direct_close(&direct);
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
        print_row(image_short_name(line), tab + 1, second + 1);
        line = end + 1;
    }
    return 0;
}
