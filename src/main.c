/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"
#include "cli/command.h"

/* clang-format off */
static const Command commands[] = {
    {"up",      "",             "start the server in the background, add the context \"stead\"", command_up,      0, 0},
    {"down",    "",             "stop the pods and the server, keep the data",                   command_down,    0, 0},
    {"restart", "",             "restart the server; pods go on running",                        command_restart, 0, 0},
    {"status",  "",             "what runs, where, in how much memory",                          command_status,  0, 0},
    {"image",   "import FILE | ls | rm NAME", "images on this machine",                          command_image,   1, SIZE_MAX},
    {"service", "NAME | list",  "where a service can be reached; opens it in the browser",      command_service, 1, 1},
    {"reset",   "--yes",        "remove all pods, volumes and data",                             command_reset,   0, 0},
    {"server",  "",             "run the server in the foreground",                              command_server,  0, 0},
    {"version", "",             "the version of stead and of its API",                           command_version, 0, 0},
    {"help",    "",             "this text",                                                     command_help,    0, SIZE_MAX},
};
/* clang-format on */

static void print_help(FILE *out)
{
    fprintf(out,
            "stead runs Kubernetes StatefulSets, and the cluster they need, on this machine.\n\n"
            "Usage: stead COMMAND [OPTIONS]\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char left[64];

        snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].words);
        fprintf(out, "  %-32s %s\n", left, commands[i].summary);
    }
    options_print_help(out);
}

int command_help(const char *program, Options *options)
{
    (void)program;
    (void)options;
    print_help(stdout);
    return 0;
}

int command_version(const char *program, Options *options)
{
    (void)program;
    (void)options;
    printf("stead %s (Kubernetes API v1.36)\n", STEAD_VERSION);
    return 0;
}

/* Few enough differing letters to be the same word mistyped: a common beginning of two, or the same
 * letters. */
static const Command *nearest(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strncmp(commands[i].name, word, 2) == 0)
            return &commands[i];
    return NULL;
}

static int run(const Command *command, char **argv, int argc)
{
    Options options;
    int r = options_parse(argc - 2, argv + 2, &options);

    if (r == 0 && options.help) {
        r = command_help(argv[0], &options);
    } else if (r == 0 && options.n_words < command->min_words) {
        fprintf(stderr, "stead: %s needs more: stead %s %s\n", command->name, command->name,
                command->words);
        r = 2;
    } else if (r == 0 && options.n_words > command->max_words) {
        fprintf(stderr, "stead: %s takes no \"%s\". Try 'stead help'.\n", command->name,
                options.words[command->max_words]);
        r = 2;
    } else if (r == 0) {
        r = command->run(argv[0], &options);
    }
    arena_clear(&options.arena);
    return r;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const Command *near;

    fault_arm_from_environment();
    if (!word || str_equal(word, "--help") || str_equal(word, "-h")) {
        print_help(word ? stdout : stderr);
        return word ? 0 : 2;
    }
    if (str_equal(word, "--version"))
        word = "version";
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (str_equal(commands[i].name, word))
            return run(&commands[i], argv, argc);
    near = nearest(word);
    fprintf(stderr, "stead: there is no command %s%s%s. Try 'stead help'.\n", word,
            near ? ", did you mean " : "", near ? near->name : "");
    return 2;
}
