/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>

#include "registry/transport/url.h"

static char *part(CURLU *url, CURLUPart which, unsigned flags)
{
    char *text = NULL, *copy;

    if (curl_url_get(url, which, &text, flags) != CURLUE_OK)
        return NULL;
    copy = mem_strdup(text);
    curl_free(text);
    return copy;
}

int url_parse(const char *base, const char *text, Url *ret)
{
    CURLU *url = curl_url();
    bool valid = (!base || curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK) &&
                 curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK;
    _free_ char *scheme = valid ? part(url, CURLUPART_SCHEME, 0) : NULL;

    *ret = (Url){0};
    if (valid) {
        ret->text = part(url, CURLUPART_URL, 0);
        ret->host = part(url, CURLUPART_HOST, 0);
        ret->port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    }
    curl_url_cleanup(url);
    ret->is_https = str_equal(scheme, "https");
    if (!ret->text || !ret->host || !ret->port || (!ret->is_https && !str_equal(scheme, "http"))) {
        url_deinit(ret);
        return 1;
    }
    for (char *c = ret->host; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    ret->origin = mem_printf("%s://%s:%s", scheme, ret->host, ret->port);
    return 0;
}

void url_deinit(Url *url)
{
    free(url->text);
    free(url->host);
    free(url->port);
    free(url->origin);
    *url = (Url){0};
}

bool url_same_origin(const char *a, const char *b)
{
    Url x = {0}, y = {0};
    bool same =
        url_parse(NULL, a, &x) == 0 && url_parse(NULL, b, &y) == 0 && str_equal(x.origin, y.origin);

    url_deinit(&x);
    url_deinit(&y);
    return same;
}
