/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of StorageClasses. Lengths are checked before anything is compared pairwise. */
#include "api/object.h"
#include "api/print.h"
#include "api/rules/rules.h"
#include "api/rules/storage/parameters.h"
#include "api/schema/storage_v1.h"

#define TERMS_MAX 1000 /* the schema's max= of allowedTopologies */

static void check_topology_term(const TopologySelectorTerm *term, const Path *path, Causes *causes)
{
    const TopologySelectorLabelRequirementArray *list = &term->match_label_expressions;

    for (size_t i = 0; i < list->n && i < TERMS_MAX; i++) {
        const Path *at = PATH_INDEX(PATH(path, "matchLabelExpressions"), i);
        const StringArray *values = &list->v[i].values;
        Faults faults = check_qualified_name(list->v[i].key);

        for (size_t k = 0; k < values->n && k < TERMS_MAX; k++)
            if (rules_among(values, k, values->v[k]))
                causes_add(causes, CAUSE_DUPLICATE,
                           path_text(PATH_INDEX(PATH(at, "values"), k), causes),
                           rules_quoted(values->v[k], causes), NULL);
        if (faults.n)
            faults_add(faults, path_text(PATH(at, "key"), causes), list->v[i].key, causes);
        for (size_t k = 0; k < i; k++)
            if (str_equal(list->v[k].key, list->v[i].key)) {
                causes_add(causes, CAUSE_DUPLICATE, path_text(PATH(at, "key"), causes),
                           rules_quoted(list->v[i].key, causes), NULL);
                break;
            }
    }
}

static void check_topologies(const TopologySelectorTermArray *terms, Causes *causes)
{
    for (size_t i = 0; i < terms->n && i < TERMS_MAX; i++) {
        const Path *path = PATH_INDEX(PATH(NULL, "allowedTopologies"), i);

        check_topology_term(&terms->v[i], path, causes);
        for (size_t k = 0; k < i; k++)
            if (type_equal(&type_TopologySelectorTerm, &terms->v[k], &terms->v[i])) {
                causes_add(causes, CAUSE_DUPLICATE,
                           path_text(PATH(path, "matchLabelExpressions"), causes), "\"\"", NULL);
                break;
            }
    }
}

static void storage_class_validate(const void *value, const void *before _unused_, Causes *causes)
{
    const StorageClass *class = value;

    rules_driver_name(class->provisioner, "provisioner", causes);
    rules_parameters(&class->parameters, causes);
    check_topologies(&class->allowed_topologies, causes);
}

static bool is_default_class(const ObjectMeta *meta)
{
    static const char *const annotations[] = {
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    };

    for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
        if (str_equal(string_map_get(&meta->annotations, annotations[i]), "true"))
            return true;
    return false;
}

static void storage_class_print(const void *value, int64_t now_ns, StrBuf *out)
{
    const StorageClass *class = value;

    cell_printf(out, "%s%s", str_or(class->metadata.name, ""),
                is_default_class(&class->metadata) ? " (default)" : "");
    cell_string(out, class->provisioner);
    cell_string(out, str_or(class->reclaim_policy, "Delete"));
    cell_string(out, str_or(class->volume_binding_mode, "Immediate"));
    cell_bool(out, class->allow_volume_expansion && *class->allow_volume_expansion);
    cell_age(out, class->metadata.creation_timestamp, now_ns);
}

const KindRules rules_storage_class = {
    .validate = storage_class_validate,
    .print = storage_class_print,
};
