/* SPDX-License-Identifier: Apache-2.0 */
/* The view joins each Service with its EndpointSlices, in whatever order they appear and disappear. */
#include "testing.h"

#include "api/schema/core_pod_v1.h"
#include "api/schema/core_service_v1.h"
#include "api/schema/discovery_v1.h"
#include "base/strbuf.h"
#include "view/service.h"

typedef struct Log {
    ServiceView view;
    StrBuf text; /* one word per change: key, S if the Service is known, names of slices */
} Log;

static void on_change(void *data, ServiceEntry *entry)
{
    Log *log = data;

    strbuf_printf(&log->text, "%s%s:%s", log->text.n ? " " : "", entry->key,
                  entry->service ? "S" : "");
    for (size_t i = 0; i < entry->slices.n; i++)
        strbuf_printf(&log->text, "%s%s", i ? "," : "", object_meta(entry->slices.v[i])->name);
}

static void happen(Log *log, WatchEventType type, const Kind *kind, const char *name,
                   const char *service)
{
    _object_ Object *object = object_new(kind);

    object_meta(object)->namespace = "ns";
    object_meta(object)->name = name;
    if (service)
        string_map_put(&object->arena, &object_meta(object)->labels, "kubernetes.io/service-name",
                       service);
    service_view_on_event(&log->view, &(WatchEvent){.type = type, .object = object});
}

static void slices_join_their_service_in_any_order(void **state _unused_)
{
    Log log = {.text = STRBUF_INIT};

    log.view.on_change = on_change;
    log.view.data = &log;
    happen(&log, WATCH_ADDED, &kind_endpoint_slice, "a", "web");
    happen(&log, WATCH_ADDED, &kind_service, "web", NULL);
    happen(&log, WATCH_ADDED, &kind_endpoint_slice, "b", "web");
    happen(&log, WATCH_ADDED, &kind_endpoint_slice, "c", "db");
    happen(&log, WATCH_MODIFIED, &kind_endpoint_slice, "b", "web");
    happen(&log, WATCH_DELETED, &kind_endpoint_slice, "a", "web");
    assert_string_equal(strbuf_string(&log.text),
                        "ns/web:a ns/web:Sa ns/web:Sa,b ns/db:c ns/web:Sa,b ns/web:Sb");
    assert_non_null(service_view_find(&log.view, "ns", "web"));
    assert_null(service_view_find(&log.view, "other", "web"));
    happen(&log, WATCH_DELETED, &kind_service, "web", NULL);
    assert_null(service_view_find(&log.view, "ns", "web")->service);
    happen(&log, WATCH_DELETED, &kind_endpoint_slice, "b", "web");
    assert_null(service_view_find(&log.view, "ns", "web")); /* nothing of it is left */
    service_view_deinit(&log.view);
    strbuf_deinit(&log.text);
}

static void other_objects_and_bookmarks_are_ignored(void **state _unused_)
{
    Log log = {.text = STRBUF_INIT};

    log.view.on_change = on_change;
    log.view.data = &log;
    happen(&log, WATCH_ADDED, &kind_endpoints, "web", NULL);
    happen(&log, WATCH_ADDED, &kind_endpoint_slice, "a", NULL); /* of no Service */
    happen(&log, WATCH_BOOKMARK, &kind_service, "web", NULL);
    assert_int_equal(log.text.n, 0);
    assert_int_equal(log.view.entries.n, 0);
    service_view_deinit(&log.view);
    strbuf_deinit(&log.text);
}

static void an_endpoint_is_ready_unless_it_says_otherwise(void **state _unused_)
{
    bool yes = true, no = false;

    assert_true(endpoint_is_ready(&(Endpoint){0}));
    assert_true(endpoint_is_ready(&(Endpoint){.conditions.ready = &yes}));
    assert_false(endpoint_is_ready(&(Endpoint){.conditions.ready = &no}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_join_their_service_in_any_order),
        cmocka_unit_test(other_objects_and_bookmarks_are_ignored),
        cmocka_unit_test(an_endpoint_is_ready_unless_it_says_otherwise),
    };

    return cmocka_run_group_tests_name("view of services", tests, NULL, NULL);
}
