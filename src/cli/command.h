/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: a table of commands, each with its own file, over one set of options. A wrong
 * word says what would be right; exit codes are 0, 1 (it did not work) and 2 (it was not
 * understood).
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/arena.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/strbuf.h"
#include "codec/type.h"

/* Which options a command takes: a row of the table of options names the groups it is in. */
typedef enum OptionGroup {
    OPTIONS_PLACE = 1 << 0,     /* where data, sockets and credentials lie */
    OPTIONS_SERVER = 1 << 1,    /* what a server is started with */
    OPTIONS_RESET = 1 << 2,     /* --yes */
    OPTIONS_SERVICE = 1 << 3,   /* --url */
    OPTIONS_NAMESPACE = 1 << 4, /* -n */
    OPTIONS_CONTEXT = 1 << 5,   /* --context */
    OPTIONS_SELECT = 1 << 6,    /* -l, -A, --field-selector */
    OPTIONS_FILES = 1 << 7,     /* -f FILE, -R */
    OPTIONS_GET = 1 << 8,
    OPTIONS_TABLE = 1 << 9, /* --no-headers, -w */
    OPTIONS_APPLY = 1 << 10,
    OPTIONS_DELETE = 1 << 11,
    OPTIONS_LOGS = 1 << 12,
    OPTIONS_EXEC = 1 << 13,
    OPTIONS_SCALE = 1 << 14,
    OPTIONS_ROLLOUT = 1 << 15,
    OPTIONS_EVENTS = 1 << 16,
    OPTIONS_CONTAINER = 1 << 17, /* -c */
    OPTIONS_TIMEOUT = 1 << 18,
    OPTIONS_IGNORE = 1 << 19, /* --ignore-not-found */
    OPTIONS_IMAGE = 1 << 20,  /* of `stead image make` and `import` */
    OPTIONS_LOCAL = OPTIONS_PLACE | OPTIONS_SERVER,
    /* Of every command that talks to the API. */
    OPTIONS_API = OPTIONS_PLACE | OPTIONS_NAMESPACE | OPTIONS_CONTEXT,
} OptionGroup;

#define EXTERNAL_RANGES_MAX 64
#define OPTIONS_MAX 96

/* All options of all commands; every path, range and port is one, so that many servers can run
 * side by side. */
typedef struct Options {
    const char *data;       /* --data: what must survive */
    const char *run;        /* --run: what a reboot voids */
    const char *listen;     /* --listen ADDR:PORT */
    const char *kubeconfig; /* --kubeconfig */
    const char *pod_cidr;
    const char *service_cidr;
    const char *load_balancer_cidr;
    const char *dns_ip;
    const char *external_ips; /* ranges that Services may take external IPs from; NULL: none */
    const char *domain;
    const char *certificate_life; /* seconds that the server's certificate is good for */
    const char *node_name;
    const char *pids_limit;   /* --pod-pids-limit */
    const char *disk_reserve; /* --disk-reserve SIZE */
    const char *limit;        /* --limit SIZE: of `stead image import` */
    const char *instance;     /* names links, tables and cgroups; at most 6 characters */
    const char *token_file;
    const char *log_level, *log_format;
    const char *ready_fd; /* written to once ready; for `stead up` */
    const char *ns;       /* -n, --namespace */
    const char *context;  /* --context: another cluster's */
    const char *selector, *field_selector, *output;
    const char *container, *tail, *since, *since_time, *limit_bytes;
    const char *replicas, *current_replicas, *to_revision, *timeout;
    const char *grace_period, *cascade, *for_object, *types;
    const char *base, *working_dir, *user;
    StringArray files, env; /* -f, -e: as often as one likes */
    bool all_namespaces, watch, watch_only, no_headers, show_labels, show_kind, managed_fields;
    bool recursive, ignore_not_found, all, force, now, no_wait, dry_run;
    bool follow, previous, timestamps, prefix, all_containers;
    bool standard_in, tty, quiet;
    bool kubeconfig_given;
    bool url; /* --url: of `stead service` */
    bool yes;
    bool no_network; /* API only: no pods, no links; for benchmarks and tests of the API */
    bool help;
    const char *context_name; /* of this server in a kubeconfig: "stead", "stead-INSTANCE" */
    bool given[OPTIONS_MAX];  /* by row of the table: the command line says it */
    const char *const *words; /* what is no option */
    size_t n_words;
    size_t n_before_dashes; /* of the words, those before "--"; SIZE_MAX: there was no "--" */
    Arena arena;
} Options;

/* An option that gives a range of addresses. */
typedef struct OptionRange {
    const char *name; /* "--pod-cidr" */
    const char *text; /* as it was given, or the default */
    Cidr4 cidr;
} OptionRange;

enum { RANGE_PODS, RANGE_SERVICES, RANGE_LOAD_BALANCERS, OPTIONS_RANGES };

typedef struct Command {
    const char *name;
    const char *words; /* "FILE", "" */
    const char *summary;
    int (*run)(const char *program, Options *options); /* exit code */
    size_t min_words, max_words;
    unsigned options;    /* OptionGroup */
    const char *example; /* lines for `stead help COMMAND`; NULL: none */
} Command;

/* Fills in defaults too. 0, or 2 after saying what is wrong. */
int options_parse(const Command *command, int argc, char **argv, Options *ret);
/* Those of the groups. */
void options_print_help(FILE *out, unsigned groups);
/* "10Gi" of the option of that name, as Kubernetes writes sizes; at least `least`. */
int options_size(const char *name, const char *text, int64_t least, int64_t *ret, Err *reterr);
/* The port of --listen, and its address; 0 or err. */
int options_listen(const Options *options, char address[static 64], uint16_t *port, Err *reterr);
/* The ranges of addresses. The options were parsed without an error, so each range is valid and none overlaps another. */
void options_ranges(const Options *options, OptionRange ret[static OPTIONS_RANGES]);
/* The n-th address of a range that is valid, in the arena: the first one of 10.96.0.0/12 is 10.96.0.1. */
const char *options_address(Arena *arena, const char *range, uint32_t n);
/* What a running server was started with: a line "--option value" each. */
void options_print_local(const Options *options, StrBuf *out);
/* Of those lines, the value of the option; NULL: it has none. */
const char *options_local_value(Arena *arena, const char *lines, const char *option);
/* Takes from those lines what the command line does not say; 0, or 2 after a message. */
int options_adopt(Options *options, const char *lines);
/* Where the command line says something else than those lines: "--listen A instead of B, ...". */
void options_print_differences(Options *options, const char *lines, StrBuf *out);
/* argv for another command with the same options: program, command, options..., NULL; in the
 * arena. */
const char **options_argv(Options *options, const char *program, const char *command,
                          const char *extra);

/* ---- the commands, each in a file of its name in cli/commands/ (describe: cli/describe/command.c) ---- */

int command_service(const char *program, Options *options);
int command_get(const char *program, Options *options);
int command_describe(const char *program, Options *options);
int command_apply(const char *program, Options *options);
int command_delete(const char *program, Options *options);
int command_logs(const char *program, Options *options);
int command_exec(const char *program, Options *options);
int command_scale(const char *program, Options *options);
int command_rollout(const char *program, Options *options);
int command_events(const char *program, Options *options);
int command_completion(const char *program, Options *options);
int command_version(const char *program, Options *options);
int command_help(const char *program, Options *options);

/* "stead: " + message, and 1. */
int fail(const Err *err);
/* 0, or 1 after saying that root is needed. */
int need_root(const char *what);

#endif
