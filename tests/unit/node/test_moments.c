/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change may come at any moment of a pod's life, and must have the same end.
 *
 * For each change that may be made to a running pod or to an object that it reads, the node is run
 * from the start once for each event of its start: the change is made before that event, the rest
 * happens, and what there is then must be what there is when the change was made before the pod
 * came, or when all was at rest. The same holds for a change that is made while the node's process
 * is not there. Events come in order, and in orders that chance chooses from a seed.
 *
 * A failure names the change and the seed. STEAD_MOMENTS_ONLY and STEAD_MOMENTS_SEED run these;
 * STEAD_MOMENTS_SHUFFLES=N tries N orders of chance at each moment.
 *
 * The table of changes has to know all that may change: the tests at the end walk the API's own
 * tables, so that a field or an object that becomes changeable fails here until it is tested.
 */
#include "testing.h"

#include <stdlib.h>

#include "api/rules/core/pod.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_container_v1.h"
#include "api/schema/core_persistent_volume_v1.h"
#include "api/schema/core_pod_v1.h"
#include "api/schema/core_scheduling_v1.h"
#include "api/validate/validate.h"
#include "base/log.h"
#include "moments.h"
#include "node/pod/inputs.h"
#include "node/volume/volume.h"

#define NS "default"
#define UID "00000000-0000-4000-8000-000000000001"
#define OTHER_UID "00000000-0000-4000-8000-000000000002"
#define AT_ONCE (50 * NS_PER_MS)
#define FAILURES_SHOWN 3

/* ---- the pod and what it reads ---- */

#define V1(kind, name, more)                                                      \
    "{\"apiVersion\":\"v1\",\"kind\":\"" kind "\",\"metadata\":{\"name\":\"" name \
    "\",\"namespace\":\"" NS "\",\"uid\":\"" name "-uid\"}" more "}"
#define CONFIG(name, data) V1("ConfigMap", name, ",\"data\":{" data "}")
#define SECRET(name, data) V1("Secret", name, ",\"data\":{" data "}")

#define POD_NAMED(uid)                                                                             \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"" NS   \
    "\",\"uid\":\"" uid "\",\"generation\":1,\"labels\":{\"app\":\"one\"},\"annotations\":"        \
    "{\"note\":\"one\"}},\"spec\":{\"nodeName\":\"node\",\"hostIPC\":true,"                        \
    "\"serviceAccountName\":\"account\",\"terminationGracePeriodSeconds\":30,"                     \
    "\"readinessGates\":[{\"conditionType\":\"example.com/gate\"}],"                               \
    "\"initContainers\":[{\"name\":\"init\",\"image\":\"init:1\"},"                                \
    "{\"name\":\"side\",\"image\":\"side:1\",\"restartPolicy\":\"Always\"}],"                      \
    "\"containers\":[{\"name\":\"app\",\"image\":\"app:1\",\"ports\":[{\"containerPort\":80,"      \
    "\"hostPort\":8080}],\"readinessProbe\":{\"tcpSocket\":{\"port\":80}},\"env\":["               \
    "{\"name\":\"CONFIG\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"vars\",\"key\":\"k\"}}}," \
    "{\"name\":\"SECRET\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"words\",\"key\":\"k\"}}}]}," \
    "{\"name\":\"other\",\"image\":\"other:1\",\"envFrom\":[{\"configMapRef\":{\"name\":"          \
    "\"vars\"}}]}],"                                                                               \
    "\"volumes\":[{\"name\":\"conf\",\"configMap\":{\"name\":\"conf\"}},"                          \
    "{\"name\":\"maybe\",\"configMap\":{\"name\":\"maybe\",\"optional\":true}},"                   \
    "{\"name\":\"secret\",\"secret\":{\"secretName\":\"secret\"}},"                                \
    "{\"name\":\"down\",\"downwardAPI\":{\"items\":[{\"path\":\"labels\",\"fieldRef\":"            \
    "{\"fieldPath\":\"metadata.labels\"}},{\"path\":\"notes\",\"fieldRef\":{\"fieldPath\":"        \
    "\"metadata.annotations\"}}]}},"                                                               \
    "{\"name\":\"all\",\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"part\"}},"           \
    "{\"secret\":{\"name\":\"hidden\"}},{\"downwardAPI\":{\"items\":[{\"path\":\"label\","         \
    "\"fieldRef\":{\"fieldPath\":\"metadata.labels['app']\"}}]}},"                                 \
    "{\"serviceAccountToken\":{\"path\":\"token\",\"expirationSeconds\":3600}}]}},"                \
    "{\"name\":\"data\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}},"                      \
    "{\"name\":\"own\",\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{\"accessModes\":"         \
    "[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}}},"                  \
    "{\"name\":\"image\",\"image\":{\"reference\":\"volume:1\"}}]}}"
#define POD POD_NAMED(UID)

#define VOLUME(name, claim)                                                                      \
    "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolume\",\"metadata\":{\"name\":\"" name        \
    "\",\"uid\":\"" name "-uid\",\"finalizers\":[\"stead.dev/volume\"]},\"spec\":{\"capacity\":" \
    "{\"storage\":\"1Gi\"},\"claimRef\":{\"namespace\":\"" NS "\",\"name\":\"" claim             \
    "\",\"uid\":\"" claim "-uid\"}}}"
#define CLAIM(name, volume)                  \
    V1("PersistentVolumeClaim", name,        \
       ",\"spec\":{\"volumeName\":\"" volume \
       "\"},\"status\":{\"phase\":\"Bound\",\"capacity\":{\"storage\":\"1Gi\"}}")

/* Each under the name by which a change may say that it is not there at first. */
static const struct {
    const char *name, *json;
} objects[] = {
    {"conf", CONFIG("conf", "\"a\":\"one\",\"b\":\"one\"")},
    {"maybe", CONFIG("maybe", "\"a\":\"one\"")},
    {"part", CONFIG("part", "\"part\":\"one\"")},
    {"vars", CONFIG("vars", "\"k\":\"one\"")},
    {"secret", SECRET("secret", "\"a\":\"b25l\"")},
    {"hidden", SECRET("hidden", "\"hidden\":\"b25l\"")},
    {"words", SECRET("words", "\"k\":\"b25l\"")},
    {"account", V1("ServiceAccount", "account", "")},
    {"pv-data", VOLUME("pv-data", "data")},
    {"data", CLAIM("data", "pv-data")},
    {"pv-own", VOLUME("pv-own", "web-own")},
    {"web-own", CLAIM("web-own", "pv-own")},
};

static const char *const images[] = {"init:1", "side:1", "app:1", "other:1", "volume:1",
                                     "init:2", "side:2", "app:2", "debug:1"};

/* ---- changes ---- */

static void edit_pod(Moments *m, void (*change)(Arena *arena, Pod *pod), const char *subresource,
                     bool spec)
{
    Object *copy = moments_edit(m, "Pod", NS, "web");

    if (!copy)
        return;
    change(&copy->arena, copy->value);
    if (spec)
        object_meta(copy)->generation++;
    moments_write(m, copy, subresource);
}

#define POD_CHANGE(name, subresource, spec, ...)     \
    static void name##_edit(Arena *arena, Pod *pod)  \
    {                                                \
        (void)arena;                                 \
        __VA_ARGS__                                  \
    }                                                \
    static void name(Moments *m)                     \
    {                                                \
        edit_pod(m, name##_edit, subresource, spec); \
    }

POD_CHANGE(set_labels, NULL, false, { string_map_put(arena, &pod->metadata.labels, "app", "two"); })
POD_CHANGE(set_labels_again, NULL, false,
           { string_map_put(arena, &pod->metadata.labels, "app", "three"); })
POD_CHANGE(set_annotations, NULL, false,
           { string_map_put(arena, &pod->metadata.annotations, "note", "two"); })
POD_CHANGE(set_owner, NULL, false, {
    OwnerReference *owner = arena_new(arena, OwnerReference);

    *owner = (OwnerReference){"v1", "ConfigMap", "conf", "conf-uid", NULL, NULL};
    pod->metadata.owner_references.v = owner;
    pod->metadata.owner_references.n = 1;
})
POD_CHANGE(set_finalizer, NULL, false, {
    const char **v = arena_new_n(arena, const char *, 1);

    v[0] = "example.com/keep";
    pod->metadata.finalizers = (StringArray){v, 1};
})
POD_CHANGE(set_app_image, NULL, true, { pod->spec.containers.v[0].image = "app:2"; })
POD_CHANGE(set_app_image_back, NULL, true, { pod->spec.containers.v[0].image = "app:1"; })
POD_CHANGE(set_missing_image, NULL, true, { pod->spec.containers.v[0].image = "late:1"; })
POD_CHANGE(set_init_image, NULL, true, { pod->spec.init_containers.v[0].image = "init:2"; })
POD_CHANGE(set_side_image, NULL, true, { pod->spec.init_containers.v[1].image = "side:2"; })
POD_CHANGE(set_deadline, NULL, true, { pod->spec.active_deadline_seconds = arena_int64(arena, 1); })
POD_CHANGE(set_far_deadline, NULL, true,
           { pod->spec.active_deadline_seconds = arena_int64(arena, 100000); })
POD_CHANGE(set_grace, NULL, true,
           { pod->spec.termination_grace_period_seconds = arena_int64(arena, 1); })
POD_CHANGE(set_toleration, NULL, true, {
    Toleration *v = arena_new(arena, Toleration);

    v->operator= "Exists";
    pod->spec.tolerations.v = v;
    pod->spec.tolerations.n = 1;
})
POD_CHANGE(add_ephemeral, NULL, true, {
    EphemeralContainer *v = arena_new(arena, EphemeralContainer);

    v->ephemeral_container_common.name = "debug";
    v->ephemeral_container_common.image = "debug:1";
    pod->spec.ephemeral_containers.v = v;
    pod->spec.ephemeral_containers.n = 1;
})

static ResourceRequirements cpu_of(Arena *arena, const char *cpu)
{
    ResourceRequirements resources = {0};

    string_map_put(arena, &resources.limits, "cpu", cpu);
    string_map_put(arena, &resources.requests, "cpu", cpu);
    return resources;
}

POD_CHANGE(set_app_cpu, NULL, true, { pod->spec.containers.v[0].resources = cpu_of(arena, "20m"); })
POD_CHANGE(set_app_cpu_again, NULL, true,
           { pod->spec.containers.v[0].resources = cpu_of(arena, "30m"); })
POD_CHANGE(set_app_cpu_back, NULL, true,
           { pod->spec.containers.v[0].resources = (ResourceRequirements){0}; })
POD_CHANGE(set_too_much_cpu, NULL, true,
           { pod->spec.containers.v[0].resources = cpu_of(arena, "100k"); })
POD_CHANGE(set_side_cpu, NULL, true,
           { pod->spec.init_containers.v[1].resources = cpu_of(arena, "20m"); })
POD_CHANGE(set_pod_cpu, NULL, true, {
    pod->spec.resources = arena_new(arena, ResourceRequirements);
    *pod->spec.resources = cpu_of(arena, "40m");
})

static void set_gate_to(Moments *m, const char *status)
{
    Object *copy = moments_edit(m, "Pod", NS, "web");
    PodConditionArray *all;
    PodCondition *v;
    size_t n = 0;

    if (!copy)
        return;
    all = &OBJECT_AS(Pod, copy)->status.conditions;
    v = arena_new_n(&copy->arena, PodCondition, all->n + 1);
    for (size_t i = 0; i < all->n; i++)
        if (!str_equal(all->v[i].type, "example.com/gate"))
            v[n++] = all->v[i];
    v[n++] = (PodCondition){.type = "example.com/gate", .status = status};
    *all = (PodConditionArray){v, n};
    moments_write(m, copy, "status");
}

static void open_gate(Moments *m)
{
    set_gate_to(m, "True");
}

static void close_gate(Moments *m)
{
    set_gate_to(m, "False");
}

static void delete_pod(Moments *m)
{
    moments_delete(m, "Pod", NS, "web", 30);
}

static void delete_pod_sooner(Moments *m)
{
    moments_delete(m, "Pod", NS, "web", 1);
}

static void delete_pod_by_force(Moments *m)
{
    moments_delete(m, "Pod", NS, "web", 0);
}

/* Under the same name, as soon as that is free. */
static void create_next_pod(Moments *m)
{
    Object *there = moments_edit(m, "Pod", NS, "web");

    if (there && str_equal(object_meta(there)->uid, UID)) {
        object_unref(there);
        moments_delete(m, "Pod", NS, "web", 0);
        there = NULL;
    }
    if (!there)
        moments_put(m, POD_NAMED(OTHER_UID));
    object_unref(there);
}

static void be_stubborn(Moments *m)
{
    m->stubborn = true;
}

static void put_object(Moments *m, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (strcmp(objects[i].name, name) == 0)
            moments_put(m, objects[i].json);
}

static void set_keys(Moments *m, const char *kind, const char *name, const char *key,
                     const char *value)
{
    Object *copy = moments_edit(m, kind, NS, name);

    if (!copy)
        return;
    if (str_equal(kind, "ConfigMap")) {
        string_map_put(&copy->arena, &OBJECT_AS(ConfigMap, copy)->data, key, value);
    } else {
        BytesMap *data = &OBJECT_AS(Secret, copy)->data;

        data->v[0].value = bytes_from_string(value);
    }
    moments_write(m, copy, NULL);
}

static void drop_key(Moments *m)
{
    Object *copy = moments_edit(m, "ConfigMap", NS, "conf");

    string_map_remove(&OBJECT_AS(ConfigMap, copy)->data, "b");
    moments_write(m, copy, NULL);
}

#define SET(function, kind, name, key, value) \
    static void function(Moments *m)          \
    {                                         \
        set_keys(m, kind, name, key, value);  \
    }
#define DELETE(function, kind, ns, name)      \
    static void function(Moments *m)          \
    {                                         \
        moments_delete(m, kind, ns, name, 0); \
    }
#define PUT(function, name)          \
    static void function(Moments *m) \
    {                                \
        put_object(m, name);         \
    }
SET(set_conf, "ConfigMap", "conf", "a", "two")
SET(set_conf_again, "ConfigMap", "conf", "a", "three")
SET(set_maybe, "ConfigMap", "maybe", "a", "two")
SET(set_part, "ConfigMap", "part", "part", "two")
SET(set_vars, "ConfigMap", "vars", "k", "two")
SET(set_secret, "Secret", "secret", "a", "two")
SET(set_hidden, "Secret", "hidden", "hidden", "two")
SET(set_words, "Secret", "words", "k", "two")
DELETE(delete_conf, "ConfigMap", NS, "conf")
DELETE(delete_maybe, "ConfigMap", NS, "maybe")
DELETE(delete_part, "ConfigMap", NS, "part")
DELETE(delete_vars, "ConfigMap", NS, "vars")
DELETE(delete_secret, "Secret", NS, "secret")
DELETE(delete_hidden, "Secret", NS, "hidden")
DELETE(delete_account, "ServiceAccount", NS, "account")
PUT(put_conf, "conf")
PUT(put_maybe, "maybe")
PUT(put_vars, "vars")
PUT(put_secret, "secret")
PUT(put_words, "words")
PUT(put_hidden, "hidden")
PUT(put_account, "account")
PUT(put_claim, "data")
PUT(put_volume, "pv-data")
PUT(put_own_claim, "web-own")

static void grow_volume_to(Moments *m, const char *size)
{
    Object *copy = moments_edit(m, "PersistentVolume", NULL, "pv-data");

    string_map_put(&copy->arena, &OBJECT_AS(PersistentVolume, copy)->spec.capacity, "storage",
                   size);
    moments_write(m, copy, NULL);
}

static void grow_volume(Moments *m)
{
    grow_volume_to(m, "2Gi");
}

static void use_device(Moments *m)
{
    m->device_in_use = true;
}

static void grow_volume_again(Moments *m)
{
    grow_volume_to(m, "3Gi");
}

static void bind_claim(Moments *m)
{
    Object *copy = moments_edit(m, "PersistentVolumeClaim", NS, "data");

    OBJECT_AS(PersistentVolumeClaim, copy)->status.phase = "Bound";
    moments_write(m, copy, "status");
}

static void unbind_claim(Moments *m)
{
    Object *copy = moments_edit(m, "PersistentVolumeClaim", NS, "data");

    OBJECT_AS(PersistentVolumeClaim, copy)->status.phase = "Pending";
    moments_write(m, copy, "status");
}

static void add_late_image(Moments *m)
{
    moments_add_image(m, "late:1");
}

static void forget_volume_image(Moments *m)
{
    strmap_remove(&m->images, "volume:1");
}

static void add_volume_image(Moments *m)
{
    moments_add_image(m, "volume:1");
}

static void renew_tokens(Moments *m)
{
    m->token_epoch++;
    m->mono_ns += 2900 * NS_PER_SEC;
}

static void put_service(Moments *m)
{
    moments_put(m, V1("Service", "later",
                      ",\"spec\":{\"clusterIP\":\"10.96.0.99\",\"ports\":"
                      "[{\"port\":80}]}"));
}

static void set_node_labels(Moments *m)
{
    Object *copy = moments_edit(m, "Node", NULL, "node");

    if (!copy)
        return;
    string_map_put(&copy->arena, &object_meta(copy)->labels, "zone", "two");
    moments_write(m, copy, NULL);
}

/*
 * what     the field or object that changes, as the tables of the API name it
 * without  an object that is not there at first
 * before   done before the pod comes
 * steps    one after the other, with one event of the node between
 *
 * Unless it comes too late for a pod that runs (rest_key), a change has one end, whenever it is
 * made.
 */
typedef struct Change {
    const char *name, *what, *without;
    void (*before)(Moments *m);
    void (*steps[3])(Moments *m);
    int64_t within_ns; /* AT_ONCE if 0 */
    const char *says;  /* the reason of an Event */
    /* At rest it has an end of its own: a pod that runs keeps what it started with. What then is
     * there, and how it is. */
    const char *rest_key, *rest_value;
} Change;

#define OF(field) "spec." field
#define META(field) "metadata." field

// clang-format off
static const Change changes[] = {
    {"labels", META("labels"), NULL, NULL, {set_labels}, 0, NULL},
    {"labels twice", META("labels"), NULL, NULL, {set_labels, set_labels_again}, 0, NULL},
    {"annotations", META("annotations"), NULL, NULL, {set_annotations}, 0, NULL},
    {"owner", META("ownerReferences"), NULL, NULL, {set_owner}, 0, NULL},
    {"finalizer, then delete", META("finalizers"), NULL, NULL, {set_finalizer, delete_pod}, 0, NULL, "pod/" UID, "terminating Failed generation 1 of 1"},
    {"image of an app", OF("containers[*].image"), NULL, NULL, {set_app_image}, 0, NULL},
    {"image there and back", OF("containers[*].image"), NULL, NULL, {set_app_image, set_app_image_back}, 0, NULL},
    {"image that comes later", OF("containers[*].image"), NULL, NULL, {set_missing_image, add_late_image}, 0, NULL},
    {"image that came before", OF("containers[*].image"), NULL, set_missing_image, {add_late_image}, 0, NULL},
    {"another than a missing image", OF("containers[*].image"), NULL, set_missing_image, {set_app_image}, 0, NULL},
    {"image of a sidecar", OF("initContainers[*].image"), NULL, NULL, {set_side_image}, 0, NULL},
    {"image of an init container", OF("initContainers[*].image"), NULL, NULL, {set_init_image}, 0, NULL, "status/" UID "/init", "init:1 ready Completed"},
    {"deadline", OF("activeDeadlineSeconds"), NULL, NULL, {set_deadline}, 3 * NS_PER_SEC, NULL},
    {"lower deadline", OF("activeDeadlineSeconds"), NULL, set_far_deadline, {set_deadline}, 3 * NS_PER_SEC, NULL},
    {"grace", OF("terminationGracePeriodSeconds"), NULL, NULL, {set_grace}, 0, NULL},
    {"toleration", OF("tolerations"), NULL, NULL, {set_toleration}, 0, NULL},
    {"ephemeral container", OF("ephemeralContainers"), NULL, NULL, {add_ephemeral}, 0, NULL},
    {"resources", OF("containers[*].resources"), NULL, NULL, {set_app_cpu}, 0, NULL},
    {"resources twice", OF("containers[*].resources"), NULL, NULL, {set_app_cpu, set_app_cpu_again}, 0, NULL},
    {"resources there and back", OF("containers[*].resources"), NULL, NULL, {set_app_cpu, set_app_cpu_back}, 0, NULL},
    {"less than what there is no room for", OF("containers[*].resources"), NULL, set_too_much_cpu, {set_app_cpu}, 0, NULL},
    {"resources of a sidecar", OF("initContainers[*].resources"), NULL, NULL, {set_side_cpu}, 0, NULL},
    {"resources of the pod", OF("resources"), NULL, NULL, {set_pod_cpu}, 0, NULL},
    {"gate opens", "status.conditions", NULL, NULL, {open_gate}, 0, NULL},
    {"gate opens and closes", "status.conditions", NULL, NULL, {open_gate, close_gate}, 0, NULL},
    {"delete", META("deletionTimestamp"), NULL, NULL, {delete_pod}, 0, NULL},
    {"delete by force", META("deletionTimestamp"), NULL, NULL, {delete_pod_by_force}, 0, NULL, "folder/run/" UID, NULL},
    {"delete, then sooner", META("deletionGracePeriodSeconds"), NULL, be_stubborn, {delete_pod, delete_pod_sooner}, 5 * NS_PER_SEC, NULL},
    {"delete, then by force", META("deletionGracePeriodSeconds"), NULL, be_stubborn, {delete_pod, delete_pod_by_force}, 0, NULL, "folder/run/" UID, NULL},
    {"another of the same name", META("uid"), NULL, NULL, {create_next_pod}, 0, NULL},
    {"another after a deletion", META("uid"), NULL, NULL, {delete_pod, create_next_pod}, 0, NULL},
    {"labels of another of the name", META("uid"), NULL, NULL, {create_next_pod, set_labels}, 0, NULL},
    {"ConfigMap", "ConfigMap", NULL, NULL, {set_conf}, 0, NULL},
    {"ConfigMap twice", "ConfigMap", NULL, NULL, {set_conf, set_conf_again}, 0, NULL},
    {"ConfigMap's key goes", "ConfigMap", NULL, NULL, {drop_key}, 0, NULL},
    {"ConfigMap goes", "ConfigMap", NULL, NULL, {delete_conf}, 0, "FailedMount", "file/" UID "/conf/a", "one"},
    {"ConfigMap goes and comes", "ConfigMap", NULL, NULL, {delete_conf, put_conf, set_conf}, 0, NULL},
    {"ConfigMap comes", "ConfigMap", "conf", NULL, {put_conf}, 0, NULL},
    {"ConfigMap goes, another changes", "ConfigMap", NULL, NULL, {delete_conf, set_part}, 0, "FailedMount", "file/" UID "/all/part", "two"},
    {"optional ConfigMap", "ConfigMap", NULL, NULL, {set_maybe}, 0, NULL},
    {"optional ConfigMap goes", "ConfigMap", NULL, NULL, {delete_maybe}, 0, NULL},
    {"optional ConfigMap comes", "ConfigMap", "maybe", NULL, {put_maybe}, 0, NULL},
    {"projected ConfigMap", "ConfigMap", NULL, NULL, {set_part}, 0, NULL},
    {"projected ConfigMap goes", "ConfigMap", NULL, NULL, {delete_part}, 0, "FailedMount", "file/" UID "/all/part", "one"},
    {"variables' ConfigMap", "ConfigMap", NULL, NULL, {set_vars}, 0, NULL},
    {"variables' ConfigMap goes", "ConfigMap", NULL, NULL, {delete_vars}, 0, NULL, "running/" UID "/app", "app:1"},
    {"variables' ConfigMap comes", "ConfigMap", "vars", NULL, {put_vars}, 0, NULL},
    {"Secret", "Secret", NULL, NULL, {set_secret}, 0, NULL},
    {"Secret goes", "Secret", NULL, NULL, {delete_secret}, 0, "FailedMount", "file/" UID "/secret/a", "one"},
    {"Secret comes", "Secret", "secret", NULL, {put_secret}, 0, NULL},
    {"projected Secret", "Secret", NULL, NULL, {set_hidden}, 0, NULL},
    {"projected Secret goes", "Secret", NULL, NULL, {delete_hidden}, 0, "FailedMount", "file/" UID "/all/hidden", "one"},
    {"projected Secret comes", "Secret", "hidden", NULL, {put_hidden}, 0, NULL},
    {"variables' Secret", "Secret", NULL, NULL, {set_words}, 0, NULL},
    {"variables' Secret comes", "Secret", "words", NULL, {put_words}, 0, NULL},
    {"tokens become old", "ServiceAccount", NULL, NULL, {renew_tokens}, 120 * NS_PER_SEC, NULL},
    {"tokens become old, ConfigMap is gone", "ServiceAccount", NULL, NULL, {delete_conf, renew_tokens}, 120 * NS_PER_SEC, NULL, "file/" UID "/all/token", "token 1 of account"},
    {"account goes and comes", "ServiceAccount", NULL, NULL, {delete_account, put_account}, 0, NULL},
    {"account comes", "ServiceAccount", "account", NULL, {put_account}, 0, NULL},
    {"claim comes", "PersistentVolumeClaim", "data", NULL, {put_claim}, 0, NULL},
    {"claim is bound", "PersistentVolumeClaim", NULL, unbind_claim, {bind_claim}, 0, NULL},
    {"claim of its own comes", "PersistentVolumeClaim", "web-own", NULL, {put_own_claim}, 0, NULL},
    {"volume comes", "PersistentVolume", "pv-data", NULL, {put_volume}, 0, NULL},
    {"volume grows", "PersistentVolume", NULL, NULL, {grow_volume}, 0, NULL},
    {"volume grows that is in use", "PersistentVolume", NULL, use_device, {grow_volume}, 2 * NS_PER_SEC, NULL},
    {"volume grows twice", "PersistentVolume", NULL, NULL, {grow_volume, grow_volume_again}, 0, NULL},
    {"volume's image comes", "image", NULL, forget_volume_image, {add_volume_image}, 0, NULL},
    {"a Service comes", "Service", NULL, NULL, {put_service}, 0, NULL},
    {"the Node's labels", "Node", NULL, NULL, {set_node_labels}, 0, NULL},
};
// clang-format on

/* ---- running them ---- */

/* Moments besides the number of an event. */
#define BEFORE SIZE_MAX        /* before the node starts */
#define AT_REST (SIZE_MAX - 1) /* when nothing is under way any more */
#define DOWN (SIZE_MAX - 2)    /* then, but while the node's process is not there */

static Moments *world_new(const Change *change, uint64_t seed)
{
    Moments *m = moments_new(seed);

    for (size_t i = 0; i < ARRAY_LEN(images); i++)
        moments_add_image(m, images[i]);
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (!str_equal(objects[i].name, change->without))
            moments_put(m, objects[i].json);
    moments_put(m, POD);
    if (change->before)
        change->before(m);
    moments_settle(m, 0);
    return m;
}

static void make_change(Moments *m, const Change *change)
{
    for (size_t i = 0; i < ARRAY_LEN(change->steps) && change->steps[i]; i++) {
        change->steps[i](m);
        moments_step(m);
    }
}

/* Makes the change before event number `moment` of the node, or at rest if there are not so many.
 * ret: what comes of it. Returns how many events there were before it. */
static size_t run(const Change *change, size_t moment, uint64_t seed, StrMap *ret)
{
    Moments *m = world_new(change, seed);
    size_t n = 0;

    if (moment == BEFORE) {
        make_change(m, change);
        moments_settle(m, 0);
    }
    moments_start(m);
    while (moment != BEFORE && n < moment && moments_step(m))
        n++;
    if (moment >= DOWN && moment != BEFORE)
        n += moments_settle(m, AT_ONCE);
    if (moment == DOWN)
        moments_stop(m);
    if (moment != BEFORE)
        make_change(m, change);
    if (moment == DOWN) {
        moments_settle(m, 0);
        moments_start(m);
    }
    moments_settle(m, change->within_ns ? change->within_ns : AT_ONCE);
    if (change->says && moment == AT_REST && !strmap_get(&m->reasons, change->says))
        fail_msg("no Event with the reason %s tells of \"%s\"", change->says, change->name);
    moments_snapshot(m, ret);
    moments_free(m);
    return n;
}

static void map_clear(StrMap *map)
{
    STRMAP_DEINIT_WITH(map, free);
}

/* Variables are of the moment at which their container started; all else belongs together. */
static bool is_like(const StrMap *is, const StrMap *one, const StrMap *other, const char **ret)
{
    const StrMap *from[] = {is, one};

    for (size_t f = 0; f < ARRAY_LEN(from); f++) {
        STRMAP_EACH(from[f], slot) {
            const char *value = strmap_get(is, slot->key);

            if (str_equal(value, strmap_get(one, slot->key)) && (value || !f))
                continue;
            if (str_starts_with(slot->key, "env/") &&
                str_equal(str_or(value, ""), str_or(strmap_get(other, slot->key), "")))
                continue;
            *ret = slot->key;
            return false;
        }
    }
    return true;
}

static int failed;

static void check(const Change *change, size_t moment, uint64_t seed, const StrMap *is,
                  const StrMap *before, const StrMap *rest)
{
    const char *why, *why_not;

    if (is_like(is, before, rest, &why) || is_like(is, rest, before, &why_not))
        return;
    failed++;
    print_message("\n\"%s\" made before event %zu, seed %" PRIu64
                  ":\n  %s is \"%s\", but \"%s\" if it is made before the pod\n"
                  "  %s is \"%s\", but \"%s\" if it is made at rest",
                  change->name, moment, seed, why, str_or(strmap_get(is, why), ""),
                  str_or(strmap_get(before, why), ""), why_not, str_or(strmap_get(is, why_not), ""),
                  str_or(strmap_get(rest, why_not), ""));
}

/* What all moments are compared with has to be right itself. */
static void check_rest(const Change *change, const StrMap *before, const StrMap *rest)
{
    const char *why = change->rest_key, *value = why ? change->rest_value : NULL;

    if (why ? str_equal(strmap_get(rest, why), value) : is_like(rest, before, rest, &why))
        return;
    failed++;
    print_message("\n\"%s\" made at rest: %s is \"%s\" instead of \"%s\"\n", change->name, why,
                  str_or(strmap_get(rest, why), ""),
                  str_or(value ? value : strmap_get(before, why), ""));
}

static void try_moment(const Change *change, size_t moment, uint64_t seed, const StrMap *before,
                       const StrMap *rest)
{
    StrMap is = STRMAP_INIT;

    run(change, moment, seed, &is);
    check(change, moment, seed, &is, before, rest);
    map_clear(&is);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* All moments in order, and a third of them also in an order that chance chooses: its seed is the
 * moment's number. */
static void try_all_moments(size_t index)
{
    const Change *change = &changes[index];
    uint64_t seed = number_from("STEAD_MOMENTS_SEED", 0);
    uint64_t shuffles = number_from("STEAD_MOMENTS_SHUFFLES", 0);
    StrMap before = STRMAP_INIT, rest = STRMAP_INIT;
    int known = failed;
    size_t events;

    run(change, BEFORE, 0, &before);
    events = run(change, AT_REST, seed, &rest);
    check_rest(change, &before, &rest);
    try_moment(change, DOWN, seed, &before, &rest);
    for (size_t moment = 0; moment <= events && failed - known < FAILURES_SHOWN; moment++) {
        try_moment(change, moment, seed, &before, &rest);
        if (!seed && !shuffles && moment % 3 == index % 3)
            try_moment(change, moment, moment + 1, &before, &rest);
        for (uint64_t i = 0; i < shuffles; i++)
            try_moment(change, moment, moment * shuffles + i + 1, &before, &rest);
    }
    map_clear(&before);
    map_clear(&rest);
}

static void a_change_has_the_same_end_at_every_moment(void **state)
{
    const char *only = getenv("STEAD_MOMENTS_ONLY");

    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        if (!only || str_equal(only, changes[i].name))
            try_all_moments(i);
    assert_int_equal(failed, 0);
}

/* ---- nothing that may change is left out ---- */

static bool is_tested(const char *what)
{
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        if (str_equal(changes[i].what, what))
            return true;
    return false;
}

static void each_field_of_the_spec_that_may_change_has_a_test(void **state)
{
    const PodMutableField *field;

    for (size_t i = 0; (field = pod_mutable_field(i)); i++)
        if (field->bound && !is_tested(field->path))
            fail_msg("%s may change while a pod runs, and no test changes it", field->path);
}

static void each_field_of_the_metadata_has_a_test_or_is_fixed(void **state)
{
    /* The server's own, and what no update may change. */
    static const char *const fixed[] = {"name",       "generateName",      "namespace",
                                        "selfLink",   "creationTimestamp", "managedFields",
                                        "generation", "resourceVersion"};

    for (size_t i = 0; i < type_ObjectMeta.n_fields; i++) {
        _free_ char *path = mem_printf("metadata.%s", type_ObjectMeta.fields[i].json);
        bool known = is_tested(path);

        for (size_t k = 0; k < ARRAY_LEN(fixed); k++)
            known = known || str_equal(fixed[k], type_ObjectMeta.fields[i].json);
        if (!known)
            fail_msg("%s may change, and no test changes it", path);
    }
}

static void each_object_that_a_pod_reads_has_a_test(void **state)
{
    for (size_t i = 0; i < POD_INPUTS; i++)
        if (!is_tested(pod_inputs[i].kind))
            fail_msg("pods read %s, and no test changes one", pod_inputs[i].kind);
}

static void each_kind_of_volume_is_in_the_pod_or_reads_nothing(void **state)
{
    static const char *const still[] = {"emptyDir", "hostPath"};

    for (size_t i = 0; volume_kind_name(i); i++) {
        _free_ char *member = mem_printf("\"%s\":", volume_kind_name(i));
        bool known = strstr(strstr(POD, "\"volumes\""), member) != NULL;

        for (size_t k = 0; k < ARRAY_LEN(still); k++)
            known = known || str_equal(still[k], volume_kind_name(i));
        if (!known)
            fail_msg("no pod here has a volume of kind %s", volume_kind_name(i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_of_the_spec_that_may_change_has_a_test),
        cmocka_unit_test(each_field_of_the_metadata_has_a_test_or_is_fixed),
        cmocka_unit_test(each_object_that_a_pod_reads_has_a_test),
        cmocka_unit_test(each_kind_of_volume_is_in_the_pod_or_reads_nothing),
        cmocka_unit_test(a_change_has_the_same_end_at_every_moment),
    };

    log_level_max = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
