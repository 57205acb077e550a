/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles and bindings: the rules that apply to a user (rbac.c), and the roles that every cluster has
 * (rbac_defaults.c). admission/rbac_escalation.c prevents users from granting more than they hold.
 *
 * Nothing is cached. Each check goes through the bindings, which are few and in memory, so a change
 * takes effect as soon as it is committed.
 */
#ifndef SERVER_AUTH_RBAC_H
#define SERVER_AUTH_RBAC_H

#include "api/schema/rbac_v1.h"
#include "server/auth/user.h"
#include "server/state.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* Called for each rule that applies to the user. `source` describes the binding for a message. A result
 * of false ends the visit. */
typedef bool (*RbacVisit)(void *data, const PolicyRule *rule, const char *source);
/* Visits the rules that apply in the namespace, or, if ns is NULL or "", those that apply everywhere.
 * Returns a description of the errors on the way, allocated in the arena, or NULL. */
const char *rbac_visit(Server *server, Arena *arena, const User *user, const char *ns,
                       RbacVisit visit, void *data);
bool rbac_rule_allows(const PolicyRule *rule, const Attributes *attributes);
/* The rules of a Role or ClusterRole, or NULL if it does not exist. */
const PolicyRuleArray *rbac_rules_of(Server *server, const RoleRef *ref, const char *ns);

/* Creates those of the roles and bindings of every cluster that are missing. */
void rbac_ensure_defaults(Server *server, Client *client);

#endif
