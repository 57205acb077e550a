/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar is that of github.com/distribution/reference, which Docker, containerd and kubelet
 * use:
 *
 *   name       [domain "/"] path [":" tag] ["@" digest]
 *   domain     host [":" port]; the host is a DNS name without underscores, an IPv4 address, or an
 *              IPv6 address in brackets
 *   path       components separated by "/"; a component consists of lower-case letters and digits,
 *              which may be separated by ".", "_", "__" or any number of dashes
 *   tag        at most 128 letters, digits, "_", "-" and "."; does not begin with "-" or "."
 *
 * The first component is a domain if it contains a dot, a colon or an upper-case letter, or is
 * "localhost".
 */
#include "registry/digest.h"
#include "registry/reference.h"

#define PATH_MAX_LENGTH 255
#define DOMAIN_MAX_LENGTH 255 /* no DNS name is longer */
#define TAG_MAX_LENGTH 128
#define DOCKER_HUB "docker.io"
#define INVALID_FORMAT "invalid reference format"

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_alphanumeric(char c)
{
    return is_lower_or_digit(c) || is_upper(c);
}

bool reference_path_is_valid(const char *path, size_t n)
{
    size_t i = 0;

    if (n > PATH_MAX_LENGTH)
        return false;
    while (i < n) {
        size_t start = i, separator;

        while (i < n && is_lower_or_digit(path[i]))
            i++;
        if (i == start)
            return false;
        if (i == n)
            return true;
        separator = i;
        if (path[i] == '/' || path[i] == '.')
            i++;
        else if (path[i] == '_')
            i += i + 1 < n && path[i + 1] == '_' ? 2 : 1;
        else
            while (i < n && path[i] == '-')
                i++;
        if (i == separator)
            return false;
    }
    return false; /* empty, or ends with a separator */
}

/* Dot-separated components that neither begin nor end with a dash. */
static bool host_is_valid(const char *host, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || host[i - 1] == '.';
        bool last = i + 1 == n || host[i + 1] == '.';

        if (host[i] == '.' ? first || last
                           : !is_alphanumeric(host[i]) && (host[i] != '-' || first || last))
            return false;
    }
    return n > 0;
}

static bool ip6_is_valid(const char *host, size_t n)
{
    for (size_t i = 1; i + 1 < n; i++)
        if (!(host[i] >= '0' && host[i] <= '9') && !(host[i] >= 'a' && host[i] <= 'f') &&
            !(host[i] >= 'A' && host[i] <= 'F') && host[i] != ':')
            return false;
    return n > 2 && host[0] == '[' && host[n - 1] == ']';
}

bool reference_domain_is_valid(const char *domain, size_t n)
{
    size_t host = n;

    while (host > 0 && domain[host - 1] >= '0' && domain[host - 1] <= '9')
        host--;
    if (host > 0 && host < n && domain[host - 1] == ':' && !(n > 0 && domain[n - 1] == ']'))
        host--;
    else
        host = n;
    if (n > DOMAIN_MAX_LENGTH)
        return false;
    return host > 0 && domain[0] == '[' ? ip6_is_valid(domain, host) : host_is_valid(domain, host);
}

bool reference_tag_is_valid(const char *tag, size_t n)
{
    if (n == 0 || n > TAG_MAX_LENGTH)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alphanumeric(tag[i]) && tag[i] != '_' &&
            (i == 0 || (tag[i] != '-' && tag[i] != '.')))
            return false;
    return true;
}

static bool looks_like_domain(const char *s, size_t n)
{
    if (n == 9 && memcmp(s, "localhost", 9) == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '.' || s[i] == ':' || is_upper(s[i]))
            return true;
    return false;
}

static bool is_text(const char *s, size_t n, const char *text)
{
    return strlen(text) == n && memcmp(s, text, n) == 0;
}

/* The text of a digest that is not known. */
static const char *digest_reason(const char *digest)
{
    const char *colon = strchr(digest, ':');

    if (!colon || colon == digest || strlen(colon + 1) < 32)
        return INVALID_FORMAT;
    if (!is_text(digest, (size_t)(colon - digest), "sha256") &&
        !is_text(digest, (size_t)(colon - digest), "sha512"))
        return "unsupported digest algorithm";
    return strspn(colon + 1, "0123456789abcdef") == strlen(colon + 1)
               ? "invalid checksum digest length"
               : "invalid checksum digest format";
}

/* Cuts the parts out of the name without checking them. */
static void split(Arena *arena, const char *name, ImageReference *ret)
{
    const char *at = strchr(name, '@'), *path = name, *domain = DOCKER_HUB, *colon;
    size_t end = at ? (size_t)(at - name) : strlen(name), domain_n = strlen(DOCKER_HUB);
    const char *slash = memchr(name, '/', end);

    if (slash && looks_like_domain(name, (size_t)(slash - name))) {
        path = slash + 1;
        if (!is_text(name, (size_t)(slash - name), "index.docker.io")) {
            domain = name;
            domain_n = (size_t)(slash - name);
        }
    }
    end -= (size_t)(path - name);
    colon = memrchr(path, ':', end);
    *ret = (ImageReference){
        .domain = arena_strndup(arena, domain, domain_n),
        .tag = colon ? arena_strndup(arena, colon + 1, end - (size_t)(colon + 1 - path)) : NULL,
        .digest = at ? arena_strdup(arena, at + 1) : NULL,
    };
    end = colon ? (size_t)(colon - path) : end;
    ret->path = arena_printf(
        arena, "%s%.*s",
        str_equal(ret->domain, DOCKER_HUB) && !memchr(path, '/', end) ? "library/" : "", (int)end,
        path);
}

/* NULL if all parts are valid. */
static const char *reason(Arena *arena, const char *name, const ImageReference *r)
{
    if (strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64)
        return arena_printf(
            arena, "invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
            name);
    for (const char *c = r->path; *c; c++)
        if (is_upper(*c))
            return arena_printf(arena, INVALID_FORMAT ": repository name (%s) must be lowercase",
                                r->path);
    if (strlen(r->path) > PATH_MAX_LENGTH)
        return "repository name must not be more than 255 characters";
    if (!reference_domain_is_valid(r->domain, strlen(r->domain)) ||
        !reference_path_is_valid(r->path, strlen(r->path)) ||
        (r->tag && !reference_tag_is_valid(r->tag, strlen(r->tag))))
        return INVALID_FORMAT;
    return r->digest && !digest_is_known(r->digest) ? digest_reason(r->digest) : NULL;
}

int reference_parse(Arena *arena, const char *name, ImageReference *ret, const char **ret_reason)
{
    /* Whatever is longer cannot be valid, and would only be quoted in a message. */
    const size_t most = DOMAIN_MAX_LENGTH + PATH_MAX_LENGTH + TAG_MAX_LENGTH + DIGEST_TEXT + 3;
    const char *why = INVALID_FORMAT;

    *ret = (ImageReference){0};
    if (!str_empty(name) && strlen(name) <= most) {
        split(arena, name, ret);
        why = reason(arena, name, ret);
    }
    if (ret_reason)
        *ret_reason = why;
    if (why)
        return REFERENCE_E_INVALID;
    if (!ret->tag && !ret->digest)
        ret->tag = "latest";
    return 0;
}

const char *reference_print(Arena *arena, const ImageReference *r)
{
    return arena_printf(arena, "%s/%s%s%s%s%s", r->domain, r->path, r->tag ? ":" : "", r->tag,
                        r->digest ? "@" : "", r->digest);
}
