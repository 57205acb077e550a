/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access for the user who called `sudo stead up` (or doas, or pkexec): a context in that user's kubeconfig, with a client
 * certificate that names the user and one group.
 *
 * The kubeconfig belongs to the user, who may replace any part of its path by a link at any moment. So root never opens it: a child
 * process takes on the identity of the user for good and does all the work on that file. It can therefore only change what the user
 * could change anyway.
 *
 * DATA/users/<uid> records who has got access, the group, and the file, so that `stead reset` removes the context there, and a later
 * `stead up` keeps the group.
 */
#ifndef DAEMON_USER_ACCESS_H
#define DAEMON_USER_ACCESS_H

#include "cli/options.h"

/* The group that may do everything: the default of --user-group. */
#define USER_GROUP_ADMIN "system:masters"
/* The second group of every certificate that is issued here: it may read what `stead status` and `stead image ls` print. */
#define USER_GROUP_ALL "stead:users"

typedef struct CallingUser {
    const char *name, *home;
    char *kubeconfig; /* "<home>/.kube/config" */
    uid_t uid;
    gid_t gid;
} CallingUser;

/* Finds the user who became root to run this process. Returns false if there is none, or if that user is root. */
bool calling_user_find(Arena *arena, CallingUser *ret);
/* Whether the kubeconfig of this process is in the home of the calling user, as with `sudo -E`: then the administrator's context is not
 * put there, and root does not touch the file. */
bool user_access_owns_kubeconfig(Options *options);
/* Adds or renews the context of the running server for the user, in the group of --user-group, the recorded one, or the default one,
 * in this order. Returns 0 with the group in *ret_group, or a negative error with a message. */
int user_access_give(Options *options, const CallingUser *user, const char **ret_group,
                     Err *reterr);
/* Whether the user has got access before. */
bool user_access_is_given(const Options *options, const CallingUser *user);
/* Removes the context from the kubeconfigs of all users who have got access; prints a message for each where this fails. */
void user_access_take_all(Options *options);

#endif
