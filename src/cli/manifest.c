/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manifest.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/files/file.h"
#include "codec/yaml/yaml.h"

#define MANIFEST_MAX (64u * 1024 * 1024)

static int add_object(const char *file, yyjson_val *object, Manifests *ret)
{
    yyjson_val *items = yyjson_obj_get(object, "items"), *item;
    Manifest manifest = {.file = file, .object = object};
    size_t i, n;

    if (yyjson_is_null(object))
        return 0;
    if (yyjson_is_arr(items) && str_ends_with(json_text(object, "/kind"), "List")) {
        yyjson_arr_foreach(items, i, n, item)
        {
            if (add_object(file, item, ret))
                return 1;
        }
        return 0;
    }
    if (!yyjson_is_obj(object) || !*json_text(object, "/kind") ||
        !*json_text(object, "/apiVersion")) {
        fprintf(stderr,
                "error: %s: an object needs apiVersion and kind, such as apiVersion: apps/v1, "
                "kind: StatefulSet\n",
                file);
        return 1;
    }
    VEC_PUSH(ret, manifest);
    return 0;
}

static int read_text(Cluster *cluster, const char *file, Bytes text, Manifests *ret)
{
    const char *why = NULL;

    for (size_t i = 0;; i++) {
        yyjson_doc *doc = NULL;

        if (yaml_parse(cluster->arena, text, i, &doc, &why)) {
            fprintf(stderr, "error: error parsing %s: %s\n", file, why);
            return 1;
        }
        if (!doc)
            return 0;
        if (add_object(file, yyjson_doc_get_root(doc), ret))
            return 1;
    }
}

static int read_stdin(Cluster *cluster, Manifests *ret)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    char block[65536];
    ssize_t n;

    while ((n = read(STDIN_FILENO, block, sizeof(block))) > 0 && text.n < MANIFEST_MAX)
        strbuf_add(&text, block, (size_t)n);
    return read_text(cluster, "STDIN", strbuf_bytes(&text), ret);
}

static int read_file(Cluster *cluster, const char *path, Manifests *ret)
{
    _free_ char *text = NULL;
    size_t n;
    int r = file_read(path, MANIFEST_MAX, &text, &n);

    if (r < 0) {
        fprintf(stderr, "error: cannot read %s: %s\n", path, strerror(-r));
        return 1;
    }
    return read_text(cluster, path, (Bytes){(uint8_t *)text, n}, ret);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int read_path(Cluster *cluster, const char *path, Manifests *ret);

static int read_folder(Cluster *cluster, const char *path, Manifests *ret)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, not_hidden, alphasort), r = 0;

    if (n < 0) {
        fprintf(stderr, "error: cannot read %s: %s\n", path, strerror(errno));
        return 1;
    }
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        const char *inner = arena_printf(cluster->arena, "%s/%s", path, name);
        struct stat st;
        bool folder = stat(inner, &st) == 0 && S_ISDIR(st.st_mode);

        if (r == 0 && (folder ? cluster->options->recursive
                              : str_ends_with(name, ".yaml") || str_ends_with(name, ".yml") ||
                                    str_ends_with(name, ".json")))
            r = read_path(cluster, inner, ret);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int read_path(Cluster *cluster, const char *path, Manifests *ret)
{
    struct stat st;

    if (str_equal(path, "-"))
        return read_stdin(cluster, ret);
    if (str_starts_with(path, "http://") || str_starts_with(path, "https://")) {
        fprintf(stderr, "error: download %s first, such as: curl -sL %s | stead apply -f -\n", path,
                path);
        return 1;
    }
    if (stat(path, &st) < 0) {
        fprintf(stderr, "error: the path \"%s\" does not exist\n", path);
        return 1;
    }
    return S_ISDIR(st.st_mode) ? read_folder(cluster, path, ret) : read_file(cluster, path, ret);
}

int manifests_read(Cluster *cluster, Manifests *ret)
{
    const StringArray *files = &cluster->options->files;
    int r = 0;

    for (size_t i = 0; r == 0 && i < files->n; i++)
        r = read_path(cluster, files->v[i], ret);
    if (r == 0 && !ret->n) {
        fprintf(stderr, "error: no objects passed: there is no object in %s\n", files->v[0]);
        r = 1;
    }
    return r;
}

int manifest_resolve(Cluster *cluster, Manifest *manifest)
{
    const char *kind = json_text(manifest->object, "/kind"),
               *api_version = json_text(manifest->object, "/apiVersion"),
               *ns = json_text(manifest->object, "/metadata/namespace"),
               *name = json_text(manifest->object, "/metadata/name");
    Target *target = &manifest->target;

    if (resources_load(cluster))
        return 1;
    target->resource = resources_by_kind(cluster, api_version, kind);
    if (!target->resource) {
        /* An earlier object may have defined the kind. */
        resources_forget(cluster);
        if (resources_load(cluster))
            return 1;
        target->resource = resources_by_kind(cluster, api_version, kind);
    }
    if (!target->resource) {
        fprintf(stderr,
                "error: resource mapping not found for name: \"%s\" namespace: \"%s\" from \"%s\": "
                "no matches for kind \"%s\" in version \"%s\"\n",
                name, ns, manifest->file, kind, api_version);
        return 1;
    }
    if (!*name) {
        fprintf(stderr, "error: %s: the %s has no metadata.name\n", manifest->file, kind);
        return 1;
    }
    target->name = name;
    target->ns = !target->resource->namespaced ? "" : *ns ? ns : cluster->ns;
    if (target->resource->namespaced && *ns && cluster->options->ns &&
        !str_equal(ns, cluster->options->ns)) {
        fprintf(stderr,
                "error: the namespace from the provided object \"%s\" does not match the namespace "
                "\"%s\". You must pass '--namespace=%s' to perform this operation.\n",
                ns, cluster->options->ns, ns);
        return 1;
    }
    return 0;
}
