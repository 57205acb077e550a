/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects use of the quotas of their namespace: which resources a kind uses, how much of them
 * an object uses, and which objects a quota counts. Admission charges quotas by these functions, and
 * the controller counts with them.
 */
#ifndef API_QUOTA_H
#define API_QUOTA_H

#include "api/object.h"
#include "api/resource_list.h"

typedef struct ResourceQuota ResourceQuota;

/* Whether objects of the kind are counted at all. */
bool quota_counts_kind(const Kind *kind);
/* Whether objects of the kind can use a resource by this name. */
bool quota_kind_uses(const Kind *kind, const char *resource);
/* The kind uses a resource only by the number of its objects. */
bool quota_is_plain_count(const Kind *kind);

/* Adds what the object uses. now_ns is wall time: pods that should have gone are not counted. */
void quota_add_usage(ResourceSum *sum, const Object *object, int64_t now_ns);
/* The same of one container, but for its number. */
void quota_add_container_usage(ResourceSum *sum, const StringMap *requests,
                               const StringMap *limits);
/* When a pod that is being deleted stops being counted; 0: it does not by time alone. */
int64_t quota_counted_until(const Object *object);
/* Whether the object matches all scopes of the quota. */
bool quota_scopes_match(const ResourceQuota *quota, const Object *object);
bool quota_has_scopes(const ResourceQuota *quota);
/* The pod runs for a limited time. */
bool quota_is_terminating(const Object *pod);

/* "cpu=1,pods=2". */
const char *quota_text(Arena *arena, const StringMap *amounts);

#endif
