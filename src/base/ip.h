/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 addresses and ranges as numbers and as text. The parsers accept only the usual dotted form.
 * A positive result means that the text is malformed.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/base.h"

typedef struct Cidr4 {
    uint32_t base; /* host order */
    int bits;
} Cidr4;

int ip4_parse(const char *text, uint32_t *ret);
void ip4_print(uint32_t address, char buf[static 16]);
bool ip_valid(const char *text); /* v4 or v6 */
int cidr4_parse(const char *text, Cidr4 *ret);
/* Reads "10.0.0.0/8,192.0.2.0/24", at most max ranges. Returns 1 if the text is no list of
 * ranges. */
int cidr4_parse_list(const char *text, size_t max, Cidr4 *ret, size_t *ret_n);
bool cidr4_contains(Cidr4 cidr, uint32_t address);
bool cidr4_overlap(Cidr4 a, Cidr4 b);
/* Whether one of the machine's own interfaces has the address at the moment. */
bool ip4_is_local(uint32_t address);

#endif
