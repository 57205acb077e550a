/* SPDX-License-Identifier: Apache-2.0 */
/* See platform.h. The order of fallbacks is that of containerd. */
#include <sys/utsname.h>
#include <yyjson.h>

#include "image/platform.h"
#include "registry/digest.h"

#define OTHER_ARCHITECTURE 10 /* ranks below every variant of the wanted architecture */

/* Other names for architectures, and the variant that they imply. */
static const struct {
    const char *name, *architecture, *variant;
} aliases[] = {
    {"x86_64", "amd64", NULL}, {"x86-64", "amd64", NULL}, {"aarch64", "arm64", NULL},
    {"i386", "386", NULL},     {"i686", "386", NULL},     {"armhf", "arm", "v7"},
    {"armel", "arm", "v6"},    {"armv8l", "arm", "v8"},   {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"},   {"armv5tel", "arm", "v5"},
};

static void set(Platform *p, const char *os, const char *architecture, const char *variant)
{
    snprintf(p->os, sizeof(p->os), "%s", os);
    snprintf(p->architecture, sizeof(p->architecture), "%s", architecture);
    snprintf(p->variant, sizeof(p->variant), "%s", variant);
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (!str_equal(architecture, aliases[i].name))
            continue;
        snprintf(p->architecture, sizeof(p->architecture), "%s", aliases[i].architecture);
        if (aliases[i].variant && !*variant)
            snprintf(p->variant, sizeof(p->variant), "%s", aliases[i].variant);
    }
    if (str_equal(p->architecture, "arm") && !*p->variant)
        snprintf(p->variant, sizeof(p->variant), "v7");
    else if (str_equal(p->architecture, "arm64") && !*p->variant)
        snprintf(p->variant, sizeof(p->variant), "v8");
    else if (str_equal(p->architecture, "amd64") && !*p->variant)
        snprintf(p->variant, sizeof(p->variant), "v1");
}

#ifdef __x86_64__
/* The level of the x86-64 instruction set that this processor has. The levels are spelled out as the features that mark them, since clang
 * before version 15 does not know their names. */
static const char *x86_64_level(void)
{
    if (!__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("sse4.2") ||
        !__builtin_cpu_supports("popcnt"))
        return "v1";
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("fma"))
        return "v2";
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return "v3";
    return "v4";
}
#endif

void platform_own(Platform *ret)
{
    struct utsname name;

    set(ret, "linux", uname(&name) < 0 ? "amd64" : name.machine, "");
#ifdef __x86_64__
    set(ret, "linux", "amd64", x86_64_level());
#endif
}

bool platform_parse(const char *text, Platform *ret)
{
    _free_ char *copy = mem_strdup(text);
    const char *parts[3] = {copy, "", ""};
    size_t n = 1;

    for (char *at = copy; *at; at++) {
        if (*at != '/') {
            if (!(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') &&
                !(*at >= '0' && *at <= '9') && !strchr("-_.", *at))
                return false;
            continue;
        }
        *at = 0;
        if (n == 3)
            return false;
        parts[n++] = at + 1;
    }
    for (size_t i = 0; i < n; i++)
        if (!*parts[i] || strlen(parts[i]) >= sizeof(ret->os))
            return false;
    if (strlen(parts[2]) >= sizeof(ret->variant))
        return false;
    if (n == 1)
        set(ret, "linux", parts[0], "");
    else
        set(ret, parts[0], parts[1], parts[2]);
    return true;
}

/* Whether this is the variant that applies if none is given. */
static bool is_plain(const Platform *p)
{
    return (str_equal(p->architecture, "amd64") && str_equal(p->variant, "v1")) ||
           (str_equal(p->architecture, "arm64") && str_equal(p->variant, "v8"));
}

void platform_print(const Platform *platform, char ret[static PLATFORM_TEXT])
{
    bool variant = *platform->variant && !is_plain(platform);

    snprintf(ret, PLATFORM_TEXT, "%s/%s%s%s", platform->os, platform->architecture,
             variant ? "/" : "", variant ? platform->variant : "");
}

/* The number of "v7", or -1. */
static int level(const Platform *p)
{
    int64_t n;

    return p->variant[0] == 'v' && str_to_int64(p->variant + 1, 0, 99, &n) == 0 ? (int)n : -1;
}

int platform_rank(const Platform *want, const char *os, const char *architecture,
                  const char *variant)
{
    Platform have;
    int wanted, had;

    set(&have, str_or(os, "linux"), str_or(architecture, ""), str_or(variant, ""));
    if (!str_equal(have.os, want->os))
        return -1;
    wanted = level(want);
    had = level(&have);
    if (str_equal(have.architecture, want->architecture)) {
        if (wanted >= 0 && had >= 0)
            return had <= wanted ? wanted - had : -1;
        return str_equal(have.variant, want->variant) || !*have.variant ? 0 : -1;
    }
    if (str_equal(want->architecture, "arm64") && str_equal(have.architecture, "arm") && had >= 0 &&
        had <= 8)
        return OTHER_ARCHITECTURE + 8 - had;
    if (str_equal(want->architecture, "amd64") && str_equal(have.architecture, "386"))
        return OTHER_ARCHITECTURE;
    return -1;
}

/* ---- indexes ---- */

static int rank_of(yyjson_val *descriptor, const Platform *want)
{
    yyjson_val *platform = yyjson_obj_get(descriptor, "platform");

    if (!platform)
        return INT_MAX - 1;
    return platform_rank(want, yyjson_get_str(yyjson_obj_get(platform, "os")),
                         yyjson_get_str(yyjson_obj_get(platform, "architecture")),
                         yyjson_get_str(yyjson_obj_get(platform, "variant")));
}

bool platform_fits(yyjson_val *descriptor, const Platform *want)
{
    return rank_of(descriptor, want) >= 0;
}

yyjson_val *platform_choose(yyjson_val *manifests, const Platform *want)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(manifests);
    yyjson_val *best = NULL, *item;
    int best_rank = INT_MAX;

    while ((item = yyjson_arr_iter_next(&iter))) {
        const char *digest = yyjson_get_str(yyjson_obj_get(item, "digest"));
        int rank = rank_of(item, want);

        if (rank < 0 || rank >= best_rank || !digest || !digest_is_known(digest))
            continue;
        best = item;
        best_rank = rank;
    }
    return best;
}
