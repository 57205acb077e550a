/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of each kind, in kubectl's order. */
#include <ctype.h>

#include "cli/describe_line.h"

/* ---- volumes, tolerations, templates ---- */

static void projected(StrBuf *out, yyjson_val *sources)
{
    yyjson_val *source;
    size_t i, n;

    strbuf_add_string(out, "    Type:\tProjected (a volume that contains injected data from "
                           "multiple sources)\n");
    yyjson_arr_foreach(sources, i, n, source)
    {
        yyjson_val *config = yyjson_obj_get(source, "configMap"),
                   *ref = config ? config : yyjson_obj_get(source, "secret");

        if (ref)
            strbuf_printf(out, "    %s:\t%s\n    Optional:\t%s\n",
                          config ? "ConfigMapName" : "SecretName", json_text(ref, "/name"),
                          yyjson_get_bool(yyjson_obj_get(ref, "optional")) ? "true" : "false");
        else if (yyjson_obj_get(source, "downwardAPI"))
            strbuf_add_string(out, "    DownwardAPI:\ttrue\n");
        else if (yyjson_obj_get(source, "serviceAccountToken"))
            strbuf_printf(out, "    TokenExpirationSeconds:\t%" PRId64 "\n",
                          json_number(source, "/serviceAccountToken/expirationSeconds", 3600));
    }
}

static const char *yes_no(yyjson_val *volume, const char *pointer)
{
    return yyjson_get_bool(yyjson_ptr_get(volume, pointer)) ? "true" : "false";
}

static void one_volume(StrBuf *out, yyjson_val *v)
{
    if (yyjson_obj_get(v, "persistentVolumeClaim"))
        strbuf_printf(out,
                      "    Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in "
                      "the same namespace)\n    ClaimName:\t%s\n    ReadOnly:\t%s\n",
                      json_text(v, "/persistentVolumeClaim/claimName"),
                      yes_no(v, "/persistentVolumeClaim/readOnly"));
    else if (yyjson_obj_get(v, "configMap"))
        strbuf_printf(out,
                      "    Type:\tConfigMap (a volume populated by a ConfigMap)\n    Name:\t%s\n"
                      "    Optional:\t%s\n",
                      json_text(v, "/configMap/name"), yes_no(v, "/configMap/optional"));
    else if (yyjson_obj_get(v, "secret"))
        strbuf_printf(out,
                      "    Type:\tSecret (a volume populated by a Secret)\n    SecretName:\t%s\n"
                      "    Optional:\t%s\n",
                      json_text(v, "/secret/secretName"), yes_no(v, "/secret/optional"));
    else if (yyjson_obj_get(v, "emptyDir"))
        strbuf_printf(out,
                      "    Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)\n"
                      "    Medium:\t%s\n    SizeLimit:\t%s\n",
                      json_text(v, "/emptyDir/medium"),
                      str_or(json_text(v, "/emptyDir/sizeLimit"), "<unset>"));
    else if (yyjson_obj_get(v, "hostPath"))
        strbuf_printf(out,
                      "    Type:\tHostPath (bare host directory volume)\n    Path:\t%s\n"
                      "    HostPathType:\t%s\n",
                      json_text(v, "/hostPath/path"), json_text(v, "/hostPath/type"));
    else if (yyjson_obj_get(v, "projected"))
        projected(out, yyjson_ptr_get(v, "/projected/sources"));
    else
        strbuf_add_string(out, "  <unknown>\n");
}

void describe_volumes(StrBuf *out, yyjson_val *volumes, bool template)
{
    const char *space = template ? "  " : "";
    yyjson_val *volume;
    size_t i, n;

    strbuf_printf(out, "%sVolumes:%s\n", space, yyjson_arr_size(volumes) ? "" : "\t<none>");
    yyjson_arr_foreach(volumes, i, n, volume)
    {
        strbuf_printf(out, "  %s%s:\n", template ? " " : "", json_text(volume, "/name"));
        one_volume(out, volume);
    }
}

void describe_tolerations(StrBuf *out, const char *title, yyjson_val *tolerations)
{
    yyjson_val *t;
    size_t i, n;

    strbuf_printf(out, "%s:%s", title, yyjson_arr_size(tolerations) ? "" : "\t<none>\n");
    yyjson_arr_foreach(tolerations, i, n, t)
    {
        const char *key = json_text(t, "/key"), *value = json_text(t, "/value"),
                   *effect = json_text(t, "/effect");
        yyjson_val *seconds = yyjson_obj_get(t, "tolerationSeconds");

        strbuf_printf(out, "\t%s%s%s%s%s", key, *value ? "=" : "", value, *effect ? ":" : "",
                      effect);
        if (str_equal(json_text(t, "/operator"), "Exists") && !*value)
            strbuf_printf(out, "%sop=Exists", *key || *effect ? " " : "");
        if (seconds)
            strbuf_printf(out, " for %" PRId64 "s", yyjson_get_sint(seconds));
        strbuf_add_char(out, '\n');
    }
}

void describe_template(StrBuf *out, yyjson_val *template)
{
    yyjson_val *spec = yyjson_obj_get(template, "spec");
    const char *account = json_text(spec, "/serviceAccountName"),
               *priority = json_text(spec, "/priorityClassName");

    strbuf_add_string(out, "Pod Template:\n");
    describe_labels(out, "  Labels", yyjson_ptr_get(template, "/metadata/labels"));
    if (yyjson_obj_size(yyjson_ptr_get(template, "/metadata/annotations")))
        describe_annotations(out, "  Annotations",
                             yyjson_ptr_get(template, "/metadata/annotations"));
    if (*account)
        strbuf_printf(out, "  Service Account:\t%s\n", account);
    if (yyjson_arr_size(yyjson_obj_get(spec, "initContainers")))
        describe_containers(out, "Init Containers", yyjson_obj_get(spec, "initContainers"), NULL,
                            NULL, true);
    describe_containers(out, "Containers", yyjson_obj_get(spec, "containers"), NULL, NULL, true);
    describe_volumes(out, yyjson_obj_get(spec, "volumes"), true);
    if (*priority)
        strbuf_printf(out, "  Priority Class Name:\t%s\n", priority);
    describe_labels(out, "  Node-Selectors", yyjson_obj_get(spec, "nodeSelector"));
    describe_tolerations(out, "  Tolerations", yyjson_obj_get(spec, "tolerations"));
}

/* ---- pods ---- */

void describe_controller(Description *d)
{
    yyjson_val *owner;
    size_t i, n;

    yyjson_arr_foreach(at(d, "/metadata/ownerReferences"), i, n, owner)
    {
        if (yyjson_get_bool(yyjson_obj_get(owner, "controller")))
            strbuf_printf(&d->out, "Controlled By:\t%s/%s\n", json_text(owner, "/kind"),
                          json_text(owner, "/name"));
    }
}

static void pod_head(Description *d)
{
    yyjson_val *priority = at(d, "/spec/priority");
    const char *node = text(d, "/spec/nodeName");

    name_and_namespace(d);
    if (priority)
        strbuf_printf(&d->out, "Priority:\t%" PRId64 "\n", yyjson_get_sint(priority));
    line_if(d, "Priority Class Name", text(d, "/spec/priorityClassName"));
    line_if(d, "Service Account", text(d, "/spec/serviceAccountName"));
    if (*node)
        strbuf_printf(&d->out, "Node:\t%s/%s\n", node, text(d, "/status/hostIP"));
    else
        line(d, "Node", "<none>");
    if (*text(d, "/status/startTime"))
        describe_time(&d->out, "Start Time", text(d, "/status/startTime"));
    labels_and_annotations(d);
    if (*text(d, "/metadata/deletionTimestamp"))
        strbuf_printf(&d->out,
                      "Status:\tTerminating (since %s)\nTermination Grace Period:\t%" PRId64 "s\n",
                      text(d, "/metadata/deletionTimestamp"),
                      json_number(d->object, "/metadata/deletionGracePeriodSeconds", 0));
    else
        line(d, "Status", text(d, "/status/phase"));
    line_if(d, "Reason", text(d, "/status/reason"));
    line_if(d, "Message", text(d, "/status/message"));
    line_if(d, "SeccompProfile", text(d, "/spec/securityContext/seccompProfile/type"));
}

void describe_pod(Description *d)
{
    yyjson_val *item;
    size_t i, n;

    pod_head(d);
    line(d, "IP", text(d, "/status/podIP"));
    strbuf_printf(&d->out, "IPs:%s\n", yyjson_arr_size(at(d, "/status/podIPs")) ? "" : "\t<none>");
    yyjson_arr_foreach(at(d, "/status/podIPs"), i, n, item)
        strbuf_printf(&d->out, "  IP:\t%s\n", json_text(item, "/ip"));
    describe_controller(d);
    if (yyjson_arr_size(at(d, "/spec/initContainers")))
        describe_containers(&d->out, "Init Containers", at(d, "/spec/initContainers"),
                            at(d, "/status/initContainerStatuses"), d->object, false);
    describe_containers(&d->out, "Containers", at(d, "/spec/containers"),
                        at(d, "/status/containerStatuses"), d->object, false);
    if (yyjson_arr_size(at(d, "/status/conditions")))
        strbuf_add_string(&d->out, "Conditions:\n  Type\tStatus\n");
    yyjson_arr_foreach(at(d, "/status/conditions"), i, n, item) strbuf_printf(
        &d->out, "  %s \t%s \n", json_text(item, "/type"), json_text(item, "/status"));
    describe_volumes(&d->out, at(d, "/spec/volumes"), false);
    line(d, "QoS Class", text(d, "/status/qosClass"));
    describe_labels(&d->out, "Node-Selectors", at(d, "/spec/nodeSelector"));
    describe_tolerations(&d->out, "Tolerations", at(d, "/spec/tolerations"));
}

/* ---- sets ---- */

/* "2 Running / 0 Waiting / 0 Succeeded / 0 Failed" of the pods that belong to it. */
void describe_pods_status(Description *d)
{
    static const char *const phases[] = {"Running", "Pending", "Succeeded", "Failed"};
    _strbuf_ StrBuf path = STRBUF_INIT;
    ClusterReply reply;
    int counts[4] = {0};
    yyjson_val *pod;
    size_t i, n;

    resource_path(&path, resources_find(d->cluster, "pods"), d->target->ns, NULL, NULL);
    cluster_add_query(&path, "labelSelector", object_selector(d->cluster->arena, d->object));
    if (cluster_call(d->cluster, &(ClusterCall){.path = path.p}, &reply))
        return;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, pod)
    {
        if (!str_equal(json_text(pod, "/metadata/ownerReferences/0/uid"), text(d, "/metadata/uid")))
            continue;
        for (size_t p = 0; p < ARRAY_LEN(phases); p++)
            counts[p] += str_equal(json_text(pod, "/status/phase"), phases[p]);
    }
    strbuf_printf(&d->out, "Pods Status:\t%d Running / %d Waiting / %d Succeeded / %d Failed\n",
                  counts[0], counts[1], counts[2], counts[3]);
}

static void claim_templates(Description *d)
{
    yyjson_val *templates = at(d, "/spec/volumeClaimTemplates"), *claim;
    size_t i, n;

    if (!str_equal(d->target->resource->kind, "StatefulSet"))
        return;
    strbuf_printf(&d->out, "Volume Claims:%s\n", yyjson_arr_size(templates) ? "" : "\t<none>");
    yyjson_arr_foreach(templates, i, n, claim)
    {
        strbuf_printf(&d->out, "  Name:\t%s\n  StorageClass:\t%s\n",
                      json_text(claim, "/metadata/name"),
                      json_text(claim, "/spec/storageClassName"));
        describe_labels(&d->out, "  Labels", yyjson_ptr_get(claim, "/metadata/labels"));
        describe_labels(&d->out, "  Annotations", yyjson_ptr_get(claim, "/metadata/annotations"));
        strbuf_printf(&d->out, "  Capacity:\t%s\n  Access Modes:\t[",
                      str_or(json_text(claim, "/spec/resources/requests/storage"), "<default>"));
        describe_list(&d->out, yyjson_ptr_get(claim, "/spec/accessModes"), " ");
        strbuf_add_string(&d->out, "]\n");
    }
}

void describe_set(Description *d)
{
    yyjson_val *partition = at(d, "/spec/updateStrategy/rollingUpdate/partition");

    name_and_namespace(d);
    describe_time(&d->out, "CreationTimestamp", text(d, "/metadata/creationTimestamp"));
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    labels_and_annotations(d);
    strbuf_printf(&d->out, "Replicas:\t%" PRId64 " desired | %" PRId64 " total\n",
                  json_number(d->object, "/spec/replicas", 1),
                  json_number(d->object, "/status/replicas", 0));
    line_if(d, "Update Strategy", text(d, "/spec/updateStrategy/type"));
    if (partition)
        strbuf_printf(&d->out, "  Partition:\t%" PRId64 "\n", yyjson_get_sint(partition));
    describe_pods_status(d);
    describe_template(&d->out, at(d, "/spec/template"));
    claim_templates(d);
}

/* ---- services ---- */

void describe_endpoints(Description *d, const char *service, const char *port_name)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    yyjson_val *slice, *port, *endpoint, *address;
    size_t i, n, j, m, k, l, a, b, count = 0;
    ClusterReply reply;

    resource_path(&path, resources_find(d->cluster, "endpointslices"), d->target->ns, NULL, NULL);
    cluster_add_query(&path, "labelSelector",
                      arena_printf(d->cluster->arena, "kubernetes.io/service-name=%s", service));
    if (cluster_call(d->cluster, &(ClusterCall){.path = path.p}, &reply))
        reply.json = NULL;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, slice)
    {
        yyjson_arr_foreach(yyjson_obj_get(slice, "ports"), j, m, port)
        {
            if (!str_equal(json_text(port, "/name"), port_name))
                continue;
            yyjson_arr_foreach(yyjson_obj_get(slice, "endpoints"), k, l, endpoint)
            {
                yyjson_val *ready = yyjson_ptr_get(endpoint, "/conditions/ready");

                if (ready && !yyjson_get_bool(ready))
                    continue;
                yyjson_arr_foreach(yyjson_obj_get(endpoint, "addresses"), a, b, address)
                {
                    if (count < 3)
                        strbuf_printf(&d->out, "%s%s:%" PRId64, count ? "," : "",
                                      yyjson_get_str(address), json_number(port, "/port", 0));
                    count++;
                }
            }
        }
    }
    if (count > 3)
        strbuf_printf(&d->out, " + %zu more...", count - 3);
}

static void service_port(Description *d, yyjson_val *port)
{
    const char *name = json_text(port, "/name"), *protocol = json_text(port, "/protocol");
    int64_t node_port = json_number(port, "/nodePort", 0);
    yyjson_val *target = yyjson_obj_get(port, "targetPort");

    strbuf_printf(&d->out, "Port:\t%s\t%" PRId64 "/%s\n", str_or(name, "<unset>"),
                  json_number(port, "/port", 0), protocol);
    if (yyjson_is_int(target))
        strbuf_printf(&d->out, "TargetPort:\t%" PRId64 "/%s\n", yyjson_get_sint(target), protocol);
    else
        strbuf_printf(&d->out, "TargetPort:\t%s/%s\n", str_or(yyjson_get_str(target), ""),
                      protocol);
    if (node_port)
        strbuf_printf(&d->out, "NodePort:\t%s\t%" PRId64 "/%s\n", str_or(name, "<unset>"),
                      node_port, protocol);
    strbuf_add_string(&d->out, "Endpoints:\t");
    describe_endpoints(d, text(d, "/metadata/name"), name);
    strbuf_add_char(&d->out, '\n');
}

static void joined(Description *d, const char *label, const char *pointer, const char *otherwise)
{
    yyjson_val *list = at(d, pointer);

    if (!yyjson_arr_size(list) && !otherwise)
        return;
    strbuf_printf(&d->out, "%s:\t", label);
    if (yyjson_arr_size(list))
        describe_list(&d->out, list, ",");
    else
        strbuf_add_string(&d->out, otherwise);
    strbuf_add_char(&d->out, '\n');
}

void describe_service(Description *d)
{
    yyjson_val *item;
    size_t i, n;

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Selector:\t");
    describe_selector(&d->out, at(d, "/spec/selector"));
    strbuf_add_char(&d->out, '\n');
    line(d, "Type", text(d, "/spec/type"));
    line_if(d, "IP Family Policy", text(d, "/spec/ipFamilyPolicy"));
    joined(d, "IP Families", "/spec/ipFamilies", "<none>");
    line(d, "IP", text(d, "/spec/clusterIP"));
    joined(d, "IPs", "/spec/clusterIPs", "<none>");
    joined(d, "External IPs", "/spec/externalIPs", NULL);
    line_if(d, "Desired LoadBalancer IP", text(d, "/spec/loadBalancerIP"));
    line_if(d, "External Name", text(d, "/spec/externalName"));
    yyjson_arr_foreach(at(d, "/status/loadBalancer/ingress"), i, n, item)
    {
        const char *mode = json_text(item, "/ipMode");

        strbuf_printf(&d->out, "%s%s", i ? "," : "LoadBalancer Ingress:\t",
                      str_or(json_text(item, "/ip"), json_text(item, "/hostname")));
        if (*mode)
            strbuf_printf(&d->out, " (%s)", mode);
        if (i + 1 == n)
            strbuf_add_char(&d->out, '\n');
    }
    yyjson_arr_foreach(at(d, "/spec/ports"), i, n, item) service_port(d, item);
    line(d, "Session Affinity", text(d, "/spec/sessionAffinity"));
    line_if(d, "External Traffic Policy", text(d, "/spec/externalTrafficPolicy"));
    line_if(d, "Internal Traffic Policy", text(d, "/spec/internalTrafficPolicy"));
}

/* ---- claims ---- */

static void used_by(Description *d)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    yyjson_val *pod, *volume;
    size_t i, n, j, m, count = 0;
    ClusterReply reply;

    resource_path(&path, resources_find(d->cluster, "pods"), d->target->ns, NULL, NULL);
    if (cluster_call(d->cluster, &(ClusterCall){.path = path.p}, &reply))
        return;
    strbuf_add_string(&d->out, "Used By:");
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, pod)
    {
        yyjson_arr_foreach(yyjson_ptr_get(pod, "/spec/volumes"), j, m, volume)
        {
            if (!str_equal(json_text(volume, "/persistentVolumeClaim/claimName"),
                           text(d, "/metadata/name")))
                continue;
            strbuf_printf(&d->out, "\t%s\n", json_text(pod, "/metadata/name"));
            count++;
        }
    }
    if (!count)
        strbuf_add_string(&d->out, "\t<none>\n");
}

void describe_claim(Description *d)
{
    name_and_namespace(d);
    line(d, "StorageClass", text(d, "/spec/storageClassName"));
    line(d, "Status", text(d, "/status/phase"));
    line(d, "Volume", text(d, "/spec/volumeName"));
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Finalizers:\t[");
    describe_list(&d->out, at(d, "/metadata/finalizers"), " ");
    strbuf_printf(&d->out, "]\nCapacity:\t%s\nAccess Modes:\t",
                  text(d, "/status/capacity/storage"));
    describe_access_modes(&d->out, at(d, "/status/accessModes"));
    strbuf_printf(&d->out, "\nVolumeMode:\t%s\n", text(d, "/spec/volumeMode"));
    used_by(d);
}

/* ---- all others ---- */

/* "storageClassName" -> "Storage Class Name" */
static void add_label(StrBuf *out, const char *name)
{
    static const char *const special[][2] = {{"apiVersion", "API Version"}, {"uid", "UID"}};

    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (str_equal(name, special[i][0])) {
            strbuf_add_string(out, special[i][1]);
            return;
        }
    for (const char *c = name; *c; c++)
        if (!isalpha((unsigned char)*c) && *c != '-') {
            strbuf_add_string(out, name);
            return;
        }
    for (const char *c = name; *c; c++) {
        bool upper = isupper((unsigned char)*c);

        if (c > name && upper && (!isupper((unsigned char)c[-1]) || islower((unsigned char)c[1])))
            strbuf_add_char(out, ' ');
        strbuf_add_char(out, c == name ? (char)toupper((unsigned char)*c) : *c);
    }
}

static void add_scalar(StrBuf *out, yyjson_val *value)
{
    if (yyjson_is_str(value))
        strbuf_add_string(out, yyjson_get_str(value));
    else if (yyjson_is_bool(value))
        strbuf_add_string(out, yyjson_get_bool(value) ? "true" : "false");
    else if (yyjson_is_int(value))
        strbuf_printf(out, "%" PRId64, yyjson_get_sint(value));
    else if (yyjson_is_real(value))
        strbuf_printf(out, "%g", yyjson_get_real(value));
    else
        strbuf_add_string(out, "<nil>");
}

static bool is_skipped(const char *path)
{
    static const char *const skipped[] = {".metadata.managedFields", ".metadata.name",
                                          ".metadata.namespace", ".metadata.labels",
                                          ".metadata.annotations"};

    for (size_t i = 0; i < ARRAY_LEN(skipped); i++)
        if (str_equal(path, skipped[i]))
            return true;
    return false;
}

static void add_member(StrBuf *out, yyjson_val *value, size_t depth, const char *path)
{
    yyjson_val *item;
    size_t i, n;

    if (yyjson_is_obj(value)) {
        strbuf_add_char(out, '\n');
        describe_tree(out, value, depth + 1, path);
    } else if (yyjson_is_arr(value)) {
        strbuf_add_char(out, '\n');
        yyjson_arr_foreach(value, i, n, item)
        {
            if (yyjson_is_obj(item)) {
                describe_tree(out, item, depth + 1, path);
                continue;
            }
            strbuf_printf(out, "%*s", (int)(depth + 1) * 2, "");
            add_scalar(out, item);
            strbuf_add_char(out, '\n');
        }
    } else {
        strbuf_add_char(out, '\t');
        add_scalar(out, value);
        strbuf_add_char(out, '\n');
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void describe_tree(StrBuf *out, yyjson_val *object, size_t depth, const char *path)
{
    VEC(const char *) names = VEC_INIT;
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(object, i, n, key, value) VEC_PUSH(&names, yyjson_get_str(key));
    if (names.n)
        qsort(names.v, names.n, sizeof(*names.v), by_text);
    for (i = 0; i < names.n; i++) {
        _free_ char *inner = mem_printf("%s.%s", path, names.v[i]);

        if (is_skipped(inner))
            continue;
        strbuf_printf(out, "%*s", (int)depth * 2, "");
        add_label(out, names.v[i]);
        strbuf_add_char(out, ':');
        add_member(out, yyjson_obj_get(object, names.v[i]), depth, inner);
    }
    VEC_DEINIT(&names);
}

void describe_other(Description *d)
{
    name_and_namespace(d);
    labels_and_annotations(d);
    describe_tree(&d->out, d->object, 0, "");
}
