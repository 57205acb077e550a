/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/pod_container.h"

#include "base/strbuf.h"
#include "cli/cluster.h"

/* Adds "a, b (init)" and says whether `wanted` is one of them. */
static bool add_names(StrBuf *out, yyjson_val *pod, const char *list, const char *suffix,
                      const char *wanted)
{
    yyjson_val *container;
    bool found = false;
    size_t i, n;

    yyjson_arr_foreach(yyjson_ptr_get(pod, list), i, n, container)
    {
        const char *name = json_text(container, "/name");

        strbuf_printf(out, "%s%s%s", out->n ? ", " : "", name, suffix);
        found = found || str_equal(name, wanted);
    }
    return found;
}

const char *pod_container(yyjson_val *pod, const char *wanted, bool quiet)
{
    const char *annotated =
        json_text(pod, "/metadata/annotations/kubectl.kubernetes.io~1default-container");
    _strbuf_ StrBuf names = STRBUF_INIT;
    bool found = add_names(&names, pod, "/spec/containers", "", str_or(wanted, annotated));

    found |=
        add_names(&names, pod, "/spec/ephemeralContainers", " (ephem)", str_or(wanted, annotated));
    found |= add_names(&names, pod, "/spec/initContainers", " (init)", str_or(wanted, annotated));
    if (wanted && !found) {
        fprintf(stderr, "error: container %s is not valid for pod %s out of: %s\n", wanted,
                json_text(pod, "/metadata/name"), strbuf_string(&names));
        return NULL;
    }
    if (wanted)
        return wanted;
    if (*annotated && found)
        return annotated;
    wanted = json_text(pod, "/spec/containers/0/name");
    if (strchr(strbuf_string(&names), ',') && !quiet)
        fprintf(stderr, "Defaulted container \"%s\" out of: %s\n", wanted, names.p);

    return wanted;
}
