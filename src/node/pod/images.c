/* SPDX-License-Identifier: Apache-2.0 */
/* See images.h. */
#include "api/schema/core_config_v1.h"
#include "api/schema/core_reference_v1.h"
#include "base/timefmt.h"
#include "image/pull/pull.h"
#include "node/pod/images.h"

struct ImageWant {
    AgentPod *pod;
    size_t container;
    char *name;
    Pull *pull;
    bool has_builtin; /* an image that came with the program will do */
    int64_t begin_ns; /* mono */
    ImageReady ready;
    void *data;
};

/* While a pull of a built-in image fails, its registry is not asked again for this long. */
#define BUILTIN_PAUSE (300 * NS_PER_SEC)

static void want_event(const ImageWant *want, const char *type, const char *reason,
                       const char *format, ...) _printf_(4, 5);
static void want_event(const ImageWant *want, const char *type, const char *reason,
                       const char *format, ...)
{
    _arena_ Arena arena = ARENA_INIT;
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vprintf(&arena, format, args);
    va_end(args);
    agent_pod_event(want->pod, want->container, type, reason, text);
}

static void want_free(ImageWant *want)
{
    agent_pod_unref(want->pod);
    free(want->name);
    free(want);
}

ImageWant *pod_image_forget(ImageWant *want)
{
    if (!want)
        return NULL;
    pull_leave(want->pull);
    want_free(want);
    return NULL;
}

/* ---- credentials ---- */

static const char *const document_keys[][2] = {
    {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
    {"kubernetes.io/dockercfg", ".dockercfg"},
};

/* The document of credentials in a Secret; an empty one if it is no such Secret. */
static Bytes secret_document(const Secret *secret, size_t *ret_kind)
{
    for (size_t kind = 0; kind < ARRAY_LEN(document_keys); kind++)
        for (size_t i = 0; i < secret->data.n; i++)
            if (str_equal(secret->type, document_keys[kind][0]) &&
                str_equal(secret->data.v[i].key, document_keys[kind][1])) {
                *ret_kind = kind;
                return secret->data.v[i].value;
            }
    return BYTES_NULL;
}

static int add_document(Keyring *keyring, size_t kind, Bytes document, Err *reterr)
{
    return kind == 0 ? keyring_add_dockerconfigjson(keyring, document, reterr)
                     : keyring_add_dockercfg(keyring, document, reterr);
}

/* What a pod's imagePullSecrets have for a repository. */
typedef struct Credentials {
    Keyring *keyring;
    PullSecret *secrets;
    size_t n;
    char id[DIGEST_TEXT]; /* of the documents */
} Credentials;

/* Notes by their digests which credentials a Secret has for the repository. */
static int note_secret(Credentials *c, const Secret *secret, size_t kind, Bytes document,
                       const char *repository, Arena *arena, Err *reterr)
{
    _keyring_ Keyring *own = keyring_new();
    CredentialArray found = {0};
    PullSecret *all;
    int r = add_document(own, kind, document, reterr);

    if (r >= 0)
        r = keyring_find(own, repository, arena, &found, reterr);
    if (r < 0)
        return ERR_TRACE(r);
    all = arena_new_n(arena, PullSecret, c->n + found.n + 1);
    if (c->n)
        memcpy(all, c->secrets, c->n * sizeof(*all));
    c->secrets = all;
    for (size_t i = 0; i < found.n; i++) {
        PullSecret *to = &c->secrets[c->n++];

        to->uid = str_or(secret->metadata.uid, "");
        to->namespace = str_or(secret->metadata.namespace, "");
        to->name = str_or(secret->metadata.name, "");
        credential_hash(&found.v[i], to->hash);
    }
    return 0;
}

static int add_secret(Credentials *c, const Secret *secret, Digest *all, const char *repository,
                      Arena *arena, Err *reterr)
{
    size_t kind = 0;
    Bytes document = secret_document(secret, &kind);
    int r;

    if (!document.n)
        return 0;
    r = add_document(c->keyring, kind, document, reterr);
    if (r >= 0)
        r = note_secret(c, secret, kind, document, repository, arena, reterr);
    if (r < 0)
        return err_wrap(reterr, "secret \"%s\"", secret->metadata.name);
    digest_add(all, &kind, sizeof(kind));
    digest_add(all, &document.n, sizeof(document.n));
    digest_add(all, document.p, document.n);
    return 0;
}

/* Collects what the pod's imagePullSecrets have. The admission has copied those of its ServiceAccount. The texts are those
 * of the Secrets, which stay until the loop runs again. */
static int collect_credentials(const ImageWant *want, const char *repository, Arena *arena,
                               Credentials *ret, Err *reterr)
{
    const LocalObjectReferenceArray *refs = &agent_pod_spec(want->pod)->image_pull_secrets;
    _strbuf_ StrBuf missing = STRBUF_INIT;
    _digest_ Digest all = {0};
    int r = 0;

    *ret = (Credentials){.keyring = keyring_new()};
    digest_init(&all);
    for (size_t i = 0; i < refs->n && r >= 0; i++) {
        const char *name = refs->v[i].name;
        Object *secret = str_empty(name)
                             ? NULL
                             : client_get(want->pod->agent->options.client,
                                          kind_find("", "v1", "Secret"), want->pod->ns, name);

        if (secret) {
            r = add_secret(ret, OBJECT_AS(Secret, secret), &all, repository, arena, reterr);
        } else if (!str_empty(name)) {
            strbuf_printf(&missing, "%s%s", missing.n ? ", " : "", name);
        }
    }
    digest_finish(&all, ret->id);
    if (missing.n)
        agent_pod_event(want->pod, SIZE_MAX, "Warning", "FailedToRetrieveImagePullSecret",
                        arena_printf(arena,
                                     "Unable to retrieve some image pull secrets (%s); attempting "
                                     "to pull the image may not succeed.",
                                     missing.p));
    return ERR_TRACE(r);
}

/* ---- pulling ---- */

/* "1.234s", "950ms" or "1m2.5s": the way Go prints durations that are whole milliseconds. */
static void go_duration(int64_t ns, char *ret, size_t n)
{
    int64_t ms = ns / NS_PER_MS, minutes = ms / 60000;
    int length;

    if (ms < 1000) {
        snprintf(ret, n, ms ? "%" PRId64 "ms" : "%" PRId64 "s", ms);
        return;
    }
    length = minutes >= 60
                 ? snprintf(ret, n, "%" PRId64 "h%" PRId64 "m", minutes / 60, minutes % 60)
             : minutes ? snprintf(ret, n, "%" PRId64 "m", minutes)
                       : 0;
    length += snprintf(ret + length, n - (size_t)length, "%" PRId64 ".%03" PRId64,
                       ms % 60000 / 1000, ms % 1000);
    while (ret[length - 1] == '0')
        length--;
    if (ret[length - 1] == '.')
        length--;
    snprintf(ret + length, n - (size_t)length, "s");
}

/* Ends the want with a result. */
static void answer(ImageWant *want, WaitingReason reason, const char *message)
{
    ImageReady ready = want->ready;
    void *data = want->data;
    AgentPod *pod = agent_pod_ref(want->pod);

    want_free(want);
    ready(data, reason, message);
    agent_pod_unref(pod);
}

static void answer_present(ImageWant *want, const char *how)
{
    want_event(want, "Normal", "Pulled", "Container image \"%s\" already present on machine%s",
               want->name, how);
    answer(want, WAITING_NONE, NULL);
}

static void answer_pulled(ImageWant *want, const PullResult *result)
{
    Clock *clock = want->pod->agent->options.clock;
    char own[40], whole[40];

    go_duration(result->duration_ns, own, sizeof(own));
    go_duration(MAX_OF(clock_mono_ns(clock) - want->begin_ns, result->duration_ns), whole,
                sizeof(whole));
    want_event(want, "Normal", "Pulled",
               "Successfully pulled image \"%s\" in %s (%s including waiting). Image size: %" PRId64
               " bytes.",
               want->name, own, whole, result->size);
    answer(want, WAITING_NONE, NULL);
}

static void answer_failed(ImageWant *want, const PullResult *result)
{
    bool unavailable = result->outcome == REGISTRY_E_UNAVAILABLE;
    _free_ char *message =
        unavailable ? mem_printf("image pull failed for %s because the registry is unavailable: %s",
                                 want->name, result->err.message)
                    : mem_strdup(result->err.message);

    want_event(want, "Warning", "Failed", "Failed to pull image \"%s\": %s%s", want->name,
               unavailable ? "RegistryUnavailable: " : "", result->err.message);
    answer(want, unavailable ? WAITING_REGISTRY_UNAVAILABLE : WAITING_ERR_IMAGE_PULL, message);
}

static void on_pulled(void *data, const PullResult *result)
{
    ImageWant *want = data;
    NodeAgent *agent = want->pod->agent;

    want->pull = NULL;
    if (result->outcome == 0) {
        answer_pulled(want, result);
    } else if (want->has_builtin) {
        agent->builtin_pull_at = clock_mono_ns(agent->options.clock) + BUILTIN_PAUSE;
        answer_present(want, "");
    } else {
        answer_failed(want, result);
    }
}

static void answer_not_pulled(ImageWant *want, Err *err)
{
    const PullResult result = {.outcome = -EINVAL, .err = *err};

    answer_failed(want, &result);
}

/* Returns the want if it waits. */
static ImageWant *begin_pull(ImageWant *want, Credentials *credentials)
{
    NodeAgent *agent = want->pod->agent;
    Err err = ERR_INIT;
    PullRequest request = {
        .name = want->name,
        .keyring = TAKE_PTR(credentials->keyring),
        .keyring_id = credentials->id,
        .secrets = credentials->secrets,
        .n_secrets = credentials->n,
        .done = on_pulled,
        .data = want,
    };

    want_event(want, "Normal", "Pulling", "Pulling image \"%s\"", want->name);
    if (!agent->options.puller) {
        keyring_free(request.keyring);
        err_set(&err, 0,
                "it is not on this machine, and registries are not asked; import it with \"stead "
                "image import FILE\"");
    } else {
        if (keyring_add_user_files(request.keyring, &err) >= 0)
            want->pull = pull_begin(agent->options.puller, &request, &err);
        else
            keyring_free(request.keyring);
    }
    if (want->pull)
        return want;
    answer_not_pulled(want, &err);
    return NULL;
}

/* ---- the policies ---- */

/* Is it an image of this machine, for which no registry is asked? */
static bool is_own(const Image *image, const ImageReference *reference)
{
    return !image->remote && !image->builtin &&
           (str_equal(reference->domain, "docker.io") || str_equal(reference->domain, "localhost"));
}

static ImageWant *refuse_never(ImageWant *want)
{
    _free_ char *text =
        mem_printf("Container image \"%s\" is not present with pull policy of Never", want->name);

    want_event(want, "Warning", "ErrImageNeverPull", "%s", text);
    answer(want, WAITING_ERR_IMAGE_NEVER_PULL, text);
    return NULL;
}

static ImageWant *decide(ImageWant *want, const char *policy, const ImageReference *reference,
                         const Image *image, Arena *arena)
{
    NodeAgent *agent = want->pod->agent;
    const char *repository = arena_printf(arena, "%s/%s", reference->domain, reference->path);
    bool always = str_equal(policy, "Always"), never = str_equal(policy, "Never");
    Credentials credentials = {0};
    Err err = ERR_INIT;

    if (image && always && is_own(image, reference)) {
        answer_present(want, "");
        return NULL;
    }
    if (image && image->builtin && always) {
        want->has_builtin = true;
        if (!agent->options.puller ||
            clock_mono_ns(agent->options.clock) < agent->builtin_pull_at) {
            answer_present(want, "");
            return NULL;
        }
    }
    if (!image && never)
        return refuse_never(want);
    if (image && !always && !image->remote) {
        answer_present(want, " and can be accessed by the pod");
        return NULL;
    }
    if (collect_credentials(want, repository, arena, &credentials, &err) < 0) {
        keyring_free(credentials.keyring);
        answer_not_pulled(want, &err);
        return NULL;
    }
    if (image && !always &&
        image_is_granted(agent->options.images, image->id, repository, credentials.secrets,
                         credentials.n)) {
        keyring_free(credentials.keyring);
        answer_present(want, " and can be accessed by the pod");
        return NULL;
    }
    if (never) { /* whether the image is there is not revealed */
        keyring_free(credentials.keyring);
        return refuse_never(want);
    }
    return begin_pull(want, &credentials);
}

ImageWant *pod_image_want(AgentPod *pod, size_t container, const char *name, const char *policy,
                          ImageReady ready, void *data)
{
    ImageWant *want = mem_new_type(ImageWant);
    _arena_ Arena arena = ARENA_INIT;
    ImageReference reference;
    Image image = {0};
    const char *why = "invalid reference format";
    Err err = ERR_INIT;
    int r;

    want->pod = agent_pod_ref(pod);
    want->container = container;
    want->name = mem_strdup(str_or(name, ""));
    want->begin_ns = clock_mono_ns(pod->agent->options.clock);
    want->ready = ready;
    want->data = data;
    if (reference_parse(&arena, want->name, &reference, &why) != 0) {
        const char *text =
            arena_printf(&arena,
                         "Failed to apply default image tag \"%s\": couldn't parse image name "
                         "\"%s\": %s",
                         want->name, want->name, why);

        want_event(want, "Warning", "InspectFailed", "%s", text);
        answer(want, WAITING_INVALID_IMAGE_NAME, text);
        return NULL;
    }
    r = image_find(pod->agent->options.images, want->name, &arena, &image, &err);
    if (r < 0) {
        const char *text =
            arena_printf(&arena, "Failed to inspect image \"%s\": %s", want->name, err.message);

        want_event(want, "Warning", "InspectFailed", "%s", text);
        answer(want, WAITING_IMAGE_INSPECT_ERROR, text);
        return NULL;
    }
    return decide(want, policy, &reference, r == 0 ? &image : NULL, &arena);
}
