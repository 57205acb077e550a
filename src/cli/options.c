/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <sys/utsname.h>

#include "base/files/file.h"
#include "base/fnv.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "cli/command.h"
#include "cli/place.h"
#include "cli/suggest.h"
#include "codec/quantity.h"

/* FORM_JOINED: may be repeated, and the values are joined with commas. */
typedef enum OptionForm { FORM_SWITCH, FORM_OFF, FORM_TEXT, FORM_JOINED, FORM_LIST } OptionForm;

typedef struct OptionRow {
    char letter;       /* 0: none */
    const char *name;  /* with the dashes */
    const char *value; /* what follows; NULL: a switch */
    OptionForm form;   /* FORM_OFF: a switch that is on unless `=false` */
    size_t offset;
    unsigned groups; /* the commands that take it */
    const char *doc; /* NULL: not shown */
} OptionRow;

/* Names of links have at most 15 characters, and the instance is a part of them. */
#define INSTANCE_MAX 6
/* Load balancers of an ordinary user's server have loopback addresses, on which every user may listen. */
#define ROOTLESS_LOAD_BALANCERS "127.43.0.0/24"
/* The place of the DNS server's address in the range of Services, as in most clusters. */
#define DNS_ADDRESS 10

#define JOINED(field) FORM_JOINED, offsetof(Options, field)
#define TEXT(field) FORM_TEXT, offsetof(Options, field)
#define SWITCH(field) FORM_SWITCH, offsetof(Options, field)

/* clang-format off */
static const OptionRow rows[] = {
    {0,   "--data",         "DIR",       TEXT(data),         OPTIONS_PLACE,  "folder for state, volumes and images (/var/lib/stead; of a user ~/.local/share/stead)"},
    {0,   "--run",          "DIR",       TEXT(run),          OPTIONS_PLACE,  "folder for sockets and run-time state (/run/stead; of a user $XDG_RUNTIME_DIR/stead)"},
    {0,   "--listen",       "ADDR:PORT", TEXT(listen),       OPTIONS_SERVER, "address on which the API is served (127.0.0.1:6443)"},
    {0,   "--kubeconfig",   "FILE",      TEXT(kubeconfig),   OPTIONS_PLACE,  "file that holds the context ($KUBECONFIG, ~/.kube/config)"},
    {0,   "--context",      "NAME",      TEXT(context),      OPTIONS_CONTEXT, "use another context of the kubeconfig (stead, or stead-INSTANCE)"},
    {0,   "--pod-cidr",     "RANGE",     TEXT(pod_cidr),     OPTIONS_SERVER, "range of the addresses of pods (10.42.0.0/24)"},
    {0,   "--service-cidr", "RANGE",     TEXT(service_cidr), OPTIONS_SERVER, "range of the addresses of Services (10.96.0.0/12)"},
    {0,   "--lb-cidr",      "RANGE",     TEXT(load_balancer_cidr), OPTIONS_SERVER, "range of the addresses of load balancers (10.43.0.0/24)"},
    {0,   "--external-ips", "RANGES",    TEXT(external_ips), OPTIONS_SERVER, "ranges from which Services may take externalIPs: 192.0.2.0/24,... (none)"},
    {0,   "--dns-ip",       "ADDR",      TEXT(dns_ip),       OPTIONS_SERVER, "address of the DNS server (the tenth address of --service-cidr)"},
    {0,   "--domain",       "NAME",      TEXT(domain),       OPTIONS_SERVER, "domain of the cluster (cluster.local)"},
    {0,   "--node-name",    "NAME",      TEXT(node_name),    OPTIONS_SERVER, "name of the node (the name of the host)"},
    {0,   "--instance",     "NAME",      TEXT(instance),     OPTIONS_PLACE,  "short name for links and nftables tables, 6 characters at most"},
    {0,   "--pod-pids-limit", "N",       TEXT(pids_limit),   OPTIONS_SERVER, "number of processes and threads that a pod may have (4096)"},
    {0,   "--disk-reserve", "SIZE",      TEXT(disk_reserve), OPTIONS_SERVER, "evict pods when less disk space is available; 0: never (1Gi, or 5% if less)"},
    {0,   "--image-gc-high-threshold", "PERCENT", TEXT(image_gc_high), OPTIONS_SERVER, "remove unused images when the disk is fuller; 100: never (85)"},
    {0,   "--image-gc-low-threshold", "PERCENT", TEXT(image_gc_low), OPTIONS_SERVER, "remove unused images until the disk is as full as that (80)"},
    {0,   "--minimum-image-ttl-duration", "DURATION", TEXT(image_min_age), OPTIONS_SERVER, "age below which an image is not removed for that (2m)"},
    {0,   "--image-stores", "KINDS",     TEXT(image_stores), OPTIONS_SERVER | OPTIONS_IMAGE, "use images of other programs: docker,podman,containerd, or KIND=DIR; none: only stead's own (all three)"},
    {0,   "--registry",     "ADDR:PORT", TEXT(registry),     OPTIONS_SERVER, "serve a registry to push images to: localhost:5000 (none)"},
    {0,   "--token-file",   "FILE",      TEXT(token_file),   OPTIONS_SERVER, "file of static tokens, with lines token,user,uid,\"group,...\""},
    {0,   "--authentication-token-webhook-config-file", "FILE", TEXT(webhook_config), OPTIONS_SERVER, "kubeconfig of a server that is asked whose a token is (none)"},
    {0,   "--authentication-token-webhook-cache-ttl", "DURATION", TEXT(webhook_cache), OPTIONS_SERVER, "time for which its answers are kept (2m)"},
    {0,   "--authentication-token-webhook-version", "VERSION", TEXT(webhook_version), OPTIONS_SERVER, "version of the TokenReview that it is sent: v1 or v1beta1 (v1beta1)"},
    {0,   "--audit-policy-file", "FILE", TEXT(audit_policy), OPTIONS_SERVER, "audit policy: which requests are recorded, as kube-apiserver's (none)"},
    {0,   "--audit-log-path", "FILE",    TEXT(audit_log),    OPTIONS_SERVER, "file of the audit log, or - for standard output (none)"},
    {0,   "--audit-log-maxsize", "MB",   TEXT(audit_max_size), OPTIONS_SERVER, "size in megabytes at which the audit log is rotated; 0: never (100)"},
    {0,   "--audit-log-maxbackup", "N",  TEXT(audit_max_backup), OPTIONS_SERVER, "number of rotated audit logs that are kept; 0: all (100)"},
    {0,   "--audit-log-maxage", "DAYS",  TEXT(audit_max_age), OPTIONS_SERVER, "days for which rotated audit logs are kept; 0: for ever (366)"},
    {0,   "--service-account-key-file", "FILE", JOINED(account_keys), OPTIONS_SERVER, "PEM file of further keys that verify tokens of ServiceAccounts; may be repeated"},
    {0,   "--service-account-signing-key-file", "FILE", TEXT(account_signing_key), OPTIONS_SERVER, "key that signs these tokens (DATA/pki/token.key)"},
    {0,   "--service-account-issuer", "URL", JOINED(account_issuers), OPTIONS_SERVER, "issuer of these tokens, and further ones that are accepted; may be repeated (https://kubernetes.default.svc)"},
    {0,   "--service-account-jwks-uri", "URL", TEXT(account_jwks_uri), OPTIONS_SERVER, "where other programs find the keys of these tokens (/openid/v1/jwks of the issuer)"},
    {0,   "--api-audiences", "NAMES", JOINED(api_audiences), OPTIONS_SERVER, "audiences of this server, one of which such a token has to have (the issuers)"},
    {0,   "--log-level",    "LEVEL",     TEXT(log_level),    OPTIONS_SERVER, "error, warn, info or debug (info)"},
    {0,   "--log-format",   "FORMAT",    TEXT(log_format),   OPTIONS_SERVER, "text or json (text)"},
    {0,   "--ready-fd",     "FD",        TEXT(ready_fd),     OPTIONS_SERVER, NULL},
    {0,   "--certificate-life", "SECONDS", TEXT(certificate_life), OPTIONS_SERVER, "lifetime of the server's certificate (one year)"},
    {0,   "--no-network",   NULL,        SWITCH(no_network), OPTIONS_SERVER, "serve the API without a node: pods do not run, no links are made"},
    {0,   "--user-group",   "GROUP",     TEXT(user_group),   OPTIONS_ACCESS, "group of the user who calls sudo, for RBAC (system:masters, which may do everything)"},
    {0,   "--no-user",      NULL,        SWITCH(no_user),    OPTIONS_ACCESS, "do not give the user who calls sudo access to the cluster"},
    {0,   "--yes",          NULL,        SWITCH(yes),        OPTIONS_RESET,  "confirm the removal"},
    {0,   "--url",          NULL,        SWITCH(url),        OPTIONS_SERVICE, "print only the address"},

    {0,   "--limit",        "SIZE",      TEXT(limit),        OPTIONS_IMAGE,  "import: maximum unpacked size of one archive (64Gi)"},
    {0,   "--platform",     "OS/ARCH",   TEXT(platform),     OPTIONS_IMAGE,  "pull: platform of the image, such as linux/arm64 (that of this machine)"},
    {0,   "--creds",        "FILE",      TEXT(creds),        OPTIONS_IMAGE,  "pull, push: file with USER:PASSWORD for the registry, or - to be asked (those of docker login and podman login)"},
    {0,   "--base",         "IMAGE",     TEXT(base),         OPTIONS_IMAGE,  "make: image to build on (none)"},
    {'e', "--env",          "NAME=VALUE", FORM_LIST, offsetof(Options, env), OPTIONS_IMAGE, "make: set an environment variable; may be repeated"},
    {0,   "--entrypoint",   "ARG",       FORM_LIST, offsetof(Options, entrypoint), OPTIONS_IMAGE, "make: an argument of the entrypoint, which COMMAND then follows as its default arguments; may be repeated"},
    {0,   "--workdir",      "DIR",       TEXT(working_dir),  OPTIONS_IMAGE,  "make: working directory (the one of the base, or /)"},
    {0,   "--user",         "USER",      TEXT(user),         OPTIONS_IMAGE,  "make: user that runs the program (the one of the base, or root)"},

    {'n', "--namespace",    "NS",        TEXT(ns),           OPTIONS_NAMESPACE, "namespace to work in (the one of the context, or default)"},
    {'A', "--all-namespaces", NULL,      SWITCH(all_namespaces), OPTIONS_SELECT | OPTIONS_EVENTS, "work in all namespaces"},
    {'l', "--selector",     "LABELS",    TEXT(selector),     OPTIONS_SELECT | OPTIONS_LOGS, "only objects with these labels: app=web,tier!=db"},
    {0,   "--field-selector", "FIELDS",  TEXT(field_selector), OPTIONS_SELECT, "only objects with these fields: status.phase=Running"},
    {'f', "--filename",     "FILE",      FORM_LIST, offsetof(Options, files), OPTIONS_FILES, "read objects from a file, a folder, or - for standard input; may be repeated"},
    {'R', "--recursive",    NULL,        SWITCH(recursive),  OPTIONS_FILES,  "read the folders inside a folder, too"},
    {'o', "--output",       "FORM",      TEXT(output),       OPTIONS_GET | OPTIONS_IMAGE, "format of the output: wide, yaml, json or name"},
    {'o', "--output",       "FORM",      TEXT(output),       OPTIONS_JSON,   "format of the output: json (a table)"},
    {'w', "--watch",        NULL,        SWITCH(watch),      OPTIONS_GET | OPTIONS_EVENTS | OPTIONS_ROLLOUT, "keep running and print each change"},
    {0,   "--watch-only",   NULL,        SWITCH(watch_only), OPTIONS_GET,    "like --watch, but do not print the current state first"},
    {0,   "--no-headers",   NULL,        SWITCH(no_headers), OPTIONS_TABLE,  "do not print the line of headers"},
    {0,   "--show-labels",  NULL,        SWITCH(show_labels), OPTIONS_GET,   "add a column with the labels"},
    {0,   "--show-kind",    NULL,        SWITCH(show_kind),  OPTIONS_GET,    "print each name with its kind"},
    {0,   "--show-managed-fields", NULL, SWITCH(managed_fields), OPTIONS_GET, "include managedFields in yaml and json"},
    {0,   "--ignore-not-found", NULL,    SWITCH(ignore_not_found), OPTIONS_IGNORE, "do not fail if an object does not exist"},
    {0,   "--dry-run",      NULL,        SWITCH(dry_run),    OPTIONS_APPLY | OPTIONS_DELETE, "let the server check the request without changing anything"},
    {0,   "--all",          NULL,        SWITCH(all),        OPTIONS_DELETE | OPTIONS_IMAGE, "all objects of the kind in the namespace; image prune: all images that no pod uses"},
    {0,   "--wait",         NULL,        FORM_OFF, offsetof(Options, no_wait), OPTIONS_DELETE, "wait until the objects are gone; --wait=false returns at once (true)"},
    {0,   "--grace-period", "SECONDS",   TEXT(grace_period), OPTIONS_DELETE, "seconds that a pod gets to end by itself"},
    {0,   "--now",          NULL,        SWITCH(now),        OPTIONS_DELETE, "same as --grace-period=1"},
    {0,   "--force",        NULL,        SWITCH(force),      OPTIONS_DELETE, "delete pods at once, without waiting for the node to end them"},
    {0,   "--cascade",      "HOW",       TEXT(cascade),      OPTIONS_DELETE, "what to do with dependents: background, foreground or orphan (background)"},
    {'c', "--container",    "NAME",      TEXT(container),    OPTIONS_CONTAINER, "container of the pod (the default one, or the first)"},
    {'f', "--follow",       NULL,        SWITCH(follow),     OPTIONS_LOGS,   "keep running and print new lines"},
    {'p', "--previous",     NULL,        SWITCH(previous),   OPTIONS_LOGS,   "print the log of the previous instance of the container"},
    {0,   "--tail",         "LINES",     TEXT(tail),         OPTIONS_LOGS,   "print only this number of lines from the end (all)"},
    {0,   "--since",        "DURATION",  TEXT(since),        OPTIONS_LOGS,   "print only lines that are newer than this: 5s, 2m, 3h"},
    {0,   "--since-time",   "TIME",      TEXT(since_time),   OPTIONS_LOGS,   "print only lines since this time: 2006-01-02T15:04:05Z"},
    {0,   "--limit-bytes",  "N",         TEXT(limit_bytes),  OPTIONS_LOGS,   "stop after this number of bytes"},
    {0,   "--timestamps",   NULL,        SWITCH(timestamps), OPTIONS_LOGS,   "print the time before each line"},
    {0,   "--prefix",       NULL,        SWITCH(prefix),     OPTIONS_LOGS,   "print the pod and the container before each line"},
    {0,   "--all-containers", NULL,      SWITCH(all_containers), OPTIONS_LOGS, "print the logs of all containers of the pod"},
    {'i', "--stdin",        NULL,        SWITCH(standard_in), OPTIONS_EXEC,  "pass standard input to the command"},
    {'t', "--tty",          NULL,        SWITCH(tty),        OPTIONS_EXEC,   "run the command in a terminal"},
    {'q', "--quiet",        NULL,        SWITCH(quiet),      OPTIONS_EXEC,   "print only the output of the command"},
    {0,   "--replicas",     "N",         TEXT(replicas),     OPTIONS_SCALE,  "number of replicas to have"},
    {0,   "--current-replicas", "N",     TEXT(current_replicas), OPTIONS_SCALE, "scale only if this is the current number of replicas"},
    {0,   "--to-revision",  "N",         TEXT(to_revision),  OPTIONS_ROLLOUT, "undo: the revision to return to (the previous one)"},
    {0,   "--timeout",      "DURATION",  TEXT(timeout),      OPTIONS_TIMEOUT, "give up after this time: 30s, 2m (never)"},
    {0,   "--for",          "KIND/NAME", TEXT(for_object),   OPTIONS_EVENTS, "only the events of this object"},
    {0,   "--types",        "TYPES",     TEXT(types),        OPTIONS_EVENTS, "only events of these types: Normal, Warning"},
    {'h', "--help",         NULL,        SWITCH(help),       ~0u,            "print what the command does and which options it takes"},
};
/* clang-format on */

void options_print_help(FILE *out, unsigned groups)
{
    fprintf(out, "\nOptions, with defaults in parentheses:\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char left[48], letter[8] = "    ";

        if (!rows[i].doc || !(rows[i].groups & groups))
            continue;
        if (rows[i].letter)
            snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
        snprintf(left, sizeof(left), "%s%s%s%s", letter, rows[i].name, rows[i].value ? " " : "",
                 rows[i].value ? rows[i].value : "");
        fprintf(out, "  %-31s %s\n", left, rows[i].doc);
    }
}

static const OptionRow *find_row(unsigned groups, const char *text, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((rows[i].groups & groups) && strlen(rows[i].name) == n &&
            memcmp(rows[i].name, text, n) == 0)
            return &rows[i];
    return NULL;
}

static const OptionRow *find_letter(unsigned groups, char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((rows[i].groups & groups) && rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

static int refuse_option(const Command *command, const char *text)
{
    int n = (int)strcspn(text, "=");
    _free_ char *name = mem_printf("%.*s", n, text);
    Suggestion near = {.word = name};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((rows[i].groups & command->options) && rows[i].doc)
            suggestion_offer(&near, rows[i].name);
    fprintf(stderr, "stead: '%s' has no option %s", command->name, name);
    if (near.best)
        fprintf(stderr, "; did you mean %s?", near.best);
    else
        fprintf(stderr, ".");
    fprintf(stderr, " See 'stead help %s' for its options.\n", command->name);
    return 2;
}

/* Removes the last component of a path. */
static void strip_last(StrBuf *path)
{
    const char *slash = strrchr(strbuf_string(path), '/');

    strbuf_truncate(path, slash ? (size_t)(slash - path->p) : 0);
}

/* Makes a path absolute and removes "." and "..", because other processes with other working folders use it. Symbolic links are
 * resolved in the part of the path that exists. */
static const char *absolute(Arena *arena, const char *path)
{
    char folder[PATH_MAX], real[PATH_MAX];
    _strbuf_ StrBuf out = STRBUF_INIT;

    if (path[0] != '/' && getcwd(folder, sizeof(folder)))
        path = arena_printf(arena, "%s/%s", folder, path);
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, "/");

        if (n == 2 && strncmp(at, "..", 2) == 0) {
            strip_last(&out);
        } else if (n && !(n == 1 && *at == '.')) {
            strbuf_printf(&out, "/%.*s", (int)n, at);
            if (realpath(strbuf_string(&out), real)) {
                strbuf_truncate(&out, 0);
                strbuf_add_string(&out, str_equal(real, "/") ? "" : real);
            }
        }
        at += n + (at[n] == '/');
    }
    return out.n ? arena_strdup(arena, strbuf_string(&out)) : "/";
}

/* A short name that differs between run folders, so that two servers never share links or
 * tables. */
static const char *instance_of(Arena *arena, const char *run)
{
    if (str_equal(run, "/run/stead"))
        return "stead";
    return arena_printf(arena, "s%05x", fnv_fold(fnv1a(FNV_START, run)) & 0xfffff);
}

static const char *default_kubeconfig(Arena *arena)
{
    const char *from_environment = getenv("KUBECONFIG"), *home = getenv("HOME");

    if (!str_empty(from_environment))
        return arena_strndup(arena, from_environment, strcspn(from_environment, ":"));
    return arena_printf(arena, "%s/.kube/config", str_or(home, "/root"));
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

int options_size(const char *name, const char *text, int64_t least, int64_t *ret, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *canonical;

    if (quantity_canonical(&arena, text, strlen(text), &canonical) ||
        (*ret = quantity_value(canonical)) < least)
        return err_set(reterr, 0, "%s %s: give a size such as 500Mi or 10Gi", name, text);
    return 0;
}

/* ---- ranges of addresses ---- */

static const struct {
    const char *name, *usual;
    size_t offset;
} ranges[OPTIONS_RANGES] = {
    [RANGE_PODS] = {"--pod-cidr", "10.42.0.0/24", offsetof(Options, pod_cidr)},
    [RANGE_SERVICES] = {"--service-cidr", "10.96.0.0/12", offsetof(Options, service_cidr)},
    [RANGE_LOAD_BALANCERS] = {"--lb-cidr", "10.43.0.0/24", offsetof(Options, load_balancer_cidr)},
};

static const char **range_text(Options *options, size_t i)
{
    return (const char **)((char *)options + ranges[i].offset);
}

void options_ranges(const Options *options, OptionRange ret[static OPTIONS_RANGES])
{
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        ret[i].name = ranges[i].name;
        ret[i].text = *range_text((Options *)(uintptr_t)options, i);
        ASSERT(cidr4_parse(ret[i].text, &ret[i].cidr) == 0);
    }
}

const char *options_address(Arena *arena, const char *range, uint32_t n)
{
    char *text = arena_alloc(arena, 16);
    Cidr4 cidr;

    ASSERT(cidr4_parse(range, &cidr) == 0);
    ip4_print(cidr.base + n, text);
    return text;
}

/* The checks are made before a server is started in the background, since its messages would end up in its log. */
static int check_ranges(Options *o)
{
    OptionRange all[OPTIONS_RANGES];
    Cidr4 cidr;

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (cidr4_parse(*range_text(o, i), &cidr) == 0)
            continue;
        fprintf(stderr, "stead: %s %s: give an IPv4 range such as %s\n", ranges[i].name,
                *range_text(o, i), ranges[i].usual);
        return 2;
    }
    options_ranges(o, all);
    for (size_t i = 0; i < OPTIONS_RANGES; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!cidr4_overlap(all[k].cidr, all[i].cidr))
                continue;
            fprintf(stderr, "stead: %s %s and %s %s overlap: give ranges that do not overlap\n",
                    all[k].name, all[k].text, all[i].name, all[i].text);
            return 2;
        }
    }
    return 0;
}

static int check_addresses(const Options *o)
{
    Cidr4 external[EXTERNAL_RANGES_MAX];
    Err err = ERR_INIT;
    char address[64];
    uint16_t port;
    uint32_t ip;
    size_t n;

    if (options_listen(o, address, &port, &err) < 0) {
        fprintf(stderr, "stead: %s\n", err.message);
        return 2;
    }
    if (o->external_ips && cidr4_parse_list(o->external_ips, EXTERNAL_RANGES_MAX, external, &n)) {
        fprintf(stderr,
                "stead: --external-ips %s: give IPv4 ranges such as 192.0.2.0/24,198.51.100.7/32\n",
                o->external_ips);
        return 2;
    }
    if (ip4_parse(o->dns_ip, &ip)) {
        fprintf(stderr, "stead: --dns-ip %s: give an IPv4 address such as 10.96.0.10\n", o->dns_ip);
        return 2;
    }
    if (strlen(o->instance) > INSTANCE_MAX) {
        fprintf(stderr, "stead: --instance %s: give a name of at most %d characters\n", o->instance,
                INSTANCE_MAX);
        return 2;
    }
    return 0;
}

static int set_log(const Options *o)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    static const char *const formats[] = {"text", "json"};
    size_t level = o->log_level ? 0 : LOG_LEVEL_INFO, format = 0;

    while (o->log_level && level < ARRAY_LEN(levels) && !str_equal(levels[level], o->log_level))
        level++;
    while (o->log_format && format < ARRAY_LEN(formats) &&
           !str_equal(formats[format], o->log_format))
        format++;
    if (level == ARRAY_LEN(levels)) {
        fprintf(stderr, "stead: --log-level %s: choose error, warn, info or debug\n", o->log_level);
        return 2;
    }
    if (format == ARRAY_LEN(formats)) {
        fprintf(stderr, "stead: --log-format %s: choose text or json\n", o->log_format);
        return 2;
    }
    log_level_max = (LogLevel)level;
    log_format = (LogFormat)format;
    return 0;
}

static void choose_place(Options *o)
{
    bool usual = !o->data && !o->run;
    bool makes = str_equal(o->command, "up") || str_equal(o->command, "server") ||
                 str_equal(o->command, "demo");
    Place place = place_choose(&o->arena, o->data, o->run, makes);

    o->data = absolute(&o->arena, place.data);
    o->run = absolute(&o->arena, place.run);
    o->rootless = place.rootless;
    if (o->rootless && usual && !o->instance)
        o->instance = PLACE_USER_INSTANCE;
    if (o->rootless && !o->load_balancer_cidr)
        o->load_balancer_cidr = ROOTLESS_LOAD_BALANCERS;
}

static int complete(Options *o)
{
    struct utsname host;
    int r;

    choose_place(o);
    o->listen = o->listen ? o->listen : "127.0.0.1:6443";
    o->kubeconfig_given = o->kubeconfig;
    o->kubeconfig =
        absolute(&o->arena, o->kubeconfig ? o->kubeconfig : default_kubeconfig(&o->arena));
    if (o->audit_policy)
        o->audit_policy = absolute(&o->arena, o->audit_policy);
    if (o->audit_log && !str_equal(o->audit_log, "-"))
        o->audit_log = absolute(&o->arena, o->audit_log);
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        *range_text(o, i) = str_or(*range_text(o, i), ranges[i].usual);
    o->domain = o->domain ? o->domain : "cluster.local";
    o->instance = o->instance ? o->instance : instance_of(&o->arena, o->run);
    o->context_name = str_equal(o->instance, "stead")
                          ? "stead"
                          : arena_printf(&o->arena, "stead-%s", o->instance);
    if (!o->node_name)
        o->node_name = uname(&host) == 0 ? arena_strdup(&o->arena, host.nodename) : "node";
    r = check_ranges(o);
    if (r)
        return r;
    if (!o->dns_ip)
        o->dns_ip = options_address(&o->arena, o->service_cidr, DNS_ADDRESS);
    r = check_addresses(o);
    return r ? r : set_log(o);
}

/* The state of the parser. */
typedef struct Parse {
    const Command *command;
    char **argv;
    int argc, at;
    Options *options;
    VEC(const char *) words;
    size_t capacities[OPTIONS_MAX]; /* of the lists, by row */
} Parse;

/* `value` is NULL if none was given with "=". */
static int set_switch(const OptionRow *row, Options *o, const char *value)
{
    bool *at = (bool *)((char *)o + row->offset), on = !value || str_equal(value, "true");

    if (value &&
        row->offset == offsetof(Options, dry_run)) { /* the values of kubectl's --dry-run */
        on = on || str_equal(value, "server") || str_equal(value, "client");
        value = on ? NULL : str_equal(value, "none") ? "false" : value;
    }
    if (!on && !str_equal(value, "false")) {
        fprintf(stderr, "stead: %s=%s: give %s or %s=false\n", row->name, value, row->name,
                row->name);
        return 2;
    }
    *at = row->form == FORM_OFF ? !on : on;
    return 0;
}

static void join_value(Options *o, const OptionRow *row, const char *value)
{
    const char **at = (const char **)((char *)o + row->offset);

    *at = *at ? arena_printf(&o->arena, "%s,%s", *at, value) : value;
}

static int set_option(Parse *parse, const OptionRow *row, const char *value)
{
    static_assert(ARRAY_LEN(rows) <= OPTIONS_MAX, "a mark for each option");
    parse->options->given[row - rows] = true;
    if (row->form == FORM_SWITCH || row->form == FORM_OFF)
        return set_switch(row, parse->options, value);
    if (!value && parse->at + 1 >= parse->argc) {
        fprintf(stderr, "stead: %s needs a value: %s %s\n", row->name, row->name, row->value);
        return 2;
    }
    if (!value)
        value = parse->argv[++parse->at];
    if (row->form == FORM_LIST)
        ARENA_PUSH_CAP(&parse->options->arena,
                       (StringArray *)((char *)parse->options + row->offset),
                       &parse->capacities[row - rows], value);
    else if (row->form == FORM_JOINED)
        join_value(parse->options, row, value);
    else
        *(const char **)((char *)parse->options + row->offset) = value;
    return 0;
}

/* "-it", "-nNS", "-n=NS", "-n NS" */
static int parse_letters(Parse *parse, const char *text)
{
    int r = 0;

    for (const char *c = text + 1; r == 0 && *c; c++) {
        const OptionRow *row = find_letter(parse->command->options, *c);
        const char *rest = c[1] == '=' ? c + 2 : c[1] ? c + 1 : NULL;

        if (!row)
            return refuse_option(parse->command, text);
        if (row->value || c[1] == '=')
            return set_option(parse, row, rest);
        r = set_option(parse, row, NULL);
    }
    return r;
}

static int parse_one(Parse *parse, const char *text)
{
    const char *equals = strchr(text, '=');
    const OptionRow *row;

    if (text[0] != '-' || !text[1]) {
        VEC_PUSH(&parse->words, text);
        return 0;
    }
    if (text[1] != '-')
        return parse_letters(parse, text);
    row = find_row(parse->command->options, text, equals ? (size_t)(equals - text) : strlen(text));
    if (!row)
        return refuse_option(parse->command, text);
    return set_option(parse, row, equals ? equals + 1 : NULL);
}

static const char **keep(Arena *arena, const char *const *from, size_t n)
{
    const char **to = arena_new_n(arena, const char *, n + 1);

    if (n)
        memcpy(to, from, n * sizeof(*from));
    return to;
}

int options_parse(const Command *command, int argc, char **argv, Options *ret)
{
    Parse parse = {.command = command, .argv = argv, .argc = argc, .options = ret};
    int r = 0;

    *ret = (Options){
        .n_before_dashes = SIZE_MAX, .command = command->name, .argc = argc, .argv = argv};
    for (; r == 0 && parse.at < argc; parse.at++) {
        if (ret->n_before_dashes != SIZE_MAX)
            VEC_PUSH(&parse.words, argv[parse.at]);
        else if (str_equal(argv[parse.at], "--"))
            ret->n_before_dashes = parse.words.n;
        else
            r = parse_one(&parse, argv[parse.at]);
    }
    ret->n_words = parse.words.n;
    ret->words = keep(&ret->arena, parse.words.v, parse.words.n);
    VEC_DEINIT(&parse.words);
    return r ? r : complete(ret);
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
        if ((rows[i].form != FORM_TEXT && rows[i].form != FORM_JOINED) || !rows[i].doc ||
            !(rows[i].groups & OPTIONS_LOCAL) || !*(const char *const *)at)
            continue;
        argv[n++] = rows[i].name;
        argv[n++] = *(const char *const *)at;
    }
    if (extra)
        argv[n++] = extra;
    return argv;
}

/* ---- the options of a running server ---- */

/* Whether the option describes the server, such as its folders and ranges, and not the files of a command. */
static bool is_local(const OptionRow *row)
{
    return row->doc && (row->groups & OPTIONS_LOCAL) &&
           (row->form == FORM_TEXT || row->form == FORM_JOINED) &&
           row->offset != offsetof(Options, kubeconfig);
}

void options_print_local(const Options *options, StrBuf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *value = *(const char *const *)((const char *)options + rows[i].offset);

        if (is_local(&rows[i]) && value)
            strbuf_printf(out, "%s %s\n", rows[i].name, value);
    }
    strbuf_printf(out, "--no-network %s\n", options->no_network ? "true" : "false");
}

const char *options_local_value(Arena *arena, const char *lines, const char *option)
{
    size_t n = strlen(option);

    for (const char *at = lines; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncmp(at, option, n) == 0 && at[n] == ' ')
            return arena_strndup(arena, at + n + 1, strcspn(at + n + 1, "\n"));
    return NULL;
}

int options_adopt(Options *options, const char *lines)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (is_local(&rows[i]) && !options->given[i])
            *(const char **)((char *)options + rows[i].offset) =
                options_local_value(&options->arena, lines, rows[i].name);
    if (str_equal(options_local_value(&options->arena, lines, "--no-network"), "true"))
        options->no_network = true;
    return complete(options);
}

void options_print_differences(Options *options, const char *lines, StrBuf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *running = options_local_value(&options->arena, lines, rows[i].name), *said;

        if (!is_local(&rows[i]) || !options->given[i])
            continue;
        said = *(const char *const *)((const char *)options + rows[i].offset);
        if (!str_equal(running, said))
            strbuf_printf(out, "%s%s %s instead of %s", out->n ? ", " : "", rows[i].name,
                          str_or(running, "(nothing)"), said);
    }
    if (options->no_network &&
        !str_equal(options_local_value(&options->arena, lines, "--no-network"), "true"))
        strbuf_printf(out, "%sa network instead of --no-network", out->n ? ", " : "");
}

int fail(const Err *err)
{
    fprintf(stderr, "stead: %s\n", err->message);
    return 1;
}

/* Appends a word, quoted so that a shell reads it as one word. */
static void add_shell_word(StrBuf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=:,./@%";

    strbuf_add_char(out, ' ');
    if (*word && strspn(word, plain) == strlen(word)) {
        strbuf_add_string(out, word);
        return;
    }
    strbuf_add_char(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            strbuf_add_string(out, "'\\'");
        strbuf_add_char(out, *word);
    }
    strbuf_add_char(out, '\'');
}

int need_root(const Options *options, const char *why)
{
    _strbuf_ StrBuf line = STRBUF_INIT;

    if (geteuid() == 0)
        return 0;
    for (int i = 0; i < options->argc; i++)
        add_shell_word(&line, options->argv[i]);
    fprintf(stderr, "stead: this command needs root: %s. Type: sudo stead %s%s\n", why,
            options->command, strbuf_string(&line));
    return 1;
}
