/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of tables, options, durations, URLs, and what a wrong command line says. */
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/suggest.h"
#include "cli/table.h"

/* cmocka's macro would rename our function. */
#include "testing.h"

static void lay_out(Layout *layout, const char *text, const char *expected)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    layout_text(layout, bytes_from_string(text), &out);
    assert_string_equal(strbuf_string(&out), expected);
}

static void columns_are_as_wide_as_their_widest_cell_and_three_blanks(void **state)
{
    Layout layout = LAYOUT_TABLE;

    lay_out(&layout, "NAME\tREADY\tAGE\nweb-0\t1/1\t5s\n",
            "NAME    READY   AGE\nweb-0   1/1     5s\n");
    lay_out(&layout, "a\tb\tc\n", "a       b       c\n"); /* never narrower */
    layout_deinit(&layout);
}

static void a_line_without_the_column_parts_its_blocks(void **state)
{
    Layout layout = LAYOUT_DESCRIBE;

    lay_out(&layout, "Name:\tx\nLabels:\ta=1\n\tb=2\nList:\n  Type:\tlong\n  T:\tz\n",
            "Name:    x\nLabels:  a=1\n         b=2\nList:\n  Type:  long\n  T:     z\n");
    lay_out(&layout, "é:\tx\nab:\ty\n", "é:   x\nab:  y\n"); /* characters, not bytes */
    lay_out(&layout, "", "");
    layout_deinit(&layout);
}

static void durations_are_read_in_units(void **state)
{
    int64_t ns = 0;

    assert_int_equal(duration_parse("1h30m", &ns), 0);
    assert_true(ns == INT64_C(5400) * 1000000000);
    assert_int_equal(duration_parse("250ms", &ns), 0);
    assert_true(ns == 250000000);
    assert_int_equal(duration_parse("7", &ns), 0);
    assert_true(ns == INT64_C(7) * 1000000000);
    assert_int_not_equal(duration_parse("", &ns), 0);
    assert_int_not_equal(duration_parse("5x", &ns), 0);
    assert_int_not_equal(duration_parse("-5s", &ns), 0);
    assert_int_not_equal(duration_parse("99999999999s", &ns), 0);
}

static const Command command = {
    .name = "exec", .options = OPTIONS_API | OPTIONS_EXEC | OPTIONS_DELETE | OPTIONS_FILES};

static void letters_join_and_two_dashes_end_options(void **state)
{
    const char *argv[] = {"-it", "-nkube", "web-0", "--wait=false", "-f",
                          "a",   "-f=b",   "--",    "ls",           "-l"};
    Options options;

    assert_int_equal(options_parse(&command, ARRAY_LEN(argv), (char **)argv, &options), 0);
    assert_true(options.standard_in && options.tty && options.no_wait);
    assert_string_equal(options.ns, "kube");
    assert_int_equal(options.files.n, 2);
    assert_string_equal(options.files.v[1], "b");
    assert_int_equal(options.n_before_dashes, 1);
    assert_int_equal(options.n_words, 3);
    assert_string_equal(options.words[2], "-l");
    arena_clear(&options.arena);
}

static void an_option_of_another_command_is_refused(void **state)
{
    const char *argv[] = {"--replicas=3"};
    Options options;

    assert_int_equal(options_parse(&command, 1, (char **)argv, &options), 2);
    arena_clear(&options.arena);
}

/* ---- what a wrong command line says ---- */

/* Parses the arguments, wants them refused, and returns what that printed on standard error. */
static const char *refusal_of(const Command *of, int n, const char *const *argv,
                              char text[static 512])
{
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    Options options;
    size_t length;

    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    assert_int_equal(options_parse(of, n, (char **)(uintptr_t)argv, &options), 2);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    length = fread(text, 1, 511, file);
    text[length] = 0;
    fclose(file);
    arena_clear(&options.arena);
    return text;
}

static void a_wrong_option_says_what_would_be_right(void **state)
{
    static const Command up = {.name = "up", .options = OPTIONS_LOCAL};
    static const struct {
        const char *option, *value, *said;
    } cases[] = {
        {"--dta", "/x", "stead: 'up' has no option --dta; did you mean --data?"},
        {"--dta=/x", NULL, "stead: 'up' has no option --dta; did you mean --data?"},
        {"--pod-cdir", "10.0.0.0/24", "did you mean --pod-cidr?"},
        {"--replicas=3", NULL,
         "stead: 'up' has no option --replicas. See 'stead help up' for its options."},
        {"-x", NULL, "stead: 'up' has no option -x. See 'stead help up' for its options."},
        {"--data", NULL, "stead: --data needs a value: --data DIR"},
        {"--no-network=perhaps", NULL,
         "stead: --no-network=perhaps: give --no-network or --no-network=false"},
        {"--pod-cidr", "10.0.0.0",
         "stead: --pod-cidr 10.0.0.0: give an IPv4 range such as 10.42.0.0/24"},
        {"--service-cidr", "10.0.0.0/40",
         "--service-cidr 10.0.0.0/40: give an IPv4 range such as 10.96.0.0/12"},
        {"--lb-cidr", "x", "--lb-cidr x: give an IPv4 range such as 10.43.0.0/24"},
        {"--lb-cidr", "10.42.0.0/28", "--pod-cidr 10.42.0.0/24 and --lb-cidr 10.42.0.0/28 overlap"},
        {"--external-ips", "192.0.2.0/33", "--external-ips 192.0.2.0/33: give IPv4 ranges"},
        {"--dns-ip", "1.2.3", "--dns-ip 1.2.3: give an IPv4 address"},
        {"--instance", "seven77", "--instance seven77: give a name of at most 6 characters"},
        {"--listen", "6443", "--listen 6443: give an address and a port"},
        {"--listen", ":6443", "--listen :6443: give an address and a port"},
        {"--listen", "127.0.0.1:65536", "--listen 127.0.0.1:65536: give an address and a port"},
        {"--log-level", "loud", "--log-level loud: choose error, warn, info or debug"},
        {"--log-format", "xml", "--log-format xml: choose text or json"},
    };
    char text[512];

    EACH_ROW(i, cases, cases[i].option) {
        const char *argv[] = {cases[i].option, cases[i].value};
        const char *said = refusal_of(&up, cases[i].value ? 2 : 1, argv, text);

        if (!strstr(said, cases[i].said))
            fail_msg("%s %s: %s", cases[i].option, str_or(cases[i].value, ""), said);
    }
}

static void ranges_and_the_address_of_dns_have_usual_values(void **state)
{
    static const Command up = {.name = "up", .options = OPTIONS_LOCAL};
    const char *argv[] = {"--service-cidr", "10.112.0.0/16"};
    OptionRange ranges[OPTIONS_RANGES];
    Options options;

    assert_int_equal(options_parse(&up, 2, (char **)argv, &options), 0);
    options_ranges(&options, ranges);
    assert_string_equal(ranges[RANGE_PODS].text, "10.42.0.0/24");
    assert_string_equal(ranges[RANGE_SERVICES].text, "10.112.0.0/16");
    assert_int_equal(ranges[RANGE_SERVICES].cidr.bits, 16);
    assert_string_equal(ranges[RANGE_LOAD_BALANCERS].name, "--lb-cidr");
    assert_string_equal(options.dns_ip, "10.112.0.10");
    assert_string_equal(options_address(&options.arena, options.pod_cidr, 1), "10.42.0.1");
    arena_clear(&options.arena);
}

static void what_was_meant_is_the_closest_name(void **state)
{
    static const char *const names[] = {"up",     "down",    "logs",   "describe",
                                        "delete", "rollout", "--data", "--run"};
    static const struct {
        const char *word, *meant;
    } cases[] = {
        {"dwon", "down"},
        {"lgos", "logs"},
        {"describ", "describe"},
        {"rollouts", "rollout"},
        {"upp", "up"},
        {"dele", "delete"},
        {"--dta", "--data"},
        {"--rnu", "--run"},
        {"de", NULL},
        {"x", NULL},
        {"", NULL},
        {"--", NULL},
        {"xyzzy", NULL},
        {"dogma", NULL},
        {"ux", NULL},
        {"dxxn", NULL},
        {"dexxxibe", NULL},
        {"dexxribe", "describe"},
        {"logging", NULL},
        {"logsandmuchmorethanthat", "logs"},
        {"a-word-of-very-many-letters-indeed", NULL},
    };

    EACH_ROW(i, cases, cases[i].word) {
        Suggestion suggestion = {.word = cases[i].word};

        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            suggestion_offer(&suggestion, names[k]);
        if (!str_equal(suggestion.best, cases[i].meant))
            fail_msg("%s: %s", cases[i].word, str_or(suggestion.best, "none"));
    }
}

static void a_segment_and_a_value_are_encoded(void **state)
{
    _strbuf_ StrBuf url = STRBUF_INIT;

    strbuf_add_string(&url, "/api");
    url_add_segment(&url, "system:a/b c");
    url_add_query(&url, "labelSelector", "a=b,c!=\xc3\xa9");
    url_add_query(&url, "limit", "5");
    assert_string_equal(strbuf_string(&url),
                        "/api/system:a%2Fb%20c?labelSelector=a%3Db%2Cc%21%3D%C3%A9&limit=5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell_and_three_blanks),
        cmocka_unit_test(a_line_without_the_column_parts_its_blocks),
        cmocka_unit_test(durations_are_read_in_units),
        cmocka_unit_test(letters_join_and_two_dashes_end_options),
        cmocka_unit_test(an_option_of_another_command_is_refused),
        cmocka_unit_test(a_wrong_option_says_what_would_be_right),
        cmocka_unit_test(ranges_and_the_address_of_dns_have_usual_values),
        cmocka_unit_test(what_was_meant_is_the_closest_name),
        cmocka_unit_test(a_segment_and_a_value_are_encoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
