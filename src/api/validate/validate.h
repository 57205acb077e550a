/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation: everything that is wrong with an object, at once, in Kubernetes' words and with
 * Kubernetes' paths.
 *
 * Three layers, run by validate_object() in this order: metadata, which is alike for all kinds; the
 * table walk (required, enum, bounds, formats, immutable fields); and the kind's own rules, for
 * what no table holds. Rules therefore never repeat what the schema says.
 *
 * Paths are chains on the stack and become text only when there is something to complain about:
 *
 *     const Path *port = PATH_INDEX(PATH(spec, "ports"), i);
 *     causes_required(causes, path_text(PATH(port, "port"), causes), NULL);
 */
#ifndef API_VALIDATE_VALIDATE_H
#define API_VALIDATE_VALIDATE_H

#include "api/kind.h"
#include "api/schema/meta_v1.h"
#include "api/status.h"
#include "api/text_check.h"
#include "base/text_map.h"

typedef struct PersistentVolumeClaimSpec PersistentVolumeClaimSpec;
typedef struct Pod Pod;
typedef struct PodSpec PodSpec;
typedef struct PodTemplateSpec PodTemplateSpec;

typedef struct Path Path;
struct Path {
    const Path *up;   /* NULL: the object itself */
    const char *name; /* a member, may hold dots; NULL: an index, or a key */
    const char *key;  /* map[key]; NULL: an index */
    size_t index;
};

#define PATH(parent, member) (&(const Path){.up = (parent), .name = (member)})
#define PATH_INDEX(parent, i) (&(const Path){.up = (parent), .index = (i)})
#define PATH_KEY(parent, k) (&(const Path){.up = (parent), .key = (k)})
const char *path_text(const Path *path, Causes *causes); /* in the causes' arena */

/* One cause at a path; `bad` and `detail` as in status.h. */
void fail_required(Causes *causes, const Path *path, const char *detail);
void fail_invalid(Causes *causes, const Path *path, const char *bad, const char *detail);
void fail_invalid_int(Causes *causes, const Path *path, int64_t bad, const char *detail);
void fail_forbidden(Causes *causes, const Path *path, const char *detail);
void fail_duplicate(Causes *causes, const Path *path, const char *bad);
/* The same if the text is in the map already; else it is added. */
void fail_if_seen(Causes *causes, const Path *path, TextMap *seen, const char *text);
void fail_not_found(Causes *causes, const Path *path, const char *bad);
void fail_not_supported(Causes *causes, const Path *path, const char *bad,
                        const char *const *supported);

/* Adds one cause for each fault. */
void fail_faults(Causes *causes, const Path *path, const char *bad, Faults faults);

/* `names`: NULL-ended. */
static inline bool name_is_one_of(const char *s, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], s ? s : "") == 0)
            return true;
    return false;
}

/* ---- parts that many kinds share ---- */

/* Ports: "must be between 1 and 65535, inclusive"; a name where it is a string. */
void validate_port_number(int64_t port, const Path *path, Causes *causes);
void validate_port(const IntOrString *port, const Path *path, Causes *causes);
void validate_labels(const StringMap *labels, const char *path, Causes *causes);
void validate_annotations(const StringMap *annotations, const char *path, Causes *causes);
/* Returns whether the selector is well-formed, as NULL is. Only then is it compared with labels. */
bool validate_label_selector(const LabelSelector *selector, const char *path, Causes *causes);
/* Reports a number that is negative. */
void validate_non_negative(int64_t v, const char *path, Causes *causes);
/* maxUnavailable and the like: a count of 0 or more, or a percentage. */
void validate_int_or_percent(const IntOrString *v, const char *path, Causes *causes);
/* What a load balancer reports about itself. */
void validate_balancer_address(const char *ip, const char *hostname, const Path *path,
                               Causes *causes);
/* A name of a driver is a DNS name in upper or lower case, of at most 63 bytes. */
void validate_driver_name(const char *name, const Path *path, Causes *causes);
/* Conditions of the type that kinds have in common. */
void validate_conditions(const ConditionArray *conditions, const Path *path, Causes *causes);
/* A quantity that may not be negative: "must be a valid resource quantity". */
void validate_basic_quantity(const char *quantity, const Path *path, Causes *causes);
/* status.collisionCount never goes down. Either may be NULL. */
void validate_collision_count(const int32_t *now, const int32_t *before, Causes *causes);
/* Where a webhook is: a URL, or a Service, whose path and port may be NULL. */
void validate_webhook_url(const char *url, const Path *path, Causes *causes);
void validate_webhook_service(const char *ns, const char *name, const char *url_path,
                              const int32_t *port, const Path *path, Causes *causes);
/* "field is immutable" unless both are equal. */
void validate_immutable(const Field *field, const void *now, const void *before, const char *path,
                        Causes *causes);
/* "80", "\"x\"", "{...}": a field's value as JSON, for causes_add's `bad`. */
const char *validate_bad_value(const Field *field, const void *at, Causes *causes);

/* ---- objects ---- */

/* name, namespace, labels, annotations, ownerReferences, finalizers; on update what may not
 * change. */
void validate_object_meta(const Kind *kind, const ObjectMeta *meta, const ObjectMeta *before,
                          const char *path, Causes *causes);
/* Of a template: only labels and annotations may be set. */
void validate_template_meta(const ObjectMeta *meta, const Path *path, Causes *causes);
/* The table walk. `before` may be NULL; path NULL: the object itself. */
void validate_type(const Type *type, const void *value, const void *before, const char *path,
                   Causes *causes);
/* Runs all three layers, for a create (before == NULL) or an update of the main resource. */
void validate_object(const Kind *kind, const void *value, const void *before, Causes *causes);
/* The same for an update through the status subresource. */
void validate_object_status(const Kind *kind, const void *value, const void *before,
                            Causes *causes);

#endif
