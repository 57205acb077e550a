/* SPDX-License-Identifier: Apache-2.0 */
/* How the verbs of `stead image` reach the image store: through the server, or directly. */
#include "cli/control_call.h"
#include "daemon/daemon.h"
#include "daemon/image/verbs.h"
#include "image/local/local.h"

#define IMPORT_TIMEOUT_NS (INT64_C(1800) * 1000000000)

int image_direct_open(ImageDirect *direct, const Options *options, Err *reterr)
{
    _free_ char *dir = mem_printf("%s/images", options->data);
    App app = {0};
    int r;

    app_find_files(&app, "stead");
    uv_loop_init(&direct->loop);
    r = image_store_open(&direct->loop, dir, app.image_dir, &direct->images, reterr);
    if (r >= 0)
        r = local_stores_open(options->image_stores, direct->images, reterr);
    free(app.helper_dir);
    free(app.image_dir);
    return r;
}

void image_direct_close(ImageDirect *direct)
{
    direct->images = image_store_close(direct->images);
    uv_run(&direct->loop, UV_RUN_DEFAULT);
    uv_loop_close(&direct->loop);
}

int image_call(const Options *options, const char *method, const char *path, StrBuf *ret,
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

const char *image_short_name(const char *name)
{
    static const char *const prefixes[] = {"docker.io/library/", "docker.io/"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts_with(name, prefixes[i]))
            return name + strlen(prefixes[i]);
    return name;
}
