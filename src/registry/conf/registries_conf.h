/* SPDX-License-Identifier: Apache-2.0 */
/* containers-registries.conf(5), version 2: the places from which images are read. */
#ifndef REGISTRY_CONF_REGISTRIES_CONF_H
#define REGISTRY_CONF_REGISTRIES_CONF_H

#include "base/arena.h"
#include "base/error.h"
#include "base/vec.h"

typedef enum MirrorUse { MIRROR_ALL, MIRROR_DIGEST_ONLY, MIRROR_TAG_ONLY } MirrorUse;

/* A place that has images: HOST[:PORT][/PATH]. */
typedef struct RegistrySource {
    const char *location; /* "": the place that the image's name gives */
    bool insecure;        /* certificates are not checked, and plain HTTP is tried */
    MirrorUse use;
} RegistrySource;

typedef struct RegistryEntry {
    const char *prefix; /* of names, whole components; "*.HOST..." is a host with subdomains */
    bool blocked;
    RegistrySource source;
    RegistrySource *mirrors;
    size_t n;
} RegistryEntry;

typedef struct RegistriesConf {
    Arena arena;
    VEC(RegistryEntry) entries;
} RegistriesConf;

void registries_conf_deinit(RegistriesConf *conf);
/* Adds the entries of a document; one with the same prefix as an older one replaces it. */
int registries_conf_add(RegistriesConf *conf, const char *text, size_t n, Err *reterr);
/* Adds the entries of a file, or of the files *.conf in a folder in the order of their names. A
 * missing file or folder has no entries. */
int registries_conf_add_file(RegistriesConf *conf, const char *path, Err *reterr);
int registries_conf_add_folder(RegistriesConf *conf, const char *path, Err *reterr);
/* The entry with the longest prefix of the name, "quay.io/team/app"; NULL if there is none.
 * *ret_length is how much of the name matches. */
const RegistryEntry *registries_conf_find(const RegistriesConf *conf, const char *name,
                                          size_t *ret_length);
/* The name at the source: its location in place of the part that matches. */
const char *registry_source_name(const RegistrySource *source, const char *name, size_t length,
                                 Arena *arena);

#endif
