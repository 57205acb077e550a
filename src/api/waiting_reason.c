/* SPDX-License-Identifier: Apache-2.0 */
#include "api/waiting_reason.h"

#include "base/base.h"

static const char *const texts[] = {
    [WAITING_NONE] = NULL,
    [WAITING_CONTAINER_CREATING] = "ContainerCreating",
    [WAITING_POD_INITIALIZING] = "PodInitializing",
    [WAITING_CRASH_LOOP_BACK_OFF] = "CrashLoopBackOff",
    [WAITING_RUN_CONTAINER_ERROR] = "RunContainerError",
    [WAITING_CREATE_ERROR] = "CreateContainerError",
    [WAITING_CONFIG_ERROR] = "CreateContainerConfigError",
    [WAITING_INVALID_IMAGE_NAME] = "InvalidImageName",
    [WAITING_IMAGE_INSPECT_ERROR] = "ImageInspectError",
    [WAITING_ERR_IMAGE_PULL] = "ErrImagePull",
    [WAITING_REGISTRY_UNAVAILABLE] = "RegistryUnavailable",
    [WAITING_IMAGE_PULL_BACK_OFF] = "ImagePullBackOff",
    [WAITING_ERR_IMAGE_NEVER_PULL] = "ErrImageNeverPull",
};
static_assert(ARRAY_LEN(texts) == WAITING_OTHER, "a text for each reason");

const char *waiting_reason_text(WaitingReason reason)
{
    ASSERT(reason < WAITING_OTHER);
    return texts[reason];
}

WaitingReason waiting_reason_parse(const char *text)
{
    if (str_empty(text))
        return WAITING_NONE;
    for (WaitingReason i = WAITING_NONE + 1; i < WAITING_OTHER; i++)
        if (str_equal(texts[i], text))
            return i;
    return WAITING_OTHER;
}
