/* SPDX-License-Identifier: Apache-2.0 */
/* Any packet gets an answer, a forward or nothing, and never more than the limit. */
#include "api/schema/core_service_v1.h"
#include "codec/json/json.h"
#include "dns/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static DnsZone *sample(void)
{
    static const char text[] =
        "{\"metadata\":{\"name\":\"api\",\"namespace\":\"prod\"},\"spec\":{\"clusterIP\":\"10.96.3."
        "4\","
        "\"ports\":[{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\"}]}}";
    DnsZone *zone = dns_zone_new("cluster.local");
    _object_ Object *object = object_new(&kind_service);
    DecodeReport report = {0};
    yyjson_doc *doc;

    ASSERT(json_parse(&object->arena, BYTES_LITERAL(text), &doc, &report) == 0);
    ASSERT(json_decode(kind_service.type, &object->arena, yyjson_doc_get_root(doc), 0, NULL,
                       object->value, &report) == 0);
    dns_zone_on_event(zone, &(WatchEvent){.type = WATCH_ADDED, .object = object});
    return zone;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static DnsZone *zone;
    uint8_t out[65535];
    size_t n = 0;

    if (!zone)
        zone = sample();
    if (dns_zone_answer(zone, (Bytes){data, size}, 0, out, &n) == 0)
        ASSERT(n >= 12 && n <= 1232 && (out[2] & 0x80));
    if (dns_zone_answer(zone, (Bytes){data, size}, sizeof(out), out, &n) == 0)
        ASSERT(n >= 12 && n <= sizeof(out));
    return 0;
}
