/* SPDX-License-Identifier: Apache-2.0 */
/* What the creator of a CertificateSigningRequest may do, for the controller that approves requests. */
#include "api/schema/certificates_v1.h"
#include "server/auth/auth.h"
#include "server/server.h"

bool server_may_request(void *data, const CertificateSigningRequestSpec *requester,
                        const char *subresource)
{
    _cleanup_(user_unrefp)
    User *user = user_new(str_or(requester->username, ""), requester->uid);
    const Attributes attributes = {.verb = "create",
                                   .group = "certificates.k8s.io",
                                   .resource = "certificatesigningrequests",
                                   .subresource = subresource};
    _arena_ Arena arena = ARENA_INIT;

    for (size_t i = 0; i < requester->groups.n; i++)
        user_add_group(user, requester->groups.v[i]);
    return authorize(data, user, &attributes, &arena, NULL);
}
