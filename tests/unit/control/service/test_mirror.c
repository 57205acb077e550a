/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints that users write, as EndpointSlices. */
#include "../workload_rig.h"

#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"

typedef struct Lines {
    Arena *arena;
    const char *v[64];
    size_t n;
} Lines;

static void print_slice(Lines *lines, const EndpointSlice *slice)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    strbuf_add_string(&out, slice->address_type);
    for (size_t i = 0; i < slice->ports.n; i++)
        strbuf_printf(&out, " %s:%d/%s", slice->ports.v[i].name, *slice->ports.v[i].port,
                      slice->ports.v[i].protocol);
    if (slice->endpoints.n > 8)
        strbuf_printf(&out, " %zu endpoints", slice->endpoints.n);
    for (size_t i = 0; slice->endpoints.n <= 8 && i < slice->endpoints.n; i++)
        strbuf_printf(&out, " %s%s", slice->endpoints.v[i].addresses.v[0],
                      *slice->endpoints.v[i].conditions.ready ? "" : "(not ready)");
    assert_true(lines->n < ARRAY_LEN(lines->v));
    lines->v[lines->n++] = arena_strdup(lines->arena, strbuf_string(&out));
}

static bool on_slice(void *data, Object *object)
{
    const EndpointSlice *slice = OBJECT_AS(EndpointSlice, object);

    if (str_equal(string_map_get(&slice->metadata.labels, "endpointslice.kubernetes.io/managed-by"),
                  "endpointslicemirroring-controller.k8s.io"))
        print_slice(data, slice);
    return true;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A line for each mirrored slice, sorted. */
static const char *mirrored(Rig *rig)
{
    Lines lines = {.arena = &rig->arena};
    _strbuf_ StrBuf out = STRBUF_INIT;

    client_list(rig->client, &kind_endpoint_slice, &(ListOptions){.ns = "default"}, on_slice,
                &lines);
    qsort(lines.v, lines.n, sizeof(lines.v[0]), compare_lines);
    for (size_t i = 0; i < lines.n; i++)
        strbuf_printf(&out, "%s%s", i ? "; " : "", lines.v[i]);
    return arena_strdup(&rig->arena, strbuf_string(&out));
}

static bool on_any(void *data, Object *object)
{
    if (!str_equal(object_meta(object)->name, "kubernetes"))
        *(const EndpointSlice **)data = OBJECT_AS(EndpointSlice, object);
    return true;
}

static const EndpointSlice *only_slice(Rig *rig)
{
    const EndpointSlice *slice = NULL;

    client_list(rig->client, &kind_endpoint_slice, &(ListOptions){.ns = "default"}, on_any, &slice);
    return slice;
}

static void merge(Rig *rig, const Kind *kind, const char *name, const char *patch)
{
    char *json = arena_strdup(&rig->arena, patch);

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    client_patch(rig->client, kind, "default", name, PATCH_MERGE, bytes_from_string(json), NULL,
                 on_written, rig);
    settle(rig);
    assert_int_equal(rig->last, STATUS_OK);
}

#define SERVICE "{'metadata':{'name':'db','namespace':'default'},'spec':{'ports':[{'port':80}]}}"
#define ENDPOINTS(meta, subsets) \
    "{'metadata':{'name':'db','namespace':'default'" meta "},'subsets':[" subsets "]}"
#define ONE "{'addresses':[{'ip':'10.1.2.3'}],'ports':[{'port':80}]}"

static const struct {
    const char *subsets, *slices;
} cases[] = {
    {ONE, "IPv4 :80/TCP 10.1.2.3"},
    {"", ""},
    {"{'addresses':[{'ip':'10.1.2.3'}]}", "IPv4 10.1.2.3"},
    {"{'notReadyAddresses':[{'ip':'10.1.2.3'}],'ports':[{'port':80}]}",
     "IPv4 :80/TCP 10.1.2.3(not ready)"},
    {"{'addresses':[{'ip':'10.1.2.3'},{'ip':'fd00::1'}],'ports':[{'name':'a','port':80,'protocol':"
     "'UDP'}]}",
     "IPv4 a:80/UDP 10.1.2.3; IPv6 a:80/UDP fd00::1"},
    {"{'addresses':[{'ip':'10.1.2.3'}],'ports':[{'name':'a','port':80},{'name':'b','port':81}]},"
     "{'addresses':[{'ip':'10.1.2.4'}],'ports':[{'name':'b','port':81},{'name':'a','port':80}]}",
     "IPv4 a:80/TCP b:81/TCP 10.1.2.3 10.1.2.4"},
    {"{'addresses':[{'ip':'10.1.2.3'}],'ports':[{'name':'a','port':80}]},"
     "{'addresses':[{'ip':'10.1.2.3'}],'ports':[{'name':'b','port':81}]}",
     "IPv4 a:80/TCP b:81/TCP 10.1.2.3"},
    {"{'addresses':[{'ip':'10.1.2.3'}],'ports':[{'port':80}]},"
     "{'addresses':[{'ip':'10.1.2.3'}],'ports':[{'port':81}]}",
     "IPv4 :80/TCP 10.1.2.3; IPv4 :81/TCP 10.1.2.3"},
    {ONE "," ONE, "IPv4 :80/TCP 10.1.2.3"},
    {"{'addresses':[{'ip':'10.1.2.3'}],'ports':[{'port':80}]},"
     "{'addresses':[{'ip':'10.1.2.4'}],'ports':[{'port':81}]}",
     "IPv4 :80/TCP 10.1.2.3; IPv4 :81/TCP 10.1.2.4"},
};

static void subsets_become_slices(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service, SERVICE);
    create(rig, &kind_endpoints, ENDPOINTS("", ""));
    EACH_ROW(i, cases, cases[i].subsets) {
        merge(rig, &kind_endpoints, "db",
              arena_printf(&rig->arena, "{'subsets':[%s]}", cases[i].subsets));
        assert_string_equal(mirrored(rig), cases[i].slices);
    }
}

static void a_slice_has_the_labels_of_its_endpoints(void **state)
{
    Rig *rig = *state;
    const EndpointSlice *slice;

    create(rig, &kind_service, SERVICE);
    create(rig, &kind_endpoints,
           ENDPOINTS(",'labels':{'a':'b'},'annotations':{'c':'d',"
                     "'kubectl.kubernetes.io/last-applied-configuration':'x'}",
                     ONE));
    slice = only_slice(rig);
    assert_string_equal(string_map_get(&slice->metadata.labels, "a"), "b");
    assert_string_equal(string_map_get(&slice->metadata.labels, "kubernetes.io/service-name"),
                        "db");
    assert_int_equal(slice->metadata.annotations.n, 1);
    assert_string_equal(slice->metadata.owner_references.v[0].kind, "Endpoints");
    assert_true(*slice->metadata.owner_references.v[0].controller);
    merge(rig, &kind_endpoints, "db", "{'metadata':{'annotations':{'c':'e'}}}");
    assert_string_equal(string_map_get(&only_slice(rig)->metadata.annotations, "c"), "e");
}

static void what_is_not_to_be_mirrored_is_not(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_endpoints, ENDPOINTS("", ONE));
    assert_string_equal(mirrored(rig), ""); /* there is no Service */
    create(rig, &kind_service, SERVICE);
    assert_string_equal(mirrored(rig), "IPv4 :80/TCP 10.1.2.3");
    merge(rig, &kind_endpoints, "db",
          "{'metadata':{'labels':{'endpointslice.kubernetes.io/skip-mirror':'true'}}}");
    assert_string_equal(mirrored(rig), "");
    merge(rig, &kind_endpoints, "db",
          "{'metadata':{'labels':{'endpointslice.kubernetes.io/skip-mirror':null}}}");
    assert_string_equal(mirrored(rig), "IPv4 :80/TCP 10.1.2.3");
    merge(rig, &kind_endpoints, "db",
          "{'metadata':{'annotations':{'control-plane.alpha.kubernetes.io/leader':'x'}}}");
    assert_string_equal(mirrored(rig), "");
    merge(rig, &kind_endpoints, "db", "{'metadata':{'annotations':null}}");
    assert_string_equal(mirrored(rig), "IPv4 :80/TCP 10.1.2.3");
    merge(rig, &kind_service, "db", "{'spec':{'selector':{'a':'b'}}}");
    assert_string_equal(mirrored(rig), "");
}

static void slices_go_with_what_they_mirror(void **state)
{
    Rig *rig = *state;

    create(rig, &kind_service, SERVICE);
    create(rig, &kind_endpoints, ENDPOINTS("", ONE));
    delete (rig, &kind_endpoint_slice, "default", only_slice(rig)->metadata.name, NULL);
    assert_string_equal(mirrored(rig), "IPv4 :80/TCP 10.1.2.3"); /* made again */
    delete (rig, &kind_endpoints, "default", "db", NULL);
    assert_string_equal(mirrored(rig), "");
    create(rig, &kind_endpoints, ENDPOINTS("", ONE));
    assert_string_equal(mirrored(rig), "IPv4 :80/TCP 10.1.2.3");
    delete (rig, &kind_service, "default", "db", NULL);
    assert_string_equal(mirrored(rig), "");
}

static void more_than_a_thousand_addresses_are_told(void **state)
{
    Rig *rig = *state;
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_add_string(&text, "{'metadata':{'name':'db','namespace':'default'},'subsets':[{'ports':"
                             "[{'port':80}],'addresses':[");
    for (unsigned i = 0; i < 1010; i++)
        strbuf_printf(&text, "%s{'ip':'10.1.%u.%u'}", i ? "," : "", i / 250, i % 250);
    strbuf_add_string(&text, "]}]}");
    create(rig, &kind_service, SERVICE);
    create(rig, &kind_endpoints, strbuf_string(&text));
    assert_string_equal(mirrored(rig), "IPv4 :80/TCP 1000 endpoints");
    assert_string_equal(event_message(rig, "TooManyAddressesToMirror"),
                        "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints "
                        "subset. 10 addresses were skipped");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(subsets_become_slices),
        TEST(a_slice_has_the_labels_of_its_endpoints),
        TEST(what_is_not_to_be_mirrored_is_not),
        TEST(slices_go_with_what_they_mirror),
        TEST(more_than_a_thousand_addresses_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
