/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of names, labels, addresses and other texts with a fixed syntax. Each reports all faults,
 * in the words of Kubernetes.
 */
#ifndef API_TEXT_CHECK_H
#define API_TEXT_CHECK_H

#include "api/kind.h"
#include "api/status.h"

/* What is wrong with a text, all of it; n == 0: nothing. The strings are constants. */
typedef struct Faults {
    const char *v[6];
    size_t n;
} Faults;

Faults check_dns_label(const char *s); /* RFC 1123 label */
Faults check_dns_1035_label(const char *s);
Faults check_dns_subdomain(const char *s);  /* RFC 1123 subdomain */
Faults check_qualified_name(const char *s); /* label keys, finalizers: [prefix/]name */
Faults check_label_value(const char *s);
Faults check_port_name(const char *s); /* IANA service name */
Faults
check_env_name(const char *s); /* what Kubernetes takes since 1.34: printable ASCII but '=' */
Faults check_config_key(const char *s);   /* keys of ConfigMaps and Secrets */
Faults check_path_segment(const char *s); /* names that only have to fit into a URL */
Faults check_ip(const char *s);
Faults check_cidr(const char *s);
Faults check_percent(const char *s); /* "25%" */
Faults check_http_header(const char *s);
Faults check_format(FieldFormat format, const char *s);
/* The same for generateName, which may end with a dash, since a suffix follows. */
Faults check_name_prefix(Faults (*check)(const char *), const char *s);
/* The text in lower case, for checks that accept upper case, too. */
const char *text_lower(Arena *arena, const char *s);

/* One "Invalid value" cause for each fault. */
void faults_add(Faults faults, const char *field, const char *bad, Causes *causes);
/* All faults as one text, as some checks of kube-apiserver report them. */
const char *faults_joined(Faults faults, Arena *arena);

#endif
