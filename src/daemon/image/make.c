/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image make NAME FOLDER|PROGRAM`: writes an archive, and imports it. */
#include "base/files/file.h"
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
        r = image_call(options, "GET", path.p, &text, reterr);
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

/* NAME FOLDER|PROGRAM [-- COMMAND...]; two words stand before the dashes. */
int image_verb_make(Options *options, Err *reterr)
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
        r = image_import_file(options, archive, "made", reterr);
    file_remove_tree(folder);
    return r;
}
