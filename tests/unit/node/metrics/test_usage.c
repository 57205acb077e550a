/* SPDX-License-Identifier: Apache-2.0 */
/* Rates between samples, and what is read of cgroups of both versions. */
#include "testing.h"

#include "base/files/file.h"
#include "node/metrics/cgroup_stats.h"
#include "node/metrics/usage.h"

#define S NS_PER_SEC
#define START (1000 * S)

/* ---- rates ---- */

/* Moments, in tenths of a second after the start, at which a container that uses half a core is asked
 * about, and the window that each answer must have; 0: there is no answer yet. */
static const struct {
    const char *name;
    struct {
        int at, window;
    } asked[6];
} rate_cases[] = {
    {"the first answer is about the time since the start", {{600, 600}}},
    {"there is none in the first second", {{9, 0}, {10, 10}}},
    {"the next one is about the time since the one before", {{600, 600}, {750, 150}, {900, 150}}},
    {"two questions in a row get the time between", {{36000, 36000}, {36050, 50}}},
    {"but no less than a second", {{36000, 36000}, {36005, 36005}}},
    {"who asks every five seconds gets windows of 10 to 20 seconds",
     {{600, 600}, {650, 50}, {700, 100}, {750, 150}, {800, 100}, {850, 150}}},
    {"a sample is kept while newer ones are taken too often",
     {{600, 600}, {700, 100}, {760, 160}, {790, 190}, {800, 100}, {810, 110}}},
};

static void windows_are_what_has_passed(void **state)
{
    EACH_ROW(i, rate_cases, rate_cases[i].name) {
        UsageSamples samples = {0};

        for (size_t k = 0; k < 6 && rate_cases[i].asked[k].at; k++) {
            int64_t passed = rate_cases[i].asked[k].at * (S / 10), rate = -1, window = 0;
            bool known =
                usage_rate(&samples, (UsageSample){START, 0},
                           (UsageSample){START + passed, (uint64_t)passed / 2}, &rate, &window);

            assert_int_equal(known ? window : 0, rate_cases[i].asked[k].window * (S / 10));
            if (known)
                assert_int_equal(rate, 500000000);
        }
    }
}

static void counters_that_go_back_give_no_rate(void **state)
{
    UsageSamples samples = {.newer = {START, 5000}};
    int64_t rate, window;

    assert_false(usage_rate(&samples, (UsageSample){0}, (UsageSample){START + 20 * S, 4000}, &rate,
                            &window));
    assert_true(usage_rate(&samples, (UsageSample){0}, (UsageSample){START + 40 * S, 4000}, &rate,
                           &window));
    assert_int_equal(rate, 0);
}

/* ---- cgroups ---- */

typedef struct FakeFile {
    const char *path, *text;
} FakeFile;

static const FakeFile one[] = {
    {"cpuacct/p/cpuacct.usage", "1500000000\n"},
    {"cpuacct/p/cpuacct.usage_user", "1000000000\n"},
    {"cpuacct/p/cpuacct.usage_sys", "500000000\n"},
    {"cpu/p/cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 70\n"},
    {"cpu/p/cpu.shares", "204\n"},
    {"cpu/p/cpu.cfs_period_us", "100000\n"},
    {"cpu/p/cpu.cfs_quota_us", "-1\n"},
    {"memory/p/memory.usage_in_bytes", "1000\n"},
    {"memory/p/memory.stat",
     "inactive_file 1\nrss 2\ntotal_inactive_file 400\ntotal_rss 300\ntotal_cache 500\n"},
    {"memory/p/memory.limit_in_bytes", "9223372036854771712\n"},
    {"memory/p/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
    {"blkio/p/blkio.throttle.io_service_bytes",
     "8:0 Read 5\n8:0 Write 6\n8:0 Total 11\n9:0 Read 7\nTotal 18\n"},
    {"pids/p/pids.current", "4\n"},
    {"pids/p/cgroup.procs", "10\n11\n"},
};
static const FakeFile two[] = {
    {"cgroup.controllers", "cpu memory\n"},
    {"p/cpu.stat",
     "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 3\n"
     "throttled_usec 0\n"},
    {"p/cpu.weight", "100\n"},
    {"p/cpu.max", "max 100000\n"},
    {"p/memory.current", "1000\n"},
    {"p/memory.stat", "anon 300\nfile 500\nfile_mapped 1\ninactive_file 400\n"},
    {"p/memory.max", "max\n"},
    {"p/memory.events", "low 0\nmax 7\noom 1\noom_kill 2\noom_group_kill 0\n"},
    {"p/io.stat",
     "8:0 rbytes=5 wbytes=6 rios=1 wios=2 dbytes=0 dios=0\n9:0 rbytes=7 wbytes=0 rios=1 wios=0\n"},
    {"p/pids.current", "4\n"},
    {"p/cgroup.procs", "10\n11\n"},
};

static void check_version(const FakeFile *files, size_t n, uint64_t shares)
{
    char root[] = "/tmp/metrics-cgroups-XXXXXX";
    CgroupStats stats;

    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < n; i++) {
        _free_ char *path = mem_printf("%s/%s", root, files[i].path);

        assert_int_equal(file_mkdir_for(path, 0700), 0);
        assert_int_equal(file_replace(path, files[i].text, strlen(files[i].text), 0600), 0);
    }
    cgroup_stats_read(cgroup_place(root), "/p", true, &stats);
    assert_true(stats.has_cpu && stats.has_memory);
    assert_int_equal(stats.cpu_ns, 1500000000);
    assert_int_equal(stats.user_ns, 1000000000);
    assert_int_equal(stats.system_ns, 500000000);
    assert_int_equal(stats.throttled_periods, 3);
    assert_int_equal(stats.memory_usage, 1000);
    assert_int_equal(stats.memory_working, 600);
    assert_int_equal(stats.rss, 300);
    assert_int_equal(stats.cache, 500);
    assert_int_equal(stats.memory_limit, 0);
    assert_int_equal(stats.oom_kills, 2);
    assert_int_equal(stats.read_bytes, 12);
    assert_int_equal(stats.written_bytes, 6);
    assert_int_equal(stats.threads, 4);
    assert_int_equal(stats.processes, 2);
    assert_int_equal(stats.quota_us, 0);
    assert_int_equal(stats.period_us, 100000);
    assert_int_equal(stats.shares, shares);
    cgroup_stats_read(cgroup_place(root), "/absent", true, &stats);
    assert_false(stats.has_cpu || stats.has_memory);
    assert_int_equal(file_remove_tree(root), 0);
}

static void version_1_is_read(void **state)
{
    check_version(one, ARRAY_LEN(one), 204);
}

static void version_2_is_read(void **state)
{
    check_version(two, ARRAY_LEN(two), 2597);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_what_has_passed),
        cmocka_unit_test(counters_that_go_back_give_no_rate),
        cmocka_unit_test(version_1_is_read),
        cmocka_unit_test(version_2_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
