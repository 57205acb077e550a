/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server. Authentication, authorization, admission, the verbs, discovery, Tables, watch and
 * exec streams; over a Store, behind the Client interface and an HttpHandler. One path serves both:
 * a controller's client_create and a POST run the same code from `write_*` on.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "api/client.h"
#include "api/streams.h"
#include "api/usage.h"
#include "base/error.h"
#include "base/list.h"
#include "base/strbuf.h"
#include "base/time/clock.h"
#include "http/http.h"
#include "store/store.h"

typedef struct CertificateSigningRequestSpec CertificateSigningRequestSpec;
typedef struct Server Server;

/* Certificates and keys (ECDSA P-256) below DATA/pki, created at the first start with mode 0600. */
typedef struct Pki {
    char *ca_pem, *ca_key_pem; /* signs everything below */
    char *server_pem,
        *server_key_pem; /* names: kubernetes, kubernetes.default(.svc(.cluster.local)), localhost,
                            addresses */
    char *admin_pem, *admin_key_pem; /* CN kubernetes-admin, O system:masters */
    char *front_proxy_ca_pem; /* an authority of its own: whoever it signs may name any user */
    char *front_proxy_pem, *front_proxy_key_pem; /* CN front-proxy-client, for extension servers */
    char *token_key_pem;                         /* ES256: ServiceAccount tokens */
    int64_t server_lifetime; /* the seconds for which a new server certificate is valid */
} Pki;

/* Reads the folder, or creates it at the first start. addresses is a NULL-terminated list of the
 * IP addresses and names that the server's certificate has to contain; a certificate that lacks
 * one, or that expires soon, is replaced. server_lifetime is in seconds; 0 means a year. */
int pki_open(const char *dir, const char *const *addresses, int64_t server_lifetime, Clock *clock,
             Pki **ret, Err *reterr);
/* Wall time, in seconds, from which pki_renew has something to do: a quarter of the server
 * certificate's life is left. */
int64_t pki_renew_at(const Pki *pki);
/* Renews the server certificate if it is time. Returns 1 if there is a new one, in the folder and
 * in server_pem. */
int pki_renew(Pki *pki, const char *dir, const char *const *addresses, Clock *clock, Err *reterr);
/* Makes a key and a client certificate for a user in these groups (ends with NULL), good for one
 * year. The caller frees both. */
int pki_issue_client(const Pki *pki, const char *name, const char *const *groups, Clock *clock,
                     char **ret_pem, char **ret_key_pem, Err *reterr);
/* Whether a client certificate is of this authority, for exactly this user and these groups, belongs
 * to the key, and has more than a quarter of its life left at the time `now` in seconds. */
bool pki_client_is_good(const char *pem, const char *key_pem, const char *ca_pem, const char *name,
                        const char *const *groups, int64_t now);
Pki *pki_free(Pki *pki);

/* A webhook that is asked whose a token is. */
typedef struct WebhookOptions {
    const char *url;
    const char *server_name; /* NULL: the host of the URL */
    const char *ca_pem;      /* NULL: the authorities of the system */
    const char *certificate_pem, *key_pem, *token;
    bool insecure;
    bool is_beta;     /* v1beta1 instead of v1 */
    int64_t cache_ns; /* how long an answer is kept */
} WebhookOptions;

/* The audit log; see server/audit/audit.h. */
typedef struct ServerAudit {
    const char *policy_file;
    const char *log_path;  /* "-": standard output */
    int64_t max_megabytes; /* of the file before it is rotated; 0: no limit */
    int64_t max_backups;   /* rotated files that are kept; 0: all */
    int64_t max_age_days;  /* how long rotated files are kept; 0: for ever */
} ServerAudit;

/* Keys and names of ServiceAccounts' tokens. Everything is optional. */
typedef struct TokenKeyFile {
    const char *name, *pem;
} TokenKeyFile;
typedef struct TokenKeyOptions {
    const char *signing_pem;   /* NULL: that of the Pki */
    const TokenKeyFile *files; /* of keys that verify as well */
    size_t n_files;
    StringArray issuers;   /* the first one is that of new tokens */
    StringArray audiences; /* of this server; none: the issuers */
    const char *jwks_uri;  /* NULL: below the issuer or the address */
} TokenKeyOptions;

typedef struct ServerOptions {
    struct uv_loop_s *loop;
    Store *store;
    Clock *clock;
    Random *random;
    const Pki *pki; /* NULL in tests without TLS */
    const char
        *token_file; /* "token,user,uid,\"group,group\"" lines, as kube-apiserver's; NULL: none */
    const WebhookOptions *webhook; /* NULL: none */
    TokenKeyOptions token_keys;
    const char *service_cidr; /* cluster IPs are taken from here */
    const char *node_name;
    const char *external_address; /* "127.0.0.1:6443": serverAddressByClientCIDRs */
    bool anonymous; /* let unauthenticated requests in as system:anonymous (only health, version) */
    PodStreams *streams;      /* NULL: 503 for logs and exec; may be set later */
    const ServerAudit *audit; /* NULL: nothing is recorded */
} ServerOptions;

/* Whether the creator of a CertificateSigningRequest may create this subresource of one. `server` is a
 * Server. */
bool server_may_request(void *server, const CertificateSigningRequestSpec *requester,
                        const char *subresource);

int server_new(const ServerOptions *options, Server **ret, Err *reterr);
Server *server_free(Server *server);
HttpHandler server_http_handler(Server *server);
void server_set_streams(Server *server, PodStreams *streams);
void server_set_usage(Server *server, UsageSource *usage);
/* Takes other keys for the tokens of ServiceAccounts; pem is that of the Pki. The issuers must not change. On
 * an error the old keys stay. */
int server_use_token_keys(Server *server, const TokenKeyOptions *options, const char *pem,
                          Err *reterr);
/* The in-process client, acting as this user ("system:kube-controller-manager"); lives as long as
 * the server. */
Client *server_client(Server *server, const char *user);
/* From this call on, /readyz answers ok if all of its parts are healthy. */
void server_set_ready(Server *server, bool ready);
/* For tests: how many long bodies the pool decodes now, and how many it has started to decode in
 * all. */
size_t server_decoding(const Server *server);
/* The same: whether all events of the audit log have been written. */
bool server_audit_is_idle(const Server *server);
uint64_t server_decoded_on_pool(const Server *server);

/* A part of /readyz, and with `live` also of /livez (and /healthz): what a supervisor should end
 * the server for. Embedded in its owner. */
typedef struct HealthPart {
    const char *name;
    bool live;
    /* Returns NULL if the part is healthy, otherwise a sentence for the log. */
    const char *(*check)(void *data);
    void *data;
    ListNode node;
} HealthPart;
void server_add_health(Server *server, HealthPart *part);
void server_remove_health(HealthPart *part); /* one that was never added is fine */

/* A page of plain text about this server, outside of the Kubernetes API. Who may GET it is a matter of
 * RBAC: a rule with its path in nonResourceURLs. */
typedef struct ServerPage {
    const char *path; /* "/stead/status" */
    void (*print)(void *data, Arena *arena, StrBuf *out);
} ServerPage;
/* The array has to stay valid; `data` is passed to each. */
void server_set_pages(Server *server, const ServerPage *pages, size_t n, void *data);

/* A bound ServiceAccount token (JWT, ES256), as TokenRequest makes it. pod may be NULL. */
char *server_make_token(Server *server, Arena *arena, const char *ns, const char *service_account,
                        const Object *pod, const char *audience, int64_t lifetime_seconds);

#endif
