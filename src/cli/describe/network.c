/* SPDX-License-Identifier: Apache-2.0 */
/* Describes Services, their endpoints, and Ingresses. */
#include "cli/describe/line.h"

/* ---- services ---- */

void describe_endpoints(Description *d, const char *service, const char *port_name)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    yyjson_val *slice, *port, *endpoint, *address;
    size_t i, n, j, m, k, l, a, b, count = 0;
    ClusterReply reply;

    resource_path(&path, resources_find(d->cluster, "endpointslices"), d->target->ns, NULL, NULL);
    url_add_query(&path, "labelSelector",
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

/* ---- ingresses and endpoints ---- */

static void add_backend(Description *d, yyjson_val *backend)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    yyjson_val *service = yyjson_obj_get(backend, "service"), *port;
    const char *name = json_text(service, "/name"), *wanted = json_text(service, "/port/name"),
               *port_name = "";
    int64_t number = json_number(service, "/port/number", 0);
    ClusterReply reply;
    size_t i, n;

    if (!service) {
        strbuf_printf(&d->out, "APIGroup: %s, Kind: %s, Name: %s",
                      str_or(json_text(backend, "/resource/apiGroup"), "<none>"),
                      json_text(backend, "/resource/kind"), json_text(backend, "/resource/name"));
        return;
    }
    if (number)
        strbuf_printf(&d->out, "%s:%" PRId64 " (", name, number);
    else
        strbuf_printf(&d->out, "%s:%s (", name, wanted);
    resource_path(&path, resources_find(d->cluster, "services"), d->target->ns, name, NULL);
    if (cluster_send(d->cluster, &(ClusterCall){.path = path.p}, &reply) || !cluster_ok(&reply)) {
        strbuf_printf(&d->out, "<error: services \"%s\" not found>)", name);
        return;
    }
    yyjson_arr_foreach(yyjson_ptr_get(reply.json, "/spec/ports"), i, n, port)
    {
        if (number ? number == json_number(port, "/port", 0)
                   : str_equal(wanted, json_text(port, "/name")))
            port_name = arena_strdup(d->cluster->arena, json_text(port, "/name"));
    }
    describe_endpoints(d, name, port_name);
    strbuf_add_char(&d->out, ')');
}

static void ingress_rule(Description *d, yyjson_val *rule)
{
    yyjson_val *path;
    size_t i, n;

    strbuf_printf(&d->out, "  %s\t\n", str_or(json_text(rule, "/host"), "*"));
    yyjson_arr_foreach(yyjson_ptr_get(rule, "/http/paths"), i, n, path)
    {
        strbuf_printf(&d->out, "    \t%s \t", json_text(path, "/path"));
        add_backend(d, yyjson_obj_get(path, "backend"));
        strbuf_add_char(&d->out, '\n');
    }
}

static void ingress_address(Description *d)
{
    yyjson_val *item;
    size_t i, n;

    strbuf_add_string(&d->out, "Address:\t");
    yyjson_arr_foreach(at(d, "/status/loadBalancer/ingress"), i, n, item)
        strbuf_printf(&d->out, "%s%s", i ? "," : "",
                      str_or(json_text(item, "/ip"), json_text(item, "/hostname")));
    strbuf_add_char(&d->out, '\n');
}

void describe_ingress(Description *d)
{
    yyjson_val *backend = at(d, "/spec/defaultBackend"), *item;
    size_t i, n, count = 0;

    line(d, "Name", text(d, "/metadata/name"));
    describe_labels(&d->out, "Labels", at(d, "/metadata/labels"));
    line(d, "Namespace", text(d, "/metadata/namespace"));
    ingress_address(d);
    line(d, "Ingress Class", str_or(text(d, "/spec/ingressClassName"), "<none>"));
    strbuf_add_string(&d->out, "Default backend:\t");
    if (backend)
        add_backend(d, backend);
    strbuf_printf(&d->out, "%s\n", backend ? "" : "<default>");
    if (yyjson_arr_size(at(d, "/spec/tls")))
        strbuf_add_string(&d->out, "TLS:\n");
    yyjson_arr_foreach(at(d, "/spec/tls"), i, n, item)
    {
        const char *secret = json_text(item, "/secretName");

        strbuf_printf(&d->out, "  %s ", *secret ? secret : "SNI");
        strbuf_add_string(&d->out, *secret ? "terminates " : "routes ");
        describe_list(&d->out, yyjson_obj_get(item, "hosts"), ",");
        strbuf_add_char(&d->out, '\n');
    }
    strbuf_add_string(&d->out, "Rules:\n  Host\tPath\tBackends\n  ----\t----\t--------\n");
    yyjson_arr_foreach(at(d, "/spec/rules"), i, n, item)
    {
        if (yyjson_obj_get(item, "http") && ++count)
            ingress_rule(d, item);
    }
    if (!count) {
        strbuf_add_string(&d->out, "  *\t*\t");
        if (backend)
            add_backend(d, backend);
        strbuf_printf(&d->out, "%s\n", backend ? "" : "<default>");
    }
    describe_annotations(&d->out, "Annotations", at(d, "/metadata/annotations"));
}

static void slice_endpoint(Description *d, yyjson_val *endpoint)
{
    yyjson_val *ready = yyjson_ptr_get(endpoint, "/conditions/ready");
    const char *kind = json_text(endpoint, "/targetRef/kind");

    strbuf_add_string(&d->out, "  - Addresses:\t");
    describe_list(&d->out, yyjson_obj_get(endpoint, "addresses"), ", ");
    strbuf_printf(&d->out, "\n    Conditions:\n      Ready:\t%s\n    Hostname:\t%s\n",
                  !ready                   ? "<unset>"
                  : yyjson_get_bool(ready) ? "true"
                                           : "false",
                  str_or(json_text(endpoint, "/hostname"), "<unset>"));
    if (*kind)
        strbuf_printf(&d->out, "    TargetRef:\t%s/%s\n", kind,
                      json_text(endpoint, "/targetRef/name"));
    strbuf_printf(&d->out, "    NodeName:\t%s\n    Zone:\t%s\n",
                  str_or(json_text(endpoint, "/nodeName"), "<unset>"),
                  str_or(json_text(endpoint, "/zone"), "<unset>"));
}

void describe_slice(Description *d)
{
    yyjson_val *item;
    size_t i, n;

    name_and_namespace(d);
    labels_and_annotations(d);
    line(d, "AddressType", text(d, "/addressType"));
    strbuf_add_string(&d->out, yyjson_arr_size(at(d, "/ports"))
                                   ? "Ports:\n  Name\tPort\tProtocol\n  ----\t----\t--------\n"
                                   : "Ports: <unset>\n");
    yyjson_arr_foreach(at(d, "/ports"), i, n, item) strbuf_printf(
        &d->out, "  %s\t%" PRId64 "\t%s\n", str_or(json_text(item, "/name"), "<unset>"),
        json_number(item, "/port", 0), json_text(item, "/protocol"));
    strbuf_add_string(&d->out, yyjson_arr_size(at(d, "/endpoints")) ? "Endpoints:\n"
                                                                    : "Endpoints: <none>\n");
    yyjson_arr_foreach(at(d, "/endpoints"), i, n, item) slice_endpoint(d, item);
}

static void addresses(Description *d, const char *label, yyjson_val *list)
{
    yyjson_val *address;
    size_t i, n;

    strbuf_printf(&d->out, "  %s:\t%s", label, yyjson_arr_size(list) ? "" : "<none>");
    yyjson_arr_foreach(list, i, n, address)
        strbuf_printf(&d->out, "%s%s", i ? "," : "", json_text(address, "/ip"));
    strbuf_add_char(&d->out, '\n');
}

void describe_endpoints_object(Description *d)
{
    yyjson_val *subset, *port;
    size_t i, n, j, m;

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Subsets:\n");
    yyjson_arr_foreach(at(d, "/subsets"), i, n, subset)
    {
        addresses(d, "Addresses", yyjson_obj_get(subset, "addresses"));
        addresses(d, "NotReadyAddresses", yyjson_obj_get(subset, "notReadyAddresses"));
        if (yyjson_arr_size(yyjson_obj_get(subset, "ports")))
            strbuf_add_string(&d->out, "  Ports:\n    Name\tPort\tProtocol\n"
                                       "    ----\t----\t--------\n");
        yyjson_arr_foreach(yyjson_obj_get(subset, "ports"), j, m, port) strbuf_printf(
            &d->out, "    %s\t%" PRId64 "\t%s\n", str_or(json_text(port, "/name"), "<unset>"),
            json_number(port, "/port", 0), json_text(port, "/protocol"));
        strbuf_add_char(&d->out, '\n');
    }
}
