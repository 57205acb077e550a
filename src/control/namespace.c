/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces: each has a ServiceAccount "default" and a ConfigMap "kube-root-ca.crt"; one that is
 * being deleted is emptied, kind by kind, and let go when nothing is left.
 *
 * What holds on to its life (a pod in its grace period, a finalizer) is not forced: its own end
 * wakes us again.
 */
#include "api/object.h"
#include "control/controllers.h"

#define ROOT_CA_NAME "kube-root-ca.crt"
#define CONTENT_FINALIZER "kubernetes"

static void finalize(Reconcile *reconcile, const Object *object)
{
    Object *copy = object_copy(object);
    Namespace *ns = copy->value;
    size_t n = 0;

    for (size_t i = 0; i < ns->spec.finalizers.n; i++)
        if (!str_equal(ns->spec.finalizers.v[i], CONTENT_FINALIZER))
            ns->spec.finalizers.v[n++] = ns->spec.finalizers.v[i];
    ns->spec.finalizers.n = n;
    reconcile_update(reconcile, copy, &(WriteOptions){.subresource = "finalize"}, NULL, NULL);
}

static bool has_content(const Kind *kind)
{
    return (kind->flags & KIND_NAMESPACED) && !(kind->flags & KIND_NOT_STORED);
}

/* A deletion that is refused for now (a conflict, a full disk) comes again by the back-off. */
static void empty(Reconcile *reconcile, const Object *object)
{
    const char *name = object_meta(object)->name;
    size_t left = 0;

    for (size_t id = 0; id < kind_count(); id++) {
        ObjectList list;

        if (!has_content(kind_at(id)))
            continue;
        list = control_list(reconcile->client, &reconcile->arena, kind_at(id), name);
        left += list.n;
        for (size_t i = 0; i < list.n; i++)
            if (!object_meta(list.v[i])->deletion_timestamp.set)
                reconcile_delete(reconcile, list.v[i], &(WriteOptions){.propagation = "Background"},
                                 NULL, NULL);
    }
    if (left == 0)
        finalize(reconcile, object);
}

static void on_furnished(Reconcile *reconcile, void *data _unused_, const ApiStatus *status,
                         Object *object _unused_)
{
    /* Someone else was faster, or the namespace goes. */
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
    } else if (object) {
        furnish_account(reconcile);
        furnish_root_ca(reconcile);
    }
    reconcile_then(reconcile, reconcile_end);
}

/* What is gone may have been the last in its namespace, or a part of its furniture. */
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
    for (size_t id = 0; id < kind_count(); id++)
        if (has_content(kind_at(id)))
            controller_watch(controller, kind_at(id), on_content);
}

const ControllerOps namespace_controller = {
    .name = "namespace",
    .component = "namespace-controller",
    .start = start,
    .reconcile = reconcile_namespace,
};
