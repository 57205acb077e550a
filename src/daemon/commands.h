/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that start and stop a server, or that work on its data when it does not run. */
#ifndef DAEMON_COMMANDS_H
#define DAEMON_COMMANDS_H

#include "cli/command.h"

/* server_command.c */
int command_server(const char *program, Options *options);
/* lifecycle.c */
int command_up(const char *program, Options *options);
int command_down(const char *program, Options *options);
int command_restart(const char *program, Options *options);
int command_status(const char *program, Options *options);
int command_reset(const char *program, Options *options);
/* image/command.c */
int command_image(const char *program, Options *options);
/* volume_command.c */
int command_volume(const char *program, Options *options);
/* demo_command.c */
int command_demo(const char *program, Options *options);

#endif
