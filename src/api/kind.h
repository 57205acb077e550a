/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kind: its names, its scope, its type, how it is printed, and the few rules that a table cannot
 * express. All kinds are rows of one registry. The built-in ones are generated from the schema and are
 * there from the start; others are added, replaced and removed at run time (KindFamily). Code that
 * handles resources in general (routes, discovery, store keys, watches) uses this registry and does
 * not mention kinds by name.
 */
#ifndef API_KIND_H
#define API_KIND_H

#include "base/list.h"
#include "codec/type.h"

typedef struct Kind Kind;
typedef struct KindFamily KindFamily;
typedef struct CustomVersion CustomVersion;
typedef struct Object Object;
typedef struct Causes Causes;
typedef struct RulesContext RulesContext;

typedef enum KindFlag {
    KIND_NAMESPACED = 1 << 0,
    KIND_HAS_STATUS = 1 << 1, /* status subresource: writes of the main resource keep status, and
                                 the other way round */
    KIND_HAS_GENERATION = 1 << 2,   /* metadata.generation counts spec changes */
    KIND_CREATE_ON_UPDATE = 1 << 3, /* PUT of a missing object creates it */
    KIND_GRACEFUL_DELETE = 1 << 4,  /* Pod: deletion takes the grace period */
    KIND_NOT_STORED = 1 << 5,       /* reviews and the like: create only, answered at once */
    KIND_ORPHANS = 1 << 6, /* a deletion that does not say what becomes of the dependents leaves
                              them behind */
    KIND_VERSIONED_UPDATE = 1 << 7, /* an update has to name the version that it replaces */
    KIND_SECOND_FORM = 1 << 8,      /* its objects are stored as those of another kind: KindForm */
    KIND_COMPUTED = 1 << 9, /* not stored; get and list make its objects when they are asked for */
    KIND_NOT_SERVED = 1 << 10, /* a version of a run-time kind that no request can be for */
} KindFlag;

/*
 * A kind that is a second form of another one, as events.k8s.io/v1 Event is of the core group's. The
 * store keeps one object, in the other kind, and converts it at its border, so everything else
 * handles the second form like any kind. A conversion loses nothing. It fills in a zeroed value,
 * which may refer to parts of the other one.
 */
typedef struct KindForm {
    const Kind *stored;
    void (*to_stored)(Arena *arena, const void *value, void *ret);
    void (*from_stored)(Arena *arena, const void *stored, void *ret);
} KindForm;

/* One column of kubectl's tables. `value` is the name of a printer function or a JSON path
 * (".spec.type"). */
typedef struct Column {
    const char *name;
    const char *type;   /* string, integer, date */
    const char *format; /* "name" for the first column, else "" */
    const char *path;   /* JSON path into the object, or NULL where print is set */
    int priority;       /* 0 always, 1 only in -o wide */
    const char *doc;
} Column;

struct StrBuf;
/* Appends the cells of one row as JSON values, comma-separated, in the order of the kind's columns.
 * now_ns is wall time. */
typedef void (*PrintRow)(const void *value, int64_t now_ns, struct StrBuf *out);

/* What tables cannot say about a kind. Any member may be NULL. `before` is NULL on create. */
/* The texts of an answer's Warning headers. */
typedef struct Warnings {
    const char **v;
    size_t n, cap;
} Warnings;

/*
 * What a subresource of a kind may change, where this is neither the status nor all but the status. The
 * other fields of the object are those of the version before when `prepare` is called.
 */
typedef struct SubresourceRules {
    const char *name; /* "": the object itself */
    const char *const
        *reset;      /* paths that no manager owns through it, NULL-ended; NULL: the usual */
    bool keeps_meta; /* labels, annotations, owners and finalizers do not change */
    /* Both may be NULL. */
    void (*prepare)(Arena *arena, void *value, const void *before, int64_t now_ns);
    void (*validate)(const void *value, const void *before, Causes *causes);
} SubresourceRules;

/* What kinds have whose objects define other kinds, at run time. The name of such an object is "plural.group". */
typedef struct KindDefiner {
    void (*names)(const void *value, const char **ret_group, const char **ret_plural);
    /* A new family, with a reference for the caller. Returns NULL if the object defines none yet, or if the one that
     * is registered need not change. closed: the resource is gone, but objects of it are left. The family is only for
     * these, and no request can be for it. */
    KindFamily *(*family)(const void *value, bool closed);
} KindDefiner;

typedef struct KindRules {
    /* Defaults that depend on other fields; run after type_default. */
    void (*complete)(Arena *arena, void *value);
    /* Resets what a client may not set: status on create, system fields on update. */
    void (*prepare)(Arena *arena, void *value, const void *before);
    /* Adds a cause for each mistake. The checks of the table have run before. */
    void (*validate)(const void *value, const void *before, Causes *causes);
    void (*validate_status)(const void *value, const void *before, Causes *causes);
    /* Adds warnings about what is accepted but probably a mistake. */
    void (*warn)(Arena *arena, const void *value, Warnings *warnings);
    PrintRow print;
    const KindDefiner *definer;
    /* Called when the object is deleted for the first time; it may add finalizers. */
    void (*begin_delete)(Arena *arena, void *value, int64_t now_ns);
    const SubresourceRules *subresources; /* ended by one without a name */
} KindRules;

struct Kind {
    const char *group; /* "" for core */
    const char *version;
    const char *kind;
    const char *list_kind; /* "PodList" */
    const char *plural; /* "" where only a subresource has the kind (Scale, Eviction): no routes of
                           its own */
    const char *singular;
    const char *api_version;        /* "apps/v1", "v1" */
    const char *json_prefix;        /* "\"kind\":\"Pod\",\"apiVersion\":\"v1\"" */
    const char *store_prefix;       /* "/registry/pods/": Kubernetes' own keys */
    const char *const *short_names; /* NULL-ended, never NULL itself */
    const char *const *categories;
    const char *const *subresources; /* sorted by name; what each does is in server/routes.c */
    unsigned flags;
    uint32_t
        mark; /* of a run-time kind: changes with its schema, as schema_mark does for built-in ones */
    uint16_t
        id; /* dense, from 0: index for per-kind arrays; kept when a run-time kind is replaced */
    KindFamily *family; /* NULL: a built-in kind, which always exists */
    const Type *type;   /* its first field is metadata (ObjectMeta), at offset 0 */
    const Column *columns;
    size_t n_columns;
    const Field *spec, *status;  /* NULL where the kind has none */
    const KindRules *rules;      /* may be NULL */
    const KindForm *form;        /* NULL: its objects are stored as they are */
    const CustomVersion *custom; /* NULL: a built-in kind */
};

/* Those of a kind through whose status the metadata does not change. */
extern const char *const status_without_meta_paths[];
extern const SubresourceRules status_without_meta[];
/* The rules of a subresource, "" for those of the object itself; NULL: the usual ones apply. */
const SubresourceRules *kind_subresource_rules(const Kind *kind, const char *name);

/* An answer has room for 4 KiB of warnings, so those past a number that could never fit are left
 * out. The text has to live as long as the list. */
void warnings_add(Arena *arena, Warnings *warnings, const char *text);

/* ---- the registry ----
 *
 * The loop alone changes it. Other threads may look kinds up, but use what they find only while they
 * hold a reference to it. */

/* Ids are less than this number. Some of them have no kind. */
size_t kind_count(void);
const Kind *kind_at(size_t id); /* NULL: none has this id now */
/* The kind with the next id after that of `kind`, or the first one for NULL. Returns NULL at the end. */
const Kind *kind_next(const Kind *kind);
#define KIND_EACH(kind) for (const Kind *kind = kind_next(NULL); kind; kind = kind_next(kind))
const Kind *kind_find(const char *group, const char *version, const char *kind);
const Kind *kind_find_resource(const char *group, const char *version, const char *plural);
/* By apiVersion ("apps/v1") and kind, as objects carry them. */
const Kind *kind_find_api_version(const char *api_version, const char *kind);

/*
 * The kinds of one resource that is defined at run time: one for each version. They are
 * replaced together, by a family for the same group and plural, and the store keeps the objects of all of
 * them in one place. A family never changes while it is registered. It is freed with its last reference,
 * so a kind stays valid for everyone who holds one: each object holds one, and so has each request, watch
 * and write.
 */
struct KindFamily {
    uint32_t refs;      /* atomic */
    uint16_t store_id;  /* index for arrays of what is stored; set by the registry */
    const Kind *stored; /* the one of `kinds` in which the store keeps the objects */
    uint64_t source;    /* changes with what the family was made of; for whoever makes it */
    Kind **kinds;       /* a kind for each version */
    size_t n_kinds;
    Arena
        arena; /* holds the kinds with all that they refer to, and the family itself is not in it */
};

/* A new family without kinds, with one reference. */
KindFamily *kind_family_new(void);
/* Whether the registry has room for a family of so many kinds. Ids have 16 bits, and whoever may define resources must not
 * be able to use them all up. */
bool kind_family_fits(size_t n_kinds);
/* Adds the family, or replaces the one of its group and plural. The registry takes a reference of its own. */
void kind_family_put(KindFamily *family);
void kind_family_remove(const char *group, const char *plural);
KindFamily *kind_family_find(const char *group, const char *plural); /* borrowed; NULL: none */
KindFamily *kind_family_unref(KindFamily *family);

/* References to kinds. Both do nothing for built-in kinds. Any thread may call them. */
const Kind *kind_ref(const Kind *kind);
void kind_unref(const Kind *kind);

/* What is called after a change of the registry: `before` is NULL for a new family, `after` for one that
 * was removed. */
typedef struct KindListener KindListener;
struct KindListener {
    ListNode node;
    void (*on_change)(KindListener *listener, const KindFamily *before, const KindFamily *after);
};
void kind_listen(KindListener *listener);
void kind_unlisten(KindListener *listener);
/* Changes with every change of the registry, for those who keep what they have made of it. */
uint64_t kind_generation(void);

/* Whether the store keeps objects of exactly this kind. */
static inline bool kind_is_stored(const Kind *kind)
{
    return !(kind->flags & (KIND_NOT_STORED | KIND_SECOND_FORM)) &&
           (!kind->family || kind->family->stored == kind);
}
/* Whether clients can use it as a resource. */
static inline bool kind_is_served(const Kind *kind)
{
    return *kind->plural && !(kind->flags & KIND_NOT_SERVED);
}
/* Whether the kind is the one that the registry has, and not an earlier one of the same resource and version. */
static inline bool kind_is_current(const Kind *kind)
{
    return !kind->family || kind_at(kind->id) == kind;
}

/* Where the store keeps objects of the kind: the index of its array of stored kinds. */
static inline uint16_t kind_store_id(const Kind *kind)
{
    return _unlikely_(kind->family) ? kind->family->store_id
           : kind->form             ? kind->form->stored->id
                                    : kind->id;
}

/* The priorities of a group version, as its APIService has them; higher ones come first. A group that Kubernetes does
 * not have gets those of a CustomResourceDefinition. */
void group_priority(const char *group, const char *version, int32_t *ret_group,
                    int32_t *ret_version);
/* Orders the names of versions as clients prefer them: v2, v1, v1beta2, v1alpha1, and then all other names
 * by the alphabet. */
int version_compare(const char *a, const char *b);

#endif
