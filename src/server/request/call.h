/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request over HTTP as a Call: who asks (User), for what (Route), and how the answer should
 * look (Accept). target.c reads most of it off the head of the request.
 */
#ifndef SERVER_REQUEST_CALL_H
#define SERVER_REQUEST_CALL_H

#include "server/auth/user.h"
#include "server/state.h"

typedef struct Call Call;
typedef struct Write Write;
typedef struct Decoded Decoded;
typedef struct Subresource Subresource;
typedef struct AuditEntry AuditEntry;

typedef enum AcceptAs { AS_OBJECT, AS_TABLE, AS_PARTIAL, AS_PARTIAL_LIST, AS_DISCOVERY } AcceptAs;
typedef enum AcceptType { TYPE_JSON, TYPE_YAML, TYPE_PROTOBUF } AcceptType;

/* The forms that a response can have besides an object in JSON. */
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

/* The target of a request; see target.c. */
typedef struct Target {
    Attributes attributes;
    const char *path;    /* decoded */
    const char *version; /* of the group; NULL: a path, no resource */
    const char *rest;    /* what comes behind the subresource; NULL: nothing */
    bool named;          /* the path has a name; attributes may have one of a field selector */
    bool old_form;       /* the verb is in the path ("/api/v1/watch/pods"), which is not served */
    bool malformed;      /* the path is badly encoded or has an empty segment: 404 */
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
    int64_t began;   /* its head has arrived */
    int64_t body;    /* its body has arrived */
    int64_t handled; /* decoded, checked; answered, or queued for the store */
    int64_t committing, committed;
    int64_t stored; /* the loop has received the result of the commit */
} CallTimes;

/* What authentication says about a request. */
typedef enum AuthOutcome {
    AUTH_DENIED, /* 401 */
    AUTH_GRANTED,
    AUTH_LATER, /* another server has to be asked */
    AUTH_BUSY,  /* too many requests wait for other servers: 429 */
} AuthOutcome;

struct Call {
    Server *server;
    HttpRequest *request;
    Arena *arena;
    User *user; /* a reference */
    /* Of a request that waits for an answer about a token; NULL: it does not. */
    struct AuthWait *waiter;
    void (*authenticated)(Call *call, AuthOutcome outcome);
    Target target;
    Route route;
    const Subresource *sub; /* of route.subresource; NULL: the object itself */
    Accept accept;
    Query query;
    struct CallTicket *ticket; /* of priority and fairness; NULL: it runs at once */
    Bytes body;                /* for the duration of handle */
    void (*handle)(Call *call);
    Write *write;     /* under way for this request */
    Decoded *decoded; /* the decoded long body, until the Write takes it; NULL for a short one */
    CallTimes times;
    const char *path_label;      /* a label for metrics, if the path is not one of a resource */
    struct MetricSeries *events; /* of a watch: counts the events that were sent */
    /* Counts the request while it is in progress; NULL if it is not long-running. */
    struct MetricSeries *long_running;
    void *stream; /* watch, log */
    void (*stream_close)(void *stream);
    const char *audit_id;        /* NULL: there is no audit log */
    AuditEntry *audit;           /* NULL: the audit log does not record this request */
    StringMap audit_annotations; /* what the audit log adds to the request, sorted by key */
};

/* What a subresource does. The schema of a kind says which subresources it has. */
struct Subresource {
    const char *name;
    /* The kind of the request and response objects; kind NULL: that of the resource itself. */
    const char *kind_group, *kind_version, *kind;
    const char *const *verbs;    /* NULL-terminated */
    const char *owner;           /* only of this kind; NULL: of all that name it */
    void (*connect)(Call *call); /* whatever the method is, without a body of ours */
    void (*get)(Call *call);
    void (*create)(Call *call);
    void (*update)(Call *call);
    void (*patch)(Call *call);
    bool is_stream;  /* the response is not an object, so the Accept header does not apply */
    bool is_table;   /* the response can be a Table */
    bool takes_rest; /* the path may continue after the name of the subresource */
};

/* Adds something to what the audit log says about the request. The texts are copied; a value replaces an
 * older one of the same key. NULL is accepted: clients in this process are not audited. Requests that are
 * not recorded have none. */
void request_audit_annotation(Call *call, const char *key, const char *value);

/* The row of the subresource; NULL if the kind does not have it. */
const Subresource *subresource_find(const Kind *kind, const char *name);
const char *const *kind_verbs(const Kind *kind);
void query_parse(Call *call);
void target_read(Call *call, Target *ret);

/* Selects from the Accept header a form that the response can have. Returns false if none of them
 * can be served. */
bool accept_parse(const char *header, Arena *arena, unsigned forms, Accept *ret);

bool query_true(const char *value); /* anything but 0 and false, also "" for a bare name */

#endif
