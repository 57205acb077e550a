/* SPDX-License-Identifier: Apache-2.0 */
/* Where a webhook is: a URL, or a Service. */
#include "api/validate/validate.h"

#define URL_FORM "; desired format: https://host[/path]"

void validate_webhook_url(const char *url, const Path *path, Causes *causes)
{
    const char *scheme_end = strstr(url, "://"), *host, *end, *at, *query, *fragment;
    const char *scheme =
        scheme_end ? arena_strndup(causes->arena, url, (size_t)(scheme_end - url)) : "";

    host = scheme_end ? scheme_end + 3 : url + strlen(url);
    end = host + strcspn(host, "/?#");
    at = memrchr(host, '@', (size_t)(end - host));
    if (!str_equal(text_lower(causes->arena, scheme), "https"))
        fail_invalid(causes, path, scheme, "'https' is the only allowed URL scheme" URL_FORM);
    if (end == (at ? at + 1 : host))
        fail_invalid(causes, path, "", "host must be specified" URL_FORM);
    if (at)
        fail_invalid(causes, path, arena_strndup(causes->arena, host, (size_t)(at - host)),
                     "user information is not permitted in the URL");
    fragment = strchr(end, '#');
    if (fragment && fragment[1])
        fail_invalid(causes, path, fragment + 1, "fragments are not permitted in the URL");
    query = memchr(end, '?', fragment ? (size_t)(fragment - end) : strlen(end));
    if (query && query[1] && query + 1 != fragment)
        fail_invalid(causes, path,
                     arena_strndup(causes->arena, query + 1,
                                   fragment ? (size_t)(fragment - query - 1) : strlen(query + 1)),
                     "query parameters are not permitted in the URL");
}

static void check_segment(const char *url, const char *segment, size_t i, const Path *path,
                          Causes *causes)
{
    Faults faults = check_dns_subdomain(segment);

    if (!*segment)
        fail_invalid(causes, path, url,
                     arena_printf(causes->arena, "segment[%zu] may not be empty", i));
    for (size_t k = 0; *segment && k < faults.n; k++)
        fail_invalid(causes, path, url,
                     arena_printf(causes->arena, "segment[%zu]: %s", i, faults.v[k]));
}

static void check_path(const char *url, const Path *path, Causes *causes)
{
    size_t n = strlen(url), i = 0;
    const char *at, *end = url + n;

    if (!n || str_equal(url, "/"))
        return;
    if (str_equal(url, "//")) {
        fail_invalid(causes, path, url, "segment[0] may not be empty");
        return;
    }
    if (url[0] != '/')
        fail_invalid(causes, path, url, "must start with a '/'");
    if (n > 1 && end[-1] == '/')
        end--;
    for (at = url + 1; at <= end && !causes_full(causes); i++) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;

        check_segment(url, arena_strndup(causes->arena, at, (size_t)(stop - at)), i, path, causes);
        at = stop + 1;
    }
}

void validate_webhook_service(const char *ns, const char *name, const char *url_path,
                              const int32_t *port, const Path *path, Causes *causes)
{
    if (str_empty(name))
        fail_required(causes, PATH(path, "name"), NULL);
    if (str_empty(ns))
        fail_required(causes, PATH(path, "namespace"), NULL);
    if (port && (*port < 1 || *port > 65535))
        fail_invalid_int(causes, PATH(path, "port"), *port,
                         "port is not valid: must be between 1 and 65535, inclusive");
    if (url_path)
        check_path(url_path, PATH(path, "path"), causes);
}
