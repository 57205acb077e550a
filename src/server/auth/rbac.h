/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles and bindings: who may do what (rbac.c), that nobody gives away more than he has
 * (admission/rbac_escalation.c), and the roles that every cluster has (rbac_defaults.c).
 *
 * Nothing is cached: a question walks the bindings, which are few and in memory, so that a change
 * holds from the moment in which it is committed.
 */
#ifndef SERVER_AUTH_RBAC_H
#define SERVER_AUTH_RBAC_H

#include "api/schema/rbac_v1.h"
#include "server/auth/user.h"
#include "server/state.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

/* Called for each rule that holds for the user, with what gives it, for people; false: enough. */
typedef bool (*RbacVisit)(void *data, const PolicyRule *rule, const char *source);
/* The rules that hold in the namespace; ns NULL or "": those that hold everywhere. Returns what
 * went wrong on the way, in the arena: NULL for nothing. */
const char *rbac_visit(Server *server, Arena *arena, const User *user, const char *ns,
                       RbacVisit visit, void *data);
bool rbac_rule_allows(const PolicyRule *rule, const Attributes *attributes);
/* The rules of a role or cluster role; NULL: there is none. */
const PolicyRuleArray *rbac_rules_of(Server *server, const RoleRef *ref, const char *ns);

/* Creates what is missing of the roles and bindings that every cluster has. */
void rbac_ensure_defaults(Server *server, Client *client);

#endif
