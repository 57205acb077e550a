/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery: the documents that list the groups, versions and kinds. */
#ifndef SERVER_DOCS_DISCOVERY_H
#define SERVER_DOCS_DISCOVERY_H

#include "server/request/call.h"

void discovery_versions(Call *call);
void discovery_groups(Call *call);
void discovery_group(Call *call, const char *group);
void discovery_resources(Call *call, const char *group, const char *version);
bool discovery_has_group(const Server *server, const char *group);
bool discovery_has_version(const char *group, const char *version);

#endif
