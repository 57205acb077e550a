/* SPDX-License-Identifier: Apache-2.0 */
/* Describes Pods. */
#include "cli/describe/line.h"

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
