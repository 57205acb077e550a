/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list. A node that is in no list points at itself or is zeroed. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/base.h"

typedef struct ListNode {
    struct ListNode *prev, *next;
} ListNode;

static inline void list_init(ListNode *head)
{
    head->prev = head->next = head;
}
static inline bool list_empty(const ListNode *head)
{
    return !head->next || head->next == head;
}
static inline bool list_linked(const ListNode *node)
{
    return node->next && node->next != node;
}
static inline void list_append(ListNode *head, ListNode *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}
static inline void list_remove(ListNode *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = node;
}

#define LIST_EACH(head, node) for (ListNode *node = (head)->next; node != (head); node = node->next)
/* The node at hand may be removed. */
#define LIST_EACH_SAFE(head, node)                                                 \
    for (ListNode *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#endif
