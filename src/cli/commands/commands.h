/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that talk to an API, each in a file of its name; describe is cli/describe/command.c. */
#ifndef CLI_COMMANDS_COMMANDS_H
#define CLI_COMMANDS_COMMANDS_H

#include "cli/command.h"
#include "cli/commands/commands.h"

int command_service(const char *program, Options *options);
int command_get(const char *program, Options *options);
int command_describe(const char *program, Options *options);
int command_apply(const char *program, Options *options);
int command_delete(const char *program, Options *options);
int command_logs(const char *program, Options *options);
int command_exec(const char *program, Options *options);
int command_scale(const char *program, Options *options);
int command_rollout(const char *program, Options *options);
int command_why(const char *program, Options *options);
int command_events(const char *program, Options *options);
int command_completion(const char *program, Options *options);

#endif
