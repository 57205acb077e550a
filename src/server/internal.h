/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the server share, and nobody else sees.
 *
 * A request over HTTP becomes a Call: who asks (User), for what (Route), and how the answer should
 * look (Accept). Reads and watches are answered from the Call. Every change, from HTTP or from a
 * Client in the process, becomes a Write, which outlives the request: a client that hangs up does
 * not undo what is queued.
 */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include "api/generated.h"
#include "api/validate/validate.h"
#include "api/version.h"
#include "base/list.h"
#include "base/strmap.h"
#include "base/text_map.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "server/server.h"

typedef struct User User;
typedef struct Call Call;
typedef struct Write Write;
typedef struct Decoded Decoded;
typedef struct Subresource Subresource;
typedef struct Observer Observer;
typedef struct TokenAuth TokenAuth;
typedef struct ServiceAddresses ServiceAddresses;
typedef struct LocalClient LocalClient;

#define TOKEN_ISSUER "https://kubernetes.default.svc"

/* ---- users: authenticate.c, authorize.c ---- */

struct User {
    uint32_t refs;
    Arena arena;
    const char *name, *uid;
    StringArray groups;
    const char *token; /* the bearer token it came from; NULL: a certificate, or in the process */
    const char *sa_ns, *sa_name,
        *sa_uid; /* of a ServiceAccount token, which is good as long as these exist */
    const char *pod_name, *pod_uid;
    int64_t expires;     /* seconds; 0: never */
    ExtraValueMap extra; /* in order of their keys */
    bool masters;        /* in system:masters: may do everything */
    bool anonymous;
};

User *user_new(const char *name, const char *uid);
User *user_ref(User *user);
User *user_unref(User *user);
static inline void user_unrefp(User **user)
{
    *user = user_unref(*user);
}
void user_add_group(User *user, const char *group);
bool user_in_group(const User *user, const char *group);
/* In order of the keys; values of one key one after the other. */
void user_add_extra(User *user, const char *key, const char *value);

TokenAuth *token_auth_new(const char *file, Err *reterr, int *ret);
TokenAuth *token_auth_free(TokenAuth *auth);
/* NULL and a reason why (for TokenReview), or a reference. */
User *authenticate_token(Server *server, const char *token, const char **reterr);
/* The user of the request, kept with the connection; NULL: 401. */
User *authenticate(Server *server, HttpRequest *request);
/* Makes the request somebody else's if it asks for that; false: it may not, and is answered. */
bool impersonate(Call *call);

/* What authorization is asked with. */
typedef struct Attributes {
    const char *verb;
    const char *group, *resource, *subresource, *ns, *name;
    const char *path; /* of a request for no resource; NULL otherwise */
} Attributes;

/* ret_reason (may be NULL): why, or what went wrong while finding out; NULL where there is nothing
 * to say. */
bool authorize(Server *server, const User *user, const Attributes *attributes, Arena *arena,
               const char **ret_reason);
/* Refuses in Kubernetes' words. */
int authorize_forbidden(ApiStatus *ret, Arena *arena, const User *user,
                        const Attributes *attributes, const char *reason);

/* ---- tokens: token.c ---- */

typedef struct TokenClaims {
    const char *ns, *service_account, *service_account_uid;
    const char *pod, *pod_uid, *node, *node_uid;
    const char *audience, *id;
    int64_t issued, expires;
} TokenClaims;

typedef struct TokenKey TokenKey;
int token_key_new(const char *pem, TokenKey **ret, Err *reterr);
TokenKey *token_key_free(TokenKey *key);
char *token_sign(TokenKey *key, Arena *arena, const TokenClaims *claims);
/* 0, or positive: not ours, or not intact. Times are the caller's to check. */
int token_verify(TokenKey *key, Arena *arena, const char *token, TokenClaims *ret);
void base64url_add(StrBuf *out, const uint8_t *p, size_t n);
int base64url_decode(Arena *arena, const char *s, size_t n, Bytes *ret); /* positive: malformed */
/* {"keys":[...]} */
void token_key_jwks(const TokenKey *key, StrBuf *out);

/* ---- requests: routes.c, respond.c ---- */

typedef enum AcceptAs { AS_OBJECT, AS_TABLE, AS_PARTIAL, AS_PARTIAL_LIST, AS_DISCOVERY } AcceptAs;
typedef enum AcceptType { TYPE_JSON, TYPE_YAML, TYPE_PROTOBUF } AcceptType;

/* What an answer can be, besides an object in JSON. */
enum {
    ACCEPT_STREAM = 1 << 0,  /* of objects; YAML and protobuf are not */
    ACCEPT_TABLE = 1 << 1,   /* of rows */
    ACCEPT_PARTIAL = 1 << 2, /* metadata alone */
};

typedef struct Accept {
    AcceptAs as;
    AcceptType type;
    const char *as_version; /* "v1" of meta.k8s.io for Table and PartialObjectMetadata; "v2" for
                               discovery */
} Accept;

typedef struct Route {
    const Kind *kind;
    const char *ns, *name;   /* NULL: none in the path */
    const char *subresource; /* NULL: none */
    const char *rest;        /* what comes behind the subresource; NULL: nothing */
} Route;

/* What a request is about: target.c. */
typedef struct Target {
    Attributes attributes;
    const char *path;    /* decoded */
    const char *version; /* of the group; NULL: a path, no resource */
    const char *rest;    /* what comes behind the subresource; NULL: nothing */
    bool named;          /* the path has a name; attributes may have one of a field selector */
    bool old_form;       /* the verb stands in the path ("/api/v1/watch/pods"): not served */
    bool malformed;      /* ill-encoded, or with an empty segment: leads nowhere */
} Target;

typedef struct Query {
    const char *label_selector, *field_selector, *resource_version, *resource_version_match,
        *continue_, *limit;
    const char *timeout_seconds, *include_object, *field_manager, *field_validation, *grace_period,
        *propagation;
    const char *dry_run, *force, *send_initial, *bookmarks, *watch, *orphan, *pretty;
} Query;

/* When each step of a request was over (monotonic, in nanoseconds); 0: there was none. */
typedef struct CallTimes {
    int64_t began;   /* its head is there */
    int64_t body;    /* its body is there */
    int64_t handled; /* decoded, checked; answered, or queued for the store */
    int64_t committing, committed;
    int64_t stored; /* the loop has heard of the commit */
} CallTimes;

struct Call {
    Server *server;
    HttpRequest *request;
    Arena *arena;
    User *user; /* a reference */
    Target target;
    Route route;
    const Subresource *sub; /* of route.subresource; NULL: the object itself */
    Accept accept;
    Query query;
    Bytes body; /* for the duration of handle */
    void (*handle)(Call *call);
    Write *write;     /* under way for this request */
    Decoded *decoded; /* of a long body, on its way to the Write; NULL: a short one */
    CallTimes times;
    const char *path_label;            /* of a path of ours that is no resource */
    struct MetricSeries *events;       /* of a watch: counts what was sent */
    struct MetricSeries *long_running; /* counts it while it is under way; NULL: it is not meant to
                                          last */
    void *stream;                      /* watch, log */
    void (*stream_close)(void *stream);
};

struct Subresource {
    const char *group, *plural; /* NULL: of every kind that has `flag` */
    unsigned flag;
    const char *name;
    const char *kind_group, *kind_version,
        *kind; /* of what goes in and out; kind NULL: the resource's own */
    const char *const *verbs;
    void (*get)(Call *call);
    void (*create)(Call *call);
    void (*update)(Call *call);
    void (*patch)(Call *call);
    bool rest; /* the path may go on */
};

/* NULL-kind ended. */
extern const Subresource subresources[];
bool subresource_of(const Subresource *sub, const Kind *kind);
const char *const *kind_verbs(const Kind *kind);

void query_parse(Call *call);
void target_read(Call *call, Target *ret);
/* Picks from the Accept header what the answer can be; false: nothing there can be served. */
bool accept_parse(const char *header, Arena *arena, unsigned forms, Accept *ret);
bool query_true(const char *value); /* anything but 0 and false, also "" for a bare name */

void respond_status(Call *call, const ApiStatus *status);
void respond_request_status(HttpRequest *request, const ApiStatus *status);
/* The object in the asked-for form. */
void respond_object(Call *call, int code, Object *object);
/* An answer made as JSON text (owned by the caller), re-encoded as YAML where asked. */
void respond_json(Call *call, int code, Bytes json);
/* JSON for people: indented. */
bool respond_wants_lines(const Call *call);
void respond_json_taken(Call *call, int code, StrBuf *text); /* the same, without a copy */
void respond_text(HttpRequest *request, int code, const char *type, StrBuf *text); /* takes it */
void respond_not_acceptable(Call *call);
void respond_warnings(HttpRequest *request, const StringArray *warnings);
const char *content_type_of(const Call *call);

/* ---- bodies: decode.c ---- */

typedef enum FieldValidation {
    VALIDATION_WARN,
    VALIDATION_STRICT,
    VALIDATION_IGNORE
} FieldValidation;

/* An object of the kind from a body in JSON, YAML or protobuf. 0, or a reason with *reterr filled.
 */
int decode_object(Arena *arena, const Kind *kind, const char *content_type, Bytes body,
                  FieldValidation validation, Object **ret, StringArray *warnings,
                  ApiStatus *reterr);
/* Any other type, such as DeleteOptions: `name` is its kind. */
int decode_value(Arena *arena, const Type *type, const char *name, const char *content_type,
                 Bytes body, void *value, ApiStatus *reterr);
/* JSON or YAML into a document; text errors in Kubernetes' words. */
int decode_document(Arena *arena, bool yaml, Bytes body, yyjson_doc **ret, const char **reterr);
bool decode_validation(const char *value, FieldValidation *ret); /* false: not one of them */

/* ---- verbs ---- */

void read_get(Call *call);
void read_list(Call *call);
void watch_start(Call *call);
void watch_note_write(Server *server);
void watch_forget_line(Server *server);

void http_create(Call *call);
void http_update(Call *call);
void http_patch(Call *call);
void http_delete(Call *call);
void http_delete_collection(Call *call);

/* The selectors of a list or watch. 0 or a reason, *reterr filled. */
int read_selectors(Call *call, Selector **ret_labels, Selector **ret_fields, ApiStatus *reterr);
/* A resourceVersion that is not newer than the newest. 0 or a reason. */
int read_revision(Call *call, const char *text, uint64_t *ret, ApiStatus *reterr);
/* A page of a list: how long (0: no limit), and behind which key it begins (NULL: at the start). 0
 * or a reason. */
int list_read_limit(Call *call, int64_t *ret, ApiStatus *reterr);
int list_read_continue(Call *call, const char **ret, ApiStatus *reterr);
const char *list_key_of(Arena *arena, const Object *object);
const char *list_make_continue(Arena *arena, const char *last, uint64_t revision);
bool read_matches(const Object *object, const char *ns, const Selector *labels,
                  const Selector *fields);

void subresource_scale_get(Call *call);
void subresource_scale_update(Call *call);
void subresource_scale_patch(Call *call);
void subresource_binding(Call *call);
void subresource_eviction(Call *call);
void subresource_token(Call *call);
void subresource_log(Call *call);
void subresource_node_proxy(Call *call);
void subresource_exec(Call *call);
void subresource_portforward(Call *call);
void subresource_attach(Call *call);
/* Creates of kinds that are answered at once and not kept. */
void review_create(Call *call, Object *object);

void discovery_versions(Call *call);
void discovery_groups(Call *call);
void discovery_group(Call *call, const char *group);
void discovery_resources(Call *call, const char *group, const char *version);
bool discovery_has_group(const char *group);
bool discovery_has_version(const char *group, const char *version);

/* ---- writes: write.c, patch.c, delete.c ---- */

typedef enum WriteVerb { WRITE_CREATE, WRITE_UPDATE, WRITE_DELETE } WriteVerb;

struct Write {
    ListNode node;  /* of server->writes */
    Server *server; /* NULL: it has gone first */
    Arena arena;    /* of everything in here */
    User *user;
    const Kind *kind;
    const char *ns, *name;
    const char *subresource;
    const char *manager; /* NULL: record none */
    bool dry_run, force;
    bool deletes; /* a request to delete; an update that takes the last finalizer is none */
    bool upsert;  /* an update or an apply that found nothing, and creates */
    FieldValidation validation;
    const int64_t *grace_seconds;
    const char *propagation, *precondition_uid, *precondition_revision;

    Object *object;     /* in: the new version; out: what is stored */
    Object *before;     /* the version it was based on */
    bool created, gone; /* outcomes: made anew; removed for good */
    bool applied;       /* apply has kept managedFields itself */
    bool claimed;       /* holds addresses or ports until the store has answered */
    ApiStatus status;
    StringArray warnings; /* grows by write_warn */

    void (*done)(Write *write); /* the last call; then the write goes */
    void *data;                 /* of done */
    Call *call;                 /* NULL: in the process, or the peer hung up */
    Decoded *decoded;           /* the body, decoded on the pool; NULL: still to be decoded */
    bool completed;             /* object has its defaults */
    const ApiStatus *foreseen;  /* the refusal that the object will meet; NULL: none is certain */
};

Write *write_new(Server *server, User *user, const Kind *kind, const char *ns, const char *name);
void write_warn(Write *write, const char *text);
/* Fills in the defaults of the table and the kind; touches nothing but the object. */
void write_complete(Object *object);

enum { GENERATED_SUFFIX = 5 }; /* characters behind generateName */

/*
 * What can be said of a complete object that comes in a long body without looking at the state, on a
 * thread of the pool: no state of the cluster makes right what fills a list of causes, or small what
 * is too large. Returns a reason, with *ret filled in the arena, or 0. The object stays as it is.
 */
typedef struct Foresight {
    const Kind *kind;
    const char *ns;
    bool creates;                      /* not an update, which may keep what is wrong already */
    bool stores;                       /* not a dry run */
    char suffix[GENERATED_SUFFIX + 1]; /* of the name, where one is generated */
} Foresight;
int write_foresee(const Foresight *of, Object *object, Arena *arena, ApiStatus *ret);
/* An object has the namespace of the request, which fills it in where there is none; in the cluster
 * it has none. 0 or a reason. */
int object_match_namespace(Object *object, const char *ns, bool namespaced, ApiStatus *reterr,
                           Arena *arena);
void write_finish(Write *write);
void write_on_stored(void *data, int outcome, const char *reason, Object *object); /* a StoreDone */
/* Each ends in write_finish, at once or when the write is durable. */
void write_create(Write *write);
void write_update(Write *write);
void write_patch(Write *write, PatchType type, Bytes body);
void write_delete(Write *write);
/* A patch (not apply) of an object that is not stored as such: *ret is the new version. 0 or a
 * reason. */
int patch_object(Write *write, const char *content_type, const Object *object, Bytes body,
                 Object **ret);
/* The type that a Content-Type names; positive: none. */
int patch_type_of(const char *content_type, PatchType *ret);
/* For subresources that change an object by way of another type. A write that ends in `done`; the body as an object of the
 * kind, which names the one in the path and no other (0 or a reason); and a done that answers with success or refusal. */
Write *subresource_start(Call *call, void (*done)(Write *write));
int subresource_decode(Call *call, const Kind *kind, Object **ret, Write *write);
void subresource_answer(Write *write);
/* Of a Pod: object is a Binding, or an Eviction. */
void write_binding(Write *write, const Object *binding);
void write_eviction(Write *write, const Object *eviction);
/* The second half of update and patch: before and object are set. */
void write_update_from(Write *write);

/* ---- managed fields: server/write/managed_fields.c ---- */

/* Notes in object's metadata who changed what against before (NULL: a create). */
/* Could a client mean this list? */
bool managed_readable(const ManagedFieldsEntryArray *fields);
void managed_update(Server *server, Object *object, const Object *before, const char *manager,
                    const char *subresource);
/* Server-side apply: makes the new version from live (NULL: there is none) and the applied
 * document. 0 or a reason. */
int managed_apply(Write *write, const Object *live, yyjson_val *applied, Object **ret);
/* Of `kubectl apply`: fields of the live object that its annotation shows to be the caller's. */
FieldSet *last_applied_owns(Write *write, const Object *live);
void last_applied_refresh(Write *write, Object *object, yyjson_val *applied);
bool managed_same(const Object *a, const Object *b); /* equal but for times in managedFields */

/* ---- admission: admission.c, server/admission/service_account.c, service_ip.c, priority.c ---- */

/* Completes and checks what only the server can, before validation. 0 or a reason. */
int admission_create(Write *write);
int admission_update(Write *write);
/* The same, for what needs the object's final name: after prepare. */
void admission_named(Write *write);
int admission_delete(Write *write);
void admission_add_finalizer(Object *object, const char *name);
int serviceaccount_admit(Write *write);

void priority_ensure_classes(Server *server, Client *client);
int priority_admit(Write *write); /* of a new pod */
void priority_keep(Write *write); /* of a pod that there is */
int priority_class_admit(Write *write);
int priority_class_admit_delete(Write *write);

int service_addresses_new(const char *cidr, ServiceAddresses **ret, Err *reterr);
ServiceAddresses *service_addresses_free(ServiceAddresses *addresses);
const char *service_first_address(const ServiceAddresses *addresses, Arena *arena);
/* Gives the Service in write its addresses and ports; on update with regard to before. 0 or a
 * reason. */
int service_allocate(Write *write);
/* Takes note of what a stored Service holds; lets go of what only `before` held. Either may be
 * NULL. */
void service_settle(ServiceAddresses *addresses, const Object *now, const Object *before);

/* ---- what an operator sees: observe.c, health.c ---- */

Observer *observer_new(Server *server);
Observer *observer_free(Observer *observer);
void observe_begin(Call *call);
void observe_body(Call *call);
void observe_handled(Call *call);
void observe_stored(Call *call);       /* in a StoreDone */
void observe_long_running(Call *call); /* it is meant to last, from here on */
void observe_end(Call *call);          /* its last moment: counts and logs it */
void observe_watch_event(Call *call);
/* A status of 500 on its way to the client: logged once, with the trace of the error. */
void observe_fatal(const HttpRequest *request, const ApiStatus *status);
void observe_bad_request(const HttpPeer *peer, int code, const char *text);
void answer_metrics(Call *call);

/* "/livez", "/readyz/store" and the like; false: there is no such path. */
bool health_answer(Call *call, const char *path);
void health_paths(const Server *server, StrBuf *out); /* JSON strings, with commas between */
void health_start(Server *server);

/* ---- tables: table.c ---- */

void table_begin(StrBuf *out, const Kind *kind, const char *version, const char *metadata,
                 bool columns);
void table_row(StrBuf *out, Object *object, const char *include, const char *version,
               int64_t now_ns);
void table_end(StrBuf *out);
void partial_object(StrBuf *out, Object *object, const char *version, bool with_kind);

/* ---- the server itself ---- */

struct Server {
    struct uv_loop_s *loop;
    Store *store;
    Clock *clock;
    Random *random;
    PodStreams *streams;
    TokenKey *token_key;
    TokenAuth *token_auth;
    ServiceAddresses *addresses;
    StoreWatch *service_watch;
    char *external_address, *node_name;
    bool anonymous, ready;
    ListNode health; /* of HealthPart */
    HealthPart own_health[3];
    Observer *observer;
    User *anonymous_user;
    StrMap resources; /* "apps/v1/statefulsets" -> Kind */
    ListNode local_clients, watches, writes;
    ListNode bodies_waiting, bodies_decoding; /* of Decoded */
    size_t decoding;                          /* on the pool now */
    uint64_t decoded_on_pool;                 /* since the start */
    Timer bookmark_timer;
    size_t watch_bytes;            /* in the queues of all watches */
    struct WatchLine *newest_line; /* of the newest watch event, shared by its watchers */
};

static inline int64_t server_now(const Server *server)
{
    return clock_wall_ns(server->clock) / NS_PER_SEC;
}
Time server_time(const Server *server);
void local_clients_free(Server *server);

#endif
