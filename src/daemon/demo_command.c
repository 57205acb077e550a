/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead demo NAME`: starts stead if it does not run, applies one of the examples, shows the progress of its sets (on a terminal in one
 * line that is updated, otherwise in separate lines), and then prints the objects and commands to try.
 */
#include <dirent.h>

#include "base/files/file.h"
#include "cli/commands/apply.h"
#include "cli/commands/commands.h"
#include "cli/commands/rollout.h"
#include "cli/control_call.h"
#include "daemon/commands.h"

#define WAIT_NS (INT64_C(300) * 1000000000)
#define BAR 20

/* ---- the examples ---- */

/* Finds examples/ beside the program or where it is installed. NULL: there is none. */
static const char *find_examples(Arena *arena)
{
    static const char *const places[] = {"examples", "../share/stead/examples", "../examples"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n <= 0)
        return NULL;
    self[n] = 0;
    slash = strrchr(self, '/');
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char *path = arena_printf(arena, "%.*s/%s", (int)(slash - self), self, places[i]);

        if (file_exists(path))
            return path;
    }
    return NULL;
}

static int is_example(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && str_ends_with(entry->d_name, ".yaml");
}

/* Prints the name of an example, and the comment at its beginning as the description. */
static void print_example(const char *folder, const char *name)
{
    _free_ char *path = mem_printf("%s/%s", folder, name), *text = NULL;
    size_t n, shown = 0;

    if (file_read(path, 1024 * 1024, &text, &n) < 0)
        return;
    printf("%-12.*s", (int)(strlen(name) - strlen(".yaml")), name);
    for (const char *at = text; *at == '#'; at += shown) {
        size_t blank = strspn(at, "# ");

        shown = strcspn(at, "\n");
        printf(" %.*s", (int)(shown - blank), at + blank);
        shown += at[shown] == '\n';
    }
    printf("\n");
}

static int list_examples(const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_example, alphasort);

    for (int i = 0; i < n; i++) {
        print_example(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return n < 0;
}

/* ---- progress ---- */

typedef struct Progress {
    bool terminal;
    const char *name;
    int64_t ready; /* as it was said last; -1: not yet */
} Progress;

static void say_progress(void *data, yyjson_val *object, const char *line _unused_)
{
    Progress *progress = data;
    int64_t wanted = json_number(object, "/spec/replicas", 1),
            ready = json_number(object, "/status/readyReplicas", 0);
    int full = wanted ? (int)(MIN_OF(ready, wanted) * BAR / wanted) : BAR;

    if (ready == progress->ready)
        return;
    progress->ready = ready;
    if (progress->terminal) {
        printf("\r\x1b[K%s  [", progress->name);
        for (int i = 0; i < BAR; i++)
            fputs(i < full ? "#" : ".", stdout);
        printf("]  %" PRId64 " of %" PRId64 " ready", ready, wanted);
    } else {
        printf("%s: %" PRId64 " of %" PRId64 " ready\n", progress->name, ready, wanted);
    }
    fflush(stdout);
}

/* Waits for all sets of the manifest. Returns 0, or 1 after printing a message. */
static int wait_sets(Cluster *cluster, const Manifests *manifests)
{
    int64_t deadline = (int64_t)uv_hrtime() + WAIT_NS;
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifests->n; i++) {
        const Target *target = &manifests->v[i].target;
        Progress progress = {.terminal = isatty(STDOUT_FILENO), .name = target->name, .ready = -1};

        if (!str_equal(target->resource->kind, "StatefulSet"))
            continue;
        r = rollout_wait(cluster, target, deadline, say_progress, &progress);
        if (progress.terminal)
            printf("\n");
    }
    return r;
}

static void print_hints(const Manifests *manifests)
{
    const char *set = NULL, *service = NULL;

    for (size_t i = 0; i < manifests->n; i++) {
        const Target *target = &manifests->v[i].target;

        if (!set && str_equal(target->resource->kind, "StatefulSet"))
            set = target->name;
        if (!service && str_equal(target->resource->kind, "Service"))
            service = target->name;
    }
    printf("\nTry:\n");
    if (service)
        printf("  stead service %s --url\n", service);
    if (set)
        printf("  stead logs %s-0\n  stead scale sts/%s --replicas=2\n  stead delete pod %s-0\n",
               set, set, set);
    printf("Delete it again with: stead delete -f %s\n", manifests->v[0].file);
}

/* ---- the command ---- */

static int run(const char *program, Options *options, const char *path)
{
    Cluster cluster = {0};
    Manifests manifests = VEC_INIT;
    const char *words[] = {"po,sts,svc,pvc", NULL};
    int64_t started = (int64_t)uv_hrtime();
    int r = 0;

    if (!control_is_alive(options->run))
        r = command_up(program, options);
    options->files = (StringArray){.v = &path, .n = 1};
    if (r == 0)
        r = cluster_open(options, &cluster);
    if (r == 0)
        r = manifests_read(&cluster, &manifests);
    if (r == 0)
        r = apply_manifests(&cluster, &manifests);
    if (r == 0)
        r = wait_sets(&cluster, &manifests);
    if (r == 0)
        printf("All ready after %.1f s.\n\n", (double)((int64_t)uv_hrtime() - started) / 1e9);
    fflush(stdout);
    cluster_close(&cluster);
    if (r == 0) {
        options->words = words;
        options->n_words = 1;
        r = command_get(program, options);
        print_hints(&manifests);
    }
    VEC_DEINIT(&manifests);
    return r;
}

int command_demo(const char *program, Options *options)
{
    const char *folder = find_examples(&options->arena), *path, *name = options->words[0];

    if (!folder) {
        fprintf(stderr, "stead: the examples are not installed (share/stead/examples beside the "
                        "program's folder)\n");
        return 1;
    }
    if (strcmp(name, "list") == 0)
        return list_examples(folder);
    path = arena_printf(&options->arena, "%s/%s.yaml", folder, name);
    if (strlen(name) == 1)
        path = arena_printf(&options->arena, "%s/scenario%s.yaml", folder, name);
    if (strchr(name, '/') || !file_exists(path)) {
        fprintf(stderr, "stead: there is no demo \"%s\". Choose one of these:\n", name);
        fflush(stderr);
        list_examples(folder);
        return 2;
    }
    return run(program, options, path);
}
