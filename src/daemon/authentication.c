/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of kube-apiserver for authentication say, with the files that they name. */
#include "base/files/file.h"
#include "cli/cluster.h"
#include "cli/kubeconfig.h"
#include "daemon/daemon.h"

#define WEBHOOK_CACHE (INT64_C(120) * NS_PER_SEC)

static int read_webhook(const Options *o, Arena *arena, WebhookOptions *ret, Err *reterr)
{
    const char *version = str_or(o->webhook_version, "v1beta1");
    Kubeconfig config;
    int r = kubeconfig_read(o->webhook_config, NULL, arena, &config, reterr);

    if (r)
        return err_set(reterr, 0, "--authentication-token-webhook-config-file: %s",
                       file_exists(o->webhook_config) ? reterr->message : "there is no such file");
    *ret = (WebhookOptions){.url = config.server,
                            .server_name = config.tls_server_name,
                            .ca_pem = config.ca_pem,
                            .certificate_pem = config.certificate_pem,
                            .key_pem = config.key_pem,
                            .token = config.token,
                            .insecure = config.insecure,
                            .is_beta = str_equal(version, "v1beta1"),
                            .cache_ns = WEBHOOK_CACHE};
    if (!ret->is_beta && !str_equal(version, "v1"))
        return err_set(reterr, 0, "--authentication-token-webhook-version %s: give v1 or v1beta1",
                       version);
    if (o->webhook_cache && duration_parse(o->webhook_cache, &ret->cache_ns) != 0)
        return err_set(reterr, 0,
                       "--authentication-token-webhook-cache-ttl %s: give a duration such as 2m",
                       o->webhook_cache);
    return 0;
}

int app_authentication(App *app, ServerOptions *ret, Err *reterr)
{
    Options *o = app->options;
    WebhookOptions *webhook;
    int r;

    if (!o->webhook_config)
        return 0;
    webhook = arena_new(&o->arena, WebhookOptions);
    r = read_webhook(o, &o->arena, webhook, reterr);
    ret->webhook = webhook;
    return r;
}
