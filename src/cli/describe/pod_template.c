/* SPDX-License-Identifier: Apache-2.0 */
/* Describes pod templates, and what Pods have in common with them besides containers: volumes and tolerations. */
#include "cli/describe/line.h"

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
