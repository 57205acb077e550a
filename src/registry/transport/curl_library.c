/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libcurl, which is loaded when one of them is called for the first time.
 *
 * libcurl needs two dozen other libraries. Together they take 4 MiB of memory and a third of the
 * time that the server needs to start, and a server whose images are all on the machine never uses
 * them. The program is therefore not linked with libcurl: each function here has the name of one of
 * libcurl's and passes the call on. If the library cannot be loaded, no URL is valid, so no request
 * begins.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <uv.h>

#include "base/log.h"

static uv_once_t once = UV_ONCE_INIT;
static void *library;

static void load(void)
{
    library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        log_error("registry", "no image can be pulled: %s", dlerror());
}

static void *symbol(const char *name)
{
    uv_once(&once, load);
    return library ? dlsym(library, name) : NULL;
}

/* The names are in parentheses because the header has macros of some of them. */
#define FORWARD(type, name, parameters, arguments, otherwise)    \
    type(name) parameters                                        \
    {                                                            \
        type(*f) parameters = (type(*) parameters)symbol(#name); \
                                                                 \
        return f ? f arguments : (otherwise);                    \
    }

/* clang-format off */
FORWARD(CURLcode, curl_global_init, (long flags), (flags), CURLE_FAILED_INIT)
FORWARD(CURL *, curl_easy_init, (void), (), NULL)
FORWARD(void, curl_easy_cleanup, (CURL *easy), (easy), (void)0)
FORWARD(char *, curl_easy_escape, (CURL *easy, const char *text, int n), (easy, text, n), NULL)
FORWARD(CURLcode, curl_easy_pause, (CURL *easy, int flags), (easy, flags), CURLE_FAILED_INIT)
FORWARD(const char *, curl_easy_strerror, (CURLcode code), (code), "libcurl is missing")
FORWARD(void, curl_free, (void *text), (text), (void)0)
FORWARD(CURLM *, curl_multi_init, (void), (), NULL)
FORWARD(CURLMcode, curl_multi_cleanup, (CURLM *multi), (multi), CURLM_INTERNAL_ERROR)
FORWARD(CURLMcode, curl_multi_add_handle, (CURLM *multi, CURL *easy), (multi, easy), CURLM_INTERNAL_ERROR)
FORWARD(CURLMcode, curl_multi_remove_handle, (CURLM *multi, CURL *easy), (multi, easy), CURLM_INTERNAL_ERROR)
FORWARD(CURLMcode, curl_multi_perform, (CURLM *multi, int *running), (multi, running), CURLM_INTERNAL_ERROR)
FORWARD(CURLMsg *, curl_multi_info_read, (CURLM *multi, int *left), (multi, left), NULL)
FORWARD(CURLMcode, curl_multi_poll,
        (CURLM *multi, struct curl_waitfd *fds, unsigned n, int timeout_ms, int *ret),
        (multi, fds, n, timeout_ms, ret), CURLM_INTERNAL_ERROR)
FORWARD(CURLMcode, curl_multi_wakeup, (CURLM *multi), (multi), CURLM_INTERNAL_ERROR)
FORWARD(struct curl_slist *, curl_slist_append, (struct curl_slist *list, const char *text), (list, text), NULL)
FORWARD(void, curl_slist_free_all, (struct curl_slist *list), (list), (void)0)
FORWARD(CURLU *, curl_url, (void), (), NULL)
FORWARD(void, curl_url_cleanup, (CURLU *url), (url), (void)0)
FORWARD(CURLUcode, curl_url_set, (CURLU *url, CURLUPart part, const char *text, unsigned flags),
        (url, part, text, flags), CURLUE_BAD_HANDLE)
/* clang-format on */

/* The first parameter of curl_url_get is const in some versions of the header only, hence the name. */
CURLUcode forward_url_get(const CURLU *url, CURLUPart part, char **ret,
                          unsigned flags) __asm__("curl_url_get");

CURLUcode forward_url_get(const CURLU *url, CURLUPart part, char **ret, unsigned flags)
{
    CURLUcode (*f)(const CURLU *url, CURLUPart part, char **ret, unsigned flags) =
        (CURLUcode(*)(const CURLU *, CURLUPart, char **, unsigned))symbol("curl_url_get");

    return f ? f(url, part, ret, flags) : CURLUE_BAD_HANDLE;
}

/* The number of an option says which type its value has. */
CURLcode(curl_easy_setopt)(CURL *easy, CURLoption option, ...)
{
    CURLcode (*f)(CURL * easy, CURLoption option, ...) =
        (CURLcode(*)(CURL *, CURLoption, ...))symbol("curl_easy_setopt");
    CURLcode r = CURLE_FAILED_INIT;
    va_list args;

    va_start(args, option);
    if (!f)
        ;
    else if ((int)option < CURLOPTTYPE_OBJECTPOINT)
        r = f(easy, option, va_arg(args, long));
    else if ((int)option >= CURLOPTTYPE_OFF_T && (int)option < CURLOPTTYPE_BLOB)
        r = f(easy, option, va_arg(args, curl_off_t));
    else
        r = f(easy, option, va_arg(args, void *));
    va_end(args);
    return r;
}

CURLcode(curl_easy_getinfo)(CURL *easy, CURLINFO info, ...)
{
    CURLcode (*f)(CURL * easy, CURLINFO info, ...) =
        (CURLcode(*)(CURL *, CURLINFO, ...))symbol("curl_easy_getinfo");
    va_list args;
    void *ret;

    va_start(args, info);
    ret = va_arg(args, void *);
    va_end(args);
    return f ? f(easy, info, ret) : CURLE_FAILED_INIT;
}

CURLMcode(curl_multi_setopt)(CURLM *multi, CURLMoption option, ...)
{
    CURLMcode (*f)(CURLM * multi, CURLMoption option, ...) =
        (CURLMcode(*)(CURLM *, CURLMoption, ...))symbol("curl_multi_setopt");
    CURLMcode r = CURLM_INTERNAL_ERROR;
    va_list args;

    va_start(args, option);
    if (f && (int)option < CURLOPTTYPE_OBJECTPOINT)
        r = f(multi, option, va_arg(args, long));
    else if (f)
        r = f(multi, option, va_arg(args, void *));
    va_end(args);
    return r;
}
