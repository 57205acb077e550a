/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses image names as Docker does: [domain/]path[:tag][@digest]
 *
 * The first component is a domain if it contains a dot, a colon or an upper-case letter, or is
 * "localhost". Otherwise the domain is docker.io, and a name of a single component is in
 * "library/". Without tag and digest, the tag is "latest".
 */
#include "image/digest.h"
#include "image/internal.h"

#define NAME_MAX_LENGTH 255
#define TAG_MAX_LENGTH 128

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Components are separated by "/". They consist of letters and digits, separated by ".", "_",
 * "__" or any number of dashes. */
static bool path_is_valid(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t start = i, separator;

        while (i < n && is_lower_or_digit(s[i]))
            i++;
        if (i == start)
            return false;
        if (i == n)
            return true;
        separator = i;
        if (s[i] == '/' || s[i] == '.')
            i++;
        else if (s[i] == '_')
            i += i + 1 < n && s[i + 1] == '_' ? 2 : 1;
        else
            while (i < n && s[i] == '-')
                i++;
        if (i == separator)
            return false;
    }
    return false; /* empty, or ends with a separator */
}

static bool domain_is_valid(const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    size_t host = colon ? (size_t)(colon - s) : n;

    if (host == 0 || s[0] == '-' || s[0] == '.' || s[host - 1] == '-' || s[host - 1] == '.')
        return false;
    for (size_t i = 0; i < host; i++)
        if (!is_word(s[i]) && s[i] != '-' && s[i] != '.')
            return false;
    if (!colon)
        return true;
    if (host + 1 == n)
        return false;
    for (size_t i = host + 1; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

static bool tag_is_valid(const char *s, size_t n)
{
    if (n == 0 || n > TAG_MAX_LENGTH || !is_word(s[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_word(s[i]) && s[i] != '-' && s[i] != '.')
            return false;
    return true;
}

static bool looks_like_domain(const char *s, size_t n)
{
    if (n == 9 && memcmp(s, "localhost", 9) == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z'))
            return true;
    return false;
}

const char *image_normalize(Arena *arena, const char *name)
{
    const char *digest = name ? strchr(name, '@') : NULL, *domain = "docker.io", *path = name, *tag;
    size_t end = digest ? (size_t)(digest - name) : strlen(str_or(name, ""));
    size_t domain_n = strlen(domain), path_n;
    const char *slash = name ? memchr(name, '/', end) : NULL;

    if (str_empty(name) || (digest && !digest_is_valid(digest + 1)))
        return NULL;
    if (slash && looks_like_domain(name, (size_t)(slash - name))) {
        domain = name;
        domain_n = (size_t)(slash - name);
        path = slash + 1;
        if (!domain_is_valid(domain, domain_n))
            return NULL;
    }
    path_n = end - (size_t)(path - name);
    tag = memrchr(path, ':', path_n);
    if (tag) {
        path_n = (size_t)(tag - path);
        if (!tag_is_valid(tag + 1, end - (size_t)(tag + 1 - name)))
            return NULL;
    }
    if (!path_is_valid(path, path_n) || domain_n + 1 + path_n > NAME_MAX_LENGTH)
        return NULL;
    if (domain_n == 15 && memcmp(domain, "index.docker.io", 15) == 0) {
        domain = "docker.io";
        domain_n = 9;
    }
    return arena_printf(arena, "%.*s/%s%.*s%s", (int)domain_n, domain,
                        domain_n == 9 && memcmp(domain, "docker.io", 9) == 0 &&
                                !memchr(path, '/', path_n)
                            ? "library/"
                            : "",
                        (int)path_n, path,
                        tag      ? tag
                        : digest ? digest
                                 : ":latest");
}

const char *image_name_sibling(Arena *arena, const char *normalized)
{
    if (str_starts_with(normalized, "localhost/"))
        return arena_printf(arena, "docker.io/%s%s",
                            strchr(normalized + strlen("localhost/"), '/') ? "" : "library/",
                            normalized + strlen("localhost/"));
    if (str_starts_with(normalized, "docker.io/library/"))
        return arena_printf(arena, "localhost/%s", normalized + strlen("docker.io/library/"));
    if (str_starts_with(normalized, "docker.io/"))
        return arena_printf(arena, "localhost/%s", normalized + strlen("docker.io/"));
    return NULL;
}
