/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of resource.k8s.io have in common: names of devices, requests, configuration, tolerations. */
#ifndef API_RULES_RESOURCE_DEVICE_H
#define API_RULES_RESOURCE_DEVICE_H

#include "api/rules/rules.h"
#include "api/schema/resource_v1.h"

enum {
    DEVICE_REQUESTS_MAX = 32,
    DEVICE_CONFIG_MAX = 32,
    DEVICE_RAW_MAX = 10 * 1024,
    DEVICE_BINDING_CONDITIONS_MAX = 4,
};

/* Reports that a list is too long, and returns whether it is: its elements are not looked at then. */
bool device_too_many(Causes *causes, const Path *path, size_t n, size_t max);
/* A name of one DNS label. */
void device_check_label(const char *name, const Path *path, Causes *causes);
/* DNS names separated by slashes. */
void device_check_pool(const char *name, const Path *path, Causes *causes);
void device_check_uid(const char *uid, const Path *path, Causes *causes);
/* A name of an attribute or a capacity: a C identifier, behind a domain and a slash or alone. */
void device_check_qualified(const char *name, const Path *path, Causes *causes);
/* A JSON object of limited length. */
void device_check_object(Bytes raw, const Path *path, Causes *causes);
void device_check_configuration(const DeviceConfiguration *configuration, const Path *path,
                                Causes *causes);
void device_check_selectors(const DeviceSelectorArray *selectors, const Path *path, Causes *causes);
void device_check_tolerations(const DeviceTolerationArray *tolerations, const Path *path,
                              Causes *causes);
void device_check_binding_conditions(const StringArray *conditions, const StringArray *failures,
                                     const Path *path, Causes *causes);
/* The effects of taints, in the order of messages. */
extern const char *const device_taint_effects[];

/* Names of requests, and "request/alternative", to which other parts of a claim refer. */
typedef struct DeviceRequestNames {
    TextMap names;
} DeviceRequestNames;

void device_request_names(Arena *arena, const DeviceClaim *claim, DeviceRequestNames *ret);
void device_check_references(const StringArray *references, const DeviceRequestNames *names,
                             const Path *path, Causes *causes);
void device_check_reference(const char *reference, const DeviceRequestNames *names,
                            const Path *path, Causes *causes);

void device_complete_claim(DeviceClaim *claim);
void device_check_claim(const DeviceClaim *claim, const Path *path, Causes *causes);

#endif
