/* SPDX-License-Identifier: Apache-2.0 */
/* Settings, and who counts as the caller. */
#include "app_testing.h"

#include "config.h"

static int read_args(const char *const *args, Config *config, Err *err)
{
    char *argv[8] = {(char *)(uintptr_t) "time-server"};
    int argc = 1;

    for (; *args; args++)
        argv[argc++] = (char *)(uintptr_t)*args;
    *err = ERR_INIT;
    return config_read(argc, argv, config, err);
}

#define READ(...) read_args((const char *const[]){__VA_ARGS__, NULL}, &config, &err)

static void without_flags_all_has_a_value(void **state)
{
    Config config;
    Err err;

    assert_int_equal(read_args((const char *const[]){NULL}, &config, &err), 0);
    assert_string_equal(config.listen, ":5000");
    assert_string_equal(config.file, "visits");
    assert_string_equal(config.zone, "UTC");
    assert_ptr_equal(config.format, counter_format("text"));
    assert_int_equal(config.sync, SYNC_ALWAYS);
    assert_int_equal(config.trusted.n, 0);
}

static void a_flag_wins_over_the_environment(void **state)
{
    Config config;
    Err err;

    setenv("TIME_SERVER_FILE", "/env", 1);
    setenv("TIME_SERVER_SYNC", "never", 1);
    setenv("TIME_SERVER_LISTEN", "", 1);                   /* empty is as good as not there */
    setenv("TIME_SERVER_PORT", "tcp://10.96.0.7:5000", 1); /* Kubernetes' own */
    assert_int_equal(READ("--file", "/flag", "--format=binary"), 0);
    assert_string_equal(config.file, "/flag");
    assert_string_equal(config.listen, ":5000");
    assert_int_equal(config.sync, SYNC_NEVER);
    assert_ptr_equal(config.format, counter_format("binary"));
    assert_int_equal(READ("--file=/x", "--file=/y"), 0);
    assert_string_equal(config.file, "/y");
    unsetenv("TIME_SERVER_FILE");
    unsetenv("TIME_SERVER_SYNC");
    unsetenv("TIME_SERVER_LISTEN");
    unsetenv("TIME_SERVER_PORT");
}

static void every_form_of_an_address_is_taken(void **state)
{
    static const char *const good[] = {":0", "10.0.0.7:5000", "[::1]:65535", "unix:/run/x"};
    Config config;
    Err err;

    EACH_ROW(i, good, good[i]) {
        assert_int_equal(READ("--listen", good[i]), 0);
        assert_string_equal(config.listen, good[i]);
    }
}

static void a_wrong_value_is_named(void **state)
{
    static const struct {
        const char *flag, *says;
    } cases[] = {
        {"--listen=5000", "--listen=5000: give an IP address and a port"},
        {"--listen=localhost:5000", "--listen=localhost:5000: give an IP address"},
        {"--listen=::1:5000", "--listen=::1:5000: give an IP address"},
        {"--listen=[::1:5000", "--listen=[::1:5000: give an IP address"},
        {"--listen=[10.0.0.7]:5000", "--listen=[10.0.0.7]:5000: give an IP address"},
        {"--listen=:66000", "--listen=:66000: "},
        {"--listen=:", "--listen=:: "},
        {"--file=", "--file=: give the path"},
        {"--file=/tmp/", "--file=/tmp/: give the path"},
        {"--file=/tmp", "--file=/tmp: that is no file"},
        {"--file=/dev/null", "that is no file"},
        {"--format=json", "--format=json: give text, line, log, quoted or binary"},
        {"--zone=Mars/Olympus", "--zone=Mars/Olympus: there is no such time zone"},
        {"--zone=../../etc/passwd", "give the name of a zone"},
        {"--zone=/etc/localtime", "give the name of a zone"},
        {"--zone=Europe", "there is no such time zone"},
        {"--zone=", "give the name of a zone"},
        {"--sync=maybe", "--sync=maybe: give always, interval or never"},
        {"--trusted-proxies=10.0.0.0/33", "needs 0 to 32 bits"},
        {"--trusted-proxies=::1/129", "needs 0 to 128 bits"},
        {"--trusted-proxies=10.0.0.0/x", "needs 0 to 32 bits"},
        {"--trusted-proxies=::1,proxy", "\"proxy\" is no address"},
        {"--verbose", "there is no option --verbose"},
        {"visits", "there is no option visits"},
        {"--file", "--file needs a value: FILE"},
    };
    Config config;
    Err err;

    EACH_ROW(i, cases, cases[i].flag) {
        assert_true(READ(cases[i].flag) < 0);
        if (!strstr(err.message, cases[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].flag, err.message, cases[i].says);
    }
    setenv("TIME_SERVER_FORMAT", "xml", 1);
    assert_true(READ("--zone=UTC") < 0);
    assert_non_null(strstr(err.message, "TIME_SERVER_FORMAT=xml: "));
    unsetenv("TIME_SERVER_FORMAT");
}

static void help_and_version_ask_for_nothing_else(void **state)
{
    Config config;
    Err err;
    FILE *out = tmpfile();
    char text[4096] = "";

    assert_int_equal(READ("--help", "--nonsense"), 0);
    assert_true(config.help);
    assert_int_equal(READ("--version"), 0);
    assert_true(config.version);
    config_print_help(out);
    rewind(out);
    assert_true(fread(text, 1, sizeof(text) - 1, out) > 0);
    fclose(out);
    assert_non_null(strstr(text, "--trusted-proxies=NETWORKS"));
    assert_non_null(strstr(text, "TIME_SERVER_FILE, default \"visits\""));
}

/* ---- the caller ---- */

static void assert_caller(const char *trusted, const char *peer, const char *first,
                          const char *second, const char *expected)
{
    HttpPeer from = {.address = peer};
    const HttpHeader headers[] = {
        {"x-forwarded-for", first}, {"accept", "*/*"}, {"x-forwarded-for", second}};
    HttpRequest request = {.peer = &from,
                           .headers = headers,
                           .n_headers = second  ? 3
                                        : first ? 1
                                                : 0};
    Networks networks;
    char buf[CALLER_MAX];

    assert_int_equal(networks_parse(trusted, &networks, NULL), 0);
    caller_of(&request, &networks, buf);
    assert_string_equal(buf, expected);
}

static void the_caller_is_the_peer_unless_a_trusted_proxy_says_otherwise(void **state)
{
    assert_caller("", "10.0.0.1", NULL, NULL, "10.0.0.1");
    assert_caller("", "10.0.0.1", "1.2.3.4", NULL, "10.0.0.1");
    assert_caller("10.0.0.0/8", "10.0.0.1", "1.2.3.4", NULL, "1.2.3.4");
    assert_caller("10.0.0.0/8", "11.0.0.1", "1.2.3.4", NULL, "11.0.0.1");
    assert_caller("10.0.0.0/8", "10.0.0.1", NULL, NULL, "10.0.0.1");
    assert_caller("10.0.0.0/8", "::ffff:10.0.0.1", "1.2.3.4", NULL, "1.2.3.4");
    assert_caller("10.0.0.0/8", "::ffff:11.0.0.1", NULL, NULL, "11.0.0.1");
    assert_caller("10.0.0.1", "10.0.0.1", "2001:db8::7", NULL, "2001:db8::7");
    assert_caller("fe80::/10, 10.0.0.0/8", "fe80::1", "1.2.3.4", NULL, "1.2.3.4");
    assert_caller("0.0.0.0/0", "8.8.8.8", "1.2.3.4, 5.6.7.8", NULL, "1.2.3.4");
    assert_caller("10.0.0.0/8", NULL, "1.2.3.4", NULL, "local");
}

static void what_stands_before_an_untrusted_hop_is_not_believed(void **state)
{
    assert_caller("10.0.0.0/8", "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", NULL, "1.2.3.4");
    assert_caller("10.0.0.0/8", "10.0.0.1", "6.6.6.6", "1.2.3.4", "1.2.3.4");
    assert_caller("10.0.0.0/8", "10.0.0.1", "1.2.3.4", "10.0.0.9", "1.2.3.4");
    assert_caller("10.0.0.0/8", "10.0.0.1", "1.2.3.4, nonsense, 10.0.0.9", NULL, "10.0.0.9");
    assert_caller("10.0.0.0/8", "10.0.0.1", "", NULL, "10.0.0.1");
    assert_caller("10.0.0.0/8", "10.0.0.1", ",", NULL, "10.0.0.1");
    assert_caller("10.0.0.0/8", "10.0.0.1", "10.0.0.3, 10.0.0.2", NULL, "10.0.0.3");
    assert_caller("10.0.0.0/8", "10.0.0.1", "<script>", NULL, "10.0.0.1");
}

static void ports_and_brackets_come_off(void **state)
{
    assert_caller("10.0.0.0/8", "10.0.0.1", "1.2.3.4:567", NULL, "1.2.3.4");
    assert_caller("10.0.0.0/8", "10.0.0.1", " [2001:db8::7]:443 ", NULL, "2001:db8::7");
    assert_caller("10.0.0.0/8", "10.0.0.1", "[2001:db8::7]", NULL, "2001:db8::7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_flags_all_has_a_value),
        cmocka_unit_test(a_flag_wins_over_the_environment),
        cmocka_unit_test(every_form_of_an_address_is_taken),
        cmocka_unit_test(a_wrong_value_is_named),
        cmocka_unit_test(help_and_version_ask_for_nothing_else),
        cmocka_unit_test(the_caller_is_the_peer_unless_a_trusted_proxy_says_otherwise),
        cmocka_unit_test(what_stands_before_an_untrusted_hop_is_not_believed),
        cmocka_unit_test(ports_and_brackets_come_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
