/* SPDX-License-Identifier: Apache-2.0 */
/* Describes ConfigMaps, Secrets, ServiceAccounts and Namespaces. */
#include "cli/describe/line.h"

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

void describe_namespace(Description *d)
{
    line(d, "Name", text(d, "/metadata/name"));
    labels_and_annotations(d);
    line(d, "Status", text(d, "/status/phase"));
    d->no_events = true;
}
