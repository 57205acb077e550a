/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of Namespaces. Each namespace gets a ServiceAccount "default" and a ConfigMap
 * "kube-root-ca.crt". A namespace that is being deleted is emptied, first of its pods and then of all
 * other objects, and released when nothing is left. Until then its conditions list what remains.
 *
 * Nothing is forced: a pod in its grace period, or an object with a finalizer, is waited for, and its
 * deletion enqueues the namespace again.
 */
#include "api/condition.h"
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/schema/core_config_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/vec.h"
#include "control/controllers.h"

#define ROOT_CA_NAME "kube-root-ca.crt"
#define CONTENT_FINALIZER "kubernetes"

static void finalize(Reconcile *reconcile, const Object *object)
{
    Object *copy = object_copy(object);
    Namespace *ns = copy->value;

    string_array_remove(&ns->spec.finalizers, CONTENT_FINALIZER);
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "finalize"}, NULL, NULL);
}

static bool has_content(const Kind *kind)
{
    return (kind->flags & KIND_NAMESPACED) && kind_is_stored(kind);
}

/* ---- emptying ---- */

#define COUNTS_MAX 100 /* finalizers that a message lists at most */

typedef struct Count {
    const char *name;
    size_t n;
} Count;

typedef VEC(Count) Counts;

/* What is left in a namespace that is being emptied. */
typedef struct Emptying {
    Object *object;
    Counts resources, finalizers; /* objects of each kind, and objects with each finalizer */
    VEC(const char *) errors;
} Emptying;

static void emptying_clear(void *data)
{
    Emptying *emptying = data;

    VEC_DEINIT(&emptying->resources);
    VEC_DEINIT(&emptying->finalizers);
    VEC_DEINIT(&emptying->errors);
}

static void count(Counts *counts, const char *name)
{
    for (size_t i = 0; i < counts->n; i++) {
        if (str_equal(counts->v[i].name, name)) {
            counts->v[i].n++;
            return;
        }
    }
    if (counts->n < COUNTS_MAX)
        VEC_PUSH(counts, ((Count){name, 1}));
}

/* Counts the objects of the kind and their finalizers. */
static void count_kind(Reconcile *reconcile, Emptying *emptying, const Kind *kind)
{
    ObjectList list = control_list(reconcile->client, &reconcile->arena, kind, reconcile->name);

    if (!list.n)
        return;
    VEC_PUSH(
        &emptying->resources,
        ((Count){arena_printf(&reconcile->arena, "%s.%s", kind->plural, kind->group), list.n}));
    for (size_t i = 0; i < list.n; i++) {
        const StringArray *finalizers = &object_meta(list.v[i])->finalizers;

        for (size_t k = 0; k < finalizers->n; k++)
            count(&emptying->finalizers, arena_strdup(&reconcile->arena, finalizers->v[k]));
    }
}

/* A refused deletion (because of a conflict or a full disk) is retried after the back-off. */
static void on_emptied(Reconcile *reconcile, void *data _unused_, const ApiStatus *status,
                       Object *object _unused_)
{
    Emptying *emptying = reconcile->data;

    if (status->reason == STATUS_OK || status->reason == STATUS_NOT_FOUND)
        return;
    reconcile->failed = true;
    VEC_PUSH(&emptying->errors, arena_strdup(&reconcile->arena, status->message));
}

static void empty_kind(Reconcile *reconcile, const Kind *kind)
{
    ObjectList list = control_list(reconcile->client, &reconcile->arena, kind, reconcile->name);

    for (size_t i = 0; i < list.n; i++)
        if (!object_meta(list.v[i])->deletion_timestamp.set)
            reconcile_delete(reconcile, list.v[i], &(WriteOptions){.propagation = "Background"},
                             on_emptied, NULL);
}

static int compare_counts(const void *a, const void *b)
{
    return strcmp(((const Count *)a)->name, ((const Count *)b)->name);
}

/* "pods. has 2 resource instances, secrets. has 1 resource instances" */
static const char *print_counts(Arena *arena, const Counts *counts, const char *head,
                                const char *format)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    qsort(counts->v, counts->n, sizeof(*counts->v), compare_counts);
    strbuf_add_string(&text, head);
    for (size_t i = 0; i < counts->n; i++)
        strbuf_printf(&text, "%s%s %s %zu resource instances", i ? ", " : "", counts->v[i].name,
                      format, counts->v[i].n);
    return arena_strdup(arena, text.p);
}

static const char *print_errors(Arena *arena, const Emptying *emptying)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    strbuf_printf(&text,
                  "Failed to delete all resource types, %zu remaining: ", emptying->errors.n);
    for (size_t i = 0; i < emptying->errors.n; i++)
        strbuf_printf(&text, "%s%s", i ? ", " : "", emptying->errors.v[i]);
    return arena_strdup(arena, text.p);
}

/* Returns true if the condition has changed. */
static bool set_condition(Object *object, Time now, const NamespaceCondition *wanted)
{
    NamespaceConditionArray *conditions = &OBJECT_AS(Namespace, object)->status.conditions;
    NamespaceCondition *is = CONDITION_FIND(conditions, wanted->type);

    if (is && str_equal(is->status, wanted->status) && str_equal(is->reason, wanted->reason) &&
        str_equal(is->message, wanted->message))
        return false;
    if (!is) {
        is = ARENA_APPEND(&object->arena, conditions,
                          (NamespaceCondition){.last_transition_time = now});
    } else if (!str_equal(is->status, wanted->status)) {
        is->last_transition_time = now;
    }
    is->type = wanted->type;
    is->status = wanted->status;
    is->reason = wanted->reason;
    is->message = arena_strdup(&object->arena, wanted->message);
    return true;
}

/* Writes the conditions, which tell users what the deletion is waiting for. */
static void write_conditions(Reconcile *reconcile, const Emptying *emptying)
{
    Arena *arena = &reconcile->arena;
    bool errors = emptying->errors.n, resources = emptying->resources.n,
         finalizers = emptying->finalizers.n;
    const NamespaceCondition conditions[] = {
        {.type = "NamespaceDeletionDiscoveryFailure",
         .status = "False",
         .reason = "ResourcesDiscovered",
         .message = "All resources successfully discovered"},
        {.type = "NamespaceDeletionGroupVersionParsingFailure",
         .status = "False",
         .reason = "ParsedGroupVersions",
         .message = "All legacy kube types successfully parsed"},
        {.type = "NamespaceDeletionContentFailure",
         .status = errors ? "True" : "False",
         .reason = errors ? "ContentDeletionFailed" : "ContentDeleted",
         .message = errors ? print_errors(arena, emptying)
                           : "All content successfully deleted, may be waiting on finalization"},
        {.type = "NamespaceContentRemaining",
         .status = resources ? "True" : "False",
         .reason = resources ? "SomeResourcesRemain" : "ContentRemoved",
         .message = resources ? print_counts(arena, &emptying->resources,
                                             "Some resources are remaining: ", "has")
                              : "All content successfully removed"},
        {.type = "NamespaceFinalizersRemaining",
         .status = finalizers ? "True" : "False",
         .reason = finalizers ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
         .message =
             finalizers
                 ? print_counts(arena, &emptying->finalizers,
                                "Some content in the namespace has finalizers remaining: ", "in")
                 : "All content-preserving finalizers finished"},
    };
    Time now = reconcile_now(reconcile);
    Object *copy = object_copy(emptying->object);
    bool changed = false;

    for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
        changed |= set_condition(copy, now, &conditions[i]);
    if (changed)
        reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "status"}, NULL, NULL);
    else
        object_unref(copy);
}

/* All objects have been deleted. Those that remain have a grace period or a finalizer. */
static void look_what_remains(Reconcile *reconcile)
{
    Emptying *emptying = reconcile->data;

    KIND_EACH(kind)
        if (has_content(kind))
            count_kind(reconcile, emptying, kind);
    if (emptying->resources.n || emptying->errors.n)
        write_conditions(reconcile, emptying);
    else
        finalize(reconcile, emptying->object);
    reconcile_then(reconcile, reconcile_end);
}

/* All other objects wait until the pods have ended, because the pods may still use them. */
static void empty_rest(Reconcile *reconcile)
{
    Emptying *emptying = reconcile->data;

    count_kind(reconcile, emptying, &kind_pod);
    if (emptying->resources.n) {
        write_conditions(reconcile, emptying);
        reconcile_then(reconcile, reconcile_end);
        return;
    }
    KIND_EACH(kind)
        if (has_content(kind))
            empty_kind(reconcile, kind);
    reconcile_then(reconcile, look_what_remains);
}

static void empty(Reconcile *reconcile, Object *object)
{
    Emptying *emptying = arena_new(&reconcile->arena, Emptying);

    arena_link(&reconcile->arena, emptying_clear, emptying);
    emptying->object = object;
    reconcile->data = emptying;
    empty_kind(reconcile, &kind_pod);
    reconcile_then(reconcile, empty_rest);
}

/* ---- initial content ---- */

static void on_furnished(Reconcile *reconcile, void *data _unused_, const ApiStatus *status,
                         Object *object _unused_)
{
    /* The object exists already, or the namespace is being deleted. */
    if (status->reason != STATUS_OK && status->reason != STATUS_ALREADY_EXISTS &&
        status->reason != STATUS_FORBIDDEN && status->reason != STATUS_NOT_FOUND)
        reconcile->failed = true;
}

static void furnish_account(Reconcile *reconcile)
{
    Object *account;

    if (client_get(reconcile->client, &kind_service_account, reconcile->name, "default"))
        return;
    account = object_new(&kind_service_account);
    object_meta(account)->name = "default";
    object_meta(account)->namespace = arena_strdup(&account->arena, reconcile->name);
    reconcile_create(reconcile, account, NULL, on_furnished, NULL);
}

static void put_root_ca(Object *object, const char *pem)
{
    Arena *arena = &object->arena;
    ConfigMap *map = object->value;

    map->data = (StringMap){0};
    string_map_put(arena, &map->data, "ca.crt", arena_strdup(arena, pem));
    string_map_put(arena, &map->metadata.annotations, "kubernetes.io/description",
                   "Contains a CA bundle that can be used to verify the kube-apiserver when using "
                   "internal endpoints "
                   "such as the internal service IP or kubernetes.default.svc. No other usage is "
                   "guaranteed across "
                   "distributions of Kubernetes clusters.");
}

static void furnish_root_ca(Reconcile *reconcile)
{
    const char *pem = reconcile->controller->options->root_ca_pem;
    Object *there = client_get(reconcile->client, &kind_config_map, reconcile->name, ROOT_CA_NAME);
    Object *object;

    if (!pem)
        return;
    if (there) {
        const StringMap *data = &OBJECT_AS(ConfigMap, there)->data;

        if (data->n == 1 && str_equal(string_map_get(data, "ca.crt"), pem))
            return;
        object = object_copy(there);
        put_root_ca(object, pem);
        reconcile_update(reconcile, object, NULL, NULL, NULL);
        return;
    }
    object = object_new(&kind_config_map);
    object_meta(object)->name = ROOT_CA_NAME;
    object_meta(object)->namespace = arena_strdup(&object->arena, reconcile->name);
    put_root_ca(object, pem);
    reconcile_create(reconcile, object, NULL, on_furnished, NULL);
}

static void reconcile_namespace(Reconcile *reconcile)
{
    Object *object = reconcile_object(reconcile, &kind_namespace);

    if (object && object_meta(object)->deletion_timestamp.set) {
        empty(reconcile, object);
        return;
    }
    if (object) {
        furnish_account(reconcile);
        furnish_root_ca(reconcile);
    }
    reconcile_then(reconcile, reconcile_end);
}

/* A deleted object may have been the last one of its namespace, or part of its initial content. */
static void on_content(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);
    bool furniture = event->object->kind == &kind_config_map && str_equal(meta->name, ROOT_CA_NAME);
    Object *ns;

    if (event->type == WATCH_DELETED)
        furniture = furniture || (event->object->kind == &kind_service_account &&
                                  str_equal(meta->name, "default"));
    else if (event->type == WATCH_ADDED || !furniture)
        return;
    ns = client_get(controller->client, &kind_namespace, NULL, meta->namespace);
    if (ns && (furniture || object_meta(ns)->deletion_timestamp.set))
        controller_enqueue(controller, NULL, meta->namespace);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_namespace, controller_enqueue_self);
    controller_watch_kinds(controller, has_content, on_content);
}

const ControllerOps namespace_controller = {
    .name = "namespace",
    .component = "namespace-controller",
    .start = start,
    .reconcile = reconcile_namespace,
};
