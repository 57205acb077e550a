/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry of a document is a place and what is known there:
 *
 *   "https://quay.io/v1/": {"auth": "base64(user:password)"}
 *
 * A place is HOST[:PORT][/PATH]. A scheme, "/v1/" and "/v2/" are left out. It matches an image
 * whose host has the same port and the same number of components, each of which matches that of the
 * place as a glob, and whose path begins with that of the place. These are the rules of kubelet
 * (pkg/credentialprovider/keyring.go), but for one: kubelet also offers Docker Hub's credentials to
 * hosts without a dot, such as "localhost". Here they go to Docker Hub only.
 */
#include <fnmatch.h>
#include <uv.h>

#include "base/vec.h"
#include "codec/base64.h"
#include "codec/json/json.h"
#include "registry/credential_helper.h"
#include "registry/keyring.h"

#define DOCUMENT_MAX (1u << 20)
#define ENTRIES_MAX 4096
#define DOCKER_HUB_PLACE "index.docker.io"
#define DOCKER_HUB_SERVER "https://index.docker.io/v1/" /* as helpers know it */

typedef struct Entry {
    const char *place;  /* without scheme */
    const char *server; /* the key as it is written, for a helper */
    const char *helper; /* "osxkeychain"; NULL: the credential is known */
    Credential credential;
    size_t source, order; /* source: 0 documents, else a file */
} Entry;

/* A helper that may know every host (credsStore). */
typedef struct Helper {
    const char *name;
    size_t source;
} Helper;

struct Keyring {
    Arena arena;
    VEC(Entry) entries; /* in the order in which they are tried, if sorted */
    VEC(Helper) helpers;
    size_t sources;
    uv_mutex_t lock; /* guards known and its arena */
    Arena known_arena;
    VEC(Entry) known; /* answers of helpers, by server and helper; no user: it has none */
};

Keyring *keyring_new(void)
{
    Keyring *keyring = mem_new_type(Keyring);

    ASSERT(uv_mutex_init(&keyring->lock) == 0);
    return keyring;
}

Keyring *keyring_free(Keyring *keyring)
{
    if (!keyring)
        return NULL;
    VEC_DEINIT(&keyring->entries);
    VEC_DEINIT(&keyring->helpers);
    VEC_DEINIT(&keyring->known);
    uv_mutex_destroy(&keyring->lock);
    arena_clear(&keyring->arena);
    arena_clear(&keyring->known_arena);
    free(keyring);
    return NULL;
}

/* ---- reading documents ---------------------------------------------------------------------- */

static const char *place_of(Arena *arena, const char *key)
{
    size_t host;

    if (str_starts_with(key, "https://"))
        key += strlen("https://");
    else if (str_starts_with(key, "http://"))
        key += strlen("http://");
    host = strcspn(key, "/?#");
    if (key[host] && key[host] != '/')
        return arena_strndup(arena, key, host);
    if (str_starts_with(key + host, "/v1/") || str_starts_with(key + host, "/v2/"))
        return arena_printf(arena, "%.*s%s", (int)host, key,
                            str_equal(key + host + 3, "/") ? "" : key + host + 3);
    return arena_strndup(arena, key, str_equal(key + host, "/") ? host : strlen(key));
}

static int by_place(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    int order = x->source < y->source ? -1 : x->source > y->source;

    if (order == 0)
        order = strcmp(y->place, x->place); /* reverse, so that longer paths come first */
    return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

static const char *text_of(Arena *arena, yyjson_val *object, const char *name)
{
    return arena_strdup(arena, str_or(yyjson_get_str(yyjson_obj_get(object, name)), ""));
}

/* "auth" is base64, padded or not, of user:password. */
static int read_auth(Arena *arena, const char *auth, Credential *ret)
{
    size_t n = strlen(auth), bad;
    const char *padded = arena_printf(arena, "%s%.*s", auth, (int)((4 - n % 4) % 4), "===");
    const uint8_t *colon;
    Bytes plain;

    if (base64_decode(arena, padded, strlen(padded), &plain, &bad) || memchr(plain.p, 0, plain.n))
        return 1;
    colon = memchr(plain.p, ':', plain.n);
    if (!colon)
        return 1;
    ret->user = arena_strndup(arena, (const char *)plain.p, (size_t)(colon - plain.p));
    ret->password =
        arena_strndup(arena, (const char *)colon + 1, plain.n - (size_t)(colon + 1 - plain.p));
    return 0;
}

static bool is_empty(const Credential *c)
{
    return str_empty(c->user) && str_empty(c->password) && str_empty(c->identity_token) &&
           str_empty(c->registry_token);
}

/* helper: that knows what the entry lacks, or NULL. */
static int add_entry(Keyring *keyring, const char *key, yyjson_val *value, const char *helper,
                     Err *reterr)
{
    Arena *arena = &keyring->arena;
    Entry entry = {
        .place = place_of(arena, key),
        .server = arena_strdup(arena, key),
        .source = keyring->sources,
        .order = keyring->entries.n,
        .credential =
            {
                .user = text_of(arena, value, "username"),
                .password = text_of(arena, value, "password"),
                .identity_token = text_of(arena, value, "identitytoken"),
                .registry_token = text_of(arena, value, "registrytoken"),
            },
    };
    const char *auth = text_of(arena, value, "auth");

    if (keyring->entries.n >= ENTRIES_MAX)
        return err_set(reterr, 0, "there are more than %d credentials", ENTRIES_MAX);
    if (*auth && read_auth(arena, auth, &entry.credential))
        return err_set(reterr, 0, "the auth of %.64s is not base64 of user:password", key);
    if (is_empty(&entry.credential) || !yyjson_is_obj(value))
        entry.helper = helper;
    if (!is_empty(&entry.credential) || entry.helper)
        VEC_PUSH(&keyring->entries, entry);
    return 0;
}

static int add_entries(Keyring *keyring, yyjson_val *auths, const char *helper, Err *reterr)
{
    yyjson_obj_iter at;
    yyjson_val *key;

    if (auths && !yyjson_is_null(auths) && !yyjson_is_obj(auths))
        return err_set(reterr, 0, "the credentials are not a JSON object");
    if (!auths || yyjson_is_null(auths))
        return 0;
    yyjson_obj_iter_init(auths, &at);
    while ((key = yyjson_obj_iter_next(&at))) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        int r;

        if (!yyjson_is_obj(value))
            return err_set(reterr, 0, "the credential of %.64s is not a JSON object",
                           yyjson_get_str(key));
        r = add_entry(keyring, yyjson_get_str(key), value, helper, reterr);
        if (r)
            return ERR_TRACE(r);
    }
    return 0;
}

static void sort(Keyring *keyring)
{
    if (keyring->entries.n > 1)
        qsort(keyring->entries.v, keyring->entries.n, sizeof(Entry), by_place);
}

static int parse(Arena *arena, Bytes json, yyjson_val **ret, Err *reterr)
{
    yyjson_doc *doc = NULL;

    if (json.n > DOCUMENT_MAX)
        return err_set(reterr, 0, "the credentials are larger than 1 MiB");
    if (json_parse(arena, json, &doc, &(DecodeReport){0}))
        return err_set(reterr, 0, "the credentials are not JSON");
    *ret = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(*ret))
        return err_set(reterr, 0, "the credentials are not a JSON object");
    return 0;
}

int keyring_add_dockercfg(Keyring *keyring, Bytes json, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_val *root;
    size_t sources = keyring->sources;
    int r = parse(&arena, json, &root, reterr);

    keyring->sources = 0;
    if (r == 0)
        r = add_entries(keyring, root, NULL, reterr);
    keyring->sources = sources;
    sort(keyring);
    return ERR_TRACE(r);
}

int keyring_add_dockerconfigjson(Keyring *keyring, Bytes json, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_val *root;
    size_t sources = keyring->sources;
    int r = parse(&arena, json, &root, reterr);

    keyring->sources = 0;
    if (r == 0)
        r = add_entries(keyring, yyjson_obj_get(root, "auths"), NULL, reterr);
    keyring->sources = sources;
    sort(keyring);
    return ERR_TRACE(r);
}

/* "credHelpers" names one for each host. */
static int add_helpers(Keyring *keyring, yyjson_val *helpers, Err *reterr)
{
    yyjson_obj_iter at;
    yyjson_val *key;

    if (!yyjson_is_obj(helpers))
        return 0;
    yyjson_obj_iter_init(helpers, &at);
    while ((key = yyjson_obj_iter_next(&at))) {
        const char *name = yyjson_get_str(yyjson_obj_iter_get_val(key));
        int r = str_empty(name) ? 0
                                : add_entry(keyring, yyjson_get_str(key), NULL,
                                            arena_strdup(&keyring->arena, name), reterr);

        if (r)
            return ERR_TRACE(r);
    }
    return 0;
}

int keyring_add_user_document(Keyring *keyring, Bytes json, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *store = NULL;
    yyjson_val *root;
    int r = parse(&arena, json, &root, reterr);

    keyring->sources++;
    if (r == 0)
        r = add_helpers(keyring, yyjson_obj_get(root, "credHelpers"), reterr);
    if (r == 0)
        store = yyjson_get_str(yyjson_obj_get(root, "credsStore"));
    if (!str_empty(store)) {
        Helper helper = {arena_strdup(&keyring->arena, store), keyring->sources};

        VEC_PUSH(&keyring->helpers, helper);
        store = helper.name;
    }
    if (r == 0)
        r = add_entries(keyring, yyjson_obj_get(root, "auths"), store, reterr);
    sort(keyring);
    return ERR_TRACE(r);
}

/* ---- finding -------------------------------------------------------------------------------- */

/* Cuts "HOST[:PORT][/PATH]". */
typedef struct Place {
    const char *host, *port, *path;
} Place;

static Place place_split(Arena *arena, const char *text)
{
    size_t n = strcspn(text, "/");
    const char *colon = memrchr(text, ':', n);
    bool is_ip6 = n > 0 && text[0] == '[';

    if (colon && (is_ip6 ? colon[-1] != ']' : memchr(text, ':', n) != colon))
        colon = NULL;
    return (Place){
        .host = arena_strndup(arena, text, colon ? (size_t)(colon - text) : n),
        .port = colon ? arena_strndup(arena, colon + 1, n - (size_t)(colon + 1 - text)) : "",
        .path = arena_strdup(arena, text + n),
    };
}

/* Components are compared one by one, so "*" does not match several. */
static bool host_matches(Arena *arena, const char *glob, const char *host)
{
    for (;;) {
        size_t g = strcspn(glob, "."), h = strcspn(host, ".");

        if ((glob[g] == 0) != (host[h] == 0) ||
            fnmatch(arena_strndup(arena, glob, g), arena_strndup(arena, host, h), 0) != 0)
            return false;
        if (glob[g] == 0)
            return true;
        glob += g + 1;
        host += h + 1;
    }
}

static bool place_matches(Arena *arena, const char *glob, const Place *target)
{
    Place place = place_split(arena, glob);

    if (!str_equal(place.port, target->port) || !str_starts_with(target->path, place.path))
        return false;
    /* The brackets of an IPv6 address are no glob. */
    return place.host[0] == '[' ? str_equal(place.host, target->host)
                                : host_matches(arena, place.host, target->host);
}

/* What the helper says, asked once. With the lock held. */
static int ask_helper(Keyring *keyring, const char *helper, const char *server,
                      const Credential **ret, Err *reterr)
{
    Entry entry = {.helper = helper, .server = arena_strdup(&keyring->known_arena, server)};
    int r;

    for (size_t i = 0; i < keyring->known.n; i++)
        if (str_equal(keyring->known.v[i].helper, helper) &&
            str_equal(keyring->known.v[i].server, server)) {
            *ret = &keyring->known.v[i].credential;
            return 0;
        }
    r = credential_helper_get(helper, server, &keyring->known_arena, &entry.credential, reterr);
    if (r)
        return ERR_TRACE(r);
    VEC_PUSH(&keyring->known, entry);
    *ret = &keyring->known.v[keyring->known.n - 1].credential;
    return 0;
}

typedef VEC(Credential) Found;

static int add_found(Keyring *keyring, const Entry *entry, Found *found, Err *reterr)
{
    const Credential *credential = &entry->credential;
    int r =
        entry->helper ? ask_helper(keyring, entry->helper, entry->server, &credential, reterr) : 0;

    if (r == 0 && !is_empty(credential))
        VEC_PUSH(found, *credential);
    return ERR_TRACE(r);
}

/* The helper of a source that knows all hosts is asked for hosts that the source does not list. */
static int ask_store(Keyring *keyring, size_t source, const Place *target, Found *found,
                     Err *reterr)
{
    for (size_t i = 0; i < keyring->helpers.n; i++) {
        _arena_ Arena arena = ARENA_INIT;
        const char *server =
            arena_printf(&arena, "%s%s%s", target->host, *target->port ? ":" : "", target->port);
        Entry entry = {.helper = keyring->helpers.v[i].name,
                       .server = str_equal(server, "docker.io") ? DOCKER_HUB_SERVER : server};

        if (keyring->helpers.v[i].source == source)
            return add_found(keyring, &entry, found, reterr);
    }
    return 0;
}

static int find_in_source(Keyring *keyring, size_t source, const Place *target, Found *found,
                          Err *reterr)
{
    bool is_hub = str_equal(target->host, "docker.io") && str_empty(target->port);
    size_t matched = 0;
    int r = 0;

    for (int pass = 0; pass < (is_hub ? 2 : 1) && matched == 0; pass++)
        for (size_t i = 0; i < keyring->entries.n && r == 0; i++) {
            _arena_ Arena arena = ARENA_INIT;
            const Entry *entry = &keyring->entries.v[i];

            if (entry->source != source || (pass == 0 ? !place_matches(&arena, entry->place, target)
                                                      : !str_equal(entry->place, DOCKER_HUB_PLACE)))
                continue;
            matched++;
            r = add_found(keyring, entry, found, reterr);
        }
    return r == 0 && matched == 0 ? ask_store(keyring, source, target, found, reterr)
                                  : ERR_TRACE(r);
}

int keyring_find(const Keyring *keyring, const char *image, Arena *arena, CredentialArray *ret,
                 Err *reterr)
{
    Keyring *mutable = (Keyring *)(uintptr_t)keyring; /* the answers of helpers */
    Place target = place_split(arena, image);
    Found found = VEC_INIT;
    int r = 0;

    uv_mutex_lock(&mutable->lock);
    for (size_t source = 0; source <= keyring->sources && r == 0; source++)
        r = find_in_source(mutable, source, &target, &found, reterr);
    uv_mutex_unlock(&mutable->lock);
    ret->n = found.n;
    ret->v = arena_new_n(arena, Credential, found.n);
    if (found.n)
        memcpy(ret->v, found.v, sizeof(Credential) * found.n);
    VEC_DEINIT(&found);
    return ERR_TRACE(r);
}
