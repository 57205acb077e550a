/* SPDX-License-Identifier: Apache-2.0 */
/* See response.h. */
#include "http/client/response.h"

static int add_text(HttpResponseParser *parser, StrBuf *buf, const char *p, size_t n)
{
    parser->head_n += n;
    if (parser->head_n > RESPONSE_HEAD_MAX)
        return -1;
    strbuf_add(buf, p, n);
    return 0;
}

static void flush_header(HttpResponseParser *parser)
{
    HttpHeader header;
    size_t n;

    if (!parser->in_value)
        return;
    for (char *c = parser->name.p; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    /* llhttp has skipped the blanks before a value, but not those behind it. */
    for (n = parser->value.n; n > 0 && strchr(" \t", parser->value.p[n - 1]); n--)
        ;
    header.name = arena_strdup(&parser->arena, strbuf_string(&parser->name));
    header.value = arena_strndup(&parser->arena, strbuf_string(&parser->value), n);
    VEC_PUSH(&parser->headers, header);
    strbuf_truncate(&parser->name, 0);
    strbuf_truncate(&parser->value, 0);
    parser->in_value = false;
}

/* Trailers arrive behind the head. They are counted and dropped. */
static int on_field(llhttp_t *llhttp, const char *p, size_t n)
{
    HttpResponseParser *parser = llhttp->data;

    if (!parser->has_head)
        flush_header(parser);
    else
        strbuf_truncate(&parser->name, 0);
    return add_text(parser, &parser->name, p, n);
}

static int on_value(llhttp_t *llhttp, const char *p, size_t n)
{
    HttpResponseParser *parser = llhttp->data;

    if (parser->has_head)
        strbuf_truncate(&parser->value, 0);
    return add_text(parser, &parser->value, p, n);
}

static int on_value_complete(llhttp_t *llhttp)
{
    HttpResponseParser *parser = llhttp->data;

    parser->in_value = !parser->has_head;
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    HttpResponseParser *parser = llhttp->data;

    flush_header(parser);
    parser->has_head =
        llhttp->status_code >= 200 || (parser->upgrade && llhttp->status_code == 101);
    if (!parser->has_head) {
        parser->headers.n = 0; /* an interim response */
        /* A new protocol that was not asked for. */
        return llhttp->status_code == 101 ? -1 : 0;
    }
    parser->has_length = llhttp->flags & F_CONTENT_LENGTH;
    /* Counted from here on: trailers and chunk headers. */
    parser->head_n = 0;
    if (parser->on_head)
        parser->on_head(parser->data);
    if (parser->stopped)
        return -1;
    return parser->is_head ? 1 : 0;
}

static int on_body(llhttp_t *llhttp, const char *p, size_t n)
{
    HttpResponseParser *parser = llhttp->data;

    if (parser->on_body(parser->data, (Bytes){(const uint8_t *)p, n}))
        return 0;
    parser->stopped = true;
    return -1;
}

static int on_message_complete(llhttp_t *llhttp)
{
    HttpResponseParser *parser = llhttp->data;

    parser->complete = parser->has_head && llhttp->status_code != 101;
    return parser->complete ? HPE_PAUSED : 0;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void response_init(HttpResponseParser *parser)
{
    *parser = (HttpResponseParser){0};
    llhttp_init(&parser->llhttp, HTTP_RESPONSE, &settings);
    parser->llhttp.data = parser;
}

void response_deinit(HttpResponseParser *parser)
{
    strbuf_deinit(&parser->name);
    strbuf_deinit(&parser->value);
    VEC_DEINIT(&parser->headers);
    arena_clear(&parser->arena);
}

ResponseState response_feed(HttpResponseParser *parser, Bytes bytes, size_t *ret_taken)
{
    llhttp_errno_t error = llhttp_execute(&parser->llhttp, (const char *)bytes.p, bytes.n);

    *ret_taken = bytes.n;
    if (parser->stopped)
        return RESPONSE_STOPPED;
    if (parser->complete)
        return RESPONSE_COMPLETE;
    if (error == HPE_OK)
        return RESPONSE_MORE;
    if (error != HPE_PAUSED_UPGRADE || !parser->upgrade || !parser->has_head)
        return RESPONSE_MALFORMED;
    *ret_taken = (size_t)((const uint8_t *)llhttp_get_error_pos(&parser->llhttp) - bytes.p);
    return RESPONSE_UPGRADED;
}

/* A response without a length ends with its connection. */
ResponseState response_eof(HttpResponseParser *parser)
{
    bool good = parser->has_head && (llhttp_finish(&parser->llhttp) == HPE_OK || parser->complete);

    return good ? RESPONSE_COMPLETE : RESPONSE_MALFORMED;
}

int response_status(const HttpResponseParser *parser)
{
    return parser->has_head ? parser->llhttp.status_code : 0;
}

int64_t response_length(const HttpResponseParser *parser)
{
    if (!parser->has_head || !parser->has_length || parser->llhttp.content_length > INT64_MAX)
        return -1;
    return (int64_t)parser->llhttp.content_length;
}
