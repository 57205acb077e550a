/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image rm NAME...`, `tag NAME NEW-NAME`, `prune`, `export NAME... FILE` and `push NAME [TO]`. */
#include "daemon/image/credentials.h"
#include "daemon/image/verbs.h"

/* Prints what was done, a line each. */
static int report(Options *options, const ImageRequest *request, Err *reterr)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    int r = image_do(options, request, &text, reterr);

    for (char *at = text.p, *line; r == 0 && (line = strsep(&at, "\n"));)
        if (*line)
            puts(image_short_name(line));
    return r;
}

int image_verb_rm(Options *options, Err *reterr)
{
    int r = 0;

    for (size_t i = 1; r == 0 && i < options->n_words; i++)
        r = report(
            options,
            &(ImageRequest){.method = "POST", .path = "/images/remove", .name = options->words[i]},
            reterr);
    return r;
}

int image_verb_tag(Options *options, Err *reterr)
{
    return report(options,
                  &(ImageRequest){.method = "POST",
                                  .path = "/images/tag",
                                  .name = options->words[1],
                                  .other = options->words[2]},
                  reterr);
}

int image_verb_prune(Options *options, Err *reterr)
{
    return report(options,
                  &(ImageRequest){.method = "POST", .path = "/images/prune", .all = options->all},
                  reterr);
}

int image_verb_export(Options *options, Err *reterr)
{
    _strbuf_ StrBuf names = STRBUF_INIT;
    const char *file = options->words[options->n_words - 1], *slash = strrchr(file, '/');
    _free_ char *folder = slash == file ? mem_strdup("/")
                          : slash       ? mem_strndup(file, (size_t)(slash - file))
                                        : mem_strdup(".");
    _free_ char *whole = NULL;
    char real[PATH_MAX];

    if (!realpath(folder, real))
        return err_set(reterr, errno, "cannot write to %s", folder);
    whole = mem_printf("%s/%s", str_equal(real, "/") ? "" : real, slash ? slash + 1 : file);
    for (size_t i = 1; i + 1 < options->n_words; i++)
        strbuf_printf(&names, "%s\n", options->words[i]);
    return report(options,
                  &(ImageRequest){.method = "POST",
                                  .path = "/images/export",
                                  .name = strbuf_string(&names),
                                  .other = whole},
                  reterr);
}

int image_verb_push(Options *options, Err *reterr)
{
    const char *to = options->words[options->n_words - 1];
    _strbuf_ StrBuf credentials = STRBUF_INIT;
    int r = image_credentials_find(options, to, &credentials, reterr);

    if (r >= 0)
        r = report(options,
                   &(ImageRequest){.method = "POST",
                                   .path = "/images/push",
                                   .name = options->words[1],
                                   .other = to,
                                   .credentials = strbuf_bytes(&credentials)},
                   reterr);
    if (credentials.n)
        explicit_bzero(credentials.p, credentials.n);
    return r;
}
