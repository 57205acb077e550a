/* SPDX-License-Identifier: Apache-2.0 */
/* A volume of a pod as it has been planned: plain data that say what to make and where. This is
 * separate from volume.h, because the environment reads files in volumes, and volumes hold texts
 * from the environment. */
#ifndef NODE_VOLUME_POD_VOLUME_H
#define NODE_VOLUME_POD_VOLUME_H

#include "codec/type.h"

typedef enum VolumeForm {
    VOLUME_FOLDER, /* a folder that lives as long as the pod */
    VOLUME_MEMORY, /* the same on a tmpfs */
    VOLUME_HOST,   /* a path on the machine */
    VOLUME_FILES,
    VOLUME_CLAIM, /* the data of a PersistentVolume */
    VOLUME_IMAGE,
} VolumeForm;

typedef struct VolumeFile {
    const char *path; /* in the volume */
    Bytes data;
    uint32_t mode;
    uint32_t user; /* owner of the file */
} VolumeFile;

typedef struct PodVolume {
    const char *name;
    VolumeForm form;
    const char *path;      /* for CLAIM with `disk`, volume_setup sets it */
    const char *host_type; /* of HOST: "", "Directory", "FileOrCreate"... */
    const char *disk;      /* of CLAIM: the name of the volume in disk.h; NULL if `path` is given */
    int64_t size;          /* limit, 0: none */
    bool reserved;         /* of CLAIM with `disk`: all its room is taken at once */
    bool read_only;
    VolumeFile *files;
    size_t n_files, cap_files;
    /* wall time at which it has to be planned again because a token expires; 0: never */
    int64_t refresh_ns;
    bool owned;         /* fsGroup is applied */
    bool kept;          /* of FILES: its objects are missing, so it keeps what it has */
    StringArray layers; /* of IMAGE */
    int outcome;        /* of CLAIM, set by volume_setup: see disk.h */
} PodVolume;

#endif
