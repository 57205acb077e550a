/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of the registry, its start and its end. */
#include <netdb.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "codec/json/json.h"
#include "distribution/internal.h"

#define PAGE_MAX 10000

void answer_error(HttpRequest *request, int status, const char *code, const char *message)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text, "{\"errors\":[{\"code\":\"%s\",\"message\":", code);
    json_encode_string(&text, message, strlen(message));
    strbuf_add_string(&text, "}]}\n");
    http_respond(request, status, "application/json", strbuf_bytes(&text));
}

char *distribution_path(const Distribution *d, const char *folder, const char *name)
{
    return mem_printf("%s/%s/%s", d->dir, folder, name);
}

/* ---- paths ---- */

/* The name of a repository and a tag have the rules of image names. */
static bool is_repository(Arena *arena, const char *name)
{
    return image_normalize(arena, arena_printf(arena, "localhost/%s", name)) &&
           !strpbrk(name, ":@");
}

static bool is_reference(Arena *arena, const char *text)
{
    return digest_is_valid(text) ||
           (!strpbrk(text, "/@:") &&
            image_normalize(arena, arena_printf(arena, "localhost/x:%s", text)));
}

bool target_parse(Arena *arena, const char *path, Target *ret)
{
    static const struct {
        const char *text;
        int kind;
    } marks[] = {{"/blobs/uploads/", TARGET_UPLOAD},
                 {"/blobs/", TARGET_BLOB},
                 {"/manifests/", TARGET_MANIFEST},
                 {"/tags/list", TARGET_TAGS}};
    char *whole = http_percent_decode(arena, path, strlen(path));

    for (size_t i = 0; whole && i < ARRAY_LEN(marks); i++) {
        char *mark = NULL;

        /* A repository may be called blobs, so the last one counts. */
        for (char *at = whole; (at = strstr(at, marks[i].text)); at++)
            mark = at;
        if (!mark)
            continue;
        *mark = 0;
        *ret = (Target){
            .repository = whole, .kind = marks[i].kind, .reference = mark + strlen(marks[i].text)};
        break;
    }
    if (!whole || !ret->repository || !is_repository(arena, ret->repository))
        return false;
    if (ret->kind == TARGET_UPLOAD && !*ret->reference)
        ret->kind = TARGET_UPLOADS;
    if (ret->kind == TARGET_BLOB)
        return digest_is_valid(ret->reference);
    if (ret->kind == TARGET_MANIFEST)
        return is_reference(arena, ret->reference);
    return ret->kind != TARGET_TAGS || !*ret->reference;
}

/* ---- lists ---- */

/* The names in order, from behind ?last= on, at most ?n= of them. */
static void answer_names(HttpRequest *request, const StrMap *map, const char *prefix,
                         const char *path)
{
    const char *last = http_query(request, "last"), *text = http_query(request, "n"),
               **names = arena_new_n(&request->arena, const char *, map->n + 1);
    _strbuf_ StrBuf out = STRBUF_INIT;
    int64_t most = PAGE_MAX;
    size_t n = 0, written = 0;

    if (text && str_to_int64(text, 0, PAGE_MAX, &most) != 0) {
        answer_error(request, 400, "PAGINATION_NUMBER_INVALID", "n is no number of names");
        return;
    }
    STRMAP_EACH(map, slot)
        if (!last || strcmp(slot->key, last) > 0)
            names[n++] = slot->key;
    str_sort(names, n);
    strbuf_add_string(&out, prefix);
    for (; written < n && (int64_t)written < most; written++) {
        strbuf_add_string(&out, written ? "," : "");
        json_encode_string(&out, names[written], strlen(names[written]));
    }
    strbuf_add_string(&out, "]}\n");
    if (written < n && written > 0)
        http_add_header(request, "link",
                        arena_printf(&request->arena, "<%s?n=%" PRId64 "&last=%s>; rel=\"next\"",
                                     path, most, names[written - 1]));
    http_respond(request, 200, "application/json", strbuf_bytes(&out));
}

static void answer_tags(Distribution *d, HttpRequest *request, const Target *target)
{
    const Repository *repository = repository_find(d, target->repository);

    if (!repository) {
        answer_error(request, 404, "NAME_UNKNOWN", "there is no such repository");
        return;
    }
    answer_names(request, &repository->tags,
                 arena_printf(&request->arena, "{\"name\":\"%s\",\"tags\":[", target->repository),
                 request->path);
}

/* ---- manifests and blobs ---- */

static bool reads(const HttpRequest *request)
{
    return str_equal(request->method, "GET") || str_equal(request->method, "HEAD");
}

static void manifest_call(Distribution *d, HttpRequest *request, const Target *target)
{
    Repository *repository = repository_find(d, target->repository);
    const char *type = NULL, *digest = manifest_digest(d, target, &type);

    if (str_equal(request->method, "PUT"))
        manifest_put(d, request, target);
    else if (!digest)
        answer_error(request, 404, "MANIFEST_UNKNOWN", "there is no such manifest");
    else if (reads(request))
        blob_get(d, request, arena_strdup(&request->arena, digest),
                 arena_strdup(&request->arena, type));
    else if (str_equal(request->method, "DELETE") &&
             repository_remove(d, repository, target->reference))
        http_respond(request, 202, "text/plain", BYTES_NULL);
    else
        answer_error(request, 405, "UNSUPPORTED", "this is not possible with a manifest");
}

static void blob_call(Distribution *d, HttpRequest *request, const Target *target)
{
    if (reads(request))
        blob_get(d, request, target->reference, "application/octet-stream");
    else /* other repositories may need it; it goes with the last manifest that names it */
        answer_error(request, 405, "UNSUPPORTED", "blobs are removed with their manifests");
}

static void on_request(void *data, HttpRequest *request)
{
    Distribution *d = data;
    Target target = {0};

    http_add_header(request, "docker-distribution-api-version", "registry/2.0");
    if (!access_check(d, request))
        return;
    if (str_equal(request->path, "/v2/") || str_equal(request->path, "/v2")) {
        http_respond(request, 200, "application/json", BYTES_LITERAL("{}"));
        return;
    }
    if (str_equal(request->path, "/v2/_catalog") && reads(request)) {
        answer_names(request, &d->repositories, "{\"repositories\":[", request->path);
        return;
    }
    if (!str_starts_with(request->path, "/v2/") ||
        !target_parse(&request->arena, request->path + 4, &target)) {
        answer_error(request, 404, "NAME_INVALID", "there is nothing under this path");
        return;
    }
    switch (target.kind) {
    case TARGET_MANIFEST:
        manifest_call(d, request, &target);
        break;
    case TARGET_BLOB:
        blob_call(d, request, &target);
        break;
    case TARGET_UPLOADS:
        uploads_begin(d, request, &target);
        break;
    case TARGET_UPLOAD:
        upload_go_on(d, request, &target);
        break;
    case TARGET_TAGS:
        answer_tags(d, request, &target);
        break;
    }
}

/* ---- start and end ---- */

static int make_folders(Distribution *d, Err *reterr)
{
    static const char *const names[] = {"blobs", "uploads", "repositories"};
    _free_ char *uploads = distribution_path(d, "uploads", "");
    int r = file_remove_tree(uploads);

    for (size_t i = 0; i < ARRAY_LEN(names) && r >= 0; i++) {
        _free_ char *path = distribution_path(d, names[i], "");

        r = file_mkdir_all(path, 0700);
    }
    return r < 0 ? err_set(reterr, -r, "make the folders of %s", d->dir) : 0;
}

static int listen_outside(Distribution *d, const DistributionOptions *options, Err *reterr)
{
    bool six = str_starts_with(d->host, "[");
    int fd;

    if (!options->listen_outside || six) /* the outside has IPv4 only */
        return 0;
    fd = options->listen_outside(options->data, "127.0.0.1", http_server_port(d->http));
    if (fd < 0)
        return err_set(reterr, -fd, "--registry %s", d->host);
    http_server_listen_fd(d->http, fd);
    return 0;
}

/* "localhost:5000" is both 127.0.0.1:5000 and [::1]:5000. */
static int listen_at(Distribution *d, const char *address, Err *reterr)
{
    const char *colon = strrchr(address, ':');
    bool is_name = str_starts_with(address, "localhost:");
    _free_ char *first = NULL;
    int r;

    if (!colon || (!is_name && !str_starts_with(address, "127.0.0.1:") &&
                   !str_starts_with(address, "[::1]:")))
        return err_set(reterr, 0,
                       "--registry %s: give localhost:PORT; clients use plain HTTP with it, which "
                       "is only safe on this machine",
                       address);
    first = is_name ? mem_printf("127.0.0.1%s", colon) : mem_strdup(address);
    r = http_server_listen(d->http, first, reterr);
    if (r < 0)
        return err_wrap(reterr, "--registry %s", address);
    d->port = mem_printf(":%u", http_server_port(d->http));
    d->host = mem_printf("%.*s%s", (int)(colon - address), address, d->port);
    if (is_name) { /* a machine may have no IPv6 */
        _free_ char *second = mem_printf("[::1]%s", d->port);

        (void)http_server_listen(d->http, second, NULL);
    }
    return 0;
}

int distribution_open(const DistributionOptions *options, Distribution **ret, Err *reterr)
{
    Distribution *d = mem_new_type(Distribution);
    HttpServerOptions http = {.limits = http_limits_default,
                              .handler = {.on_request = on_request, .data = d},
                              .no_h2 = true};
    int r;

    d->loop = options->loop;
    d->images = options->images;
    d->dir = mem_strdup(options->dir);
    d->user = options->user;
    d->password_always = options->listen_outside;
    d->on_image = options->on_image;
    d->data = options->data;
    d->http = http_server_new(d->loop, &http);
    r = make_folders(d, reterr);
    if (r >= 0)
        r = access_load_password(d, reterr);
    if (r >= 0)
        r = repositories_load(d, reterr);
    if (r >= 0)
        r = listen_at(d, options->address, reterr);
    if (r >= 0)
        r = listen_outside(d, options, reterr);
    if (r < 0) {
        distribution_close(d);
        return ERR_TRACE(r);
    }
    repositories_sweep(d);
    *ret = d;
    return 0;
}

const char *distribution_host(const Distribution *distribution)
{
    return distribution->host;
}

void distribution_rest(Distribution *d)
{
    if (--d->busy > 0 || !d->closing)
        return;
    repositories_free(d);
    strmap_deinit(&d->uploads);
    VEC_DEINIT(&d->unpacks);
    free(d->dir);
    free(d->host);
    free(d->port);
    free(d->password);
    free(d);
}

Distribution *distribution_close(Distribution *d)
{
    if (!d)
        return NULL;
    d->http = http_server_free(d->http);
    uploads_free(d);
    image_unpack_join(d);
    d->closing = true;
    d->busy++;
    distribution_rest(d);
    return NULL;
}
