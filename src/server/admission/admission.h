/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission completes and checks an object before validation, as far as this depends on other objects.
 * admission.c has the order; each topic has a file of its own.
 */
#ifndef SERVER_ADMISSION_ADMISSION_H
#define SERVER_ADMISSION_ADMISSION_H

#include "server/write/write.h"

typedef struct PodSpec PodSpec;
typedef struct ServiceAddresses ServiceAddresses;

/* Completes and checks an object that is to be created. Returns 0 or the reason of a refusal. */
int admission_create(Write *write);

/* Gives an object what it holds alone, such as addresses, after everything that may change it. */
int admission_allocate(Write *write);
/* Whether objects can be created in the namespace: again, if the write had to wait. */
int admission_namespace(Write *write);

int admission_update(Write *write);

/* The part that needs the final name of the object. */
void admission_named(Write *write);

/* Adds what is wrong with the object in view of others and of its writer, where Kubernetes reports that
 * together with all else that is wrong. */
void admission_add_causes(Write *write, Causes *causes);
/* Checks a valid object that is to be stored, after all that completes it. Returns 0 or the reason. */
int admission_validate(Write *write);
/* The object has been queued. */
void admission_stored(Write *write);

int admission_delete(Write *write);
int serviceaccount_admit(Write *write);
void priority_ensure_classes(Server *server, Client *client);
void storage_classes_ensure(Server *server, Client *client);
int storage_class_admit(Write *write); /* of a new claim */

/* Refuses roles and bindings that grant more than their writer holds. Returns 0 or the reason. */
int rbac_admit(Write *write);

/* Checks the write against the quotas of its namespace, and charges them once it is queued. */
int quota_admit(Write *write);
void quota_charge(Write *write);

/* Refuse what a node may not do, whatever its roles allow: to create or update an object, to create a
 * subresource of a pod, and to delete an object. They do nothing for other users. */
int node_restriction_admit(Write *write);
int node_restriction_connect(Write *write, const char *subresource);
int node_restriction_delete(Write *write);
/* Whether a pod refers to Secrets, or to ConfigMaps. */
bool pod_refers(const PodSpec *spec, bool secrets);

/* Refuses pods, and warns about them and templates, by the labels of their namespace. */
int pod_security_check(Write *write);

/* Gives a pod that is new or is resized the defaults of the LimitRanges of its namespace. A new pod
 * is annotated with them. */
void limit_range_fill(Write *write);
int limit_range_complete(Write *write); /* the same, as a step of admission */
/* Checks a pod or a claim against the LimitRanges. */
int limit_range_check(Write *write);

/* Checks that the node of a pod that is resized exists, can resize it, and has as much as it asks
 * for. */
int pod_resize_check(Write *write);

/* Gives a new pod the node selector of its namespace. */
int node_selector_admit(Write *write);

/* Refuses owner references that their writer may not set. */
int owner_references_check(Write *write);

/* Notes who has created a CertificateSigningRequest; checks who decides about one. */
int certificate_admit(Write *write);
int certificate_check(Write *write);

/* Checks who may ask for administration of devices, and who may write which part of a claim's status. */
void device_claim_check(Write *write, Causes *causes);
int device_taints_admit(Write *write); /* of a ResourceSlice: notes when they were added */

int runtime_class_admit(Write *write); /* for a new pod */

int priority_admit(Write *write); /* for a new pod */
void priority_keep(Write *write); /* for an update of a pod */
int priority_class_admit(Write *write);
int priority_class_admit_delete(Write *write);
int service_addresses_new(const char *cidr, ServiceAddresses **ret, Err *reterr);
ServiceAddresses *service_addresses_free(ServiceAddresses *addresses);
const char *service_first_address(const ServiceAddresses *addresses, Arena *arena);

/* Allocates the addresses and ports of the Service that is being written. An update keeps what the
 * Service has. Returns 0 or the reason of a refusal. */
int service_allocate(Write *write);

/* Writes the IPAddresses of a Service whose write has just been queued, in the same turn, so that they
 * are committed together. */
void service_write_addresses(const Write *of);
/* The range that the server was started with. */
const char *service_range(const ServiceAddresses *addresses, Arena *arena);

/* Called when a removal is queued. */
void admission_removed(const Write *write);

/* Records which addresses and ports a stored Service holds, and releases those that only its version
 * `before` held. Either may be NULL. */
void service_settle(ServiceAddresses *addresses, const Object *now, const Object *before);

#endif
