/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints JSON trees as YAML with libyaml's emitter, in the styles that go-yaml v2 chooses: texts
 * with line breaks as literal blocks, strings that would be read as another type in double quotes,
 * and everything else plain if the emitter allows it.
 */
#include <yaml.h>

#include "codec/json/json.h"
#include "codec/yaml/scalar.h"
#include "codec/yaml/yaml.h"

static int append(void *data, unsigned char *p, size_t n)
{
    strbuf_add(data, p, n);
    return 1;
}

static void emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
    ASSERT(yaml_emitter_emit(emitter, event));
}

static void emit_scalar(yaml_emitter_t *emitter, const char *s, size_t n, yaml_scalar_style_t style)
{
    yaml_event_t event;

    /* yyjson holds valid UTF-8 and the length is an int to libyaml; documents are far smaller. */
    ASSERT(yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)s, (int)n, 1, 1,
                                        style));
    emit(emitter, &event);
}

/* 1:20 is a number in base 60 to other readers of YAML 1.1:
 * [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)? */
static bool is_base60(const char *s)
{
    size_t groups = 0;

    s += *s == '-' || *s == '+';
    if (*s < '0' || *s > '9')
        return false;
    s += strspn(s, "0123456789_");
    for (; *s == ':'; groups++) {
        size_t n = strspn(++s, "0123456789");

        if (n == 0 || n > 2 || (n == 2 && *s > '5'))
            return false;
        s += n;
    }
    if (*s == '.')
        s += 1 + strspn(s + 1, "0123456789_");
    return groups && !*s;
}

/* Matches strings that would be read as a date or a time: YYYY-MM-DD and what may follow. */
static bool is_time(const char *s)
{
    size_t year = strspn(s, "0123456789");

    if (year != 4 || s[4] != '-')
        return false;
    s += 5;
    for (int part = 0; part < 2; part++) {
        size_t n = strspn(s, "0123456789");

        if (n < 1 || n > 2 || (part == 0 && s[n] != '-'))
            return false;
        s += n + (part == 0);
    }
    return !*s || *s == 'T' || *s == 't' || *s == ' ';
}

static yaml_scalar_style_t style_of(const char *s, size_t n)
{
    YamlScalarType type;

    if (memchr(s, '\n', n))
        return YAML_LITERAL_SCALAR_STYLE;
    type = yaml_scalar_resolve(s, n).type;
    if ((type != YAML_SCALAR_STRING && type != YAML_SCALAR_MERGE) || is_base60(s) || is_time(s))
        return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    return YAML_PLAIN_SCALAR_STYLE;
}

static void emit_string(yaml_emitter_t *emitter, yyjson_val *v)
{
    const char *s = yyjson_get_str(v);
    size_t n = yyjson_get_len(v);

    emit_scalar(emitter, s, n, n ? style_of(s, n) : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void emit_value(yaml_emitter_t *emitter, yyjson_val *v)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    yaml_event_t event;
    size_t i, n;
    yyjson_val *key, *child;

    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_OBJ:
        yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                            yyjson_obj_size(v) ? YAML_BLOCK_MAPPING_STYLE
                                                               : YAML_FLOW_MAPPING_STYLE);
        emit(emitter, &event);
        yyjson_obj_foreach(v, i, n, key, child)
        {
            emit_string(emitter, key);
            emit_value(emitter, child);
        }
        yaml_mapping_end_event_initialize(&event);
        emit(emitter, &event);
        break;
    case YYJSON_TYPE_ARR:
        yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                             yyjson_arr_size(v) ? YAML_BLOCK_SEQUENCE_STYLE
                                                                : YAML_FLOW_SEQUENCE_STYLE);
        emit(emitter, &event);
        yyjson_arr_foreach(v, i, n, child) emit_value(emitter, child);
        yaml_sequence_end_event_initialize(&event);
        emit(emitter, &event);
        break;
    case YYJSON_TYPE_STR:
        emit_string(emitter, v);
        break;
    default:
        json_encode_tree(v, &text);
        emit_scalar(emitter, text.p, text.n, YAML_PLAIN_SCALAR_STYLE);
    }
}

void yaml_print(yyjson_val *json, StrBuf *out)
{
    yaml_emitter_t emitter;
    yaml_event_t event;

    ASSERT(yaml_emitter_initialize(&emitter));
    yaml_emitter_set_output(&emitter, append, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    emit(&emitter, &event);
    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
    emit(&emitter, &event);
    emit_value(&emitter, json);
    yaml_document_end_event_initialize(&event, 1);
    emit(&emitter, &event);
    yaml_stream_end_event_initialize(&event);
    emit(&emitter, &event);
    /* libyaml marks the end after text that keeps its last empty lines; Go's does not. Content is
     * indented, so nothing else looks like that. */
    if (out->n >= 5 && memcmp(out->p + out->n - 5, "\n...\n", 5) == 0)
        strbuf_truncate(out, out->n - 4);
    yaml_emitter_delete(&emitter);
}
