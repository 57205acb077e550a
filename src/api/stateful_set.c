/* SPDX-License-Identifier: Apache-2.0 */
/* The annotations of StatefulSets and their claims: see stateful_set.h. */
#include "api/stateful_set.h"

#include "api/object.h"
#include "codec/json/json.h"
#include "codec/quantity.h"

/* ---- ordinals ---- */

static int compare_ranges(const void *a, const void *b)
{
    const OrdinalRange *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* Parses "4" or "4-6". */
static int parse_range(const char *text, size_t n, OrdinalRange *ret)
{
    _free_ char *item = mem_strndup(text, n);
    char *dash = strchr(item, '-');

    if (dash)
        *dash = '\0';
    if (str_to_int64(item, 0, INT32_MAX, &ret->first))
        return 1;
    if (!dash)
        ret->last = ret->first;
    else if (str_to_int64(dash + 1, ret->first, INT32_MAX, &ret->last))
        return 1;
    return 0;
}

int ordinal_set_parse(Arena *arena, const char *text, OrdinalSet *ret, const char **reterr)
{
    size_t commas = 0, n = 0;
    OrdinalRange *v;

    *ret = (OrdinalSet){0};
    if (str_empty(text))
        return 0;
    for (const char *at = text; *at; at++)
        commas += *at == ',';
    v = arena_new_n(arena, OrdinalRange, commas + 1);
    for (const char *at = text;;) {
        size_t length;

        at += strspn(at, " ");
        length = strcspn(at, ", ");
        if (parse_range(at, length, &v[n])) {
            *reterr = arena_printf(arena, "\"%.*s\" is neither an ordinal nor a range such as 4-6",
                                   (int)MIN_OF(length, (size_t)40), at);
            return 1;
        }
        n++;
        at += length;
        at += strspn(at, " ");
        if (*at != ',')
            break;
        at++;
    }
    qsort(v, n, sizeof(*v), compare_ranges);
    for (size_t i = 1; i < n; i++)
        if (v[i].first <= v[i - 1].last) {
            *reterr = arena_printf(arena, "ordinal %" PRId64 " is listed twice", v[i].first);
            return 1;
        }
    *ret = (OrdinalSet){v, n};
    return 0;
}

/* The range that contains the ordinal, or NULL. */
static const OrdinalRange *find_range(const OrdinalSet *set, int64_t ordinal)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->v[middle].last < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->n && set->v[low].first <= ordinal ? &set->v[low] : NULL;
}

bool ordinal_set_has(const OrdinalSet *set, int64_t ordinal)
{
    return find_range(set, ordinal) != NULL;
}

static OrdinalSet annotated_ordinals(Arena *arena, const StatefulSet *set, const char *key)
{
    const char *why;
    OrdinalSet ordinals;

    (void)ordinal_set_parse(arena, string_map_get(&set->metadata.annotations, key), &ordinals,
                            &why);
    return ordinals;
}

SetOrdinals stateful_set_ordinals(Arena *arena, const StatefulSet *set)
{
    SetOrdinals ordinals = {
        .start = set->spec.ordinals ? set->spec.ordinals->start : 0,
        .reserved = annotated_ordinals(arena, set, SET_RESERVED_ORDINALS),
        .paused = annotated_ordinals(arena, set, SET_PAUSED_ORDINALS),
    };

    ordinals.end = ordinals.start + (set->spec.replicas ? *set->spec.replicas : 1);
    for (size_t i = 0; i < ordinals.reserved.n; i++) {
        const OrdinalRange *range = &ordinals.reserved.v[i];

        if (range->last >= ordinals.start && range->first < ordinals.end)
            ordinals.end += range->last - MAX_OF(range->first, ordinals.start) + 1;
    }
    return ordinals;
}

bool set_ordinals_want(const SetOrdinals *ordinals, int64_t ordinal)
{
    return ordinal >= ordinals->start && ordinal < ordinals->end &&
           !ordinal_set_has(&ordinals->reserved, ordinal);
}

int64_t set_ordinals_from(const SetOrdinals *ordinals, int64_t ordinal)
{
    const OrdinalRange *range;

    while ((range = find_range(&ordinals->reserved, ordinal)))
        ordinal = range->last + 1;
    return ordinal;
}

/* ---- strategy ---- */

bool stateful_set_recreates(const StatefulSet *set)
{
    return str_equal(set->spec.update_strategy.type, "Recreate") ||
           str_equal(string_map_get(&set->metadata.annotations, SET_UPDATE_STRATEGY), "Recreate");
}

/* ---- claim templates ---- */

const char *claim_template_size(const VolumeClaimTemplate *template)
{
    return string_map_get(&template->spec.resources.requests, "storage");
}

VolumeClaimTemplate claim_template_with(Arena *arena, const VolumeClaimTemplate *template,
                                        const VolumeClaimTemplate *from)
{
    VolumeClaimTemplate made = *template;
    StringMap *requests = &made.spec.resources.requests;
    const char *size = claim_template_size(from);

    if (from->metadata.labels.v)
        made.metadata.labels = from->metadata.labels;
    if (from->metadata.annotations.v)
        made.metadata.annotations = from->metadata.annotations;
    if (from->spec.volume_attributes_class_name)
        made.spec.volume_attributes_class_name = from->spec.volume_attributes_class_name;
    if (size) {
        requests->v = ARENA_COPY_N(arena, requests->v, requests->n);
        string_map_put(arena, requests, "storage", size);
    }
    return made;
}

/* Only the name and the changeable fields. */
static VolumeClaimTemplate changeable_part(Arena *arena, const VolumeClaimTemplate *template)
{
    VolumeClaimTemplate part = {.metadata.name = template->metadata.name};

    return claim_template_with(arena, &part, template);
}

static VolumeClaimTemplate *decode_template(Arena *arena, yyjson_val *json, const char **reterr)
{
    static const char *const ignore[] = {"kind", "apiVersion", "status", NULL};
    VolumeClaimTemplate *template = arena_new(arena, VolumeClaimTemplate), part;
    DecodeReport report = {0};

    if (json_decode(&type_VolumeClaimTemplate, arena, json, DECODE_CHECK_FIELDS, ignore, template,
                    &report)) {
        *reterr = report.error ? report.error : report.field_errors.v[0];
        return NULL;
    }
    template->kind = template->api_version = NULL;
    template->status = (PersistentVolumeClaimStatus){0};
    part = changeable_part(arena, template);
    if (!type_equal(&type_VolumeClaimTemplate, template, &part)) {
        *reterr = "only the name, labels, annotations, resources.requests.storage and "
                  "volumeAttributesClassName of a claim template can be given here";
        return NULL;
    }
    return template;
}

int claim_templates_parse(Arena *arena, const char *text, VolumeClaimTemplateArray *ret,
                          const char **reterr)
{
    DecodeReport report = {0};
    yyjson_doc *doc;
    yyjson_val *root, *item;
    size_t i, n;

    *ret = (VolumeClaimTemplateArray){0};
    if (str_empty(text))
        return 0;
    if (json_parse(arena, (Bytes){(const uint8_t *)text, strlen(text)}, &doc, &report)) {
        *reterr = report.error;
        return 1;
    }
    root = yyjson_doc_get_root(doc);
    if (!yyjson_is_arr(root)) {
        *reterr = "must be a JSON list of claim templates";
        return 1;
    }
    ret->v = arena_new_n(arena, VolumeClaimTemplate, yyjson_arr_size(root) + 1);
    yyjson_arr_foreach(root, i, n, item)
    {
        VolumeClaimTemplate *template = decode_template(arena, item, reterr);

        if (!template) {
            *ret = (VolumeClaimTemplateArray){0};
            return 1;
        }
        ret->v[ret->n++] = *template;
    }
    return 0;
}

static void encode_template(Arena *arena, const VolumeClaimTemplate *template, StrBuf *out)
{
    VolumeClaimTemplate part = changeable_part(arena, template);

    json_encode(&type_VolumeClaimTemplate, &part, NULL, out);
}

const char *claim_template_text(Arena *arena, const VolumeClaimTemplate *template)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    encode_template(arena, template, &out);
    return arena_strdup(arena, strbuf_string(&out));
}

const char *claim_templates_text(Arena *arena, const VolumeClaimTemplateArray *templates)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    strbuf_add_char(&out, '[');
    for (size_t i = 0; i < templates->n; i++) {
        if (i)
            strbuf_add_char(&out, ',');
        encode_template(arena, &templates->v[i], &out);
    }
    strbuf_add_char(&out, ']');
    return arena_strdup(arena, strbuf_string(&out));
}

VolumeClaimTemplate *claim_template_parse(Arena *arena, const char *text)
{
    DecodeReport report = {0};
    const char *why;
    yyjson_doc *doc;

    if (str_empty(text) ||
        json_parse(arena, (Bytes){(const uint8_t *)text, strlen(text)}, &doc, &report))
        return NULL;
    return decode_template(arena, yyjson_doc_get_root(doc), &why);
}

const VolumeClaimTemplate *claim_templates_find(const VolumeClaimTemplateArray *templates,
                                                const char *name)
{
    for (size_t i = 0; i < templates->n; i++)
        if (str_equal(templates->v[i].metadata.name, name))
            return &templates->v[i];
    return NULL;
}

ClaimTemplates stateful_set_claim_templates(Arena *arena, const StatefulSet *set)
{
    const StringMap *annotations = &set->metadata.annotations;
    const char *given = string_map_get(annotations, SET_CLAIM_TEMPLATES);
    const char *before = string_map_get(annotations, SET_ORIGINAL_CLAIM_TEMPLATES);
    const VolumeClaimTemplateArray *spec = &set->spec.volume_claim_templates;
    VolumeClaimTemplateArray replaced, old;
    ClaimTemplates templates = {.now = *spec, .original = *spec};
    const char *why;

    if (spec->n == 0 || (!given && !before))
        return templates;
    templates.changed = true;
    (void)claim_templates_parse(arena, given, &replaced, &why);
    (void)claim_templates_parse(arena, before, &old, &why);
    templates.now.v = ARENA_COPY_N(arena, spec->v, spec->n);
    templates.original.v = ARENA_COPY_N(arena, spec->v, spec->n);
    for (size_t i = 0; i < spec->n; i++) {
        const char *name = spec->v[i].metadata.name;
        const VolumeClaimTemplate *to = claim_templates_find(&replaced, name);
        const VolumeClaimTemplate *from = claim_templates_find(&old, name);

        if (to)
            templates.now.v[i] = claim_template_with(arena, &spec->v[i], to);
        if (from) /* its absent fields are really absent */
            templates.original.v[i] = *from;
    }
    return templates;
}
