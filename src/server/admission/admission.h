/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: completes and checks what only the server can, before validation. admission.c has the order; each
 * topic has a file of its own.
 */
#ifndef SERVER_ADMISSION_ADMISSION_H
#define SERVER_ADMISSION_ADMISSION_H

#include "server/write/write.h"

typedef struct ServiceAddresses ServiceAddresses;

/* Completes and checks what only the server can, before validation. 0 or a reason. */
int admission_create(Write *write);

int admission_update(Write *write);

/* The same, for what needs the object's final name: after prepare. */
void admission_named(Write *write);

int admission_delete(Write *write);
int serviceaccount_admit(Write *write);
void priority_ensure_classes(Server *server, Client *client);
void storage_classes_ensure(Server *server, Client *client);
int storage_class_admit(Write *write); /* of a new claim */

/* Roles and bindings: nobody may give away more than he has. 0, or a reason. */
int rbac_admit(Write *write);

int priority_admit(Write *write); /* of a new pod */
void priority_keep(Write *write); /* of a pod that there is */
int priority_class_admit(Write *write);
int priority_class_admit_delete(Write *write);
int service_addresses_new(const char *cidr, ServiceAddresses **ret, Err *reterr);
ServiceAddresses *service_addresses_free(ServiceAddresses *addresses);
const char *service_first_address(const ServiceAddresses *addresses, Arena *arena);

/* Gives the Service in write its addresses and ports; on update with regard to before. 0 or a
 * reason. */
int service_allocate(Write *write);

/* Takes note of what a stored Service holds; lets go of what only `before` held. Either may be
 * NULL. */
void service_settle(ServiceAddresses *addresses, const Object *now, const Object *before);

#endif
