/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the cluster. No records are stored: each answer is computed from the present Services
 * and EndpointSlices, so no answer can be stale.
 *
 *   SERVICE.NS.svc.DOMAIN                A: the cluster IP; of a headless Service, the ready
 *                                        endpoints; of an ExternalName, a CNAME
 *   HOST.SERVICE.NS.svc.DOMAIN           A: one pod of a headless Service, as soon as it has an
 *                                        address
 *   _PORT._PROTO.SERVICE.NS.svc.DOMAIN   SRV
 *   a-b-c-d.NS.pod.DOMAIN                A: a.b.c.d
 *   d.c.b.a.in-addr.arpa                 PTR, for cluster IPs and endpoints
 *
 * The name of a single pod exists before the pod is ready, because the members of a set have to find
 * each other in order to become ready. ldns parses and writes the packets.
 */
#include <ctype.h>
#include <ldns/ldns.h>

#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "base/ip.h"
#include "base/strbuf.h"
#include "dns/dns.h"
#include "view/service.h"

#define TTL 5
#define UDP_SIZE_PLAIN 512
#define UDP_SIZE_LARGEST 1232 /* passes every usual path without fragmentation */
#define LABELS_MAX 16
#define RECORDS_MAX 4096

struct DnsZone {
    char *domain; /* "cluster.local", lower case */
    ServiceView services;
    unsigned turn; /* rotates which of several addresses comes first */
};

DnsZone *dns_zone_new(const char *domain)
{
    DnsZone *zone = mem_new_type(DnsZone);

    zone->domain = mem_strdup(domain);
    for (char *c = zone->domain; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return zone;
}

DnsZone *dns_zone_free(DnsZone *zone)
{
    if (!zone)
        return NULL;
    service_view_deinit(&zone->services);
    free(zone->domain);
    free(zone);
    return NULL;
}

void dns_zone_on_event(DnsZone *zone, const WatchEvent *event)
{
    service_view_on_event(&zone->services, event);
}

/* ---- building an answer ---- */

typedef struct Answer {
    DnsZone *zone;
    ldns_pkt *packet;
    const ldns_rdf *asked; /* the name of the question */
    ldns_rr_type type;
    bool exists; /* the name exists, possibly without records of this type */
    size_t records;
} Answer;

static bool wants(const Answer *answer, ldns_rr_type type)
{
    return answer->type == type || answer->type == LDNS_RR_TYPE_ANY;
}

/* An owner of NULL stands for the name of the question. Takes ownership of the data. */
static void add_record(Answer *answer, ldns_pkt_section section, const char *owner,
                       ldns_rr_type type, ldns_rdf **data, size_t n)
{
    ldns_rr *rr = ldns_rr_new();
    ldns_rdf *name = owner ? ldns_dname_new_frm_str(owner) : ldns_rdf_clone(answer->asked);
    bool whole = rr && name && answer->records < RECORDS_MAX;

    for (size_t i = 0; i < n; i++)
        whole = whole && data[i];
    if (!whole) {
        for (size_t i = 0; i < n; i++)
            ldns_rdf_deep_free(data[i]);
        ldns_rdf_deep_free(name);
        ldns_rr_free(rr);
        return;
    }
    ldns_rr_set_owner(rr, name);
    ldns_rr_set_type(rr, type);
    ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(rr, TTL);
    for (size_t i = 0; i < n; i++)
        ldns_rr_push_rdf(rr, data[i]);
    ldns_pkt_push_rr(answer->packet, section, rr);
    answer->records++;
}

static void add_address(Answer *answer, ldns_pkt_section section, const char *owner,
                        const char *address)
{
    ldns_rdf *data = NULL;
    uint32_t v4;

    if (ip4_parse(address, &v4) == 0 && ldns_str2rdf_a(&data, address) == LDNS_STATUS_OK)
        add_record(answer, section, owner, LDNS_RR_TYPE_A, &data, 1);
}

static void add_target(Answer *answer, const char *owner, ldns_rr_type type, const char *target)
{
    ldns_rdf *data = ldns_dname_new_frm_str(target);

    add_record(answer, LDNS_SECTION_ANSWER, owner, type, &data, 1);
}

static void add_srv(Answer *answer, uint16_t port, const char *target)
{
    ldns_rdf *data[] = {ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0),
                        ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 100),
                        ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, port),
                        ldns_dname_new_frm_str(target)};

    add_record(answer, LDNS_SECTION_ANSWER, NULL, LDNS_RR_TYPE_SRV, data, ARRAY_LEN(data));
}

static void add_soa(Answer *answer)
{
    _free_ char *text = mem_printf("ns.dns.%s. hostmaster.%s. 1 7200 1800 86400 0",
                                   answer->zone->domain, answer->zone->domain);
    _free_ char *line = mem_printf("%s. 0 IN SOA %s", answer->zone->domain, text);
    ldns_rr *rr = NULL;

    /* The minimum is 0, because a cached negative answer would hide the name of a pod that has
     * appeared since. */
    if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) == LDNS_STATUS_OK)
        ldns_pkt_push_rr(answer->packet, LDNS_SECTION_AUTHORITY, rr);
}

/* ---- services ---- */

static bool headless(const Service *service)
{
    return str_equal(service->spec.cluster_ip, "None");
}

/* The first label of an endpoint's name: its hostname, or its address as "10-42-0-5". */
static const char *endpoint_host(const Endpoint *endpoint, char room[static 64])
{
    if (!str_empty(endpoint->hostname))
        return endpoint->hostname;
    snprintf(room, 64, "%s", endpoint->addresses.v[0]);
    for (char *c = room; *c; c++)
        if (*c == '.' || *c == ':')
            *c = '-';
    return room;
}

typedef void (*OnEndpoint)(Answer *answer, const ServiceEntry *entry, const EndpointSlice *slice,
                           const Endpoint *endpoint, void *data);

/* Calls `each` for all endpoints, starting with another one each time, so that the load of clients that
 * use the first address is spread. */
static void each_endpoint(Answer *answer, const ServiceEntry *entry, OnEndpoint each, void *data)
{
    for (size_t s = 0; s < entry->slices.n; s++) {
        const EndpointSlice *slice = service_entry_slice(entry, s);
        size_t n = slice->endpoints.n;

        for (size_t i = 0; i < n; i++) {
            const Endpoint *endpoint = &slice->endpoints.v[(i + answer->zone->turn) % n];

            if (endpoint->addresses.n)
                each(answer, entry, slice, endpoint, data);
        }
    }
    answer->zone->turn++;
}

static void answer_ready(Answer *answer, const ServiceEntry *entry _unused_,
                         const EndpointSlice *slice _unused_, const Endpoint *endpoint,
                         void *data _unused_)
{
    if (endpoint_is_ready(endpoint) && wants(answer, LDNS_RR_TYPE_A))
        add_address(answer, LDNS_SECTION_ANSWER, NULL, endpoint->addresses.v[0]);
}

static void answer_service(Answer *answer, const ServiceEntry *entry)
{
    const Service *service = OBJECT_AS(Service, entry->service);

    answer->exists = true;
    if (str_equal(service->spec.type, "ExternalName"))
        add_target(answer, NULL, LDNS_RR_TYPE_CNAME, service->spec.external_name);
    else if (headless(service))
        each_endpoint(answer, entry, answer_ready, NULL);
    else if (wants(answer, LDNS_RR_TYPE_A))
        add_address(answer, LDNS_SECTION_ANSWER, NULL, service->spec.cluster_ip);
}

static void answer_if_host(Answer *answer, const ServiceEntry *entry _unused_,
                           const EndpointSlice *slice _unused_, const Endpoint *endpoint,
                           void *data)
{
    char room[64];

    if (strcasecmp(endpoint_host(endpoint, room), data) != 0)
        return;
    answer->exists = true;
    if (wants(answer, LDNS_RR_TYPE_A))
        add_address(answer, LDNS_SECTION_ANSWER, NULL, endpoint->addresses.v[0]);
}

typedef struct PortAsked {
    const char *name, *protocol; /* without the underscores; NULL: any */
} PortAsked;

static bool port_matches(const PortAsked *asked, const char *name, const char *protocol)
{
    return strcasecmp(asked->name, name ? name : "") == 0 &&
           strcasecmp(asked->protocol, protocol ? protocol : "TCP") == 0;
}

static void answer_srv_endpoint(Answer *answer, const ServiceEntry *entry,
                                const EndpointSlice *slice, const Endpoint *endpoint, void *data)
{
    const ObjectMeta *meta = object_meta(entry->service);
    char room[64];

    if (!endpoint_is_ready(endpoint))
        return;
    for (size_t i = 0; i < slice->ports.n; i++) {
        const DiscoveryEndpointPort *port = &slice->ports.v[i];
        _free_ char *target = NULL;

        if (!port->port || !port_matches(data, port->name, port->protocol))
            continue;
        answer->exists = true;
        target = mem_printf("%s.%s.%s.svc.%s", endpoint_host(endpoint, room), meta->name,
                            meta->namespace, answer->zone->domain);
        if (!wants(answer, LDNS_RR_TYPE_SRV))
            continue;
        add_srv(answer, (uint16_t)*port->port, target);
        add_address(answer, LDNS_SECTION_ADDITIONAL, target, endpoint->addresses.v[0]);
    }
}

static void answer_srv(Answer *answer, const ServiceEntry *entry, PortAsked asked)
{
    const Service *service = OBJECT_AS(Service, entry->service);
    const ObjectMeta *meta = &service->metadata;

    if (headless(service)) {
        each_endpoint(answer, entry, answer_srv_endpoint, &asked);
        return;
    }
    for (size_t i = 0; i < service->spec.ports.n; i++) {
        const ServicePort *port = &service->spec.ports.v[i];
        _free_ char *target = NULL;

        if (!port_matches(&asked, port->name, port->protocol))
            continue;
        answer->exists = true;
        target = mem_printf("%s.%s.svc.%s", meta->name, meta->namespace, answer->zone->domain);
        if (!wants(answer, LDNS_RR_TYPE_SRV))
            continue;
        add_srv(answer, (uint16_t)port->port, target);
        add_address(answer, LDNS_SECTION_ADDITIONAL, target, service->spec.cluster_ip);
    }
}

/* `labels` are the n labels before NS.svc.DOMAIN, from left to right. */
static void answer_svc(Answer *answer, char **labels, size_t n, const char *ns)
{
    const ServiceEntry *entry = service_view_find(&answer->zone->services, ns, labels[n - 1]);

    if (!entry || !entry->service)
        return;
    if (n == 1)
        answer_service(answer, entry);
    else if (n == 2 && labels[0][0] != '_')
        each_endpoint(answer, entry, answer_if_host, labels[0]);
    else if (n == 3 && labels[0][0] == '_' && labels[1][0] == '_')
        answer_srv(answer, entry, (PortAsked){labels[0] + 1, labels[1] + 1});
    else if (n == 2)
        answer->exists = true; /* _tcp.SERVICE has no records, but names below it exist */
}

static void answer_pod(Answer *answer, const char *label)
{
    char address[64];
    uint32_t v4;

    snprintf(address, sizeof(address), "%s", label);
    for (char *c = address; *c; c++)
        if (*c == '-')
            *c = '.';
    if (ip4_parse(address, &v4))
        return;
    answer->exists = true;
    if (wants(answer, LDNS_RR_TYPE_A))
        add_address(answer, LDNS_SECTION_ANSWER, NULL, address);
}

static bool namespace_has_names(const DnsZone *zone, const char *ns)
{
    size_t n = strlen(ns);

    STRMAP_EACH(&zone->services.entries, slot)
        if (strncmp(slot->key, ns, n) == 0 && slot->key[n] == '/')
            return true;
    return false;
}

/* The labels left of the domain, from left to right. */
static void answer_cluster(Answer *answer, char **labels, size_t n)
{
    if (n == 0) {
        answer->exists = true;
        return;
    }
    if (str_equal(labels[n - 1], "svc")) {
        if (n >= 3)
            answer_svc(answer, labels, n - 2, labels[n - 2]);
        else
            answer->exists = n == 1 || namespace_has_names(answer->zone, labels[0]);
    } else if (str_equal(labels[n - 1], "pod")) {
        if (n == 3)
            answer_pod(answer, labels[0]);
        else
            answer->exists = n < 3;
    } else if (n == 1 && str_equal(labels[0], "dns-version")) {
        answer->exists = true;
    }
}

/* ---- addresses to names ---- */

static void answer_if_address(Answer *answer, const ServiceEntry *entry,
                              const EndpointSlice *slice _unused_, const Endpoint *endpoint,
                              void *data)
{
    const ObjectMeta *meta = object_meta(entry->service);
    _free_ char *target = NULL;
    char room[64];

    if (str_empty(endpoint->hostname) || !str_equal(endpoint->addresses.v[0], data))
        return;
    target = mem_printf("%s.%s.%s.svc.%s", endpoint_host(endpoint, room), meta->name,
                        meta->namespace, answer->zone->domain);
    answer->exists = true;
    if (wants(answer, LDNS_RR_TYPE_PTR))
        add_target(answer, NULL, LDNS_RR_TYPE_PTR, target);
}

/* `labels` are d, c, b and a of d.c.b.a.in-addr.arpa. Returns false if the address does not belong to
 * the cluster, so that the question has to be forwarded. */
static bool answer_reverse(Answer *answer, char **labels, size_t n)
{
    _free_ char *address = NULL;

    if (n != 4)
        return false;
    address = mem_printf("%s.%s.%s.%s", labels[3], labels[2], labels[1], labels[0]);
    STRMAP_EACH(&answer->zone->services.entries, slot) {
        const ServiceEntry *entry = slot->value;
        const Service *service = entry->service ? OBJECT_AS(Service, entry->service) : NULL;
        _free_ char *target = NULL;

        if (!service)
            continue;
        if (headless(service)) {
            each_endpoint(answer, entry, answer_if_address, address);
        } else if (str_equal(service->spec.cluster_ip, address)) {
            target = mem_printf("%s.%s.svc.%s", service->metadata.name, service->metadata.namespace,
                                answer->zone->domain);
            answer->exists = true;
            if (wants(answer, LDNS_RR_TYPE_PTR))
                add_target(answer, NULL, LDNS_RR_TYPE_PTR, target);
        }
    }
    return answer->exists;
}

/* ---- packets ---- */

/* Splits the name into lower-case labels in `room`. Returns their number, or 0 if a label contains bytes
 * that occur in no name of the cluster. */
static size_t split(const ldns_rdf *name, char room[static 256], char *labels[static LABELS_MAX])
{
    const uint8_t *p = ldns_rdf_data(name), *end = p + ldns_rdf_size(name);
    size_t n = 0, at = 0;

    while (p < end && *p) {
        uint8_t length = *p++;

        if (length > 63 || p + length > end || n == LABELS_MAX || at + length + 1 > 256)
            return 0;
        labels[n++] = room + at;
        for (uint8_t i = 0; i < length; i++, p++) {
            if (!isalnum(*p) && *p != '-' && *p != '_')
                return 0;
            room[at++] = (char)tolower(*p);
        }
        room[at++] = 0;
    }
    return n;
}

/* The number of labels before `suffix`, or -1 if the name does not end in it. */
static int left_of(char **labels, size_t n, const char *suffix)
{
    size_t count = 1;

    for (const char *c = suffix; *c; c++)
        count += *c == '.';
    if (n < count)
        return -1;
    for (size_t i = n - count; i < n; i++) {
        size_t length = strcspn(suffix, ".");

        if (strlen(labels[i]) != length || memcmp(labels[i], suffix, length) != 0)
            return -1;
        suffix += length + (suffix[length] == '.');
    }
    return (int)(n - count);
}

static void free_packet(ldns_pkt **packet)
{
    ldns_pkt_free(*packet);
}

static void free_bytes(uint8_t **bytes)
{
    free(*bytes);
}

/* Returns false if the name does not belong to the cluster. */
static bool answer_question(Answer *answer)
{
    char room[256], *labels[LABELS_MAX];
    size_t n = split(answer->asked, room, labels);
    int left = n ? left_of(labels, n, answer->zone->domain) : -1;

    if (left >= 0) {
        answer_cluster(answer, labels, (size_t)left);
        return true;
    }
    left = n ? left_of(labels, n, "in-addr.arpa") : -1;
    return left >= 0 && answer_reverse(answer, labels, (size_t)left);
}

static size_t size_limit(const ldns_pkt *query, size_t limit)
{
    if (limit)
        return limit;
    if (!ldns_pkt_edns(query))
        return UDP_SIZE_PLAIN;
    return MIN_OF(MAX_OF((size_t)ldns_pkt_edns_udp_size(query), (size_t)UDP_SIZE_PLAIN),
                  (size_t)UDP_SIZE_LARGEST);
}

/* Writes the packet. If it does not fit, it is sent without records and with the flag TC, and the client
 * asks again over TCP. */
static int print_packet(ldns_pkt *packet, size_t limit, uint8_t *out, size_t *ret_n)
{
    _cleanup_(free_bytes)
    uint8_t *wire = NULL;
    size_t n;

    if (ldns_pkt2wire(&wire, packet, &n) != LDNS_STATUS_OK)
        return DNS_E_DROP;
    if (n > limit) {
        free(wire);
        wire = NULL;
        ldns_rr_list_deep_free(ldns_pkt_answer(packet));
        ldns_rr_list_deep_free(ldns_pkt_additional(packet));
        ldns_pkt_set_answer(packet, ldns_rr_list_new());
        ldns_pkt_set_additional(packet, ldns_rr_list_new());
        ldns_pkt_set_ancount(packet, 0);
        ldns_pkt_set_arcount(packet, 0);
        ldns_pkt_set_tc(packet, true);
        if (ldns_pkt2wire(&wire, packet, &n) != LDNS_STATUS_OK || n > limit)
            return DNS_E_DROP;
    }
    memcpy(out, wire, n);
    *ret_n = n;
    return 0;
}

int dns_zone_answer(DnsZone *zone, Bytes bytes, size_t limit, uint8_t *out, size_t *ret_n)
{
    _cleanup_(free_packet)
    ldns_pkt *query = NULL, *reply = NULL;
    Answer answer = {.zone = zone};
    const ldns_rr *question;

    if (bytes.n < 12 || (bytes.p[2] & 0x80) ||
        ldns_wire2pkt(&query, bytes.p, bytes.n) != LDNS_STATUS_OK)
        return DNS_E_DROP; /* answering a reply could start a loop between two servers */
    reply = ldns_pkt_new();
    ldns_pkt_set_id(reply, ldns_pkt_id(query));
    ldns_pkt_set_qr(reply, true);
    ldns_pkt_set_rd(reply, ldns_pkt_rd(query));
    ldns_pkt_set_ra(reply, true);
    ldns_pkt_set_opcode(reply, ldns_pkt_get_opcode(query));
    if (ldns_pkt_edns(query))
        ldns_pkt_set_edns_udp_size(reply, UDP_SIZE_LARGEST);
    if (ldns_pkt_get_opcode(query) != LDNS_PACKET_QUERY ||
        ldns_rr_list_rr_count(ldns_pkt_question(query)) != 1) {
        ldns_pkt_set_rcode(reply, ldns_pkt_get_opcode(query) == LDNS_PACKET_QUERY
                                      ? LDNS_RCODE_FORMERR
                                      : LDNS_RCODE_NOTIMPL);
        return print_packet(reply, size_limit(query, limit), out, ret_n);
    }
    question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
    answer.packet = reply;
    answer.asked = ldns_rr_owner(question);
    answer.type = ldns_rr_get_type(question);
    ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION, ldns_rr_clone(question));
    if (!answer_question(&answer))
        return DNS_E_FORWARD;
    ldns_pkt_set_aa(reply, true);
    if (!answer.exists)
        ldns_pkt_set_rcode(reply, LDNS_RCODE_NXDOMAIN);
    if (!ldns_pkt_ancount(reply))
        add_soa(&answer);
    return print_packet(reply, size_limit(query, limit), out, ret_n);
}
