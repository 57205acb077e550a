/* SPDX-License-Identifier: Apache-2.0 */
/* Describes ConfigMaps, Secrets, ServiceAccounts and Namespaces. */
#include "cli/describe/line.h"
#include "cli/resources.h"

/* The number of bytes that the base64 text encodes. */
static size_t decoded_size(const char *base64)
{
    size_t n = strlen(base64), padding = 0;

    while (padding < n && base64[n - 1 - padding] == '=')
        padding++;
    return n / 4 * 3 - padding;
}

void describe_config_map(Description *d)
{
    yyjson_val *data = at(d, "/data"), *binary = at(d, "/binaryData");
    Keys keys = describe_sorted_keys(data);

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "\nData\n====\n");
    for (size_t i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "%s:\n----\n%s\n\n", keys.v[i],
                      str_or(yyjson_get_str(yyjson_obj_get(data, keys.v[i])), ""));
    VEC_DEINIT(&keys);
    strbuf_add_string(&d->out, "\nBinaryData\n====\n");
    keys = describe_sorted_keys(binary);
    for (size_t i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "%s: %zu bytes\n", keys.v[i],
                      decoded_size(str_or(yyjson_get_str(yyjson_obj_get(binary, keys.v[i])), "")));
    VEC_DEINIT(&keys);
    strbuf_add_string(&d->out, "\n");
}

void describe_secret(Description *d)
{
    yyjson_val *data = at(d, "/data");
    Keys keys = describe_sorted_keys(data);

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_printf(&d->out, "\nType:\t%s\n\nData\n====\n", text(d, "/type"));
    for (size_t i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "%s:\t%zu bytes\n", keys.v[i],
                      decoded_size(str_or(yyjson_get_str(yyjson_obj_get(data, keys.v[i])), "")));
    VEC_DEINIT(&keys);
    d->no_events = true;
}

void describe_service_account(Description *d)
{
    yyjson_val *secret;
    size_t i, n;

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Image pull secrets:");
    yyjson_arr_foreach(at(d, "/imagePullSecrets"), i, n, secret) strbuf_printf(
        &d->out, "%s\t%s\n", i ? "                   " : "", json_text(secret, "/name"));
    if (!yyjson_arr_size(at(d, "/imagePullSecrets")))
        strbuf_add_string(&d->out, "\t<none>\n");
}

/* The objects of a kind in the namespace that is described, by name; NULL: they cannot be listed. */
static yyjson_val *in_namespace(Description *d, const char *plural)
{
    const Resource *resource = resources_find(d->cluster, plural);
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;

    if (!resource)
        return NULL;
    resource_path(&path, resource, text(d, "/metadata/name"), NULL, NULL);
    if (cluster_send(d->cluster, &(ClusterCall){.path = path.p}, &reply) || !cluster_ok(&reply))
        return NULL;
    return yyjson_obj_get(reply.json, "items");
}

static const char *scope_meaning(const char *scope)
{
    static const struct {
        const char *scope, *meaning;
    } scopes[] = {
        {"Terminating", "Matches all pods that have an active deadline. These pods have a limited "
                        "lifespan on a node before being actively terminated by the system."},
        {"NotTerminating",
         "Matches all pods that do not have an active deadline. These pods usually include long "
         "running pods whose container command is not expected to terminate."},
        {"BestEffort", "Matches all pods that do not have resource requirements set. These pods "
                       "have a best effort quality of service."},
        {"NotBestEffort", "Matches all pods that have at least one resource requirement set. These "
                          "pods have a burstable or guaranteed quality of service."},
    };

    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        if (str_equal(scopes[i].scope, scope))
            return scopes[i].meaning;
    return NULL;
}

static void add_quota(Description *d, yyjson_val *quota)
{
    yyjson_val *scopes = yyjson_ptr_get(quota, "/spec/scopes"), *scope;
    yyjson_val *hard = yyjson_ptr_get(quota, "/status/hard");
    yyjson_val *used = yyjson_ptr_get(quota, "/status/used");
    Keys keys = describe_sorted_keys(hard);
    size_t i, n;

    strbuf_printf(&d->out, "  Name:\t%s\n", json_text(quota, "/metadata/name"));
    if (yyjson_arr_size(scopes)) {
        strbuf_add_string(&d->out, "  Scopes:\t");
        describe_list(&d->out, scopes, ", ");
        strbuf_add_char(&d->out, '\n');
        yyjson_arr_foreach(scopes, i, n, scope)
        {
            const char *meaning = scope_meaning(yyjson_get_str(scope));

            if (meaning)
                strbuf_printf(&d->out, "  * %s\n", meaning);
        }
    }
    strbuf_add_string(&d->out, "  Resource\tUsed\tHard\n  --------\t---\t---\n");
    for (i = 0; i < keys.n; i++)
        strbuf_printf(&d->out, "  %s\t%s\t%s\n", keys.v[i],
                      str_or(yyjson_get_str(yyjson_obj_get(used, keys.v[i])), "0"),
                      str_or(yyjson_get_str(yyjson_obj_get(hard, keys.v[i])), "0"));
    VEC_DEINIT(&keys);
}

static void namespace_quotas(Description *d)
{
    yyjson_val *quotas = in_namespace(d, "resourcequotas"), *quota;
    size_t i, n;

    if (!yyjson_arr_size(quotas)) {
        strbuf_add_string(&d->out, "\nNo resource quota.\n");
        return;
    }
    strbuf_add_string(&d->out, "\nResource Quotas\n");
    yyjson_arr_foreach(quotas, i, n, quota) add_quota(d, quota);
}

/* A row for each resource that a limit says anything about. */
static void add_limit(Description *d, yyjson_val *limit)
{
    static const char *const columns[] = {"min", "max", "defaultRequest", "default",
                                          "maxLimitRequestRatio"};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *all = yyjson_mut_obj(doc);
    yyjson_mut_val *key;
    yyjson_mut_obj_iter iter;

    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        Keys keys = describe_sorted_keys(yyjson_obj_get(limit, columns[i]));

        for (size_t k = 0; k < keys.n; k++)
            if (!yyjson_mut_obj_get(all, keys.v[k]))
                yyjson_mut_obj_add_true(doc, all, keys.v[k]);
        VEC_DEINIT(&keys);
    }
    yyjson_mut_obj_iter_init(all, &iter);
    while ((key = yyjson_mut_obj_iter_next(&iter))) {
        const char *name = yyjson_mut_get_str(key);

        strbuf_printf(&d->out, " %s\t%s", json_text(limit, "/type"), name);
        for (size_t i = 0; i < ARRAY_LEN(columns); i++)
            strbuf_printf(
                &d->out, "\t%s",
                str_or(yyjson_get_str(yyjson_obj_get(yyjson_obj_get(limit, columns[i]), name)),
                       "-"));
        strbuf_add_char(&d->out, '\n');
    }
    yyjson_mut_doc_free(doc);
}

static void namespace_limits(Description *d)
{
    yyjson_val *ranges = in_namespace(d, "limitranges"), *range, *limit;
    size_t i, n, k, m;

    if (!yyjson_arr_size(ranges)) {
        strbuf_add_string(&d->out, "\nNo LimitRange resource.\n");
        return;
    }
    strbuf_add_string(&d->out,
                      "\nResource Limits\n Type\tResource\tMin\tMax\tDefault Request\tDefault "
                      "Limit\tMax Limit/Request Ratio\n ----\t--------\t---\t---\t"
                      "---------------\t-------------\t-----------------------\n");
    yyjson_arr_foreach(ranges, i, n, range)
    {
        yyjson_arr_foreach(yyjson_ptr_get(range, "/spec/limits"), k, m, limit) add_limit(d, limit);
    }
}

void describe_namespace(Description *d)
{
    line(d, "Name", text(d, "/metadata/name"));
    labels_and_annotations(d);
    line(d, "Status", text(d, "/status/phase"));
    namespace_quotas(d);
    namespace_limits(d);
    d->no_events = true;
}
