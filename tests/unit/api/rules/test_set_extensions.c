/* SPDX-License-Identifier: Apache-2.0 */
/* What stead adds to StatefulSets: lists of ordinals, its annotations, and changes of
 * volumeClaimTemplates. */
#include "../rules_fixture.h"
#include "api/object.h"
#include "api/stateful_set.h"

/* ---- ordinals ---- */

static void lists_of_ordinals_are_parsed(void **state)
{
    static const struct {
        const char *text;
        const char *ranges; /* "1-1 4-6"; NULL: refused */
        const char *why;
    } rows[] = {
        {"", ""},
        {NULL, ""},
        {"0", "0-0"},
        {"1,4-6", "1-1 4-6"},
        {" 4-6 , 1 ", "1-1 4-6"},
        {"5-5,2147483647", "5-5 2147483647-2147483647"},
        {"1,2,3", "1-1 2-2 3-3"},
        {"x", NULL, "\"x\" is neither an ordinal nor a range such as 4-6"},
        {"1,", NULL, "\"\" is neither an ordinal nor a range such as 4-6"},
        {"-1", NULL, "\"-1\" is neither an ordinal nor a range such as 4-6"},
        {"6-4", NULL, "\"6-4\" is neither an ordinal nor a range such as 4-6"},
        {"1-", NULL, "\"1-\" is neither an ordinal nor a range such as 4-6"},
        {"1-2-3", NULL, "\"1-2-3\" is neither an ordinal nor a range such as 4-6"},
        {"2147483648", NULL, "\"2147483648\" is neither an ordinal nor a range such as 4-6"},
        {"3,1-3", NULL, "ordinal 3 is listed twice"},
        {"1,1", NULL, "ordinal 1 is listed twice"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        OrdinalSet set;
        const char *why = NULL;
        int r = ordinal_set_parse(&arena, rows[i].text, &set, &why);

        assert_int_equal(r > 0, rows[i].ranges == NULL);
        if (r) {
            assert_string_equal(why, rows[i].why);
            assert_int_equal(set.n, 0);
            continue;
        }
        for (size_t k = 0; k < set.n; k++)
            strbuf_printf(&out, "%s%" PRId64 "-%" PRId64, k ? " " : "", set.v[k].first,
                          set.v[k].last);
        assert_string_equal(strbuf_string(&out), rows[i].ranges);
    }
}

static void a_list_knows_its_ordinals(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    OrdinalSet set;
    const char *why;

    assert_int_equal(ordinal_set_parse(&arena, "1,4-6,9", &set, &why), 0);
    for (int64_t i = 0; i < 12; i++)
        assert_int_equal(ordinal_set_has(&set, i), i == 1 || (i >= 4 && i <= 6) || i == 9);
}

static StatefulSet *set_of(Arena *arena, int32_t replicas, int32_t start, const char *reserved)
{
    StatefulSet *set = arena_new(arena, StatefulSet);

    set->spec.replicas = arena_int32(arena, replicas);
    set->spec.ordinals = arena_new(arena, StatefulSetOrdinals);
    set->spec.ordinals->start = start;
    string_map_put(arena, &set->metadata.annotations, SET_RESERVED_ORDINALS, reserved);
    return set;
}

static void replicas_counts_ordinals_that_are_not_reserved(void **state)
{
    static const struct {
        int32_t replicas, start;
        const char *reserved, *wanted;
    } rows[] = {
        {3, 0, "", "0 1 2"},
        {3, 0, "1", "0 2 3"},
        {3, 0, "0-1,3", "2 4 5"},
        {2, 5, "1-3", "5 6"},
        {2, 5, "4-5", "6 7"},
        {2, 0, "2", "0 1"},
        {2, 0, "1,2", "0 3"},
        {0, 0, "0", ""},
        {1, 3, "0-10", "11"},
        {3, 0, "1,3,5", "0 2 4"},
        {2, 0, "0-2147483647", "2147483648 2147483649"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _arena_ Arena arena = ARENA_INIT;
        _strbuf_ StrBuf out = STRBUF_INIT;
        SetOrdinals ordinals = stateful_set_ordinals(
            &arena, set_of(&arena, rows[i].replicas, rows[i].start, rows[i].reserved));

        for (int64_t at = set_ordinals_from(&ordinals, ordinals.start); at < ordinals.end;
             at = set_ordinals_from(&ordinals, at + 1)) {
            assert_true(set_ordinals_want(&ordinals, at));
            strbuf_printf(&out, "%s%" PRId64, out.n ? " " : "", at);
        }
        assert_string_equal(strbuf_string(&out), rows[i].wanted);
        assert_false(set_ordinals_want(&ordinals, ordinals.start - 1));
        assert_false(set_ordinals_want(&ordinals, ordinals.end));
    }
}

/* ---- annotations ---- */

#define SPEC                                                                                       \
    "'spec':{'serviceName':'web','selector':{'matchLabels':{'app':'web'}},'template':{'metadata':" \
    "{"                                                                                            \
    "'labels':{'app':'web'}},'spec':{'containers':[{'name':'a','image':'b'}]}},"                   \
    "'volumeClaimTemplates':[%s]}"
#define CLAIM(extra, size)                                                                       \
    "{'metadata':{'name':'data'" extra "},'spec':{'accessModes':['ReadWriteOnce'],'resources':{" \
    "'requests':{'storage':'" size "'}}}}"
#define SET(annotations, claims)                                                  \
    "{'metadata':{'name':'web','namespace':'default','annotations':{" annotations \
    "}}," SPEC_OF(claims) "}"
#define SPEC_OF(claims)                                                                            \
    "'spec':{'serviceName':'web','selector':{'matchLabels':{'app':'web'}},'template':{'metadata':" \
    "{"                                                                                            \
    "'labels':{'app':'web'}},'spec':{'containers':[{'name':'a','image':'b'}]}},"                   \
    "'volumeClaimTemplates':[" claims "]}"
#define BASE CLAIM("", "2Gi")
#define GIVEN(text) "'stead.dev/volume-claim-templates':'" text "'"
#define AT(key) "metadata.annotations[stead.dev/" key "]: "
#define ONLY                                                              \
    "only the name, labels, annotations, resources.requests.storage and " \
    "volumeAttributesClassName of a "                                     \
    "claim template can be given here\n"

static StatefulSet *set_from(Arena *arena, const char *json)
{
    return value_from(arena, &kind_stateful_set, json);
}

static void annotations_are_checked(void **state)
{
    static const struct {
        const char *json, *causes;
    } rows[] = {
        {SET("'stead.dev/reserved-ordinals':'1,4-6','stead.dev/paused-ordinals':'2,7'", BASE), ""},
        {SET("'stead.dev/update-strategy':'Recreate'", BASE), ""},
        {SET("'stead.dev/reserved-ordinals':'one'", BASE),
         AT("reserved-ordinals") "Invalid value: \"one\": \"one\" is neither an ordinal nor a "
                                 "range "
                                 "such as 4-6\n"},
        {SET("'stead.dev/paused-ordinals':'3-1'", BASE),
         AT("paused-ordinals") "Invalid value: \"3-1\": \"3-1\" is neither an ordinal nor a range "
                               "such as 4-6\n"},
        {SET("'stead.dev/reserved-ordinals':'1,5-9','stead.dev/paused-ordinals':'3,7'", BASE),
         AT("paused-ordinals") "Forbidden: ordinal 7 is reserved, too\n"},
        {SET("'stead.dev/reserved-ordinals':'4','stead.dev/paused-ordinals':'3-5'", BASE),
         AT("paused-ordinals") "Forbidden: ordinal 4 is reserved, too\n"},
        {SET("'stead.dev/update-strategy':'OnDelete'", BASE),
         AT("update-strategy") "Invalid value: \"OnDelete\": must be 'Recreate'; "
                               "spec.updateStrategy has the other strategies\n"},
        {SET(GIVEN("[{\\\"metadata\\\":{\\\"name\\\":\\\"data\\\",\\\"labels\\\":{\\\"a\\\":"
                   "\\\"b\\\"}},"
                   "\\\"spec\\\":{\\\"volumeAttributesClassName\\\":\\\"x\\\"}}]"),
             BASE),
         ""},
        {SET(GIVEN("2Gi"), BASE), AT("volume-claim-templates") "Invalid value: \"2Gi\": "},
        {SET(GIVEN("{}"), BASE),
         AT("volume-claim-templates") "Invalid value: \"{}\": must be a JSON list of claim "
                                      "templates\n"},
        {SET(GIVEN("[{\\\"metadata\\\":{\\\"name\\\":\\\"logs\\\"}}]"), BASE),
         AT("volume-claim-templates") "Not found: \"logs\"\n"},
        {SET(GIVEN("[{\\\"metadata\\\":{\\\"name\\\":\\\"data\\\"},\\\"spec\\\":{\\\"resources\\\":"
                   "{\\\"requests\\\":{\\\"storage\\\":\\\"1Gi\\\"}}}}]"),
             BASE),
         AT("volume-claim-templates") "Forbidden: the claims of template data cannot become "
                                      "smaller "
                                      "than 2Gi\n"},
        {SET(GIVEN("[{\\\"spec\\\":{\\\"storageClassName\\\":\\\"x\\\"}}]"), BASE),
         AT("volume-claim-templates") "Invalid value: \"[{\\\"spec\\\":{\\\"storageClassName\\\":"
                                      "\\\"x\\\"}}]\": " ONLY},
        {SET(GIVEN("[{\\\"metadata\\\":{\\\"name\\\":\\\"data\\\",\\\"labels\\\":{\\\"a\\\":\\\"b "
                   "c\\\"}}}]"),
             BASE),
         AT("volume-claim-templates") "Invalid value: \"b c\": "},
    };

    EACH_ROW(i, rows, rows[i].json) {
        _arena_ Arena arena = ARENA_INIT;
        Causes causes = {.arena = &arena};
        size_t n = strlen(rows[i].causes);

        kind_stateful_set.rules->validate(set_from(&arena, rows[i].json), NULL, &causes);
        if (n && rows[i].causes[n - 1] != '\n')
            assert_true(str_starts_with(causes_text(&causes), rows[i].causes));
        else
            assert_string_equal(causes_text(&causes), rows[i].causes);
    }
}

/* ---- changes of volumeClaimTemplates ---- */

#define IMMUTABLE                                                                                  \
    "only a larger resources.requests.storage, volumeAttributesClassName, labels and annotations " \
    "of "                                                                                          \
    "a claim template may change\n"
#define WHOLE_SPEC                                                                                \
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', " \
    "'template', 'updateStrategy', 'revisionHistoryLimit', "                                      \
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden\n"
#define OTHER(members) \
    "{'metadata':{'name':'data'},'spec':{'accessModes':['ReadWriteOnce']," members "}}"

static void claim_templates_may_change_in_some_ways(void **state)
{
    static const struct {
        const char *claims, *causes;
    } rows[] = {
        {BASE, ""},
        {CLAIM("", "3Gi"), ""},
        {CLAIM("", "2048Mi"), ""},
        {CLAIM(",'labels':{'a':'b'},'annotations':{'c':'d'}", "2Gi"), ""},
        {OTHER("'volumeAttributesClassName':'fast','resources':{'requests':{'storage':'2Gi'}}"),
         ""},
        {CLAIM("", "1Gi"),
         "spec.volumeClaimTemplates[0].spec.resources.requests.storage: Forbidden: the claims of "
         "template data cannot become smaller than 2Gi\n"},
        {CLAIM(",'labels':{'a':'b c'}", "2Gi"),
         "spec.volumeClaimTemplates[0].metadata.labels: Invalid value: \"b c\": a valid label must "
         "be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
         "start "
         "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
         "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')\n"},
        {OTHER("'storageClassName':'x','resources':{'requests':{'storage':'2Gi'}}"),
         "spec.volumeClaimTemplates[0].spec.storageClassName: Forbidden: " IMMUTABLE},
        {OTHER("'volumeMode':'Block','resources':{'requests':{'storage':'2Gi'}}"),
         "spec.volumeClaimTemplates[0].spec.volumeMode: Forbidden: " IMMUTABLE},
        {OTHER("'resources':{'limits':{'storage':'9Gi'},'requests':{'storage':'2Gi'}}"),
         "spec.volumeClaimTemplates[0].spec.resources: Forbidden: " IMMUTABLE},
        {CLAIM(",'finalizers':['a/b']", "2Gi"),
         "spec.volumeClaimTemplates[0]: Forbidden: " IMMUTABLE},
        {"{'metadata':{'name':'logs'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{"
         "'requests':{'storage':'2Gi'}}}}",
         WHOLE_SPEC},
        {"", WHOLE_SPEC},
        {BASE ",{'metadata':{'name':'logs'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{"
              "'requests':{'storage':'2Gi'}}}}",
         WHOLE_SPEC},
    };

    EACH_ROW(i, rows, rows[i].claims) {
        _arena_ Arena arena = ARENA_INIT;

        assert_causes(&kind_stateful_set,
                      set_from(&arena, arena_printf(&arena,
                                                    "{'metadata':{'name':'web','namespace':"
                                                    "'default'}," SPEC "}",
                                                    rows[i].claims)),
                      set_from(&arena, SET("", BASE)), &arena, rows[i].causes);
    }
}

static void a_size_that_the_annotation_gave_cannot_be_taken_back(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *three =
        SET(GIVEN("[{\\\"metadata\\\":{\\\"name\\\":\\\"data\\\"},\\\"spec\\\":{\\\"resources\\\":{"
                  "\\\"requests\\\":{\\\"storage\\\":\\\"3Gi\\\"}}}}]"),
            BASE);

    assert_causes(&kind_stateful_set, set_from(&arena, SET("", BASE)), set_from(&arena, three),
                  &arena,
                  "spec.volumeClaimTemplates[0].spec.resources.requests.storage: Forbidden: the "
                  "claims of template data cannot become smaller than 3Gi\n");
    /* Both at once: the size moves from the annotation to the template. */
    assert_causes(&kind_stateful_set, set_from(&arena, SET("", CLAIM("", "3Gi"))),
                  set_from(&arena, three), &arena, "");
}

static const char *original_of(const StatefulSet *set)
{
    return string_map_get(&set->metadata.annotations, SET_ORIGINAL_CLAIM_TEMPLATES);
}

static StatefulSet *update(Arena *arena, const StatefulSet *before, const char *json)
{
    StatefulSet *set = set_from(arena, json);

    kind_stateful_set.rules->prepare(arena, set, before);
    return set;
}

static void the_first_change_notes_the_original_templates(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    StatefulSet *set = set_from(&arena, SET("", BASE));
    const char *original;

    kind_stateful_set.rules->prepare(&arena, set, NULL);
    assert_null(original_of(set));
    set = update(&arena, set, SET("", BASE));
    assert_null(original_of(set));
    set = update(&arena, set, SET("", CLAIM("", "3Gi")));
    original = original_of(set);
    assert_non_null(original);
    assert_non_null(strstr(original, "\"storage\":\"2Gi\""));
    /* Later changes keep it, also if the client does not send it or sends another one. */
    set = update(&arena, set, SET("", CLAIM("", "4Gi")));
    assert_string_equal(original_of(set), original);
    set = update(&arena, set, SET("'" SET_ORIGINAL_CLAIM_TEMPLATES "':'[]'", CLAIM("", "4Gi")));
    assert_string_equal(original_of(set), original);
    set = update(&arena, set_from(&arena, SET("", BASE)),
                 SET("'" SET_ORIGINAL_CLAIM_TEMPLATES "':'[]'", BASE));
    assert_null(original_of(set));
}

static void recreate_is_accepted_without_parameters(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    StatefulSet *set = set_from(&arena, SET("", BASE));

    set->spec.update_strategy = (StatefulSetUpdateStrategy){.type = "Recreate"};
    assert_causes(&kind_stateful_set, set, NULL, &arena, "");
    assert_true(stateful_set_recreates(set));
    set->spec.update_strategy.rolling_update = arena_new(&arena, RollingUpdateStatefulSetStrategy);
    assert_causes(&kind_stateful_set, set, NULL, &arena,
                  "spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for "
                  "updateStrategy 'RollingUpdate'\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_ordinals_are_parsed),
        cmocka_unit_test(a_list_knows_its_ordinals),
        cmocka_unit_test(replicas_counts_ordinals_that_are_not_reserved),
        cmocka_unit_test(annotations_are_checked),
        cmocka_unit_test(claim_templates_may_change_in_some_ways),
        cmocka_unit_test(a_size_that_the_annotation_gave_cannot_be_taken_back),
        cmocka_unit_test(the_first_change_notes_the_original_templates),
        cmocka_unit_test(recreate_is_accepted_without_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
