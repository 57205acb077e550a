/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API errors. Every one is made here, from one table of reasons, in kube-apiserver's words, since
 * clients match on them.
 */
#ifndef API_STATUS_H
#define API_STATUS_H

#include "api/kind.h"
#include "base/strbuf.h"

typedef enum StatusReason {
    STATUS_OK,                     /* no error */
    STATUS_BAD_REQUEST,            /* 400 BadRequest */
    STATUS_UNAUTHORIZED,           /* 401 Unauthorized */
    STATUS_FORBIDDEN,              /* 403 Forbidden */
    STATUS_NOT_FOUND,              /* 404 NotFound */
    STATUS_METHOD_NOT_ALLOWED,     /* 405 MethodNotAllowed */
    STATUS_NOT_ACCEPTABLE,         /* 406 NotAcceptable */
    STATUS_ALREADY_EXISTS,         /* 409 AlreadyExists */
    STATUS_CONFLICT,               /* 409 Conflict */
    STATUS_GONE,                   /* 410 Gone */
    STATUS_EXPIRED,                /* 410 Expired */
    STATUS_TOO_LARGE,              /* 413 RequestEntityTooLarge */
    STATUS_UNSUPPORTED_MEDIA_TYPE, /* 415 UnsupportedMediaType */
    STATUS_INVALID,                /* 422 Invalid */
    STATUS_TOO_MANY_REQUESTS,      /* 429 TooManyRequests */
    STATUS_INTERNAL_ERROR,         /* 500 InternalError */
    STATUS_UNAVAILABLE,            /* 503 ServiceUnavailable */
    STATUS_TIMEOUT,                /* 504 Timeout */
    STATUS_NO_SPACE,               /* 507 InsufficientStorage (stead's own) */
    STATUS_UNKNOWN, /* 500 without a reason: what kube-apiserver did not expect itself */
    _STATUS_MAX,
} StatusReason;

typedef struct StatusReasonInfo {
    StatusReason reason;
    int code;
    const char *name;
} StatusReasonInfo;

const StatusReasonInfo *status_reason_info(StatusReason reason);

typedef enum CauseType {
    CAUSE_REQUIRED,      /* FieldValueRequired: "Required value" */
    CAUSE_INVALID,       /* FieldValueInvalid: "Invalid value: ...: detail" */
    CAUSE_DUPLICATE,     /* FieldValueDuplicate */
    CAUSE_NOT_SUPPORTED, /* FieldValueNotSupported: ...: supported values: "A", "B" */
    CAUSE_FORBIDDEN,     /* FieldValueForbidden */
    CAUSE_TOO_LONG,      /* FieldValueTooLong */
    CAUSE_TOO_MANY,      /* FieldValueTooMany */
    CAUSE_NOT_FOUND,     /* FieldValueNotFound */
    CAUSE_TYPE_INVALID,  /* FieldValueTypeInvalid */
    CAUSE_INTERNAL,      /* InternalError */
    CAUSE_CONFLICT,      /* FieldManagerConflict */
    CAUSE_RESOURCE_VERSION_TOO_LARGE,
    CAUSE_NAMESPACE_TERMINATING, /* "namespace x is being terminated" */
    CAUSE_DISRUPTION_BUDGET,     /* DisruptionBudget: which one forbids an eviction */
    CAUSE_NODE_CAPACITY,         /* NodeCapacity: the node is too small for the resources */
    CAUSE_UNSUPPORTED_PLATFORM,  /* UnsupportedPlatform: of the node */
    _CAUSE_MAX,
} CauseType;

typedef struct Cause {
    CauseType type;
    const char *field;   /* "spec.containers[0].name" */
    const char *message; /* without the field: "Required value: ..." */
} Cause;

/*
 * A growing list of causes in an arena. The list is bounded, because a body of 3 MB can contain
 * 400,000 mistakes, and the answer that names each of them twice has a hundred times the size of
 * the body. When the list is full, further causes are counted and nothing is made for them:
 * causes_quote and path_text then return an empty text.
 */
enum { CAUSES_MAX = 256, CAUSES_TEXT_MAX = 256 * 1024 };

struct Causes {
    Arena *arena;
    Cause *v;
    size_t n, cap;
    size_t text;     /* bytes of all fields and messages */
    size_t left_out; /* how many came when the list was full */
};

static inline bool causes_full(const Causes *causes)
{
    return causes->n >= CAUSES_MAX || causes->text >= CAUSES_TEXT_MAX;
}

/* A text as Go's %q prints it: quoted, UTF-8 as it is. */
const char *causes_quote(Causes *causes, const char *s);
/* `bad` is the offending value as Go prints it (strings quoted); detail may be NULL. */
void causes_add(Causes *causes, CauseType type, const char *field, const char *bad,
                const char *detail);
void causes_required(Causes *causes, const char *field, const char *detail);
void causes_invalid_string(Causes *causes, const char *field, const char *bad, const char *detail);
void causes_invalid_int(Causes *causes, const char *field, int64_t bad, const char *detail);
void causes_forbidden(Causes *causes, const char *field, const char *detail);
void causes_not_supported(Causes *causes, const char *field, const char *bad,
                          const char *const *supported);

/* An API error under way: strings live in the arena it was made in. */
typedef struct ApiStatus {
    StatusReason reason;
    const char *message;
    const char *name, *group,
        *kind; /* details; kind is the plural resource or the kind, as Kubernetes has it */
    const char *uid;
    const Cause *causes;
    size_t n_causes;
    int32_t retry_after;
    int code; /* of an answer that another server has chosen; 0: that of the reason */
    const char *reason_text; /* the same for the name of the reason; NULL: that of the reason */
    const char *continue_;   /* of a list: with what the client can ask for the rest */
} ApiStatus;

/* All of these return the reason, so that a handler can `return status_not_found(...)`. */
int status_not_found(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name);
int status_already_exists(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name);
/* the object has been modified; please apply your changes to the latest version and try again */
int status_conflict(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name,
                    const char *detail);
int status_invalid(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name,
                   const Causes *causes);
int status_forbidden(ApiStatus *ret, Arena *arena, const Kind *kind, const char *name,
                     const char *detail);
int status_set(ApiStatus *ret, Arena *arena, StatusReason reason, const char *format, ...)
    _printf_(4, 5);

bool status_has_cause(const ApiStatus *status, CauseType type);

int status_code(const ApiStatus *status);
/* {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",...} */
void status_json(const ApiStatus *status, StrBuf *out);
/* The other way: what a remote server answered. */
int status_parse(Arena *arena, Bytes json, ApiStatus *ret);
/* A copy whose strings live in arena. */
void status_copy(ApiStatus *ret, Arena *arena, const ApiStatus *status);

#endif
