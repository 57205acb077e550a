/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ComponentStatuses: the parts of a control plane under the names of Kubernetes. All of them are in this
 * process, so whoever gets an answer at all finds them healthy; scripts wait for these lines.
 */
#include "api/object.h"
#include "api/schema/core_cluster_v1.h"
#include "api/selector.h"
#include "server/read/read.h"
#include "server/request/respond.h"

static const char *const parts[] = {"scheduler", "controller-manager", "etcd-0"};

static Object *make_status(const char *name)
{
    Object *object = object_new(&kind_component_status);
    ComponentStatus *status = object->value;

    status->metadata.name = arena_strdup(&object->arena, name);
    status->conditions.v = arena_new(&object->arena, ComponentCondition);
    status->conditions.v[status->conditions.n++] =
        (ComponentCondition){.type = "Healthy", .status = "True", .message = "ok"};
    return object;
}

static void answer_one(Call *call)
{
    ApiStatus status;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        _object_ Object *object = NULL;

        if (!str_equal(parts[i], call->route.name))
            continue;
        object = make_status(parts[i]);
        respond_object(call, 200, object);
        return;
    }
    status_not_found(&status, call->arena, &kind_component_status, call->route.name);
    respond_status(call, &status);
}

void read_component_status(Call *call)
{
    Selector *labels = NULL, *fields = NULL;
    ApiStatus status = {.reason = STATUS_OK};
    Object *found[ARRAY_LEN(parts)];
    size_t n = 0;

    if (call->route.name) {
        answer_one(call);
        return;
    }
    (void)read_selectors(call, &labels, &fields, &status);
    if (status.reason != STATUS_OK) {
        respond_status(call, &status);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        found[n] = make_status(parts[i]);
        if (read_matches(found[n], NULL, labels, fields))
            n++;
        else
            object_unref(found[n]);
    }
    list_answer(call, found, n);
    for (size_t i = 0; i < n; i++)
        object_unref(found[i]);
}
