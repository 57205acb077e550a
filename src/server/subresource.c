/* SPDX-License-Identifier: Apache-2.0 */
/* Subresources that act on an object by way of another type: binding, eviction, scale, token. */
#include "server/internal.h"

static void respond_success(Call *call, int code)
{
    respond_json(call, code,
                 bytes_from_string(arena_printf(
                     call->arena,
                     "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                     "\"Success\",\"code\":%d}",
                     code)));
}

static Write *start(Call *call, void (*done)(Write *write))
{
    const Route *route = &call->route;
    Write *write = write_new(call->server, call->user, route->kind, route->ns, route->name);
    const char *agent = utf8_clean(call->arena, http_header(call->request, "user-agent"));

    write->manager = call->query.field_manager
                         ? arena_strdup(&write->arena, call->query.field_manager)
                         : arena_strndup(&write->arena, str_or(agent, "unknown"),
                                         strcspn(str_or(agent, "unknown"), "/"));
    write->dry_run = call->query.dry_run != NULL;
    write->call = call;
    write->done = done;
    call->write = write;
    return write;
}

/* The body, an object of the kind that speaks of the one in the path and of no other. */
static int decode(Call *call, const Kind *kind, Object **ret, Write *write)
{
    int r = decode_object(&write->arena, kind, http_header(call->request, "content-type"),
                          call->body, VALIDATION_IGNORE, ret, NULL, &write->status);

    return r ? r
             : object_match_namespace(*ret, call->route.ns, true, &write->status, &write->arena);
}

static int refuse_name(Write *write, const char *kind)
{
    return status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                      "name in URL does not match name in %s object", kind);
}

/* ---- binding ---- */

static int refuse_binding(Write *write, const char *why)
{
    write->status = (ApiStatus){.reason = STATUS_CONFLICT,
                                .name = write->name,
                                .kind = "pods/binding",
                                .message = arena_printf(&write->arena,
                                                        "Operation cannot be fulfilled on "
                                                        "pods/binding \"%s\": %s",
                                                        write->name, why)};
    return STATUS_CONFLICT;
}

static void set_scheduled(Object *object, Time now)
{
    Pod *pod = OBJECT_AS(Pod, object);
    PodConditionArray *conditions = &pod->status.conditions;
    PodCondition *condition = NULL;

    for (size_t i = 0; i < conditions->n; i++)
        if (str_equal(conditions->v[i].type, "PodScheduled"))
            condition = &conditions->v[i];
    if (!condition) {
        PodCondition *v = arena_new_n(&object->arena, PodCondition, conditions->n + 1);

        if (conditions->n)
            memcpy(v, conditions->v, conditions->n * sizeof(*v));
        condition = &v[conditions->n++];
        conditions->v = v;
    }
    *condition = (PodCondition){.type = "PodScheduled",
                                .status = "True",
                                .last_transition_time = now,
                                .observed_generation = pod->metadata.generation};
}

static int refuse_other_pod(Write *write, const char *what, const char *asked, const char *is)
{
    return status_conflict(
        &write->status, &write->arena, &kind_pod, write->name,
        arena_printf(&write->arena,
                     "StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, "
                     "AdditionalErrorMsg: Precondition failed: %s in precondition: %s, %s in "
                     "object meta: %s",
                     object_key(&kind_pod, write->ns, write->name, &write->arena), what, asked,
                     what, is));
}

/* Is this the pod, and is it still to be placed? */
static int check_bindable(Write *write, const Binding *binding, const Pod *pod)
{
    const ObjectMeta *meta = &binding->metadata;
    const char *name = write->name;
    Arena *arena = &write->arena;

    if (!str_empty(meta->uid) && !str_equal(meta->uid, pod->metadata.uid))
        return refuse_other_pod(write, "UID", meta->uid, pod->metadata.uid);
    if (!str_empty(meta->resource_version) &&
        !str_equal(meta->resource_version, pod->metadata.resource_version))
        return refuse_other_pod(write, "ResourceVersion", meta->resource_version,
                                pod->metadata.resource_version);
    if (pod->metadata.deletion_timestamp.set)
        return refuse_binding(
            write,
            arena_printf(arena, "pod %s is being deleted, cannot be assigned to a host", name));
    if (!str_empty(pod->spec.node_name))
        return refuse_binding(write,
                              arena_printf(arena, "pod %s is already assigned to node \"%s\"", name,
                                           pod->spec.node_name));
    if (pod->spec.scheduling_gates.n)
        return refuse_binding(
            write, arena_printf(arena, "pod %s has non-empty .spec.schedulingGates", name));
    return 0;
}

static void copy_entries(Object *to, StringMap *map, const StringMap *from)
{
    for (size_t i = 0; i < from->n; i++)
        string_map_put(&to->arena, map, from->v[i].key, from->v[i].value);
}

static int bind(Write *write, const Object *object)
{
    const Binding *binding = OBJECT_AS(Binding, object);
    const char *node = binding->target.name;
    Object *head;
    Pod *pod;
    int r;

    if (!str_equal(binding->metadata.name, write->name))
        return refuse_name(write, "Binding");
    if (!str_empty(binding->target.kind) && !str_equal(binding->target.kind, "Node"))
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "target.kind: Unsupported value: \"%s\": supported values: \"Node\", "
                          "\"<empty>\"",
                          binding->target.kind);
    if (str_empty(node))
        return status_set(&write->status, &write->arena, STATUS_UNKNOWN,
                          "target.name: Required value");
    head = store_head(write->server->store, &kind_pod, write->ns, write->name);
    if (!head)
        return status_not_found(&write->status, &write->arena, &kind_pod, write->name);
    r = check_bindable(write, binding, head->value);
    if (r)
        return r;
    write->before = object_ref(head);
    write->object = object_copy(head);
    pod = OBJECT_AS(Pod, write->object);
    pod->spec.node_name = arena_strdup(&write->object->arena, node);
    copy_entries(write->object, &pod->metadata.annotations, &binding->metadata.annotations);
    copy_entries(write->object, &pod->metadata.labels, &binding->metadata.labels);
    set_scheduled(write->object, server_time(write->server));
    return 0;
}

/* Changes spec and status at once, and a field that no update may touch: so it goes to the store by
 * itself. */
void write_binding(Write *write, const Object *binding)
{
    int r = bind(write, binding);

    if (r == 0 && !write->dry_run) {
        if (store_update(write->server->store, write->object, write->before->revision,
                         write_on_stored, write) == 0)
            return;
        status_conflict(&write->status, &write->arena, write->kind, write->name, NULL);
    }
    write_finish(write);
}

static void on_success(Write *write)
{
    if (!write->call)
        return;
    if (write->status.reason != STATUS_OK)
        respond_status(write->call, &write->status);
    else
        respond_success(write->call, 201);
}

void subresource_binding(Call *call)
{
    Write *write = start(call, on_success);
    _object_ Object *binding = NULL;

    if (decode(call, &kind_binding, &binding, write)) {
        write_finish(write);
        return;
    }
    /* "bindings" is the old name of pods/binding, and has the pod's name in the body alone. */
    if (!call->sub) {
        write->kind = &kind_pod;
        write->name = arena_strdup(&write->arena, object_meta(binding)->name);
    }
    write_binding(write, binding);
}

/* ---- eviction ---- */

void subresource_eviction(Call *call)
{
    Write *write = start(call, on_success);
    _object_ Object *eviction = NULL;

    if (decode(call, &kind_eviction, &eviction, write)) {
        write_finish(write);
    } else if (!str_equal(object_meta(eviction)->name, write->name)) {
        refuse_name(write, "Eviction");
        write_finish(write);
    } else {
        write_eviction(write, eviction);
    }
}

/* ---- scale ---- */

/* spec.replicas and its like: found by name, since any kind may have them. NULL: the kind has
 * none. */
static void *member_at(const Object *object, const Field *of, const char *name, const Field **ret)
{
    const TypeName *found = of ? type_find(of->type, name, strlen(name)) : NULL;

    if (!found)
        return NULL;
    *ret = found->field;
    return (char *)field_at(object->value, of) + found->offset;
}

static int32_t read_int32(const Object *object, const Field *of, const char *name)
{
    const Field *field = NULL;
    void *at = member_at(object, of, name, &field);
    const int32_t *value = at;

    if (at && field->shape == SHAPE_OPTIONAL)
        value = *(int32_t *const *)at;
    return value ? *value : 0;
}

static void write_int32(Object *object, const Field *of, const char *name, int32_t value)
{
    const Field *field = NULL;
    void *at = member_at(object, of, name, &field);

    if (NEVER(!at))
        return;
    if (field->shape == SHAPE_OPTIONAL)
        *(int32_t **)at = arena_int32(&object->arena, value);
    else
        *(int32_t *)at = value;
}

static const char *selector_text(Arena *arena, const Object *object)
{
    static const char *const words[] = {[SELECTOR_IN] = " in (", [SELECTOR_NOT_IN] = " notin ("};
    const Field *field = NULL;
    const LabelSelector *const *at = member_at(object, object->kind->spec, "selector", &field);
    _strbuf_ StrBuf text = STRBUF_INIT;
    Selector *selector;

    if (!at)
        return "";
    selector = selector_from_api(
        arena, field->shape == SHAPE_OPTIONAL ? *at : (const LabelSelector *)(const void *)at);
    for (size_t i = 0; selector && i < selector->n; i++) {
        const Requirement *r = &selector->v[i];

        strbuf_printf(&text, "%s%s%s", i ? "," : "", r->op == SELECTOR_NOT_EXISTS ? "!" : "",
                      r->key);
        if (r->op == SELECTOR_EQUALS || r->op == SELECTOR_NOT_EQUALS)
            strbuf_printf(&text, "%s%s",
                          r->op == SELECTOR_EQUALS ? "=" : "!=", r->values.n ? r->values.v[0] : "");
        if (r->op != SELECTOR_IN && r->op != SELECTOR_NOT_IN)
            continue;
        strbuf_add_string(&text, words[r->op]);
        for (size_t k = 0; k < r->values.n; k++)
            strbuf_printf(&text, "%s%s", k ? "," : "", r->values.v[k]);
        strbuf_add_char(&text, ')');
    }
    return arena_strdup(arena, strbuf_string(&text));
}

static Object *scale_of(const Object *object)
{
    const ObjectMeta *meta = object_meta(object);
    Object *scale = object_new(&kind_scale);
    Scale *value = OBJECT_AS(Scale, scale);
    Arena *arena = &scale->arena;

    value->metadata =
        (ObjectMeta){.name = arena_strdup(arena, meta->name),
                     .namespace = arena_strdup(arena, meta->namespace),
                     .uid = arena_strdup(arena, meta->uid),
                     .resource_version = arena_printf(arena, "%" PRIu64, object->revision),
                     .creation_timestamp = meta->creation_timestamp};
    value->spec.replicas = read_int32(object, object->kind->spec, "replicas");
    value->status.replicas = read_int32(object, object->kind->status, "replicas");
    value->status.selector = selector_text(arena, object);
    return scale;
}

static void on_scaled(Write *write)
{
    _object_ Object *scale = NULL;

    if (!write->call)
        return;
    if (write->status.reason != STATUS_OK) {
        respond_status(write->call, &write->status);
        return;
    }
    scale = scale_of(write->object);
    respond_object(write->call, 200, scale);
}

void subresource_scale_get(Call *call)
{
    const Route *route = &call->route;
    Object *object = store_get(call->server->store, route->kind, route->ns, route->name);
    _object_ Object *scale = NULL;
    ApiStatus status;

    if (!object) {
        status_not_found(&status, call->arena, route->kind, route->name);
        respond_status(call, &status);
        return;
    }
    scale = scale_of(object);
    respond_object(call, 200, scale);
}

/* The head, for a change of its scale; NULL: refused. */
static Object *scale_head(Write *write)
{
    Object *head = store_head(write->server->store, write->kind, write->ns, write->name);

    if (!head) {
        status_not_found(&write->status, &write->arena, write->kind, write->name);
        return NULL;
    }
    write->before = object_ref(head);
    return head;
}

static void write_scale(Write *write, const Object *object)
{
    const Scale *scale = OBJECT_AS(Scale, object);
    Causes causes = {.arena = &write->arena};

    if (!str_empty(scale->metadata.name) && !str_equal(scale->metadata.name, write->name)) {
        status_set(&write->status, &write->arena, STATUS_BAD_REQUEST,
                   "the name of the object (%s) does not match the name on the URL (%s)",
                   scale->metadata.name, write->name);
        write_finish(write);
        return;
    }
    if (scale->spec.replicas < 0) {
        causes_invalid_int(&causes, "spec.replicas", scale->spec.replicas,
                           "must be greater than or equal to 0");
        status_invalid(&write->status, &write->arena, &kind_scale, write->name, &causes);
        write_finish(write);
        return;
    }
    write->object = object_copy(write->before);
    if (!str_empty(scale->metadata.resource_version))
        object_meta(write->object)->resource_version =
            arena_strdup(&write->object->arena, scale->metadata.resource_version);
    write_int32(write->object, write->kind->spec, "replicas", scale->spec.replicas);
    write->subresource = "scale";
    write_update_from(write);
}

void subresource_scale_update(Call *call)
{
    Write *write = start(call, on_scaled);
    _object_ Object *scale = NULL;

    if (decode(call, &kind_scale, &scale, write) || !scale_head(write))
        write_finish(write);
    else
        write_scale(write, scale);
}

void subresource_scale_patch(Call *call)
{
    Write *write = start(call, on_scaled);
    _object_ Object *before = NULL, *scale = NULL;
    Object *head = scale_head(write);

    if (!head) {
        write_finish(write);
        return;
    }
    before = scale_of(head);
    if (patch_object(write, http_header(call->request, "content-type"), before, call->body,
                     &scale)) {
        write_finish(write);
        return;
    }
    write_scale(write, scale);
}

/* ---- token ---- */

char *server_make_token(Server *server, Arena *arena, const char *ns, const char *service_account,
                        const Object *pod, const char *audience, int64_t lifetime_seconds)
{
    Object *account = store_head(server->store, &kind_service_account, ns, service_account);
    TokenClaims claims = {.ns = ns, .service_account = service_account};
    char id[37];

    if (!account || !server->token_key)
        return NULL;
    random_uuid(server->random, id);
    claims.service_account_uid = object_meta(account)->uid;
    claims.audience = str_or(audience, TOKEN_ISSUER);
    claims.id = id;
    claims.issued = server_now(server);
    claims.expires = claims.issued + lifetime_seconds;
    if (pod) {
        const Object *node;

        claims.pod = object_meta(pod)->name;
        claims.pod_uid = object_meta(pod)->uid;
        claims.node = OBJECT_AS(Pod, pod)->spec.node_name;
        node = claims.node ? store_head(server->store, &kind_node, NULL, claims.node) : NULL;
        claims.node_uid = node ? object_meta(node)->uid : NULL;
    }
    return token_sign(server->token_key, arena, &claims);
}

/* The pod that the token is to be bound to. 0 or a reason. */
static int find_bound(Call *call, const BoundObjectReference *reference, Object **ret,
                      ApiStatus *reterr)
{
    *ret = NULL;
    if (!reference)
        return 0;
    if (!str_equal(reference->kind, "Pod"))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "cannot bind token for serviceaccount \"%s\" to \"%s\" (only Pods can be "
                          "bound to)",
                          call->route.name, str_or(reference->kind, ""));
    *ret = store_head(call->server->store, &kind_pod, call->route.ns, reference->name);
    if (!*ret)
        return status_not_found(reterr, call->arena, &kind_pod, reference->name);
    if (!str_equal(OBJECT_AS(Pod, *ret)->spec.service_account_name, call->route.name))
        return status_set(reterr, call->arena, STATUS_BAD_REQUEST,
                          "cannot bind token for serviceaccount \"%s\" to pod running with "
                          "different serviceaccount name.",
                          call->route.name);
    if (!str_empty(reference->uid) && !str_equal(reference->uid, object_meta(*ret)->uid))
        return status_conflict(reterr, call->arena, &kind_pod, reference->name,
                               arena_printf(call->arena,
                                            "the UID in the bound object reference (%s) does not "
                                            "match the UID in record. The object might have been "
                                            "deleted and then recreated",
                                            reference->uid));
    return 0;
}

/* What the request says of the account has to be true. */
static int check_request_name(Call *call, const TokenRequest *request, const ObjectMeta *account,
                              ApiStatus *reterr)
{
    Causes causes = {.arena = call->arena};
    const ObjectMeta *meta = &request->metadata;

    if (!str_empty(meta->name) && !str_equal(meta->name, account->name)) {
        causes_invalid_string(&causes, "metadata.name", meta->name,
                              "must match the service account name if specified");
        return status_invalid(reterr, call->arena, &kind_token_request, account->name, &causes);
    }
    if (str_empty(meta->uid) || str_equal(meta->uid, account->uid))
        return 0;
    return status_conflict(reterr, call->arena, &kind_token_request, account->name,
                           arena_printf(call->arena,
                                        "the UID in the token request (%s) does not match the UID "
                                        "of the service account (%s)",
                                        meta->uid, account->uid));
}

static int make_token(Call *call, Object *account, Object *object, ApiStatus *reterr)
{
    const ObjectMeta *meta = object_meta(account);
    TokenRequest *request = OBJECT_AS(TokenRequest, object);
    Arena *arena = &object->arena;
    Causes causes = {.arena = call->arena};
    const char *audience = NULL;
    Object *pod;
    int r;

    r = check_request_name(call, request, meta, reterr);
    if (r)
        return r;
    type_default(object->kind->type, arena, object->value);
    request->metadata.name = arena_strdup(arena, meta->name);
    request->metadata.namespace = arena_strdup(arena, meta->namespace);
    request->metadata.uid = arena_strdup(arena, meta->uid);
    request->metadata.creation_timestamp = server_time(call->server);
    if (object->kind->rules && object->kind->rules->validate)
        object->kind->rules->validate(object->value, NULL, &causes);
    if (causes.n)
        return status_invalid(reterr, call->arena, object->kind, "", &causes);
    if (request->spec.audiences.n == 0) {
        request->spec.audiences.v = arena_new(arena, const char *);
        request->spec.audiences.v[0] = TOKEN_ISSUER;
        request->spec.audiences.n = 1;
    }
    audience = request->spec.audiences.v[0];
    r = find_bound(call, request->spec.bound_object_ref, &pod, reterr);
    if (r)
        return r;
    request->status.token = server_make_token(call->server, arena, meta->namespace, meta->name, pod,
                                              audience, *request->spec.expiration_seconds);
    if (!request->status.token)
        return status_set(reterr, call->arena, STATUS_INTERNAL_ERROR, "cannot sign a token");
    request->status.expiration_timestamp = server_time(call->server);
    request->status.expiration_timestamp.seconds += *request->spec.expiration_seconds;
    return 0;
}

void subresource_token(Call *call)
{
    const Route *route = &call->route;
    Object *account =
        store_head(call->server->store, &kind_service_account, route->ns, route->name);
    _object_ Object *object = NULL;
    ApiStatus status;
    int r;

    r = account ? decode_object(call->arena, &kind_token_request,
                                http_header(call->request, "content-type"), call->body,
                                VALIDATION_IGNORE, &object, NULL, &status)
                : status_not_found(&status, call->arena, route->kind, route->name);
    if (r == 0)
        r = object_match_namespace(object, route->ns, true, &status, call->arena);
    if (r == 0)
        r = make_token(call, account, object, &status);
    if (r)
        respond_status(call, &status);
    else
        respond_object(call, 201, object);
}
