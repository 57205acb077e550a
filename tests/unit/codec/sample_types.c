/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of sample_types.h; names are sorted on first use, by a constructor. */
#include "sample_types.h"

#include "codec/json/json.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FIELD(T, member, name, num, val, shp, ...)                                    \
    {                                                                                 \
        .json = name, .json_length = sizeof(name) - 1, .offset = offsetof(T, member), \
        .number = num, .value = val, .shape = shp, __VA_ARGS__                        \
    }
#define TYPE(n, T, table, ...)                                                                \
    {                                                                                         \
        .name = #T, .openapi = "io.k8s.api.sample.v1." n, .fields = table, .size = sizeof(T), \
        .n_fields = ARRAY_LEN(table), __VA_ARGS__                                             \
    }

/* clang-format off */
static const Field port_fields[] = {
    FIELD(SamplePort, name, "name", 1, VALUE_STRING, SHAPE_ONE),
    FIELD(SamplePort, port, "port", 2, VALUE_INT32, SHAPE_ONE, .flags = FIELD_EMIT_ALWAYS),
    FIELD(SamplePort, protocol, "protocol", 3, VALUE_STRING, SHAPE_ONE, .default_json = "\"TCP\""),
    FIELD(SamplePort, target, "target", 4, VALUE_INT_OR_STRING, SHAPE_ONE),
};
static TypeName port_names[8];
static const Type port_type = TYPE("Port", SamplePort, port_fields, .names = port_names, .n_names = 4, .has_defaults = true);

static const Field env_fields[] = {
    FIELD(SampleEnv, name, "name", 1, VALUE_STRING, SHAPE_ONE, .flags = FIELD_EMIT_ALWAYS),
    FIELD(SampleEnv, value, "value", 2, VALUE_STRING, SHAPE_ONE),
};
static TypeName env_names[2];
static const Type env_type = TYPE("Env", SampleEnv, env_fields, .names = env_names, .n_names = 2);

static const Field container_fields[] = {
    FIELD(SampleContainer, name, "name", 1, VALUE_STRING, SHAPE_ONE, .flags = FIELD_EMIT_ALWAYS),
    FIELD(SampleContainer, image, "image", 2, VALUE_STRING, SHAPE_ONE),
    FIELD(SampleContainer, args, "args", 3, VALUE_STRING, SHAPE_LIST),
    FIELD(SampleContainer, ports, "ports", 4, VALUE_STRUCT, SHAPE_LIST, .type = &port_type, .list_kind = LIST_MAP,
          .keys = KEYS("port", "protocol"), .flags = FIELD_PATCH_MERGE, .patch_key = "port"),
    FIELD(SampleContainer, env, "env", 5, VALUE_STRUCT, SHAPE_LIST, .type = &env_type, .list_kind = LIST_MAP,
          .keys = KEYS("name"), .flags = FIELD_PATCH_MERGE, .patch_key = "name"),
    FIELD(SampleContainer, limits, "limits", 6, VALUE_QUANTITY, SHAPE_MAP),
};
static TypeName container_names[6];
const Type sample_container_type = TYPE("Container", SampleContainer, container_fields, .names = container_names,
                                        .n_names = 6, .has_defaults = true);

static const Field directory_fields[] = {
    FIELD(SampleDirectory, medium, "medium", 1, VALUE_STRING, SHAPE_ONE),
    FIELD(SampleDirectory, size, "size", 2, VALUE_QUANTITY, SHAPE_OPTIONAL),
};
static TypeName directory_names[2];
static const Type directory_type = TYPE("Directory", SampleDirectory, directory_fields, .names = directory_names, .n_names = 2);

static const Field source_fields[] = {
    FIELD(SampleSource, empty_dir, "emptyDir", 1, VALUE_STRUCT, SHAPE_OPTIONAL, .type = &directory_type,
          .flags = FIELD_UNION_MEMBER),
    FIELD(SampleSource, host_path, "hostPath", 2, VALUE_STRUCT, SHAPE_OPTIONAL, .type = &directory_type,
          .flags = FIELD_UNION_MEMBER),
};
static TypeName source_names[2];
static const Type source_type = TYPE("VolumeSource", SampleSource, source_fields, .names = source_names, .n_names = 2,
                                     .is_union = true);

static const Field volume_fields[] = {
    FIELD(SampleVolume, name, "name", 1, VALUE_STRING, SHAPE_ONE, .flags = FIELD_EMIT_ALWAYS),
    FIELD(SampleVolume, source, "VolumeSource", 2, VALUE_STRUCT, SHAPE_ONE, .type = &source_type,
          .flags = FIELD_INLINE),
};
static TypeName volume_names[3];
static const Type volume_type = TYPE("Volume", SampleVolume, volume_fields, .names = volume_names, .n_names = 3);

static const Field meta_fields[] = {
    FIELD(SampleMeta, name, "name", 1, VALUE_STRING, SHAPE_ONE),
    FIELD(SampleMeta, created, "creationTimestamp", 8, VALUE_TIME, SHAPE_ONE),
    FIELD(SampleMeta, deleted, "deletionTimestamp", 9, VALUE_TIME, SHAPE_OPTIONAL),
    FIELD(SampleMeta, labels, "labels", 11, VALUE_STRING, SHAPE_MAP),
    FIELD(SampleMeta, annotations, "annotations", 12, VALUE_STRING, SHAPE_MAP),
    FIELD(SampleMeta, finalizers, "finalizers", 14, VALUE_STRING, SHAPE_LIST, .list_kind = LIST_SET,
          .flags = FIELD_PATCH_MERGE),
};
static TypeName meta_names[6];
const Type sample_meta_type = TYPE("ObjectMeta", SampleMeta, meta_fields, .names = meta_names, .n_names = 6);

static const Field extra_fields[] = {
    FIELD(SampleExtra, items, "items", 1, VALUE_STRING, SHAPE_LIST, .flags = FIELD_INLINE),
};
static const Type extra_type = TYPE("ExtraValue", SampleExtra, extra_fields);

static const Field spec_fields[] = {
    FIELD(SampleSpec, replicas, "replicas", 1, VALUE_INT32, SHAPE_OPTIONAL, .default_json = "1"),
    FIELD(SampleSpec, seconds, "seconds", 2, VALUE_INT64, SHAPE_OPTIONAL),
    FIELD(SampleSpec, paused, "paused", 3, VALUE_BOOL, SHAPE_ONE),
    FIELD(SampleSpec, ratio, "ratio", 4, VALUE_DOUBLE, SHAPE_OPTIONAL),
    FIELD(SampleSpec, policy, "policy", 5, VALUE_STRING, SHAPE_ONE, .default_json = "\"OrderedReady\""),
    FIELD(SampleSpec, class_name, "className", 6, VALUE_STRING, SHAPE_OPTIONAL),
    FIELD(SampleSpec, selector, "selector", 7, VALUE_STRING, SHAPE_MAP),
    FIELD(SampleSpec, node_selector, "nodeSelector", 8, VALUE_STRING, SHAPE_MAP, .flags = FIELD_ATOMIC_STRUCT),
    FIELD(SampleSpec, containers, "containers", 9, VALUE_STRUCT, SHAPE_LIST, .type = &sample_container_type,
          .list_kind = LIST_MAP, .keys = KEYS("name"), .flags = FIELD_PATCH_MERGE | FIELD_EMIT_ALWAYS, .patch_key = "name"),
    FIELD(SampleSpec, volumes, "volumes", 10, VALUE_STRUCT, SHAPE_LIST, .type = &volume_type, .list_kind = LIST_MAP,
          .keys = KEYS("name"), .flags = FIELD_PATCH_MERGE | FIELD_PATCH_RETAIN_KEYS, .patch_key = "name"),
    FIELD(SampleSpec, numbers, "numbers", 11, VALUE_INT32, SHAPE_LIST),
    FIELD(SampleSpec, surge, "surge", 12, VALUE_INT_OR_STRING, SHAPE_OPTIONAL, .default_json = "\"25%\""),
    FIELD(SampleSpec, size, "size", 13, VALUE_QUANTITY, SHAPE_OPTIONAL),
    FIELD(SampleSpec, renewed, "renewed", 14, VALUE_MICRO_TIME, SHAPE_OPTIONAL),
    FIELD(SampleSpec, extra, "extra", 15, VALUE_STRUCT, SHAPE_MAP, .type = &extra_type),
};
static TypeName spec_names[16];
const Type sample_spec_type = TYPE("SampleSpec", SampleSpec, spec_fields, .names = spec_names, .n_names = 15,
                                   .has_defaults = true);

static const Field sample_fields[] = {
    FIELD(Sample, metadata, "metadata", 1, VALUE_STRUCT, SHAPE_ONE, .type = &sample_meta_type),
    FIELD(Sample, spec, "spec", 2, VALUE_STRUCT, SHAPE_ONE, .type = &sample_spec_type),
    FIELD(Sample, data, "data", 3, VALUE_BYTES, SHAPE_MAP),
    FIELD(Sample, raw, "raw", 4, VALUE_RAW, SHAPE_OPTIONAL),
};
static TypeName sample_names[4];
const Type sample_type = TYPE("Sample", Sample, sample_fields, .names = sample_names, .n_names = 4, .has_defaults = true);
/* clang-format on */

static size_t collect(const Type *type, TypeName *names, size_t n, uint32_t offset, uint8_t depth)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const Field *field = &type->fields[i];

        if (field->flags & FIELD_INLINE)
            n = collect(field->type, names, n, offset + field->offset, (uint8_t)(depth + 1));
        else
            names[n++] = (TypeName){.json = field->json,
                                    .length = field->json_length,
                                    .depth = depth,
                                    .offset = offset + field->offset,
                                    .field = field};
    }
    return n;
}

static int compare_names(const void *a, const void *b)
{
    const TypeName *x = a, *y = b;

    return x->length != y->length ? x->length - y->length : strcmp(x->json, y->json);
}

__attribute__((constructor)) static void sort_names(void)
{
    static const Type *const types[] = {
        &sample_type,           &sample_spec_type, &sample_meta_type,
        &sample_container_type, &port_type,        &directory_type,
        &source_type,           &volume_type,      &env_type,
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        TypeName *names = (TypeName *)(uintptr_t)types[i]->names;
        size_t n = collect(types[i], names, 0, 0, 0);

        ASSERT(n == types[i]->n_names);
        qsort(names, n, sizeof(*names), compare_names);
    }
}
