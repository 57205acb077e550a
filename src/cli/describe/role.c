/* SPDX-License-Identifier: Apache-2.0 */
/* Describes roles and bindings. */
#include "cli/describe/line.h"

/* All verbs that the rules of a role have for one resource and one resource name. */
typedef struct Rule {
    const char *group, *resource, *name, *url;
    const char *verbs; /* "get list" */
} Rule;

typedef VEC(Rule) Rules;

static void add_verb(Arena *arena, Rules *rules, Rule rule)
{
    for (size_t i = 0; i < rules->n; i++) {
        Rule *old = &rules->v[i];

        /* Only rules for a single resource are merged. */
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

/* Sorts rules by the text that kubectl sorts by, which begins with the verbs. */
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
