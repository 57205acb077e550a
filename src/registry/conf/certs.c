/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>

#include "base/files/file.h"
#include "base/strbuf.h"
#include "registry/conf/certs.h"

#define CA_MAX (1u << 20) /* bytes of all certificates together */

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int add_ca(StrBuf *ca, const char *path, Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r = file_read(path, CA_MAX - ca->n, &text, &n);

    if (r)
        return err_set(reterr, -r, "read %s", path);
    strbuf_add(ca, text, n);
    strbuf_add_char(ca, '\n');
    return 0;
}

static int add_client(RegistryCerts *certs, const char *path, Arena *arena, Err *reterr)
{
    const char *key = arena_printf(arena, "%.*s.key", (int)(strlen(path) - strlen(".cert")), path);

    if (certs->client_cert)
        return 0; /* only the first client certificate is used */
    if (!file_exists(key))
        return err_set(reterr, 0, "%s has no key: %s is missing", path, key);
    certs->client_cert = path;
    certs->client_key = key;
    return 0;
}

int registry_certs_read(const char *const *dirs, const char *host, Arena *arena, RegistryCerts *ret,
                        Err *reterr)
{
    _strbuf_ StrBuf ca = STRBUF_INIT;
    struct dirent **entries = NULL;
    const char *folder = NULL;
    int n = -1, r = 0;

    *ret = (RegistryCerts){0};
    for (; *dirs && n < 0; dirs++) {
        folder = arena_printf(arena, "%s/%s", *dirs, host);
        n = scandir(folder, &entries, is_visible, alphasort);
    }
    for (int i = 0; i < n; i++) {
        const char *path = arena_printf(arena, "%s/%s", folder, entries[i]->d_name);

        if (r == 0 && str_ends_with(path, ".crt"))
            r = add_ca(&ca, path, reterr);
        else if (r == 0 && str_ends_with(path, ".cert"))
            r = add_client(ret, path, arena, reterr);
        free(entries[i]);
    }
    free(entries);
    if (ca.n)
        ret->ca = arena_strdup(arena, strbuf_string(&ca));
    return ERR_TRACE(r);
}
