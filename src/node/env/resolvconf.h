/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads, merges, limits and prints resolv.conf for pods. Pure functions.
 *
 * Each name server, domain and option is kept once; a repeated option replaces the earlier value.
 * What resolvers would ignore is left out: a fourth name server, and search domains beyond 32
 * domains or 2048 characters.
 */
#ifndef NODE_ENV_RESOLVCONF_H
#define NODE_ENV_RESOLVCONF_H

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/vec.h"

typedef struct ResolvConf {
    Arena arena;
    VEC(const char *) servers, searches;
    VEC(const char *) options; /* "ndots:5" */
} ResolvConf;

void resolv_conf_deinit(ResolvConf *conf);
void resolv_conf_read(ResolvConf *conf, const char *text);
void resolv_conf_add_server(ResolvConf *conf, const char *address);
void resolv_conf_add_search(ResolvConf *conf, const char *domain);
/* If the value is NULL or "", the option is its name alone. */
void resolv_conf_set_option(ResolvConf *conf, const char *name, const char *value);
void resolv_conf_print(const ResolvConf *conf, StrBuf *out);

#endif
