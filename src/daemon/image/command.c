/* SPDX-License-Identifier: Apache-2.0 */
/* `stead image VERB`: the table of the verbs. */
#include "daemon/commands.h"
#include "daemon/image/verbs.h"

/* clang-format off */
static const struct {
    const char *name;
    int (*run)(Options *options, Err *reterr);
    size_t min_words, max_words; /* before the dashes, with the verb */
    const char *usage;
    bool for_all; /* works without root, through the API */
} verbs[] = {
    {"import",  image_verb_import,  2, SIZE_MAX, "import [--limit SIZE] FILE..."},
    {"pull",    image_verb_pull,    2, SIZE_MAX, "pull [--platform OS/ARCH] [--creds FILE] NAME..."},
    {"make",    image_verb_make,    3, 3,        "make NAME FOLDER|PROGRAM [-- COMMAND [ARG...]]"},
    {"ls",      image_verb_ls,      1, 1,        "ls [-o yaml|json|name]", true},
    {"list",    image_verb_ls,      1, 1,        NULL, true},
    {"inspect", image_verb_inspect, 2, SIZE_MAX, "inspect NAME..."},
    {"tag",     image_verb_tag,     3, 3,        "tag NAME NEW-NAME"},
    {"push",    image_verb_push,    2, 3,        "push [--creds FILE] NAME [NAME-IN-REGISTRY]"},
    {"export",  image_verb_export,  3, SIZE_MAX, "export NAME... FILE"},
    {"rm",      image_verb_rm,      2, SIZE_MAX, "rm NAME..."},
    {"prune",   image_verb_prune,   1, 1,        "prune [--all]"},
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
    int r;

    (void)program;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!n || !str_equal(options->words[0], verbs[i].name))
            continue;
        if (n < verbs[i].min_words || n > verbs[i].max_words)
            break;
        if (!verbs[i].for_all && need_root(options, "the images of this machine belong to root"))
            return 1;
        r = verbs[i].run(options, &err);
        return r < 0 ? fail(&err) : r;
    }
    return explain();
}
