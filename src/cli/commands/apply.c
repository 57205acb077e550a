/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `stead apply -f`: server-side apply with the field manager "stead". It takes over fields of other managers, since users expect a
 * file that they apply to take effect. The revisions before and after show whether the object was created, changed or unchanged.
 */
#include "cli/commands/apply.h"
#include "cli/commands/commands.h"
#include "codec/json/json.h"

static Bytes body_of(Cluster *cluster, const Manifest *manifest)
{
    _strbuf_ StrBuf out = STRBUF_INIT;

    json_encode_tree(manifest->object, &out);
    return arena_bytes(cluster->arena, strbuf_bytes(&out));
}

static int apply_one(Cluster *cluster, Manifest *manifest, const char **ret_word)
{
    ClusterReply before, after;
    _strbuf_ StrBuf path = STRBUF_INIT;

    if (manifest_resolve(cluster, manifest))
        return 1;
    resource_path(&path, manifest->target.resource, manifest->target.ns, manifest->target.name,
                  NULL);
    if (cluster_send(cluster, &(ClusterCall){.path = path.p}, &before))
        return 1;
    if (before.status != 404 && !cluster_ok(&before))
        return cluster_refused(&before);
    strbuf_add_string(&path, "?fieldManager=stead&force=true&fieldValidation=Strict");
    if (cluster->options->dry_run)
        strbuf_add_string(&path, "&dryRun=All");
    if (cluster_send(cluster,
                     &(ClusterCall){.method = "PATCH",
                                    .path = path.p,
                                    .content_type = "application/apply-patch+yaml",
                                    .body = body_of(cluster, manifest)},
                     &after))
        return 1;
    if (!cluster_ok(&after)) {
        fprintf(stderr, "%s: ", manifest->file);
        return cluster_refused(&after);
    }
    *ret_word = before.status == 404 ? "created"
                : str_equal(json_text(before.json, "/metadata/resourceVersion"),
                            json_text(after.json, "/metadata/resourceVersion"))
                    ? "unchanged"
                    : "configured";
    return 0;
}

int apply_manifests(Cluster *cluster, Manifests *manifests)
{
    int failed = 0;

    for (size_t i = 0; i < manifests->n; i++) {
        Manifest *manifest = &manifests->v[i];
        const char *word = "";

        if (apply_one(cluster, manifest, &word))
            failed = 1;
        else
            printf("%s/%s %s%s\n", resource_label(cluster->arena, manifest->target.resource),
                   manifest->target.name, word,
                   cluster->options->dry_run ? " (server dry run)" : "");
        fflush(stdout);
    }
    return failed;
}

int command_apply(const char *program, Options *options)
{
    Cluster cluster = {0};
    Manifests manifests = VEC_INIT;
    int r;

    (void)program;
    if (!options->files.n) {
        fprintf(stderr, "error: must specify -f: stead apply -f FILE, a folder, or - for standard "
                        "input\n");
        return 1;
    }
    r = cluster_open(options, &cluster);
    if (r == 0)
        r = manifests_read(&cluster, &manifests);
    if (r == 0)
        r = apply_manifests(&cluster, &manifests);
    VEC_DEINIT(&manifests);
    cluster_close(&cluster);
    return r;
}
