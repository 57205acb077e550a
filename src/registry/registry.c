/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json/json.h"
#include "registry/conf/certs.h"
#include "registry/digest.h"
#include "registry/internal.h"
#include "registry/transport/text.h"

#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

static const char *const manifest_types[] = {OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST};
static const char accept_manifests[] =
    OCI_INDEX ", " OCI_MANIFEST ", " DOCKER_LIST ", " DOCKER_MANIFEST;

/* ---- opening and closing -------------------------------------------------------------------- */

static bool is_on_this_machine(const char *host)
{
    const char *colon = strrchr(host, ':');
    size_t n = colon && host[strlen(host) - 1] != ']' ? (size_t)(colon - host) : strlen(host);
    _free_ char *name = mem_strndup(host, n);
    struct sockaddr_storage address;

    if (strcasecmp(name, "localhost") == 0)
        return true;
    if (!address_parse(name, &address))
        return false;
    return address.ss_family == AF_INET ? str_starts_with(name, "127.") : str_equal(name, "[::1]");
}

/* name: the repository at this endpoint, such as "quay.io/team/app". The texts are allocated by
 * the registry. */
static int endpoint_init(Endpoint *endpoint, Registry *registry, const char *name, bool insecure,
                         Err *reterr)
{
    const RegistryConfig *config = registry->config;
    Arena *arena = &registry->arena;
    size_t host = strcspn(name, "/");
    RegistryCerts certs;
    int r;

    endpoint->host = arena_strndup(arena, name, host);
    endpoint->path = arena_strdup(arena, name + host + (name[host] == '/'));
    if (!reference_domain_is_valid(endpoint->host, host) ||
        !reference_path_is_valid(endpoint->path, strlen(endpoint->path)))
        return err_set(reterr, 0, "registries.conf leads to %s, which is no repository", name);
    r = registry_certs_read((const char *const *)config->certs.v, endpoint->host, arena, &certs,
                            reterr);
    if (r)
        return ERR_TRACE(r);
    /* The registry of Docker Hub has another host name than its images. */
    if (str_equal(endpoint->host, "docker.io"))
        endpoint->host = "registry-1.docker.io";
    endpoint->guard.may_connect = config->may_connect;
    endpoint->guard.data = config->data;
    atomic_init(&endpoint->guard.is_private, false);
    endpoint->transfer = (TransferHost){
        .guard = &endpoint->guard,
        .proxies = &config->proxies,
        .times = &config->times,
        .insecure = insecure || is_on_this_machine(endpoint->host),
        .ca = certs.ca,
        .client_cert = certs.client_cert,
        .client_key = certs.client_key,
    };
    endpoint->auth = (Auth){
        .memory = config->memory,
        .keyring = registry->keyring,
        .host = &endpoint->transfer,
        .repository = arena_printf(arena, "%s/%s", endpoint->host, endpoint->path),
        .image = name,
    };
    auth_init(&endpoint->auth, arena_printf(arena, "repository:%s:pull", endpoint->path));
    return 0;
}

static int add_source(Registry *registry, const RegistrySource *source, const char *name,
                      size_t length, Err *reterr)
{
    const char *there = registry_source_name(source, name, length, &registry->arena);
    int r =
        endpoint_init(&registry->endpoints[registry->n], registry, there, source->insecure, reterr);

    registry->n += r == 0;
    return r;
}

/* Adds the mirrors that may have the image, and then the registry itself. */
static int add_endpoints(Registry *registry, Err *reterr)
{
    static const RegistrySource itself = {.location = ""};
    const char *name = arena_printf(&registry->arena, "%s/%s", registry->reference.domain,
                                    registry->reference.path);
    size_t length, n;
    const RegistryEntry *entry = registries_conf_find(&registry->config->conf, name, &length);
    MirrorUse unused = registry->reference.digest ? MIRROR_TAG_ONLY : MIRROR_DIGEST_ONLY;

    if (entry && entry->blocked) {
        err_set(reterr, 0, "registries.conf blocks %s", entry->prefix);
        return REGISTRY_E_REFUSED;
    }
    n = entry ? entry->n : 0;
    registry->endpoints = arena_new_n(&registry->arena, Endpoint, n + 1);
    for (size_t i = 0; i < n; i++) {
        int r = entry->mirrors[i].use == unused
                    ? 0
                    : add_source(registry, &entry->mirrors[i], name, length, reterr);

        if (r)
            return ERR_TRACE(r);
    }
    return add_source(registry, entry ? &entry->source : &itself, name, length, reterr);
}

int registry_open(const RegistryConfig *config, const ImageReference *reference,
                  const Keyring *keyring, Registry **ret, Err *reterr)
{
    _registry_ Registry *registry = mem_new_type(Registry);
    int r;

    registry->config = config;
    registry->keyring = keyring;
    registry->reference = (ImageReference){
        .domain = arena_strdup(&registry->arena, reference->domain),
        .path = arena_strdup(&registry->arena, reference->path),
        .tag = arena_strdup(&registry->arena, reference->tag),
        .digest = arena_strdup(&registry->arena, reference->digest),
    };
    lane_users_init(&registry->users, &config->memory->lanes);
    r = add_endpoints(registry, reterr);
    if (r)
        return ERR_TRACE(r);
    *ret = TAKE_PTR(registry);
    return 0;
}

Registry *registry_close(Registry *registry)
{
    if (!registry)
        return NULL;
    for (size_t i = 0; i < registry->n; i++)
        auth_deinit(&registry->endpoints[i].auth);
    lane_users_deinit(&registry->users);
    arena_clear(&registry->arena);
    free(registry);
    return NULL;
}

void registry_cancel(Registry *registry)
{
    lane_users_cancel(&registry->users);
}

bool registry_credential(Registry *registry, Credential *ret)
{
    return auth_credential(&registry->endpoints[atomic_load(&registry->current)].auth, ret);
}

int64_t registry_retry_after(Registry *registry)
{
    return atomic_load(&registry->retry_after);
}

/* ---- endpoints ------------------------------------------------------------------------------ */

static int try_endpoint(Registry *registry, size_t i, EndpointTry try, void *data, Err *reterr)
{
    RegistryMemory *memory = registry->config->memory;
    Endpoint *endpoint = &registry->endpoints[i];
    bool is_mirror = i + 1 < registry->n;
    int r;

    if (is_mirror && memory_is_down(memory, endpoint->host))
        return REGISTRY_E_UNAVAILABLE;
    r = try(data, endpoint, reterr);
    if (is_mirror && (r == REGISTRY_E_UNAVAILABLE || r == REGISTRY_E_UNKNOWN_HOST))
        memory_set_down(memory, endpoint->host);
    if (r == 0)
        atomic_store(&registry->current, i);
    return ERR_TRACE(r);
}

int registry_try_endpoints(Registry *registry, EndpointTry try, void *data, Err *reterr)
{
    size_t first = atomic_load(&registry->current), itself = registry->n - 1;
    int r = 0, own = 0;

    for (size_t step = 0; step <= registry->n; step++) {
        size_t i = step == 0 ? first : step - 1;
        Err err = ERR_INIT;

        if (step > 0 && i == first)
            continue;
        r = try_endpoint(registry, i, try, data, &err);
        if (reterr && r && (i == itself || r < 0))
            *reterr = err;
        if (r <= 0)
            return ERR_TRACE(r);
        if (i == itself)
            own = r;
    }
    return own;
}

/* ---- manifests ------------------------------------------------------------------------------ */

typedef struct ManifestCall {
    Registry *registry;
    const char *reference; /* a tag or a digest */
    const char *digest;    /* the digest that the result must have; NULL: any */
    Arena *arena;
    Descriptor *ret;
    Bytes *ret_bytes;
} ManifestCall;

/* "application/json; charset=utf-8" without what follows the semicolon. */
static const char *media_type_of(const Transfer *transfer, Arena *arena)
{
    const char *value = str_or(transfer_header(transfer, "content-type", 0), "");
    size_t n = strcspn(value, "; \t");
    char text[128];

    text_quote(text, sizeof(text), value, n);
    return arena_strdup(arena, text);
}

static bool is_manifest_type(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(manifest_types); i++)
        if (str_equal(type, manifest_types[i]))
            return true;
    return false;
}

static int bad_data(const Endpoint *endpoint, const ManifestCall *call, const char *why,
                    Err *reterr)
{
    err_set(reterr, 0, "%s/%s: the manifest of %s %s", endpoint->host, endpoint->path,
            call->reference, why);
    return REGISTRY_E_BAD_DATA;
}

/* The type that a manifest states counts. Some registries send all JSON as application/json or
 * text/plain; if one names a type of manifests, it has to be the same. */
static int check_type(const Endpoint *endpoint, const ManifestCall *call, Err *reterr)
{
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    const char *stated;

    if (json_parse(call->arena, *call->ret_bytes, &doc, &(DecodeReport){0}))
        return bad_data(endpoint, call, "is not JSON", reterr);
    root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root))
        return bad_data(endpoint, call, "is not a JSON object", reterr);
    stated = yyjson_get_str(yyjson_obj_get(root, "mediaType"));
    if (str_empty(stated)) {
        if (!is_manifest_type(call->ret->media_type))
            call->ret->media_type = yyjson_obj_get(root, "manifests") ? OCI_INDEX : OCI_MANIFEST;
        return 0;
    }
    if (is_manifest_type(call->ret->media_type) && !str_equal(stated, call->ret->media_type))
        return bad_data(endpoint, call, "has another type than the registry says", reterr);
    call->ret->media_type = arena_strdup(call->arena, stated);
    return 0;
}

static int check_manifest(const Endpoint *endpoint, const ManifestCall *call, const char *claimed,
                          Err *reterr)
{
    char digest[DIGEST_TEXT];

    if (call->digest && !digest_matches(*call->ret_bytes, call->digest))
        return bad_data(endpoint, call, "has another digest", reterr);
    if (claimed && digest_is_known(claimed) && !digest_matches(*call->ret_bytes, claimed))
        return bad_data(endpoint, call, "has another digest than the registry says", reterr);
    digest_of(*call->ret_bytes, digest);
    call->ret->digest = arena_strdup(call->arena, str_or(call->digest, digest));
    call->ret->size = (int64_t)call->ret_bytes->n;
    return check_type(endpoint, call, reterr);
}

static int get_manifest(void *data, Endpoint *endpoint, Err *reterr)
{
    ManifestCall *call = data;
    _free_ char *path = mem_printf("manifests/%s", call->reference);
    Lane *lane = lane_borrow(&call->registry->users, endpoint->host);
    Transfer *transfer = NULL;
    int status, r;

    r = endpoint_call(call->registry, endpoint, lane,
                      &(Call){.path = path, .accept = accept_manifests, .tries_all = true},
                      &transfer, &status, reterr);
    if (r == 0) {
        *call->ret = (Descriptor){.media_type = media_type_of(transfer, call->arena)};
        r = transfer_read_all(transfer, REGISTRY_MANIFEST_MAX, call->arena, call->ret_bytes,
                              reterr);
    }
    if (r == 0)
        r = check_manifest(endpoint, call, transfer_header(transfer, "docker-content-digest", 0),
                           reterr);
    transfer_free(transfer);
    lane_return(&call->registry->users, lane);
    return ERR_TRACE(r);
}

static ManifestCall manifest_call(Registry *registry, const char *digest, Arena *arena,
                                  Descriptor *ret, Bytes *ret_bytes)
{
    digest = digest ? digest : registry->reference.digest;
    return (ManifestCall){registry, digest ? digest : registry->reference.tag, digest, arena, ret,
                          ret_bytes};
}

int registry_manifest(Registry *registry, const char *digest, Arena *arena, Descriptor *ret,
                      Bytes *ret_bytes, Err *reterr)
{
    ManifestCall call = manifest_call(registry, digest, arena, ret, ret_bytes);

    ASSERT(!digest || digest_is_known(digest));
    return registry_try_endpoints(registry, get_manifest, &call, reterr);
}

/* The digest in the response to HEAD need not be verified here, since the manifest that is fetched
 * by it later is verified against it. */
static int head_manifest(void *data, Endpoint *endpoint, Err *reterr)
{
    ManifestCall *call = data;
    _free_ char *path = mem_printf("manifests/%s", call->reference);
    Lane *lane = lane_borrow(&call->registry->users, endpoint->host);
    Transfer *transfer = NULL;
    const char *digest;
    int status, r;

    r = endpoint_call(
        call->registry, endpoint, lane,
        &(Call){.method = "HEAD", .path = path, .accept = accept_manifests, .tries_all = true},
        &transfer, &status, reterr);
    digest = r == 0 ? transfer_header(transfer, "docker-content-digest", 0) : NULL;
    if (digest && digest_is_known(digest))
        *call->ret = (Descriptor){media_type_of(transfer, call->arena),
                                  arena_strdup(call->arena, digest), transfer_length(transfer)};
    else
        digest = NULL;
    transfer_free(transfer);
    lane_return(&call->registry->users, lane);
    if (r == 0 && digest && call->digest && !str_equal(digest, call->digest))
        return bad_data(endpoint, call, "has another digest", reterr);
    return r == 0 && !digest ? get_manifest(data, endpoint, reterr) : ERR_TRACE(r);
}

int registry_head(Registry *registry, Arena *arena, Descriptor *ret, Err *reterr)
{
    Bytes bytes;
    ManifestCall call = manifest_call(registry, NULL, arena, ret, &bytes);

    return registry_try_endpoints(registry, head_manifest, &call, reterr);
}
