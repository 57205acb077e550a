/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is told about its pod and its cluster: variables, the downward API, the files
 * hosts and resolv.conf. Objects are JSON with single quotes; the machine's own files are mounted
 * over in a mount namespace of the test.
 */
#include "testing.h"

#include <sched.h>
#include <sys/mount.h>

#include "base/files/file.h"
#include "node/env/environment.h"
#include "node/volume/pod_volume.h"
#include "unit/node/fake_client.h"

typedef struct World {
    uv_loop_t loop;
    FakeClient *fake;
    Arena arena;
    PodFacts facts;
    EnvList env;
    Err err;
} World;

static Object *put(World *w, const char *text)
{
    char *json = arena_strdup(&w->arena, text);

    for (char *c = json; *c; c++)
        if (*c == '\'')
            *c = '"';
    return fake_client_put(w->fake, json);
}

/* A pod "p" in the namespace "ns" with a single container. */
static void use_pod(World *w, const char *spec, const char *container)
{
    w->facts.pod =
        put(w, arena_printf(&w->arena,
                            "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p','namespace':"
                            "'ns','uid':'u-1','labels':{'a':'1','b':'say \\\"hi\\\"\\n\\\\'},"
                            "'annotations':{'x.y/z':'long'}},'spec':{%s'serviceAccountName':'bob',"
                            "'containers':[{'name':'c','image':'i'%s}]}}",
                            spec, container));
}

static const Container *container_of(const World *w)
{
    return &((const Pod *)w->facts.pod->value)->spec.containers.v[0];
}

static int setup(void **state)
{
    World *w = mem_new_type(World);

    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->fake = fake_client_new(&w->loop);
    w->facts = (PodFacts){.client = fake_client(w->fake),
                          .node_name = "node",
                          .host_ip = "192.0.2.1",
                          .pod_ip = "10.42.0.7",
                          .domain = "cluster.local",
                          .dns_ip = "10.96.0.10"};
    string_map_put(&w->arena, &w->facts.node_resources, "cpu", "4");
    string_map_put(&w->arena, &w->facts.node_resources, "memory", "8Gi");
    use_pod(w, "", "");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;

    fake_client_free(w->fake);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    arena_clear(&w->arena);
    free(w);
    return 0;
}

/* ---- the downward API ---- */

static void fields_are_those_of_the_pod(void **state)
{
    static const struct {
        const char *path, *value; /* NULL: there is no such field */
    } rows[] = {
        {"metadata.name", "p"},
        {"metadata.namespace", "ns"},
        {"metadata.uid", "u-1"},
        {"metadata.labels", "a=\"1\"\nb=\"say \\\"hi\\\"\\n\\\\\""},
        {"metadata.labels['a']", "1"},
        {"metadata.labels['c']", ""},
        {"metadata.labels['']", ""},
        {"metadata.labels['a'", NULL},
        {"metadata.annotations", "x.y/z=\"long\""},
        {"metadata.annotations['x.y/z']", "long"},
        {"metadata.annotations[']", NULL},
        {"spec.nodeName", "node"},
        {"spec.serviceAccountName", "bob"},
        {"status.hostIP", "192.0.2.1"},
        {"status.hostIPs", "192.0.2.1"},
        {"status.podIP", "10.42.0.7"},
        {"status.podIPs", "10.42.0.7"},
        {"status.phase", NULL},
        {"", NULL},
    };
    World *w = *state;

    EACH_ROW(i, rows, rows[i].path) {
        const char *value = NULL;
        int r = pod_field(&w->facts, &w->arena, rows[i].path, &value, &w->err);

        assert_int_equal(r < 0, !rows[i].value);
        if (rows[i].value)
            assert_string_equal(value, rows[i].value);
    }
    assert_non_null(strstr(w->err.message, "unsupported fieldPath"));
}

/* Results are rounded up; a limit that is not set is what the node has. */
static void resources_are_counted_in_units_of_the_divisor(void **state)
{
    static const struct {
        const char *resource, *divisor, *value; /* value NULL: it is refused */
    } rows[] = {
        {"limits.cpu", NULL, "2"},
        {"limits.cpu", "0", "2"},
        {"limits.cpu", "1", "2"},
        {"limits.cpu", "1m", "1500"},
        {"limits.cpu", "100m", "15"},
        {"requests.cpu", "1m", "250"},
        {"requests.cpu", NULL, "1"},
        {"limits.memory", NULL, "8589934592"},
        {"limits.memory", "1Gi", "8"},
        {"requests.memory", NULL, "1000"},
        {"requests.memory", "1Ki", "1"},
        {"requests.memory", "500", "2"},
        {"requests.memory", "999", "2"},
        {"requests.ephemeral-storage", NULL, "0"},
        {"limits.ephemeral-storage", NULL, "0"},
        {"cpu", NULL, NULL},
    };
    World *w = *state;

    use_pod(w, "",
            ",'resources':{'limits':{'cpu':'1500m'},'requests':{'cpu':'250m','memory':'1k'}}");
    EACH_ROW(i, rows, rows[i].resource) {
        ResourceFieldSelector selector = {.resource = rows[i].resource, .divisor = rows[i].divisor};
        const char *value = NULL;
        int r = pod_resource(&w->facts, &w->arena, container_of(w), &selector, &value, &w->err);

        assert_int_equal(r < 0, !rows[i].value);
        if (rows[i].value)
            assert_string_equal(value, rows[i].value);
    }
}

/* ---- variables ---- */

/* What is wrong with the variables of the container, or NULL; they are in w->env then. */
static const char *read_env(World *w, const char *container)
{
    use_pod(w, "", container);
    w->err = (Err)ERR_INIT;
    return pod_env(&w->facts, &w->arena, container_of(w), &w->env, &w->err) < 0 ? w->err.message
                                                                                : NULL;
}

#define CONFIG "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'m','namespace':'ns'},"
#define SECRET "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'s','namespace':'ns'},"

static void put_sources(World *w)
{
    put(w, CONFIG "'data':{'one':'1','two':'2'}}");
    put(w, SECRET "'data':{'word':'aGVsbG8=','other':'eA=='}}");
}

static void variables_come_from_all_their_sources_in_order(void **state)
{
    World *w = *state;

    put_sources(w);
    assert_null(read_env(
        w, ",'envFrom':[{'configMapRef':{'name':'m'}},{'prefix':'S_','secretRef':{'name':'s'}},{"
           "'configMapRef':{'name':'none','optional':true}},{'secretRef':{'name':'none','optional':"
           "true}}],'env':[{'name':'two','value':'two of $(one)'},{'name':'key','valueFrom':{"
           "'configMapKeyRef':{'name':'m','key':'one'}}},{'name':'word','valueFrom':{"
           "'secretKeyRef':{'name':'s','key':'word'}}},{'name':'gone','valueFrom':{"
           "'configMapKeyRef':{'name':'m','key':'x','optional':true}}},{'name':'gone','valueFrom':{"
           "'secretKeyRef':{'name':'none','key':'x','optional':true}}},{'name':'pod','valueFrom':{"
           "'fieldRef':{'fieldPath':'metadata.name'}}},{'name':'cpu','valueFrom':{"
           "'resourceFieldRef':{'containerName':'c','resource':'limits.cpu'}}}]"));
    assert_string_equal(env_get(&w->env, "one"), "1");
    assert_string_equal(env_get(&w->env, "two"), "two of 1");
    assert_string_equal(env_get(&w->env, "S_word"), "hello");
    assert_string_equal(env_get(&w->env, "S_other"), "x");
    assert_string_equal(env_get(&w->env, "key"), "1");
    assert_string_equal(env_get(&w->env, "word"), "hello");
    assert_null(env_get(&w->env, "gone"));
    assert_string_equal(env_get(&w->env, "pod"), "p");
    assert_string_equal(env_get(&w->env, "cpu"), "4");
}

static void a_source_that_is_missing_is_named(void **state)
{
    static const struct {
        const char *container, *message;
    } rows[] = {
        {",'envFrom':[{'configMapRef':{'name':'none'}}]", "configmap \"none\" not found"},
        {",'envFrom':[{'secretRef':{'name':'none'}}]", "secret \"none\" not found"},
        {",'env':[{'name':'e','valueFrom':{'configMapKeyRef':{'name':'none','key':'k'}}}]",
         "configmap \"none\" not found"},
        {",'env':[{'name':'e','valueFrom':{'configMapKeyRef':{'name':'m','key':'k'}}}]",
         "couldn't find key k in ConfigMap ns/m"},
        {",'env':[{'name':'e','valueFrom':{'secretKeyRef':{'name':'none','key':'k'}}}]",
         "secret \"none\" not found"},
        {",'env':[{'name':'e','valueFrom':{'secretKeyRef':{'name':'s','key':'k'}}}]",
         "couldn't find key k in Secret ns/s"},
        {",'env':[{'name':'e','valueFrom':{'fieldRef':{'fieldPath':'status.phase'}}}]",
         "unsupported fieldPath: status.phase"},
        {",'env':[{'name':'e','valueFrom':{'resourceFieldRef':{'containerName':'d','resource':"
         "'limits.cpu'}}}]",
         "container d not found"},
        {",'env':[{'name':'e','valueFrom':{'fileKeyRef':{'volumeName':'v','path':'f','key':'k'}}}]",
         "cannot find the volume \"v\" referenced by FileKeyRef"},
    };
    World *w = *state;

    put_sources(w);
    EACH_ROW(i, rows, rows[i].message) {
        /* The message is the whole text: nothing is wrong with the system. */
        assert_string_equal(str_or(read_env(w, rows[i].container), "nothing"), rows[i].message);
    }
}

/* The file is written by an init container; only the key that is asked for is read from it. */
static void a_variable_may_come_from_a_file_of_a_volume(void **state)
{
    static const struct {
        const char *key, *optional, *message, *value;
    } rows[] = {
        {"K", "false", NULL, "v"},
        {"X", "true", NULL, NULL},
        {"X", "false", "environment variable key \"X\" not found in file \"f\"", NULL},
    };
    World *w = *state;
    char dir[] = "/tmp/stead-env-XXXXXX";
    PodVolume volume = {.name = "v", .path = dir};
    _free_ char *path = NULL;

    assert_non_null(mkdtemp(dir));
    path = mem_printf("%s/f", dir);
    assert_int_equal(file_write_atomic(path, "K='v'\n", 6, 0600), 0);
    w->facts.volumes = &volume;
    w->facts.n_volumes = 1;
    EACH_ROW(i, rows, rows[i].key) {
        const char *message = read_env(
            w, arena_printf(&w->arena,
                            ",'env':[{'name':'e','valueFrom':{'fileKeyRef':{'volumeName':'v',"
                            "'path':'f','key':'%s','optional':%s}}}]",
                            rows[i].key, rows[i].optional));

        assert_string_equal(str_or(message, "fine"), str_or(rows[i].message, "fine"));
        if (!message)
            assert_string_equal(str_or(env_get(&w->env, "e"), "none"),
                                str_or(rows[i].value, "none"));
    }
    assert_string_equal(
        str_or(read_env(w, ",'env':[{'name':'e','valueFrom':{'fileKeyRef':{'volumeName':'v','path':"
                           "'g','key':'K'}}}]"),
               "nothing"),
        "couldn't parse env file");
    assert_int_equal(file_remove_tree(dir), 0);
}

static const char *service(World *w, const char *name, const char *spec)
{
    put(w, arena_printf(&w->arena,
                        "{'apiVersion':'v1','kind':'Service','metadata':{'name':'%s','namespace':"
                        "'ns'},'spec':{%s}}",
                        name, spec));
    return name;
}

static void services_of_the_namespace_have_variables(void **state)
{
    World *w = *state;

    service(w, "web-app",
            "'clusterIP':'10.96.0.5','ports':[{'name':'http-x','port':80,'protocol':'TCP'},{'port':"
            "53,'protocol':'UDP'}]");
    service(w, "bare", "'clusterIP':'10.96.0.6'");
    service(w, "head", "'clusterIP':'None','ports':[{'port':80}]");
    w->facts.api_address = "10.96.0.1";
    w->facts.api_port = 6443;
    assert_null(read_env(w, ",'env':[{'name':'BARE_SERVICE_HOST','value':'mine'},{'name':'URL',"
                            "'value':'$(WEB_APP_PORT)/x$$(WEB_APP_PORT) $(none)'}]"));
    assert_string_equal(env_get(&w->env, "WEB_APP_SERVICE_HOST"), "10.96.0.5");
    assert_string_equal(env_get(&w->env, "WEB_APP_SERVICE_PORT"), "80");
    assert_string_equal(env_get(&w->env, "WEB_APP_SERVICE_PORT_HTTP_X"), "80");
    assert_string_equal(env_get(&w->env, "WEB_APP_PORT"), "tcp://10.96.0.5:80");
    assert_string_equal(env_get(&w->env, "WEB_APP_PORT_80_TCP"), "tcp://10.96.0.5:80");
    assert_string_equal(env_get(&w->env, "WEB_APP_PORT_53_UDP"), "udp://10.96.0.5:53");
    assert_string_equal(env_get(&w->env, "WEB_APP_PORT_53_UDP_PROTO"), "udp");
    assert_string_equal(env_get(&w->env, "WEB_APP_PORT_53_UDP_PORT"), "53");
    assert_string_equal(env_get(&w->env, "WEB_APP_PORT_53_UDP_ADDR"), "10.96.0.5");
    assert_string_equal(env_get(&w->env, "BARE_SERVICE_HOST"), "mine");
    assert_null(env_get(&w->env, "BARE_SERVICE_PORT"));
    assert_null(env_get(&w->env, "HEAD_SERVICE_HOST"));
    assert_string_equal(env_get(&w->env, "URL"), "tcp://10.96.0.5:80/x$(WEB_APP_PORT) $(none)");
    assert_string_equal(env_get(&w->env, "KUBERNETES_SERVICE_HOST"), "10.96.0.1");
    assert_string_equal(env_get(&w->env, "KUBERNETES_SERVICE_PORT_HTTPS"), "6443");
    /* A pod may do without, but not without the API. */
    use_pod(w, "'enableServiceLinks':false,", "");
    assert_int_equal(pod_env(&w->facts, &w->arena, container_of(w), &w->env, &w->err), 0);
    assert_null(env_get(&w->env, "WEB_APP_SERVICE_HOST"));
    assert_string_equal(env_get(&w->env, "KUBERNETES_SERVICE_HOST"), "10.96.0.1");
}

/* ---- names and files ---- */

#define SIXTY "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

static void host_names_are_cut_to_a_label(void **state)
{
    static const struct {
        const char *spec, *name, *kernel; /* kernel NULL: it is too long */
    } rows[] = {
        {"", "p", "p"},
        {"'hostname':'h',", "h", "h"},
        {"'hostname':'" SIXTY "abcdef',", SIXTY "abc", SIXTY "abc"},
        {"'hostname':'" SIXTY "a-.def',", SIXTY "a", SIXTY "a"},
        {"'hostname':'h','subdomain':'web',", "h", "h"},
        {"'hostname':'h','setHostnameAsFQDN':true,", "h", "h"},
        {"'hostname':'h','subdomain':'web','setHostnameAsFQDN':true,", "h",
         "h.web.ns.svc.cluster.local"},
        {"'hostname':'" SIXTY "','subdomain':'web','setHostnameAsFQDN':true,", SIXTY, NULL},
        {"'hostname':'h','subdomain':'web','setHostnameAsFQDN':true,'hostnameOverride':'o.x',",
         "o.x", "o.x"},
    };
    World *w = *state;

    EACH_ROW(i, rows, rows[i].spec) {
        const char *kernel;
        int r;

        use_pod(w, rows[i].spec, "");
        assert_string_equal(pod_hostname(w->facts.pod, &w->arena), rows[i].name);
        r = pod_kernel_hostname(w->facts.pod, "cluster.local", &w->arena, &kernel, &w->err);
        assert_int_equal(r < 0, !rows[i].kernel);
        if (rows[i].kernel)
            assert_string_equal(kernel, rows[i].kernel);
    }
}

/* Shows `text` at the path, which has to exist; in the mount namespace of the test alone. */
static void cover(const char *path, const char *text)
{
    char own[] = "/tmp/stead-env-XXXXXX";
    int fd = mkstemp(own);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    (void)umount2(path, MNT_DETACH); /* what another test has shown there */
    assert_int_equal(mount(own, path, NULL, MS_BIND, NULL), 0);
    assert_int_equal(unlink(own), 0);
}

/* False: files of the machine cannot be covered here. */
static bool isolate(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static const char *hosts_of(World *w, const char *spec)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    use_pod(w, spec, "");
    pod_hosts_file(&w->facts, &out);
    return arena_strdup(&w->arena, strbuf_string(&out));
}

static void the_hosts_file_names_the_pod(void **state)
{
    World *w = *state;

    assert_non_null(strstr(hosts_of(w, ""), "\n10.42.0.7\tp\n"));
    assert_non_null(strstr(hosts_of(w, "'hostname':'h','subdomain':'web',"),
                           "\n10.42.0.7\th.web.ns.svc.cluster.local\th\n"));
    assert_null(strstr(hosts_of(w, ""), "HostAliases"));
    assert_non_null(strstr(hosts_of(w, "'hostAliases':[{'ip':'192.0.2.9','hostnames':['a','b']},{"
                                       "'ip':'192.0.2.10','hostnames':['c']}],"),
                           "\n# Entries added by HostAliases.\n192.0.2.9\ta\tb\n192.0.2.10\tc\n"));
    if (!isolate())
        skip();
    cover("/etc/hosts", "192.0.2.1\tmachine\n");
    assert_string_equal(hosts_of(w, "'hostNetwork':true,"),
                        "# Kubernetes-managed hosts file (host network).\n192.0.2.1\tmachine\n");
    assert_null(strstr(hosts_of(w, ""), "machine"));
}

static void resolv_conf_is_as_the_policy_says(void **state)
{
#define CLUSTER "nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local cluster.local"
    static const struct {
        const char *spec, *conf;
    } rows[] = {
        {"", CLUSTER " example.com\noptions ndots:5\n"},
        {"'dnsPolicy':'ClusterFirst','hostNetwork':true,",
         "nameserver 192.0.2.53\nsearch . example.com\noptions rotate\n"},
        {"'dnsPolicy':'ClusterFirstWithHostNet','hostNetwork':true,",
         CLUSTER " example.com\noptions ndots:5\n"},
        {"'dnsPolicy':'Default',", "nameserver 192.0.2.53\nsearch . example.com\noptions rotate\n"},
        {"'dnsPolicy':'None','dnsConfig':{'nameservers':['192.0.2.54'],'searches':['x.y'],"
         "'options':[{'name':'ndots','value':'2'},{'name':'edns0'}]},",
         "nameserver 192.0.2.54\nsearch x.y\noptions ndots:2 edns0\n"},
        {"'dnsConfig':{'nameservers':['192.0.2.54'],'options':[{'name':'ndots','value':'2'}]},",
         "nameserver 10.96.0.10\nnameserver 192.0.2.54\nsearch ns.svc.cluster.local "
         "svc.cluster.local cluster.local example.com\noptions ndots:2\n"},
    };
    World *w = *state;

    if (!isolate())
        skip();
    cover("/etc/resolv.conf", "nameserver 192.0.2.53\nsearch . example.com\noptions rotate\n");
    EACH_ROW(i, rows, rows[i].spec) {
        _strbuf_ StrBuf out = STRBUF_INIT;

        use_pod(w, rows[i].spec, "");
        pod_resolv_conf(&w->facts, &out);
        assert_string_equal(strbuf_string(&out), rows[i].conf);
    }
}

/* systemd-resolved listens on a loopback address, which no pod can reach. */
static void servers_that_only_the_machine_reaches_are_replaced(void **state)
{
    World *w = *state;
    _strbuf_ StrBuf out = STRBUF_INIT;

    if (!isolate() || mount("none", "/run", "tmpfs", 0, NULL) < 0)
        skip();
    cover("/etc/resolv.conf", "nameserver 127.0.0.53\nsearch a\n");
    assert_int_equal(file_mkdir_all("/run/systemd/resolve", 0755), 0);
    assert_int_equal(file_write_atomic("/run/systemd/resolve/resolv.conf",
                                       "nameserver 192.0.2.53\nsearch b\n", 32, 0644),
                     0);
    use_pod(w, "'dnsPolicy':'Default',", "");
    pod_resolv_conf(&w->facts, &out);
    assert_string_equal(strbuf_string(&out), "nameserver 192.0.2.53\nsearch b\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(fields_are_those_of_the_pod),
        TEST(resources_are_counted_in_units_of_the_divisor),
        TEST(variables_come_from_all_their_sources_in_order),
        TEST(a_source_that_is_missing_is_named),
        TEST(a_variable_may_come_from_a_file_of_a_volume),
        TEST(services_of_the_namespace_have_variables),
        TEST(host_names_are_cut_to_a_label),
        TEST(the_hosts_file_names_the_pod),
        TEST(resolv_conf_is_as_the_policy_says),
        TEST(servers_that_only_the_machine_reaches_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
