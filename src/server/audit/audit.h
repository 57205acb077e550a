/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: who asked for what, when, and what came of it, as kube-apiserver writes it. The policy decides for each
 * request whether it is recorded; one that is has an AuditEntry (call->audit), which the parts of the server fill in
 * while they handle the request. Without a policy there is no Audit, and all functions return at once.
 *
 * What the parts of this process ask for through their Client is not recorded, because it is no request over HTTP.
 */
#ifndef SERVER_AUDIT_AUDIT_H
#define SERVER_AUDIT_AUDIT_H

#include "api/object.h"
#include "base/error.h"
#include "server/state.h"

typedef struct Call Call;
typedef struct DeleteOptions DeleteOptions;
typedef struct Audit Audit;
typedef struct AuditEntry AuditEntry;

int audit_new(Server *server, const ServerAudit *options, Audit **ret, Err *reterr);
Audit *audit_free(Audit *audit); /* NULL is fine; returns NULL */
/* Whether all events have been written. For tests. */
bool audit_is_idle(const Audit *audit);

/* The user and the target of the request are known. Decides whether it is recorded. */
void audit_begin(Call *call);
/* The same for a request whose user could not be authenticated, before it is refused. */
void audit_begin_refused(Call *call);
/* From now on the request acts as call->user; constraint: the verb of the mode that allowed it, NULL: the oldest. */
void audit_impersonated(Call *call, const char *constraint);
void audit_decision(Call *call, bool allowed, const char *reason);
/* The object in the body of the request, as it was decoded and completed with defaults. */
void audit_request_object(Call *call, const Object *object);
/* The same for the options of a deletion. */
void audit_request_options(Call *call, const DeleteOptions *options);
/* The same for a patch, which is in JSON or YAML. */
void audit_request_patch(Call *call, Bytes patch);
/* The answer is one that kube-apiserver writes without passing it to its audit log: only its code is recorded. */
void audit_response_hidden(Call *call);
/* What is answered, in JSON, even if the client gets it in another form: */
void audit_response(Call *call, Bytes json);
void audit_response_object(Call *call, Object *object);
/* the same in pieces. */
bool audit_wants_response(const Call *call);
void audit_response_piece(Call *call, Bytes json);
/* The request has ended. */
void audit_end(Call *call);
/* The id that all servers that handle the request record; NULL: there is no audit log. */
const char *audit_id(const Call *call);

#endif
