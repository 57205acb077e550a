/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in the data folder besides the database:
 *
 *   cluster-id   the id of the cluster that the folder belongs to, as the database has it. A folder
 *                that has one, or keys (pki), but no database is not a new one: its database was
 *                lost, and a server that began an empty cluster there would take over volumes and
 *                keys of the old one. It refuses to start.
 *   reserve      room that is kept free: preallocated, never written. When the disk is full, it is
 *                given up so that deletions can be committed, which is how the disk gets room
 *                again; nothing else is written until it could be taken again.
 *
 * Secrets (the state, keys, kubeconfigs with keys) are for their owner alone, also where an older
 * version or a restored backup has left other modes.
 */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "base/base.h"
#include "base/error.h"

/* Refuses a folder whose database is missing though it had one. */
int folder_check_new(const char *dir, Err *reterr);
/* Compares the cluster's id with the folder's, or writes it down. A full disk is no error. */
int folder_check_id(const char *dir, const char *id, Err *reterr);
/* Takes the rights of group and others from what holds secrets. */
void folder_secure(const char *dir);

typedef struct Reserve {
    char *path;
    uint64_t size; /* that it should have; 0: unknown */
    bool taken;
} Reserve;

/* Takes the room, if there is room. True: it is taken. */
bool reserve_take(Reserve *reserve);
/* True: there was something to give. */
bool reserve_give(Reserve *reserve);

#endif
