/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, labels, keys and addresses: the texts that Kubernetes accepts, and its messages for
 * others. Scanners replace its regular expressions, which are constants here because the messages
 * quote them.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#include "api/text_check.h"

/* clang-format off */
#define LABEL_FMT "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN_FMT LABEL_FMT "(\\." LABEL_FMT ")*"
#define SUBDOMAIN_TEXT \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '" SUBDOMAIN_FMT "')"
#define KEY_FMT "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define KEY_TEXT \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " \
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" KEY_FMT "')"
#define AT_MOST(n) "must be no more than " #n " characters"
#define AT_MOST_BYTES(n) "must be no more than " #n " bytes"
/* clang-format on */

static void fault(Faults *faults, const char *text)
{
    if (faults->n < ARRAY_LEN(faults->v))
        faults->v[faults->n++] = text;
}

static bool lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
    return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(const char *s, size_t n)
{
    if (!n || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!lower_alnum(s[i]) && s[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(const char *s, size_t n)
{
    for (;;) {
        const char *dot = memchr(s, '.', n);
        size_t part = dot ? (size_t)(dot - s) : n;

        if (!is_label(s, part))
            return false;
        if (!dot)
            return true;
        s = dot + 1;
        n -= part + 1;
    }
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_key(const char *s, size_t n)
{
    if (!n || !alnum(s[0]) || !alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!alnum(s[i]) && !strchr("-_.", s[i]))
            return false;
    return true;
}

Faults check_dns_label(const char *s)
{
    Faults faults = {.n = 0};
    size_t n = s ? strlen(s) : 0;

    if (n > 63)
        fault(&faults, AT_MOST(63));
    if (is_label(s, n))
        return faults;
    if (n && is_subdomain(s, n))
        fault(&faults, "must not contain dots");
    else
        fault(&faults,
              "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
              "'-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
              "'123-abc', regex used for validation is '" LABEL_FMT "')");
    return faults;
}

Faults check_dns_1035_label(const char *s)
{
    Faults faults = {.n = 0};
    size_t n = s ? strlen(s) : 0;

    if (n > 63)
        fault(&faults, AT_MOST(63));
    if (!is_label(s, n) || (s[0] >= '0' && s[0] <= '9'))
        fault(&faults,
              "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
              "with an alphabetic character, and end with an alphanumeric character (e.g. "
              "'my-name',  or 'abc-123', regex used for validation is "
              "'[a-z]([-a-z0-9]*[a-z0-9])?')");
    return faults;
}

Faults check_dns_subdomain(const char *s)
{
    Faults faults = {.n = 0};
    size_t n = s ? strlen(s) : 0;

    if (n > 253)
        fault(&faults, AT_MOST(253));
    if (!n || !is_subdomain(s, n))
        fault(&faults, SUBDOMAIN_TEXT);
    return faults;
}

Faults check_qualified_name(const char *s)
{
    Faults faults = {.n = 0};
    const char *slash = s ? strchr(s, '/') : NULL;
    const char *name = slash ? slash + 1 : (s ? s : "");
    size_t n = strlen(name);

    if (slash && strchr(name, '/')) {
        fault(&faults,
              "a valid label key " KEY_TEXT " with an optional DNS subdomain prefix and '/' (e.g. "
              "'example.com/MyName')");
        return faults;
    }
    if (slash) {
        size_t prefix = (size_t)(slash - s);

        if (!prefix)
            fault(&faults, "prefix part must be non-empty");
        if (prefix > 253)
            fault(&faults, "prefix part " AT_MOST_BYTES(253));
        if (prefix && !is_subdomain(s, prefix))
            fault(&faults, "prefix part " SUBDOMAIN_TEXT);
    }
    if (!n)
        fault(&faults, "name part must be non-empty");
    else if (n > 63)
        fault(&faults, "name part " AT_MOST_BYTES(63));
    if (!is_key(name, n))
        fault(&faults, "name part " KEY_TEXT);
    return faults;
}

Faults check_label_value(const char *s)
{
    Faults faults = {.n = 0};
    size_t n = s ? strlen(s) : 0;

    if (n > 63)
        fault(&faults, AT_MOST_BYTES(63));
    if (n && !is_key(s, n))
        fault(&faults, "a valid label must be an empty string or consist of alphanumeric "
                       "characters, '-', '_' or '.', and must start and end with an alphanumeric "
                       "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
                       "validation is '(" KEY_FMT ")?')");
    return faults;
}

Faults check_port_name(const char *s)
{
    Faults faults = {.n = 0};
    size_t n = s ? strlen(s) : 0;
    bool charset = n > 0, letter = false;

    for (size_t i = 0; i < n; i++) {
        charset &= lower_alnum(s[i]) || s[i] == '-';
        letter |= s[i] >= 'a' && s[i] <= 'z';
    }
    if (n > 15)
        fault(&faults, AT_MOST(15));
    if (!charset)
        fault(&faults, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    if (!letter)
        fault(&faults, "must contain at least one letter (a-z)");
    if (n && strstr(s, "--"))
        fault(&faults, "must not contain consecutive hyphens");
    if (n && (s[0] == '-' || s[n - 1] == '-'))
        fault(&faults, "must not begin or end with a hyphen");
    return faults;
}

Faults check_env_name(const char *s)
{
    Faults faults = {.n = 0};

    if (str_empty(s))
        fault(&faults, "environment variable name must be non-empty");
    for (; s && *s; s++)
        if (*s == '=' || *s < 0x20 || *s > 0x7e) {
            fault(&faults, "a valid environment variable name must consist only of printable "
                           "ASCII characters other than '='");
            break;
        }
    return faults;
}

Faults check_config_key(const char *s)
{
    Faults faults = {.n = 0};
    size_t n = s ? strlen(s) : 0;
    bool charset = n > 0;

    for (size_t i = 0; i < n; i++)
        charset &= alnum(s[i]) || strchr("-._", s[i]);
    if (n > 253)
        fault(&faults, AT_MOST(253));
    if (!charset)
        fault(&faults, "a valid config key must consist of alphanumeric characters, '-', '_' or "
                       "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for "
                       "validation is '[-._a-zA-Z0-9]+')");
    if (str_equal(s, "."))
        fault(&faults, "must not be '.'");
    else if (str_equal(s, ".."))
        fault(&faults, "must not be '..'");
    else if (n && str_starts_with(s, ".."))
        fault(&faults, "must not start with '..'");
    return faults;
}

/* Accepts what Go's older parser accepts: parts of an IPv4 address may have leading zeros. */
static bool is_ipv4_with_zeros(const char *s)
{
    int parts = 0;

    for (;;) {
        int v = 0, digits = 0;

        for (; *s >= '0' && *s <= '9'; s++, digits++)
            if ((v = v * 10 + (*s - '0')) > 255)
                return false;
        if (!digits || ++parts > 4)
            return false;
        if (!*s)
            return parts == 4;
        if (*s++ != '.')
            return false;
    }
}

Faults check_path_segment(const char *s)
{
    Faults faults = {.n = 0};

    if (str_equal(s, "."))
        faults.v[faults.n++] = "may not be '.'";
    else if (str_equal(s, ".."))
        faults.v[faults.n++] = "may not be '..'";
    if (s && strchr(s, '/'))
        faults.v[faults.n++] = "may not contain '/'";
    if (s && strchr(s, '%'))
        faults.v[faults.n++] = "may not contain '%'";
    return faults;
}

Faults check_ip(const char *s)
{
    Faults faults = {.n = 0};
    struct in6_addr six;
    struct in_addr four;

    if (!s || (!strchr(s, ':') && !is_ipv4_with_zeros(s)) ||
        (strchr(s, ':') && inet_pton(AF_INET6, s, &six) != 1))
        fault(&faults, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    else if (strchr(s, ':') && IN6_IS_ADDR_V4MAPPED(&six))
        fault(&faults, "must not be an IPv4-mapped IPv6 address");
    else if (!strchr(s, ':') && inet_pton(AF_INET, s, &four) != 1)
        fault(&faults, "must not have leading 0s");
    return faults;
}

Faults check_cidr(const char *s)
{
    Faults faults = {.n = 0};
    const char *slash = s ? strchr(s, '/') : NULL;
    char address[64];
    uint8_t bytes[16] = {0};
    int64_t bits = 0;
    bool six;

    if (!slash || slash == s || (size_t)(slash - s) >= sizeof(address)) {
        fault(&faults, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        return faults;
    }
    memcpy(address, s, (size_t)(slash - s));
    address[slash - s] = 0;
    six = strchr(address, ':');
    if ((six ? inet_pton(AF_INET6, address, bytes) != 1 : !is_ipv4_with_zeros(address)) ||
        str_to_int64(slash + 1, 0, six ? 128 : 32, &bits))
        fault(&faults, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    else if ((!six && inet_pton(AF_INET, address, bytes) != 1) || (slash[1] == '0' && slash[2]))
        fault(&faults, "must not have leading 0s in IP or prefix length");
    else
        for (int64_t bit = bits; bit < (six ? 128 : 32); bit++)
            if (bytes[bit / 8] & (0x80 >> (bit % 8))) {
                fault(&faults, "must not have bits set beyond the prefix length");
                break;
            }
    return faults;
}

Faults check_percent(const char *s)
{
    Faults faults = {.n = 0};
    size_t digits = s ? strspn(s, "0123456789") : 0;

    if (!digits || !str_equal(s + digits, "%"))
        fault(&faults, "a valid percent string must be a numeric string followed by an ending '%' "
                       "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
    return faults;
}

Faults check_http_header(const char *s)
{
    Faults faults = {.n = 0};
    bool charset = !str_empty(s);

    for (; s && *s; s++)
        charset &= alnum(*s) || *s == '-';
    if (!charset)
        fault(&faults, "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                       "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')");
    return faults;
}

static Faults check_absolute_path(const char *s)
{
    Faults faults = {.n = 0};

    if (str_empty(s) || *s != '/')
        fault(&faults, "must be an absolute path");
    return faults;
}

static Faults (*const format_checks[])(const char *) = {
    [FORMAT_NONE] = NULL,
    [FORMAT_DNS_LABEL] = check_dns_label,
    [FORMAT_DNS_SUBDOMAIN] = check_dns_subdomain,
    [FORMAT_QUALIFIED_NAME] = check_qualified_name,
    [FORMAT_LABEL_VALUE] = check_label_value,
    [FORMAT_ENV_NAME] = check_env_name,
    [FORMAT_CONFIG_KEY] = check_config_key,
    [FORMAT_PORT_NAME] = check_port_name,
    [FORMAT_IP] = check_ip,
    [FORMAT_ABSOLUTE_PATH] = check_absolute_path,
};
_Static_assert(ARRAY_LEN(format_checks) == _FORMAT_MAX, "every format has its check");

Faults check_format(FieldFormat format, const char *s)
{
    return format_checks[format] ? format_checks[format](s) : (Faults){.n = 0};
}

Faults check_name_prefix(Faults (*check)(const char *), const char *s)
{
    char masked[512];
    size_t n = s ? strlen(s) : 0;

    if (n < 2 || n >= sizeof(masked) || s[n - 1] != '-')
        return check(s);
    memcpy(masked, s, n - 2);
    masked[n - 2] = 'a';
    masked[n - 1] = 0;
    return check(masked);
}

const char *faults_joined(Faults faults, Arena *arena)
{
    _strbuf_ StrBuf text = STRBUF_INIT;

    for (size_t i = 0; i < faults.n; i++)
        strbuf_printf(&text, "%s%s", i ? "," : "", faults.v[i]);
    return arena_strdup(arena, strbuf_string(&text));
}

void faults_add(Faults faults, const char *field, const char *bad, Causes *causes)
{
    for (size_t i = 0; i < faults.n; i++)
        causes_invalid_string(causes, field, bad, faults.v[i]);
}

const char *text_lower(Arena *arena, const char *s)
{
    char *lower = arena_strdup(arena, s);

    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return lower;
}
