/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, URLs and pages that lead through a proxy. */
#include "testing.h"

#include "server/proxy/rewrite.h"

static const Rewrite rewrite = {"/api/p/proxy", "10.1.1.1:80", "localhost:8001"};

static const struct {
    const char *prefix, *path, *is;
} joins[] = {
    {"/p", "/a/b", "/p/a/b"},
    {"/p", "/a//b/", "/p/a/b/"},
    {"/p", "/a/../b", "/p/b"},
    {"", "/../../etc", "/etc"},
    {"", "/", "/"},
    {"/p", "", "/p"},
    {"/p", "/./a/.", "/p/a"},
    {"", "/a/..", "/"},
    {"/p/", "/", "/p/"},
};

static void paths_are_joined_as_in_go(void **state)
{
    EACH_ROW(i, joins, joins[i].path) {
        _arena_ Arena arena = ARENA_INIT;

        assert_string_equal(rewrite_join(&arena, joins[i].prefix, joins[i].path), joins[i].is);
    }
}

static void paths_are_encoded_as_in_go(void **state)
{
    _arena_ Arena arena = ARENA_INIT;

    assert_string_equal(rewrite_encode(&arena, "/a b/c%d?e#f;g=1&h,i:@\xc3\xa9~"),
                        "/a%20b/c%25d%3Fe%23f;g=1&h,i:@%C3%A9~");
}

/* is NULL: malformed. */
static const struct {
    const char *url, *is;
} urls[] = {
    {"/x", "/api/p/proxy/x"},
    {"/x/?q=1#f", "/api/p/proxy/x/?q=1#f"},
    {"/", "/api/p/proxy/"},
    {"x", "x"},
    {"../x", "../x"},
    {"", ""},
    {"?q", "?q"},
    {"#top", "#top"},
    {"mailto:a@b", "mailto:a@b"},
    {"javascript:/x/", "/api/p/proxy/x/"},
    {"http://10.1.1.1:80/x", "/api/p/proxy/x"},
    {"http://u:p@10.1.1.1:80/x", "/api/p/proxy/x"},
    {"//10.1.1.1:80/x?y", "/api/p/proxy/x?y"},
    {"http://10.1.1.1/x", "http://10.1.1.1/x"},
    {"http://10.1.1.1:80", "http://10.1.1.1:80"},
    {"https://example.com/x", "https://example.com/x"},
    {"http://localhost:8001/x", "http://localhost:8001/api/p/proxy/x"},
    {"http://localhost:8001/api/p/proxy/x", "http://localhost:8001/api/p/proxy/x"},
    {"/api/p/proxy/x", "/api/p/proxy/x"},
    {"/a%2fb", "/api/p/proxy/a%2fb"},
    {"/a%2", NULL},
    {":x", NULL},
    {"/a\nb", NULL},
};

static void links_of_the_backend_lead_through_the_proxy(void **state)
{
    EACH_ROW(i, urls, urls[i].url) {
        _arena_ Arena arena = ARENA_INIT;
        const char *is = rewrite_url(&rewrite, &arena, urls[i].url);

        if (!urls[i].is)
            assert_null(is);
        else
            assert_string_equal(is ? is : "(malformed)", urls[i].is);
    }
}

static const struct {
    const char *page, *is;
} pages[] = {
    {"plain <b>text</b> & more", "plain <b>text</b> & more"},
    {"<a href=\"/x\">x</a>", "<a href=\"/api/p/proxy/x\">x</a>"},
    {"<A HREF='/x' class=b>", "<A HREF=\"/api/p/proxy/x\" class=b>"},
    {"<a href=/x>", "<a href=\"/api/p/proxy/x\">"},
    {"<a class=\"href=/y\" href = /x/ >", "<a class=\"href=/y\" href = \"/api/p/proxy/x/\" >"},
    {"<img src=\"/i.png\"/>", "<img src=\"/api/p/proxy/i.png\"/>"},
    {"<img alt=\"a > b\" src=\"/i\">", "<img alt=\"a > b\" src=\"/api/p/proxy/i\">"},
    {"<a href=\"/x?a=1&amp;b=2\">", "<a href=\"/api/p/proxy/x?a=1&amp;b=2\">"},
    {"<a href=\"x\" title=\"/x\">", "<a href=\"x\" title=\"/x\">"},
    {"<a href=\"http://other/x\">", "<a href=\"http://other/x\">"},
    {"<div src=\"/x\">", "<div src=\"/x\">"},
    {"<!-- <a href=\"/x\"> --><a href=\"/y\">",
     "<!-- <a href=\"/x\"> --><a href=\"/api/p/proxy/y\">"},
    {"<!DOCTYPE html><form action=\"/f\">", "<!DOCTYPE html><form action=\"/api/p/proxy/f\">"},
    {"<script src=\"/s.js\">if (a<b) \"<a href='/x'>\"</script><a href=\"/y\">",
     "<script src=\"/api/p/proxy/s.js\">if (a<b) \"<a href='/x'>\"</script><a "
     "href=\"/api/p/proxy/y\">"},
    {"<style><a href=\"/x\"></styles></style ><a href=\"/y\">",
     "<style><a href=\"/x\"></styles></style ><a href=\"/api/p/proxy/y\">"},
    {"a < b <a href=\"/x", "a < b <a href=\"/x"},
    {"<a href>", "<a href>"},
    {"<a href=>", "<a href=>"},
    {"<a =\"/x\" href=\"\">", "<a =\"/x\" href=\"\">"},
    {"</a href=\"/x\">", "</a href=\"/x\">"},
    {"<?xml href=\"/x\"?>", "<?xml href=\"/x\"?>"},
};

/* However the page is cut into pieces, the result is the same. */
static void links_of_a_page_lead_through_the_proxy(void **state)
{
    EACH_ROW(i, pages, pages[i].page) {
        for (size_t piece = 1; piece < 20; piece++) {
            HtmlRewriter *html = html_rewriter_new(&rewrite);
            size_t n = strlen(pages[i].page);
            _strbuf_ StrBuf out = STRBUF_INIT;

            for (size_t at = 0; at < n; at += piece)
                html_rewriter_feed(
                    html, (Bytes){(const uint8_t *)pages[i].page + at, MIN_OF(piece, n - at)},
                    &out);
            html_rewriter_end(html, &out);
            html_rewriter_free(html);
            assert_string_equal(strbuf_string(&out), pages[i].is);
        }
    }
}

static void a_tag_that_is_too_long_is_passed_on(void **state)
{
    HtmlRewriter *html = html_rewriter_new(&rewrite);
    size_t n = HTML_TAG_MAX + 100;
    _free_ char *page = mem_resize(NULL, n + 1);
    _strbuf_ StrBuf out = STRBUF_INIT;

    memset(page, ' ', n);
    page[n] = 0;
    memcpy(page, "<a href=\"/x\"", 12);
    html_rewriter_feed(html, (Bytes){(uint8_t *)page, n}, &out);
    assert_int_equal(out.n, n); /* nothing is kept any more */
    html_rewriter_feed(html, bytes_from_string("><a href=\"/y\">"), &out);
    html_rewriter_end(html, &out);
    html_rewriter_free(html);
    assert_memory_equal(out.p, page, n);
    assert_string_equal(out.p + n, "><a href=\"/api/p/proxy/y\">");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_joined_as_in_go),
        cmocka_unit_test(paths_are_encoded_as_in_go),
        cmocka_unit_test(links_of_the_backend_lead_through_the_proxy),
        cmocka_unit_test(links_of_a_page_lead_through_the_proxy),
        cmocka_unit_test(a_tag_that_is_too_long_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
