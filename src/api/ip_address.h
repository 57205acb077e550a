/* SPDX-License-Identifier: Apache-2.0 */
/* The IPAddress of a Service, which the server makes and a controller repairs. */
#ifndef API_IP_ADDRESS_H
#define API_IP_ADDRESS_H

#include "api/object.h"

#define IP_ADDRESS_MANAGED_BY "ipaddress.kubernetes.io/managed-by"
#define IP_ADDRESS_MANAGER "ipallocator.k8s.io"

Object *ip_address_of_service(const char *address, const ObjectMeta *service);
/* Whether the server made it for this Service. */
bool ip_address_is_of(const Object *address, const ObjectMeta *service);
/* Whether the server made it for any Service. */
bool ip_address_is_managed(const Object *address);

#endif
