/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of Nodes. */
#include "api/condition.h"
#include "api/object.h"
#include "api/print.h"
#include "api/schema/core_cluster_v1.h"
#include "api/validate/pod.h"

#define ROLE_PREFIX "node-role.kubernetes.io/"
#define ROLE_LABEL "kubernetes.io/role"

static void complete_node(Arena *arena, void *value)
{
    Node *node = value;
    NodeSpec *spec = &node->spec;

    if (!node->status.allocatable.n && node->status.capacity.n) {
        const StringMap *all = &node->status.capacity;

        node->status.allocatable = (StringMap){ARENA_COPY_N(arena, all->v, all->n), all->n};
    }
    if (!spec->pod_cidrs.n && !str_empty(spec->pod_cidr))
        ARENA_APPEND(arena, &spec->pod_cidrs, spec->pod_cidr);
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
        validate_whole_resource(&resources->v[i], PATH(PATH(NULL, field), resources->v[i].key),
                                causes);
}

static void validate_addresses(const NodeAddressArray *addresses, Causes *causes)
{
    TextMap seen = TEXT_MAP_INIT(causes->arena);

    for (size_t i = 0; i < addresses->n; i++) {
        const NodeAddress *address = &addresses->v[i];

        if (!text_map_add_joined(&seen, address->type, address->address, NULL))
            causes_add(causes, CAUSE_DUPLICATE,
                       path_text(PATH_INDEX(PATH(NULL, "status.addresses"), i), causes),
                       arena_printf(causes->arena, "{\"Type\":\"%s\",\"Address\":\"%s\"}",
                                    str_or(address->type, ""), str_or(address->address, "")),
                       NULL);
    }
}

static void validate_node_status(const void *value, const void *before, Causes *causes)
{
    const Node *node = value;

    validate_node_resources(&node->status.capacity, "status.capacity", causes);
    validate_node_resources(&node->status.allocatable, "status.allocatable", causes);
    if (before)
        validate_addresses(&node->status.addresses, causes);
}

/* One range for each family. */
static void validate_pod_cidrs(const StringArray *cidrs, Causes *causes)
{
    bool mixed = cidrs->n == 2 && !strchr(cidrs->v[0], ':') != !strchr(cidrs->v[1], ':');

    for (size_t i = 0; i < cidrs->n; i++)
        fail_faults(causes, PATH_INDEX(PATH(NULL, "spec.podCIDRs"), i), cidrs->v[i],
                    check_cidr(cidrs->v[i]));
    if (cidrs->n > 1 && !mixed)
        causes_add(causes, CAUSE_INVALID, "spec.podCIDRs",
                   validate_bad_value(type_member(&type_NodeSpec, "podCIDRs"), cidrs, causes),
                   "may specify no more than one CIDR for each IP family");
}

static void validate_node(const void *value, const void *before, Causes *causes)
{
    const Node *node = value;

    validate_taints(&node->spec.taints, causes);
    validate_node_status(value, before, causes);
    validate_pod_cidrs(&node->spec.pod_cidrs, causes);
    if (before)
        validate_node_update(node, before, causes);
}

static void cell_node_status(StrBuf *row, const Node *node)
{
    const NodeCondition *ready = CONDITION_FIND(&node->status.conditions, "Ready");
    const char *state = !ready                             ? "Unknown"
                        : str_equal(ready->status, "True") ? "Ready"
                                                           : "NotReady";

    cell_printf(row, "%s%s", state, node->spec.unschedulable ? ",SchedulingDisabled" : "");
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
    str_sort(roles, n);
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
