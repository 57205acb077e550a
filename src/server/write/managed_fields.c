/* SPDX-License-Identifier: Apache-2.0 */
/*
 * managedFields: who set which field. Server-side apply is decided by them, and all other writes
 * keep them up to date.
 *
 * An entry belongs to a manager, an operation (Apply, or Update for all else), a version and a
 * subresource. A change transfers the changed fields to the manager that made it and removes them
 * from all others; fields that were removed are removed from every entry. An apply owns exactly the
 * fields that it applied: a field that it owned before and does not apply any more is removed from
 * the object, unless another manager owns it, too.
 */
#include "api/object.h"
#include "base/vec.h"
#include "codec/fieldset/fieldset.h"
#include "codec/json/json.h"
#include "server/write/managed_fields.h"

#define MANAGER_MAX 128

/* Fields that no manager owns. */
static const char *const system_fields[] = {
    "apiVersion",
    "kind",
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.selfLink",
    "metadata.uid",
    "metadata.generation",
    "metadata.resourceVersion",
    "metadata.managedFields",
    "metadata.deletionTimestamp",
    "metadata.deletionGracePeriodSeconds",
    NULL,
};
static const char *const status_fields[] = {"status", NULL};
static const char *const spec_fields[] = {"spec", NULL};

/* An entry with its set decoded. */
typedef struct Manager {
    ManagedFieldsEntry entry;
    FieldSet *set;
    bool changed; /* the set differs from the one that is encoded in the entry */
    bool acted;   /* its time has to be set to the present */
} Manager;

typedef VEC(Manager) Managers;

static void managers_read(Arena *arena, const ObjectMeta *meta, Managers *ret)
{
    for (size_t i = 0; i < meta->managed_fields.n; i++) {
        Manager manager = {.entry = meta->managed_fields.v[i]};

        if (fieldset_parse(arena, manager.entry.fields_v1, &manager.set) == 0)
            VEC_PUSH(ret, manager);
    }
}

static Manager *managers_find(Managers *managers, const char *name, const char *operation,
                              const char *api_version, const char *subresource)
{
    Manager manager = {.entry = {.manager = name,
                                 .operation = operation,
                                 .api_version = api_version,
                                 .fields_type = "FieldsV1",
                                 .subresource = subresource}};

    for (size_t i = 0; i < managers->n; i++) {
        const ManagedFieldsEntry *entry = &managers->v[i].entry;

        if (str_equal(entry->manager, name) && str_equal(entry->operation, operation) &&
            str_equal(entry->api_version, api_version) &&
            str_equal(entry->subresource, subresource))
            return &managers->v[i];
    }
    VEC_PUSH(managers, manager);
    return &managers->v[managers->n - 1];
}

/* Apply before Update, then by time, name, version and subresource, as kube-apiserver sorts. */
static int compare_managers(const void *pa, const void *pb)
{
    const ManagedFieldsEntry *a = &((const Manager *)pa)->entry, *b = &((const Manager *)pb)->entry;
    int order = strcmp(a->operation, b->operation);

    if (order == 0 && a->time.set != b->time.set)
        order = a->time.set ? 1 : -1;
    if (order == 0 && a->time.seconds != b->time.seconds)
        order = a->time.seconds < b->time.seconds ? -1 : 1;
    if (order == 0)
        order = strcmp(str_or(a->manager, ""), str_or(b->manager, ""));
    if (order == 0)
        order = strcmp(str_or(a->api_version, ""), str_or(b->api_version, ""));
    return order ? order : strcmp(str_or(a->subresource, ""), str_or(b->subresource, ""));
}

static void managers_write(Managers *managers, Object *object, Time now)
{
    ObjectMeta *meta = object_meta(object);
    Arena *arena = &object->arena;
    ManagedFieldsEntry *v = arena_new_n(arena, ManagedFieldsEntry, managers->n + 1);
    size_t n = 0;

    for (size_t i = 0; i < managers->n; i++)
        if (managers->v[i].acted)
            managers->v[i].entry.time = now;
    if (managers->n > 1)
        qsort(managers->v, managers->n, sizeof(*managers->v), compare_managers);
    for (size_t i = 0; i < managers->n; i++) {
        Manager *manager = &managers->v[i];
        _strbuf_ StrBuf text = STRBUF_INIT;

        if (fieldset_empty(manager->set))
            continue;
        v[n] = manager->entry;
        v[n].manager = arena_strdup(arena, manager->entry.manager);
        v[n].operation = arena_strdup(arena, manager->entry.operation);
        v[n].api_version = arena_strdup(arena, manager->entry.api_version);
        v[n].fields_type = arena_strdup(arena, manager->entry.fields_type);
        v[n].subresource = arena_strdup(arena, manager->entry.subresource);
        if (manager->changed) {
            fieldset_print(manager->set, &text);
            v[n].fields_v1 = arena_bytes(arena, strbuf_bytes(&text));
        } else {
            v[n].fields_v1 = arena_bytes(arena, manager->entry.fields_v1);
        }
        n++;
    }
    meta->managed_fields.v = n ? v : NULL;
    meta->managed_fields.n = n;
}

/* The fields that a write through this subresource cannot change. */
static FieldSet *without_foreign(Arena *arena, const Kind *kind, FieldSet *set,
                                 const char *subresource)
{
    const SubresourceRules *rules = kind_subresource_rules(kind, subresource);

    set = fieldset_without(arena, set, system_fields);
    if (rules && rules->reset)
        return fieldset_without(arena, set, rules->reset);
    if (str_equal(subresource, "status"))
        return fieldset_without(arena, set, spec_fields);
    if (kind->flags & KIND_HAS_STATUS)
        return fieldset_without(arena, set, status_fields);
    return set;
}

/* What a write changes, as fields of one form of the kind. */
typedef struct Difference {
    const Kind *kind;
    FieldSet *changed, *removed;
} Difference;

static Difference difference_of(Arena *arena, const Object *before, const Object *object,
                                const char *subresource)
{
    Difference d = {.kind = object->kind};

    d.changed = fieldset_changed(d.kind->type, arena, before->value, object->value, &d.removed);
    d.changed = without_foreign(arena, d.kind, d.changed, subresource);
    d.removed = without_foreign(arena, d.kind, d.removed, subresource);
    return d;
}

/*
 * The difference between two versions of an object in the form that an entry of managedFields speaks
 * of. `own` is the difference in the form of the objects, and `other` keeps the one in another form.
 */
static const Difference *difference_for(Arena *arena, const ManagedFieldsEntry *entry,
                                        const Difference *own, Difference *other,
                                        const Object *before, Object *object,
                                        const char *subresource)
{
    const Kind *kind = str_equal(entry->api_version, own->kind->api_version)
                           ? own->kind
                           : kind_find_api_version(str_or(entry->api_version, ""), own->kind->kind);
    _object_ Object *was = NULL, *is = NULL;

    if (kind == own->kind || !before || !kind || !kind_same_store(kind, own->kind))
        return own;
    if (other->kind == kind)
        return other;
    was = object_converted((Object *)(uintptr_t)before, kind);
    is = object_converted(object, kind);
    *other = difference_of(arena, was, is, subresource);
    return other;
}

static void set_of(Manager *manager, FieldSet *set)
{
    if (fieldset_equal(manager->set, set))
        return;
    manager->set = set;
    manager->changed = true;
}

bool managed_readable(const ManagedFieldsEntryArray *fields)
{
    _arena_ Arena arena = ARENA_INIT;
    FieldSet *set;

    for (size_t i = 0; i < fields->n; i++) {
        const ManagedFieldsEntry *entry = &fields->v[i];

        if ((!str_equal(entry->operation, "Apply") && !str_equal(entry->operation, "Update")) ||
            fieldset_parse(&arena, entry->fields_v1, &set))
            return false;
    }
    return fields->n > 0;
}

void managed_update(Server *server, Object *object, const Object *before, const char *manager,
                    const char *subresource)
{
    char room[6144];
    _arena_ Arena arena = ARENA_INIT_ROOM(room);
    const Kind *kind = object->kind;
    Difference here = {.kind = kind}, other = {0};
    Managers managers = VEC_INIT;
    Manager *own;
    size_t at;

    if (str_empty(manager))
        return;
    if (before) {
        here = difference_of(&arena, before, object, subresource);
        managers_read(&arena, object_meta(object), &managers);
    } else {
        here.changed = without_foreign(
            &arena, kind, fieldset_of_value(kind->type, &arena, object->value), subresource);
    }
    own = managers_find(&managers, manager, "Update", kind->api_version, subresource);
    at = (size_t)(own - managers.v);
    for (size_t i = 0; i < managers.n; i++) {
        const Difference *d = difference_for(&arena, &managers.v[i].entry, &here, &other, before,
                                             object, subresource);
        FieldSet *set = fieldset_minus(&arena, managers.v[i].set, d->removed);

        set_of(&managers.v[i], i == at ? fieldset_union(&arena, set, d->changed)
                                       : fieldset_minus(&arena, set, d->changed));
    }
    /* An entry of the subresource scale has no time, as in kube-apiserver. */
    managers.v[at].acted = !fieldset_empty(here.changed) && !str_equal(subresource, "scale");
    managers_write(&managers, object, server_time(server));
    VEC_DEINIT(&managers);
}

/* Whether the objects are equal except for fields that every write changes. */
bool managed_same(const Object *a, const Object *b)
{
    ObjectMeta *x = object_meta(a), *y = object_meta(b);
    const char *revision = x->resource_version;
    ManagedFieldsEntryArray kept = x->managed_fields;
    bool same = kept.n == y->managed_fields.n;

    for (size_t i = 0; same && i < kept.n; i++) {
        const ManagedFieldsEntry *m = &kept.v[i], *n = &y->managed_fields.v[i];

        same = str_equal(m->manager, n->manager) && str_equal(m->operation, n->operation) &&
               str_equal(m->api_version, n->api_version) &&
               str_equal(m->subresource, n->subresource) && bytes_equal(m->fields_v1, n->fields_v1);
    }
    x->resource_version = y->resource_version;
    x->managed_fields = y->managed_fields;
    same = same && type_equal(a->kind->type, a->value, b->value);
    x->resource_version = revision;
    x->managed_fields = kept;
    return same;
}

/* ---- apply ---- */

typedef struct Conflict {
    const char *manager; /* "\"x\" using v1" */
    const char *path;
} Conflict;

typedef struct Conflicts {
    Arena *arena;
    const char *manager;
    VEC(Conflict) v;
} Conflicts;

static void add_conflict(void *data, const char *path)
{
    Conflicts *conflicts = data;
    Conflict conflict = {conflicts->manager, arena_strdup(conflicts->arena, path)};

    VEC_PUSH(&conflicts->v, conflict);
}

static const char *print_manager(Arena *arena, const ManagedFieldsEntry *entry)
{
    const char *text = arena_printf(arena, "\"%s\"", entry->manager);

    if (!str_empty(entry->subresource))
        text = arena_printf(arena, "%s with subresource \"%s\"", text, entry->subresource);
    if (!str_equal(entry->operation, "Update"))
        return text;
    return arena_printf(arena, "%s using %s", text, entry->api_version);
}

static const char *conflict_message(Arena *arena, const Conflicts *conflicts)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    const char *last = NULL;

    if (conflicts->v.n == 1)
        return arena_printf(arena, "Apply failed with 1 conflict: conflict with %s: %s",
                            conflicts->v.v[0].manager, conflicts->v.v[0].path);
    strbuf_printf(&text, "Apply failed with %zu conflicts: ", conflicts->v.n);
    for (size_t i = 0; i < conflicts->v.n; i++) {
        const Conflict *conflict = &conflicts->v.v[i];

        if (conflict->manager != last)
            strbuf_printf(&text, "%sconflicts with %s:", last ? "\n" : "", conflict->manager);
        strbuf_printf(&text, "\n- %s", conflict->path);
        last = conflict->manager;
    }
    return arena_strdup(arena, text.p);
}

static int refuse_conflicts(Write *write, const Conflicts *conflicts)
{
    Causes causes = {.arena = &write->arena};

    for (size_t i = 0; i < conflicts->v.n && !causes_full(&causes); i++) {
        causes_add(&causes, CAUSE_CONFLICT, conflicts->v.v[i].path, NULL, NULL);
        causes.v[i].message =
            arena_printf(&write->arena, "conflict with %s", conflicts->v.v[i].manager);
    }
    write->status = (ApiStatus){.reason = STATUS_CONFLICT,
                                .message = conflict_message(&write->arena, conflicts),
                                .causes = causes.v,
                                .n_causes = causes.n};
    return STATUS_CONFLICT;
}

/* Removes the fields that the merge changes from all other managers, or refuses the apply because
 * these own them. Fields in `ours` are no conflict, whichever manager owns them. */
static int take_over(Write *write, Managers *managers, size_t own, const Difference *here,
                     const Object *live, Object *object, const FieldSet *ours)
{
    Arena *arena = &write->arena;
    Difference other = {0};
    Conflicts conflicts = {.arena = arena, .v = VEC_INIT};
    int r = 0;

    for (size_t i = 0; i < managers->n && !write->force; i++) {
        const Difference *d;

        if (i == own)
            continue;
        d = difference_for(arena, &managers->v[i].entry, here, &other, live, object,
                           write->subresource);
        conflicts.manager = print_manager(arena, &managers->v[i].entry);
        fieldset_each_path(
            fieldset_minus(arena, fieldset_intersect(arena, managers->v[i].set, d->changed), ours),
            add_conflict, &conflicts);
    }
    if (conflicts.v.n)
        r = refuse_conflicts(write, &conflicts);
    for (size_t i = 0; i < managers->n && r == 0; i++) {
        const Difference *d;

        if (i == own)
            continue;
        d = difference_for(arena, &managers->v[i].entry, here, &other, live, object,
                           write->subresource);
        set_of(&managers->v[i],
               fieldset_minus(arena, fieldset_minus(arena, managers->v[i].set, d->changed),
                              d->removed));
    }
    VEC_DEINIT(&conflicts.v);
    return r;
}

/* The fields that this manager owned, does not apply any more, and that no other manager owns. */
static FieldSet *fields_to_drop(const Type *type, Arena *arena, const Managers *managers,
                                size_t own, const FieldSet *applied)
{
    FieldSet *owned = fieldset_union(arena, applied, NULL);

    for (size_t i = 0; i < managers->n; i++)
        if (i != own)
            owned = fieldset_union(arena, owned, managers->v[i].set);
    return fieldset_given_up(type, arena, managers->v[own].set, owned);
}

static int refuse_typed(Write *write, yyjson_val *applied, const char *why)
{
    const Kind *kind = write->kind;
    yyjson_val *meta = yyjson_obj_get(applied, "metadata");

    return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                      "failed to create typed patch object (%s/%s; %s%s, Kind=%s): %s",
                      str_or(yyjson_get_str(yyjson_obj_get(meta, "namespace")), ""),
                      str_or(yyjson_get_str(yyjson_obj_get(meta, "name")), ""),
                      *kind->group ? "" : "/", kind->api_version, kind->kind, why);
}

/* The applied document has to be of the type: `unknown field "spec.foo"` is .spec.foo here. */
static int check_fields(Write *write, yyjson_val *applied)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    _object_ Object *object = object_new(write->kind);
    DecodeReport report = {0};
    const char *path;
    int r = json_decode(write->kind->type, &object->arena, applied, DECODE_CHECK_FIELDS, ignore,
                        object->value, &report);

    if (r && r != JSON_E_FIELD)
        return refuse_typed(write, applied, str_or(report.error, "unreadable"));
    for (size_t i = 0; i < report.field_errors.n; i++) {
        path = strchr(report.field_errors.v[i], '"');
        if (path && str_starts_with(report.field_errors.v[i], "unknown"))
            return refuse_typed(write, applied,
                                arena_printf(&write->arena, ".%.*s: field not declared in schema",
                                             (int)strcspn(path + 1, "\""), path + 1));
    }
    return 0;
}

static int decode_merged(Write *write, yyjson_mut_val *merged, Object **ret)
{
    static const char *const ignore[] = {"kind", "apiVersion", NULL};
    _object_ Object *object = object_new(write->kind);
    DecodeReport report = {0};

    if (json_decode_tree(write->kind->type, &object->arena, merged, 0, ignore, object->value,
                         &report))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST, "%s",
                          str_or(report.error, "unreadable"));
    type_default(write->kind->type, &object->arena, object->value);
    if (write->kind->rules && write->kind->rules->complete)
        write->kind->rules->complete(&object->arena, object->value);
    *ret = TAKE_PTR(object);
    return 0;
}

static yyjson_mut_val *merge(Write *write, const Object *live, yyjson_val *applied,
                             const FieldSet *drop, yyjson_mut_doc *doc)
{
    yyjson_doc *live_doc = NULL;
    yyjson_mut_val *merged;

    if (live) {
        yyjson_mut_doc_set_root(doc, json_tree(write->kind->type, live->value, doc));
        live_doc = yyjson_mut_doc_imut_copy(doc, NULL);
    }
    merged = live_doc ? fieldset_apply(write->kind->type, doc, yyjson_doc_get_root(live_doc),
                                       applied, drop, &write->arena)
                      : yyjson_val_mut_copy(doc, applied);
    yyjson_doc_free(live_doc);
    return merged;
}

/* Decodes the applied document, and reports its errors in the words of kube-apiserver. */
static int check_applied(Write *write, yyjson_val *applied)
{
    const char *kind = yyjson_get_str(yyjson_obj_get(applied, "kind"));
    const char *api_version = yyjson_get_str(yyjson_obj_get(applied, "apiVersion"));
    yyjson_val *meta = yyjson_obj_get(applied, "metadata");

    if (!yyjson_is_obj(applied) || !str_equal(kind, write->kind->kind) ||
        !str_equal(api_version, write->kind->api_version))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "invalid object type: %s%s, Kind=%s",
                          api_version && strchr(api_version, '/') ? "" : "/",
                          str_or(api_version, ""), str_or(kind, ""));
    if (yyjson_arr_size(yyjson_obj_get(meta, "managedFields")))
        return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                          "metadata.managedFields must be nil");
    return check_fields(write, applied);
}

static bool changes_object(const Object *object, const Object *live)
{
    ObjectMeta *meta = object_meta(object);
    ManagedFieldsEntryArray kept = meta->managed_fields;
    bool same;

    meta->managed_fields = object_meta(live)->managed_fields;
    same = type_equal(object->kind->type, object->value, live->value);
    meta->managed_fields = kept;
    return !same;
}

static int apply_to(Write *write, const Object *live, yyjson_val *applied, Managers *managers,
                    yyjson_mut_doc *doc, Object **ret)
{
    Arena *arena = &write->arena;
    const Kind *kind = write->kind;
    FieldSet *set;
    Difference here;
    const char *why = NULL;
    _object_ Object *object = NULL;
    Manager *own;
    size_t at;
    int r;

    set = fieldset_of_tree(kind->type, arena, applied, &why);
    if (why)
        return refuse_typed(write, applied, why);
    set = without_foreign(arena, kind, set, write->subresource);
    own = managers_find(managers, write->manager, "Apply", kind->api_version, write->subresource);
    at = (size_t)(own - managers->v);
    r = decode_merged(
        write,
        merge(write, live, applied, fields_to_drop(kind->type, arena, managers, at, set), doc),
        &object);
    if (r)
        return r;
    if (live) {
        here = difference_of(arena, live, object, write->subresource);
        here.changed = fieldset_intersect(arena, here.changed, set);
        r = take_over(write, managers, at, &here, live, object, last_applied_owns(write, live));
        if (r)
            return r;
    }
    last_applied_refresh(write, object, applied);
    set_of(&managers->v[at], set);
    managers->v[at].acted = !live || changes_object(object, live);
    managers_write(managers, object, server_time(write->server));
    *ret = TAKE_PTR(object);
    return 0;
}

int managed_apply(Write *write, const Object *live, yyjson_val *applied, Object **ret)
{
    yyjson_mut_doc *doc;
    Managers managers = VEC_INIT;
    int r = check_applied(write, applied);

    if (r)
        return r;
    doc = yyjson_mut_doc_new(NULL);
    if (live)
        managers_read(&write->arena, object_meta(live), &managers);
    r = apply_to(write, live, applied, &managers, doc, ret);
    VEC_DEINIT(&managers);
    yyjson_mut_doc_free(doc);
    return r;
}
