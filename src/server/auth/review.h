/* SPDX-License-Identifier: Apache-2.0 */
/* SubjectAccessReviews, TokenReviews and their like. */
#ifndef SERVER_AUTH_REVIEW_H
#define SERVER_AUTH_REVIEW_H

#include "server/request/call.h"

/* Creates of kinds that are answered at once and not kept. */
void review_create(Call *call, Object *object);

#endif
