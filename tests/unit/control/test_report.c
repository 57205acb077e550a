/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator and a user see of reconciles: lines, counts, and Events in Kubernetes' words. */
#include "control_rig.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "api/condition.h"
#include "api/schema/apps_v1.h"
#include "api/schema/core_event_v1.h"
#include "api/schema/core_pod_v1.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/observe/metrics.h"

#define TEMPLATE                                                                                \
    "'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':'web'}}," \
    "'spec':{'containers':[{'name':'a','image':'i'}]}}}}"
#define SET                                                                                     \
    "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':1,'serviceName':'web'" \
    "," TEMPLATE

static int log_file = -1, log_saved = -1;

static void log_begin(void)
{
    log_file = memfd_create("log", MFD_CLOEXEC);
    log_saved = dup(STDERR_FILENO);
    dup2(log_file, STDERR_FILENO);
}

static char *log_end(void)
{
    off_t n = lseek(log_file, 0, SEEK_CUR);
    char *text = mem_new((size_t)n + 1);

    dup2(log_saved, STDERR_FILENO);
    close(log_saved);
    assert_int_equal(pread(log_file, text, (size_t)n, 0), n);
    close(log_file);
    return text;
}

static void assert_part(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("not there: %s\n%s", part, text);
}

static char *print_metrics(void)
{
    StrBuf out = STRBUF_INIT;

    metrics_print(&out);
    return strbuf_take(&out);
}

typedef struct Finder {
    const char *reason;
    Arena *arena;
    const char *message;
} Finder;

static bool on_event_found(void *data, Object *object)
{
    Finder *finder = data;
    const Event *event = OBJECT_AS(Event, object);

    if (str_equal(event->reason, finder->reason))
        finder->message = arena_strdup(finder->arena, event->message);
    return true;
}

static const char *event_message(Rig *rig, const char *reason)
{
    Finder finder = {reason, &rig->arena, NULL};

    client_list(rig->client, &kind_event, NULL, on_event_found, &finder);
    return finder.message;
}

static void each_reconcile_has_a_line_at_debug(void **state)
{
    Rig *rig = *state;
    _free_ char *log = NULL;

    log_level_max = LOG_LEVEL_DEBUG;
    log_begin();
    create(rig, &kind_stateful_set, SET);
    log = log_end();
    log_level_max = LOG_LEVEL_INFO;
    assert_part(
        log, " debug reconcile: done controller=statefulset key=default/web outcome=success ms=");
}

static void a_set_whose_pod_name_is_taken_says_so(void **state)
{
    Rig *rig = *state;
    const StatefulSet *set;
    const StatefulSetCondition *available;
    const char *message;

    create(rig, &kind_pod,
           "{'metadata':{'name':'web-0','namespace':'default'},'spec':{'containers':[{'name':'a',"
           "'image':'i'}]}}");
    create(rig, &kind_stateful_set, SET);
    message = event_message(rig, "FailedCreate");
    assert_non_null(message);
    assert_string_equal(message, "Create Pod web-0 in StatefulSet web failed error: pods \"web-0\" "
                                 "already exists and is not controlled by this StatefulSet");
    set = OBJECT_AS(StatefulSet, client_get(rig->client, &kind_stateful_set, "default", "web"));
    available = CONDITION_FIND(&set->status.conditions, "Available");
    assert_non_null(available);
    assert_string_equal(available->reason, "FailedCreate");
    assert_string_equal(available->message, "pod web-0: pods \"web-0\" already exists");
}

static void a_refused_write_is_in_the_log_whoever_made_it(void **state)
{
    static const char *const makers[][2] = {
        {"statefulset", SET},
        {"replicaset",
         "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':1," TEMPLATE},
        {"deployment",
         "{'metadata':{'name':'web','namespace':'default'},'spec':{'replicas':1," TEMPLATE},
    };
    const Kind *const kinds[] = {&kind_stateful_set, &kind_replica_set, &kind_deployment};
    Rig *rig = *state;

    EACH_ROW(i, makers, NULL) {
        _free_ char *log = NULL, *key = NULL;

        log_begin();
        /* The first commit is that of the object itself. */
        fault_arm("store.commit$", 2);
        create(rig, kinds[i], makers[i][1]);
        fault_arm("", 0);
        log = log_end();
        key = mem_printf(" warn  reconcile: failed, and is tried again controller=%s "
                         "key=default/web outcome=error ms=",
                         makers[i][0]);
        assert_part(log, key);
        assert_part(
            log, " reason=\"the state could not be written: write the state: Input/output error\"");
        assert_part(log, " failures=1");
    }
}

static void queues_and_phases_are_counted(void **state)
{
    Rig *rig = *state;
    _free_ char *text = NULL;

    create(rig, &kind_stateful_set, SET);
    text = print_metrics();
    assert_part(text, "\nworkqueue_adds_total{name=\"statefulset\"} ");
    assert_part(text, "\nworkqueue_depth{name=\"statefulset\"} 0\n");
    assert_part(text, "\nworkqueue_unfinished_work_seconds{name=\"statefulset\"} 0\n");
    assert_part(text, "\nworkqueue_queue_duration_seconds_count{name=\"statefulset\"} ");
    assert_part(text, "\nworkqueue_work_duration_seconds_count{name=\"statefulset\"} ");
    assert_part(text, "\nworkqueue_retries_total{name=\"statefulset\"} ");
    assert_part(text, "\nstead_reconcile_total{controller=\"statefulset\",result=\"success\"} ");
    assert_part(text, "\nstead_pods{phase=\"Pending\"} ");
}

static void a_reconcile_that_does_not_end_is_bad_health(void **state)
{
    Rig *rig = *state;

    assert_null(control_trouble(rig->control, NS_PER_SEC));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_reconcile_has_a_line_at_debug),
        TEST(a_set_whose_pod_name_is_taken_says_so),
        TEST(a_refused_write_is_in_the_log_whoever_made_it),
        TEST(queues_and_phases_are_counted),
        TEST(a_reconcile_that_does_not_end_is_bad_health),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
