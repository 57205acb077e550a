/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Converts YAML to JSON trees, event by event.
 *
 * An alias becomes a copy of the value of its anchor. The total size of the copies is limited, and
 * so is the nesting. An anchor is defined only when its value is complete, so no value can contain
 * itself.
 *
 * Merge keys ("<<") add members that the mapping itself does not have.
 */
#include "codec/yaml/yaml.h"

#include <math.h>
#include <yaml.h>

#include "base/strmap.h"
#include "codec/json/json.h"
#include "codec/json/members.h"
#include "codec/yaml/scalar.h"

enum { COPIED_VALUES_MAX = 100000 };

typedef struct Anchor {
    yyjson_mut_val *value;
    size_t count; /* values in it, itself included */
} Anchor;

typedef struct YamlReader {
    yaml_parser_t parser;
    yyjson_mut_doc *doc;
    Arena *arena;
    StrMap anchors;
    size_t count, copied;
    unsigned depth;
    const char **reterr;
} YamlReader;

static int yaml_error(YamlReader *r, size_t line, const char *format, ...) _printf_(3, 4);
static int yaml_error(YamlReader *r, size_t line, const char *format, ...)
{
    va_list args;
    const char *text;

    va_start(args, format);
    text = arena_vprintf(r->arena, format, args);
    va_end(args);
    if (r->reterr)
        *r->reterr = line ? arena_printf(r->arena, "yaml: line %zu: %s", line, text)
                          : arena_printf(r->arena, "yaml: %s", text);
    return YAML_E_SYNTAX;
}

static int next_event(YamlReader *r, yaml_event_t *event)
{
    const yaml_parser_t *p = &r->parser;
    size_t line;

    if (yaml_parser_parse(&r->parser, event))
        return 0;
    line = p->problem_mark.line ? p->problem_mark.line + (p->error == YAML_SCANNER_ERROR)
                                : p->context_mark.line;
    return yaml_error(r, line, "%s",
                      p->problem ? p->problem : "unknown problem parsing YAML content");
}

static int read_node(YamlReader *r, const yaml_event_t *event, yyjson_mut_val **ret);

static void set_anchor(YamlReader *r, const char *name, yyjson_mut_val *value, size_t count)
{
    Anchor *anchor;

    if (!name)
        return;
    anchor = arena_new(r->arena, Anchor);
    *anchor = (Anchor){value, count};
    strmap_put(&r->anchors, name, anchor);
}

static int read_alias(YamlReader *r, const yaml_event_t *event, yyjson_mut_val **ret)
{
    const char *name = (const char *)event->data.alias.anchor;
    Anchor *anchor = strmap_get(&r->anchors, name);

    if (!anchor)
        return yaml_error(r, 0, "unknown anchor '%s' referenced", name);
    r->copied += anchor->count;
    r->count += anchor->count;
    if (r->copied > COPIED_VALUES_MAX)
        return yaml_error(r, 0, "document contains excessive aliasing");
    *ret = yyjson_mut_val_mut_copy(r->doc, anchor->value);
    return 0;
}

static bool is_plain(const yaml_event_t *event)
{
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && event->data.scalar.plain_implicit;
}

/* The tag's name in YAML's own namespace, or NULL. */
static const char *short_tag(const yaml_event_t *event)
{
    const char *tag = (const char *)event->data.scalar.tag;

    return tag && str_starts_with(tag, "tag:yaml.org,2002:") ? tag + strlen("tag:yaml.org,2002:")
                                                             : NULL;
}

static YamlScalar scalar_of(const yaml_event_t *event)
{
    const char *tag = short_tag(event);

    if (!is_plain(event) && (!tag || str_equal(tag, "str") || str_equal(tag, "binary")))
        return (YamlScalar){.type = YAML_SCALAR_STRING};
    return yaml_scalar_resolve((const char *)event->data.scalar.value, event->data.scalar.length);
}

static int read_scalar(YamlReader *r, const yaml_event_t *event, yyjson_mut_val **ret)
{
    YamlScalar scalar = scalar_of(event);
    const char *tag = short_tag(event);

    switch (scalar.type) {
    case YAML_SCALAR_NULL:
        *ret = yyjson_mut_null(r->doc);
        return 0;
    case YAML_SCALAR_BOOL:
        *ret = yyjson_mut_bool(r->doc, scalar.boolean);
        return 0;
    case YAML_SCALAR_INT:
        if (tag && str_equal(tag, "float"))
            *ret = yyjson_mut_real(r->doc, (double)scalar.integer);
        else if (scalar.integer < 0)
            *ret = yyjson_mut_sint(r->doc, scalar.integer);
        else
            *ret = yyjson_mut_uint(r->doc, (uint64_t)scalar.integer);
        return 0;
    case YAML_SCALAR_UINT:
        *ret = yyjson_mut_uint(r->doc, scalar.natural);
        return 0;
    case YAML_SCALAR_FLOAT:
        if (!isfinite(scalar.real))
            return yaml_error(r, 0, "json: unsupported value: %s",
                              isnan(scalar.real) ? "NaN"
                              : scalar.real > 0  ? "+Inf"
                                                 : "-Inf");
        *ret = yyjson_mut_real(r->doc, scalar.real);
        return 0;
    default:
        *ret = yyjson_mut_strncpy(r->doc, (const char *)event->data.scalar.value,
                                  event->data.scalar.length);
        return 0;
    }
}

/* A key is always a string: what it would be as a value, written out. */
static int read_key(YamlReader *r, const yaml_event_t *event, yyjson_mut_val **ret)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    yyjson_mut_val *value;
    yyjson_doc *doc;
    int x;

    x = event->type == YAML_ALIAS_EVENT ? read_alias(r, event, &value)
                                        : read_scalar(r, event, &value);
    if (x)
        return x;
    if (event->type != YAML_ALIAS_EVENT)
        set_anchor(r, (const char *)event->data.scalar.anchor, value, 1);
    if (yyjson_mut_is_str(value)) {
        *ret = value;
        return 0;
    }
    if (yyjson_mut_is_ctn(value) || yyjson_mut_is_null(value))
        return yaml_error(r, event->start_mark.line + 1, "unsupported map key");
    doc = yyjson_mut_val_imut_copy(value, NULL);
    json_encode_tree(yyjson_doc_get_root(doc), &text);
    yyjson_doc_free(doc);
    *ret = yyjson_mut_strncpy(r->doc, text.p, text.n);
    return 0;
}

static int read_sequence(YamlReader *r, yyjson_mut_val **ret)
{
    yyjson_mut_val *list = yyjson_mut_arr(r->doc);
    int x = 0;

    for (bool more = true; more && x == 0;) {
        yyjson_mut_val *item = NULL;
        yaml_event_t event;

        x = next_event(r, &event);
        if (x)
            return x;
        more = event.type != YAML_SEQUENCE_END_EVENT;
        if (more)
            x = read_node(r, &event, &item);
        if (more && x == 0)
            yyjson_mut_arr_append(list, item);
        yaml_event_delete(&event);
    }
    *ret = list;
    return x;
}

/* Members of `from` that the mapping does not have. */
static void merge_from(YamlReader *r, JsonMembers *to, yyjson_mut_val *from)
{
    size_t i, n;
    yyjson_mut_val *key, *value;

    yyjson_mut_obj_foreach(from, i, n, key, value)
    {
        if (!json_members_find(to, yyjson_mut_get_str(key), yyjson_mut_get_len(key)))
            json_members_put(to, yyjson_mut_val_mut_copy(r->doc, key),
                             yyjson_mut_val_mut_copy(r->doc, value));
    }
}

static int merge_into(YamlReader *r, JsonMembers *to, yyjson_mut_val *merge)
{
    size_t i, n;
    yyjson_mut_val *from;

    if (yyjson_mut_is_obj(merge)) {
        merge_from(r, to, merge);
        return 0;
    }
    if (!yyjson_mut_is_arr(merge))
        return yaml_error(r, 0, "map merge requires map or sequence of maps as the value");
    yyjson_mut_arr_foreach(merge, i, n, from)
    {
        if (!yyjson_mut_is_obj(from))
            return yaml_error(r, 0, "map merge requires map or sequence of maps as the value");
        merge_from(r, to, from);
    }
    return 0;
}

/* Adds the members of the merge keys, after `object` has been read completely. */
static int merge_all(YamlReader *r, yyjson_mut_val *object, yyjson_mut_val *merges)
{
    JsonMembers members = json_members(r->arena, object);
    size_t i, n, before = members.n;
    yyjson_mut_val *merge;

    yyjson_mut_arr_foreach(merges, i, n, merge)
    {
        int x = merge_into(r, &members, merge);

        if (x)
            return x;
    }
    /* The mapping's own members are not checked: the decoder reports duplicates. */
    for (i = before; i < members.n; i++)
        yyjson_mut_obj_add(object, members.v[i].key, members.v[i].value);
    return 0;
}

/* One key and its value; a merge is kept for when the mapping is complete. */
static int read_member(YamlReader *r, const yaml_event_t *key_event, yyjson_mut_val *object,
                       yyjson_mut_val *merges)
{
    bool merge =
        key_event->type == YAML_SCALAR_EVENT && scalar_of(key_event).type == YAML_SCALAR_MERGE;
    yyjson_mut_val *key = NULL, *value = NULL;
    yaml_event_t event;
    int x;

    if (key_event->type != YAML_SCALAR_EVENT && key_event->type != YAML_ALIAS_EVENT)
        return yaml_error(r, key_event->start_mark.line + 1, "invalid map key");
    x = merge ? 0 : read_key(r, key_event, &key);
    if (x == 0)
        x = next_event(r, &event);
    if (x)
        return x;
    x = read_node(r, &event, &value);
    yaml_event_delete(&event);
    if (x)
        return x;
    if (merge)
        yyjson_mut_arr_append(merges, value);
    else
        yyjson_mut_obj_add(object, key, value);
    return 0;
}

static int read_mapping(YamlReader *r, yyjson_mut_val **ret)
{
    yyjson_mut_val *object = yyjson_mut_obj(r->doc), *merges = yyjson_mut_arr(r->doc);
    int x = 0;

    for (bool more = true; more && x == 0;) {
        yaml_event_t event;

        x = next_event(r, &event);
        if (x)
            return x;
        more = event.type != YAML_MAPPING_END_EVENT;
        if (more)
            x = read_member(r, &event, object, merges);
        yaml_event_delete(&event);
    }
    if (x)
        return x;
    *ret = object;
    return yyjson_mut_arr_size(merges) ? merge_all(r, object, merges) : 0;
}

static int read_node(YamlReader *r, const yaml_event_t *event, yyjson_mut_val **ret)
{
    size_t before = r->count++;
    const yaml_char_t *anchor = NULL;
    int x;

    if (r->depth >= JSON_DEPTH_MAX)
        return yaml_error(r, event->start_mark.line + 1, "exceeded max depth");
    r->depth++;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        x = read_alias(r, event, ret);
        break;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        x = read_scalar(r, event, ret);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        x = read_sequence(r, ret);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        x = read_mapping(r, ret);
        break;
    default:
        x = yaml_error(r, event->start_mark.line + 1, "did not find expected node content");
    }
    r->depth--;
    if (x == 0)
        set_anchor(r, (const char *)anchor, *ret, r->count - before);
    return x;
}

/* Goes to the first event in document `index`, or to the end of the stream. */
static int find_document(YamlReader *r, size_t index, bool *ret_found)
{
    *ret_found = false;
    for (bool more = true; more;) {
        yaml_event_t event;
        int x = next_event(r, &event);

        if (x)
            return x;
        *ret_found = event.type == YAML_DOCUMENT_START_EVENT && index-- == 0;
        more = !*ret_found && event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return 0;
}

/* Aliases can make a document too deep that is within the limit without them. */
static bool too_deep(yyjson_mut_val *v, unsigned limit)
{
    size_t i, n;
    yyjson_mut_val *key, *child;

    if (!yyjson_mut_is_ctn(v))
        return false;
    if (limit == 0)
        return true;
    if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, child)
        {
            if (too_deep(child, limit - 1))
                return true;
        }
        return false;
    }
    yyjson_mut_obj_foreach(v, i, n, key, child)
    {
        if (too_deep(child, limit - 1))
            return true;
    }
    return false;
}

static int read_document(YamlReader *r, size_t index, yyjson_doc **ret)
{
    yyjson_alc alc = json_arena_alc(r->arena);
    yyjson_mut_val *root = NULL;
    yaml_event_t event;
    bool found;
    int x = find_document(r, index, &found);

    if (x || !found)
        return x;
    x = next_event(r, &event);
    if (x)
        return x;
    x = read_node(r, &event, &root);
    yaml_event_delete(&event);
    if (x == 0) { /* the rest of the text may still be malformed */
        x = next_event(r, &event);
        if (x == 0)
            yaml_event_delete(&event);
    }
    if (x)
        return x;
    if (too_deep(root, JSON_DEPTH_MAX))
        return yaml_error(r, 0, "exceeded max depth");
    *ret = yyjson_mut_val_imut_copy(root, &alc);
    return 0;
}

int yaml_parse(Arena *arena, Bytes text, size_t index, yyjson_doc **ret, const char **reterr)
{
    YamlReader r = {.arena = arena, .reterr = reterr};
    int x;

    *ret = NULL;
    ASSERT(yaml_parser_initialize(&r.parser));
    yaml_parser_set_input_string(&r.parser, text.p ? text.p : (const uint8_t *)"", text.n);
    r.doc = yyjson_mut_doc_new(NULL);
    x = read_document(&r, index, ret);
    yyjson_mut_doc_free(r.doc);
    strmap_deinit(&r.anchors);
    yaml_parser_delete(&r.parser);
    return x;
}
