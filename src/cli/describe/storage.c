/* SPDX-License-Identifier: Apache-2.0 */
/* Describes StorageClasses, PersistentVolumes and PersistentVolumeClaims. */
#include <ctype.h>

#include "cli/commands/events.h"
#include "cli/describe/line.h"

static void add_pairs(Description *d, const char *label, yyjson_val *pairs)
{
    strbuf_printf(&d->out, "%s:\t", label);
    describe_selector(&d->out, pairs);
    strbuf_add_char(&d->out, '\n');
}

void describe_storage_class(Description *d)
{
    yyjson_val *expansion = at(d, "/allowVolumeExpansion"), *option;
    const char *is_default =
        json_text(at(d, "/metadata/annotations"), "/storageclass.kubernetes.io~1is-default-class");
    size_t i, n;

    line(d, "Name", text(d, "/metadata/name"));
    line(d, "IsDefaultClass", str_equal(is_default, "true") ? "Yes" : "No");
    add_pairs(d, "Annotations", at(d, "/metadata/annotations"));
    line(d, "Provisioner", text(d, "/provisioner"));
    add_pairs(d, "Parameters", at(d, "/parameters"));
    line(d, "AllowVolumeExpansion",
         !expansion                   ? "<unset>"
         : yyjson_get_bool(expansion) ? "True"
                                      : "False");
    strbuf_printf(&d->out, "MountOptions:%s\n",
                  yyjson_arr_size(at(d, "/mountOptions")) ? "" : "\t<none>");
    yyjson_arr_foreach(at(d, "/mountOptions"), i, n, option)
        strbuf_printf(&d->out, "  %s\n", yyjson_get_str(option));
    line_if(d, "ReclaimPolicy", text(d, "/reclaimPolicy"));
    line_if(d, "VolumeBindingMode", text(d, "/volumeBindingMode"));
}

void describe_access_modes(StrBuf *out, yyjson_val *modes)
{
    static const char *const names[][2] = {{"ReadWriteOnce", "RWO"},
                                           {"ReadOnlyMany", "ROX"},
                                           {"ReadWriteMany", "RWX"},
                                           {"ReadWriteOncePod", "RWOP"}};
    yyjson_val *mode;
    size_t i, n;

    yyjson_arr_foreach(modes, i, n, mode)
    {
        for (size_t j = 0; j < ARRAY_LEN(names); j++)
            if (yyjson_equals_str(mode, names[j][0]))
                strbuf_printf(out, "%s%s", i ? "," : "", names[j][1]);
    }
}

static void node_requirement(StrBuf *out, yyjson_val *requirement)
{
    const char *op = json_text(requirement, "/operator");
    yyjson_val *values = yyjson_obj_get(requirement, "values"), *value;
    size_t i, n;

    strbuf_printf(out, "%s ", json_text(requirement, "/key"));
    for (const char *c = op; *c; c++)
        strbuf_add_char(out, (char)tolower((unsigned char)*c));
    yyjson_arr_foreach(values, i, n, value)
        strbuf_printf(out, "%s%s", i ? ", " : " [", str_or(yyjson_get_str(value), ""));
    strbuf_add_string(out, yyjson_arr_size(values) ? "]\n" : "\n");
}

static void node_affinity(Description *d)
{
    yyjson_val *required = at(d, "/spec/nodeAffinity/required"), *term, *requirement;
    yyjson_val *terms = yyjson_obj_get(required, "nodeSelectorTerms");
    size_t i, n, j, m;

    if (!required) {
        line(d, "Node Affinity", "<none>");
        return;
    }
    line(d, "Node Affinity", "");
    strbuf_printf(&d->out, "  Required Terms:\t%s\n", yyjson_arr_size(terms) ? "" : "<none>");
    yyjson_arr_foreach(terms, i, n, term)
    {
        yyjson_val *requirements = yyjson_obj_get(term, "matchExpressions");

        strbuf_printf(&d->out, "    Term %zu:\t", i);
        if (!yyjson_arr_size(requirements))
            strbuf_add_string(&d->out, "<none>\n");
        yyjson_arr_foreach(requirements, j, m, requirement)
        {
            strbuf_add_string(&d->out, j ? "    \t" : "");
            node_requirement(&d->out, requirement);
        }
    }
}

static void volume_source(Description *d)
{
    yyjson_val *host = at(d, "/spec/hostPath"), *local = at(d, "/spec/local"),
               *nfs = at(d, "/spec/nfs"), *csi = at(d, "/spec/csi");

    strbuf_add_string(&d->out, "Source:\n");
    if (host)
        strbuf_printf(&d->out,
                      "    Type:\tHostPath (bare host directory volume)\n    Path:\t%s\n"
                      "    HostPathType:\t%s\n",
                      json_text(host, "/path"),
                      yyjson_obj_get(host, "type") ? json_text(host, "/type") : "<none>");
    else if (local)
        strbuf_printf(&d->out,
                      "    Type:\tLocalVolume (a persistent volume backed by local storage on a "
                      "node)\n    Path:\t%s\n",
                      json_text(local, "/path"));
    else if (nfs)
        strbuf_printf(&d->out,
                      "    Type:\tNFS (an NFS mount that lasts the lifetime of a pod)\n"
                      "    Server:\t%s\n    Path:\t%s\n    ReadOnly:\t%s\n",
                      json_text(nfs, "/server"), json_text(nfs, "/path"),
                      yyjson_get_bool(yyjson_obj_get(nfs, "readOnly")) ? "true" : "false");
    else if (csi)
        strbuf_printf(
            &d->out,
            "    Type:\tCSI (a Container Storage Interface (CSI) volume source)\n"
            "    Driver:\t%s\n    FSType:\t%s\n    VolumeHandle:\t%s\n    ReadOnly:\t%s\n",
            json_text(csi, "/driver"), json_text(csi, "/fsType"), json_text(csi, "/volumeHandle"),
            yyjson_get_bool(yyjson_obj_get(csi, "readOnly")) ? "true" : "false");
    else
        strbuf_add_string(&d->out, "  <unknown>\n");
}

void describe_volume(Description *d)
{
    line(d, "Name", text(d, "/metadata/name"));
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Finalizers:\t[");
    describe_list(&d->out, at(d, "/metadata/finalizers"), " ");
    strbuf_printf(&d->out, "]\nStorageClass:\t%s\n", text(d, "/spec/storageClassName"));
    if (*text(d, "/metadata/deletionTimestamp")) {
        strbuf_add_string(&d->out, "Status:\tTerminating (lasts ");
        time_since(&d->out, text(d, "/metadata/deletionTimestamp"));
        strbuf_add_string(&d->out, ")\n");
    } else {
        line(d, "Status", text(d, "/status/phase"));
    }
    strbuf_printf(&d->out, "Claim:\t%s%s%s\n", text(d, "/spec/claimRef/namespace"),
                  at(d, "/spec/claimRef") ? "/" : "", text(d, "/spec/claimRef/name"));
    line(d, "Reclaim Policy", text(d, "/spec/persistentVolumeReclaimPolicy"));
    strbuf_add_string(&d->out, "Access Modes:\t");
    describe_access_modes(&d->out, at(d, "/spec/accessModes"));
    strbuf_add_char(&d->out, '\n');
    line_if(d, "VolumeMode", text(d, "/spec/volumeMode"));
    line(d, "Capacity", text(d, "/spec/capacity/storage"));
    node_affinity(d);
    line(d, "Message", text(d, "/status/message"));
    volume_source(d);
}

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
