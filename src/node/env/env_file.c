/* SPDX-License-Identifier: Apache-2.0 */
/* See env_file.h. */
#include "base/files/beneath.h"
#include "node/env/env_file.h"

#define FILE_LIMIT (64 * 1024)

static int malformed(Err *reterr, size_t line, const char *why)
{
    return err_set(reterr, 0, "invalid environment variable format at line %zu: %s", line, why);
}

/* Whether only blanks and a comment follow the closing quote up to the end of the line, as
 * required. */
static bool rest_is_empty(const char *at)
{
    at += strspn(at, " \t\r");
    return *at == 0 || *at == '\n' || *at == '#';
}

static const char *next_line(const char *at)
{
    at += strcspn(at, "\n");
    return *at ? at + 1 : at;
}

int env_file_find(const char *text, const char *key, Arena *arena, const char **ret, Err *reterr)
{
    size_t line = 0;

    *ret = NULL;
    for (const char *at = text, *start; *at; at = next_line(at)) {
        const char *name, *end;
        size_t n;
        bool wanted;

        line++;
        start = at;
        at += strspn(at, " \t\r");
        if (*at == 0 || *at == '\n' || *at == '#')
            continue;
        name = at;
        n = strcspn(at, "=\n");
        if (name[n] != '=')
            return malformed(reterr, line, "missing '='");
        if (n == 0)
            return malformed(reterr, line, "empty variable name");
        if (name[n - 1] == ' ' || name[n - 1] == '\t')
            return malformed(reterr, line, "whitespace before '=' is not allowed");
        wanted = n == strlen(key) && memcmp(name, key, n) == 0;
        at += n + 1;
        if (*at == ' ' || *at == '\t') { /* a shell would not take this as an assignment */
            if (wanted)
                return 0;
            continue;
        }
        if (*at != '\'')
            return malformed(reterr, line, "value must be enclosed in single quotes");
        end = strchr(at + 1, '\'');
        if (!end)
            return malformed(reterr, line, "unclosed single quote");
        if (!rest_is_empty(end + 1))
            return malformed(reterr, line, "unexpected content after closing quote");
        if (wanted) {
            *ret = arena_strndup(arena, at + 1, (size_t)(end - at - 1));
            return 0;
        }
        for (const char *c = start; c < end; c++)
            line += *c == '\n';
        at = end;
    }
    return 0;
}

int env_file_read(const char *folder, const char *path, char **ret)
{
    _close_fd_ int root = beneath_root(folder);

    return root < 0 ? root : beneath_read(root, path, BENEATH_INSIDE, FILE_LIMIT, ret, NULL);
}
