/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of variables in a volume (fileKeyRef): lines KEY='value', where a value may have several
 * lines and nothing in it is special; comments and empty lines are passed over.
 */
#ifndef NODE_ENV_ENV_FILE_H
#define NODE_ENV_ENV_FILE_H

#include "base/arena.h"
#include "base/error.h"

/* *ret NULL: the key is not there. Pure. */
int env_file_find(const char *text, const char *key, Arena *arena, const char **ret, Err *reterr);
/* The text of a file inside a folder; no link in its path leads out of it. malloc'ed. */
int env_file_read(const char *folder, const char *path, char **ret);

#endif
