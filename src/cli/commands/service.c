/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead service NAME [--url] [-n NS]` and `stead service list`: prints the addresses of Services as a table or as plain text, and opens
 * the page of one in the default browser.
 */
#include <uv.h>

#include "base/process.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "cli/commands/commands.h"
#include "cli/control_call.h"
#include "cli/url.h"

#define CALL_TIMEOUT_NS (INT64_C(10) * 1000000000)
#define OPEN_TIMEOUT_NS (INT64_C(10) * 1000000000)
#define COLUMNS 4

enum { COLUMN_NAMESPACE, COLUMN_NAME, COLUMN_TARGET, COLUMN_URL, COLUMN_READY };

/* A line of the server's answer, split at its tabs. */
typedef struct Row {
    char *cells[COLUMNS + 1];
} Row;

typedef VEC(Row) Rows;

static void cut_rows(char *text, Rows *ret)
{
    while (*text) {
        char *end = text + strcspn(text, "\n");
        bool last = !*end;
        Row row = {0};
        size_t n = 0;

        *end = 0;
        for (char *at = text; n < COLUMNS + 1; at += strlen(at) + 1) {
            size_t length = strcspn(at, "\t");
            bool more = at[length];

            row.cells[n++] = at;
            at[length] = 0;
            if (!more)
                break;
        }
        if (n == COLUMNS + 1)
            VEC_PUSH(ret, row);
        text = end + !last;
    }
}

static void print_line(const size_t *widths)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        putchar('|');
        for (size_t i = 0; i < widths[c] + 2; i++)
            putchar('-');
    }
    printf("|\n");
}

static void print_table(const Rows *rows)
{
    static const char *const headers[COLUMNS] = {"NAMESPACE", "NAME", "TARGET PORT", "URL"};
    size_t widths[COLUMNS];

    for (size_t c = 0; c < COLUMNS; c++) {
        widths[c] = strlen(headers[c]);
        for (size_t i = 0; i < rows->n; i++)
            widths[c] = MAX_OF(widths[c], strlen(rows->v[i].cells[c]));
    }
    print_line(widths);
    for (size_t c = 0; c < COLUMNS; c++) {
        size_t room = widths[c] - strlen(headers[c]), left = room / 2;

        printf("| %*s%s%*s ", (int)left, "", headers[c], (int)(room - left), "");
    }
    printf("|\n");
    print_line(widths);
    for (size_t i = 0; i < rows->n; i++) {
        for (size_t c = 0; c < COLUMNS; c++)
            printf("| %-*s ", (int)widths[c], rows->v[i].cells[c]);
        printf("|\n");
    }
    print_line(widths);
}

static void on_opened(void *data, const ProcessResult *result)
{
    *(bool *)data = result->error == 0 && result->signal == 0 && result->exit_status == 0;
}

static int open_browser(const Row *row)
{
    const char *const argv[] = {"xdg-open", row->cells[COLUMN_URL], NULL};
    ProcessOptions options = {.argv = argv, .timeout_ns = OPEN_TIMEOUT_NS};
    bool opened = false;
    uv_loop_t loop;

    if (str_empty(getenv("DISPLAY")) && str_empty(getenv("WAYLAND_DISPLAY"))) {
        fprintf(stderr,
                "stead: there is no display to open a browser on. Open %s yourself; --url prints "
                "only the address.\n",
                row->cells[COLUMN_URL]);
        return 1;
    }
    printf("Opening service %s/%s in default browser...\n", row->cells[COLUMN_NAMESPACE],
           row->cells[COLUMN_NAME]);
    uv_loop_init(&loop);
    process_run(&loop, &options, on_opened, &opened, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    if (opened)
        return 0;
    fprintf(stderr,
            "stead: no browser could be opened (is xdg-open installed?). Open %s yourself.\n",
            row->cells[COLUMN_URL]);
    return 1;
}

/* Gets all rows, or those of one Service. Returns 0, or an exit code after printing a message. */
static int fetch(const Options *options, const char *name, StrBuf *text)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    Err err = ERR_INIT;
    int status;

    strbuf_add_string(&path, "/services");
    if (name) {
        url_add_query(&path, "name", name);
        url_add_query(&path, "ns", str_or(options->ns, "default"));
    }
    if (!control_is_alive(options->run)) {
        fprintf(stderr, "stead: the server is not running. Start it with: stead up\n");
        return 1;
    }
    status = control_call(options->run, "GET", path.p, CALL_TIMEOUT_NS, text, &err);
    if (status == 200)
        return 0;
    if (status < 0)
        return fail(&err);
    fprintf(stderr, "stead: %s", strbuf_string(text));
    return 1;
}

static int show_one(const Options *options, const Rows *rows)
{
    if (!rows->n) {
        fprintf(stderr, "stead: service %s has no ports\n", options->words[0]);
        return 1;
    }
    if (options->url) {
        for (size_t i = 0; i < rows->n && *rows->v[i].cells[COLUMN_URL]; i++)
            printf("%s\n", rows->v[i].cells[COLUMN_URL]);
    } else {
        print_table(rows);
    }
    if (!*rows->v[0].cells[COLUMN_URL]) {
        fprintf(stderr, "stead: service %s/%s is headless: it has no address of its own\n",
                rows->v[0].cells[COLUMN_NAMESPACE], rows->v[0].cells[COLUMN_NAME]);
        return 1;
    }
    if (!str_equal(rows->v[0].cells[COLUMN_READY], "1")) {
        fprintf(stderr, "stead: service %s/%s has no ready endpoint: nothing answers there yet\n",
                rows->v[0].cells[COLUMN_NAMESPACE], rows->v[0].cells[COLUMN_NAME]);
        return 1;
    }
    return options->url ? 0 : open_browser(&rows->v[0]);
}

int command_service(const char *program, Options *options)
{
    bool list = str_equal(options->words[0], "list");
    _strbuf_ StrBuf text = STRBUF_INIT;
    Rows rows = VEC_INIT;
    int r;

    (void)program;
    if (need_root("service"))
        return 1;
    r = fetch(options, list ? NULL : options->words[0], &text);
    if (r == 0) {
        strbuf_reserve(&text, 1);
        cut_rows(text.p, &rows);
        if (list)
            print_table(&rows);
        else
            r = show_one(options, &rows);
    }
    VEC_DEINIT(&rows);
    return r;
}
