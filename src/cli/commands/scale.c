/* SPDX-License-Identifier: Apache-2.0 */
/* `stead scale`: uses the subresource scale, so it works for every kind that has one. */
#include "cli/commands/commands.h"
#include "cli/resources.h"

static int scale_one(Cluster *cluster, const Target *target, int64_t replicas, int64_t current)
{
    _strbuf_ StrBuf path = STRBUF_INIT, body = STRBUF_INIT;
    const char *label = resource_label(cluster->arena, target->resource);
    ClusterReply reply;
    int64_t now;

    resource_path(&path, target->resource, target->ns, target->name, "scale");
    if (cluster_call(cluster, &(ClusterCall){.path = path.p}, &reply))
        return 1;
    now = json_number(reply.json, "/spec/replicas", 0);
    if (current >= 0 && now != current) {
        fprintf(stderr,
                "error: Expected replicas to be %" PRId64 ", was %" PRId64 ": %s/%s was not "
                "scaled\n",
                current, now, label, target->name);
        return 1;
    }
    strbuf_printf(&body, "{\"spec\":{\"replicas\":%" PRId64 "}", replicas);
    /* The revision makes the request fail if the object was scaled since it was read. */
    if (current >= 0)
        strbuf_printf(&body, ",\"metadata\":{\"resourceVersion\":\"%s\"}",
                      json_text(reply.json, "/metadata/resourceVersion"));
    strbuf_add_char(&body, '}');
    url_add_query(&path, "fieldManager", "stead");
    if (cluster_call(cluster,
                     &(ClusterCall){.method = "PATCH",
                                    .path = path.p,
                                    .content_type = "application/merge-patch+json",
                                    .body = strbuf_bytes(&body)},
                     &reply))
        return 1;
    printf("%s/%s scaled\n", label, target->name);
    return 0;
}

int command_scale(const char *program, Options *options)
{
    Cluster cluster = {0};
    Targets targets = VEC_INIT;
    int64_t replicas = -1, current = -1;
    int r, failed = 0;

    (void)program;
    if (!options->replicas) {
        fprintf(stderr, "error: --replicas is missing: stead scale %s --replicas=3\n",
                strchr(options->words[0], '/') ? options->words[0] : "sts/web");
        return 2;
    }
    r = option_number("--replicas", options->replicas, 0, INT32_MAX, &replicas);
    if (r == 0)
        r = option_number("--current-replicas", options->current_replicas, 0, INT32_MAX, &current);
    if (r == 0)
        r = cluster_open(options, &cluster);
    if (r == 0)
        r = targets_parse(&cluster, options->words, options->n_words, &targets);
    for (size_t i = 0; r == 0 && i < targets.n; i++) {
        if (targets.v[i].name) {
            failed |= scale_one(&cluster, &targets.v[i], replicas, current);
        } else {
            fprintf(stderr, "stead: 'scale' needs a name: stead scale %s/NAME --replicas=%s\n",
                    targets.v[i].resource->plural, options->replicas);
            r = 2;
        }
    }
    VEC_DEINIT(&targets);
    cluster_close(&cluster);
    return r ? r : failed;
}
