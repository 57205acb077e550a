/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image rm NAME...` */
#include "cli/control_call.h"
#include "cli/url.h"
#include "daemon/image/verbs.h"

static int remove_one(Options *options, const char *name, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, answer = STRBUF_INIT;
    int r;

    if (control_is_alive(options->run)) {
        strbuf_add_string(&path, "/images");
        url_add_query(&path, "name", name);
        r = image_call(options, "DELETE", path.p, &answer, reterr);
    } else {
        ImageDirect direct = {0};

        r = image_direct_open(&direct, options, reterr);
        if (r == 0 && image_remove(direct.images, name, reterr) == IMAGE_E_MISSING)
            r = err_set(reterr, 0, "there is no image %s", name);
        image_direct_close(&direct);
        strbuf_printf(&answer, "%s removed\n", name);
    }
    if (r == 0)
        fputs(image_short_name(strbuf_string(&answer)), stdout);
    return r;
}

int image_verb_rm(Options *options, Err *reterr)
{
    int r = 0;

    for (size_t i = 1; r == 0 && i < options->n_words; i++)
        r = remove_one(options, options->words[i], reterr);
    return r;
}
