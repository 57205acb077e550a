/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of `stead image`, a file for each group. A verb uses the server if one runs, and otherwise works directly on the image
 * store, which nobody else uses then.
 */
#ifndef DAEMON_IMAGE_VERBS_H
#define DAEMON_IMAGE_VERBS_H

#include <uv.h>

#include "base/strbuf.h"
#include "cli/command.h"
#include "image/image.h"

/* The image store without a server. */
typedef struct ImageDirect {
    uv_loop_t loop;
    ImageStore *images;
} ImageDirect;

/* direct.c: close it in any case, also after a failed open. */
int image_direct_open(ImageDirect *direct, const Options *options, Err *reterr);
void image_direct_close(ImageDirect *direct);
/* Calls the server. Returns 0 with the answer in *ret, or a negative error with the answer as the message. */
int image_call(const Options *options, const char *method, const char *path, Bytes body,
               StrBuf *ret, Err *reterr);
/* What work.h has to do, by the server or directly. */
typedef struct ImageRequest {
    const char *method; /* NULL: GET */
    const char *path, *name, *other;
    bool all;
    Bytes credentials; /* BYTES_NULL: none */
} ImageRequest;
/* Appends the result. Returns 0, or a negative error with a message. */
int image_do(const Options *options, const ImageRequest *request, StrBuf *ret, Err *reterr);
/* Removes the default registry: "docker.io/library/web:1" becomes "web:1". */
const char *image_short_name(const char *name);

/* import.c: imports an archive, and prints the names of its images with the word `done`. Without a server, the import fails soon after
 * *stop has become true; stop may be NULL. */
int image_import_file(Options *options, const char *file, const char *done, const atomic_bool *stop,
                      Err *reterr);

/* The verbs, whose words are in options->words from [1] on. Each returns 0, 1 after printing a message, or a negative error. */
int image_verb_import(Options *options, Err *reterr);
int image_verb_make(Options *options, Err *reterr);
int image_verb_pull(Options *options, Err *reterr);
int image_verb_ls(Options *options, Err *reterr);
int image_verb_inspect(Options *options, Err *reterr);
int image_verb_rm(Options *options, Err *reterr);
int image_verb_tag(Options *options, Err *reterr);
int image_verb_prune(Options *options, Err *reterr);
int image_verb_export(Options *options, Err *reterr);
int image_verb_push(Options *options, Err *reterr);

#endif
