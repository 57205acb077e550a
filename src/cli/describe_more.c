/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of Deployments, ReplicaSets, Jobs, budgets, roles, ingresses and endpoint slices. */
#include "base/timefmt.h"
#include "cli/describe_line.h"
#include "cli/events.h"

/* ---- workloads ---- */

static void two_columns(Description *d, yyjson_val *conditions)
{
    yyjson_val *condition;
    size_t i, n;

    if (yyjson_arr_size(conditions))
        strbuf_add_string(&d->out, "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------\n");
    yyjson_arr_foreach(conditions, i, n, condition)
        strbuf_printf(&d->out, "  %s \t%s\t%s\n", json_text(condition, "/type"),
                      json_text(condition, "/status"), json_text(condition, "/reason"));
}

static const char *number_or_text(Arena *arena, yyjson_val *value)
{
    return yyjson_is_int(value) ? arena_printf(arena, "%" PRId64, yyjson_get_sint(value))
                                : str_or(yyjson_get_str(value), "");
}

/* The template without the hash that a ReplicaSet adds, as text. */
static char *template_text(yyjson_val *template)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *copy = yyjson_val_mut_copy(doc, template);
    char *written;

    yyjson_mut_obj_remove_key(yyjson_mut_ptr_get(copy, "/metadata/labels"), "pod-template-hash");
    yyjson_mut_doc_set_root(doc, copy);
    written = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return written;
}

static void replica_sets(Description *d)
{
    _strbuf_ StrBuf path = STRBUF_INIT, old = STRBUF_INIT, new = STRBUF_INIT;
    _free_ char *wanted = template_text(at(d, "/spec/template"));
    ClusterReply reply;
    yyjson_val *set;
    size_t i, n;

    resource_path(&path, resources_find(d->cluster, "replicasets.apps"), d->target->ns, NULL, NULL);
    cluster_add_query(&path, "labelSelector", object_selector(d->cluster->arena, d->object));
    if (cluster_call(d->cluster, &(ClusterCall){.path = path.p}, &reply))
        return;
    yyjson_arr_foreach(yyjson_obj_get(reply.json, "items"), i, n, set)
    {
        _free_ char *template = template_text(yyjson_ptr_get(set, "/spec/template"));
        StrBuf *list = str_equal(template, wanted) && !new.n ? &new : &old;

        if (!str_equal(json_text(set, "/metadata/ownerReferences/0/uid"), text(d, "/metadata/uid")))
            continue;
        strbuf_printf(list, "%s%s (%" PRId64 "/%" PRId64 " replicas created)", list->n ? ", " : "",
                      json_text(set, "/metadata/name"), json_number(set, "/status/replicas", 0),
                      json_number(set, "/spec/replicas", 1));
    }
    if (!old.n && !new.n)
        return;
    line(d, "OldReplicaSets", old.n ? old.p : "<none>");
    line(d, "NewReplicaSet", new.n ? new.p : "<none>");
}

void describe_deployment(Description *d)
{
    yyjson_val *rolling = at(d, "/spec/strategy/rollingUpdate");

    name_and_namespace(d);
    time_if(d, "CreationTimestamp", "/metadata/creationTimestamp");
    labels_and_annotations(d);
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    strbuf_printf(&d->out,
                  "Replicas:\t%" PRId64 " desired | %" PRId64 " updated | %" PRId64
                  " total | %" PRId64 " available | %" PRId64 " unavailable\n",
                  json_number(d->object, "/spec/replicas", 1),
                  json_number(d->object, "/status/updatedReplicas", 0),
                  json_number(d->object, "/status/replicas", 0),
                  json_number(d->object, "/status/availableReplicas", 0),
                  json_number(d->object, "/status/unavailableReplicas", 0));
    line(d, "StrategyType", text(d, "/spec/strategy/type"));
    strbuf_printf(&d->out, "MinReadySeconds:\t%" PRId64 "\n",
                  json_number(d->object, "/spec/minReadySeconds", 0));
    if (rolling)
        strbuf_printf(&d->out, "RollingUpdateStrategy:\t%s max unavailable, %s max surge\n",
                      number_or_text(d->cluster->arena, yyjson_obj_get(rolling, "maxUnavailable")),
                      number_or_text(d->cluster->arena, yyjson_obj_get(rolling, "maxSurge")));
    describe_template(&d->out, at(d, "/spec/template"));
    two_columns(d, at(d, "/status/conditions"));
    replica_sets(d);
}

void describe_replica_set(Description *d)
{
    name_and_namespace(d);
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    labels_and_annotations(d);
    describe_controller(d);
    strbuf_printf(&d->out, "Replicas:\t%" PRId64 " current / %" PRId64 " desired\n",
                  json_number(d->object, "/status/replicas", 0),
                  json_number(d->object, "/spec/replicas", 1));
    describe_pods_status(d);
    describe_template(&d->out, at(d, "/spec/template"));
    two_columns(d, at(d, "/status/conditions"));
}

/* How long it took, as ages are said. */
static void job_duration(Description *d)
{
    int64_t start, end;
    int32_t nanos;

    if (timefmt_parse(text(d, "/status/startTime"), &start, &nanos) ||
        timefmt_parse(text(d, "/status/completionTime"), &end, &nanos))
        return;
    strbuf_add_string(&d->out, "Duration:\t");
    time_span(&d->out, end - start);
    strbuf_add_char(&d->out, '\n');
}

void describe_job(Description *d)
{
    yyjson_val *ready = at(d, "/status/ready"), *suspend = at(d, "/spec/suspend");

    name_and_namespace(d);
    line(d, "Selector", object_selector(d->cluster->arena, d->object));
    labels_and_annotations(d);
    describe_controller(d);
    number_if(d, "Parallelism", "/spec/parallelism");
    if (!at(d, "/spec/completions"))
        line(d, "Completions", "<unset>");
    number_if(d, "Completions", "/spec/completions");
    line_if(d, "Completion Mode", text(d, "/spec/completionMode"));
    if (suspend)
        line(d, "Suspend", yyjson_get_bool(suspend) ? "true" : "false");
    number_if(d, "Backoff Limit", "/spec/backoffLimit");
    number_if(d, "TTL Seconds After Finished", "/spec/ttlSecondsAfterFinished");
    time_if(d, "Start Time", "/status/startTime");
    time_if(d, "Completed At", "/status/completionTime");
    job_duration(d);
    if (at(d, "/spec/activeDeadlineSeconds"))
        strbuf_printf(&d->out, "Active Deadline Seconds:\t%" PRId64 "s\n",
                      json_number(d->object, "/spec/activeDeadlineSeconds", 0));
    strbuf_printf(&d->out, "Pods Statuses:\t%" PRId64 " Active",
                  json_number(d->object, "/status/active", 0));
    if (ready)
        strbuf_printf(&d->out, " (%" PRId64 " Ready)", yyjson_get_sint(ready));
    strbuf_printf(&d->out, " / %" PRId64 " Succeeded / %" PRId64 " Failed\n",
                  json_number(d->object, "/status/succeeded", 0),
                  json_number(d->object, "/status/failed", 0));
    if (str_equal(text(d, "/spec/completionMode"), "Indexed"))
        line(d, "Completed Indexes", str_or(text(d, "/status/completedIndexes"), "<none>"));
    describe_template(&d->out, at(d, "/spec/template"));
}

void describe_budget(Description *d)
{
    Arena *arena = d->cluster->arena;

    name_and_namespace(d);
    if (at(d, "/spec/minAvailable"))
        line(d, "Min available", number_or_text(arena, at(d, "/spec/minAvailable")));
    else if (at(d, "/spec/maxUnavailable"))
        line(d, "Max unavailable", number_or_text(arena, at(d, "/spec/maxUnavailable")));
    line(d, "Selector", at(d, "/spec/selector") ? object_selector(arena, d->object) : "<unset>");
    strbuf_printf(&d->out,
                  "Status:\n    Allowed disruptions:\t%" PRId64 "\n    Current:\t%" PRId64
                  "\n    Desired:\t%" PRId64 "\n    Total:\t%" PRId64 "\n",
                  json_number(d->object, "/status/disruptionsAllowed", 0),
                  json_number(d->object, "/status/currentHealthy", 0),
                  json_number(d->object, "/status/desiredHealthy", 0),
                  json_number(d->object, "/status/expectedPods", 0));
}

/* ---- roles ---- */

/* One resource, one name: the verbs of all rules that speak of it. */
typedef struct Rule {
    const char *group, *resource, *name, *url;
    const char *verbs; /* "get list" */
} Rule;

typedef VEC(Rule) Rules;

static void add_verb(Arena *arena, Rules *rules, Rule rule)
{
    for (size_t i = 0; i < rules->n; i++) {
        Rule *old = &rules->v[i];

        /* Others than those of a single resource are left as they are. */
        if (*rule.url || !str_equal(old->group, rule.group) ||
            !str_equal(old->resource, rule.resource) || !str_equal(old->name, rule.name))
            continue;
        old->verbs = arena_printf(arena, "%s %s", old->verbs, rule.verbs);
        return;
    }
    VEC_PUSH(rules, rule);
}

static void break_down(Arena *arena, yyjson_val *rule, Rules *rules)
{
    yyjson_val *group, *resource, *verb, *name, *url,
        *names = yyjson_obj_get(rule, "resourceNames");
    size_t i, n, j, m, k, l, a, b;

    yyjson_arr_foreach(yyjson_obj_get(rule, "apiGroups"), i, n, group)
    {
        yyjson_arr_foreach(yyjson_obj_get(rule, "resources"), j, m, resource)
        {
            yyjson_arr_foreach(yyjson_obj_get(rule, "verbs"), k, l, verb)
            {
                Rule one = {.group = yyjson_get_str(group),
                            .resource = yyjson_get_str(resource),
                            .name = "",
                            .url = "",
                            .verbs = yyjson_get_str(verb)};

                if (!yyjson_arr_size(names))
                    add_verb(arena, rules, one);
                yyjson_arr_foreach(names, a, b, name)
                {
                    one.name = yyjson_get_str(name);
                    add_verb(arena, rules, one);
                }
            }
        }
    }
    yyjson_arr_foreach(yyjson_obj_get(rule, "nonResourceURLs"), i, n, url)
    {
        yyjson_arr_foreach(yyjson_obj_get(rule, "verbs"), k, l, verb)
            add_verb(arena, rules,
                     (Rule){.group = "",
                            .resource = "",
                            .name = "",
                            .url = yyjson_get_str(url),
                            .verbs = yyjson_get_str(verb)});
    }
}

/* By the texts that they have in kubectl: verbs first. */
static int by_rule(const void *a, const void *b)
{
    const Rule *x = a, *y = b;
    _free_ char *left =
        mem_printf("%s],[%s],[%s],[%s],[%s]", x->verbs, x->group, x->resource, x->name, x->url);
    _free_ char *right =
        mem_printf("%s],[%s],[%s],[%s],[%s]", y->verbs, y->group, y->resource, y->name, y->url);

    return strcmp(left, right);
}

void describe_role(Description *d)
{
    Rules rules = VEC_INIT;
    yyjson_val *rule;
    size_t i, n;

    line(d, "Name", text(d, "/metadata/name"));
    labels_and_annotations(d);
    yyjson_arr_foreach(at(d, "/rules"), i, n, rule) break_down(d->cluster->arena, rule, &rules);
    if (rules.n)
        qsort(rules.v, rules.n, sizeof(*rules.v), by_rule);
    strbuf_add_string(&d->out,
                      "PolicyRule:\n  Resources\tNon-Resource URLs\tResource Names\tVerbs\n"
                      "  ---------\t-----------------\t--------------\t-----\n");
    for (i = 0; i < rules.n; i++) {
        const Rule *one = &rules.v[i];

        const char *sub = strchr(one->resource, '/');
        int n_plain = (int)(sub ? (size_t)(sub - one->resource) : strlen(one->resource));

        strbuf_printf(&d->out, "  %.*s%s%s%s\t[%s]\t[%s]\t[%s]\n", n_plain, one->resource,
                      *one->group ? "." : "", one->group, str_or(sub, ""), one->url, one->name,
                      one->verbs);
    }
    VEC_DEINIT(&rules);
    d->no_events = true;
}

void describe_binding(Description *d)
{
    yyjson_val *subject;
    size_t i, n;

    line(d, "Name", text(d, "/metadata/name"));
    labels_and_annotations(d);
    strbuf_printf(&d->out,
                  "Role:\n  Kind:\t%s\n  Name:\t%s\nSubjects:\n  Kind\tName\tNamespace\n"
                  "  ----\t----\t---------\n",
                  text(d, "/roleRef/kind"), text(d, "/roleRef/name"));
    yyjson_arr_foreach(at(d, "/subjects"), i, n, subject)
        strbuf_printf(&d->out, "  %s\t%s\t%s\n", json_text(subject, "/kind"),
                      json_text(subject, "/name"), json_text(subject, "/namespace"));
    d->no_events = true;
}

/* ---- network ---- */

static void add_backend(Description *d, yyjson_val *backend)
{
    _strbuf_ StrBuf path = STRBUF_INIT;
    yyjson_val *service = yyjson_obj_get(backend, "service"), *port;
    const char *name = json_text(service, "/name"), *wanted = json_text(service, "/port/name"),
               *port_name = "";
    int64_t number = json_number(service, "/port/number", 0);
    ClusterReply reply;
    size_t i, n;

    if (!service) {
        strbuf_printf(&d->out, "APIGroup: %s, Kind: %s, Name: %s",
                      str_or(json_text(backend, "/resource/apiGroup"), "<none>"),
                      json_text(backend, "/resource/kind"), json_text(backend, "/resource/name"));
        return;
    }
    if (number)
        strbuf_printf(&d->out, "%s:%" PRId64 " (", name, number);
    else
        strbuf_printf(&d->out, "%s:%s (", name, wanted);
    resource_path(&path, resources_find(d->cluster, "services"), d->target->ns, name, NULL);
    if (cluster_send(d->cluster, &(ClusterCall){.path = path.p}, &reply) || !cluster_ok(&reply)) {
        strbuf_printf(&d->out, "<error: services \"%s\" not found>)", name);
        return;
    }
    yyjson_arr_foreach(yyjson_ptr_get(reply.json, "/spec/ports"), i, n, port)
    {
        if (number ? number == json_number(port, "/port", 0)
                   : str_equal(wanted, json_text(port, "/name")))
            port_name = arena_strdup(d->cluster->arena, json_text(port, "/name"));
    }
    describe_endpoints(d, name, port_name);
    strbuf_add_char(&d->out, ')');
}

static void ingress_rule(Description *d, yyjson_val *rule)
{
    yyjson_val *path;
    size_t i, n;

    strbuf_printf(&d->out, "  %s\t\n", str_or(json_text(rule, "/host"), "*"));
    yyjson_arr_foreach(yyjson_ptr_get(rule, "/http/paths"), i, n, path)
    {
        strbuf_printf(&d->out, "    \t%s \t", json_text(path, "/path"));
        add_backend(d, yyjson_obj_get(path, "backend"));
        strbuf_add_char(&d->out, '\n');
    }
}

static void ingress_address(Description *d)
{
    yyjson_val *item;
    size_t i, n;

    strbuf_add_string(&d->out, "Address:\t");
    yyjson_arr_foreach(at(d, "/status/loadBalancer/ingress"), i, n, item)
        strbuf_printf(&d->out, "%s%s", i ? "," : "",
                      str_or(json_text(item, "/ip"), json_text(item, "/hostname")));
    strbuf_add_char(&d->out, '\n');
}

void describe_ingress(Description *d)
{
    yyjson_val *backend = at(d, "/spec/defaultBackend"), *item;
    size_t i, n, count = 0;

    line(d, "Name", text(d, "/metadata/name"));
    describe_labels(&d->out, "Labels", at(d, "/metadata/labels"));
    line(d, "Namespace", text(d, "/metadata/namespace"));
    ingress_address(d);
    line(d, "Ingress Class", str_or(text(d, "/spec/ingressClassName"), "<none>"));
    strbuf_add_string(&d->out, "Default backend:\t");
    if (backend)
        add_backend(d, backend);
    strbuf_printf(&d->out, "%s\n", backend ? "" : "<default>");
    if (yyjson_arr_size(at(d, "/spec/tls")))
        strbuf_add_string(&d->out, "TLS:\n");
    yyjson_arr_foreach(at(d, "/spec/tls"), i, n, item)
    {
        const char *secret = json_text(item, "/secretName");

        strbuf_printf(&d->out, "  %s ", *secret ? secret : "SNI");
        strbuf_add_string(&d->out, *secret ? "terminates " : "routes ");
        describe_list(&d->out, yyjson_obj_get(item, "hosts"), ",");
        strbuf_add_char(&d->out, '\n');
    }
    strbuf_add_string(&d->out, "Rules:\n  Host\tPath\tBackends\n  ----\t----\t--------\n");
    yyjson_arr_foreach(at(d, "/spec/rules"), i, n, item)
    {
        if (yyjson_obj_get(item, "http") && ++count)
            ingress_rule(d, item);
    }
    if (!count) {
        strbuf_add_string(&d->out, "  *\t*\t");
        if (backend)
            add_backend(d, backend);
        strbuf_printf(&d->out, "%s\n", backend ? "" : "<default>");
    }
    describe_annotations(&d->out, "Annotations", at(d, "/metadata/annotations"));
}

static void slice_endpoint(Description *d, yyjson_val *endpoint)
{
    yyjson_val *ready = yyjson_ptr_get(endpoint, "/conditions/ready");
    const char *kind = json_text(endpoint, "/targetRef/kind");

    strbuf_add_string(&d->out, "  - Addresses:\t");
    describe_list(&d->out, yyjson_obj_get(endpoint, "addresses"), ", ");
    strbuf_printf(&d->out, "\n    Conditions:\n      Ready:\t%s\n    Hostname:\t%s\n",
                  !ready                   ? "<unset>"
                  : yyjson_get_bool(ready) ? "true"
                                           : "false",
                  str_or(json_text(endpoint, "/hostname"), "<unset>"));
    if (*kind)
        strbuf_printf(&d->out, "    TargetRef:\t%s/%s\n", kind,
                      json_text(endpoint, "/targetRef/name"));
    strbuf_printf(&d->out, "    NodeName:\t%s\n    Zone:\t%s\n",
                  str_or(json_text(endpoint, "/nodeName"), "<unset>"),
                  str_or(json_text(endpoint, "/zone"), "<unset>"));
}

void describe_slice(Description *d)
{
    yyjson_val *item;
    size_t i, n;

    name_and_namespace(d);
    labels_and_annotations(d);
    line(d, "AddressType", text(d, "/addressType"));
    strbuf_add_string(&d->out, yyjson_arr_size(at(d, "/ports"))
                                   ? "Ports:\n  Name\tPort\tProtocol\n  ----\t----\t--------\n"
                                   : "Ports: <unset>\n");
    yyjson_arr_foreach(at(d, "/ports"), i, n, item) strbuf_printf(
        &d->out, "  %s\t%" PRId64 "\t%s\n", str_or(json_text(item, "/name"), "<unset>"),
        json_number(item, "/port", 0), json_text(item, "/protocol"));
    strbuf_add_string(&d->out, yyjson_arr_size(at(d, "/endpoints")) ? "Endpoints:\n"
                                                                    : "Endpoints: <none>\n");
    yyjson_arr_foreach(at(d, "/endpoints"), i, n, item) slice_endpoint(d, item);
}

static void addresses(Description *d, const char *label, yyjson_val *list)
{
    yyjson_val *address;
    size_t i, n;

    strbuf_printf(&d->out, "  %s:\t%s", label, yyjson_arr_size(list) ? "" : "<none>");
    yyjson_arr_foreach(list, i, n, address)
        strbuf_printf(&d->out, "%s%s", i ? "," : "", json_text(address, "/ip"));
    strbuf_add_char(&d->out, '\n');
}

void describe_endpoints_object(Description *d)
{
    yyjson_val *subset, *port;
    size_t i, n, j, m;

    name_and_namespace(d);
    labels_and_annotations(d);
    strbuf_add_string(&d->out, "Subsets:\n");
    yyjson_arr_foreach(at(d, "/subsets"), i, n, subset)
    {
        addresses(d, "Addresses", yyjson_obj_get(subset, "addresses"));
        addresses(d, "NotReadyAddresses", yyjson_obj_get(subset, "notReadyAddresses"));
        if (yyjson_arr_size(yyjson_obj_get(subset, "ports")))
            strbuf_add_string(&d->out, "  Ports:\n    Name\tPort\tProtocol\n"
                                       "    ----\t----\t--------\n");
        yyjson_arr_foreach(yyjson_obj_get(subset, "ports"), j, m, port) strbuf_printf(
            &d->out, "    %s\t%" PRId64 "\t%s\n", str_or(json_text(port, "/name"), "<unset>"),
            json_number(port, "/port", 0), json_text(port, "/protocol"));
        strbuf_add_char(&d->out, '\n');
    }
}
