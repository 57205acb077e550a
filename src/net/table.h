/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nftables table of one Net: the desired state of all service ports, what the kernel has of it, and
 * the transactions that lead from one to the other.
 *
 * No service can prevent the others from being programmed into the kernel:
 *
 *   What cannot be expressed is left out before nft is run: an address that is not IPv4, or an endpoint
 *   whose address is not. If two services ask for the same address and port, the first one gets them,
 *   and the other one when the first releases them. `on_problem` is called for each such case.
 *
 *   If nft still refuses a transaction, it is repeated in parts: first the deletions, then the
 *   additions, which are halved until only the refused service is left. That service is left out until
 *   it changes or is tried again, after 10 s at first and up to 5 min later.
 *
 * If a run of nft is killed or cannot be started, the state of the kernel is unknown. The whole table is
 * then replaced, after 1 s at first and at most a minute, until this succeeds.
 */
#ifndef NET_TABLE_H
#define NET_TABLE_H

#include "net/net.h"
#include "net/nft.h"

typedef struct Table Table;

typedef enum NftOutcome {
    NFT_DONE,
    NFT_REFUSED, /* the kernel has not been changed */
    NFT_UNKNOWN, /* nft could not be run, was killed, or exceeded its time */
} NftOutcome;
typedef void (*NftDone)(void *data, NftOutcome outcome, const char *message);

typedef struct TableOptions {
    NftTable names; /* the texts are copied */
    /* Runs nft on the script and calls done from the loop, never before it has returned. Tests replace it. */
    void (*run)(void *data, Bytes script, NftDone done, void *done_data);
    void *run_data;
    /* Called when a transaction fails for a reason other than a single service. It is tried again. May be
     * NULL. */
    void (*on_error)(void *data, const Err *err);
    void *on_error_data;
} TableOptions;

Table *table_new(struct uv_loop_s *loop, const TableOptions *options);
/* Does not change the kernel. A transaction in flight still completes, and the memory is freed from the
 * loop. */
Table *table_close(Table *table);

/* on_problem may be NULL. It gets the key of the service port and a text that says what is left out and
 * why. */
void table_on_problem(Table *table, NetProblem on_problem, void *data);
void table_set(Table *table, const NetServicePort *port);
void table_remove(Table *table, const char *key);
/* Adds a pod, so that it can reach itself through a service. */
void table_pod_add(Table *table, const char *address);
void table_pod_remove(Table *table, const char *address);
/* Starts the transactions. The first one replaces the whole table. */
void table_start(Table *table);

#endif
