/* SPDX-License-Identifier: Apache-2.0 */
/* The table of jobs, and those who wait for them; see pull.h. */
#include "base/loop_timer.h"
#include "image/pull/job.h"

#define STACK_BYTES (1u << 20)

struct Pull {
    PullJob *job;
    ListNode link;
    void (*done)(void *data, const PullResult *result);
    void *data;
};

static PullJob *job_of(ListNode *node)
{
    return CONTAINER_OF(node, PullJob, link);
}

static Pull *first_waiter(PullJob *job)
{
    return CONTAINER_OF(job->waiters.next, Pull, link);
}

static void job_free(PullJob *job)
{
    for (size_t i = job->n_layers; i-- > 0;)
        new_layer_free(job->layers[i].layer);
    keyring_free(job->keyring);
    free(job->key);
    arena_clear(&job->arena);
    free(job);
}

static void job_cancel(PullJob *job)
{
    Puller *puller = job->puller;

    uv_mutex_lock(&puller->lock);
    job->canceled = true;
    if (job->registry)
        registry_cancel(job->registry);
    uv_cond_broadcast(&puller->changed);
    uv_mutex_unlock(&puller->lock);
}

/* ---- running ---- */

static void job_main(void *data)
{
    PullJob *job = data;
    Puller *puller = job->puller;
    locale_t made, before = image_utf8_begin(&made);

    pull_job_run(job);
    image_utf8_end(before, made);
    uv_mutex_lock(&puller->lock);
    job->is_done = true;
    uv_mutex_unlock(&puller->lock);
    uv_async_send(puller->wake);
}

static void set_busy(Puller *puller)
{
    /* Neither handle keeps a loop alive that has nothing else to do. */
    if (puller->n_running > 0)
        uv_ref((uv_handle_t *)puller->wake);
    else
        uv_unref((uv_handle_t *)puller->wake);
}

static void start_jobs(Puller *puller)
{
    const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                         .stack_size = STACK_BYTES};

    while (!puller->closing && puller->n_running < PULL_JOBS && !list_empty(&puller->waiting)) {
        PullJob *job = job_of(puller->waiting.next);

        list_remove(&job->link);
        list_append(&puller->running, &job->link);
        puller->n_running++;
        job->is_running = true;
        job->has_thread = uv_thread_create_ex(&job->thread, &options, job_main, job) == 0;
        if (!job->has_thread) {
            job->result.outcome = err_set(&job->result.err, EAGAIN, "start a thread");
            uv_mutex_lock(&puller->lock);
            job->is_done = true;
            uv_mutex_unlock(&puller->lock);
            uv_async_send(puller->wake);
        }
    }
    set_busy(puller);
}

/* Calls back those who wait. New requests for the name begin a job of their own. */
static void job_finish(PullJob *job)
{
    Puller *puller = job->puller;

    if (job->has_thread)
        uv_thread_join(&job->thread);
    list_remove(&job->link);
    puller->n_running--;
    while (!list_empty(&job->waiters)) {
        Pull *pull = first_waiter(job);

        list_remove(&pull->link);
        pull->done(pull->data, &job->result);
        free(pull);
    }
    job_free(job);
}

static PullJob *find_done(Puller *puller)
{
    PullJob *found = NULL;

    uv_mutex_lock(&puller->lock);
    LIST_EACH(&puller->running, node)
        found = !found && job_of(node)->is_done ? job_of(node) : found;
    uv_mutex_unlock(&puller->lock);
    return found;
}

static void on_wake(uv_async_t *wake)
{
    Puller *puller = wake->data;
    PullJob *job;

    while (!puller->closing && (job = find_done(puller)))
        job_finish(job);
    start_jobs(puller);
}

/* ---- jobs that nobody waits for ---- */

static void arm_linger(Puller *puller);

static void on_linger(uv_timer_t *timer)
{
    Puller *puller = timer->data;
    int64_t now = (int64_t)uv_hrtime();

    LIST_EACH(&puller->running, node)
        if (job_of(node)->linger_until && job_of(node)->linger_until <= now)
            job_cancel(job_of(node));
    arm_linger(puller);
}

static void arm_linger(Puller *puller)
{
    int64_t now = (int64_t)uv_hrtime(), next = INT64_MAX;

    LIST_EACH(&puller->running, node)
        if (job_of(node)->linger_until > now && !job_of(node)->canceled)
            next = MIN_OF(next, job_of(node)->linger_until);
    uv_timer_stop(puller->linger);
    if (next != INT64_MAX)
        loop_timer_start(puller->linger, on_linger, next - now);
}

/* Returns the job if it runs and nobody waits for it any more. */
static PullJob *leave(Pull *pull)
{
    PullJob *job = pull->job;

    list_remove(&pull->link);
    free(pull);
    if (!list_empty(&job->waiters))
        return NULL;
    if (job->is_running)
        return job;
    list_remove(&job->link);
    job_free(job);
    return NULL;
}

void pull_leave(Pull *pull)
{
    PullJob *job = leave(pull);

    if (!job)
        return;
    job->linger_until = (int64_t)uv_hrtime() + PULL_LINGER_NS;
    arm_linger(job->puller);
}

void pull_give_up(Pull *pull)
{
    PullJob *job = leave(pull);

    if (job)
        job_cancel(job);
}

/* ---- requests ---- */

static PullJob *find_job(Puller *puller, const char *key)
{
    ListNode *const lists[] = {&puller->running, &puller->waiting};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        LIST_EACH(lists[i], node)
            if (!job_of(node)->canceled && str_equal(job_of(node)->key, key))
                return job_of(node);
    return NULL;
}

static void copy_secrets(PullJob *job, const PullRequest *request)
{
    job->secrets = arena_new_n(&job->arena, PullSecret, request->n_secrets + 1);
    job->n_secrets = request->n_secrets;
    for (size_t i = 0; i < request->n_secrets; i++) {
        const PullSecret *from = &request->secrets[i];
        PullSecret *to = &job->secrets[i];

        *to = *from;
        to->uid = arena_strdup(&job->arena, from->uid);
        to->namespace = arena_strdup(&job->arena, from->namespace);
        to->name = arena_strdup(&job->arena, from->name);
    }
}

static int job_new(Puller *puller, const PullRequest *request, PullJob **ret, Err *reterr)
{
    PullJob *job = mem_new_type(PullJob);
    const char *why = "";

    job->puller = puller;
    list_init(&job->waiters);
    if (reference_parse(&job->arena, str_or(request->name, ""), &job->reference, &why) != 0) {
        err_set(reterr, 0, "%s is not a name of an image: %s", str_or(request->name, ""), why);
        job_free(job);
        return -EINVAL;
    }
    platform_own(&job->platform);
    if (request->platform && !platform_parse(request->platform, &job->platform)) {
        job_free(job);
        return err_set(reterr, 0, "%s is not a platform; linux/arm64 is one", request->platform);
    }
    platform_print(&job->platform, job->platform_text);
    if (job->reference.digest)
        job->reference.tag = NULL;
    job->name = reference_print(&job->arena, &job->reference);
    job->repository =
        arena_printf(&job->arena, "%s/%s", job->reference.domain, job->reference.path);
    job->key =
        mem_printf("%s %s %s", job->name, job->platform_text, str_or(request->keyring_id, ""));
    job->result.name = job->name;
    *ret = job;
    return 0;
}

Pull *pull_begin(Puller *puller, const PullRequest *request, Err *reterr)
{
    PullJob *job = NULL, *known;
    Pull *pull;

    if (job_new(puller, request, &job, reterr) < 0) {
        keyring_free(request->keyring);
        return NULL;
    }
    known = find_job(puller, job->key);
    if (known) {
        job_free(job);
        keyring_free(request->keyring);
        job = known;
        job->linger_until = 0;
    } else {
        job->keyring = request->keyring;
        copy_secrets(job, request);
        list_append(&puller->waiting, &job->link);
        start_jobs(puller);
    }
    pull = mem_new_type(Pull);
    pull->job = job;
    pull->done = request->done;
    pull->data = request->data;
    list_append(&job->waiters, &pull->link);
    return pull;
}

void pull_progress(Pull *pull, Arena *arena, PullProgress *ret)
{
    PullJob *job = pull->job;
    Puller *puller = job->puller;

    *ret = (PullProgress){0};
    uv_mutex_lock(&puller->lock);
    ret->layers = arena_new_n(arena, PullLayerProgress, job->n_layers + 1);
    ret->n_layers = job->n_layers;
    for (size_t i = 0; i < job->n_layers; i++) {
        const PullLayer *layer = &job->layers[i];
        uint64_t received = __atomic_load_n(&layer->received, __ATOMIC_RELAXED);

        ret->layers[i] = (PullLayerProgress){
            .digest = arena_strdup(arena, layer->blob.digest),
            .received = received,
            .size = (uint64_t)layer->blob.size,
            .state = layer->state == LAYER_THERE      ? PULL_LAYER_THERE
                     : layer->state == LAYER_UNPACKED ? PULL_LAYER_UNPACKED
                     : layer->state == LAYER_FETCHING ? PULL_LAYER_FETCHED
                                                      : PULL_LAYER_WAITS,
        };
        ret->n_there += layer->state == LAYER_THERE;
        if (received || layer->state != LAYER_THERE) {
            ret->received += received;
            ret->size += (uint64_t)layer->blob.size;
        }
    }
    ret->is_waiting = !job->is_running || (ret->n_there < ret->n_layers && !job->is_downloading);
    uv_mutex_unlock(&puller->lock);
}

/* ---- open and close ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

Puller *puller_new(struct uv_loop_s *loop, ImageStore *store, const RegistryConfig *config)
{
    Puller *puller = mem_new_type(Puller);

    puller->loop = loop;
    puller->store = store;
    puller->config = config;
    list_init(&puller->waiting);
    list_init(&puller->running);
    uv_mutex_init(&puller->lock);
    uv_cond_init(&puller->changed);
    puller->wake = mem_new_type(uv_async_t);
    puller->wake->data = puller;
    uv_async_init(loop, puller->wake, on_wake);
    puller->linger = mem_new_type(uv_timer_t);
    puller->linger->data = puller;
    uv_timer_init(loop, puller->linger);
    uv_unref((uv_handle_t *)puller->linger);
    set_busy(puller);
    return puller;
}

static void forget_job(PullJob *job)
{
    if (job->has_thread)
        uv_thread_join(&job->thread);
    while (!list_empty(&job->waiters)) {
        Pull *pull = first_waiter(job);

        list_remove(&pull->link);
        free(pull);
    }
    list_remove(&job->link);
    job_free(job);
}

Puller *puller_close(Puller *puller)
{
    if (!puller)
        return NULL;
    puller->closing = true;
    LIST_EACH(&puller->running, node)
        job_cancel(job_of(node));
    while (!list_empty(&puller->running))
        forget_job(job_of(puller->running.next));
    while (!list_empty(&puller->waiting))
        forget_job(job_of(puller->waiting.next));
    uv_close((uv_handle_t *)puller->wake, on_closed);
    uv_close((uv_handle_t *)puller->linger, on_closed);
    strmap_deinit(&puller->in_flight);
    uv_cond_destroy(&puller->changed);
    uv_mutex_destroy(&puller->lock);
    free(puller);
    return NULL;
}
