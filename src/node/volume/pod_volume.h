/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume of a pod as it was planned: plain data that says what to make and where. It is apart from volume.h, since
 * variables may come from files in volumes and volumes hold texts of the environment.
 */
#ifndef NODE_VOLUME_POD_VOLUME_H
#define NODE_VOLUME_POD_VOLUME_H

#include "codec/type.h"

typedef enum VolumeForm {
    VOLUME_FOLDER, /* made empty with the pod, goes with it */
    VOLUME_MEMORY, /* the same on a tmpfs */
    VOLUME_HOST,   /* a path of the machine */
    VOLUME_FILES,
    VOLUME_CLAIM, /* a PersistentVolume's data */
    VOLUME_IMAGE,
} VolumeForm;

typedef struct VolumeFile {
    const char *path; /* in the volume */
    Bytes data;
    uint32_t mode;
    uint32_t user; /* whose it is */
} VolumeFile;

typedef struct PodVolume {
    const char *name;
    VolumeForm form;
    const char *path;      /* where it lies; for CLAIM set by volume_setup where disk is set */
    const char *host_type; /* of HOST: "", "Directory", "FileOrCreate"... */
    const char *disk;      /* of CLAIM: the volume's name in disk.h; NULL: path is given */
    int64_t size;          /* limit, 0: none */
    bool read_only;
    VolumeFile *files;
    size_t n_files, cap_files;
    int64_t refresh_ns; /* tokens: wall time at which it wants to be planned anew; 0: never */
    bool owned;         /* fsGroup is applied */
    bool kept;          /* of FILES: what it is to hold is not there; what it holds stays */
    StringArray layers; /* of IMAGE */
    int outcome;        /* of CLAIM, set by volume_setup: see disk.h */
} PodVolume;

#endif
