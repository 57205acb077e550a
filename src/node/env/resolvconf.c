/* SPDX-License-Identifier: Apache-2.0 */
/* See resolvconf.h. */
#include "node/env/resolvconf.h"

#define SERVERS_MAX 3
#define SEARCHES_MAX 32
#define SEARCH_BYTES_MAX 2048

void resolv_conf_deinit(ResolvConf *conf)
{
    VEC_DEINIT(&conf->servers);
    VEC_DEINIT(&conf->searches);
    VEC_DEINIT(&conf->options);
    arena_clear(&conf->arena);
}

void resolv_conf_add_server(ResolvConf *conf, const char *address)
{
    for (size_t i = 0; i < conf->servers.n; i++)
        if (strcmp(conf->servers.v[i], address) == 0)
            return;
    VEC_PUSH(&conf->servers, arena_strdup(&conf->arena, address));
}

void resolv_conf_add_search(ResolvConf *conf, const char *domain)
{
    for (size_t i = 0; i < conf->searches.n; i++)
        if (strcmp(conf->searches.v[i], domain) == 0)
            return;
    VEC_PUSH(&conf->searches, arena_strdup(&conf->arena, domain));
}

void resolv_conf_set_option(ResolvConf *conf, const char *name, const char *value)
{
    const char *text = str_empty(value) ? arena_strdup(&conf->arena, name)
                                        : arena_printf(&conf->arena, "%s:%s", name, value);
    size_t n = strlen(name);

    for (size_t i = 0; i < conf->options.n; i++) {
        if (strcspn(conf->options.v[i], ":") != n || strncmp(conf->options.v[i], name, n) != 0)
            continue;
        conf->options.v[i] = text;
        return;
    }
    VEC_PUSH(&conf->options, text);
}

static void read_option(ResolvConf *conf, char *word)
{
    char *colon = strchr(word, ':');

    if (colon)
        *colon = 0;
    resolv_conf_set_option(conf, word, colon ? colon + 1 : NULL);
}

static void read_line(ResolvConf *conf, char *line)
{
    char *save = NULL, *key = strtok_r(line, " \t\r", &save), *word;

    if (!key || *key == '#' || *key == ';')
        return;
    if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
        conf->searches.n = 0; /* the last search line wins */
    while ((word = strtok_r(NULL, " \t\r", &save))) {
        if (strcmp(key, "nameserver") == 0) {
            resolv_conf_add_server(conf, word);
            return;
        }
        if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
            resolv_conf_add_search(conf, word);
        else if (strcmp(key, "options") == 0)
            read_option(conf, word);
        else
            return;
    }
}

void resolv_conf_read(ResolvConf *conf, const char *text)
{
    _free_ char *copy = mem_strdup(text);
    char *at = copy, *line;

    while ((line = strsep(&at, "\n")))
        read_line(conf, line);
}

void resolv_conf_print(const ResolvConf *conf, StrBuf *out)
{
    size_t bytes = 0;

    for (size_t i = 0; i < conf->servers.n && i < SERVERS_MAX; i++)
        strbuf_printf(out, "nameserver %s\n", conf->servers.v[i]);
    for (size_t i = 0; i < conf->searches.n && i < SEARCHES_MAX; i++) {
        bytes += strlen(conf->searches.v[i]) + 1;
        if (bytes > SEARCH_BYTES_MAX + 1)
            break;
        strbuf_printf(out, "%s%s", i ? " " : "search ", conf->searches.v[i]);
    }
    if (conf->searches.n)
        strbuf_add_char(out, '\n');
    for (size_t i = 0; i < conf->options.n; i++)
        strbuf_printf(out, "%s%s", i ? " " : "options ", conf->options.v[i]);
    if (conf->options.n)
        strbuf_add_char(out, '\n');
}
