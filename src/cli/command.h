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

/* Every path, range and port, so that many can run side by side. */
typedef struct Options {
    const char *data;       /* --data: what must survive */
    const char *run;        /* --run: what a reboot voids */
    const char *listen;     /* --listen ADDR:PORT */
    const char *kubeconfig; /* --kubeconfig */
    const char *pod_cidr;
    const char *service_cidr;
    const char *load_balancer_cidr;
    const char *dns_ip;
    const char *domain;
    const char *node_name;
    const char *instance; /* names links, tables and cgroups; at most 6 characters */
    const char *token_file;
    const char *log_level;
    const char *ready_fd; /* written to once ready; for `stead up` */
    const char *ns;       /* -n, --namespace */
    bool url;             /* --url: of `stead service` */
    bool yes;
    bool no_network; /* API only: no pods, no links; for benchmarks and tests of the API */
    bool help;
    const char *const *words; /* what is no option */
    size_t n_words;
    Arena arena;
} Options;

typedef struct Command {
    const char *name;
    const char *words; /* "FILE", "" */
    const char *summary;
    int (*run)(const char *program, Options *options); /* exit code */
    size_t min_words, max_words;
} Command;

/* Fills in defaults too. 0, or 2 after saying what is wrong. */
int options_parse(int argc, char **argv, Options *ret);
void options_print_help(FILE *out);
/* The port of --listen, and its address; 0 or err. */
int options_listen(const Options *options, char address[static 64], uint16_t *port, Err *reterr);
/* argv for another command with the same options: program, command, options..., NULL; in the arena.
 */
const char **options_argv(Options *options, const char *program, const char *command,
                          const char *extra);

int command_server(const char *program, Options *options);
int command_up(const char *program, Options *options);
int command_down(const char *program, Options *options);
int command_restart(const char *program, Options *options);
int command_status(const char *program, Options *options);
int command_reset(const char *program, Options *options);
int command_image(const char *program, Options *options);
int command_service(const char *program, Options *options);
int command_version(const char *program, Options *options);
int command_help(const char *program, Options *options);

/* "stead: " + message, and 1. */
int fail(const Err *err);
/* 0, or 1 after saying that root is needed. */
int need_root(const char *what);

#endif
