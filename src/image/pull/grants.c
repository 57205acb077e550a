/* SPDX-License-Identifier: Apache-2.0 */
/* See grants.h. */
#include <yyjson.h>

#include "base/files/file.h"
#include "codec/json/json.h"
#include "image/internal.h"
#include "image/pull/grants.h"

#define GRANTS_BYTES_MAX (1u << 20)
#define REPOSITORIES_MAX 256
#define SECRETS_MAX 100 /* of one repository, as for kubelet */

typedef struct Grant {
    const char *repository;
    bool all;
    PullSecret *secrets;
    size_t n;
} Grant;

typedef struct Grants {
    Grant v[REPOSITORIES_MAX];
    size_t n;
} Grants;

void credential_hash(const Credential *credential, char ret[static DIGEST_TEXT])
{
    const char *const parts[] = {credential->user, credential->password, credential->identity_token,
                                 credential->registry_token};
    _digest_ Digest digest = {0};

    digest_init(&digest);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        digest_add(&digest, str_or(parts[i], ""), strlen(str_or(parts[i], "")) + 1);
    digest_finish(&digest, ret);
}

static char *grants_path(const ImageStore *store, const char *id)
{
    return mem_printf("%s/grants/%s.json", store->dir, digest_hex(id));
}

static const char *text_of(Arena *arena, yyjson_val *object, const char *name)
{
    return arena_strdup(arena, str_or(yyjson_get_str(yyjson_obj_get(object, name)), ""));
}

static void decode_grant(const char *repository, yyjson_val *json, Arena *arena, Grant *ret)
{
    yyjson_val *secrets = yyjson_obj_get(json, "secrets"), *item;
    yyjson_arr_iter iter;

    ret->repository = arena_strdup(arena, repository);
    ret->all = yyjson_get_bool(yyjson_obj_get(json, "all"));
    ret->secrets = arena_new_n(arena, PullSecret, SECRETS_MAX + 1);
    yyjson_arr_iter_init(secrets, &iter);
    while ((item = yyjson_arr_iter_next(&iter)) && ret->n < SECRETS_MAX) {
        PullSecret *secret = &ret->secrets[ret->n++];

        secret->uid = text_of(arena, item, "uid");
        secret->namespace = text_of(arena, item, "namespace");
        secret->name = text_of(arena, item, "name");
        snprintf(secret->hash, sizeof(secret->hash), "%s", text_of(arena, item, "hash"));
    }
}

/* Reads the grants of an image. A file that cannot be read grants nothing. */
static void read_grants(const ImageStore *store, const char *id, Arena *arena, Grants *ret)
{
    _free_ char *path = grants_path(store, id), *text = NULL;
    yyjson_doc *doc;
    yyjson_val *key;
    yyjson_obj_iter iter;
    size_t n = 0;

    ret->n = 0;
    if (file_read(path, GRANTS_BYTES_MAX, &text, &n) < 0)
        return;
    doc = yyjson_read(text, n, 0);
    yyjson_obj_iter_init(yyjson_doc_get_root(doc), &iter);
    while ((key = yyjson_obj_iter_next(&iter)) && ret->n < REPOSITORIES_MAX) {
        ret->v[ret->n] = (Grant){0};
        decode_grant(yyjson_get_str(key), yyjson_obj_iter_get_val(key), arena, &ret->v[ret->n++]);
    }
    yyjson_doc_free(doc);
}

static Grant *find_grant(Grants *grants, const char *repository)
{
    for (size_t i = 0; i < grants->n; i++)
        if (str_equal(grants->v[i].repository, repository))
            return &grants->v[i];
    return NULL;
}

static bool is_same_secret(const PullSecret *a, const PullSecret *b)
{
    return str_equal(a->uid, b->uid) && str_equal(a->namespace, b->namespace) &&
           str_equal(a->name, b->name);
}

static void add_string(StrBuf *out, const char *name, const char *value, const char *after)
{
    strbuf_printf(out, "\"%s\":", name);
    json_encode_string(out, value, strlen(value));
    strbuf_add_string(out, after);
}

static void encode_grant(const Grant *grant, StrBuf *out)
{
    json_encode_string(out, grant->repository, strlen(grant->repository));
    strbuf_printf(out, ":{\"all\":%s,\"secrets\":[", grant->all ? "true" : "false");
    for (size_t i = 0; i < grant->n; i++) {
        const PullSecret *secret = &grant->secrets[i];

        strbuf_add_string(out, i ? ",{" : "{");
        add_string(out, "uid", secret->uid, ",");
        add_string(out, "namespace", secret->namespace, ",");
        add_string(out, "name", secret->name, ",");
        add_string(out, "hash", secret->hash, "}");
    }
    strbuf_add_string(out, "]}");
}

static int write_grants(const ImageStore *store, const char *id, const Grants *grants, Err *reterr)
{
    _free_ char *path = grants_path(store, id);
    _strbuf_ StrBuf text = STRBUF_INIT;
    int r;

    strbuf_add_char(&text, '{');
    for (size_t i = 0; i < grants->n; i++) {
        if (i)
            strbuf_add_char(&text, ',');
        encode_grant(&grants->v[i], &text);
    }
    strbuf_add_string(&text, "}\n");
    r = file_write_atomic(path, text.p, text.n, 0600);
    return r < 0 ? err_set(reterr, -r, "write %s", path) : 0;
}

/* Returns false if the Secret has been noted already. If there are too many, the oldest one is
 * dropped. */
static bool add_secret(Grant *grant, const PullSecret *secret)
{
    for (size_t i = 0; i < grant->n; i++) {
        if (!is_same_secret(&grant->secrets[i], secret))
            continue;
        if (str_equal(grant->secrets[i].hash, secret->hash))
            return false;
        memcpy(grant->secrets[i].hash, secret->hash, sizeof(secret->hash));
        return true;
    }
    if (grant->n == SECRETS_MAX)
        memmove(grant->secrets, grant->secrets + 1, --grant->n * sizeof(*grant->secrets));
    grant->secrets[grant->n++] = *secret;
    return true;
}

int image_grant(ImageStore *store, const char *id, const char *repository, const PullSecret *secret,
                Err *reterr)
{
    _free_ Grants *grants = mem_new_type(Grants);
    _arena_ Arena arena = ARENA_INIT;
    Grant *grant;

    read_grants(store, id, &arena, grants);
    grant = find_grant(grants, repository);
    if (grant && grant->all)
        return 0;
    if (!grant) {
        if (grants->n == REPOSITORIES_MAX)
            memmove(grants->v, grants->v + 1, --grants->n * sizeof(*grants->v));
        grant = &grants->v[grants->n++];
        *grant = (Grant){.repository = repository,
                         .secrets = arena_new_n(&arena, PullSecret, SECRETS_MAX + 1)};
    }
    if (secret && !add_secret(grant, secret))
        return 0;
    if (!secret) {
        grant->all = true;
        grant->n = 0;
    }
    return ERR_TRACE(write_grants(store, id, grants, reterr));
}

bool image_is_granted(ImageStore *store, const char *id, const char *repository,
                      const PullSecret *secrets, size_t n)
{
    _free_ Grants *grants = mem_new_type(Grants);
    _arena_ Arena arena = ARENA_INIT;
    const Grant *grant;

    read_grants(store, id, &arena, grants);
    grant = find_grant(grants, repository);
    if (!grant || grant->all)
        return grant != NULL;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < grant->n; k++)
            if (is_same_secret(&secrets[i], &grant->secrets[k]) ||
                str_equal(secrets[i].hash, grant->secrets[k].hash))
                return true;
    return false;
}
