/* SPDX-License-Identifier: Apache-2.0 */
/* A file of variables in a volume (fileKeyRef): lines KEY='value', where a value may span
 * several lines and no character in it is special. Comments and empty lines are ignored. */
#ifndef NODE_ENV_ENV_FILE_H
#define NODE_ENV_ENV_FILE_H

#include "base/arena.h"
#include "base/error.h"

/* Finds a key in the text of such a file; *ret is NULL if it is not there. Pure. */
int env_file_find(const char *text, const char *key, Arena *arena, const char **ret, Err *reterr);
/* Reads a file below the folder; no link in its path can lead out of the folder. The caller
 * frees *ret. */
int env_file_read(const char *folder, const char *path, char **ret);

#endif
