/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of all commands, which are one table: each row says which groups it is in, and each
 * command which groups it takes. What a running server was started with can be printed and read
 * back.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/strbuf.h"
#include "codec/type.h"

typedef struct Command Command;

/* Groups of options. A command lists the groups that it takes, and each option the groups that it is in. */
typedef enum OptionGroup {
    OPTIONS_PLACE = 1 << 0,     /* the places of data, sockets and credentials */
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
    OPTIONS_ACCESS = 1 << 21, /* --user-group, --no-user */
    OPTIONS_JSON = 1 << 22,   /* -o json */
    OPTIONS_LOCAL = OPTIONS_PLACE | OPTIONS_SERVER,
    /* The options of every command that uses the API. */
    OPTIONS_API = OPTIONS_PLACE | OPTIONS_NAMESPACE | OPTIONS_CONTEXT,
} OptionGroup;

#define EXTERNAL_RANGES_MAX 64
#define OPTIONS_MAX 96

/* The options of all commands. Every path, range and port is an option, so that several servers can run side by side. */
typedef struct Options {
    const char *data;       /* --data: the folder of everything that must survive */
    const char *run;        /* --run: the folder of everything that a reboot invalidates */
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
    const char *image_gc_high,
        *image_gc_low;         /* --image-gc-high-threshold, --image-gc-low-threshold */
    const char *image_min_age; /* --minimum-image-ttl-duration */
    const char *registry;      /* --registry localhost:PORT */
    const char *image_stores;  /* --image-stores KIND[=DIR],...: whose images are used as well */
    const char *limit;         /* --limit SIZE: of `stead image import` */
    const char *instance;      /* a part of the names of links, tables and cgroups */
    const char *token_file;
    const char *account_keys, *account_signing_key, *account_issuers, *account_jwks_uri,
        *api_audiences; /* --service-account-*, --api-audiences; lists with commas */
    const char *webhook_config, *webhook_cache,
        *webhook_version;                 /* --authentication-token-webhook-* */
    const char *audit_policy, *audit_log; /* --audit-policy-file, --audit-log-path */
    const char *audit_max_size, *audit_max_backup,
        *audit_max_age;     /* --audit-log-maxsize and so on */
    const char *user_group; /* --user-group: of the user who calls `sudo stead up` */
    const char *log_level, *log_format;
    const char *ready_fd; /* a descriptor to write to when the server is ready, for `stead up` */
    const char *ns;       /* -n, --namespace */
    const char *context;  /* --context: the context of another cluster */
    const char *selector, *field_selector, *output;
    const char *container, *tail, *since, *since_time, *limit_bytes;
    const char *replicas, *current_replicas, *to_revision, *timeout;
    const char *grace_period, *cascade, *for_object, *types;
    const char *base, *working_dir, *user;
    const char *platform, *creds; /* --platform, --creds: of `stead image pull` */
    StringArray entrypoint;       /* --entrypoint: may be repeated */
    StringArray files, env;       /* -f, -e: may be repeated */
    bool all_namespaces, watch, watch_only, no_headers, show_labels, show_kind, managed_fields;
    bool recursive, ignore_not_found, all, force, now, no_wait, dry_run;
    bool follow, previous, timestamps, prefix, all_containers;
    bool standard_in, tty, quiet;
    bool kubeconfig_given;
    bool url; /* --url: of `stead service` */
    bool yes;
    bool no_user;    /* --no-user: the user who calls gets no access */
    bool no_network; /* serve the API without a node, for benchmarks and tests */
    bool rootless;   /* the server of this place is that of an ordinary user, see place.h */
    bool help;
    const char
        *context_name; /* the context of this server in a kubeconfig: "stead" or "stead-INSTANCE" */
    bool given[OPTIONS_MAX]; /* for each row of the table: whether the command line has it */
    const char *command;     /* its name */
    char **argv;             /* all that followed the command, as it was typed */
    int argc;
    const char *const *words; /* the arguments that are not options */
    size_t n_words;
    size_t n_before_dashes; /* the number of words before "--"; SIZE_MAX: there is no "--" */
    Arena arena;
} Options;

/* An option that gives a range of addresses. */
typedef struct OptionRange {
    const char *name; /* "--pod-cidr" */
    const char *text; /* as it was given, or the default */
    Cidr4 cidr;
} OptionRange;

enum { RANGE_PODS, RANGE_SERVICES, RANGE_LOAD_BALANCERS, OPTIONS_RANGES };

/* Parses the arguments behind the command and completes them by defaults, in the arena of *ret, which the caller clears in any
 * case. Returns 0, or the exit code 2 after printing a message. */
int options_parse(const Command *command, int argc, char **argv, Options *ret);
/* Prints the options of the groups. */
void options_print_help(FILE *out, unsigned groups);
/* Parses the size of the option `name`, in the notation of Kubernetes ("10Gi"), which has to be at least `least`. Returns 0, or a
 * negative error with a message. */
int options_size(const char *name, const char *text, int64_t least, int64_t *ret, Err *reterr);
/* The address and the port of --listen. Returns 0, or a negative error with a message. */
int options_listen(const Options *options, char address[static 64], uint16_t *port, Err *reterr);
/* The ranges of addresses. The options were parsed without an error, so each range is valid and none overlaps another. */
void options_ranges(const Options *options, OptionRange ret[static OPTIONS_RANGES]);
/* The n-th address of a range that is valid, in the arena: the first one of 10.96.0.0/12 is 10.96.0.1. */
const char *options_address(Arena *arena, const char *range, uint32_t n);
/* Appends the options that a server was started with, as lines "--option value". The running server reports them to commands. */
void options_print_local(const Options *options, StrBuf *out);
/* The value of an option in such lines, in the arena; NULL: it is not there. */
const char *options_local_value(Arena *arena, const char *lines, const char *option);
/* Takes from such lines every option that the command line does not have. Returns 0, or the exit code 2 after printing a message. */
int options_adopt(Options *options, const char *lines);
/* Appends the options whose values differ between such lines and the command line: "--listen A instead of B, ...". */
void options_print_differences(Options *options, const char *lines, StrBuf *out);
/* The argv of another command with the same options, in the arena: program, command, options..., extra, NULL. */
const char **options_argv(Options *options, const char *program, const char *command,
                          const char *extra);

#endif
