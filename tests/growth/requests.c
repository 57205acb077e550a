/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests with long bodies cost time in proportion to their length, whatever is long in them.
 *
 * For every list, map and text of every kind a body is made in which just that is long, and goes
 * through the whole server: HTTP, decoder, defaults, admission, validation, managedFields, encoder.
 * Forms: create as JSON, YAML and protobuf, update, status, the four patches. What has no place in
 * the tables (unknown and repeated members, YAML's anchors, selectors) follows as a list of texts.
 *
 *   requests [--only TEXT] [--verbose]
 */
#include "testing.h"

#include <stdio.h>

#include "../wire/api_harness.h"
#include "api/object.h"
#include "base/strmap.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "codec/protobuf/protobuf.h"
#include "spots.h"
#include "work.h"

enum { SMALL = 64, LARGE = 512, REPORTED_MAX = 200 };

typedef struct Run {
    Api api;
    const char *only;
    bool verbose;
    size_t n_cases, n_failed;
    uint64_t work;
    StrMap seen; /* structs' fields that were patched already */
} Run;

/* A request of a head, n items, and a tail; %1$zu in the item is its number. */
typedef struct Text {
    const char *name, *method, *path, *type;
    const char *head, *item, *tail;
} Text;

typedef struct Case {
    Run *run;
    const Spot *spot; /* NULL: a text */
    const Text *text;
    const char *form;
} Case;

static const char *const type_members[] = {"kind", "apiVersion", NULL};

/* ---- measuring ---- */

static uint64_t count_call(Run *run, const char *method, const char *path, const char *type,
                           const StrBuf *body)
{
    char header[128];
    uint64_t before;

    snprintf(header, sizeof(header), "Content-Type: %s\r\n", type);
    before = work_count;
    api_call_on(&run->api, run->api.admin, method, path, type ? header : NULL, body->p, body->n);
    return work_count - before;
}

static const char *collection(const Kind *kind, char room[256])
{
    bool core = str_empty(kind->group);

    snprintf(room, 256, "/%s%s%s/%s%s/%s", core ? "api" : "apis", core ? "" : "/", kind->group,
             kind->version, kind->flags & KIND_NAMESPACED ? "/namespaces/t" : "", kind->plural);
    return room;
}

static const char *ns_of(const Kind *kind)
{
    return kind->flags & KIND_NAMESPACED ? "t" : NULL;
}

/* Puts an object into the store behind the server's back, since most of these would be refused. */
static void store_body(Run *run, const Body *body)
{
    const Kind *kind = body->spot->kind;
    _strbuf_ StrBuf text = STRBUF_INIT, fields = STRBUF_INIT;
    _arena_ Arena arena = ARENA_INIT;
    _object_ Object *object = object_new(kind);
    ObjectMeta *meta = object_meta(object);
    DecodeReport report = {0};
    yyjson_doc *doc;
    ManagedFieldsEntry entry = {.manager = "other",
                                .operation = "Apply",
                                .api_version = kind->api_version,
                                .fields_type = "FieldsV1"};

    body_print(body, &text);
    if (json_parse(&arena, strbuf_bytes(&text), &doc, &report) ||
        json_decode(kind->type, &object->arena, yyjson_doc_get_root(doc), 0, type_members,
                    object->value, &report))
        fail_msg("%s: %s", strbuf_string(&text), report.error);
    type_default(kind->type, &object->arena, object->value);
    fieldset_print(fieldset_of_value(kind->type, &arena, object->value), &fields);
    entry.fields_v1 = arena_bytes(&object->arena, strbuf_bytes(&fields));
    meta->managed_fields.v = arena_new(&object->arena, ManagedFieldsEntry);
    meta->managed_fields.v[0] = entry;
    meta->managed_fields.n = 1;
    meta->name = "o";
    meta->uid = "u";
    meta->namespace = ns_of(kind);
    meta->creation_timestamp = (Time){.seconds = API_EPOCH, .set = true};
    if (store_create(run->api.store, object, NULL, NULL))
        fail_msg("%s is there", kind->kind);
    api_settle(&run->api);
}

static void unstore(Run *run, const Kind *kind)
{
    Object *head = store_head(run->api.store, kind, ns_of(kind), "o");
    _object_ Object *last = object_copy(head);

    store_delete(run->api.store, last, head->revision, NULL, NULL);
    api_settle(&run->api);
}

/* ---- forms of a spot ---- */

static uint64_t create_json(void *data, size_t n)
{
    Case *c = data;
    _strbuf_ StrBuf text = STRBUF_INIT;
    Body body = {.spot = c->spot, .name = "o", .n = n, .step = 5};
    char at[256], path[320];

    body.beside = str_equal(c->form, "create with neighbours");
    if (str_equal(c->form, "create with duplicates"))
        body.step = 0;
    body_print(&body, &text);
    snprintf(path, sizeof(path), "%s?dryRun=All&fieldManager=m", collection(c->spot->kind, at));
    return count_call(c->run, "POST", path, "application/json", &text);
}

static const char *const texts[] = {"text a", "text /a.-", "text 1", "text a,", "text *:"};

static uint64_t create_text(void *data, size_t n)
{
    Case *c = data;
    _strbuf_ StrBuf text = STRBUF_INIT;
    Body body = {.spot = c->spot, .name = "o", .n = n * 8};
    char at[256], path[320];

    while (!str_equal(texts[body.step], c->form))
        body.step++;
    body_print(&body, &text);
    snprintf(path, sizeof(path), "%s?dryRun=All&fieldManager=m", collection(c->spot->kind, at));
    return count_call(c->run, "POST", path, "application/json", &text);
}

static uint64_t create_yaml(void *data, size_t n)
{
    Case *c = data;
    _strbuf_ StrBuf text = STRBUF_INIT;
    Body body = {.spot = c->spot, .name = "o", .n = n, .step = 5};
    char at[256], path[320];

    body_print(&body, &text); /* JSON is YAML */
    snprintf(path, sizeof(path), "%s?dryRun=All", collection(c->spot->kind, at));
    return count_call(c->run, "POST", path, "application/yaml", &text);
}

static void add_protobuf(const Body *body, StrBuf *raw)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    _arena_ Arena arena = ARENA_INIT;
    DecodeReport report = {0};
    void *value = arena_alloc(&arena, body->spot->kind->type->size);
    yyjson_doc *doc;

    body_print(body, &text);
    if (json_parse(&arena, strbuf_bytes(&text), &doc, &report) == 0)
        json_decode(body->spot->kind->type, &arena, yyjson_doc_get_root(doc), 0, type_members,
                    value, &report);
    protobuf_encode(body->spot->kind->type, value, raw);
}

static uint64_t send_protobuf(Case *c, const StrBuf *raw)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const Kind *kind = c->spot->kind;
    char at[256], path[320];

    protobuf_encode_envelope(kind->api_version, kind->kind, strbuf_bytes(raw), &text);
    snprintf(path, sizeof(path), "%s?dryRun=All", collection(kind, at));
    return count_call(c->run, "POST", path, "application/vnd.kubernetes.protobuf", &text);
}

static uint64_t create_protobuf(void *data, size_t n)
{
    Case *c = data;
    _strbuf_ StrBuf raw = STRBUF_INIT;

    add_protobuf(&(Body){.spot = c->spot, .name = "o", .n = n, .step = 5}, &raw);
    return send_protobuf(c, &raw);
}

/* The same message over and over, each with one item more: protobuf merges them. */
static uint64_t create_pieces(void *data, size_t n)
{
    Case *c = data;
    _strbuf_ StrBuf raw = STRBUF_INIT;

    for (size_t i = 0; i < n; i++)
        add_protobuf(&(Body){.spot = c->spot, .name = "o", .n = 1, .from = i * 5 % n}, &raw);
    return send_protobuf(c, &raw);
}

/* Sends a body against an object with n items that is stored. */
static uint64_t against_stored(Case *c, size_t n, const char *method, const char *type,
                               const char *tail, const StrBuf *body)
{
    char at[256], path[512];
    uint64_t work;

    store_body(c->run, &(Body){.spot = c->spot, .name = "o", .n = n, .step = 1});
    snprintf(path, sizeof(path), "%s/o%s", collection(c->spot->kind, at), tail);
    work = count_call(c->run, method, path, type, body);
    unstore(c->run, c->spot->kind);
    return work;
}

static bool in_status(const Spot *spot)
{
    return spot->kind->status && spot->path[0] == spot->kind->status &&
           spot->kind->flags & KIND_HAS_STATUS;
}

static uint64_t update(void *data, size_t n)
{
    Case *c = data;
    _strbuf_ StrBuf text = STRBUF_INIT;

    /* Half of the items are new. */
    body_print(&(Body){.spot = c->spot, .name = "o", .n = n, .step = n - 1, .from = n / 2}, &text);
    return against_stored(c, n, "PUT", "application/json",
                          in_status(c->spot) ? "/status?dryRun=All&fieldManager=m"
                                             : "?dryRun=All&fieldManager=m",
                          &text);
}

static uint64_t patch_body(Case *c, size_t n, const char *type, const char *tail, Body body)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    char query[96];

    snprintf(query, sizeof(query), "%s?dryRun=All&%s", in_status(c->spot) ? "/status" : "", tail);
    body.spot = c->spot;
    body.n = n;
    body.step = n - 1;
    body_print(&body, &text);
    return against_stored(c, n, "PATCH", type, query, &text);
}

static uint64_t patch_merge(void *data, size_t n)
{
    return patch_body(data, n, "application/merge-patch+json", "fieldManager=m",
                      (Body){.from = n / 2});
}

static uint64_t patch_merge_null(void *data, size_t n)
{
    return patch_body(data, n, "application/merge-patch+json", "fieldManager=m",
                      (Body){.null_items = true});
}

static uint64_t patch_strategic(void *data, size_t n)
{
    return patch_body(data, n, "application/strategic-merge-patch+json", "fieldManager=m",
                      (Body){.from = n / 2});
}

static uint64_t patch_strategic_order(void *data, size_t n)
{
    return patch_body(data, n, "application/strategic-merge-patch+json", "fieldManager=m",
                      (Body){.order = true});
}

static uint64_t patch_apply(void *data, size_t n)
{
    return patch_body(data, n, "application/apply-patch+yaml", "fieldManager=m&force=true",
                      (Body){.from = n / 2, .type_meta = true, .name = "o"});
}

static uint64_t patch_apply_conflict(void *data, size_t n)
{
    return patch_body(data, n, "application/apply-patch+yaml", "fieldManager=m",
                      (Body){.type_meta = true, .name = "o"});
}

/* The same manager as before, who gives half of it up. */
static uint64_t patch_apply_again(void *data, size_t n)
{
    return patch_body(data, n, "application/apply-patch+yaml", "fieldManager=other",
                      (Body){.from = n / 2, .type_meta = true, .name = "o"});
}

static void add_operation(StrBuf *out, const char *op, const char *path, const char *member,
                          const char *value)
{
    strbuf_printf(out, "%s{\"op\":\"%s\",\"path\":\"%s\",\"%s\":%s}", out->n > 1 ? "," : "", op,
                  path, member, value);
}

/* Six operations on an object's members; each leaves what the next one needs. */
static void operate_on_map(StrBuf *out, const char *at, const char *item, size_t i, size_t n)
{
    char old[512], added[512], copied[512], moved[512], from[520];

    snprintf(old, sizeof(old), "%s/a%07zu", at, (i * 7 + 3) % n);
    snprintf(added, sizeof(added), "%s/b%07zu", at, i);
    snprintf(copied, sizeof(copied), "%s/c%07zu", at, i);
    snprintf(moved, sizeof(moved), "%s/d%07zu", at, i);
    add_operation(out, "add", added, "value", item);
    add_operation(out, "replace", old, "value", item);
    add_operation(out, "test", old, "value", item);
    snprintf(from, sizeof(from), "\"%s\"", old);
    add_operation(out, "copy", copied, "from", from);
    snprintf(from, sizeof(from), "\"%s\"", copied);
    add_operation(out, "move", moved, "from", from);
    if (i % 2)
        add_operation(out, "remove", moved, "value", "null");
}

static void operate_on_list(StrBuf *out, const char *at, const char *item, size_t i, size_t n)
{
    char old[512], middle[512], from[520];

    snprintf(old, sizeof(old), "%s/%zu", at, (i * 7 + 3) % n);
    snprintf(middle, sizeof(middle), "%s/%zu", at, n / 2);
    snprintf(from, sizeof(from), "\"%s\"", old);
    add_operation(out, "add", middle, "value", item);
    add_operation(out, "replace", old, "value", item);
    add_operation(out, "test", old, "value", item);
    add_operation(out, "copy", middle, "from", from);
    add_operation(out, "move", middle, "from", from);
    if (i % 2)
        add_operation(out, "remove", middle, "value", "null");
}

static uint64_t patch_json(void *data, size_t n)
{
    Case *c = data;
    const Field *field = c->spot->path[c->spot->depth - 1];
    _strbuf_ StrBuf text = STRBUF_INIT, pointer = STRBUF_INIT;

    spot_pointer(c->spot, &pointer);
    strbuf_add_char(&text, '[');
    for (size_t i = 0; i < n / 4; i++) {
        _strbuf_ StrBuf item = STRBUF_INIT;

        body_item(field, n + i, &item);
        (field->shape == SHAPE_MAP ? operate_on_map : operate_on_list)(&text, pointer.p, item.p, i,
                                                                       n);
    }
    strbuf_add_char(&text, ']');
    return against_stored(c, n, "PATCH", "application/json-patch+json",
                          in_status(c->spot) ? "/status?dryRun=All&fieldManager=m"
                                             : "?dryRun=All&fieldManager=m",
                          &text);
}

/* ---- texts ---- */

#define MAPS "/api/v1/namespaces/t/configmaps"
#define JSON "application/json"
#define YAML "application/yaml"

/* clang-format off */
static const Text written[] = {
    {"unknown members", "POST", MAPS "?dryRun=All&fieldValidation=Strict", JSON, "{\"metadata\":{\"name\":\"o\"}", ",\"u%1$zu\":1", "}"},
    {"unknown members that only warn", "POST", MAPS "?dryRun=All", JSON, "{\"metadata\":{\"name\":\"o\"}", ",\"u%1$zu\":1", "}"},
    {"a member over and over", "POST", MAPS "?dryRun=All", JSON, "{\"metadata\":{\"name\":\"o\"}", ",\"data\":{\"k%1$zu\":\"v\"}", "}"},
    {"anchors and aliases", "POST", MAPS "?dryRun=All", YAML, "metadata: {name: o}\ndata:\n", "  k%1$zu: &a%1$zu v\n  l%1$zu: *a%1$zu\n", ""},
    {"merge keys", "POST", MAPS "?dryRun=All", YAML, "metadata: {name: o}\ndata:\n", "  <<: {k%1$zu: v}\n", ""},
    {"a list of merges", "POST", MAPS "?dryRun=All", YAML, "metadata: {name: o}\ndata:\n  <<: [", "{k%1$zu: v},", "]\n"},
    {"a block of lines", "POST", MAPS "?dryRun=All", YAML, "metadata: {name: o}\ndata:\n  a: |\n", "    line %1$zu\n", ""},
    {"comments", "POST", MAPS "?dryRun=All", YAML, "metadata: {name: o}\n", "# %1$zu\n", ""},
    {"label requirements", "GET", MAPS "?labelSelector=a", JSON, "", ",k%1$zu=v", ""},
    {"values of a label", "GET", MAPS "?labelSelector=a+in+(v", JSON, "", ",v%1$zu", ")"},
    {"field requirements", "GET", MAPS "?fieldSelector=metadata.name=a", JSON, "", ",metadata.name!=v%1$zu", ""},
    {"members of a merge patch, over and over", "PATCH", MAPS "/default-map?dryRun=All", "application/merge-patch+json", "{\"x\":0", ",\"data\":{\"k%1$zu\":\"v\"}", "}"},
    {"members of a strategic patch, over and over", "PATCH", MAPS "/default-map?dryRun=All", "application/strategic-merge-patch+json", "{\"x\":0", ",\"data\":{\"k%1$zu\":\"v\"}", "}"},
    {"tests of a JSON patch", "PATCH", MAPS "/default-map?dryRun=All", "application/json-patch+json", "[{\"op\":\"test\",\"path\":\"/kind\",\"value\":\"ConfigMap\"}", ",{\"op\":\"test\",\"path\":\"/metadata/namespace\",\"value\":\"t\"}", "]"},
    {"moves of a JSON patch", "PATCH", MAPS "/default-map?dryRun=All", "application/json-patch+json", "[{\"op\":\"add\",\"path\":\"/data\",\"value\":{}}", ",{\"op\":\"move\",\"from\":\"/metadata\",\"path\":\"/m\"},{\"op\":\"move\",\"from\":\"/m\",\"path\":\"/metadata\"}", "]"},
};
/* clang-format on */

static uint64_t send_text(void *data, size_t n)
{
    Case *c = data;
    const Text *text = c->text;
    bool in_path = str_equal(text->method, "GET");
    _strbuf_ StrBuf body = STRBUF_INIT, path = STRBUF_INIT;
    StrBuf *to = in_path ? &path : &body;

    strbuf_add_string(&path, text->path);
    strbuf_add_string(to, text->head);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (size_t i = 0; i < n; i++) {
        char item[512]; /* libc's own printf, since the project's has no numbered arguments */

        snprintf(item, sizeof(item), text->item, (i * 5 + 3) % n);
        strbuf_add_string(to, item);
    }
#pragma GCC diagnostic pop
    strbuf_add_string(to, text->tail);
    return count_call(c->run, text->method, path.p, text->type, &body);
}

/* ---- running ---- */

static void look(Case *c, WorkAt at, const char *form)
{
    _strbuf_ StrBuf name = STRBUF_INIT;
    Growth growth;
    uint64_t before = work_count;

    c->form = form;
    if (c->spot)
        spot_print(c->spot, &name);
    else
        strbuf_add_string(&name, c->text->name);
    strbuf_printf(&name, ": %s", form);
    if (c->run->only && !strstr(name.p, c->run->only))
        return;
    c->run->n_cases++;
    if (!growth_is_linear(at, c, SMALL, LARGE, &growth)) {
        if (c->run->n_failed++ < REPORTED_MAX)
            fprintf(stderr,
                    "%s: %.2f (%" PRIu64 ", %" PRIu64 ", %" PRIu64 " steps for %zu, %zu, %zu)\n",
                    name.p, growth.ratio, growth.work[0], growth.work[1], growth.work[2], growth.n,
                    growth.n * 2, growth.n * 4);
    } else if (c->run->verbose) {
        printf("%s: %.2f (%" PRIu64 " steps for %zu) -> %d\n", name.p, growth.ratio, growth.work[2],
               growth.n * 4, c->run->api.status);
    }
    c->run->work += work_count - before;
}

/* What no kind does differently is looked at once for each struct. */
static bool is_new(Run *run, const Spot *spot)
{
    _free_ char *key = mem_printf("%p", (const void *)spot->path[spot->depth - 1]);

    return strmap_put(&run->seen, key, run) == NULL;
}

static void look_at_spot(void *data, const Spot *spot)
{
    static const struct {
        const char *name;
        WorkAt at;
        bool stored, map; /* only for kinds that are stored; only for maps */
    } forms[] = {
        {"create as YAML", create_yaml, false, false},
        {"create as protobuf", create_protobuf, false, false},
        {"create as pieces of protobuf", create_pieces, false, false},
        {"update", update, true, false},
        {"merge patch", patch_merge, true, false},
        {"merge patch with nulls", patch_merge_null, true, true},
        {"strategic patch", patch_strategic, true, false},
        {"strategic patch with order", patch_strategic_order, true, false},
        {"JSON patch", patch_json, true, false},
        {"apply", patch_apply, true, false},
        {"apply without force", patch_apply_conflict, true, false},
        {"apply again", patch_apply_again, true, false},
    };
    Run *run = data;
    Case c = {.run = run, .spot = spot};
    bool fresh = is_new(run, spot);

    if (spot->is_text) {
        for (size_t i = 0; fresh && i < ARRAY_LEN(texts); i++)
            look(&c, create_text, texts[i]);
        return;
    }
    look(&c, create_json, "create");
    if (fresh) {
        look(&c, create_json, "create with neighbours");
        look(&c, create_json, "create with duplicates");
    }
    for (size_t i = 0; fresh && i < ARRAY_LEN(forms); i++)
        if ((!forms[i].stored || !(spot->kind->flags & KIND_NOT_STORED)) &&
            (!forms[i].map || spot->path[spot->depth - 1]->shape == SHAPE_MAP))
            look(&c, forms[i].at, forms[i].name);
}

int main(int argc, char **argv)
{
    static Run run;

    for (int i = 1; i < argc; i++) {
        if (str_equal(argv[i], "--verbose"))
            run.verbose = true;
        else if (str_equal(argv[i], "--only") && i + 1 < argc)
            run.only = argv[++i];
        else
            return fprintf(stderr, "usage: requests [--only TEXT] [--verbose]\n"), 2;
    }
    api_start(&run.api, NULL);
    api_fixture(&run.api);
    api_call(&run.api, "POST", MAPS, NULL, "{\"metadata\":{\"name\":\"default-map\"}}");
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        look(&(Case){.run = &run, .text = &written[i]}, send_text, written[i].method);
    for (size_t i = 0; i < kind_count(); i++)
        if (!str_empty(kind_at(i)->plural))
            spots_each(kind_at(i), look_at_spot, &run);
    strmap_deinit(&run.seen);
    api_stop(&run.api);
    printf("%zu cases, %zu grow too fast, %" PRIu64 " steps\n", run.n_cases, run.n_failed,
           run.work);
    return run.n_failed > 0;
}
