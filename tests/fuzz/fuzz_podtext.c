/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that pods and the machine give the node: files of variables, resolv.conf, seccomp profiles.
 * The first byte is the length of the key that is looked for. */
#include <yyjson.h>

#include "node/env/env_file.h"
#include "node/env/resolvconf.h"
#include "node/runtime/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf out = STRBUF_INIT;
    size_t length = n ? MIN_OF(p[0] % 16u, n - 1) : 0;
    const char *key = arena_strndup(&arena, (const char *)p + (n > 0), length);
    const char *text =
                   arena_strndup(&arena, (const char *)p + (n > 0) + length, n - (n > 0) - length),
               *value;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *profile;
    ResolvConf conf = {0};

    (void)env_file_find(text, key, &arena, &value, NULL);
    resolv_conf_read(&conf, text);
    resolv_conf_print(&conf, &out);
    resolv_conf_deinit(&conf);
    (void)seccomp_parse(text, strlen(text), doc, &profile, NULL);
    yyjson_mut_doc_free(doc);
    return 0;
}
