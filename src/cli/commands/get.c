/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead get`: prints a table for each kind, with rows that the server computes, or objects as yaml, json or names. With -w each change
 * is printed as a further line, and columns do not become narrower.
 */
#include "cli/commands/commands.h"
#include "cli/output.h"
#include "cli/resources.h"
#include "cli/table.h"
#include "codec/json/json.h"

typedef enum Form { FORM_TABLE, FORM_WIDE, FORM_YAML, FORM_JSON, FORM_NAME } Form;

typedef struct Get {
    Cluster cluster;
    const Options *options;
    Form form;
    Targets targets;
    TablePrinter printer;
    Layout layout;
    VEC(yyjson_val *) objects; /* of the forms that are no tables */
    bool list;                 /* a List rather than one object */
    bool printed, failed;
    bool with_namespace; /* from the first kind that has one on, as kubectl does */
} Get;

static int read_form(const Options *options, Form *ret)
{
    static const char *const names[] = {"", "wide", "yaml", "json", "name"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_equal(str_or(options->output, ""), names[i])) {
            *ret = (Form)i;
            return 0;
        }
    }
    fprintf(stderr, "stead: -o %s: choose wide, yaml, json or name\n", options->output);
    return 2;
}

static bool is_table(const Get *get)
{
    return get->form <= FORM_WIDE;
}

static char *target_path(Get *get, const Target *target, const char *watch_from)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    const Options *o = get->options;

    resource_path(&path, target->resource, target->ns, watch_from ? NULL : target->name, NULL);
    if (o->selector)
        url_add_query(&path, "labelSelector", o->selector);
    if (o->field_selector)
        url_add_query(&path, "fieldSelector", o->field_selector);
    if (watch_from) {
        if (target->name)
            url_add_query(&path, "fieldSelector",
                          arena_printf(get->cluster.arena, "metadata.name=%s", target->name));
        url_add_query(&path, "watch", "true");
        url_add_query(&path, "resourceVersion", watch_from);
    }
    return arena_strdup(get->cluster.arena, path.p);
}

/* Returns 0, or 1 if the object does not exist or the request was refused; then a message was printed if there has to be one. */
static int fetch(Get *get, const Target *target, ClusterReply *ret)
{
    ClusterCall call = {.path = target_path(get, target, NULL),
                        .accept = is_table(get) ? CLUSTER_TABLE : CLUSTER_JSON};

    if (cluster_send(&get->cluster, &call, ret))
        return 1;
    if (cluster_ok(ret))
        return 0;
    if (ret->status == 404 && get->options->ignore_not_found)
        return 1;
    get->failed = true;
    return cluster_refused(ret);
}

/* ---- tables ---- */

static void new_section(Get *get, const Resource *resource, bool with_kind)
{
    table_printer_deinit(&get->printer);
    layout_deinit(&get->layout);
    get->layout = LAYOUT_TABLE;
    get->with_namespace |= get->options->all_namespaces && resource->namespaced;
    get->printer.style = (TableStyle){
        .wide = get->form == FORM_WIDE,
        .with_namespace = get->with_namespace,
        .show_labels = get->options->show_labels,
        .no_headers = get->options->no_headers,
        .kind = with_kind ? resource_label(get->cluster.arena, resource) : NULL,
    };
}

static void print_section(Get *get, StrBuf *text)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    if (!text->n)
        return;
    if (get->printed && !get->options->no_headers)
        putchar('\n');
    layout_text(&get->layout, strbuf_bytes(text), &out);
    fwrite(out.p, 1, out.n, stdout);
    get->printed = true;
    strbuf_truncate(text, 0);
}

static bool many_kinds(const Get *get)
{
    for (size_t i = 1; i < get->targets.n; i++)
        if (get->targets.v[i].resource != get->targets.v[0].resource)
            return true;
    return false;
}

static void get_tables(Get *get)
{
    bool with_kind = many_kinds(get) || get->options->show_kind, namespaced = true;
    const Resource *last = NULL;
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < get->targets.n; i++) {
        const Target *target = &get->targets.v[i];
        ClusterReply reply;

        namespaced = namespaced && target->resource->namespaced;
        if (target->resource != last) {
            print_section(get, &text);
            new_section(get, target->resource, with_kind);
            last = target->resource;
        }
        if (fetch(get, target, &reply) == 0)
            table_add(&get->printer, reply.json, &text);
    }
    print_section(get, &text);
    if (get->printed || get->failed || get->options->ignore_not_found)
        return;
    if (namespaced && !get->options->all_namespaces)
        fprintf(stderr, "No resources found in %s namespace.\n", get->cluster.ns);
    else
        fprintf(stderr, "No resources found\n");
}

/* ---- whole objects ---- */

/* The items of a list do not say what they are; the list does. */
static yyjson_val *with_kind(Get *get, yyjson_val *item, yyjson_val *list)
{
    yyjson_alc alc = json_arena_alc(get->cluster.arena);
    const char *kind = json_text(list, "/kind");
    yyjson_mut_doc *doc;
    yyjson_mut_val *copy;

    if (yyjson_obj_get(item, "kind"))
        return item;
    doc = yyjson_mut_doc_new(&alc);
    copy = yyjson_val_mut_copy(doc, item);
    yyjson_mut_obj_add_str(doc, copy, "apiVersion", json_text(list, "/apiVersion"));
    yyjson_mut_obj_add_strn(doc, copy, "kind", kind, strlen(kind) - strlen("List"));
    return yyjson_doc_get_root(yyjson_mut_val_imut_copy(copy, &alc));
}

static void add_objects(Get *get, yyjson_val *json)
{
    yyjson_val *items = yyjson_obj_get(json, "items"), *item;
    const char *kind = json_text(json, "/kind");
    size_t i, n;

    if (!str_ends_with(kind, "List") || !yyjson_is_arr(items)) {
        VEC_PUSH(&get->objects, json);
        return;
    }
    get->list = true;
    yyjson_arr_foreach(items, i, n, item) VEC_PUSH(&get->objects, with_kind(get, item, json));
}

static void print_name(Get *get, yyjson_val *object)
{
    const Resource *resource = resources_by_kind(&get->cluster, json_text(object, "/apiVersion"),
                                                 json_text(object, "/kind"));

    if (resource)
        printf("%s/%s\n", resource_label(get->cluster.arena, resource),
               json_text(object, "/metadata/name"));
}

static void print_objects(Get *get)
{
    OutputStyle style = {.yaml = get->form == FORM_YAML,
                         .managed_fields = get->options->managed_fields};
    _strbuf_ StrBuf out = STRBUF_INIT;

    if (get->form == FORM_NAME)
        for (size_t i = 0; i < get->objects.n; i++)
            print_name(get, get->objects.v[i]);
    else if (get->list || get->targets.n > 1)
        output_list(&style, get->objects.v, get->objects.n, &out);
    else if (get->objects.n)
        output_object(&style, get->objects.v[0], &out);
    fwrite(strbuf_string(&out), 1, out.n, stdout);
}

static void get_objects(Get *get)
{
    for (size_t i = 0; i < get->targets.n; i++) {
        ClusterReply reply;

        if (fetch(get, &get->targets.v[i], &reply) == 0)
            add_objects(get, reply.json);
    }
    if (get->objects.n || !get->failed)
        print_objects(get);
}

/* ---- watching ---- */

static void print_change(Get *get, yyjson_val *object)
{
    _strbuf_ StrBuf text = STRBUF_INIT, out = STRBUF_INIT;
    OutputStyle style = {.yaml = get->form == FORM_YAML,
                         .managed_fields = get->options->managed_fields};

    if (is_table(get)) {
        table_add(&get->printer, object, &text);
        layout_text(&get->layout, strbuf_bytes(&text), &out);
    } else if (get->form == FORM_NAME) {
        print_name(get, object);
    } else {
        if (style.yaml && get->printed)
            printf("---\n");
        output_object(&style, object, &out);
        get->printed = true;
    }
    fwrite(strbuf_string(&out), 1, out.n, stdout);
    fflush(stdout);
}

static bool on_change(void *data, const char *type _unused_, yyjson_val *object)
{
    print_change(data, object);
    return !ferror(stdout);
}

/* Prints the list, and then the changes since its revision. When a watch ends, because the server restarts or no longer has the
 * revision, it begins again with a new list. */
static int get_watch(Get *get)
{
    const Target *target = &get->targets.v[0];
    bool first = true;
    WatchEnd end;

    if (get->targets.n > 1) {
        fprintf(stderr, "error: you may only specify a single resource type\n");
        return 1;
    }
    new_section(get, target->resource, get->options->show_kind);
    do {
        ClusterReply reply;

        if (fetch(get, target, &reply))
            return 1;
        if (first && !get->options->watch_only && !is_table(get)) {
            add_objects(get, reply.json);
            for (size_t i = 0; i < get->objects.n; i++)
                print_change(get, get->objects.v[i]);
        } else if (first && !get->options->watch_only) {
            print_change(get, reply.json);
        }
        first = false;
        end = cluster_watch(
            &get->cluster,
            &(ClusterCall){.path = target_path(get, target,
                                               json_text(reply.json, "/metadata/resourceVersion")),
                           .accept = is_table(get) ? CLUSTER_TABLE : CLUSTER_JSON},
            on_change, get);
    } while (end == WATCH_ENDED);
    return end == WATCH_FAILED;
}

/* ---- the command ---- */

static int run(Get *get)
{
    const Options *o = get->options;
    int r = read_form(o, &get->form);

    if (r == 0)
        r = cluster_open(o, &get->cluster);
    if (r == 0)
        r = targets_parse(&get->cluster, o->words, o->n_words, &get->targets);
    if (r)
        return r;
    if (o->watch || o->watch_only)
        return get_watch(get);
    if (is_table(get))
        get_tables(get);
    else
        get_objects(get);
    return get->failed;
}

int command_get(const char *program, Options *options)
{
    Get get = {.options = options};
    int r;

    (void)program;
    r = run(&get);
    VEC_DEINIT(&get.targets);
    VEC_DEINIT(&get.objects);
    table_printer_deinit(&get.printer);
    layout_deinit(&get.layout);
    cluster_close(&get.cluster);
    return r;
}
