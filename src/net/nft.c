/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "net/nft.h"
#include "base/fnv.h"

/* The mark of packets that have to be masqueraded on their way out. Neither kube-proxy nor Docker uses this bit. */
#define MARK_MASQUERADE "0x00200000"

static void print_name(const NftTable *table, StrBuf *out)
{
    strbuf_printf(out, "ip stead-%s", table->instance);
}

/* "TCP" -> "tcp". Unknown protocols count as TCP, which is the default of the API. */
static const char *protocol_of(const NetServicePort *port)
{
    if (str_equal(port->protocol, "UDP"))
        return "udp";
    return str_equal(port->protocol, "SCTP") ? "sctp" : "tcp";
}

/* The name of a chain: the key with dashes in place of special characters, for people who read `nft list`, and a hash that
 * tells keys apart which look alike then. The name has to be the same in every process, hence FNV. */
static void print_chain(const NetServicePort *port, StrBuf *out)
{
    strbuf_add_string(out, "s-");
    for (size_t i = 0; port->key[i] && i < 80; i++)
        strbuf_add_char(out, isalnum((unsigned char)port->key[i]) ? port->key[i] : '-');
    strbuf_printf(out, "-%08x", fnv_fold(fnv1a(FNV_START, port->key)));
}

void nft_print_table_delete(const NftTable *table, StrBuf *out)
{
    /* The table is added first, since deleting a table that does not exist would fail the transaction. */
    strbuf_add_string(out, "add table ");
    print_name(table, out);
    strbuf_add_string(out, "\ndelete table ");
    print_name(table, out);
    strbuf_add_char(out, '\n');
}

void nft_print_table(const NftTable *table, StrBuf *out)
{
    nft_print_table_delete(table, out);
    strbuf_add_string(out, "table ");
    print_name(table, out);
    strbuf_printf(
        out,
        " {\n"
        " map services { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
        " map nodeports { type inet_proto . inet_service : verdict; }\n"
        " map hostaddresses { type ipv4_addr . inet_proto . inet_service : verdict; }\n"
        " map hostports { type inet_proto . inet_service : verdict; }\n"
        " set nobody { type ipv4_addr . inet_proto . inet_service; }\n"
        " set nobody-nodeports { type inet_proto . inet_service; }\n"
        " set hairpin { type ipv4_addr . ipv4_addr; }\n"
        " chain find {\n"
        "  ip daddr . meta l4proto . th dport vmap @services\n"
        "  fib daddr type local meta l4proto . th dport vmap @nodeports\n"
        "  ip daddr . meta l4proto . th dport vmap @hostaddresses\n"
        "  %s%s fib daddr type local meta l4proto . th dport vmap @hostports\n"
        " }\n"
        " chain refuse {\n"
        "  meta l4proto tcp reject with tcp reset\n"
        "  reject with icmp type port-unreachable\n"
        " }\n"
        " chain nobody-there {\n"
        "  ip daddr . meta l4proto . th dport @nobody goto refuse\n"
        "  fib daddr type local meta l4proto . th dport @nobody-nodeports goto refuse\n"
        " }\n"
        " chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump find; "
        "}\n"
        " chain output { type nat hook output priority -100; policy accept; jump find; }\n"
        " chain filter-input { type filter hook input priority filter; policy accept; ct state new "
        "jump nobody-there; }\n"
        " chain filter-forward { type filter hook forward priority filter; policy accept; ct state "
        "new jump nobody-there; }\n"
        " chain filter-output { type filter hook output priority filter; policy accept; ct state "
        "new jump nobody-there; }\n"
        " chain postrouting {\n"
        "  type nat hook postrouting priority srcnat; policy accept;\n"
        "  meta mark and " MARK_MASQUERADE " == " MARK_MASQUERADE " masquerade\n"
        "  ip saddr . ip daddr @hairpin masquerade\n"
        "  ip saddr 127.0.0.0/8 oifname \"%s\" masquerade\n"
        "  ip saddr %s oifname != \"%s\" masquerade\n"
        " }\n"
        "}\n",
        table->service_cidr ? "ip daddr != " : "", str_or(table->service_cidr, ""), table->bridge,
        table->pod_cidr, table->bridge);
}

static void print_elements(const NftTable *table, const char *verb, const NetServicePort *port,
                           StrBuf *out)
{
    bool somebody = port->n_endpoints > 0;
    const char *by_address = port->host_port ? "hostaddresses" : somebody ? "services" : "nobody";
    const char *by_port = port->host_port ? "hostports"
                          : somebody      ? "nodeports"
                                          : "nobody-nodeports";

    for (size_t i = 0; i < port->n_addresses; i++) {
        strbuf_printf(out, "%s element ", verb);
        print_name(table, out);
        strbuf_printf(out, " %s { %s . %s . %u", by_address, port->addresses[i], protocol_of(port),
                      port->port);
        if (somebody) {
            strbuf_add_string(out, " : goto ");
            print_chain(port, out);
        }
        strbuf_add_string(out, " }\n");
    }
    if (!port->node_port)
        return;
    strbuf_printf(out, "%s element ", verb);
    print_name(table, out);
    strbuf_printf(out, " %s { %s . %u", by_port, protocol_of(port), port->node_port);
    if (somebody) {
        strbuf_add_string(out, " : goto ");
        print_chain(port, out);
    }
    strbuf_add_string(out, " }\n");
}

static void print_chain_command(const NftTable *table, const char *command,
                                const NetServicePort *port, StrBuf *out)
{
    strbuf_printf(out, "%s ", command);
    print_name(table, out);
    strbuf_add_char(out, ' ');
    print_chain(port, out);
}

void nft_print_service_add(const NftTable *table, const NetServicePort *port, StrBuf *out)
{
    if (port->n_endpoints) {
        print_chain_command(table, "add chain", port, out);
        strbuf_add_char(out, '\n');
        print_chain_command(table, "add rule", port, out);
        /* The endpoint is a hash of the client's address, so affinity lasts as long as the endpoints and needs no state. */
        if (port->affinity_seconds)
            strbuf_printf(out, " meta l4proto %s dnat to jhash ip saddr mod %zu seed 0x5ead map {",
                          protocol_of(port), port->n_endpoints);
        else
            strbuf_printf(out, " meta l4proto %s dnat to numgen random mod %zu map {",
                          protocol_of(port), port->n_endpoints);
        for (size_t i = 0; i < port->n_endpoints; i++)
            strbuf_printf(out, "%s %zu : %s . %u", i ? "," : "", i, port->endpoints[i].address,
                          port->endpoints[i].port);
        strbuf_add_string(out, " }\n");
    }
    print_elements(table, "add", port, out);
}

void nft_print_service_delete(const NftTable *table, const NetServicePort *port, StrBuf *out)
{
    print_elements(table, "delete", port, out);
    if (!port->n_endpoints)
        return;
    print_chain_command(table, "delete chain", port, out);
    strbuf_add_char(out, '\n');
}

void nft_print_hairpin(const NftTable *table, const char *address, bool add, StrBuf *out)
{
    strbuf_printf(out, "%s element ", add ? "add" : "delete");
    print_name(table, out);
    strbuf_printf(out, " hairpin { %s . %s }\n", address, address);
}
