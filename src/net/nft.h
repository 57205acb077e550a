/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of nftables transactions: pure, no kernel.
 *
 * One table `ip stead-<instance>`. Packets to a service address are looked up in one map and sent
 * to the service's chain; that chain picks an endpoint at random (or by the client's address) and
 * translates. A service without endpoints has an element in a set instead, and is refused in a
 * filter hook, since translation hooks cannot refuse.
 *
 *   map services   address . protocol . port -> goto its chain
 *   map nodeports  protocol . port           -> goto its chain, for every address of this machine
 *   set nobody, nobody-nodeports             -> refused at once
 *   map hostaddresses, hostports             like the two maps, for ports of pods on the machine
 *   set hairpin    pod . pod                 -> a pod that reached itself by a service: masquerade
 */
#ifndef NET_NFT_H
#define NET_NFT_H

#include "base/strbuf.h"
#include "net/net.h"

typedef struct NftTable {
    const char *instance;
    const char *bridge;
    const char *pod_cidr;
    const char *service_cidr; /* no port of a pod on the machine is found there; NULL: none */
} NftTable;

/* The table anew, without services: one transaction together with what follows. */
void nft_print_table(const NftTable *table, StrBuf *out);
void nft_print_table_delete(const NftTable *table, StrBuf *out);
/* The service appears; it must not be in the table. */
void nft_print_service_add(const NftTable *table, const NetServicePort *port, StrBuf *out);
/* Exactly what nft_print_service_add put there goes. */
void nft_print_service_delete(const NftTable *table, const NetServicePort *port, StrBuf *out);
void nft_print_hairpin(const NftTable *table, const char *address, bool add, StrBuf *out);

#endif
