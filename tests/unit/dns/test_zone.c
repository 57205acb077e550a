/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include <ldns/ldns.h>

#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "codec/json/json.h"
#include "dns/dns.h"

static const char web[] =
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"None\","
    "\"ports\":[{\"name\":\"http\",\"port\":5000,\"protocol\":\"TCP\"}]}}";
static const char api[] =
    "{\"metadata\":{\"name\":\"api\",\"namespace\":\"prod\"},\"spec\":{\"clusterIP\":\"10.96.3.4\","
    "\"type\":\"ClusterIP\",\"ports\":[{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\"}]}}";
static const char away[] =
    "{\"metadata\":{\"name\":\"away\",\"namespace\":\"default\"},\"spec\":{\"type\":"
    "\"ExternalName\",\"externalName\":\"db.example.org\"}}";
static const char slice[] =
    "{\"metadata\":{\"name\":\"web-x\",\"namespace\":\"default\",\"labels\":{\"kubernetes.io/"
    "service-name\":\"web\"}},"
    "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":5000,\"protocol\":\"TCP\"}],"
    "\"endpoints\":["
    "{\"addresses\":[\"10.42.0.2\"],\"hostname\":\"web-0\",\"conditions\":{\"ready\":true}},"
    "{\"addresses\":[\"10.42.0.3\"],\"hostname\":\"web-1\",\"conditions\":{\"ready\":false}}]}";

static void tell(DnsZone *zone, const Kind *kind, const char *text, WatchEventType type)
{
    _object_ Object *object = object_new(kind);
    DecodeReport report = {0};
    yyjson_doc *doc;

    assert_int_equal(json_parse(&object->arena, bytes_from_string(text), &doc, &report), 0);
    assert_int_equal(json_decode(kind->type, &object->arena, yyjson_doc_get_root(doc), 0, NULL,
                                 object->value, &report),
                     0);
    dns_zone_on_event(zone, &(WatchEvent){.type = type, .object = object});
}

static DnsZone *sample_zone(void)
{
    DnsZone *zone = dns_zone_new("cluster.local");

    tell(zone, &kind_service, web, WATCH_ADDED);
    tell(zone, &kind_service, api, WATCH_ADDED);
    tell(zone, &kind_service, away, WATCH_ADDED);
    tell(zone, &kind_endpoint_slice, slice, WATCH_ADDED);
    return zone;
}

/* The answer section as text, records parted by "; ", or "NXDOMAIN", "none", "forward". */
static char *ask(DnsZone *zone, const char *name, ldns_rr_type type)
{
    ldns_pkt *query =
                 ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD),
             *reply;
    _strbuf_ StrBuf text = STRBUF_INIT;
    uint8_t *wire, out[4096];
    size_t n, out_n;
    int r;

    assert_int_equal(ldns_pkt2wire(&wire, query, &n), LDNS_STATUS_OK);
    r = dns_zone_answer(zone, (Bytes){wire, n}, 0, out, &out_n);
    free(wire);
    ldns_pkt_free(query);
    if (r == DNS_E_FORWARD)
        return mem_strdup("forward");
    assert_int_equal(r, 0);
    assert_int_equal(ldns_wire2pkt(&reply, out, out_n), LDNS_STATUS_OK);
    assert_true(ldns_pkt_aa(reply));
    for (size_t i = 0; i < ldns_pkt_ancount(reply); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(reply), i);

        assert_int_equal(ldns_rr_ttl(rr), 5);
        for (size_t k = 0; k < ldns_rr_rd_count(rr); k++) {
            char *data = ldns_rdf2str(ldns_rr_rdf(rr, k));

            strbuf_printf(&text, "%s%s", k ? " " : i ? "; " : "", data);
            free(data);
        }
    }
    if (ldns_pkt_get_rcode(reply) == LDNS_RCODE_NXDOMAIN)
        strbuf_add_string(&text, "NXDOMAIN");
    else if (!text.n)
        strbuf_add_string(&text, "none");
    if (!ldns_pkt_ancount(reply)) {
        /* what must not be cached says so */
        const ldns_rr *soa = ldns_rr_list_rr(ldns_pkt_authority(reply), 0);

        assert_int_equal(ldns_rr_ttl(soa), 0);
        assert_int_equal(ldns_rdf2native_int32(ldns_rr_rdf(soa, 6)), 0);
    }
    ldns_pkt_free(reply);
    return strbuf_take(&text);
}

static void names_answer_as_kubernetes_has_them(void **state)
{
    static const struct {
        const char *name;
        ldns_rr_type type;
        const char *answer;
    } cases[] = {
        {"api.prod.svc.cluster.local.", LDNS_RR_TYPE_A, "10.96.3.4"},
        {"API.Prod.SVC.cluster.LOCAL.", LDNS_RR_TYPE_A, "10.96.3.4"},
        {"api.prod.svc.cluster.local.", LDNS_RR_TYPE_AAAA, "none"},
        {"web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "10.42.0.2"},
        {"web-0.web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "10.42.0.2"},
        {"web-1.web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "10.42.0.3"},
        {"web-2.web.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN"},
        {"nothing.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN"},
        {"default.svc.cluster.local.", LDNS_RR_TYPE_A, "none"},
        {"away.default.svc.cluster.local.", LDNS_RR_TYPE_A, "db.example.org."},
        {"_http._tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV,
         "0 100 5000 web-0.web.default.svc.cluster.local."},
        {"_https._tcp.api.prod.svc.cluster.local.", LDNS_RR_TYPE_SRV,
         "0 100 443 api.prod.svc.cluster.local."},
        {"_https._udp.api.prod.svc.cluster.local.", LDNS_RR_TYPE_SRV, "NXDOMAIN"},
        {"10-42-0-9.default.pod.cluster.local.", LDNS_RR_TYPE_A, "10.42.0.9"},
        {"10-42-0.default.pod.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN"},
        {"4.3.96.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "api.prod.svc.cluster.local."},
        {"2.0.42.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, "web-0.web.default.svc.cluster.local."},
        {"8.8.8.8.in-addr.arpa.", LDNS_RR_TYPE_PTR, "forward"},
        {"example.org.", LDNS_RR_TYPE_A, "forward"},
        {"local.", LDNS_RR_TYPE_A, "forward"},
        {"example.org.default.svc.cluster.local.", LDNS_RR_TYPE_A, "NXDOMAIN"},
    };
    DnsZone *zone = sample_zone();

    EACH_ROW(i, cases, cases[i].name) {
        _free_ char *answer = ask(zone, cases[i].name, cases[i].type);

        if (!str_equal(answer, cases[i].answer))
            fail_msg("%s: %s, expected %s", cases[i].name, answer, cases[i].answer);
    }
    dns_zone_free(zone);
}

static void a_deleted_service_is_gone_at_once(void **state)
{
    DnsZone *zone = sample_zone();
    char *answer;

    tell(zone, &kind_service, api, WATCH_DELETED);
    answer = ask(zone, "api.prod.svc.cluster.local.", LDNS_RR_TYPE_A);
    assert_string_equal(answer, "NXDOMAIN");
    free(answer);
    dns_zone_free(zone);
}

static void what_does_not_fit_says_truncated(void **state)
{
    DnsZone *zone = dns_zone_new("cluster.local");
    _strbuf_ StrBuf many = STRBUF_INIT;
    ldns_pkt *query = ldns_pkt_query_new(ldns_dname_new_frm_str("web.default.svc.cluster.local."),
                                         LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD),
             *reply;
    uint8_t *wire, out[65535];
    size_t n, out_n;

    strbuf_add(&many, slice, (size_t)(strstr(slice, "\"endpoints\":[") + 13 - slice));
    for (int i = 1; i < 200; i++)
        strbuf_printf(&many, "%s{\"addresses\":[\"10.42.1.%d\"]}", i > 1 ? "," : "", i);
    strbuf_add_string(&many, "]}");
    tell(zone, &kind_service, web, WATCH_ADDED);
    tell(zone, &kind_endpoint_slice, many.p, WATCH_ADDED);
    assert_int_equal(ldns_pkt2wire(&wire, query, &n), LDNS_STATUS_OK);
    ldns_pkt_free(query);

    assert_int_equal(dns_zone_answer(zone, (Bytes){wire, n}, 0, out, &out_n), 0);
    assert_true(out_n <= 512);
    assert_int_equal(ldns_wire2pkt(&reply, out, out_n), LDNS_STATUS_OK);
    assert_true(ldns_pkt_tc(reply));
    assert_int_equal(ldns_pkt_ancount(reply), 0);
    ldns_pkt_free(reply);

    assert_int_equal(dns_zone_answer(zone, (Bytes){wire, n}, 65535, out, &out_n), 0);
    assert_int_equal(ldns_wire2pkt(&reply, out, out_n), LDNS_STATUS_OK);
    assert_int_equal(ldns_pkt_ancount(reply), 199);
    ldns_pkt_free(reply);
    free(wire);
    dns_zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_answer_as_kubernetes_has_them),
        cmocka_unit_test(a_deleted_service_is_gone_at_once),
        cmocka_unit_test(what_does_not_fit_says_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
