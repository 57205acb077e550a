/* SPDX-License-Identifier: Apache-2.0 */
/* The archives that ship with the program, and the names that they answer to. */
#include <dirent.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "image/internal.h"

static char *make_stamp(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    return mem_printf("%s %" PRId64 " %" PRId64 ".%09ld", path, (int64_t)st.st_size,
                      (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static int compare_builtins(const void *a, const void *b)
{
    return strcmp(((const Builtin *)a)->path, ((const Builtin *)b)->path);
}

void image_builtins_find(ImageStore *store, const char *folder)
{
    DIR *dir = folder ? opendir(folder) : NULL;
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        Builtin builtin = {0};

        if (!str_ends_with(entry->d_name, ".tar") && !str_ends_with(entry->d_name, ".tar.gz") &&
            !str_ends_with(entry->d_name, ".tar.zst"))
            continue;
        builtin.path = mem_printf("%s/%s", folder, entry->d_name);
        builtin.stamp = make_stamp(builtin.path);
        if (builtin.stamp)
            VEC_PUSH(&store->builtins, builtin);
        else
            free(builtin.path);
    }
    closedir(dir);
    if (store->builtins.n > 0)
        qsort(store->builtins.v, store->builtins.n, sizeof(*store->builtins.v), compare_builtins);
}

/* FILE.names has one name per line; if it does not exist, the names are read from the archive. The first name is one of the archive.
 * "NAME:*" is a name that the image answers to whatever the tag. */
static void read_builtin_names(Builtin *builtin)
{
    _free_ char *path = mem_printf("%s.names", builtin->path), *text = NULL;
    _arena_ Arena arena = ARENA_INIT;
    StringArray names = {0};
    size_t n;

    builtin->read = true;
    if (file_read(path, 64 << 10, &text, &n) < 0) {
        image_archive_names(builtin->path, &names, &arena, NULL);
        for (size_t i = 0; i < names.n; i++)
            VEC_PUSH(&builtin->names, mem_strdup(names.v[i]));
        return;
    }
    for (char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        bool any = length > 2 && memcmp(line + length - 2, ":*", 2) == 0;
        const char *name =
            image_normalize(&arena, arena_strndup(&arena, line, any ? length - 2 : length));

        if (name)
            VEC_PUSH(&builtin->names,
                     any ? mem_printf("%.*s:*", (int)(strrchr(name, ':') - name), name)
                         : mem_strdup(name));
        line += length + (line[length] == '\n');
    }
}

/* Whether "docker.io/library/busybox:*" of the archive stands for this name. A digest asks for certain bytes, which are not ours. */
static bool pattern_fits(const char *pattern, const char *normalized)
{
    size_t n = strlen(pattern) - 1;

    return str_ends_with(pattern, ":*") && strncmp(pattern, normalized, n) == 0;
}

Builtin *image_builtin_of(ImageStore *store, const char *normalized, const char **ret_own)
{
    for (size_t i = 0; i < store->builtins.n; i++) {
        Builtin *builtin = &store->builtins.v[i];

        if (!builtin->read)
            read_builtin_names(builtin);
        for (size_t j = 0; j < builtin->names.n; j++) {
            const char *name = builtin->names.v[j];

            if (strcmp(name, normalized) != 0 && !pattern_fits(name, normalized))
                continue;
            *ret_own = pattern_fits(name, normalized) ? builtin->names.v[0] : name;
            return builtin;
        }
    }
    return NULL;
}
