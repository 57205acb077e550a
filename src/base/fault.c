/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fault.h"

static FaultPlan own, *plan = &own;
/* Threads pass points concurrently. Steps are slow, so one lock is enough. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool matches(const char *name)
{
    size_t n = strnlen(plan->match, FAULT_NAME_MAX - 1);

    if (n && plan->match[n - 1] == '$')
        return strlen(name) == n - 1 && strncmp(name, plan->match, n - 1) == 0;
    return strncmp(name, plan->match, n) == 0;
}

static void note(const char *name)
{
    for (size_t i = 0; i < FAULT_NAMES; i++) {
        if (!*plan->seen[i].name)
            snprintf(plan->seen[i].name, FAULT_NAME_MAX, "%s", name);
        if (strncmp(plan->seen[i].name, name, FAULT_NAME_MAX - 1) == 0) {
            plan->seen[i].passed++;
            return;
        }
    }
}

bool fault_hit(const char *name)
{
    bool fails = false, dies;

    pthread_mutex_lock(&lock);
    note(name);
    if (plan->n && matches(name))
        fails = ++plan->hits == plan->n;
    dies = fails && plan->kill;
    pthread_mutex_unlock(&lock);
    if (dies)
        raise(SIGKILL);
    return fails;
}

bool fault_hit_program(const char *name, const char *const *argv)
{
    const char *slash = strrchr(argv[0], '/'), *verb = "";
    char full[FAULT_NAME_MAX];

    for (size_t i = 1; argv[i] && !*verb; i++)
        if (argv[i][strspn(argv[i], "abcdefghijklmnopqrstuvwxyz")] == 0)
            verb = argv[i];
    snprintf(full, sizeof(full), "%s %s%s%s", name, slash ? slash + 1 : argv[0], *verb ? " " : "",
             verb);
    return fault_hit(full);
}

void fault_arm(const char *match, uint64_t n)
{
    pthread_mutex_lock(&lock);
    snprintf(plan->match, sizeof(plan->match), "%s", match);
    plan->hits = 0;
    plan->kill = false;
    plan->n = n;
    pthread_mutex_unlock(&lock);
}

uint64_t fault_count(void)
{
    uint64_t n;

    pthread_mutex_lock(&lock);
    n = plan->hits;
    pthread_mutex_unlock(&lock);
    return n;
}

/* A file that is too short, or not there, leaves the plan as it is. */
static void map_plan(const char *path)
{
    _close_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    void *map;

    if (fd < 0 || fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(FaultPlan))
        return;
    map = mmap(NULL, sizeof(FaultPlan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        plan = map;
}

void fault_arm_from_environment(void)
{
    const char *text = getenv("STEAD_FAULT"), *colon = text ? strchr(text, ':') : NULL;
    const char *file = getenv("STEAD_FAULT_PLAN");
    char match[FAULT_NAME_MAX];
    int64_t n;
    char number[24];

    if (!str_empty(file))
        map_plan(file);
    if (!colon || (size_t)(colon - text) >= sizeof(match))
        return;
    memcpy(match, text, (size_t)(colon - text));
    match[colon - text] = 0;
    snprintf(number, sizeof(number), "%s", colon + 1);
    number[strcspn(number, ":")] = 0;
    if (str_to_int64(number, 1, INT64_MAX, &n))
        return;
    fault_arm(match, (uint64_t)n);
    plan->kill = str_ends_with(colon, ":kill");
}
