/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of kube-apiserver for authentication say, with the files that they name. */
#include "base/files/file.h"
#include "base/files/watch.h"
#include "base/log.h"
#include "cli/cluster.h"
#include "cli/kubeconfig.h"
#include "daemon/daemon.h"

#define FILE_LIMIT ((size_t)1024 * 1024)
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

/* "a,b" */
static StringArray split(Arena *arena, const char *text)
{
    char *at = arena_strdup(arena, text), *part;
    StringArray list = {0};

    while ((part = strsep(&at, ",")))
        if (*part)
            ARENA_APPEND(arena, &list, part);
    return list;
}

static int read_text(Arena *arena, const char *option, const char *path, const char **ret,
                     Err *reterr)
{
    _free_ char *text = NULL;
    size_t n;
    int r = file_read(path, FILE_LIMIT, &text, &n);

    if (r < 0)
        return err_set(reterr, -r, "%s: cannot read %s", option, path);
    *ret = arena_strdup(arena, text);
    return 0;
}

static int read_token_keys(const Options *o, Arena *arena, TokenKeyOptions *ret, Err *reterr)
{
    const StringArray files = split(arena, o->account_keys);
    TokenKeyFile *keys = arena_new_n(arena, TokenKeyFile, files.n + 1);
    int r = 0;

    *ret = (TokenKeyOptions){.files = keys,
                             .n_files = files.n,
                             .issuers = split(arena, o->account_issuers),
                             .audiences = split(arena, o->api_audiences),
                             .jwks_uri = o->account_jwks_uri};
    if (o->account_signing_key)
        r = read_text(arena, "--service-account-signing-key-file", o->account_signing_key,
                      &ret->signing_pem, reterr);
    for (size_t i = 0; r == 0 && i < files.n; i++) {
        keys[i].name = files.v[i];
        r = read_text(arena, "--service-account-key-file", files.v[i], &keys[i].pem, reterr);
    }
    return r;
}

/* ---- what is replaced while the server runs ---- */

static void reload_token_keys(App *app)
{
    _arena_ Arena arena = ARENA_INIT;
    TokenKeyOptions options;
    Err err = ERR_INIT;
    int r = read_token_keys(app->options, &arena, &options, &err);

    if (r == 0)
        r = server_use_token_keys(app->server, &options, app->pki->token_key_pem, &err);
    if (r < 0)
        log_warn("auth", "the keys of ServiceAccounts' tokens stay as they were: %s", err.message);
}

static void on_keys(void *data)
{
    App *app = data;

    reload_token_keys(app);
    log_info("auth", "the keys of ServiceAccounts' tokens were read again");
}

int app_watch_authentication(App *app, Err *reterr)
{
    Options *o = app->options;
    StringArray paths = split(&o->arena, o->account_keys);

    if (o->account_signing_key)
        ARENA_APPEND(&o->arena, &paths, o->account_signing_key);
    return paths.n
               ? file_watch_new(&app->loop, paths.v, paths.n, on_keys, app, &app->key_watch, reterr)
               : 0;
}

int app_authentication(App *app, ServerOptions *ret, Err *reterr)
{
    Options *o = app->options;
    WebhookOptions *webhook;
    int r = read_token_keys(o, &o->arena, &ret->token_keys, reterr);

    if (r < 0 || !o->webhook_config)
        return r;
    webhook = arena_new(&o->arena, WebhookOptions);
    r = read_webhook(o, &o->arena, webhook, reterr);
    ret->webhook = webhook;
    return r;
}
