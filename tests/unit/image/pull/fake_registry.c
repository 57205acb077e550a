/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_registry.h"

const char *const layer_types[] = {
    [TAR_PLAIN] = "application/vnd.oci.image.layer.v1.tar",
    [TAR_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
    [TAR_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
};

static void refuse(HttpRequest *request, int status, const char *code, const char *message)
{
    const char *body = arena_printf(
        &request->arena, "{\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}", code, message);

    http_respond(request, status, "application/json", bytes_from_string(body));
}

static void respond(HttpRequest *request, FakeContent *content)
{
    bool head = str_equal(request->method, "HEAD");
    Bytes bytes = content->bytes;
    char digest[DIGEST_TEXT];

    digest_of(bytes, digest);
    http_add_header(request, "docker-content-digest", digest);
    if (content->status) {
        http_respond(request, content->status, "application/json",
                     bytes_from_string(str_or(content->body, "{}")));
    } else if (content->cut && !head) {
        http_add_header(request, "content-length", arena_printf(&request->arena, "%zu", bytes.n));
        http_stream_begin(request, 200, content->type);
        http_stream_write(request, (Bytes){bytes.p, content->cut});
        http_abort(request);
    } else {
        if (content->body)
            bytes = bytes_from_string(content->body);
        http_respond(request, 200, content->type, bytes);
    }
}

static void on_request(void *data, HttpRequest *request)
{
    FakeRegistry *fake = data;
    FakeContent *content;
    const char *given = http_header(request, "authorization");

    fake->requests++;
    if (fake->authorization && !str_equal(given, fake->authorization)) {
        fake->unauthorized++;
        http_add_header(request, "www-authenticate", "Basic realm=\"fake\"");
        refuse(request, 401, "UNAUTHORIZED", "authentication required");
        return;
    }
    content = str_starts_with(request->path, "/v2/")
                  ? strmap_get(&fake->content, request->path + strlen("/v2/"))
                  : NULL;
    if (!content) {
        refuse(request, 404, "MANIFEST_UNKNOWN", "manifest unknown");
        return;
    }
    if (str_equal(request->method, "HEAD"))
        content->heads++;
    else
        content->gets++;
    if (content->held && fake->n_waiting < ARRAY_LEN(fake->waiting)) {
        request->data = content;
        fake->waiting[fake->n_waiting++] = request;
        return;
    }
    respond(request, content);
}

void fake_release(FakeRegistry *fake)
{
    STRMAP_EACH(&fake->content, slot)
        ((FakeContent *)slot->value)->held = false;
    for (size_t i = 0; i < fake->n_waiting; i++)
        respond(fake->waiting[i], fake->waiting[i]->data);
    fake->n_waiting = 0;
}

void fake_registry_start(FakeRegistry *fake, uv_loop_t *loop)
{
    HttpServerOptions options = {.limits = http_limits_default,
                                 .handler = {.on_request = on_request, .data = fake}};
    Err err = ERR_INIT;

    fake->http = http_server_new(loop, &options);
    assert_int_equal(http_server_listen(fake->http, "127.0.0.1:0", &err), 0);
}

void fake_registry_stop(FakeRegistry *fake)
{
    http_server_free(fake->http);
    strmap_deinit(&fake->content);
    arena_clear(&fake->arena);
}

const char *fake_name(FakeRegistry *fake, const char *rest)
{
    return arena_printf(&fake->arena, "127.0.0.1:%u/%s", http_server_port(fake->http), rest);
}

static FakeContent *add(FakeRegistry *fake, const char *repository, const char *kind,
                        const char *name, const char *type, Bytes bytes)
{
    FakeContent *content = arena_new(&fake->arena, FakeContent);
    const char *key = arena_printf(&fake->arena, "%s/%s/%s", repository, kind, name);

    content->type = type;
    content->bytes = arena_bytes(&fake->arena, bytes);
    strmap_put(&fake->content, key, content);
    return content;
}

FakeContent *fake_content(FakeRegistry *fake, const char *repository, const char *kind,
                          const char *name)
{
    FakeContent *content =
        strmap_get(&fake->content, arena_printf(&fake->arena, "%s/%s/%s", repository, kind, name));

    assert_non_null(content);
    return content;
}

const char *fake_blob(FakeRegistry *fake, const char *repository, Bytes bytes)
{
    char *digest = arena_alloc(&fake->arena, DIGEST_TEXT);

    digest_of(bytes, digest);
    if (!strmap_get(&fake->content, arena_printf(&fake->arena, "%s/blobs/%s", repository, digest)))
        add(fake, repository, "blobs", digest, "application/octet-stream", bytes);
    return digest;
}

const char *fake_manifest(FakeRegistry *fake, const char *repository, const char *tag,
                          const char *type, const char *json)
{
    char *digest = arena_alloc(&fake->arena, DIGEST_TEXT);
    FakeContent *content;

    digest_of(bytes_from_string(json), digest);
    content = add(fake, repository, "manifests", digest, type, bytes_from_string(json));
    if (tag)
        strmap_put(&fake->content, arena_printf(&fake->arena, "%s/manifests/%s", repository, tag),
                   content);
    return digest;
}

const char *fake_image(FakeRegistry *fake, const char *repository, const char *tag,
                       const FakeLayer *layers, size_t n, const char *salt, const char *ret_blobs[])
{
    _strbuf_ StrBuf diff_ids = STRBUF_INIT, list = STRBUF_INIT;
    const char *config, *json;

    for (size_t i = 0; i < n; i++) {
        _strbuf_ StrBuf plain = make_tar(layers[i].entries, layers[i].n, TAR_PLAIN);
        _strbuf_ StrBuf packed = make_tar(layers[i].entries, layers[i].n, layers[i].compression);
        const char *blob = fake_blob(fake, repository, strbuf_bytes(&packed));
        char diff_id[DIGEST_TEXT];

        digest_of(strbuf_bytes(&plain), diff_id);
        strbuf_printf(&diff_ids, "%s\"%s\"", i ? "," : "", diff_id);
        strbuf_printf(
            &list, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", i ? "," : "",
            layers[i].type ? layers[i].type : layer_types[layers[i].compression], blob, packed.n);
        if (ret_blobs)
            ret_blobs[i] = blob;
    }
    config = make_config(&fake->arena, strbuf_string(&diff_ids), salt);
    json = arena_printf(
        &fake->arena,
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
        "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
        "\"size\":%zu},\"layers\":[%s]}",
        fake_blob(fake, repository, bytes_from_string(config)), strlen(config),
        strbuf_string(&list));
    return fake_manifest(fake, repository, tag, "application/vnd.oci.image.manifest.v1+json", json);
}
