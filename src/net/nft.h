/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of nftables transactions. These functions are pure and do not touch the kernel.
 *
 * There is one table, `ip stead-<instance>`. The destination of a packet is looked up in one map, which leads to the chain of
 * the service. That chain picks an endpoint at random, or by the address of the client, and translates the destination. A
 * service without endpoints has an element in a set instead, and its packets are refused in a filter hook, since
 * translation hooks cannot refuse.
 *
 *   map services   address . protocol . port -> goto its chain
 *   map nodeports  protocol . port           -> goto its chain, for every address of this machine
 *   set nobody, nobody-nodeports             -> services without endpoints: refused
 *   map hostaddresses, hostports             like the two maps, for ports of the machine that lead to pods (hostPort)
 *   set hairpin    pod . pod                 -> a pod that reached itself through a service: masqueraded
 */
#ifndef NET_NFT_H
#define NET_NFT_H

#include "base/strbuf.h"
#include "net/net.h"

typedef struct NftTable {
    const char *instance;
    const char *bridge;
    const char *pod_cidr;
    const char *service_cidr; /* hostports does not apply to these addresses; NULL: no such range */
} NftTable;

/* Replaces the table by one without services. What is printed after it belongs to the same transaction. */
void nft_print_table(const NftTable *table, StrBuf *out);
void nft_print_table_delete(const NftTable *table, StrBuf *out);
/* Adds the service, which must not be in the table. */
void nft_print_service_add(const NftTable *table, const NetServicePort *port, StrBuf *out);
/* Deletes exactly what nft_print_service_add has added. */
void nft_print_service_delete(const NftTable *table, const NetServicePort *port, StrBuf *out);
void nft_print_hairpin(const NftTable *table, const char *address, bool add, StrBuf *out);

#endif
