/* SPDX-License-Identifier: Apache-2.0 */
#include "api/version.h"
#include "base/fault.h"
#include "cli/commands/commands.h"
#include "cli/place.h"
#include "cli/suggest.h"
#include "daemon/commands.h"
#include "daemon/rootless/rootless.h"

/* These two commands are rows of the table and print it, so they are declared before it. */
static int command_version(const char *program, Options *options);
static int command_help(const char *program, Options *options);

/* clang-format off */
static const Command commands[] = {
    {"up",      "",             "start the server in the background and add the context \"stead\"", command_up,      0, 0, OPTIONS_LOCAL | OPTIONS_ACCESS, NULL, true},
    {"down",    "",             "stop all pods and the server; the data are kept",                   command_down,    0, 0, OPTIONS_LOCAL, NULL, true},
    {"restart", "",             "restart the server while the pods keep running",                        command_restart, 0, 0, OPTIONS_LOCAL, NULL, true},
    {"status",  "",             "print whether the server runs, its address, pods and memory",                          command_status,  0, 0, OPTIONS_LOCAL, NULL},
    {"get",     "KIND[,KIND...] [NAME...]", "print objects as a table, or as yaml or json", command_get,      1, SIZE_MAX, OPTIONS_API | OPTIONS_SELECT | OPTIONS_GET | OPTIONS_TABLE | OPTIONS_IGNORE, "stead get po,sts,svc,pvc\nstead get pods -w\nstead get sts/web -o yaml"},
    {"apply",   "-f FILE",      "create or update objects from files",                                   command_apply,   0, 0, OPTIONS_API | OPTIONS_FILES | OPTIONS_APPLY, "stead apply -f web.yaml\nstead apply -f folder/ -R\ncat web.yaml | stead apply -f -"},
    {"delete",  "KIND NAME...", "delete objects",                                                command_delete,  0, SIZE_MAX, OPTIONS_API | OPTIONS_SELECT | OPTIONS_FILES | OPTIONS_DELETE | OPTIONS_IGNORE | OPTIONS_TIMEOUT, "stead delete pod web-0\nstead delete -f web.yaml\nstead delete pods -l app=web"},
    {"logs",    "POD",          "print what a container has written",                                      command_logs,    0, 2, OPTIONS_API | OPTIONS_LOGS | OPTIONS_CONTAINER, "stead logs web-0 -f\nstead logs sts/web --tail=10\nstead logs -l app=web --prefix"},
    {"scale",   "KIND/NAME... --replicas=N", "change the number of replicas",                   command_scale,   1, SIZE_MAX, OPTIONS_API | OPTIONS_SCALE, "stead scale sts/web --replicas=3"},
    {"events",  "",             "print Events, the oldest first",                                   command_events,  0, 0, OPTIONS_API | OPTIONS_EVENTS | OPTIONS_TABLE, "stead events --for pod/web-0"},
    {"describe", "KIND [NAME...]", "print the details of objects and their Events",                       command_describe, 1, SIZE_MAX, OPTIONS_API | OPTIONS_SELECT, "stead describe pod web-0"},
    {"why",     "KIND/NAME...", "say what an object waits for, down to the cause",                         command_why,     1, SIZE_MAX, OPTIONS_API | OPTIONS_JSON, "stead why sts/web\nstead why pod/web-0 -o json\nstead why svc web"},
    {"exec",    "POD -- COMMAND [ARG...]", "run a command in a container",                       command_exec,    1, SIZE_MAX, OPTIONS_API | OPTIONS_EXEC | OPTIONS_CONTAINER, "stead exec web-0 -- cat /data/visits\nstead exec -it web-0 -- sh"},
    {"rollout", "status|undo|restart|history KIND/NAME", "follow, undo, restart or list the rollouts of a workload",         command_rollout, 2, SIZE_MAX, OPTIONS_API | OPTIONS_ROLLOUT | OPTIONS_TIMEOUT, "stead rollout status sts/web\nstead rollout undo sts/web --to-revision=1"},
    {"demo",    "NAME | list",  "run one of the five example scenarios",          command_demo,    1, 1, OPTIONS_LOCAL | OPTIONS_NAMESPACE, "stead demo scenario1", true},
    {"image",   "pull NAME... | import FILE... | make NAME FOLDER|PROGRAM [-- COMMAND...] | ls | inspect | tag | push | export | rm | prune", "pull, import, make, list, export, push and remove the images on this machine", command_image, 0, SIZE_MAX, OPTIONS_PLACE | OPTIONS_IMAGE, "stead image pull nginx:1.27\nstead image import web.tar\nstead image make web:1 ./web --env COLOR=red\nstead image make site:1 site/ --base time-server:latest -- httpd -f -p 8080 -h /www\nstead image ls", true},
    {"volume",  "ls",           "list the volumes of claims, and what they take on the disk",                   command_volume,  0, SIZE_MAX, OPTIONS_PLACE | OPTIONS_JSON, "stead volume ls\nstead volume ls -o json", true},
    {"service", "NAME | list",  "print the address of a Service and open it in a browser",      command_service, 1, 1, OPTIONS_LOCAL | OPTIONS_NAMESPACE | OPTIONS_SERVICE, NULL},
    {"reset",   "--yes",        "remove all pods, volumes and data",                             command_reset,   0, 0, OPTIONS_LOCAL | OPTIONS_RESET, NULL, true},
    {"server",  "",             "run the server in the foreground",                              command_server,  0, 0, OPTIONS_LOCAL, NULL, true},
    {"completion", "bash",     "print the completion script for a shell",                          command_completion, 1, 1, 0, "source <(stead completion bash)"},
    {"version", "",             "print the version of stead and of the Kubernetes API",                           command_version, 0, 0, OPTIONS_LOCAL, NULL},
    {"help",    "[COMMAND]",    "print this text, or what a command does and takes",                   command_help,    0, 1, 0, NULL},
};
/* clang-format on */

static void print_help(FILE *out)
{
    fprintf(out,
            "stead runs Kubernetes StatefulSets, and the cluster they need, on this machine.\n\n"
            "Usage: stead COMMAND [OPTIONS]\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\nSee 'stead help COMMAND' for the options of a command.\n");
}

static const Command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (str_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static bool kubectl_has(const char *word)
{
    static const char *const verbs[] = {
        "annotate", "api-resources", "api-versions", "attach",  "auth",      "autoscale",
        "config",   "cordon",        "cp",           "create",  "debug",     "diff",
        "drain",    "edit",          "explain",      "expose",  "kustomize", "label",
        "patch",    "port-forward",  "proxy",        "replace", "run",       "set",
        "taint",    "top",           "uncordon",     "wait",
    };

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_equal(verbs[i], word))
            return true;
    return false;
}

static int refuse_command(const char *word)
{
    Suggestion near = {.word = word};

    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        suggestion_offer(&near, commands[i].name);
    if (word[0] == '-')
        fprintf(stderr, "stead: the command comes before the option %s: stead COMMAND [OPTIONS].",
                word);
    else if (kubectl_has(word))
        fprintf(stderr, "stead: there is no command \"%s\", but kubectl has it: kubectl %s.", word,
                word);
    else if (near.best)
        fprintf(stderr, "stead: there is no command \"%s\"; did you mean \"%s\"?", word, near.best);
    else
        fprintf(stderr, "stead: there is no command \"%s\".", word);
    fprintf(stderr, " See 'stead help' for the commands.\n");
    return 2;
}

static void print_command_help(const Command *command)
{
    char *lines = command->example ? mem_strdup(command->example) : NULL;

    printf("stead %s: %s\n\nUsage: stead %s%s%s [OPTIONS]\n", command->name, command->summary,
           command->name, *command->words ? " " : "", command->words);
    if (lines) {
        printf("\nExamples:\n");
        for (char *at = lines, *line; (line = strsep(&at, "\n"));)
            printf("  %s\n", line);
    }
    options_print_help(stdout, command->options);
    free(lines);
}

static int command_help(const char *program, Options *options)
{
    const Command *command;

    (void)program;
    if (!options->n_words) {
        print_help(stdout);
        return 0;
    }
    command = find_command(options->words[0]);
    if (!command)
        return refuse_command(options->words[0]);
    print_command_help(command);
    return 0;
}

static int command_version(const char *program, Options *options)
{
    (void)program;
    (void)options;
    printf("stead %s (Kubernetes API v1.%s)\n", STEAD_VERSION, API_MINOR);
    return 0;
}

static int run_in_place(const Command *command, const char *program, Options *options)
{
    bool server = command->run == command_server && options->no_network;

    if (command->inside && options->rootless && !server && !place_is_inside())
        return rootless_run(program, options);
    return command->run(program, options);
}

static int run(const Command *command, char **argv, int argc)
{
    Options options;
    int r = options_parse(command, argc - 2, argv + 2, &options);

    if (r == 0 && options.help) {
        print_command_help(command);
    } else if (r == 0 && options.n_words < command->min_words) {
        fprintf(stderr, "stead: '%s' needs more arguments: stead %s %s\n", command->name,
                command->name, command->words);
        r = 2;
    } else if (r == 0 && options.n_words > command->max_words) {
        fprintf(stderr, "stead: '%s' takes no argument \"%s\". See 'stead help %s'.\n",
                command->name, options.words[command->max_words], command->name);
        r = 2;
    } else if (r == 0) {
        r = run_in_place(command, argv[0], &options);
    }
    arena_clear(&options.arena);
    return r;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const Command *command;

    fault_arm_from_environment();
    if (!word || str_equal(word, "--help") || str_equal(word, "-h")) {
        print_help(word ? stdout : stderr);
        return word ? 0 : 2;
    }
    command = find_command(str_equal(word, "--version") ? "version" : word);
    return command ? run(command, argv, argc) : refuse_command(word);
}
