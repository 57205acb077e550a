/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane is a curl multi handle with its connections, used by one thread at a time. Lanes are
 * borrowed from a pool that outlives the conversations, so the next request to a host finds its
 * connection open. libcurl cannot share connections between threads in any other way.
 */
#ifndef REGISTRY_LANE_H
#define REGISTRY_LANE_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/base.h"
#include "base/list.h"

typedef struct Lane {
    CURLM *multi;
    char *host; /* that it was used for last */
    ListNode link;
} Lane;

#define LANES_IDLE_MAX 8

typedef struct LanePool {
    uv_mutex_t lock;
    ListNode idle; /* the one used last is last */
    size_t n;
} LanePool;

void lane_pool_init(LanePool *pool);
void lane_pool_deinit(LanePool *pool);

/* The lanes that one conversation has borrowed, which cancelling wakes up. */
typedef struct LaneUsers {
    LanePool *pool;
    uv_mutex_t lock;
    ListNode busy;
    atomic_bool canceled;
} LaneUsers;

void lane_users_init(LaneUsers *users, LanePool *pool);
void lane_users_deinit(LaneUsers *users); /* all lanes have been returned */
void lane_users_cancel(LaneUsers *users);
static inline bool lane_users_canceled(LaneUsers *users)
{
    return atomic_load_explicit(&users->canceled, memory_order_acquire);
}

/* Preferably one that was used for this host. */
Lane *lane_borrow(LaneUsers *users, const char *host);
Lane *lane_return(LaneUsers *users, Lane *lane); /* takes NULL, returns NULL */

#endif
