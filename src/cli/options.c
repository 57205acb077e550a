/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "cli/command.h"

typedef struct OptionRow {
    const char *name;  /* with the dashes */
    const char *value; /* what follows; NULL: a switch */
    size_t offset;
    const char *doc; /* NULL: not shown */
} OptionRow;

/* clang-format off */
static const OptionRow rows[] = {
    {"--data",         "DIR",       offsetof(Options, data),         "state, volumes, images (/var/lib/stead)"},
    {"--run",          "DIR",       offsetof(Options, run),          "sockets and run-time state (/run/stead)"},
    {"--listen",       "ADDR:PORT", offsetof(Options, listen),       "where the API answers (127.0.0.1:6443)"},
    {"--kubeconfig",   "FILE",      offsetof(Options, kubeconfig),   "where the context goes ($KUBECONFIG, ~/.kube/config)"},
    {"--pod-cidr",     "RANGE",     offsetof(Options, pod_cidr),     "addresses of pods (10.42.0.0/24)"},
    {"--service-cidr", "RANGE",     offsetof(Options, service_cidr), "addresses of services (10.96.0.0/12)"},
    {"--lb-cidr",      "RANGE",     offsetof(Options, load_balancer_cidr), "addresses of load balancers (10.43.0.0/24)"},
    {"--dns-ip",       "ADDR",      offsetof(Options, dns_ip),       "where names are answered (10.96.0.10)"},
    {"--domain",       "NAME",      offsetof(Options, domain),       "the cluster's domain (cluster.local)"},
    {"--node-name",    "NAME",      offsetof(Options, node_name),    "the node's name (the host's)"},
    {"--instance",     "NAME",      offsetof(Options, instance),     "short name for links and tables, 6 characters at most"},
    {"--token-file",   "FILE",      offsetof(Options, token_file),   "static tokens: token,user,uid,\"group,...\""},
    {"--log-level",    "LEVEL",     offsetof(Options, log_level),    "error, warn, info or debug (info)"},
    {"--ready-fd",     "FD",        offsetof(Options, ready_fd),     NULL},
    {"--no-network",   NULL,        offsetof(Options, no_network),   "the API alone: no pods, no links"},
    {"--yes",          NULL,        offsetof(Options, yes),          "really do it (reset)"},
    {"--namespace",    "NS",        offsetof(Options, ns),           "or -n: of the service (default)"},
    {"--url",          NULL,        offsetof(Options, url),          "only the address (service)"},
    {"--help",         NULL,        offsetof(Options, help),         "this text"},
};
/* clang-format on */

void options_print_help(FILE *out)
{
    fprintf(out, "\nOptions:\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char left[40];

        if (!rows[i].doc)
            continue;
        snprintf(left, sizeof(left), "%s%s%s", rows[i].name, rows[i].value ? " " : "",
                 rows[i].value ? rows[i].value : "");
        fprintf(out, "  %-24s %s\n", left, rows[i].doc);
    }
}

static const OptionRow *find_row(const char *text, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, text, n) == 0)
            return &rows[i];
    return NULL;
}

/* The option that was probably meant: the longest common beginning, from "--" and one letter on. */
static const OptionRow *nearest_row(const char *text)
{
    const OptionRow *best = NULL;
    size_t best_n = 2;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = 0;

        while (rows[i].name[n] && rows[i].name[n] == text[n])
            n++;
        if (rows[i].doc && n > best_n) {
            best = &rows[i];
            best_n = n;
        }
    }
    return best;
}

static int refuse_option(const char *text)
{
    const OptionRow *near = nearest_row(text);

    fprintf(stderr, "stead: there is no option %s%s%s\nTry 'stead help'.\n", text,
            near ? ", did you mean " : "", near ? near->name : "");
    return 2;
}

static const char *absolute(Arena *arena, const char *path)
{
    char folder[PATH_MAX];

    if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
        return path;
    return arena_printf(arena, "%s/%s", folder, path);
}

/* A short name that differs between run folders, so that two servers never share links or tables.
 */
static const char *instance_of(Arena *arena, const char *run)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    if (str_equal(run, "/run/stead"))
        return "stead";
    for (const char *c = run; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return arena_printf(arena, "s%05x", (unsigned)(hash ^ (hash >> 32)) & 0xfffff);
}

static const char *default_kubeconfig(Arena *arena)
{
    const char *from_environment = getenv("KUBECONFIG"), *home = getenv("HOME");

    if (!str_empty(from_environment))
        return arena_strndup(arena, from_environment, strcspn(from_environment, ":"));
    return arena_printf(arena, "%s/.kube/config", str_or(home, "/root"));
}

static int complete(Options *o)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    struct utsname host;

    o->data = absolute(&o->arena, o->data ? o->data : "/var/lib/stead");
    o->run = absolute(&o->arena, o->run ? o->run : "/run/stead");
    o->listen = o->listen ? o->listen : "127.0.0.1:6443";
    o->kubeconfig =
        absolute(&o->arena, o->kubeconfig ? o->kubeconfig : default_kubeconfig(&o->arena));
    o->pod_cidr = o->pod_cidr ? o->pod_cidr : "10.42.0.0/24";
    o->service_cidr = o->service_cidr ? o->service_cidr : "10.96.0.0/12";
    o->load_balancer_cidr = o->load_balancer_cidr ? o->load_balancer_cidr : "10.43.0.0/24";
    o->dns_ip = o->dns_ip ? o->dns_ip : "10.96.0.10";
    o->domain = o->domain ? o->domain : "cluster.local";
    o->instance = o->instance ? o->instance : instance_of(&o->arena, o->run);
    if (!o->node_name)
        o->node_name = uname(&host) == 0 ? arena_strdup(&o->arena, host.nodename) : "node";
    if (!o->log_level)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_equal(levels[i], o->log_level)) {
            log_level_max = (LogLevel)i;
            return 0;
        }
    }
    fprintf(stderr, "stead: --log-level %s: choose error, warn, info or debug\n", o->log_level);
    return 2;
}

int options_parse(int argc, char **argv, Options *ret)
{
    VEC(const char *) words = VEC_INIT;
    Options *o = ret;
    bool only_words = false;

    *o = (Options){0};
    for (int i = 0; i < argc; i++) {
        const char *text = argv[i], *equals = strchr(text, '=');
        const OptionRow *row;

        if (only_words || text[0] != '-' || !text[1]) {
            VEC_PUSH(&words, text);
            continue;
        }
        if (str_equal(text, "--")) {
            only_words = true;
            continue;
        }
        if (str_equal(text, "-n"))
            text = "--namespace";
        row = str_equal(text, "-h")
                  ? find_row("--help", 6)
                  : find_row(text, equals ? (size_t)(equals - text) : strlen(text));
        if (!row)
            return refuse_option(text);
        if (!row->value) {
            *(bool *)((char *)o + row->offset) = true;
            continue;
        }
        if (!equals && i + 1 >= argc) {
            fprintf(stderr, "stead: %s needs a value: %s %s\n", row->name, row->name, row->value);
            return 2;
        }
        *(const char **)((char *)o + row->offset) = equals ? equals + 1 : argv[++i];
    }
    o->n_words = words.n;
    o->words = arena_new_n(&o->arena, const char *, words.n + 1);
    if (words.n)
        memcpy((void *)(uintptr_t)o->words, words.v, words.n * sizeof(*words.v));
    VEC_DEINIT(&words);
    return complete(o);
}

int options_listen(const Options *options, char address[static 64], uint16_t *port, Err *reterr)
{
    const char *colon = strrchr(options->listen, ':');
    int64_t number;

    if (!colon || colon == options->listen || (size_t)(colon - options->listen) >= 64 ||
        str_to_int64(colon + 1, 0, 65535, &number))
        return err_set(reterr, 0, "--listen %s: give an address and a port, such as 127.0.0.1:6443",
                       options->listen);
    memcpy(address, options->listen, (size_t)(colon - options->listen));
    address[colon - options->listen] = 0;
    *port = (uint16_t)number;
    return 0;
}

const char **options_argv(Options *options, const char *program, const char *command,
                          const char *extra)
{
    const char **argv = arena_new_n(&options->arena, const char *, ARRAY_LEN(rows) * 2 + 4);
    size_t n = 0;

    argv[n++] = program;
    argv[n++] = command;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const void *at = (const char *)options + rows[i].offset;

        if (!rows[i].value && rows[i].offset == offsetof(Options, no_network) && *(const bool *)at)
            argv[n++] = rows[i].name;
        if (!rows[i].value || !rows[i].doc || !*(const char *const *)at)
            continue;
        argv[n++] = rows[i].name;
        argv[n++] = *(const char *const *)at;
    }
    if (extra)
        argv[n++] = extra;
    return argv;
}

int fail(const Err *err)
{
    fprintf(stderr, "stead: %s\n", err->message);
    return 1;
}

int need_root(const char *what)
{
    if (geteuid() == 0)
        return 0;
    fprintf(
        stderr,
        "stead: %s needs root, since it makes namespaces, mounts and links. Try: sudo stead %s\n",
        what, what);
    return 1;
}
