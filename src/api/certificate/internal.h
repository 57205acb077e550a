/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and issuing have in common. */
#ifndef API_CERTIFICATE_INTERNAL_H
#define API_CERTIFICATE_INTERNAL_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <time.h>

#include "api/certificate/request.h"

static inline void x509p(X509 **p)
{
    X509_free(*p);
}
static inline void x509_reqp(X509_REQ **p)
{
    X509_REQ_free(*p);
}
static inline void namesp(GENERAL_NAMES **p)
{
    GENERAL_NAMES_free(*p);
}
static inline void biop(BIO **p)
{
    BIO_free(*p);
}

static inline bool asn1_seconds(const ASN1_TIME *time, int64_t *ret)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(time, &tm))
        return false;
    *ret = timegm(&tm);
    return true;
}

/* The request in the first PEM block; the caller owns *ret. Returns NULL or what is wrong. */
const char *certificate_parse_request(Bytes pem, X509_REQ **ret);
/* The alternative names of the request; NULL if there are none. The caller owns them. */
GENERAL_NAMES *certificate_alternative_names(X509_REQ *request);

#endif
