/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of bootstrap tokens: deletes those that have expired, and signs the ConfigMap cluster-info
 * with those that may. All tokens have one key, since there are few, and the signatures concern all of them.
 */
#include "api/bootstrap_token.h"
#include "api/object.h"
#include "control/bootstrap/signer.h"
#include "control/controllers.h"

#define KEY "tokens"
#define INFO_NAMESPACE "kube-public"
#define INFO_NAME "cluster-info"

static void sign(Reconcile *reconcile, const ObjectList *tokens)
{
    Arena *arena = &reconcile->arena;
    Object *object = client_get(reconcile->client, &kind_config_map, INFO_NAMESPACE, INFO_NAME);
    const Secret **secrets = arena_new_n(arena, const Secret *, tokens->n + 1);
    Object *changed;
    StringMap data;

    for (size_t i = 0; i < tokens->n; i++)
        secrets[i] = tokens->v[i]->value;
    if (!object || object_meta(object)->deletion_timestamp.set ||
        !bootstrap_signatures(arena, OBJECT_AS(ConfigMap, object), secrets, tokens->n,
                              reconcile_now_ns(reconcile), &data))
        return;
    changed = object_copy(object);
    OBJECT_AS(ConfigMap, changed)->data = (StringMap){0};
    string_map_fill(&changed->arena, &OBJECT_AS(ConfigMap, changed)->data, &data);
    reconcile_update(reconcile, changed, NULL, NULL, NULL);
}

static void reconcile_tokens(Reconcile *reconcile)
{
    ObjectList all =
        control_list(reconcile->client, &reconcile->arena, &kind_secret, BOOTSTRAP_NAMESPACE);
    ObjectList tokens = {arena_new_n(&reconcile->arena, Object *, all.n + 1), 0};
    int64_t now = reconcile_now_ns(reconcile), next = INT64_MAX;

    for (size_t i = 0; i < all.n; i++) {
        const Secret *secret = OBJECT_AS(Secret, all.v[i]);
        int64_t left;

        if (!bootstrap_is_token(secret))
            continue;
        left = bootstrap_left_ns(secret, now);
        if (left)
            tokens.v[tokens.n++] = all.v[i];
        else
            reconcile_delete(reconcile, all.v[i], NULL, NULL, NULL);
        next = MIN_OF(next, left ? left : INT64_MAX);
    }
    if (next != INT64_MAX)
        reconcile->again_after_ns = next;
    sign(reconcile, &tokens);
    reconcile_then(reconcile, reconcile_end);
}

static bool concerns_token(const Object *object)
{
    return object && str_equal(OBJECT_AS(Secret, object)->type, BOOTSTRAP_TYPE) &&
           str_equal(object_meta(object)->namespace, BOOTSTRAP_NAMESPACE);
}

static void on_secret(Controller *controller, const WatchEvent *event)
{
    if (concerns_token(event->object) || concerns_token(event->before))
        workqueue_add(controller->queue, KEY);
}

static void on_map(Controller *controller, const WatchEvent *event)
{
    const ObjectMeta *meta = object_meta(event->object);

    if (str_equal(meta->name, INFO_NAME) && str_equal(meta->namespace, INFO_NAMESPACE))
        workqueue_add(controller->queue, KEY);
}

static void start(Controller *controller)
{
    controller_watch(controller, &kind_secret, on_secret);
    controller_watch(controller, &kind_config_map, on_map);
}

const ControllerOps bootstrap_controller = {
    .name = "bootstrap-token",
    .component = "bootstrap-token-controller",
    .start = start,
    .reconcile = reconcile_tokens,
};
