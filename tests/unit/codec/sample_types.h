/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small kind with one field of every sort, written out by hand, so that codecs are tested without
 * the schema. Shapes, merge keys and list kinds are those of Kubernetes' workloads.
 */
#ifndef TESTS_SAMPLE_TYPES_H
#define TESTS_SAMPLE_TYPES_H

#include "codec/type.h"

typedef struct SamplePort {
    const char *name;
    int32_t port;
    const char *protocol;
    IntOrString target;
} SamplePort;

typedef struct SamplePortArray {
    SamplePort *v;
    size_t n;
} SamplePortArray;

typedef struct SampleEnv {
    const char *name;
    const char *value;
} SampleEnv;

typedef struct SampleEnvArray {
    SampleEnv *v;
    size_t n;
} SampleEnvArray;

typedef struct SampleContainer {
    const char *name;
    const char *image;
    StringArray args;
    SamplePortArray ports;
    SampleEnvArray env;
    StringMap limits;
} SampleContainer;

typedef struct SampleContainerArray {
    SampleContainer *v;
    size_t n;
} SampleContainerArray;

typedef struct SampleDirectory {
    const char *medium;
    const char *size; /* quantity */
} SampleDirectory;

typedef struct SampleSource {
    SampleDirectory *empty_dir;
    SampleDirectory *host_path;
} SampleSource;

typedef struct SampleVolume {
    const char *name;
    SampleSource source;
} SampleVolume;

typedef struct SampleVolumeArray {
    SampleVolume *v;
    size_t n;
} SampleVolumeArray;

typedef struct SampleMeta {
    const char *name;
    StringMap labels;
    StringMap annotations;
    Time created;
    Time deleted;
    StringArray finalizers;
} SampleMeta;

typedef struct SampleExtra {
    StringArray items;
} SampleExtra;

typedef struct SampleExtraEntry {
    const char *key;
    SampleExtra value;
} SampleExtraEntry;

typedef struct SampleExtraMap {
    SampleExtraEntry *v;
    size_t n;
} SampleExtraMap;

typedef struct SampleSpec {
    int32_t *replicas;
    int64_t *seconds;
    bool paused;
    double *ratio;
    const char *policy;
    const char *class_name;
    StringMap selector;
    StringMap node_selector;
    SampleContainerArray containers;
    SampleVolumeArray volumes;
    Int32Array numbers;
    IntOrString *surge;
    const char *size; /* quantity */
    Time renewed;
    SampleExtraMap extra;
} SampleSpec;

typedef struct Sample {
    SampleMeta metadata;
    SampleSpec spec;
    BytesMap data;
    Bytes raw;
} Sample;

extern const Type sample_type, sample_spec_type, sample_meta_type, sample_container_type;

#endif
