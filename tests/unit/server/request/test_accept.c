/* SPDX-License-Identifier: Apache-2.0 */
/* Accept headers: the form of the response that a client gets for each. */
#include "testing.h"

#include "server/request/call.h"

/* ---- Accept ---- */

static void accept_headers_choose_the_form(void **state)
{
    enum { ALL = ACCEPT_TABLE | ACCEPT_PARTIAL };
    static const struct {
        const char *header;
        unsigned forms;
        bool served;
        AcceptAs as;
        AcceptType type;
    } cases[] = {
        {NULL, ALL, true, AS_OBJECT, TYPE_JSON},
        {"*/*", ALL, true, AS_OBJECT, TYPE_JSON},
        {"application/json, */*", ALL, true, AS_OBJECT, TYPE_JSON},
        {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", ALL, true, AS_TABLE,
         TYPE_JSON},
        {"application/json;as=Table;g=meta.k8s.io;v=v9,application/json", ALL, true, AS_OBJECT,
         TYPE_JSON},
        {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", ALL, true,
         AS_PARTIAL_LIST, TYPE_JSON},
        {"application/vnd.kubernetes.protobuf,application/json", ALL, true, AS_OBJECT, TYPE_JSON},
        {"application/vnd.kubernetes.protobuf", ALL, true, AS_OBJECT, TYPE_PROTOBUF},
        {"application/vnd.kubernetes.protobuf", ACCEPT_STREAM, false, AS_OBJECT, TYPE_JSON},
        {"application/yaml", ALL, true, AS_OBJECT, TYPE_YAML},
        {"application/json;as=Table;v=v1;g=meta.k8s.io", 0, false, AS_OBJECT, TYPE_JSON},
        {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", ACCEPT_TABLE, false,
         AS_OBJECT, TYPE_JSON},
        {"text/html", ALL, false, AS_OBJECT, TYPE_JSON},
        {"text/html;q=0.9,*/*;q=0.1", ALL, true, AS_OBJECT, TYPE_JSON},
        {",;=,;;", ALL, false, AS_OBJECT, TYPE_JSON},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _arena_ Arena arena = ARENA_INIT;
        Accept accept;

        assert_int_equal(accept_parse(cases[i].header, &arena, cases[i].forms, &accept),
                         cases[i].served);
        if (!cases[i].served)
            continue;
        assert_int_equal(accept.as, cases[i].as);
        assert_int_equal(accept.type, cases[i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_headers_choose_the_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
