/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work that schemas of CustomResourceDefinitions and their objects cause, with n parts of something. Each row is a schema and an
 * object, in which @( ... @) stands for n repetitions with commas between them, and # for the number of the repetition.
 */
#include <stdio.h>

#include "api/structural/structural.h"
#include "base/strbuf.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "work.h"

enum { SMALL = 200, LARGE = 2000 };

typedef struct Row {
    const char *name, *schema, *object;
} Row;

#define SPEC(s) "{'type':'object','properties':{'spec':" s "}}"

/* clang-format off */
static const Row rows[] = {
    {"properties", SPEC("{'type':'object','properties':{@('p#':{'type':'string','default':'x'}@)}}"), "{'spec':{}}"},
    {"members", SPEC("{'type':'object','properties':{@('p#':{'type':'string'}@)}}"), "{'spec':{@('p#':'v'@)}}"},
    {"required", SPEC("{'type':'object','required':[@('p#'@)],'properties':{@('p#':{'type':'string'}@)}}"), "{'spec':{}}"},
    {"unknown members", SPEC("{'type':'object','properties':{'a':{'type':'string'}}}"), "{'spec':{@('p#':'v'@)}}"},
    {"kept members", SPEC("{'type':'object','x-kubernetes-preserve-unknown-fields':true}"), "{'spec':{@('p#':'v'@)}}"},
    {"misfits", SPEC("{'type':'object','properties':{@('p#':{'type':'string'}@)}}"), "{'spec':{@('p#':1@)}}"},
    {"keys", SPEC("{'type':'object','additionalProperties':{'type':'string','pattern':'^a'}}"), "{'spec':{@('p#':'b'@)}}"},
    {"items", SPEC("{'type':'array','items':{'type':'integer','maximum':3}}"), "{'spec':[@(#@)]}"},
    {"set", SPEC("{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}}"), "{'spec':[@('#'@),@('#'@)]}"},
    {"map", SPEC("{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],'items':{'type':'object','required':['k'],"
                 "'properties':{'k':{'type':'string'},'v':{'type':'string','maxLength':1}}}}"), "{'spec':[@({'k':'#','v':'long'}@)]}"},
    {"enum", SPEC("{'type':'string','enum':[@('e#'@)]}"), "{'spec':'none'}"},
    {"alternatives", SPEC("{'type':'integer','anyOf':[@({'minimum':1#}@)]}"), "{'spec':0}"},
    {"all of them", SPEC("{'type':'integer','allOf':[@({'minimum':1#}@)]}"), "{'spec':0}"},
    {"forbidden keywords", SPEC("{'type':'integer','allOf':[@({'title':'t#'}@)]}"), "{}"},
    {"map keys", SPEC("{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':[@('k#'@)],'items':{'type':'object',"
                      "'properties':{@('k#':{'type':'string','default':'x'}@)}}}"), "{'spec':[{},{}]}"},
    {"long text", SPEC("{'type':'string','pattern':'^(a+)+$','maxLength':5}"), "{'spec':'@(a@)'}"},
    {"rules", SPEC("{'type':'object','x-kubernetes-validations':[@({'rule':'true'}@)]}"), "{'spec':{}}"},
};
/* clang-format on */

static void expand(const char *text, size_t n, StrBuf *out)
{
    const char *end;

    for (; *text; text++) {
        if (*text == '\'') {
            strbuf_add_char(out, '"');
        } else if (text[0] == '@' && text[1] == '(') {
            end = strstr(text, "@)");
            for (size_t i = 0; i < n; i++) {
                if (i)
                    strbuf_add_char(out, ',');
                for (const char *at = text + 2; at < end; at++) {
                    if (*at == '#')
                        strbuf_printf(out, "%zu", i);
                    else
                        strbuf_add_char(out, *at == '\'' ? '"' : *at);
                }
            }
            text = end + 1;
        } else {
            strbuf_add_char(out, *text);
        }
    }
}

static void drive(Arena *arena, Bytes schema, Bytes object)
{
    const Path *path = PATH(NULL, "schema");
    Causes causes = {.arena = arena};
    SchemaNode *root = structural_parse(arena, schema, path, &causes);
    const Structural *structural;
    DecodeReport report = {0};
    _strbuf_ StrBuf text = STRBUF_INIT;
    yyjson_doc *doc, *before;
    void *value;

    if (!root)
        return;
    structural_check(arena, root, false, path, &causes);
    if (causes.n)
        return; /* the server does nothing more with it */
    structural_publish(schema, 2, "g", "v1", "K", &text);
    strbuf_truncate(&text, 0);
    structural = structural_compile(arena, root, "K", "g.v1.K");
    if (json_parse(arena, object, &before, &report))
        return;
    value = arena_alloc(arena, structural->type->size);
    (void)json_decode(structural->type, arena, yyjson_doc_get_root(before), DECODE_CHECK_FIELDS,
                      NULL, value, &report);
    type_default(structural->type, arena, value);
    json_encode(structural->type, value, NULL, &text);
    if (json_parse(arena, strbuf_bytes(&text), &doc, &report))
        return;
    structural_validate(structural, STRUCTURAL_OBJECT, yyjson_doc_get_root(doc), NULL, &causes);
    structural_validate(structural, STRUCTURAL_OBJECT, yyjson_doc_get_root(doc),
                        yyjson_doc_get_root(before), &causes);
    (void)fieldset_of_value(structural->type, arena, value);
}

static uint64_t count_row(void *data, size_t n)
{
    const Row *row = data;
    _arena_ Arena arena = ARENA_INIT;
    _strbuf_ StrBuf schema = STRBUF_INIT, object = STRBUF_INIT;
    uint64_t work;

    expand(row->schema, n, &schema);
    expand(row->object, n, &object);
    work = work_count;
    drive(&arena, strbuf_bytes(&schema), strbuf_bytes(&object));
    return work_count - work;
}

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && str_equal(argv[1], "--verbose");
    unsigned failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Growth growth;
        bool linear =
            growth_is_linear(count_row, (void *)(uintptr_t)&rows[i], SMALL, LARGE, &growth);

        failed += !linear;
        if (!linear || verbose)
            fprintf(stderr,
                    "%s: %.2f (%" PRIu64 ", %" PRIu64 ", %" PRIu64 " steps for %zu, %zu, %zu)\n",
                    rows[i].name, growth.ratio, growth.work[0], growth.work[1], growth.work[2],
                    growth.n, growth.n * 2, growth.n * 4);
    }
    printf("%u of %zu grow too fast\n", failed, ARRAY_LEN(rows));
    return failed > 0;
}
