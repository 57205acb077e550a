/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AppArmor profiles of containers. The kernel applies a profile that has been loaded before; crun names it when it starts the container.
 * stead loads one profile of its own, which is RuntimeDefault. Profiles of type Localhost are loaded by the administrator.
 */
#ifndef NODE_RUNTIME_APPARMOR_H
#define NODE_RUNTIME_APPARMOR_H

#include "base/error.h"

#define APPARMOR_DEFAULT "stead-default"

/* Whether this process can give profiles to containers. If not, *ret_why (which may be NULL) says why. */
bool apparmor_usable(const char **ret_why);
/* Makes sure that the kernel has this version of the profile APPARMOR_DEFAULT. May block. */
int apparmor_load_default(Err *reterr);
/* Returns 0 if the kernel has a profile of this name. May block. */
int apparmor_find(const char *name, Err *reterr);

#endif
