/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead volume ls`: the volumes of claims, what they promise and what they take on the disk. Uses the server if one runs;
 * otherwise it looks at the data folder, which does not know the claims.
 *
 * A server answers with lines of fields that are separated by tabs: "disk", its size and what is free on it; and for each volume
 * its name, claim, class, size and use.
 */
#include <yyjson.h>

#include "api/object.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_reference_v1.h"
#include "cli/control_call.h"
#include "cli/output.h"
#include "daemon/answer.h"
#include "daemon/commands.h"
#include "daemon/volume_calls.h"
#include "node/volumes.h"

#define FIELDS 5
#define NONE "-"

/* ---- the answer ---- */

typedef struct Printer {
    Client *client; /* NULL without a server */
    StrBuf *out;
} Printer;

static void print_volume(void *data, const NodeVolume *disk)
{
    const Printer *printer = data;
    Object *object = printer->client
                         ? client_get(printer->client, &kind_persistent_volume, NULL, disk->name)
                         : NULL;
    const PersistentVolumeSpec *spec = object ? &OBJECT_AS(PersistentVolume, object)->spec : NULL;
    const ObjectReference *ref = spec ? spec->claim_ref : NULL;

    strbuf_printf(printer->out, "%s\t", disk->name);
    if (ref)
        strbuf_printf(printer->out, "%s/%s", str_or(ref->namespace, ""), str_or(ref->name, ""));
    else
        strbuf_add_string(printer->out, NONE);
    strbuf_printf(printer->out, "\t%s\t%" PRId64 "\t%" PRId64 "\n",
                  spec ? str_or(spec->storage_class_name, NONE) : NONE, disk->size, disk->used);
}

static void print_volumes(Client *client, const char *data_dir, StrBuf *out)
{
    Printer printer = {client, out};
    int64_t size = 0, left = 0;

    (void)node_volumes_disk(data_dir, &size, &left);
    strbuf_printf(out, "disk\t%" PRId64 "\t%" PRId64 "\n", size, left);
    node_volumes_each(data_dir, print_volume, &printer);
}

void app_print_volumes(void *data, Arena *arena _unused_, StrBuf *out)
{
    App *app = data;

    print_volumes(app_client(app), app->options->data, out);
}

void app_call_volume_list(void *data, HttpRequest *request)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    app_print_volumes(data, &request->arena, &text);
    control_answer(request, 200, &text);
}

/* ---- the command ---- */

typedef struct Row {
    const char *name, *claim, *class;
    int64_t size, used; /* -1: not known */
} Row;

typedef struct Listing {
    Row *rows;
    size_t n;
    int64_t disk_size, disk_free;
    int64_t promised, used;
} Listing;

static int64_t number_in(const char *text)
{
    int64_t value;

    return str_to_int64(text, 0, INT64_MAX, &value) == 0 ? value : -1;
}

static size_t split(char *line, char *fields[FIELDS])
{
    size_t n = 0;

    for (char *at = line, *field; n < FIELDS && (field = strsep(&at, "\t"));)
        fields[n++] = field;
    return n;
}

static void parse(char *text, Arena *arena, Listing *ret)
{
    size_t lines = 0;

    for (const char *c = text; c && *c; c++)
        lines += *c == '\n';
    ret->rows = arena_new_n(arena, Row, lines + 1);
    for (char *at = text, *line; at && (line = strsep(&at, "\n"));) {
        char *field[FIELDS];
        size_t n = split(line, field);
        Row *row = &ret->rows[ret->n];

        if (n == 3 && str_equal(field[0], "disk")) {
            ret->disk_size = number_in(field[1]);
            ret->disk_free = number_in(field[2]);
        } else if (n == FIELDS) {
            *row = (Row){field[0], field[1], field[2], number_in(field[3]), number_in(field[4])};
            ret->promised += MAX_OF(row->size, 0);
            ret->used += MAX_OF(row->used, 0);
            ret->n++;
        }
    }
}

static const char *in_units(Arena *arena, int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 0)
        return NONE;
    for (; value >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        value /= 1024;
    return arena_printf(arena, "%.1f %s", value, units[unit]);
}

static void print_table(const Listing *listing, Arena *arena)
{
    int width[3] = {6, 5, 5};

    for (size_t i = 0; i < listing->n; i++) {
        const Row *row = &listing->rows[i];

        width[0] = MAX_OF(width[0], (int)strlen(row->name));
        width[1] = MAX_OF(width[1], (int)strlen(row->claim));
        width[2] = MAX_OF(width[2], (int)strlen(row->class));
    }
    printf("%-*s  %-*s  %-*s  %10s  %10s\n", width[0], "VOLUME", width[1], "CLAIM", width[2],
           "CLASS", "SIZE", "USED");
    for (size_t i = 0; i < listing->n; i++) {
        const Row *row = &listing->rows[i];

        printf("%-*s  %-*s  %-*s  %10s  %10s\n", width[0], row->name, width[1], row->claim,
               width[2], row->class, in_units(arena, row->size), in_units(arena, row->used));
    }
    printf("\n%zu volume%s: %s promised, %s used; the disk has %s free of %s\n", listing->n,
           listing->n == 1 ? "" : "s", in_units(arena, listing->promised),
           in_units(arena, listing->used), in_units(arena, listing->disk_free),
           in_units(arena, listing->disk_size));
}

static void add_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, int64_t value)
{
    if (value >= 0)
        yyjson_mut_obj_add_sint(doc, object, name, value);
    else
        yyjson_mut_obj_add_null(doc, object, name);
}

static void add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
                     const char *value)
{
    if (str_equal(value, NONE))
        yyjson_mut_obj_add_null(doc, object, name);
    else
        yyjson_mut_obj_add_str(doc, object, name, value);
}

static void print_json(const Listing *listing)
{
    _strbuf_ StrBuf out = STRBUF_INIT;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_arr(doc);
    yyjson_doc *read;

    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_val(doc, root, "volumes", list);
    for (size_t i = 0; i < listing->n; i++) {
        const Row *row = &listing->rows[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, list);

        yyjson_mut_obj_add_str(doc, object, "name", row->name);
        add_text(doc, object, "claim", row->claim);
        add_text(doc, object, "class", row->class);
        add_number(doc, object, "size", row->size);
        add_number(doc, object, "used", row->used);
    }
    add_number(doc, root, "promised", listing->promised);
    add_number(doc, root, "used", listing->used);
    add_number(doc, root, "diskSize", listing->disk_size);
    add_number(doc, root, "diskFree", listing->disk_free);
    read = yyjson_mut_doc_imut_copy(doc, NULL);
    output_json(yyjson_doc_get_root(read), &out);
    fputs(strbuf_string(&out), stdout);
    yyjson_doc_free(read);
    yyjson_mut_doc_free(doc);
}

static int list(Options *options)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    Listing listing = {0};

    if (options->output && !str_equal(options->output, "json")) {
        fprintf(stderr, "stead: volume ls -o %s: the only form is json\n", options->output);
        return 2;
    }
    if (!control_reaches(options) || control_is_alive(options->run)) {
        if (control_read(options, "/volumes", &text))
            return 1;
    } else {
        print_volumes(NULL, options->data, &text);
    }
    parse(text.p, &options->arena, &listing);
    if (options->output)
        print_json(&listing);
    else
        print_table(&listing, &options->arena);
    return 0;
}

int command_volume(const char *program _unused_, Options *options)
{
    const char *verb = options->n_words == 1 ? options->words[0] : NULL;

    if (str_equal(verb, "ls") || str_equal(verb, "list"))
        return list(options);
    fprintf(stderr, "stead: use this:\n  stead volume ls [-o json]\n");
    return 2;
}
