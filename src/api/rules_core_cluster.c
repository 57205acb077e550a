/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Namespaces, Nodes and Events. */
#include "api/print.h"
#include "api/rules_core.h"

#define NAME_LABEL "kubernetes.io/metadata.name"
#define ROLE_PREFIX "node-role.kubernetes.io/"
#define ROLE_LABEL "kubernetes.io/role"

static bool has_string(const StringArray *strings, const char *s)
{
    for (size_t i = 0; i < strings->n; i++)
        if (str_equal(strings->v[i], s))
            return true;
    return false;
}

/* ---- Namespace ---- */

/* Selectors can pick a namespace by its name. */
static void complete_namespace(Arena *arena, void *value)
{
    ObjectMeta *meta = &((Namespace *)value)->metadata;

    if (!str_empty(meta->name))
        string_map_put(arena, &meta->labels, NAME_LABEL, meta->name);
}

static void prepare_namespace(Arena *arena, void *value, const void *before)
{
    Namespace *namespace = value;
    StringArray *finalizers = &namespace->spec.finalizers;
    const char **v;

    complete_namespace(arena, value); /* the name may have been made up since */
    if (before)
        return;
    namespace->status = (NamespaceStatus){.phase = "Active"};
    if (has_string(finalizers, "kubernetes"))
        return;
    v = arena_new_n(arena, const char *, finalizers->n + 1);
    if (finalizers->n)
        memcpy(v, finalizers->v, finalizers->n * sizeof(*v));
    v[finalizers->n++] = "kubernetes";
    finalizers->v = v;
}

static void validate_namespace(const void *value, const void *before, Causes *causes)
{
    static const char *const standard[] = {"kubernetes", "orphan", "foregroundDeletion", NULL};
    const StringArray *finalizers = &((const Namespace *)value)->spec.finalizers;

    for (size_t i = 0; i < finalizers->n; i++) {
        faults_add(check_qualified_name(finalizers->v[i]), "spec.finalizers", finalizers->v[i],
                   causes);
        if (!strchr(finalizers->v[i], '/') && !name_is_one_of(finalizers->v[i], standard))
            causes_invalid_string(
                causes, "spec.finalizers", finalizers->v[i],
                "name is neither a standard finalizer name nor is it fully qualified");
    }
}

static void validate_namespace_status(const void *value, const void *before, Causes *causes)
{
    const Namespace *namespace = value;
    bool deleted = namespace->metadata.deletion_timestamp.set;

    if (!deleted && !str_equal(namespace->status.phase, "Active"))
        causes_invalid_string(causes, "status.Phase", namespace->status.phase,
                              "may only be 'Active' if `deletionTimestamp` is empty");
    if (deleted && !str_equal(namespace->status.phase, "Terminating"))
        causes_invalid_string(causes, "status.Phase", namespace->status.phase,
                              "may only be 'Terminating' if `deletionTimestamp` is not empty");
}

static void print_namespace(const void *value, int64_t now_ns, StrBuf *row)
{
    const Namespace *namespace = value;

    cell_string(row, namespace->metadata.name);
    cell_string(row, namespace->status.phase);
    cell_age(row, namespace->metadata.creation_timestamp, now_ns);
}

const KindRules rules_namespace = {
    .complete = complete_namespace,
    .prepare = prepare_namespace,
    .validate = validate_namespace,
    .validate_status = validate_namespace_status,
    .print = print_namespace,
};

/* ---- Node ---- */

static void complete_node(Arena *arena, void *value)
{
    Node *node = value;
    NodeSpec *spec = &node->spec;

    if (!node->status.allocatable.n && node->status.capacity.n) {
        StringMap all = {.v = arena_new_n(arena, StringEntry, node->status.capacity.n),
                         .n = node->status.capacity.n};

        memcpy(all.v, node->status.capacity.v, all.n * sizeof(*all.v));
        node->status.allocatable = all;
    }
    if (!spec->pod_cidrs.n && !str_empty(spec->pod_cidr)) {
        spec->pod_cidrs.v = arena_new_n(arena, const char *, 1);
        spec->pod_cidrs.v[spec->pod_cidrs.n++] = spec->pod_cidr;
    }
    if (spec->pod_cidrs.n)
        spec->pod_cidr = spec->pod_cidrs.v[0];
}

static void validate_taints(const TaintArray *taints, Causes *causes)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < taints->n; i++) {
        const Taint *taint = &taints->v[i];
        /* Kubernetes looks for them in the metadata. */
        const Path *at = PATH_INDEX(PATH(NULL, "metadata.taints"), i);

        fail_faults(causes, PATH(at, "key"), taint->key, check_qualified_name(taint->key));
        fail_faults(causes, PATH(at, "value"), taint->value, check_label_value(taint->value));
        if (str_empty(taint->effect))
            fail_required(causes, PATH(at, "effect"), NULL);
        else if (!name_is_one_of(taint->effect, effects))
            fail_not_supported(causes, PATH(at, "effect"), taint->effect, effects);
        if (!text_map_add_joined(&seen, taint->key, taint->effect, NULL))
            causes_add(causes, CAUSE_DUPLICATE, path_text(at, causes),
                       arena_printf(causes->arena,
                                    "{\"Key\":\"%s\",\"Value\":\"%s\",\"Effect\":\"%s\","
                                    "\"TimeAdded\":null}",
                                    str_or(taint->key, ""), str_or(taint->value, ""),
                                    str_or(taint->effect, "")),
                       "taints must be unique by key and effect pair");
    }
}

static void validate_node_update(const Node *node, const Node *before, Causes *causes)
{
    const StringArray *now = &node->spec.pod_cidrs, *old = &before->spec.pod_cidrs;
    bool same = now->n == old->n;

    for (size_t i = 0; same && i < old->n; i++)
        same = str_equal(now->v[i], old->v[i]);
    if (old->n && !same)
        causes_forbidden(causes, "spec.podCIDRs",
                         "node updates may not change podCIDR except from \"\" to valid");
    if (!str_empty(before->spec.provider_id) &&
        !str_equal(node->spec.provider_id, before->spec.provider_id))
        causes_forbidden(causes, "spec.providerID",
                         "node updates may not change providerID except from \"\" to valid");
    if (!str_equal(node->spec.external_id, before->spec.external_id))
        causes_forbidden(causes, "spec.externalID", "may not be updated");
}

static void validate_node_resources(const StringMap *resources, const char *field, Causes *causes)
{
    for (size_t i = 0; i < resources->n; i++)
        if (*str_or(resources->v[i].value, "0") == '-')
            fail_invalid(causes, PATH(PATH(NULL, field), resources->v[i].key),
                         resources->v[i].value, "must be greater than or equal to 0");
}

static void validate_node_status(const void *value, const void *before, Causes *causes)
{
    const Node *node = value;

    validate_node_resources(&node->status.capacity, "status.capacity", causes);
    validate_node_resources(&node->status.allocatable, "status.allocatable", causes);
}

static void validate_node(const void *value, const void *before, Causes *causes)
{
    const Node *node = value;

    validate_taints(&node->spec.taints, causes);
    validate_node_status(value, before, causes);
    for (size_t i = 0; i < node->spec.pod_cidrs.n; i++)
        fail_faults(causes, PATH_INDEX(PATH(NULL, "spec.podCIDRs"), i), node->spec.pod_cidrs.v[i],
                    check_cidr(node->spec.pod_cidrs.v[i]));
    if (before)
        validate_node_update(node, before, causes);
}

static void cell_node_status(StrBuf *row, const Node *node)
{
    const char *state = "Unknown";

    for (size_t i = 0; i < node->status.conditions.n; i++)
        if (str_equal(node->status.conditions.v[i].type, "Ready"))
            state = str_equal(node->status.conditions.v[i].status, "True") ? "Ready" : "NotReady";
    cell_printf(row, "%s%s", state, node->spec.unschedulable ? ",SchedulingDisabled" : "");
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void cell_node_roles(StrBuf *row, const StringMap *labels)
{
    const char **roles = mem_new((labels->n + 1) * sizeof(*roles));
    _strbuf_ StrBuf text = STRBUF_INIT;
    size_t n = 0;

    for (size_t i = 0; i < labels->n; i++) {
        const StringEntry *label = &labels->v[i];

        if (str_starts_with(label->key, ROLE_PREFIX) && label->key[strlen(ROLE_PREFIX)])
            roles[n++] = label->key + strlen(ROLE_PREFIX);
        else if (str_equal(label->key, ROLE_LABEL) && !str_empty(label->value))
            roles[n++] = label->value;
    }
    qsort(roles, n, sizeof(*roles), compare_strings);
    for (size_t i = 0; i < n; i++)
        if (!i || !str_equal(roles[i], roles[i - 1]))
            strbuf_printf(&text, "%s%s", text.n ? "," : "", roles[i]);
    free(roles);
    cell_string(row, str_or(strbuf_string(&text), "<none>"));
}

static void cell_node_address(StrBuf *row, const Node *node, const char *type)
{
    for (size_t i = 0; i < node->status.addresses.n; i++)
        if (str_equal(node->status.addresses.v[i].type, type)) {
            cell_string(row, node->status.addresses.v[i].address);
            return;
        }
    cell_string(row, "<none>");
}

static void print_node(const void *value, int64_t now_ns, StrBuf *row)
{
    const Node *node = value;
    const NodeSystemInfo *info = &node->status.node_info;
    const char *kernel = str_or(info->kernel_version, "<unknown>");

    cell_string(row, node->metadata.name);
    cell_node_status(row, node);
    cell_node_roles(row, &node->metadata.labels);
    cell_age(row, node->metadata.creation_timestamp, now_ns);
    cell_string(row, info->kubelet_version);
    cell_node_address(row, node, "InternalIP");
    cell_node_address(row, node, "ExternalIP");
    cell_string(row, str_or(info->os_image, "<unknown>"));
    if (str_empty(info->architecture))
        cell_string(row, kernel);
    else
        cell_printf(row, "%s (%s)", kernel, info->architecture);
    cell_string(row, str_or(info->container_runtime_version, "<unknown>"));
}

const KindRules rules_node = {
    .complete = complete_node,
    .validate = validate_node,
    .validate_status = validate_node_status,
    .print = print_node,
};

/* ---- Event ---- */

static void at_most(const char *s, size_t max, const char *field, Causes *causes)
{
    if (s && strlen(s) > max)
        causes_invalid_string(causes, field, "",
                              arena_printf(causes->arena, "can have at most %zu characters", max));
}

/* Events with an eventTime follow the newer rules. */
static void validate_new_event(const Event *event, Causes *causes)
{
    if (str_empty(event->involved_object.namespace) &&
        !str_equal(event->metadata.namespace, "default") &&
        !str_equal(event->metadata.namespace, "kube-system"))
        causes_invalid_string(causes, "involvedObject.namespace", "",
                              "does not match event.namespace");
    if (str_empty(event->reporting_component))
        causes_required(causes, "reportingComponent", NULL);
    faults_add(check_qualified_name(event->reporting_component), "reportingComponent",
               event->reporting_component, causes);
    if (str_empty(event->reporting_instance))
        causes_required(causes, "reportingInstance", NULL);
    at_most(event->reporting_instance, 128, "reportingInstance", causes);
    if (str_empty(event->action))
        causes_required(causes, "action", NULL);
    at_most(event->action, 128, "action", causes);
    if (str_empty(event->reason))
        causes_required(causes, "reason", NULL);
    at_most(event->reason, 128, "reason", causes);
    at_most(event->message, 1024, "message", causes);
}

static void validate_event(const void *value, const void *before, Causes *causes)
{
    const Event *event = value;
    const char *namespace = event->involved_object.namespace;

    if (event->event_time.set) {
        validate_new_event(event, causes);
        return;
    }
    if (str_empty(namespace) ? !str_equal(event->metadata.namespace, "default")
                             : !str_equal(event->metadata.namespace, namespace))
        causes_invalid_string(causes, "involvedObject.namespace", namespace,
                              "does not match event.namespace");
}

static void cell_event_object(StrBuf *row, const ObjectReference *object)
{
    _free_ char *kind = mem_strdup(str_or(object->kind, ""));

    for (char *c = kind; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    if (str_empty(object->name))
        cell_string(row, kind);
    else
        cell_printf(row, "%s/%s", kind, object->name);
}

static void cell_trimmed(StrBuf *row, const char *s)
{
    size_t n;

    s = str_or(s, "");
    s += strspn(s, " \t\r\n");
    n = strlen(s);
    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    cell_printf(row, "%.*s", (int)n, s);
}

static void print_event(const void *value, int64_t now_ns, StrBuf *row)
{
    const Event *event = value;
    Time first = event->first_timestamp.set ? event->first_timestamp : event->event_time;
    Time last = event->last_timestamp.set ? event->last_timestamp : first;
    const char *component = str_or(event->source.component, event->reporting_component);
    const char *host = str_or(event->source.host, event->reporting_instance);
    int32_t count = event->count ? event->count : 1;

    if (event->series) {
        last = event->series->last_observed_time;
        count = event->series->count;
    }
    cell_age(row, last, now_ns);
    cell_string(row, event->type);
    cell_string(row, event->reason);
    cell_event_object(row, &event->involved_object);
    cell_string(row, event->involved_object.field_path);
    if (str_empty(host))
        cell_string(row, component);
    else
        cell_printf(row, "%s, %s", str_or(component, ""), host);
    cell_trimmed(row, event->message);
    cell_age(row, first, now_ns);
    cell_int64(row, count);
    cell_string(row, event->metadata.name);
}

const KindRules rules_event = {
    .validate = validate_event,
    .print = print_event,
};
