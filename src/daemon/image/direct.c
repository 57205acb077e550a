/* SPDX-License-Identifier: Apache-2.0 */
/* How the verbs of `stead image` reach the image store: through the server, or directly. */
#include "cli/control_call.h"
#include "cli/url.h"
#include "daemon/daemon.h"
#include "daemon/image/use.h"
#include "daemon/image/verbs.h"
#include "daemon/image/work.h"
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

int image_call(const Options *options, const char *method, const char *path, Bytes body,
               StrBuf *ret, Err *reterr)
{
    int status = control_call(options->run, method, path, body, IMPORT_TIMEOUT_NS, ret, reterr);

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

static int do_directly(const Options *options, const ImageRequest *request, StrBuf *ret,
                       Err *reterr)
{
    ImageDirect direct = {0};
    StrMap uses = STRMAP_INIT;
    const ImageWorkKind *kind = image_work_find(request->path);
    int r = image_direct_open(&direct, options, reterr);
    ImageWork work = {.images = direct.images,
                      .name = str_or(request->name, ""),
                      .other = str_or(request->other, ""),
                      .all = request->all,
                      .credentials = arena_bytes(&work.arena, request->credentials),
                      .uses = &uses};

    if (r == 0 && kind->begin) {
        r = image_uses_read(options->data, direct.images, &work.arena, &uses, reterr);
        if (r == 0)
            r = kind->begin(&work, reterr);
    }
    if (r == 0)
        r = kind->run(&work, reterr);
    if (r == 0)
        strbuf_add(ret, strbuf_string(&work.text), work.text.n);
    image_work_deinit(&work);
    strmap_deinit(&uses);
    image_direct_close(&direct);
    return r > 0 ? -ENOENT : r;
}

int image_do(const Options *options, const ImageRequest *request, StrBuf *ret, Err *reterr)
{
    _strbuf_ StrBuf path = STRBUF_INIT, text = STRBUF_INIT;
    int r;

    if (!control_is_alive(options->run))
        return do_directly(options, request, ret, reterr);
    strbuf_add_string(&path, request->path);
    if (request->name)
        url_add_query(&path, "name", request->name);
    if (request->other)
        url_add_query(&path, "other", request->other);
    if (request->all)
        url_add_query(&path, "all", "true");
    r = image_call(options, str_or(request->method, "GET"), path.p, request->credentials, &text,
                   reterr);
    if (r == 0)
        strbuf_add(ret, strbuf_string(&text), text.n);
    return r;
}
