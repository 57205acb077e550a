/* SPDX-License-Identifier: Apache-2.0 */
/* Families of processes of our own: which of them end. */
#include "testing.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "node/runtime/process_tree.h"

enum { CHILD, GRANDCHILD, ORPHAN, OTHER_SESSION, MEMBERS };

static volatile pid_t *pids; /* shared with the family */

static void wait_for_ever(int who)
{
    pids[who] = getpid();
    for (;;)
        pause();
}

/* The head of a family, in a session of its own, as exec makes it. */
static void live(bool leads)
{
    if (leads) /* else its parent ends at once */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (leads)
        setsid();
    if (fork() == 0) {
        if (fork() == 0)
            wait_for_ever(GRANDCHILD);
        wait_for_ever(CHILD);
    }
    if (fork() == 0) { /* its parent ends at once */
        if (fork() == 0)
            wait_for_ever(ORPHAN);
        _exit(0);
    }
    if (fork() == 0) {
        setsid();
        wait_for_ever(OTHER_SESSION);
    }
    for (;;)
        pause();
}

static bool everybody_is_there(void)
{
    for (int i = 0; i < MEMBERS; i++)
        if (!pids[i])
            return false;
    return true;
}

/* As crun does it: in a session whose leader, a helper, ends at once. */
static pid_t start_family(bool leads)
{
    volatile pid_t *head = &pids[MEMBERS];
    pid_t helper = fork(), started;
    int status;

    if (helper == 0) {
        if (leads) {
            *head = getpid();
            live(true);
        }
        setsid();
        started = fork();
        if (started == 0) {
            *head = getpid();
            live(false);
        }
        _exit(0);
    }
    while (!*head)
        sched_yield();
    if (!leads)
        assert_int_equal(waitpid(helper, &status, 0), helper);
    return *head;
}

/* Waits for a process that becomes our child only when the kernel has ended its parent. Returns its
 * status. */
static int wait_for_orphan(pid_t pid)
{
    pid_t found;
    int status = 0;

    while ((found = waitpid(pid, &status, 0)) < 0 && errno == ECHILD && kill(pid, 0) == 0)
        sched_yield();
    assert_int_equal(found, pid);
    return status;
}

static void end_family(bool leads)
{
    pid_t head, bystander;
    int64_t roots[2] = {0};
    int status;

    pids = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans come to us */
    bystander = fork();
    if (bystander == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    head = start_family(leads);
    while (!everybody_is_there())
        sched_yield();
    roots[1] = head;
    process_tree_end(roots, 2);
    /* Each becomes our child when its parent is gone, and is waited for, so a test that passes
     * leaves nobody behind. */
    assert_int_equal(waitpid(head, &status, 0), head);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    for (int i = 0; i < MEMBERS; i++)
        assert_true(WIFSIGNALED(wait_for_orphan(pids[i])));
    assert_int_equal(waitpid(bystander, &status, WNOHANG), 0);
    kill(bystander, SIGKILL);
    assert_int_equal(waitpid(bystander, &status, 0), bystander);
    munmap((void *)(uintptr_t)pids, 4096);
}

static void a_process_ends_with_its_descendants_and_its_session(void **state)
{
    end_family(true);
}

static void a_session_whose_leader_has_ended_counts_too(void **state)
{
    end_family(false);
}

static void nobody_is_nothing_to_end(void **state)
{
    const int64_t none[] = {0, 0, 1};

    process_tree_end(none, 3); /* never everything below pid 1 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_nothing_to_end),
        cmocka_unit_test(a_process_ends_with_its_descendants_and_its_session),
        cmocka_unit_test(a_session_whose_leader_has_ended_counts_too),
    };

    return cmocka_run_group_tests_name("process tree", tests, NULL, NULL);
}
