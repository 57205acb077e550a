/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field sets as values: order, arithmetic, text.
 *
 * A set is a tree of path elements. A node says whether its own path is in the set, and has the
 * paths below. Elements are ordered as in Kubernetes: fields by name, then keys, values, indices.
 * Sets without nodes are NULL.
 */
#include "base/error.h"
#include "codec/fieldset/internal.h"
#include "codec/json/json.h"

/* ---- elements ---- */

static double scalar_real(const Scalar *v)
{
    return v->is_double ? v->real : (double)v->number;
}

static int scalar_compare(const Scalar *a, const Scalar *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch (a->type) {
    case SCALAR_NUMBER:
        if (a->is_double || b->is_double)
            return (scalar_real(a) > scalar_real(b)) - (scalar_real(a) < scalar_real(b));
        return (a->number > b->number) - (a->number < b->number);
    case SCALAR_BOOL:
        return a->boolean - b->boolean;
    default:
        return strcmp(a->text, b->text);
    }
}

static int parts_compare(const Element *a, const Element *b)
{
    for (uint32_t i = 0; i < a->n_parts && i < b->n_parts; i++) {
        int d = strcmp(a->parts[i].name, b->parts[i].name);
        if (d == 0)
            d = scalar_compare(&a->parts[i].value, &b->parts[i].value);
        if (d)
            return d;
    }
    return (a->n_parts > b->n_parts) - (a->n_parts < b->n_parts);
}

int element_compare(const Element *a, const Element *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case ELEMENT_FIELD:
        return a->name == b->name ? 0 : strcmp(a->name, b->name);
    case ELEMENT_KEY:
        return parts_compare(a, b);
    case ELEMENT_VALUE:
        return scalar_compare(a->value, b->value);
    default:
        return (a->index > b->index) - (a->index < b->index);
    }
}

static void print_scalar(const Scalar *v, StrBuf *out)
{
    switch (v->type) {
    case SCALAR_NUMBER:
        if (v->is_double)
            json_encode_double(out, v->real);
        else
            strbuf_add_int64(out, v->number);
        break;
    case SCALAR_STRING:
        json_encode_string(out, v->text, strlen(v->text));
        break;
    case SCALAR_BOOL:
        strbuf_add_string(out, v->boolean ? "true" : "false");
        break;
    case SCALAR_OTHER:
        strbuf_add_string(out, v->text);
        break;
    }
}

/* Quotes a name or key as Go's %q does. */
static void print_quoted(const char *s, StrBuf *out)
{
    strbuf_add_char(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *s);
    }
    strbuf_add_char(out, '"');
}

static void print_path_scalar(const Scalar *v, StrBuf *out)
{
    if (v->type == SCALAR_STRING)
        print_quoted(v->text, out);
    else
        print_scalar(v, out);
}

void element_print_path(const Element *element, StrBuf *out)
{
    switch (element->kind) {
    case ELEMENT_FIELD:
        strbuf_add_char(out, '.');
        strbuf_add_string(out, element->name);
        return;
    case ELEMENT_KEY:
        strbuf_add_char(out, '[');
        for (uint32_t i = 0; i < element->n_parts; i++) {
            strbuf_printf(out, "%s%s=", i ? "," : "", element->parts[i].name);
            print_path_scalar(&element->parts[i].value, out);
        }
        strbuf_add_char(out, ']');
        return;
    case ELEMENT_VALUE:
        strbuf_add_string(out, "[=");
        print_path_scalar(element->value, out);
        strbuf_add_char(out, ']');
        return;
    case ELEMENT_INDEX:
        strbuf_printf(out, "[%" PRId64 "]", element->index);
        return;
    }
}

/* ---- building ---- */

FieldNode *fieldset_push(Arena *arena, FieldSet **set, Element element)
{
    FieldSet *s = *set;

    if (!s)
        s = *set = arena_new(arena, FieldSet);
    return ARENA_PUSH(arena, s, (FieldNode){.element = element});
}

static int compare_nodes(const void *a, const void *b)
{
    const FieldNode *x = a, *y = b;

    return element_compare(&x->element, &y->element);
}

/* Sorts, and puts nodes of the same element together. */
void fieldset_sort(Arena *arena, FieldSet *set)
{
    FieldNode *to;
    bool sorted = true;

    if (!set || set->n < 2)
        return;
    for (size_t i = 1; i < set->n && sorted; i++)
        sorted = compare_nodes(&set->v[i - 1], &set->v[i]) < 0;
    if (sorted)
        return;
    if (set->n <= 16) { /* what structs have; cheaper than qsort's calls */
        for (size_t i = 1; i < set->n; i++) {
            FieldNode node = set->v[i];
            size_t j = i;

            for (; j > 0 && compare_nodes(&node, &set->v[j - 1]) < 0; j--)
                set->v[j] = set->v[j - 1];
            set->v[j] = node;
        }
    } else {
        qsort(set->v, set->n, sizeof(*set->v), compare_nodes);
    }
    to = set->v;
    for (size_t i = 1; i < set->n; i++) {
        FieldNode *node = &set->v[i];

        if (compare_nodes(to, node) == 0) {
            to->member |= node->member;
            to->children = fieldset_union(arena, to->children, node->children);
        } else {
            *++to = *node;
        }
    }
    set->n = (size_t)(to - set->v) + 1;
}

const FieldNode *fieldset_find(const FieldSet *set, const Element *element)
{
    size_t low = 0, high = set ? set->n : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int d = element_compare(element, &set->v[middle].element);

        if (d == 0)
            return &set->v[middle];
        if (d < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- arithmetic ---- */

typedef enum SetOp { OP_UNION, OP_MINUS, OP_INTERSECT } SetOp;

static FieldSet *combine(SetOp op, Arena *arena, const FieldSet *a, const FieldSet *b);

static bool combine_member(SetOp op, bool a, bool b)
{
    return op == OP_UNION ? a || b : op == OP_MINUS ? a && !b : a && b;
}

static FieldSet *combine(SetOp op, Arena *arena, const FieldSet *a, const FieldSet *b)
{
    FieldSet *out = NULL;
    size_t i = 0, j = 0, an = a ? a->n : 0, bn = b ? b->n : 0;

    if (op != OP_INTERSECT && bn == 0)
        return (FieldSet *)(uintptr_t)a;
    if (op == OP_UNION && an == 0)
        return (FieldSet *)(uintptr_t)b;
    while (i < an || j < bn) {
        int d = i == an ? 1 : j == bn ? -1 : element_compare(&a->v[i].element, &b->v[j].element);
        const FieldNode *x = d <= 0 ? &a->v[i++] : NULL, *y = d >= 0 ? &b->v[j++] : NULL;
        bool member = combine_member(op, x && x->member, y && y->member);
        FieldSet *children = combine(op, arena, x ? x->children : NULL, y ? y->children : NULL);

        if (member || children) {
            FieldNode *node = fieldset_push(arena, &out, x ? x->element : y->element);
            node->member = member;
            node->children = children;
        }
    }
    return out;
}

FieldSet *fieldset_union(Arena *arena, const FieldSet *a, const FieldSet *b)
{
    return combine(OP_UNION, arena, a, b);
}

FieldSet *fieldset_minus(Arena *arena, const FieldSet *a, const FieldSet *b)
{
    return combine(OP_MINUS, arena, a, b);
}

FieldSet *fieldset_intersect(Arena *arena, const FieldSet *a, const FieldSet *b)
{
    return combine(OP_INTERSECT, arena, a, b);
}

bool fieldset_empty(const FieldSet *set)
{
    return !set || set->n == 0;
}

bool fieldset_equal(const FieldSet *a, const FieldSet *b)
{
    if (a == b)
        return true;
    if (fieldset_empty(a) || fieldset_empty(b))
        return fieldset_empty(a) && fieldset_empty(b);
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->v[i].member != b->v[i].member ||
            element_compare(&a->v[i].element, &b->v[i].element) != 0 ||
            !fieldset_equal(a->v[i].children, b->v[i].children))
            return false;
    return true;
}

/* The first name of "metadata.name"; the rest, or NULL. */
static const char *path_head(Arena *arena, const char *path, Element *ret)
{
    const char *dot = strchr(path, '.');

    *ret = element_field(dot ? arena_strndup(arena, path, (size_t)(dot - path)) : path);
    return dot ? dot + 1 : NULL;
}

#define WITHOUT_MAX 16

/* The rest of those paths that begin with this name; *drop is set if one of them ends there. */
static size_t paths_behind(const char *name, const char *const *paths, size_t n, const char **ret,
                           bool *drop)
{
    size_t length = strlen(name), n_behind = 0;

    *drop = false;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(paths[i], name, length) != 0)
            continue;
        if (paths[i][length] == '.')
            ret[n_behind++] = paths[i] + length + 1;
        else
            *drop |= !paths[i][length];
    }
    return n_behind;
}

static const FieldSet *without(Arena *arena, const FieldSet *set, const char *const *paths,
                               size_t n)
{
    const char *behind[WITHOUT_MAX];
    FieldSet *out = NULL;
    bool same = true;

    for (size_t i = 0; set && i < set->n; i++) {
        FieldNode node = set->v[i];
        size_t n_behind;
        bool drop;

        if (node.element.kind == ELEMENT_FIELD) {
            n_behind = paths_behind(node.element.name, paths, n, behind, &drop);
            if (drop)
                node.children = NULL;
            else if (n_behind)
                node.children =
                    (FieldSet *)(uintptr_t)without(arena, node.children, behind, n_behind);
            node.member &= !drop;
            if (same && (drop || node.children != set->v[i].children)) {
                same = false;
                for (size_t j = 0; j < i; j++)
                    *fieldset_push(arena, &out, set->v[j].element) = set->v[j];
            }
        }
        if (!same && (node.member || node.children))
            *fieldset_push(arena, &out, node.element) = node;
    }
    return same ? set : out;
}

FieldSet *fieldset_without(Arena *arena, const FieldSet *set, const char *const *paths)
{
    size_t n = 0;

    while (paths[n])
        n++;
    ASSERT(n <= WITHOUT_MAX);
    return (FieldSet *)(uintptr_t)without(arena, set, paths, n);
}

static FieldSet *only_path(Arena *arena, const FieldSet *set, const char *path)
{
    Element head;
    const char *rest = path_head(arena, path, &head);
    const FieldNode *found = fieldset_find(set, &head);
    FieldSet *out = NULL, *children;
    FieldNode *node;

    if (!found)
        return NULL;
    children = rest ? only_path(arena, found->children, rest) : found->children;
    if (!children && (rest || !found->member))
        return NULL;
    node = fieldset_push(arena, &out, found->element);
    node->member = !rest && found->member;
    node->children = children;
    return out;
}

FieldSet *fieldset_only(Arena *arena, const FieldSet *set, const char *const *paths)
{
    FieldSet *out = NULL;

    for (; *paths; paths++)
        out = fieldset_union(arena, out, only_path(arena, set, *paths));
    return out;
}

/* ---- text ---- */

Scalar scalar_of_double(double v)
{
    /* The sum makes a zero of -0, which equals it, but prints as "-0", which parses as an integer without a sign. */
    return (Scalar){.type = SCALAR_NUMBER, .is_double = true, .real = v + 0.0};
}

Scalar scalar_of_json(Arena *arena, yyjson_val *json)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    switch (yyjson_get_type(json)) {
    case YYJSON_TYPE_STR:
        return (Scalar){.type = SCALAR_STRING, .text = arena_strdup(arena, yyjson_get_str(json))};
    case YYJSON_TYPE_BOOL:
        return (Scalar){.type = SCALAR_BOOL, .boolean = yyjson_get_bool(json)};
    case YYJSON_TYPE_NUM:
        if (yyjson_is_real(json) || (yyjson_is_uint(json) && yyjson_get_uint(json) > INT64_MAX))
            return scalar_of_double(yyjson_get_num(json));
        return (Scalar){.type = SCALAR_NUMBER, .number = yyjson_get_sint(json)};
    default:
        json_encode_tree(json, &text);
        return (Scalar){.type = SCALAR_OTHER, .text = arena_strdup(arena, text.p)};
    }
}

static int compare_parts(const void *a, const void *b)
{
    return strcmp(((const KeyPart *)a)->name, ((const KeyPart *)b)->name);
}

static int parse_element(Arena *arena, const char *text, Element *ret)
{
    yyjson_doc *doc;
    yyjson_val *root, *key, *value;
    KeyPart *parts;
    Scalar *scalar;
    size_t i, n;

    if (strlen(text) < 2 || text[1] != ':')
        return 1;
    switch (text[0]) {
    case 'f':
        *ret = element_field(arena_strdup(arena, text + 2));
        return 0;
    case 'i':
        *ret = (Element){.kind = ELEMENT_INDEX};
        return str_to_int64(text + 2, 0, INT32_MAX, &ret->index);
    case 'v':
    case 'k':
        if (json_parse(arena, bytes_from_string(text + 2), &doc, NULL))
            return 1;
        root = yyjson_doc_get_root(doc);
        break;
    default:
        return 1;
    }
    if (text[0] == 'v') {
        scalar = arena_new(arena, Scalar);
        *scalar = scalar_of_json(arena, root);
        *ret = (Element){.kind = ELEMENT_VALUE, .value = scalar};
        return 0;
    }
    if (!yyjson_is_obj(root))
        return 1;
    parts = arena_new_n(arena, KeyPart, yyjson_obj_size(root) + 1);
    *ret = (Element){.kind = ELEMENT_KEY, .parts = parts};
    yyjson_obj_foreach(root, i, n, key, value)
    {
        parts[ret->n_parts++] =
            (KeyPart){arena_strdup(arena, yyjson_get_str(key)), scalar_of_json(arena, value)};
    }
    qsort(parts, ret->n_parts, sizeof(*parts), compare_parts);
    return 0;
}

static bool is_known_element(const char *text)
{
    return text[0] && text[1] == ':' && strchr("fvki", text[0]);
}

static int parse_members(Arena *arena, yyjson_val *json, FieldSet **ret, bool *ret_member)
{
    size_t i, n;
    yyjson_val *key, *value;
    int r;

    *ret = NULL;
    *ret_member = false;
    if (!yyjson_is_obj(json))
        return 1;
    yyjson_obj_foreach(json, i, n, key, value)
    {
        const char *text = yyjson_get_str(key);
        FieldSet *children;
        FieldNode *node;
        Element element;
        bool member;

        if (str_equal(text, ".")) {
            *ret_member = true;
            continue;
        }
        if (!is_known_element(text)) {
            if (strlen(text) < 2 || text[1] != ':')
                return 1;
            continue; /* a kind of element that a later version has */
        }
        r = parse_element(arena, text, &element);
        if (r == 0)
            r = parse_members(arena, value, &children, &member);
        if (r)
            return r;
        node = fieldset_push(arena, ret, element);
        node->member = member;
        node->children = children;
    }
    if (!*ret)
        *ret_member = true;
    fieldset_sort(arena, *ret);
    return 0;
}

int fieldset_parse(Arena *arena, Bytes fields_v1, FieldSet **ret)
{
    yyjson_doc *doc;
    bool member;

    *ret = NULL;
    if (fields_v1.n == 0)
        return 0;
    if (json_parse(arena, fields_v1, &doc, NULL))
        return 1;
    if (yyjson_is_null(yyjson_doc_get_root(doc)))
        return 0;
    return parse_members(arena, yyjson_doc_get_root(doc), ret, &member) ? 1 : 0;
}

static void print_element(const Element *element, StrBuf *out, StrBuf *scratch)
{
    static const char prefixes[] = {
        [ELEMENT_FIELD] = 'f', [ELEMENT_KEY] = 'k', [ELEMENT_VALUE] = 'v', [ELEMENT_INDEX] = 'i'};

    if (element->kind == ELEMENT_FIELD) {
        size_t at = out->n + 2; /* the name's own opening quote becomes the colon */

        strbuf_add(out, "\"f", 2);
        json_encode_string(out, element->name, strlen(element->name));
        out->p[at] = ':';
        strbuf_add_char(out, ':');
        return;
    }
    strbuf_truncate(scratch, 0);
    strbuf_add_char(scratch, prefixes[element->kind]);
    strbuf_add_char(scratch, ':');
    switch (element->kind) {
    case ELEMENT_FIELD:
        break;
    case ELEMENT_KEY:
        strbuf_add_char(scratch, '{');
        for (uint32_t i = 0; i < element->n_parts; i++) {
            if (i)
                strbuf_add_char(scratch, ',');
            json_encode_string(scratch, element->parts[i].name, strlen(element->parts[i].name));
            strbuf_add_char(scratch, ':');
            print_scalar(&element->parts[i].value, scratch);
        }
        strbuf_add_char(scratch, '}');
        break;
    case ELEMENT_VALUE:
        print_scalar(element->value, scratch);
        break;
    case ELEMENT_INDEX:
        strbuf_add_int64(scratch, element->index);
        break;
    }
    json_encode_string(out, scratch->p, scratch->n);
    strbuf_add_char(out, ':');
}

static void print_members(const FieldSet *set, bool self, StrBuf *out, StrBuf *scratch)
{
    strbuf_add_char(out, '{');
    if (self && set)
        strbuf_add(out, "\".\":{}", 6);
    for (size_t i = 0; set && i < set->n; i++) {
        if (i || self)
            strbuf_add_char(out, ',');
        print_element(&set->v[i].element, out, scratch);
        print_members(set->v[i].children, set->v[i].member, out, scratch);
    }
    strbuf_add_char(out, '}');
}

void fieldset_print(const FieldSet *set, StrBuf *out)
{
    _strbuf_ StrBuf scratch = STRBUF_INIT;

    print_members(set, false, out, &scratch);
}

static void each_path(const FieldSet *set, StrBuf *path, void (*each)(void *data, const char *path),
                      void *data)
{
    size_t before = path->n;

    for (size_t i = 0; set && i < set->n; i++) {
        if (!set->v[i].member)
            continue;
        element_print_path(&set->v[i].element, path);
        each(data, path->p);
        strbuf_truncate(path, before);
    }
    for (size_t i = 0; set && i < set->n; i++) {
        if (!set->v[i].children)
            continue;
        element_print_path(&set->v[i].element, path);
        each_path(set->v[i].children, path, each, data);
        strbuf_truncate(path, before);
    }
}

void fieldset_each_path(const FieldSet *set, void (*each)(void *data, const char *path), void *data)
{
    _strbuf_ StrBuf path = STRBUF_INIT;

    each_path(set, &path, each, data);
}
