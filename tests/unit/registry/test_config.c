/* SPDX-License-Identifier: Apache-2.0 */
/* registries.conf, certs.d, mirrors and proxies. */
#include "testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/files/file.h"
#include "conversation.h"
#include "registry/conf/certs.h"
#include "registry/conf/registries_conf.h"
#include "registry/transport/place.h"

static char folder[] = "/tmp/test-registries-XXXXXX";

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    return file_remove_tree(folder);
}

static const char *put(Arena *arena, const char *name, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s", folder, name);

    assert_int_equal(file_mkdir_for(path, 0700), 0);
    assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
    return path;
}

/* ---- registries.conf ------------------------------------------------------------------------ */

#define DOCUMENT                                                                   \
    "unqualified-search-registries = ['quay.io']\nshort-name-mode = 'enforcing'\n" \
    "[aliases]\n'x' = 'quay.io/x'\n"                                               \
    "[[registry]]\nlocation = 'plain.io'\n"                                        \
    "[[registry]]\nprefix = 'docker.io'\nlocation = 'hub.example/mirror/'\n"       \
    "[[registry]]\nprefix = 'docker.io/library'\nlocation = 'library.example'\n"   \
    "[[registry]]\nprefix = 'quay.io/team/app'\nlocation = 'app.example/other'\n"  \
    "[[registry]]\nprefix = '*.corp.example'\ninsecure = true\n"                   \
    "[[registry]]\nprefix = '*.eu.corp.example/x'\nlocation = 'eu.example/y'\n"    \
    "[[registry]]\nprefix = 'a.corp.example'\nlocation = 'a.example'\n"            \
    "[[registry]]\nprefix = 'localhost:5000'\nlocation = 'port.example'\n"

// clang-format off
static const struct { const char *name, *there; } finds[] = {
    {"quay.io/x", "quay.io/x"},
    {"plain.io/x", "plain.io/x"},
    {"docker.io/team/app", "hub.example/mirror/team/app"},
    {"docker.io/library/busybox", "library.example/busybox"},
    {"docker.io/libraryx/busybox", "hub.example/mirror/libraryx/busybox"},
    {"docker.iox/a", "docker.iox/a"},
    {"quay.io/team/app", "app.example/other"},
    {"quay.io/team/app/sub", "app.example/other/sub"},
    {"quay.io/team/apple", "quay.io/team/apple"},
    {"b.corp.example/app", "b.corp.example/app"},
    {"a.corp.example/app", "a.example/app"},
    {"x.a.corp.example/app", "x.a.corp.example/app"},
    {"q.eu.corp.example/x/app", "eu.example/y/app"},
    {"localhost:5000/app", "port.example/app"},
    {"localhost:5001/app", "localhost:5001/app"},
    {"localhost/app", "localhost/app"},
};

static const struct { const char *document, *message; } malformed[] = {
    {"x = ", "line 1: a malformed value"},
    {"[registries.search]\nregistries = ['x']", "version 1 of the format"},
    {"registry = 1", "not an array"},
    {"registry = [1]", "registry is not an array of tables"},
    {"[[registry]]\nlocation = 1", "location is not a string"},
    {"[[registry]]\nlocation = 'https://x'", "must not have a scheme"},
    {"[[registry]]", "neither prefix nor location"},
    {"[[registry]]\nlocation = 'x'\ninsecure = 'yes'", "insecure is not a boolean"},
    {"[[registry]]\nlocation = 'x'\nblocked = 1", "blocked is not a boolean"},
    {"[[registry]]\nprefix = 'a*.x'", "may be the first component only"},
    {"[[registry]]\nprefix = '*.*.x'", "may be the first component only"},
    {"[[registry]]\nlocation = 'x'\nmirror = 1", "mirror is not an array"},
    {"[[registry]]\nlocation = 'x'\n[[registry.mirror]]", "a mirror has no location"},
    {"[[registry]]\nlocation = 'x'\n[[registry.mirror]]\nlocation = 'm'\npull-from-mirror = 'some'", "pull-from-mirror is \"some\""},
    {"[[registry]]\nlocation = 'x'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm'\npull-from-mirror = 'all'", "exclude each other"},
};
// clang-format on

static void the_longest_prefix_says_where_an_image_is(void **state)
{
    RegistriesConf conf = {0};

    assert_int_equal(registries_conf_add(&conf, DOCUMENT, strlen(DOCUMENT), NULL), 0);
    EACH_ROW(i, finds, finds[i].name) {
        size_t length;
        const RegistryEntry *entry = registries_conf_find(&conf, finds[i].name, &length);
        const char *there = finds[i].name;

        if (entry)
            there = registry_source_name(&entry->source, finds[i].name, length, &conf.arena);
        assert_string_equal(there, finds[i].there);
    }
    registries_conf_deinit(&conf);
}

static void malformed_files_say_what_is_wrong(void **state)
{
    EACH_ROW(i, malformed, malformed[i].document) {
        RegistriesConf conf = {0};
        Err err = ERR_INIT;

        assert_true(registries_conf_add(&conf, malformed[i].document, strlen(malformed[i].document),
                                        &err) < 0);
        if (!strstr(err.message, malformed[i].message))
            fail_msg("%s", err.message);
        registries_conf_deinit(&conf);
    }
}

static void a_later_file_replaces_an_entry_and_is_named_when_malformed(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    RegistriesConf conf = {0};
    Err err = ERR_INIT;
    size_t length;

    put(&arena, "conf.d/10-a.conf", "[[registry]]\nlocation = 'quay.io'\nblocked = true\n");
    put(&arena, "conf.d/20-b.conf", "[[registry]]\nlocation = 'quay.io'\ninsecure = true\n");
    put(&arena, "conf.d/30-c.txt", "this is no TOML");
    assert_int_equal(
        registries_conf_add_folder(&conf, arena_printf(&arena, "%s/conf.d", folder), &err), 0);
    assert_int_equal(conf.entries.n, 1);
    assert_false(registries_conf_find(&conf, "quay.io/x", &length)->blocked);
    assert_true(registries_conf_find(&conf, "quay.io/x", &length)->source.insecure);
    put(&arena, "conf.d/30-c.conf", "this is no TOML");
    assert_true(registries_conf_add_folder(&conf, arena_printf(&arena, "%s/conf.d", folder), &err) <
                0);
    assert_non_null(strstr(err.message, "/conf.d/30-c.conf: line 1: "));
    assert_int_equal(registries_conf_add_file(&conf, "/nonexistent", NULL), 0);
    assert_int_equal(registries_conf_add_folder(&conf, "/nonexistent", NULL), 0);
    registries_conf_deinit(&conf);
}

static void certificates_are_those_of_the_host(void **state)
{
    _arena_ Arena arena = ARENA_INIT;
    const char *const dirs[] = {arena_printf(&arena, "%s/none", folder),
                                arena_printf(&arena, "%s/certs", folder), NULL};
    RegistryCerts certs;
    Err err = ERR_INIT;

    put(&arena, "certs/quay.io:443/a.crt", "A");
    put(&arena, "certs/quay.io:443/b.crt", "B");
    put(&arena, "certs/quay.io:443/client.cert", "C");
    assert_true(registry_certs_read(dirs, "quay.io:443", &arena, &certs, &err) < 0);
    assert_non_null(strstr(err.message, "client.key is missing"));
    put(&arena, "certs/quay.io:443/client.key", "K");
    assert_int_equal(registry_certs_read(dirs, "quay.io:443", &arena, &certs, &err), 0);
    assert_string_equal(certs.ca, "A\nB\n");
    assert_true(str_ends_with(certs.client_cert, "/quay.io:443/client.cert"));
    assert_true(str_ends_with(certs.client_key, "/quay.io:443/client.key"));
    assert_int_equal(registry_certs_read(dirs, "quay.io", &arena, &certs, &err), 0);
    assert_null(certs.ca);
    assert_null(certs.client_cert);
}

/* ---- mirrors -------------------------------------------------------------------------------- */

typedef struct MirrorCase {
    const char *sentence;
    const char *mirror; /* of the entry; "@PORT@" is the mirror's port */
    FakeReply at_mirror[3], at_registry[3];
    int outcome;
} MirrorCase;

#define GET_TAG "GET /v2/app/manifests/1 "
#define GET_MIRRORED "GET /v2/copy/app/manifests/1 "
#define MIRROR "[[registry.mirror]]\nlocation = 'localhost:@PORT@/copy'\n"

// clang-format off
static const MirrorCase mirrors[] = {
    {"a mirror has it", MIRROR, {{GET_MIRRORED, NULL, MANIFEST_OK}}, {{NULL}}, 0},
    {"a mirror does not have it", MIRROR, {{GET_MIRRORED, NULL, EMPTY("404 Not Found")}}, {{GET_TAG, NULL, MANIFEST_OK}}, 0},
    {"a mirror fails", MIRROR, {{GET_MIRRORED, NULL, EMPTY("500 Oops"), .times = 3}}, {{GET_TAG, NULL, MANIFEST_OK}}, 0},
    {"a mirror wants a credential", MIRROR, {{GET_MIRRORED, NULL, UNAUTHORIZED("Basic realm=x")}}, {{GET_TAG, NULL, MANIFEST_OK}}, 0},
    {"a mirror lies", MIRROR, {{GET_MIRRORED, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"}}, {{GET_TAG, NULL, MANIFEST_OK}}, 0},
    {"a mirror is not there", "[[registry.mirror]]\nlocation = 'localhost:1/copy'\n", {{NULL}}, {{GET_TAG, NULL, MANIFEST_OK}}, 0},
    {"a mirror for digests is not asked for a tag", MIRROR "pull-from-mirror = 'digest-only'\n", {{NULL}}, {{GET_TAG, NULL, MANIFEST_OK}}, 0},
    {"a mirror for tags is", MIRROR "pull-from-mirror = 'tag-only'\n", {{GET_MIRRORED, NULL, MANIFEST_OK}}, {{NULL}}, 0},
    {"the registry's own answer counts in the end", MIRROR, {{GET_MIRRORED, NULL, EMPTY("403 Forbidden")}}, {{GET_TAG, NULL, EMPTY("404 Not Found")}}, REGISTRY_E_MISSING},
    {"a blocked registry is not asked", "blocked = true\n", {{NULL}}, {{NULL}}, REGISTRY_E_REFUSED},
};
// clang-format on

static size_t count(const FakeReply *replies, size_t n)
{
    size_t used = 0;

    while (used < n && replies[used].expect)
        used++;
    return used;
}

static int get_manifest(Registry *registry, Arena *arena, Err *reterr)
{
    Descriptor found;
    Bytes bytes;

    return registry_manifest(registry, NULL, arena, &found, &bytes, reterr);
}

/* An image whose registry has a mirror. */
typedef struct Mirrored {
    Arena arena;
    FakeRegistry *mirror, *itself;
    RegistryConfig *config;
    ImageReference reference;
} Mirrored;

static void mirrored_begin(Mirrored *m, const MirrorCase *row)
{
    const char *head, *rest, *name;
    RegistryOptions options = {.certs = (const char *const[]){NULL}, .times = short_times};
    Err err = ERR_INIT;

    *m = (Mirrored){.mirror = fake_start(row->at_mirror, count(row->at_mirror, 3)),
                    .itself = fake_start(row->at_registry, count(row->at_registry, 3))};
    head =
        with_port(&m->arena, fake_port(m->itself), "[[registry]]\nlocation = 'localhost:@PORT@'\n");
    rest = with_port(&m->arena, fake_port(m->mirror), row->mirror);
    name = with_port(&m->arena, fake_port(m->itself), "localhost:@PORT@/app:1");
    options.conf = put(&m->arena, "mirror.conf", arena_printf(&m->arena, "%s%s", head, rest));
    assert_int_equal(reference_parse(&m->arena, name, &m->reference, NULL), 0);
    assert_int_equal(registry_config_load(&options, &m->config, &err), 0);
}

static int mirrored_get(Mirrored *m)
{
    _registry_ Registry *registry = NULL;
    Err err = ERR_INIT;
    int r = registry_open(m->config, &m->reference, NULL, &registry, &err);

    if (r == 0)
        r = get_manifest(registry, &m->arena, &err);
    if (r)
        assert_null(strstr(err.message, "/copy")); /* the mirror's reason says nothing to a user */
    return r;
}

static void mirrored_end(Mirrored *m)
{
    registry_config_free(m->config);
    arena_clear(&m->arena);
    assert_int_equal(fake_stop(m->mirror), 0);
    assert_int_equal(fake_stop(m->itself), 0);
}

static void mirrors_are_asked_first(void **state)
{
    EACH_ROW(i, mirrors, mirrors[i].sentence) {
        Mirrored m;

        mirrored_begin(&m, &mirrors[i]);
        assert_int_equal(mirrored_get(&m), mirrors[i].outcome);
        mirrored_end(&m);
    }
}

static void a_mirror_that_does_not_answer_is_left_out_for_a_while(void **state)
{
    const MirrorCase row = {.mirror = MIRROR,
                            .at_mirror = {{GET_MIRRORED, NULL, NULL, FAKE_HANG, -1}},
                            .at_registry = {{GET_TAG, NULL, MANIFEST_OK, .times = 2}}};
    size_t asked;
    Mirrored m;

    mirrored_begin(&m, &row);
    assert_int_equal(mirrored_get(&m), 0);
    asked = fake_requests(m.mirror);
    assert_true(asked > 0);
    assert_int_equal(mirrored_get(&m), 0);
    assert_int_equal(fake_requests(m.mirror), asked);
    mirrored_end(&m);
}

/* ---- places --------------------------------------------------------------------------------- */

static bool refuses_10(void *data, const struct sockaddr *to)
{
    const struct sockaddr_in *four = (const void *)to;

    return to->sa_family != AF_INET || ntohl(four->sin_addr.s_addr) >> 24 != 10;
}

// clang-format off
static const struct { const char *address; bool allowed; } addresses[] = {
    {"93.184.216.34", true}, {"192.168.1.1", true}, {"10.1.2.3", false}, {"127.0.0.1", false}, {"127.8.8.8", false}, {"0.0.0.0", false},
    {"169.254.169.254", false}, {"224.0.0.1", false}, {"255.255.255.255", false}, {"::1", false}, {"::", false}, {"fe80::1", false},
    {"ff02::1", false}, {"2001:db8::1", true}, {"::ffff:127.0.0.1", false}, {"::ffff:10.1.2.3", false}, {"::ffff:93.184.216.34", true},
    {"[::1]", false}, {"localhost", false}, {"LocalHost", false}, {"a.localhost", false}, {"registry.example", true},
};

static const struct { const char *exceptions, *host, *port; bool proxied; } proxies[] = {
    {NULL, "quay.io", "443", true}, {"quay.io", "quay.io", "443", false}, {"quay.io", "cdn.quay.io", "443", false},
    {".quay.io", "quay.io", "443", false}, {"quay.io", "notquay.io", "443", true}, {"x.io, quay.io ,y.io", "quay.io", "443", false},
    {"quay.io:5000", "quay.io", "443", true}, {"quay.io:443", "quay.io", "443", false}, {"*", "quay.io", "443", false},
    {"10.0.0.0/8", "10.2.3.4", "80", false}, {"10.0.0.0/8", "11.2.3.4", "80", true}, {"10.2.3.4", "10.2.3.4", "80", false},
    {"3.4", "10.2.3.4", "80", true}, {"", "127.0.0.1", "80", false}, {"", "localhost", "80", false}, {"", "[::1]", "80", false},
};
// clang-format on

static void a_registry_may_not_refer_to_private_places(void **state)
{
    Guard guard = {.may_connect = refuses_10};

    EACH_ROW(i, addresses, addresses[i].address)
        assert_int_equal(guard_allows_name(&guard, addresses[i].address), addresses[i].allowed);
}

static void a_registry_at_a_private_place_may_refer_to_others(void **state)
{
    struct sockaddr_storage own;
    Guard guard = {.may_connect = refuses_10};

    assert_true(address_parse("93.184.216.34", &own));
    guard_note(&guard, (const struct sockaddr *)&own);
    assert_false(guard_allows_name(&guard, "127.0.0.1"));
    assert_true(address_parse("10.0.0.1", &own));
    guard_note(&guard, (const struct sockaddr *)&own);
    EACH_ROW(i, addresses, addresses[i].address)
        assert_true(guard_allows_name(&guard, addresses[i].address));
}

static void proxies_have_exceptions(void **state)
{
    EACH_ROW(i, proxies, proxies[i].exceptions) {
        char http[] = "http://proxy:1", https[] = "http://proxy:2";
        ProxySettings settings = {http, https, (char *)(uintptr_t)proxies[i].exceptions};
        const char *host = proxies[i].host, *port = proxies[i].port;

        assert_ptr_equal(proxy_for(&settings, true, host, port), proxies[i].proxied ? https : NULL);
        assert_ptr_equal(proxy_for(&settings, false, host, port), proxies[i].proxied ? http : NULL);
    }
}

/* A proxy looks up the names, so the registry seems to be at a public place. The proxy is also what
 * the registry refers to. */
typedef struct Proxied {
    Arena arena;
    FakeRegistry *proxy;
    RegistryConfig *config;
} Proxied;

static void proxied_begin(Proxied *p, const FakeReply *replies, size_t n)
{
    RegistryOptions options = {.certs = (const char *const[]){NULL}, .times = short_times};
    const char *url;
    Err err = ERR_INIT;

    *p = (Proxied){.proxy = fake_start(replies, n)};
    url = with_port(&p->arena, fake_port(p->proxy), "http://127.0.0.1:@PORT@");
    options.conf = put(&p->arena, "proxy.conf",
                       "[[registry]]\nlocation = 'registry.example'\ninsecure = true\n");
    setenv("http_proxy", url, 1);
    setenv("https_proxy", url, 1);
    assert_int_equal(registry_config_load(&options, &p->config, &err), 0);
    unsetenv("http_proxy");
    unsetenv("https_proxy");
}

static int proxied_get(Proxied *p, const char *domain, Err *reterr)
{
    const ImageReference reference = {domain, "app", "1", NULL};
    _registry_ Registry *registry = NULL;

    assert_int_equal(registry_open(p->config, &reference, NULL, &registry, reterr), 0);
    return get_manifest(registry, &p->arena, reterr);
}

static void proxied_end(Proxied *p)
{
    registry_config_free(p->config);
    arena_clear(&p->arena);
    assert_int_equal(fake_stop(p->proxy), 0);
}

#define NO_TUNNEL                                                                              \
    {                                                                                          \
        "CONNECT registry.example:443 ", NULL, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", \
            FAKE_CLOSE                                                                         \
    }
#define GET_PROXIED "GET http://registry.example/v2/app/manifests/1 "

static void a_public_registry_cannot_refer_to_this_machine(void **state)
{
    static const struct {
        const char *sentence, *reply;
    } rows[] = {
        {"an address", REDIRECT("http://127.0.0.1:@PORT@/x")},
        {"a name", REDIRECT("http://localhost:@PORT@/x")},
        {"another form of the address", REDIRECT("http://127.1:@PORT@/x")},
        {"a number", REDIRECT("http://2130706433:@PORT@/x")},
        {"IPv6", REDIRECT("http://[::ffff:127.0.0.1]:@PORT@/x")},
        {"the token server", UNAUTHORIZED("Bearer realm=\"http://127.0.0.1:@PORT@/token\"")},
    };

    EACH_ROW(i, rows, rows[i].sentence) {
        const FakeReply replies[] = {NO_TUNNEL, {GET_PROXIED, NULL, rows[i].reply}};
        Err err = ERR_INIT;
        Proxied p;

        proxied_begin(&p, replies, ARRAY_LEN(replies));
        assert_int_equal(proxied_get(&p, "registry.example", &err), REGISTRY_E_REFUSED);
        assert_non_null(strstr(err.message, "refers to an address of this machine"));
        assert_int_equal(fake_requests(p.proxy), 2);
        assert_int_equal(fake_connections(p.proxy), 2); /* it is not even connected to */
        proxied_end(&p);
    }
}

static void nor_by_a_connection_that_is_open(void **state)
{
    const FakeReply replies[] = {
        {"GET /v2/app/manifests/1 ", NULL, MANIFEST_OK},
        NO_TUNNEL,
        {GET_PROXIED, NULL, REDIRECT("http://localhost:@PORT@/x")},
    };
    Err err = ERR_INIT;
    Proxied p;

    proxied_begin(&p, replies, ARRAY_LEN(replies));
    assert_int_equal(
        proxied_get(&p, with_port(&p.arena, fake_port(p.proxy), "localhost:@PORT@"), &err), 0);
    assert_int_equal(proxied_get(&p, "registry.example", &err), REGISTRY_E_REFUSED);
    assert_int_equal(fake_requests(p.proxy), 3);
    proxied_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_says_where_an_image_is),
        cmocka_unit_test(malformed_files_say_what_is_wrong),
        cmocka_unit_test(a_later_file_replaces_an_entry_and_is_named_when_malformed),
        cmocka_unit_test(certificates_are_those_of_the_host),
        cmocka_unit_test(mirrors_are_asked_first),
        cmocka_unit_test(a_mirror_that_does_not_answer_is_left_out_for_a_while),
        cmocka_unit_test(a_registry_may_not_refer_to_private_places),
        cmocka_unit_test(a_registry_at_a_private_place_may_refer_to_others),
        cmocka_unit_test(proxies_have_exceptions),
        cmocka_unit_test(a_public_registry_cannot_refer_to_this_machine),
        cmocka_unit_test(nor_by_a_connection_that_is_open),
    };

    return cmocka_run_group_tests_name("config", tests, make_folder, remove_folder);
}
