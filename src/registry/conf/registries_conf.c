/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   [[registry]]
 *   prefix = "docker.io"          # of names; the location if it is absent
 *   location = "docker.io"        # takes the place of the prefix; absent: nothing is replaced
 *   insecure = false
 *   blocked = false
 *   mirror-by-digest-only = false
 *   [[registry.mirror]]           # tried in order, before the location
 *   location = "mirror.example:5000/hub"
 *   insecure = false
 *   pull-from-mirror = "all"      # "digest-only", "tag-only"
 *
 * Names are completed as Docker does, so unqualified-search-registries, short-name-mode and aliases
 * have no effect. Keys that are unknown are ignored, as there are more in newer versions.
 */
#include <dirent.h>

#include "base/files/file.h"
#include "codec/toml/toml.h"
#include "registry/conf/registries_conf.h"

#define FILE_MAX (1u << 20)
#define ENTRIES_MAX 4096
#define MIRRORS_MAX 16

void registries_conf_deinit(RegistriesConf *conf)
{
    VEC_DEINIT(&conf->entries);
    arena_clear(&conf->arena);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_text(const TomlValue *table, const char *key, const char **ret, Err *reterr)
{
    const TomlValue *value = toml_get(table, key);

    *ret = value ? value->text : "";
    if (value && value->kind != TOML_STRING)
        return err_set(reterr, 0, "%s is not a string", key);
    return 0;
}

static int read_boolean(const TomlValue *table, const char *key, bool *ret, Err *reterr)
{
    const TomlValue *value = toml_get(table, key);

    *ret = value && value->boolean;
    if (value && value->kind != TOML_BOOLEAN)
        return err_set(reterr, 0, "%s is not a boolean", key);
    return 0;
}

/* A location or prefix without the slashes at its end. */
static int read_place(Arena *arena, const TomlValue *table, const char *key, const char **ret,
                      Err *reterr)
{
    const char *text;
    size_t n;
    int r = read_text(table, key, &text, reterr);

    if (r)
        return r;
    if (str_starts_with(text, "http://") || str_starts_with(text, "https://"))
        return err_set(reterr, 0, "%s %s must not have a scheme", key, text);
    n = strlen(text);
    while (n > 0 && text[n - 1] == '/')
        n--;
    *ret = arena_strndup(arena, text, n);
    return 0;
}

static int read_use(const TomlValue *table, MirrorUse *ret, bool *ret_stated, Err *reterr)
{
    static const char *const names[] = {"all", "digest-only", "tag-only"};
    const char *text;
    int r = read_text(table, "pull-from-mirror", &text, reterr);

    if (r)
        return r;
    *ret = MIRROR_ALL;
    *ret_stated = *text != 0;
    if (!*text)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_equal(text, names[i])) {
            *ret = (MirrorUse)i;
            return 0;
        }
    return err_set(reterr, 0, "pull-from-mirror is \"%s\", not all, digest-only or tag-only", text);
}

static int read_mirror(Arena *arena, const TomlValue *table, bool digest_only, RegistrySource *ret,
                       Err *reterr)
{
    bool stated;
    int r = read_place(arena, table, "location", &ret->location, reterr);

    if (r == 0)
        r = read_boolean(table, "insecure", &ret->insecure, reterr);
    if (r == 0)
        r = read_use(table, &ret->use, &stated, reterr);
    if (r)
        return r;
    if (!*ret->location)
        return err_set(reterr, 0, "a mirror has no location");
    if (digest_only && stated)
        return err_set(reterr, 0, "mirror-by-digest-only and pull-from-mirror exclude each other");
    if (digest_only)
        ret->use = MIRROR_DIGEST_ONLY;
    return 0;
}

/* The tables of an array; an absent one is empty. */
static int read_tables(const TomlValue *table, const char *key, const TomlValue **ret, Err *reterr)
{
    const TomlValue *array = toml_get(table, key);
    bool valid = !array || array->kind == TOML_ARRAY;

    *ret = array ? array->first : NULL;
    for (const TomlValue *v = *ret; valid && v; v = v->next)
        valid = v->kind == TOML_TABLE;
    return valid ? 0 : err_set(reterr, 0, "%s is not an array of tables", key);
}

static int read_mirrors(Arena *arena, const TomlValue *table, RegistryEntry *entry, Err *reterr)
{
    const TomlValue *mirror;
    bool digest_only;
    int r = read_boolean(table, "mirror-by-digest-only", &digest_only, reterr);

    if (r == 0)
        r = read_tables(table, "mirror", &mirror, reterr);
    if (r)
        return r;
    entry->mirrors = arena_new_n(arena, RegistrySource, MIRRORS_MAX);
    for (; mirror; mirror = mirror->next) {
        if (entry->n == MIRRORS_MAX)
            return err_set(reterr, 0, "a registry has more than %d mirrors", MIRRORS_MAX);
        r = read_mirror(arena, mirror, digest_only, &entry->mirrors[entry->n], reterr);
        if (r)
            return r;
        entry->n++;
    }
    return 0;
}

static int read_entry(Arena *arena, const TomlValue *table, RegistryEntry *ret, Err *reterr)
{
    int r = read_place(arena, table, "prefix", &ret->prefix, reterr);

    if (r == 0)
        r = read_place(arena, table, "location", &ret->source.location, reterr);
    if (r == 0)
        r = read_boolean(table, "insecure", &ret->source.insecure, reterr);
    if (r == 0)
        r = read_boolean(table, "blocked", &ret->blocked, reterr);
    if (r == 0)
        r = read_mirrors(arena, table, ret, reterr);
    if (r)
        return r;
    ret->prefix = str_or(ret->prefix, ret->source.location);
    if (!*ret->prefix)
        return err_set(reterr, 0, "a registry has neither prefix nor location");
    if (strchr(ret->prefix, '*') &&
        (!str_starts_with(ret->prefix, "*.") || strrchr(ret->prefix, '*') != ret->prefix))
        return err_set(reterr, 0, "prefix %s: a \"*\" may be the first component only",
                       ret->prefix);
    return 0;
}

static int put(RegistriesConf *conf, const RegistryEntry *entry, Err *reterr)
{
    for (size_t i = 0; i < conf->entries.n; i++)
        if (str_equal(conf->entries.v[i].prefix, entry->prefix)) {
            conf->entries.v[i] = *entry;
            return 0;
        }
    if (conf->entries.n == ENTRIES_MAX)
        return err_set(reterr, 0, "there are more than %d registries", ENTRIES_MAX);
    VEC_PUSH(&conf->entries, *entry);
    return 0;
}

int registries_conf_add(RegistriesConf *conf, const char *text, size_t n, Err *reterr)
{
    const TomlValue *registry;
    TomlReport report;
    TomlValue *root;
    int r;

    if (toml_parse(&conf->arena, text, n, &root, &report))
        return err_set(reterr, 0, "line %zu: %s", report.line, report.message);
    if (toml_get(root, "registries"))
        return err_set(reterr, 0, "version 1 of the format is not read: use [[registry]]");
    r = read_tables(root, "registry", &registry, reterr);
    for (; r == 0 && registry; registry = registry->next) {
        RegistryEntry entry = {0};

        r = read_entry(&conf->arena, registry, &entry, reterr);
        if (r == 0)
            r = put(conf, &entry, reterr);
    }
    return r;
}

/* ---- files ---------------------------------------------------------------------------------- */

int registries_conf_add_file(RegistriesConf *conf, const char *path, Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r = file_read(path, FILE_MAX, &text, &n);

    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r)
        return err_set(reterr, -r, "read %s", path);
    r = registries_conf_add(conf, text, n, reterr);
    return r ? err_wrap(reterr, "%s", path) : 0;
}

static int is_conf(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && str_ends_with(entry->d_name, ".conf");
}

int registries_conf_add_folder(RegistriesConf *conf, const char *path, Err *reterr)
{
    struct dirent **entries = NULL;
    int r = 0, n = scandir(path, &entries, is_conf, alphasort);

    for (int i = 0; i < n; i++) {
        _free_ char *file = mem_printf("%s/%s", path, entries[i]->d_name);

        if (r == 0)
            r = registries_conf_add_file(conf, file, reterr);
        free(entries[i]);
    }
    free(entries);
    return ERR_TRACE(r);
}

/* ---- finding -------------------------------------------------------------------------------- */

static bool begins_with(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(name, prefix, n) == 0 && (!name[n] || strchr("/:@", name[n]));
}

/* How much of the name matches, 0: none. */
static size_t match(const char *prefix, const char *name)
{
    size_t host = strcspn(name, "/:");

    if (prefix[0] != '*')
        return begins_with(name, prefix) ? strlen(prefix) : 0;
    for (size_t i = 1; i < host; i++)
        if (begins_with(name + i, prefix + 1))
            return i + strlen(prefix + 1);
    return 0;
}

const RegistryEntry *registries_conf_find(const RegistriesConf *conf, const char *name,
                                          size_t *ret_length)
{
    const RegistryEntry *found = NULL;

    *ret_length = 0;
    for (size_t i = 0; i < conf->entries.n; i++) {
        const RegistryEntry *entry = &conf->entries.v[i];
        size_t length = match(entry->prefix, name);

        /* Of prefixes that match as much, one without a wildcard is the closer one. */
        if (length > *ret_length ||
            (length > 0 && length == *ret_length && entry->prefix[0] != '*')) {
            found = entry;
            *ret_length = length;
        }
    }
    return found;
}

const char *registry_source_name(const RegistrySource *source, const char *name, size_t length,
                                 Arena *arena)
{
    if (!*source->location)
        return name;
    return arena_printf(arena, "%s%s", source->location, name + length);
}
