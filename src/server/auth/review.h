/* SPDX-License-Identifier: Apache-2.0 */
/* SubjectAccessReviews, TokenReviews and their like. */
#ifndef SERVER_AUTH_REVIEW_H
#define SERVER_AUTH_REVIEW_H

#include "server/request/call.h"

/* Answers the creation of a review; nothing is stored. */
void review_create(Call *call, Object *object);

#endif
