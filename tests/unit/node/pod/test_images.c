/* SPDX-License-Identifier: Apache-2.0 */
/* When an image is pulled, with what, and what its pod is told: the rows are kubelet's image manager. */
#include "testing.h"

#include <sys/stat.h>

#include "../fake_client.h"
#include "../fake_puller.h"
#include "base/files/file.h"
#include "base/strbuf.h"
#include "node/pod/images.h"

/* ---- in place of the rest of the node ---- */

static StrBuf events;
static Image here;      /* the image that the machine has */
static int here_result; /* IMAGE_E_MISSING: it has none */
static bool granted;    /* to those who have a Secret */

AgentPod *agent_pod_ref(AgentPod *pod)
{
    pod->refs++;
    return pod;
}

AgentPod *agent_pod_unref(AgentPod *pod)
{
    pod->refs--;
    return NULL;
}

void agent_pod_event(AgentPod *pod _unused_, size_t container _unused_, const char *type,
                     const char *reason, const char *message)
{
    strbuf_printf(&events, "%s %s: %s\n", type, reason, message);
}

int image_find(ImageStore *store _unused_, const char *name _unused_, Arena *arena _unused_,
               Image *ret, Err *reterr)
{
    *ret = here;
    if (here_result < 0)
        err_set(reterr, 0, "it is damaged");
    return here_result;
}

bool image_is_granted(ImageStore *store _unused_, const char *id _unused_,
                      const char *repository _unused_, const PullSecret *secrets _unused_, size_t n)
{
    return granted && n > 0;
}

/* ---- the world ---- */

typedef struct World {
    uv_loop_t loop;
    FakeClient *client;
    Clock *clock;
    NodeAgent agent;
    AgentPod pod;
    Object *object;
    bool answered;
    WaitingReason reason;
    char message[600];
    ImageWant *want;
} World;

static void begin(World *w, const char *pull_secrets)
{
    _free_ char *text = mem_printf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                                   "\"p\",\"namespace\":\"team\","
                                   "\"uid\":\"u\"},\"spec\":{\"imagePullSecrets\":[%s],"
                                   "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                                   pull_secrets);

    *w = (World){0};
    uv_loop_init(&w->loop);
    w->client = fake_client_new(&w->loop);
    w->clock = clock_new_fake(1000 * NS_PER_SEC);
    w->object = fake_client_put(w->client, text);
    w->agent.options.client = fake_client(w->client);
    w->agent.options.clock = w->clock;
    w->agent.options.puller = (struct Puller *)w; /* it is not looked into */
    w->pod.agent = &w->agent;
    w->pod.object = w->object;
    w->pod.ns = w->pod.name = mem_strdup("team");
    setenv("HOME", "/nonexistent", 1); /* where no credentials are */
}

static void end(World *w)
{
    w->want = pod_image_forget(w->want);
    assert_int_equal(w->pod.refs, 0);
    assert_int_equal(fake_pulls, 0);
    fake_client_free(w->client);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    clock_free_fake(w->clock);
    free(w->pod.ns);
    strbuf_deinit(&events);
    here = (Image){0};
    here_result = 0;
    granted = false;
}

static void on_ready(void *data, WaitingReason reason, const char *message)
{
    World *w = data;

    assert_false(w->answered);
    w->answered = true;
    w->want = NULL;
    w->reason = reason;
    snprintf(w->message, sizeof(w->message), "%s", str_or(message, ""));
}

static void want(World *w, const char *name, const char *policy)
{
    w->answered = false;
    strbuf_truncate(&events, 0);
    w->want = pod_image_want(&w->pod, 0, name, policy, on_ready, w);
}

static void expect_events(const char *lines)
{
    assert_string_equal(strbuf_string(&events), lines);
    strbuf_truncate(&events, 0);
}

#define PULLING "Normal Pulling: Pulling image \"i:1\"\n"
#define THERE "Normal Pulled: Container image \"%s\" already present on machine%s\n"
#define ACCESS " and can be accessed by the pod"

/* ---- policies ---- */

typedef enum Have { NOTHING, IMPORTED, BUILTIN, PULLED, PULLED_BY_OTHERS } Have;

static void set_here(Have have)
{
    here = (Image){
        .id = "sha256:0", .digest = "", .remote = have >= PULLED, .builtin = have == BUILTIN};
    here_result = have == NOTHING ? IMAGE_E_MISSING : 0;
    granted = have == PULLED;
}

static void the_policy_decides_whether_a_registry_is_asked(void **state)
{
    static const struct {
        const char *name, *policy;
        Have have;
        bool pulls;
        WaitingReason reason; /* if not */
    } rows[] = {
        {"quay.io/i:1", "Always", NOTHING, true, 0},
        {"quay.io/i:1", "Always", IMPORTED, true, 0},
        {"quay.io/i:1", "Always", PULLED, true, 0},
        {"quay.io/i:1", "Always", PULLED_BY_OTHERS, true, 0},
        {"quay.io/i:1", "IfNotPresent", NOTHING, true, 0},
        {"quay.io/i:1", "IfNotPresent", IMPORTED, false, WAITING_NONE},
        {"quay.io/i:1", "IfNotPresent", PULLED, false, WAITING_NONE},
        {"quay.io/i:1", "IfNotPresent", PULLED_BY_OTHERS, true, 0},
        {"quay.io/i:1", "Never", NOTHING, false, WAITING_ERR_IMAGE_NEVER_PULL},
        {"quay.io/i:1", "Never", IMPORTED, false, WAITING_NONE},
        {"quay.io/i:1", "Never", PULLED, false, WAITING_NONE},
        {"quay.io/i:1", "Never", PULLED_BY_OTHERS, false, WAITING_ERR_IMAGE_NEVER_PULL},
        /* an image of this machine has no registry */
        {"app", "Always", IMPORTED, false, WAITING_NONE},
        {"localhost/app:1", "Always", IMPORTED, false, WAITING_NONE},
        {"team/app:1", "Always", IMPORTED, false, WAITING_NONE},
        {"app", "Always", PULLED, true, 0},
        {"busybox", "Always", BUILTIN, true, 0},
        {"busybox", "IfNotPresent", BUILTIN, false, WAITING_NONE},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        World w;

        print_message("%s %s, row %zu\n", rows[i].name, rows[i].policy, i);
        begin(&w, "{\"name\":\"s\"}");
        fake_client_put(
            w.client, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
                      "\"namespace\":\"team\",\"uid\":\"us\"},\"type\":\"kubernetes.io/dockercfg\","
                      "\"data\":{\".dockercfg\":\"eyJxdWF5LmlvIjp7ImF1dGgiOiJkVHB3In19\"}}");
        set_here(rows[i].have);
        want(&w, rows[i].name, rows[i].policy);
        assert_int_equal(fake_pulls, rows[i].pulls);
        assert_int_equal(w.answered, !rows[i].pulls);
        if (w.answered)
            assert_int_equal(w.reason, rows[i].reason);
        end(&w);
    }
}

static void what_a_pod_is_told_are_the_words_of_kubelet(void **state)
{
    World w;

    begin(&w, "");
    set_here(NOTHING);
    want(&w, "i:1", "IfNotPresent");
    expect_events(PULLING);
    clock_fake_advance(w.clock, 62 * NS_PER_SEC + 500 * NS_PER_MS);
    fake_pull_end(0, NULL, 4096, 1234 * NS_PER_MS);
    expect_events("Normal Pulled: Successfully pulled image \"i:1\" in 1.234s (1m2.5s including "
                  "waiting). Image size: 4096 bytes.\n");
    assert_int_equal(w.reason, WAITING_NONE);

    want(&w, "i:1", "Always");
    fake_pull_end(REGISTRY_E_AUTH, "q/i: denied: HTTP status 403", 0, 0);
    expect_events(PULLING
                  "Warning Failed: Failed to pull image \"i:1\": q/i: denied: HTTP status 403\n");
    assert_int_equal(w.reason, WAITING_ERR_IMAGE_PULL);
    assert_string_equal(w.message, "q/i: denied: HTTP status 403");

    want(&w, "i:1", "Always");
    fake_pull_end(REGISTRY_E_UNAVAILABLE, "connection refused", 0, 0);
    expect_events(PULLING "Warning Failed: Failed to pull image \"i:1\": RegistryUnavailable: "
                          "connection refused\n");
    assert_int_equal(w.reason, WAITING_REGISTRY_UNAVAILABLE);
    assert_string_equal(w.message, "image pull failed for i:1 because the registry is unavailable: "
                                   "connection refused");

    want(&w, "a//b", "Always");
    assert_int_equal(w.reason, WAITING_INVALID_IMAGE_NAME);
    assert_non_null(
        strstr(w.message, "Failed to apply default image tag \"a//b\": couldn't parse image name"));
    want(&w, "i:1", "Never");
    expect_events("Warning ErrImageNeverPull: Container image \"i:1\" is not present with pull "
                  "policy of Never\n");
    here_result = -EIO;
    want(&w, "i:1", "IfNotPresent");
    assert_int_equal(w.reason, WAITING_IMAGE_INSPECT_ERROR);
    set_here(IMPORTED);
    want(&w, "i:1", "IfNotPresent");
    expect_events("Normal Pulled: Container image \"i:1\" already present on machine and can be "
                  "accessed by the pod\n");
    end(&w);
}

static void a_built_in_image_will_do_where_no_registry_has_it(void **state)
{
    World w;

    begin(&w, "");
    set_here(BUILTIN);
    want(&w, "busybox", "Always");
    fake_pull_end(REGISTRY_E_UNKNOWN_HOST, "no network", 0, 0);
    assert_int_equal(w.reason, WAITING_NONE);
    want(&w, "busybox", "Always"); /* the registry is not asked again for some time */
    assert_true(w.answered);
    clock_fake_advance(w.clock, 301 * NS_PER_SEC);
    want(&w, "busybox", "Always");
    assert_false(w.answered);
    end(&w);
}

/* ---- credentials ---- */

#define SECRET(name, type, key, data)                                                  \
    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"" name        \
    "\",\"namespace\":\"team\",\"uid\":\"u-" name "\"},\"type\":\"kubernetes.io/" type \
    "\",\"data\":{\"" key "\":\"" data "\"}}"
/* {"auths":{"quay.io":{"auth":"dTpw"}}}, and the same for other.io */
#define QUAY "eyJhdXRocyI6eyJxdWF5LmlvIjp7ImF1dGgiOiJkVHB3In19fQ=="
#define OTHER "eyJhdXRocyI6eyJvdGhlci5pbyI6eyJhdXRoIjoiZFRwdyJ9fX0="

static void the_secrets_of_a_pod_are_its_credentials(void **state)
{
    char first[DIGEST_TEXT];
    World w;

    begin(&w, "{\"name\":\"quay\"},{\"name\":\"other\"},{\"name\":\"gone\"},{\"name\":\"\"}");
    set_here(NOTHING);
    fake_client_put(w.client, SECRET("quay", "dockerconfigjson", ".dockerconfigjson", QUAY));
    fake_client_put(w.client, SECRET("other", "dockerconfigjson", ".dockerconfigjson", OTHER));
    want(&w, "quay.io/i:1", "Always");
    assert_int_equal(fake_pull_secrets, 1); /* those that are for this repository */
    expect_events("Warning FailedToRetrieveImagePullSecret: Unable to retrieve some image pull "
                  "secrets (gone); attempting to pull the image may not succeed.\n"
                  "Normal Pulling: Pulling image \"quay.io/i:1\"\n");
    snprintf(first, sizeof(first), "%s", fake_pull_keyring);
    w.want = pod_image_forget(w.want);
    want(&w, "quay.io/i:1", "Always");
    assert_string_equal(fake_pull_keyring, first); /* the same credentials may share a pull */
    w.want = pod_image_forget(w.want);
    fake_client_put(w.client, SECRET("quay", "dockerconfigjson", ".dockerconfigjson", OTHER));
    want(&w, "quay.io/i:1", "Always");
    assert_string_not_equal(fake_pull_keyring, first);
    assert_int_equal(fake_pull_secrets, 0);
    end(&w);
}

static void a_secret_that_is_damaged_is_told_without_its_content(void **state)
{
    World w;

    begin(&w, "{\"name\":\"bad\"}");
    set_here(NOTHING);
    fake_client_put(w.client,
                    SECRET("bad", "dockerconfigjson", ".dockerconfigjson", "c2VjcmV0IQ=="));
    want(&w, "i:1", "Always");
    assert_int_equal(w.reason, WAITING_ERR_IMAGE_PULL);
    assert_non_null(strstr(w.message, "secret \"bad\""));
    assert_null(strstr(w.message, "secret!"));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_policy_decides_whether_a_registry_is_asked),
        cmocka_unit_test(what_a_pod_is_told_are_the_words_of_kubelet),
        cmocka_unit_test(a_built_in_image_will_do_where_no_registry_has_it),
        cmocka_unit_test(the_secrets_of_a_pod_are_its_credentials),
        cmocka_unit_test(a_secret_that_is_damaged_is_told_without_its_content),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
