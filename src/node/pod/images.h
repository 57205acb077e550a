/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sees to it that a pod may use an image: finds it on the machine or pulls it, as the pull policy says. The rules and the
 * texts are those of kubelet's image manager (pkg/kubelet/images in Kubernetes 1.36).
 *
 * The policy Always asks the registry each time, and downloads nothing if the image is still the same. Two kinds of images
 * have no registry to be asked: one that was imported, made or built on this machine under a name of "localhost" or
 * of Docker Hub, where "app" means docker.io/library/app, is this machine's own and used as it is; and one
 * that came with the program is used if no registry has it.
 */
#ifndef NODE_POD_IMAGES_H
#define NODE_POD_IMAGES_H

#include "api/waiting_reason.h"
#include "node/pod/agent.h"

typedef struct ImageWant ImageWant;

/* reason: WAITING_NONE if the image may be used, else why not, with a message. */
typedef void (*ImageReady)(void *data, WaitingReason reason, const char *message);

/* container: for whose Events it is; SIZE_MAX: the pod's. policy: "Always", "IfNotPresent" or
 * "Never". Calls `ready` at once and returns NULL if there is nothing to wait for. */
ImageWant *pod_image_want(AgentPod *pod, size_t container, const char *name, const char *policy,
                          ImageReady ready, void *data);
/* `ready` will not be called. */
ImageWant *pod_image_forget(ImageWant *want);

#endif
