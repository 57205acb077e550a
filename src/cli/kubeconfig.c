/* SPDX-License-Identifier: Apache-2.0 */

#include "base/files/file.h"
#include "cli/kubeconfig.h"
#include "codec/base64.h"
#include "codec/yaml/yaml.h"

#define KUBECONFIG_MAX (4 * 1024 * 1024)

static const char *base64_of(Arena *arena, const char *text)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    base64_encode(bytes_from_string(text), &out);
    return arena_strdup(arena, strbuf_string(&out));
}

/* Reads the file into a tree; a missing or empty one is an empty Config. */
static int read_tree(const char *path, Arena *arena, yyjson_mut_doc *doc, Err *reterr)
{
    _free_ char *text = NULL;
    const char *why = NULL;
    yyjson_doc *parsed = NULL;
    yyjson_val *root;
    size_t n;
    int r;

    if (file_exists(path)) {
        r = file_read(path, KUBECONFIG_MAX, &text, &n);
        if (r < 0)
            return err_set(reterr, -r, "cannot read %s", path);
        if (yaml_parse(arena, (Bytes){(uint8_t *)text, n}, 0, &parsed, &why))
            return err_set(reterr, 0, "%s is not a kubeconfig and was left unchanged: %s", path,
                           why);
    }
    root = parsed ? yyjson_doc_get_root(parsed) : NULL;
    if (!root || yyjson_is_null(root)) {
        yyjson_mut_val *empty = yyjson_mut_obj(doc);

        yyjson_mut_obj_add_str(doc, empty, "apiVersion", "v1");
        yyjson_mut_obj_add_str(doc, empty, "kind", "Config");
        yyjson_mut_doc_set_root(doc, empty);
        return 0;
    }
    if (!yyjson_is_obj(root) || !yyjson_equals_str(yyjson_obj_get(root, "kind"), "Config"))
        return err_set(reterr, 0,
                       "%s is not a kubeconfig (its kind is not Config) and was left unchanged",
                       path);
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, root));
    return 0;
}

/* The list `name` of the config, which is created if it is missing or null. */
static yyjson_mut_val *list_of(yyjson_mut_doc *doc, const char *name)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *list = yyjson_mut_obj_get(root, name);

    if (yyjson_mut_is_arr(list))
        return list;
    list = yyjson_mut_arr(doc);
    yyjson_mut_obj_put(root, yyjson_mut_str(doc, name), list);
    return list;
}

static void remove_named(yyjson_mut_doc *doc, const char *list_name, const char *name)
{
    yyjson_mut_val *list = list_of(doc, list_name), *item;
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(list);

    while ((item = yyjson_mut_arr_iter_next(&iter)))
        if (yyjson_mut_equals_str(yyjson_mut_obj_get(item, "name"), name))
            yyjson_mut_arr_iter_remove(&iter);
}

/* Appends {"<kind>": body, "name": name}, in kubectl's order of the members. */
static void put_named(yyjson_mut_doc *doc, const char *list_name, const char *kind,
                      const char *name, yyjson_mut_val *body)
{
    yyjson_mut_val *item = yyjson_mut_obj(doc);

    remove_named(doc, list_name, name);
    yyjson_mut_obj_add(item, yyjson_mut_str(doc, kind), body);
    yyjson_mut_obj_add_str(doc, item, "name", name);
    yyjson_mut_arr_append(list_of(doc, list_name), item);
}

static int write_tree(const char *path, yyjson_mut_doc *doc, Err *reterr)
{
    yyjson_doc *flat = yyjson_mut_doc_imut_copy(doc, NULL);
    _strbuf_ StrBuf text = STRBUF_INIT;
    int r;

    yaml_print(yyjson_doc_get_root(flat), &text);
    yyjson_doc_free(flat);
    r = file_mkdir_for(path, 0700);
    if (r == 0)
        r = file_write_changed(path, text.p, text.n, 0600);
    return r < 0 ? err_set(reterr, -r, "cannot write %s", path) : 0;
}

static int change(const char *path, void (*edit)(yyjson_mut_doc *doc, Arena *arena, void *data),
                  void *data, Err *reterr)
{
    _arena_ Arena arena = ARENA_INIT;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    int r = read_tree(path, &arena, doc, reterr);

    if (r == 0) {
        edit(doc, &arena, data);
        r = write_tree(path, doc, reterr);
    }
    yyjson_mut_doc_free(doc);
    return r;
}

static void put(yyjson_mut_doc *doc, Arena *arena, void *data)
{
    const KubeconfigEntry *entry = data;
    yyjson_mut_val *cluster = yyjson_mut_obj(doc), *user = yyjson_mut_obj(doc),
                   *context = yyjson_mut_obj(doc), *root = yyjson_mut_doc_get_root(doc);

    yyjson_mut_obj_add_str(doc, cluster, "certificate-authority-data",
                           base64_of(arena, entry->ca_pem));
    yyjson_mut_obj_add_str(doc, cluster, "server", entry->server);
    put_named(doc, "clusters", "cluster", entry->name, cluster);
    yyjson_mut_obj_add_str(doc, context, "cluster", entry->name);
    yyjson_mut_obj_add_str(doc, context, "user", entry->name);
    put_named(doc, "contexts", "context", entry->name, context);
    yyjson_mut_obj_put(root, yyjson_mut_str(doc, "current-context"),
                       yyjson_mut_str(doc, entry->name));
    yyjson_mut_obj_add_str(doc, user, "client-certificate-data",
                           base64_of(arena, entry->certificate_pem));
    yyjson_mut_obj_add_str(doc, user, "client-key-data", base64_of(arena, entry->key_pem));
    put_named(doc, "users", "user", entry->name, user);
}

int kubeconfig_put(const char *path, const KubeconfigEntry *entry, Err *reterr)
{
    return change(path, put, (void *)(uintptr_t)entry, reterr);
}

static void take_out(yyjson_mut_doc *doc, Arena *arena _unused_, void *data)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);

    remove_named(doc, "clusters", data);
    remove_named(doc, "contexts", data);
    remove_named(doc, "users", data);
    if (yyjson_mut_equals_str(yyjson_mut_obj_get(root, "current-context"), data))
        yyjson_mut_obj_put(root, yyjson_mut_str(doc, "current-context"), yyjson_mut_str(doc, ""));
}

int kubeconfig_remove(const char *path, const char *name, Err *reterr)
{
    if (!file_exists(path))
        return 0;
    return change(path, take_out, (void *)(uintptr_t)name, reterr);
}

/* ---- reading ---- */

static yyjson_val *find_named(yyjson_val *root, const char *list, const char *name,
                              const char *member)
{
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(yyjson_obj_get(root, list), i, n, item)
    {
        if (yyjson_equals_str(yyjson_obj_get(item, "name"), name))
            return yyjson_obj_get(item, member);
    }
    return NULL;
}

static const char *text_of(Arena *arena, yyjson_val *in, const char *name)
{
    return arena_strdup(arena, yyjson_get_str(yyjson_obj_get(in, name)));
}

/* Reads `name`-data, which is base64, or else the file that `name` refers to, relative to the folder of the kubeconfig. */
static int read_pem(const char *path, yyjson_val *in, const char *name, Arena *arena,
                    const char **ret, Err *reterr)
{
    const char *data_name = arena_printf(arena, "%s-data", name), *file;
    yyjson_val *data = yyjson_obj_get(in, data_name);
    _free_ char *text = NULL;
    Bytes bytes;
    size_t n;
    int r;

    if (yyjson_is_str(data) && yyjson_get_len(data)) {
        if (base64_decode(arena, yyjson_get_str(data), yyjson_get_len(data), &bytes, &n))
            return err_set(reterr, 0, "%s: %s is not valid base64", path, data_name);
        *ret = arena_strndup(arena, (const char *)bytes.p, bytes.n);
        return 0;
    }
    file = yyjson_get_str(yyjson_obj_get(in, name));
    if (str_empty(file))
        return 0;
    if (file[0] != '/' && strrchr(path, '/'))
        file = arena_printf(arena, "%.*s/%s", (int)(strrchr(path, '/') - path), path, file);
    r = file_read(file, KUBECONFIG_MAX, &text, &n);
    if (r < 0)
        return err_set(reterr, -r, "%s: cannot read %s %s", path, name, file);
    *ret = arena_strdup(arena, text);
    return 0;
}

static int read_user(const char *path, yyjson_val *user, Arena *arena, Kubeconfig *ret, Err *reterr)
{
    const char *token_file = NULL;
    int r = read_pem(path, user, "client-certificate", arena, &ret->certificate_pem, reterr);

    if (r == 0)
        r = read_pem(path, user, "client-key", arena, &ret->key_pem, reterr);
    if (r == 0)
        ret->token = text_of(arena, user, "token");
    if (r == 0 && !ret->token) {
        /* There is no "tokenFile-data", so this reads the file. */
        r = read_pem(path, user, "tokenFile", arena, &token_file, reterr);
        if (token_file)
            ret->token = arena_strndup(arena, token_file, strcspn(token_file, " \r\n"));
    }
    if (r == 0 && !ret->certificate_pem && !ret->token && yyjson_obj_get(user, "exec"))
        return err_set(reterr, 0,
                       "%s: stead does not run credential plugins (exec); use a token or a "
                       "certificate",
                       path);
    return r;
}

static int read_context(const char *path, yyjson_val *root, const char *name, Arena *arena,
                        Kubeconfig *ret, Err *reterr)
{
    const char *wanted = name ? name : yyjson_get_str(yyjson_obj_get(root, "current-context"));
    yyjson_val *context = find_named(root, "contexts", str_or(wanted, ""), "context");
    yyjson_val *cluster, *user;
    int r;

    if (!context) {
        err_set(reterr, 0, "%s has no context \"%s\"", path, str_or(wanted, ""));
        return KUBECONFIG_E_MISSING;
    }
    cluster = find_named(root, "clusters",
                         str_or(yyjson_get_str(yyjson_obj_get(context, "cluster")), ""), "cluster");
    user = find_named(root, "users", str_or(yyjson_get_str(yyjson_obj_get(context, "user")), ""),
                      "user");
    ret->ns = text_of(arena, context, "namespace");
    ret->server = text_of(arena, cluster, "server");
    ret->tls_server_name = text_of(arena, cluster, "tls-server-name");
    ret->insecure = yyjson_get_bool(yyjson_obj_get(cluster, "insecure-skip-tls-verify"));
    if (str_empty(ret->server))
        return err_set(reterr, 0, "%s: the context \"%s\" has no cluster with a server", path,
                       wanted);
    r = read_pem(path, cluster, "certificate-authority", arena, &ret->ca_pem, reterr);
    if (r == 0 && !ret->ca_pem && !ret->insecure && str_starts_with(ret->server, "https://"))
        r = err_set(reterr, 0, "%s: the cluster has no certificate-authority to verify %s with",
                    path, ret->server);
    if (ret->insecure)
        ret->ca_pem = NULL;
    return r == 0 ? read_user(path, user, arena, ret, reterr) : r;
}

int kubeconfig_read(const char *path, const char *name, Arena *arena, Kubeconfig *ret, Err *reterr)
{
    _free_ char *text = NULL;
    yyjson_doc *doc = NULL;
    const char *why = NULL;
    size_t n;
    int r;

    *ret = (Kubeconfig){0};
    if (!file_exists(path)) {
        err_set(reterr, 0, "there is no kubeconfig %s. Start stead first: stead up", path);
        return KUBECONFIG_E_MISSING;
    }
    r = file_read(path, KUBECONFIG_MAX, &text, &n);
    if (r < 0)
        return err_set(reterr, -r, "cannot read %s", path);
    if (yaml_parse(arena, (Bytes){(uint8_t *)text, n}, 0, &doc, &why))
        return err_set(reterr, 0, "%s is not a kubeconfig: %s", path, why);
    return read_context(path, doc ? yyjson_doc_get_root(doc) : NULL, name, arena, ret, reterr);
}
