/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nftables table of one Net: the wished state of all service ports, what the kernel holds of
 * it, and the transactions that lead from the one to the other.
 *
 * Nothing that one service asks for can keep the others out of the kernel:
 *
 *   What cannot be expressed is left out before nft sees it: an address that is not IPv4, or an
 *   endpoint whose address is not. An address and port that two services ask for belong to the one
 *   that asked first; when it lets go of them, the next one gets them. The owner of the table hears
 *   of each by `on_problem`.
 *
 *   A transaction that nft refuses all the same is repeated in parts: first what is deleted, then
 *   what is added, in halves, down to the one service that is refused. That one stays outside until
 *   it is changed, or until the time of its next try, which grows from 10 s to 5 min.
 *
 * A run of nft that did not end by itself leaves the state of the kernel unknown. Then the table is
 * built anew, after 1 s at first and at most a minute, until that succeeds.
 */
#ifndef NET_TABLE_H
#define NET_TABLE_H

#include "net/net.h"
#include "net/nft.h"

typedef struct Table Table;

typedef enum NftOutcome {
    NFT_DONE,
    NFT_REFUSED, /* the kernel is as it was before */
    NFT_UNKNOWN, /* it could not be run, was killed, or ran out of time */
} NftOutcome;
typedef void (*NftDone)(void *data, NftOutcome outcome, const char *message);

typedef struct TableOptions {
    NftTable names; /* the texts are copied */
    /* Runs nft on the script and calls done from the loop, always later. Tests bring their own. */
    void (*run)(void *data, Bytes script, NftDone done, void *done_data);
    void *run_data;
    /* A transaction failed whose cause is no single service; it is tried again. May be NULL. */
    void (*on_error)(void *data, const Err *err);
    void *on_error_data;
} TableOptions;

Table *table_new(struct uv_loop_s *loop, const TableOptions *options);
/* Leaves the kernel as it is; a transaction under way still ends. The memory is freed from the
 * loop. */
Table *table_close(Table *table);

/* May be NULL. `key` is that of the service port; `text` says what is left out and why. */
void table_on_problem(Table *table, NetProblem on_problem, void *data);
void table_set(Table *table, const NetServicePort *port);
void table_remove(Table *table, const char *key);
/* A pod that may reach itself by a service. */
void table_pod_add(Table *table, const char *address);
void table_pod_remove(Table *table, const char *address);
/* From here on there are transactions; the first one replaces the whole table. */
void table_start(Table *table);

#endif
