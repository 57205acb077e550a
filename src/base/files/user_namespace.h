/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FILES_USER_NAMESPACE_H
#define BASE_FILES_USER_NAMESPACE_H

#include "base/base.h"

/* Whether the ids of this process are mapped, so that its root is not root of the machine. */
bool in_user_namespace(void);
/* The extended attribute by which overlayfs knows an opaque folder. In a user namespace, overlayfs is mounted with the option
 * userxattr, and has its attributes in "user.", since nobody but root of the machine may set "trusted." ones. */
const char *overlay_opaque_name(void);

#endif
