/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolv.conf of pods: read, put together, limited and written. Pure.
 *
 * A name server, a domain or an option is there once; an option that comes again replaces the value
 * of the first. What resolvers pass over anyway is left out: a fourth server, searches past 32
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
/* value NULL or "": the name alone */
void resolv_conf_set_option(ResolvConf *conf, const char *name, const char *value);
void resolv_conf_print(const ResolvConf *conf, StrBuf *out);

#endif
