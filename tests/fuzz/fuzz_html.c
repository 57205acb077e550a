/* SPDX-License-Identifier: Apache-2.0 */
/* A page of a proxied pod, in pieces: the first byte says how long they are. The result may not depend on
 * them. */
#include "server/proxy/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void rewrite(const uint8_t *p, size_t n, size_t piece, StrBuf *out)
{
    const Rewrite with = {"/p", "10.1.1.1:80", "localhost"};
    HtmlRewriter *html = html_rewriter_new(&with);

    for (size_t at = 0; at < n; at += piece)
        html_rewriter_feed(html, (Bytes){p + at, MIN_OF(piece, n - at)}, out);
    html_rewriter_end(html, out);
    html_rewriter_free(html);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    _strbuf_ StrBuf one = STRBUF_INIT, two = STRBUF_INIT;

    if (n < 2)
        return 0;
    rewrite(p + 1, n - 1, n, &one);
    rewrite(p + 1, n - 1, p[0] % 16 + 1u, &two);
    ASSERT(one.n == two.n && memcmp(strbuf_string(&one), strbuf_string(&two), one.n) == 0);
    return 0;
}
