/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/close_range.h>

#include "registry/transport/lane.h"

static uv_once_t curl_once = UV_ONCE_INIT;

static void curl_begin(void)
{
    ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static Lane *lane_new(void)
{
    Lane *lane = mem_new_type(Lane);

    uv_once(&curl_once, curl_begin);
    lane->multi = curl_multi_init();
    ASSERT(lane->multi);
    curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, 4L);
    /* libcurl wakes itself by a pair of sockets that programs would inherit, such as conmon, which
     * outlives us. No descriptor of ours is meant to be inherited, so this changes no other. */
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    return lane;
}

static Lane *lane_free(Lane *lane)
{
    if (!lane)
        return NULL;
    curl_multi_cleanup(lane->multi);
    free(lane->host);
    free(lane);
    return NULL;
}

void lane_pool_init(LanePool *pool)
{
    ASSERT(uv_mutex_init(&pool->lock) == 0);
    list_init(&pool->idle);
    pool->n = 0;
}

void lane_pool_deinit(LanePool *pool)
{
    LIST_EACH_SAFE(&pool->idle, node)
        lane_free(CONTAINER_OF(node, Lane, link));
    uv_mutex_destroy(&pool->lock);
}

void lane_users_init(LaneUsers *users, LanePool *pool)
{
    ASSERT(uv_mutex_init(&users->lock) == 0);
    users->pool = pool;
    list_init(&users->busy);
    atomic_init(&users->canceled, false);
}

void lane_users_deinit(LaneUsers *users)
{
    ASSERT(list_empty(&users->busy));
    uv_mutex_destroy(&users->lock);
}

void lane_users_cancel(LaneUsers *users)
{
    uv_mutex_lock(&users->lock);
    atomic_store_explicit(&users->canceled, true, memory_order_release);
    LIST_EACH(&users->busy, node)
        curl_multi_wakeup(CONTAINER_OF(node, Lane, link)->multi);
    uv_mutex_unlock(&users->lock);
}

/* With pool->lock held. */
static Lane *take_idle(LanePool *pool, const char *host)
{
    Lane *found = NULL;

    LIST_EACH(&pool->idle, node) {
        Lane *lane = CONTAINER_OF(node, Lane, link);

        if (!found || str_equal(lane->host, host))
            found = lane; /* the oldest one, or the newest one of this host */
    }
    if (found) {
        list_remove(&found->link);
        pool->n--;
    }
    return found;
}

Lane *lane_borrow(LaneUsers *users, const char *host)
{
    Lane *lane;

    uv_mutex_lock(&users->pool->lock);
    lane = take_idle(users->pool, host);
    uv_mutex_unlock(&users->pool->lock);
    if (!lane)
        lane = lane_new();
    if (!str_equal(lane->host, host)) {
        free(lane->host);
        lane->host = mem_strdup(host);
    }
    uv_mutex_lock(&users->lock);
    list_append(&users->busy, &lane->link);
    uv_mutex_unlock(&users->lock);
    return lane;
}

Lane *lane_return(LaneUsers *users, Lane *lane)
{
    LanePool *pool = users->pool;

    if (!lane)
        return NULL;
    uv_mutex_lock(&users->lock);
    list_remove(&lane->link);
    uv_mutex_unlock(&users->lock);
    uv_mutex_lock(&pool->lock);
    if (pool->n < LANES_IDLE_MAX) {
        list_append(&pool->idle, &lane->link);
        pool->n++;
        lane = NULL;
    }
    uv_mutex_unlock(&pool->lock);
    return lane_free(lane);
}
