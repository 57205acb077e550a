/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: a table of commands (main.c), each of which has its own file, and one table of options for all of them
 * (options.c). The message about a wrong word says what would be right. Exit codes are 0, 1 (the command failed) and 2 (the command
 * line is wrong).
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/options.h"

struct Command {
    const char *name;
    const char *words; /* its arguments, for the help: "FILE", "" */
    const char *summary;
    int (*run)(const char *program, Options *options); /* exit code */
    size_t min_words, max_words;
    unsigned options;    /* OptionGroup */
    const char *example; /* lines for `stead help COMMAND`; NULL: none */
    bool inside;         /* runs in the namespaces of an ordinary user's server */
};

/* Prints the message. Returns 1. */
int fail(const Err *err);
/* Returns 0 for root, or 1 after printing that the command needs root, why ("its pods belong to root"), and what to type. */
int need_root(const Options *options, const char *why);

#endif
