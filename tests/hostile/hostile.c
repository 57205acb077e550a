/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses cases and survives them. A case is a field of a target, a mutation and a way to send it. All
 * of them are numbered through, so that a number means the same case in every run of one build. By
 * default most mutations of each field of each type are sent once, on a path and in a way chosen by the
 * seed (all of them with --percent 100); --complete sends every case.
 *
 * A worker process runs the cases; what it is at is written to memory that is shared with the parent.
 * Where it dies or hangs, the parent notes the case and starts another worker behind it, so that one
 * run finds everything there is to find.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strmap.h"
#include "base/vec.h"
#include "codec/yaml/yaml.h"
#include "hostile.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_do_recoverable_leak_check() 0
#endif

enum {
    WORLD_CASES = 100, /* one cluster has to bear */
    FAILURES_MAX = 60,
    CASE_SECONDS = 20, /* of CPU */
    SAMPLE_PERCENT = 60,
};

/* clang-format off */
#define WAYS(X)                                                                                                        \
    X(POST_JSON) X(POST_YAML) X(POST_PROTOBUF) X(PUT_JSON) X(PUT_YAML) X(PUT_PROTOBUF) X(PATCH_JSON) X(PATCH_MERGE)   \
    X(PATCH_STRATEGIC) X(APPLY) X(APPLY_NEW) X(DELETE_JSON) X(DELETE_PROTOBUF)
/* clang-format on */
typedef enum Way {
#define WAY_ENUM(name) WAY_##name,
    WAYS(WAY_ENUM)
#undef WAY_ENUM
        _WAY_MAX,
} Way;
static const char *const way_names[] = {
#define WAY_NAME(name) [WAY_##name] = #name,
    WAYS(WAY_NAME)
#undef WAY_NAME
};

typedef struct Plan {
    HostileTarget *targets;
    size_t n_targets;
    Site *sites;
    size_t n_sites, cap_sites;
    uint64_t seed;
    VEC(uint64_t) cases;
} Plan;

/* What the worker is at. */
typedef struct Shared {
    size_t at, world; /* in Plan.cases: the case, and the first one of its cluster */
    char text[2048];
    uint64_t sent, accepted, refused, skipped;
    bool done;
} Shared;

static Shared *shared;

/* Undefined behaviour ends the worker, like all else. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

/* Reports of code that carried on although something impossible had happened. */
bool __wrap_never_happened(const char *expr, const char *file, int line);
bool __wrap_never_happened(const char *expr, const char *file, int line)
{
    fprintf(stderr, "%s:%d: never: %s\n", file, line, expr);
    abort();
}

/* ---- one case ---- */

static uint64_t case_number(size_t site, Mutation mutation, Way way)
{
    return (site * _MUTATION_MAX + mutation) * _WAY_MAX + way;
}

static const char *method_of(Way way)
{
    return way <= WAY_POST_PROTOBUF  ? "POST"
           : way <= WAY_PUT_PROTOBUF ? "PUT"
           : way <= WAY_APPLY_NEW    ? "PATCH"
                                     : "DELETE";
}

static const char *type_of(Way way)
{
    switch (way) {
    case WAY_POST_YAML:
    case WAY_PUT_YAML:
        return "application/yaml";
    case WAY_POST_PROTOBUF:
    case WAY_PUT_PROTOBUF:
    case WAY_DELETE_PROTOBUF:
        return "application/vnd.kubernetes.protobuf";
    case WAY_PATCH_JSON:
        return "application/json-patch+json";
    case WAY_PATCH_MERGE:
        return "application/merge-patch+json";
    case WAY_PATCH_STRATEGIC:
        return "application/strategic-merge-patch+json";
    case WAY_APPLY:
    case WAY_APPLY_NEW:
        return "application/apply-patch+yaml";
    default:
        return "application/json";
    }
}

static bool applies(const HostileTarget *target, Way way)
{
    if (way <= WAY_POST_PROTOBUF)
        return target->create;
    if (way <= WAY_PUT_PROTOBUF)
        return target->update;
    if (way == WAY_APPLY_NEW)
        return target->patch && !target->subresource;
    return way <= WAY_APPLY ? target->patch : target->remove;
}

/* "/apis/apps/v1/namespaces/t/statefulsets", with "/NAME/SUBRESOURCE" where there is a name. */
static char *path_of(const HostileTarget *target, const char *name)
{
    const Kind *kind = target->host;

    return mem_printf("/%s/%s%s/%s%s%s%s%s", *kind->group ? "apis" : "api", kind->api_version,
                      kind->flags & KIND_NAMESPACED ? "/namespaces/t" : "", kind->plural,
                      name ? "/" : "", str_or(name, ""), name && target->subresource ? "/" : "",
                      name ? str_or(target->subresource, "") : "");
}

static void add_json(yyjson_mut_val *value, StrBuf *out)
{
    size_t n;
    char *text = yyjson_mut_val_write(value, 0, &n);

    ASSERT(text);
    strbuf_add(out, text, n);
    free(text);
}

/* What only strategic merge patches have: directives, and lists in which they stand. */
static void add_directives(yyjson_mut_doc *doc, yyjson_mut_val *object, const Field *field)
{
    static const char *const lists[] = {"$setElementOrder/", "$deleteFromPrimitiveList/"};
    yyjson_mut_val *value, *item;

    for (size_t i = 0; i < ARRAY_LEN(lists) && field->shape >= SHAPE_LIST; i++) {
        _free_ char *name = mem_printf("%s%s", lists[i], field->json);

        value = yyjson_mut_arr(doc);
        yyjson_mut_arr_add_null(doc, value);
        yyjson_mut_arr_add_obj(doc, value);
        yyjson_mut_obj_add(object, yyjson_mut_strcpy(doc, name), value);
    }
    item = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, item, "$patch", field->shape == SHAPE_LIST ? "replace" : "delete");
    value = item;
    if (field->shape == SHAPE_LIST) {
        value = yyjson_mut_arr(doc);
        yyjson_mut_arr_append(value, item);
        yyjson_mut_arr_add_null(doc, value);
    }
    yyjson_mut_obj_put(object, yyjson_mut_str(doc, field->json), value);
    value = yyjson_mut_arr(doc);
    yyjson_mut_arr_add_null(doc, value);
    yyjson_mut_obj_add_val(doc, object, "$retainKeys", value);
}

/* A merge patch holds the way to the field and nothing beside it, as far as no list is passed. */
static void prune(yyjson_mut_val *body, const Site *site)
{
    yyjson_mut_val *object = body;

    for (size_t i = 0; i < site->n; i++) {
        yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(object);
        yyjson_mut_val *key;

        while ((key = yyjson_mut_obj_iter_next(&iter)))
            if (!yyjson_mut_equals_str(key, site->fields[i]->json) &&
                *yyjson_mut_get_str(key) != '$')
                yyjson_mut_obj_iter_remove(&iter);
        if (site->fields[i]->shape >= SHAPE_LIST)
            return;
        object = yyjson_mut_obj_get(object, site->fields[i]->json);
    }
}

static void add_json_patch(const Site *site, Mutation mutation, yyjson_mut_val *object,
                           const StrBuf *pointer, StrBuf *out)
{
    const char *name = site->fields[site->n - 1]->json;

    strbuf_add_char(out, '[');
    for (int i = 0; i <= (mutation == MUTATION_TWICE); i++) {
        strbuf_printf(out, "%s{\"op\":\"%s\",\"path\":\"%s/%s\"", i ? "," : "",
                      mutation == MUTATION_ABSENT ? "remove" : "add", strbuf_string(pointer), name);
        if (mutation != MUTATION_ABSENT) {
            strbuf_add_string(out, ",\"value\":");
            add_json(yyjson_mut_obj_get(object, name), out);
        }
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, ']');
}

/* False: there is no such case. */
static bool add_body(const Site *site, Mutation mutation, Way way, yyjson_mut_doc *doc,
                     yyjson_mut_val *body, StrBuf *out)
{
    const Field *field = site->fields[site->n - 1];
    _strbuf_ StrBuf pointer = STRBUF_INIT;
    yyjson_mut_val *object = sample_reach(doc, body, site, &pointer);
    yyjson_doc *read;

    if (way == WAY_PATCH_STRATEGIC && mutation == MUTATION_ABSENT)
        add_directives(doc, object, field);
    else if (!mutate(doc, object, field, mutation) &&
             !(way == WAY_PATCH_JSON && mutation == MUTATION_ABSENT))
        return false;
    switch (way) {
    case WAY_PATCH_MERGE:
    case WAY_PATCH_STRATEGIC:
        prune(body, site);
        break;
    case WAY_PATCH_JSON:
        add_json_patch(site, mutation, object, &pointer, out);
        return true;
    case WAY_POST_PROTOBUF:
    case WAY_PUT_PROTOBUF:
    case WAY_DELETE_PROTOBUF:
        protobuf_write(site->target, body, out);
        return true;
    default:
        break;
    }
    add_json(body, out);
    if (mutation == MUTATION_TWICE || !str_equal(type_of(way), "application/yaml"))
        return true; /* YAML holds JSON, which can have a key twice */
    read = yyjson_read(out->p, out->n, 0);
    strbuf_truncate(out, 0);
    if (read)
        yaml_print(yyjson_doc_get_root(read), out);
    yyjson_doc_free(read);
    return true;
}

static void request(Cluster *cluster, const char *method, const char *path, const char *type,
                    const char *accept, Bytes body)
{
    _free_ char *headers = mem_printf("Content-Type: %s\r\nAccept: %s\r\n", type, accept);

    api_call_on(&cluster->api, cluster->api.admin, method, path, headers, (const char *)body.p,
                body.n);
}

static _noreturn_ void fail_case(const Cluster *cluster, const char *what)
{
    fprintf(stderr, "%s: %d %s\n", what, cluster->api.status, cluster->api.body);
    abort();
}

static void check(const Cluster *cluster)
{
    const char *wrong = check_answer(&cluster->api);

    if (wrong)
        fail_case(cluster, wrong);
}

/* The object that the request is about, with the field as it should be where that is accepted. False:
 * the sample itself is not. */
static bool create_before(Cluster *cluster, const Site *site, const char *name)
{
    const HostileTarget *own = site->target;
    HostileTarget host = {.host = own->host, .kind = own->host, .type = own->host->type};
    _free_ char *path = path_of(&host, NULL);

    for (int plain = !(own->kind == own->host); plain < 2; plain++) {
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *body = sample_body(doc, &host, name);
        _strbuf_ StrBuf pointer = STRBUF_INIT, text = STRBUF_INIT;

        if (!plain)
            sample_reach(doc, body, site, &pointer);
        if (str_equal(own->subresource, "binding")) /* else the scheduler binds it first */
            yyjson_mut_obj_put(yyjson_mut_obj_get(body, "spec"),
                               yyjson_mut_str(doc, "schedulerName"), yyjson_mut_str(doc, "nobody"));
        add_json(body, &text);
        yyjson_mut_doc_free(doc);
        request(cluster, "POST", path, "application/json", "application/json", strbuf_bytes(&text));
        check(cluster);
        if (cluster->api.status < 300)
            return true;
    }
    return false;
}

static void read_back(Cluster *cluster, const HostileTarget *target, const char *name,
                      uint64_t number)
{
    static const char *const forms[] = {
        "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "application/json"};
    HostileTarget host = {.host = target->host};
    _free_ char *item = path_of(&host, name), *list = path_of(&host, NULL);

    request(cluster, "GET", item, "application/json", forms[number % ARRAY_LEN(forms)], BYTES_NULL);
    if (cluster->api.status != 200 && cluster->api.status != 404)
        fail_case(cluster, "what was accepted cannot be read");
    if (strstr(cluster->api.body, "(null)"))
        fail_case(cluster, "\"(null)\" in what is read");
    request(cluster, "GET", list, "application/json", forms[0], BYTES_NULL);
    if (cluster->api.status != 200)
        fail_case(cluster, "what was accepted cannot be listed");
    check(cluster);
}

/* Somebody who has no rights of their own: all roles and bindings are looked through. */
static void ask_as_nobody(Cluster *cluster)
{
    HttpLoopback *eve = api_connect(&cluster->api, "eve");

    api_call_on(&cluster->api, eve, "GET", "/api/v1/namespaces/t/pods", NULL, NULL, 0);
    check(cluster);
    http_loopback_free(eve);
}

static void use(Cluster *cluster, const HostileTarget *target, const char *name, uint64_t number)
{
    _free_ char *given = api_json(&cluster->api, "/metadata/name");

    if (target->host->flags & KIND_NOT_STORED)
        return;
    if (given && !target->subresource && strlen(given) > 2 && given[0] == '"') {
        given[strlen(given) - 1] = 0;
        name = given + 1;
    }
    cluster_run(cluster);
    read_back(cluster, target, name, number);
    if (str_equal(target->host->group, "rbac.authorization.k8s.io"))
        ask_as_nobody(cluster);
}

static void describe(const Plan *plan, uint64_t number)
{
    const Site *site = &plan->sites[number / _WAY_MAX / _MUTATION_MAX];
    _strbuf_ StrBuf way = STRBUF_INIT;
    char room[128];

    site_print(site, &way);
    snprintf(shared->text, sizeof(shared->text), "case %" PRIu64 ": %s %s, %s, %s", number,
             target_name(site->target, room), strbuf_string(&way),
             mutation_names[number / _WAY_MAX % _MUTATION_MAX], way_names[number % _WAY_MAX]);
}

static void run_case(Cluster *cluster, const Plan *plan, uint64_t number)
{
    const Site *site = &plan->sites[number / _WAY_MAX / _MUTATION_MAX];
    const HostileTarget *target = site->target;
    Mutation mutation = (Mutation)(number / _WAY_MAX % _MUTATION_MAX);
    Way way = (Way)(number % _WAY_MAX);
    bool fresh = (way <= WAY_POST_PROTOBUF && !target->subresource) || way == WAY_APPLY_NEW;
    _free_ char *name = sample_name(target, 'h', number);
    _free_ char *path = path_of(target, way <= WAY_POST_PROTOBUF && fresh ? NULL : name);
    _free_ char *url = mem_printf(
        "%s%s", path, way == WAY_APPLY || way == WAY_APPLY_NEW ? "?fieldManager=h&force=true" : "");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *body = sample_body(doc, target, name);
    _strbuf_ StrBuf text = STRBUF_INIT;

    yyjson_mut_doc_set_root(doc, body);
    if (!add_body(site, mutation, way, doc, body, &text)) {
        shared->skipped++;
    } else if (fresh || create_before(cluster, site, name)) {
        request(cluster, method_of(way), url, type_of(way), "application/json",
                strbuf_bytes(&text));
        check(cluster);
        shared->sent++;
        *(cluster->api.status < 300 ? &shared->accepted : &shared->refused) += 1;
        if (cluster->api.status < 300)
            use(cluster, target, name, number);
    }
    yyjson_mut_doc_free(doc);
}

/* ---- workers ---- */

static void watchdog(int seconds)
{
    struct itimerval limit = {.it_value = {.tv_sec = seconds}};

    setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

static _noreturn_ void work(const Plan *plan, size_t from)
{
    for (size_t i = from; i < plan->cases.n;) {
        Cluster cluster;

        shared->world = shared->at = i;
        describe(plan, plan->cases.v[i]);
        watchdog(CASE_SECONDS);
        cluster_start(&cluster);
        for (size_t end = MIN_OF(plan->cases.n, i + WORLD_CASES); i < end; i++) {
            watchdog(CASE_SECONDS);
            shared->at = i;
            describe(plan, plan->cases.v[i]);
            run_case(&cluster, plan, plan->cases.v[i]);
        }
        watchdog(CASE_SECONDS);
        cluster_stop(&cluster);
        if (__lsan_do_recoverable_leak_check()) {
            fprintf(stderr, "memory leaks\n");
            abort();
        }
    }
    shared->done = true;
    exit(0);
}

/* Returns the number of cases that failed. */
static size_t run(const Plan *plan)
{
    size_t failures = 0, from = 0;

    while (!shared->done && failures < FAILURES_MAX) {
        pid_t child = fork();
        int status = 0;

        if (child == 0)
            work(plan, from);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        if (shared->done && status == 0)
            break;
        failures++;
        printf("FAILED: %s%s\n", shared->text,
               WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM ? " (takes too long)" : "");
        printf("        its cluster began at case %" PRIu64 "\n", plan->cases.v[shared->world]);
        fflush(stdout);
        from = shared->at + 1;
    }
    return failures;
}

/* ---- plans ---- */

/* Bodies of a kind's own type are sent to subresources, too: only what those change is of interest. */
static bool worth_while(const Site *site)
{
    static const struct {
        const char *subresource, *first, *second;
    } parts[] = {{"status", "status", NULL},
                 {"ephemeralcontainers", "spec", "ephemeralContainers"},
                 {"resize", "spec", NULL}};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_equal(site->target->subresource, parts[i].subresource))
            return str_equal(site->fields[0]->json, parts[i].first) &&
                   (!parts[i].second || site->n < 2 ||
                    str_equal(site->fields[1]->json, parts[i].second));
    return true;
}

static Way random_way(Random *random, const HostileTarget *target)
{
    Way way;

    do
        way = (Way)random_below(random, _WAY_MAX);
    while (!applies(target, way));
    return way;
}

static int compare_cases(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

typedef struct Choice {
    uint64_t seen;
    size_t site[_MUTATION_MAX];
} Choice;

/* Of all places where a field of a type is found, one for each mutation; and of those as many as there
 * is time for. */
static void plan_sample(Plan *plan, uint64_t percent)
{
    StrMap choices = {0};
    Random random;

    random_seed(&random, plan->seed);
    for (size_t i = 0; i < plan->n_sites; i++) {
        const Site *site = &plan->sites[i];
        _free_ char *key = mem_printf("%p %p %s", (const void *)site->types[site->n - 1],
                                      (const void *)site->fields[site->n - 1],
                                      str_or(site->target->subresource, ""));
        Choice *choice = strmap_get(&choices, key);

        if (!worth_while(site))
            continue;
        if (!choice) {
            choice = mem_new_type(Choice);
            strmap_put(&choices, key, choice);
        }
        choice->seen++;
        for (int m = 0; m < _MUTATION_MAX; m++)
            if (random_below(&random, choice->seen) == 0)
                choice->site[m] = i;
    }
    STRMAP_EACH(&choices, slot) {
        Choice *choice = slot->value;

        for (int m = 0; m < _MUTATION_MAX; m++)
            if (random_below(&random, 100) < percent)
                VEC_PUSH(&plan->cases,
                         case_number(choice->site[m], (Mutation)m,
                                     random_way(&random, plan->sites[choice->site[m]].target)));
        free(choice);
    }
    strmap_deinit(&choices);
    qsort(plan->cases.v, plan->cases.n, sizeof(uint64_t), compare_cases);
}

/* Part `part` of `parts`. */
static void plan_complete(Plan *plan, uint64_t part, uint64_t parts)
{
    for (size_t i = part; i < plan->n_sites; i += parts)
        for (int m = 0; m < _MUTATION_MAX && worth_while(&plan->sites[i]); m++)
            for (int w = 0; w < _WAY_MAX; w++)
                if (applies(plan->sites[i].target, (Way)w))
                    VEC_PUSH(&plan->cases, case_number(i, (Mutation)m, (Way)w));
}

/* Samples that the API refuses would make all their cases worthless. */
static size_t check_samples(const Plan *plan)
{
    Cluster cluster;
    size_t refused = 0;

    cluster_start(&cluster);
    for (size_t i = 0; i < plan->n_targets; i++) {
        const HostileTarget *target = &plan->targets[i];
        Site site = {.target = target};
        _free_ char *name = sample_name(target, 's', i),
                    *path = path_of(target, target->subresource ? name : NULL);
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        _strbuf_ StrBuf text = STRBUF_INIT;
        char room[128];

        add_json(sample_body(doc, target, name), &text);
        yyjson_mut_doc_free(doc);
        if (target->remove ||
            (target->subresource && (!target->create || !create_before(&cluster, &site, name))))
            continue;
        request(&cluster, "POST", path, "application/json", "application/json",
                strbuf_bytes(&text));
        /* Others are no fault of the sample: a Binding by itself is about a pod that is not there,
         * and the scheduler may have been faster than one for a pod. */
        if (cluster.api.status == 400 || cluster.api.status == 422) {
            refused++;
            printf(
                "FAILED: the sample of %s is refused, so hints in sample.c are missing: %s\n  %s\n",
                target_name(target, room), cluster.api.body, strbuf_string(&text));
        }
    }
    cluster_stop(&cluster);
    return refused;
}

int main(int argc, char **argv)
{
    Plan plan = {.seed = (uint64_t)time(NULL)};
    uint64_t part = 0, parts = 0, percent = SAMPLE_PERCENT;
    size_t failures;

    plan.n_targets = targets_all(&plan.targets);
    for (size_t i = 0; i < plan.n_targets; i++)
        plan.n_sites = sites_of(&plan.targets[i], &plan.sites, &plan.cap_sites, plan.n_sites);
    for (int i = 1; i < argc; i++) {
        if (str_equal(argv[i], "--seed") && i + 1 < argc) {
            plan.seed = strtoull(argv[++i], NULL, 10);
        } else if (str_equal(argv[i], "--percent") && i + 1 < argc) {
            percent = strtoull(argv[++i], NULL, 10);
        } else if (str_equal(argv[i], "--complete") && i + 1 < argc) {
            char *slash;

            part = strtoull(argv[++i], &slash, 10);
            parts = *slash == '/' ? strtoull(slash + 1, NULL, 10) : 0;
            if (parts == 0)
                return fprintf(stderr, "--complete takes PART/PARTS, such as 0/1\n"), 2;
        } else if (str_equal(argv[i], "--case") && i + 1 < argc) {
            VEC_PUSH(&plan.cases, strtoull(argv[++i], NULL, 10));
        } else {
            return fprintf(stderr, "usage: hostile [--seed N] [--percent N] [--complete "
                                   "PART/PARTS] [--case N]...\n"),
                   2;
        }
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(shared != MAP_FAILED);
    if (parts)
        plan_complete(&plan, part, parts);
    else if (!plan.cases.n)
        plan_sample(&plan, percent);
    printf("%zu targets, %zu fields; seed %" PRIu64 ", %zu cases\n", plan.n_targets, plan.n_sites,
           plan.seed, plan.cases.n);
    fflush(stdout);
    failures = check_samples(&plan);
    fflush(stdout);
    if (failures == 0)
        failures = run(&plan);
    printf("%" PRIu64 " sent: %" PRIu64 " accepted, %" PRIu64 " refused; %" PRIu64
           " do not apply; %zu failures\n",
           shared->sent, shared->accepted, shared->refused, shared->skipped, failures);
    VEC_DEINIT(&plan.cases);
    free(plan.sites);
    free(plan.targets);
    return failures > 0;
}
