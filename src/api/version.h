/* SPDX-License-Identifier: Apache-2.0 */
/* The version of Kubernetes that stead implements, in one place, so that server, node and commands
 * agree. */
#ifndef API_VERSION_H
#define API_VERSION_H

#define API_MINOR "36"
#define API_VERSION "v1." API_MINOR ".3" /* whose answers are ours */
#define API_GIT_VERSION API_VERSION "+stead" STEAD_VERSION

#endif
