/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image import FILE...` */
#include "cli/control_call.h"
#include "cli/url.h"
#include "daemon/image/verbs.h"

int image_import_file(Options *options, const char *file, const char *done, const atomic_bool *stop,
                      Err *reterr)
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
        r = image_call(options, "POST", path.p, BYTES_NULL, &names, reterr);
        if (r < 0)
            return r;
    } else {
        ImageDirect direct = {0};
        StringArray list = {0};
        int r = image_direct_open(&direct, options, reterr);

        if (r == 0) {
            image_store_stop_on(direct.images, stop);
            r = image_import(direct.images, real, (uint64_t)limit, &list, &options->arena, reterr);
        }
        image_direct_close(&direct);
        if (r < 0)
            return r;
        for (size_t i = 0; i < list.n; i++)
            strbuf_printf(&names, "%s\n", list.v[i]);
    }
    if (isatty(STDERR_FILENO)) /* remove a line of progress */
        fprintf(stderr, "\r\033[K");
    for (char *at = names.p, *line; (line = strsep(&at, "\n"));)
        if (*line)
            printf("%s %s\n", image_short_name(line), done);
    return 0;
}

int image_verb_import(Options *options, Err *reterr)
{
    int r = 0;

    for (size_t i = 1; r == 0 && i < options->n_words; i++)
        r = image_import_file(options, options->words[i], "imported", NULL, reterr);
    return r;
}
