/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation.h"

const RegistryTimes short_times = {
    .connect_ms = 2000,
    .first_byte_ms = 300,
    .stall_ms = 200,
    .stall_bytes = 1 << 20,
    .retry_ms = 1,
    .retry_after_ms = 1000,
};

const char *with_port(Arena *arena, int port, const char *text)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    const char *mark;

    while ((mark = strstr(text, "@PORT@"))) {
        strbuf_add(&out, text, (size_t)(mark - text));
        strbuf_printf(&out, "%d", port);
        text = mark + strlen("@PORT@");
    }
    strbuf_add_string(&out, text);
    return arena_strdup(arena, strbuf_string(&out));
}

static void open_registry(Conversation *c)
{
    const char *name = with_port(&c->arena, fake_port(c->fake), "localhost:@PORT@/app:1");
    ImageReference reference;

    assert_int_equal(reference_parse(&c->arena, name, &reference, NULL), 0);
    assert_int_equal(registry_open(c->config, &reference, c->keyring, &c->registry, &c->err), 0);
}

void conversation_begin(Conversation *c, const FakeReply *replies, size_t n,
                        const char *keyring_json)
{
    const RegistryOptions options = {
        .conf = "", .certs = (const char *const[]){NULL}, .times = short_times};

    *c = (Conversation){.fake = fake_start(replies, n), .keyring = keyring_new()};
    assert_int_equal(registry_config_load(&options, &c->config, &c->err), 0);
    if (keyring_json) {
        Bytes json = bytes_from_string(with_port(&c->arena, fake_port(c->fake), keyring_json));

        assert_int_equal(keyring_add_dockerconfigjson(c->keyring, json, &c->err), 0);
    }
    open_registry(c);
}

void conversation_again(Conversation *c)
{
    registry_close(c->registry);
    open_registry(c);
}

void conversation_end(Conversation *c)
{
    registry_close(c->registry);
    registry_config_free(c->config);
    keyring_free(c->keyring);
    arena_clear(&c->arena);
    assert_int_equal(fake_stop(c->fake), 0);
}

int read_blob(Conversation *c, int64_t size, StrBuf *ret)
{
    const Descriptor blob = {.digest = BLOB_DIGEST, .size = size};
    _blob_stream_ BlobStream *stream = NULL;
    const void *p;
    ssize_t n;

    assert_int_equal(blob_open(c->registry, &blob, &stream, &c->err), 0);
    while ((n = blob_read(stream, &p, &c->err)) > 0)
        if (ret)
            strbuf_add(ret, p, (size_t)n);
    if (n == 0)
        assert_int_equal(blob_received(stream), strlen(BLOB));
    return n == 0 ? 0 : blob_outcome(stream) ? blob_outcome(stream) : (int)n;
}
