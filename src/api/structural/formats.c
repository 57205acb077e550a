/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats of texts that kube-apiserver knows in schemas of CustomResourceDefinitions. Each accepts what the Go function accepts
 * that kube-apiserver uses for it, which is often more than the standard of the same name: a date-time may have a colon instead of the
 * point before its fraction, and a duration may be "about 3 weeks".
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>

#include "api/structural/internal.h"
#include "base/timefmt.h"

static const struct {
    const char *name; /* without dashes */
    SchemaFormat format;
} formats[] = {
    {"bsonobjectid", SCHEMA_FORMAT_BSON_OBJECT_ID},
    {"byte", SCHEMA_FORMAT_BYTE},
    {"cidr", SCHEMA_FORMAT_CIDR},
    {"creditcard", SCHEMA_FORMAT_CREDIT_CARD},
    {"date", SCHEMA_FORMAT_DATE},
    {"datetime", SCHEMA_FORMAT_DATE_TIME},
    {"duration", SCHEMA_FORMAT_DURATION},
    {"email", SCHEMA_FORMAT_EMAIL},
    {"hexcolor", SCHEMA_FORMAT_HEX_COLOR},
    {"hostname", SCHEMA_FORMAT_HOSTNAME},
    {"ipv4", SCHEMA_FORMAT_IPV4},
    {"ipv6", SCHEMA_FORMAT_IPV6},
    {"isbn", SCHEMA_FORMAT_ISBN},
    {"isbn10", SCHEMA_FORMAT_ISBN10},
    {"isbn13", SCHEMA_FORMAT_ISBN13},
    {"k8slongname", SCHEMA_FORMAT_LONG_NAME},
    {"k8sshortname", SCHEMA_FORMAT_SHORT_NAME},
    {"mac", SCHEMA_FORMAT_MAC},
    {"password", SCHEMA_FORMAT_PASSWORD},
    {"rgbcolor", SCHEMA_FORMAT_RGB_COLOR},
    {"ssn", SCHEMA_FORMAT_SSN},
    {"uri", SCHEMA_FORMAT_URI},
    {"uuid", SCHEMA_FORMAT_UUID},
    {"uuid3", SCHEMA_FORMAT_UUID3},
    {"uuid4", SCHEMA_FORMAT_UUID4},
    {"uuid5", SCHEMA_FORMAT_UUID5},
};

SchemaFormat schema_format_find(const char *name)
{
    char plain[16];
    size_t n = 0;

    for (const char *at = name; at && *at; at++) {
        if (*at == '-')
            continue;
        if (n + 1 >= sizeof(plain))
            return SCHEMA_FORMAT_NONE;
        plain[n++] = *at;
    }
    plain[n] = 0;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_equal(formats[i].name, plain))
            return formats[i].format;
    return SCHEMA_FORMAT_NONE;
}

bool schema_format_known(const SchemaNode *node)
{
    switch (node->type) {
    case SCHEMA_ANY:
        return !node->int_or_string && schema_format_find(node->format);
    case SCHEMA_STRING:
        return schema_format_find(node->format);
    case SCHEMA_INTEGER:
        return str_equal(node->format, "int32") || str_equal(node->format, "int64");
    case SCHEMA_NUMBER:
        return str_equal(node->format, "float") || str_equal(node->format, "double");
    default:
        return false;
    }
}

/* ---- those with a regular expression ---- */

#define OCTET "(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])"
#define NAME "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

static const char *const patterns[_SCHEMA_FORMAT_MAX] = {
    [SCHEMA_FORMAT_CREDIT_CARD] = "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|(222[1-9]|22[3-9][0-"
                                  "9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}|"
                                  "6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-"
                                  "9])[0-9]{11}|(?:2131|1800|35\\d{3})\\d{11}|"
                                  "6[27][0-9]{14})$",
    [SCHEMA_FORMAT_HEX_COLOR] = "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$",
    [SCHEMA_FORMAT_HOSTNAME] = "^([a-zA-Z0-9\\p{S}\\p{L}]((-?[a-zA-Z0-9\\p{S}\\p{L}]{0,62})?)|"
                               "([a-zA-Z0-9\\p{S}\\p{L}](([a-zA-Z0-9-\\p{S}\\p{L}]{0,61}[a-zA-Z0-"
                               "9\\p{S}\\p{L}])?)(\\.)){1,}([a-zA-Z\\p{L}]){2,63})$",
    [SCHEMA_FORMAT_LONG_NAME] = "^" NAME "(\\." NAME ")*$",
    [SCHEMA_FORMAT_SHORT_NAME] = "^" NAME "$",
    [SCHEMA_FORMAT_RGB_COLOR] = "^rgb\\(\\s*" OCTET "\\s*,\\s*" OCTET "\\s*,\\s*" OCTET "\\s*\\)$",
    [SCHEMA_FORMAT_SSN] = "^\\d{3}[- ]?\\d{2}[- ]?\\d{4}$",
    [SCHEMA_FORMAT_UUID] = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
    [SCHEMA_FORMAT_UUID3] =
        "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
    [SCHEMA_FORMAT_UUID4] =
        "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
    [SCHEMA_FORMAT_UUID5] =
        "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
};

static const Regex *compiled[_SCHEMA_FORMAT_MAX];
static Arena compiled_arena; /* for the life of the process */
static pthread_once_t compiled_once = PTHREAD_ONCE_INIT;

static void compile_patterns(void)
{
    for (size_t i = 0; i < _SCHEMA_FORMAT_MAX; i++) {
        const char *error = NULL;

        if (patterns[i])
            compiled[i] = regex_compile(&compiled_arena, patterns[i], strlen(patterns[i]),
                                        REGEX_ONCE, &error);
        (void)NEVER(patterns[i] && !compiled[i]);
    }
}

static bool matches_pattern(SchemaFormat format, const char *text, size_t n)
{
    pthread_once(&compiled_once, compile_patterns);
    return compiled[format] && regex_test(compiled[format], text, n) == 0;
}

static bool is_hostname(const char *text, size_t n)
{
    size_t label = 0;

    if (n > 255 || !matches_pattern(SCHEMA_FORMAT_HOSTNAME, text, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        label = text[i] == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return true;
}

/* ---- numbers with a check digit ---- */

/* Drops white space and dashes. False: there is more than any number has. */
static bool compact(const char *text, size_t n, char to[static 24])
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '-' || memchr(" \t\n\f\r", text[i], 5))
            continue;
        if (at + 1 >= 24)
            return false;
        to[at++] = text[i];
    }
    to[at] = 0;
    return true;
}

static bool is_credit_card(const char *text, size_t n)
{
    char digits[24];
    size_t length;
    int sum = 0;

    if (!compact(text, n, digits))
        return false;
    length = strlen(digits);
    if (!matches_pattern(SCHEMA_FORMAT_CREDIT_CARD, digits, length))
        return false;
    for (size_t i = 0; i < length; i++) {
        int digit = digits[length - 1 - i] - '0';

        if (i % 2)
            digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
        sum += digit;
    }
    return sum % 10 == 0;
}

static bool is_isbn10(const char *text, size_t n)
{
    char digits[24];
    int sum = 0;

    if (!compact(text, n, digits) || strlen(digits) != 10 || strspn(digits, "0123456789") < 9)
        return false;
    for (int i = 0; i < 9; i++)
        sum += (i + 1) * (digits[i] - '0');
    if (digits[9] == 'X')
        sum += 100;
    else if (isdigit((unsigned char)digits[9]))
        sum += 10 * (digits[9] - '0');
    else
        return false;
    return sum % 11 == 0;
}

static bool is_isbn13(const char *text, size_t n)
{
    char digits[24];
    int sum = 0;

    if (!compact(text, n, digits) || strlen(digits) != 13 || strspn(digits, "0123456789") != 13)
        return false;
    for (int i = 0; i < 12; i++)
        sum += (i % 2 ? 3 : 1) * (digits[i] - '0');
    return digits[12] - '0' == (10 - sum % 10) % 10;
}

/* ---- bytes ---- */

static bool all_hex(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

static bool is_base64(const char *text, size_t n)
{
    size_t end = n;

    if (n == 0 || n % 4)
        return false;
    if (text[n - 1] == '=')
        end -= text[n - 2] == '=' ? 2 : 1;
    for (size_t i = 0; i < end; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '+' && text[i] != '/')
            return false;
    return true;
}

/* Pairs of hex digits with colons or dashes, or fours with points, of 6, 8 or 20 bytes. */
static bool is_mac(const char *text, size_t n)
{
    size_t group = n > 4 && text[4] == '.' ? 4 : 2, bytes = (n + 1) / (group + 1) * group / 2;
    char separator;

    if (n < 14 || (n + 1) % (group + 1) || (bytes != 6 && bytes != 8 && bytes != 20))
        return false;
    separator = text[group];
    if (separator != (group == 4 ? '.' : ':') && (group == 4 || separator != '-'))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool between = i % (group + 1) == group;

        if (between ? text[i] != separator : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* ---- addresses ---- */

/* Four numbers, with any number of zeros in front. */
static bool is_sloppy_ip4(const char *text, size_t n)
{
    size_t at = 0;

    for (int part = 0; part < 4; part++) {
        unsigned number = 0;
        size_t from;

        if (part && (at >= n || text[at++] != '.'))
            return false;
        for (from = at; at < n && isdigit((unsigned char)text[at]); at++) {
            number = number * 10 + (unsigned)(text[at] - '0');
            if (number > 255)
                return false;
        }
        if (at == from)
            return false;
    }
    return at == n;
}

static bool is_ip6(const char *text, size_t n)
{
    char copy[64];
    struct in6_addr address;

    if (n >= sizeof(copy) || !memchr(text, ':', n))
        return false;
    memcpy(copy, text, n);
    copy[n] = 0;
    return strlen(copy) == n && inet_pton(AF_INET6, copy, &address) == 1;
}

static bool is_ip4(const char *text, size_t n)
{
    return is_sloppy_ip4(text, n) || (memchr(text, '.', n) && is_ip6(text, n));
}

static bool is_cidr(const char *text, size_t n)
{
    const char *slash = memchr(text, '/', n);
    size_t length = slash ? (size_t)(slash - text) : n;
    int max = 0, bits = 0;

    if (!slash || length + 1 == n)
        return false;
    if (is_sloppy_ip4(text, length))
        max = 32;
    else if (is_ip6(text, length))
        max = 128;
    else
        return false;
    for (size_t i = length + 1; i < n; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        bits = bits * 10 + (text[i] - '0');
        if (bits > max)
            return false;
    }
    return true;
}

/* ---- times ---- */

static int two_digits(const char *text)
{
    return isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1])
               ? (text[0] - '0') * 10 + text[1] - '0'
               : -1;
}

static bool is_date(const char *text, size_t n)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century, year, month, day;

    if (n != 10 || text[4] != '-' || text[7] != '-')
        return false;
    century = two_digits(text);
    year = two_digits(text + 2);
    month = two_digits(text + 5);
    day = two_digits(text + 8);
    if (century < 0 || year < 0 || month < 1 || month > 12 || day < 1)
        return false;
    year += century * 100;
    if (month == 2 && year % 4 == 0 && (year % 100 || year % 400 == 0))
        return day <= 29;
    return day <= days[month - 1];
}

static bool is_zone(const char *text, size_t n)
{
    if (n == 1)
        return *text == 'z' || *text == 'Z';
    return n == 6 && (*text == '+' || *text == '-') && two_digits(text + 1) >= 0 &&
           text[3] == ':' && two_digits(text + 4) >= 0;
}

static bool is_time_of_day(const char *text, size_t n)
{
    size_t at = 8;
    int hour, minute, second;

    if (n < 9 || text[2] != ':' || text[5] != ':')
        return false;
    hour = two_digits(text);
    minute = two_digits(text + 3);
    second = two_digits(text + 6);
    if (hour < 0 || minute < 0 || second < 0 || hour > 23 || minute > 59 || second > 59)
        return false;
    if (is_zone(text + at, n - at))
        return true;
    /* A fraction begins with any character but a line break. */
    if (text[at] == '\n')
        return false;
    at += (unsigned char)text[at] < 0x80 ? 1 : 0;
    while (at < n && ((unsigned char)text[at] & 0xc0) == 0x80)
        at++;
    if ((unsigned char)text[8] >= 0xc0)
        for (at = 9; at < n && ((unsigned char)text[at] & 0xc0) == 0x80;)
            at++;
    if (at >= n || !isdigit((unsigned char)text[at]))
        return false;
    while (at < n && isdigit((unsigned char)text[at]))
        at++;
    return is_zone(text + at, n - at);
}

/* The second of the parts between letters t is the time; what comes behind it does not count. */
static bool is_date_time(const char *text, size_t n)
{
    size_t end;

    if (n < 11 || !is_date(text, 10) || tolower((unsigned char)text[10]) != 't')
        return false;
    for (end = 11; end < n && tolower((unsigned char)text[end]) != 't';)
        end++;
    return is_time_of_day(text + 11, end - 11);
}

static bool is_unit(const char *unit, size_t n)
{
    static const char *const exact[] = {"ns", "us", "\u00b5s", "ms", "s", "m",
                                        "h",  "hr", "d",       "w",  "wk"};
    static const char *const prefixes[] = {"nano", "micro", "milli", "sec",
                                           "min",  "hour",  "day",   "week"};

    for (size_t i = 0; i < ARRAY_LEN(exact); i++)
        if (strlen(exact[i]) == n && strncasecmp(exact[i], unit, n) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (strlen(prefixes[i]) <= n && strncasecmp(prefixes[i], unit, strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static size_t letter_length(const char *text, size_t n)
{
    if (n >= 2 && text[0] == '\xc2' && text[1] == '\xb5')
        return 2;
    return n && isalpha((unsigned char)*text) ? 1 : 0;
}

/* One that Go parses, or a text in which a number with a unit occurs. */
static bool is_duration(const char *text, size_t n)
{
    int64_t ns;
    bool found = false;

    if (timefmt_parse_duration(text, &ns))
        return true;
    for (size_t at = 0; at < n;) {
        size_t from = at, unit, step;

        if (!isdigit((unsigned char)text[at])) {
            at++;
            continue;
        }
        while (at < n && isdigit((unsigned char)text[at]))
            at++;
        for (unit = at; unit < n && memchr(" \t\n\f\r", text[unit], 5);)
            unit++;
        if (!letter_length(text + unit, n - unit))
            continue;
        if (at - from > 18) /* more than an integer holds, unless they are zeros */
            for (size_t i = from; i + 18 < at; i++)
                if (text[i] != '0')
                    return false;
        for (at = unit; (step = letter_length(text + at, n - at)) > 0;)
            at += step;
        found |= is_unit(text + unit, at - unit);
    }
    return found;
}

/* ---- URIs, as url.ParseRequestURI takes them ---- */

static bool valid_escapes(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == '%' && (i + 2 >= n || !all_hex(text + i + 1, 2)))
            return false;
    return true;
}

static bool is_port(const char *text, size_t n)
{
    if (n == 0)
        return true;
    if (*text != ':')
        return false;
    for (size_t i = 1; i < n; i++)
        if (!isdigit((unsigned char)text[i]))
            return false;
    return true;
}

static bool is_host(const char *text, size_t n)
{
    const char *end;

    if (n && *text == '[') {
        end = memrchr(text, ']', n);
        if (!end || !is_port(end + 1, n - (size_t)(end + 1 - text)))
            return false;
    } else {
        end = memchr(text, ':', n);
        if (end && !is_port(end, n - (size_t)(end - text)))
            return false;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '%') {
            bool zone = *text == '[' && i + 2 < n && text[i + 1] == '2' && text[i + 2] == '5';

            if (i + 2 >= n || !all_hex(text + i + 1, 2) || (!zone && text[i + 1] < '8'))
                return false;
            i += 2;
        } else if (c < 0x80 && !isalnum(c) && !strchr("-_.~!$&'()*+,;=:[]<>\"", c)) {
            return false;
        }
    }
    return true;
}

static bool is_user_info(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-._:~!$&'()*+,;=%@", text[i]))
            return false;
    return valid_escapes(text, n);
}

static bool is_authority(const char *text, size_t n)
{
    const char *at = memrchr(text, '@', n);
    size_t user = at ? (size_t)(at - text) : 0;

    if (!at)
        return is_host(text, n);
    return is_user_info(text, user) && is_host(at + 1, n - user - 1);
}

static bool is_uri(const char *text, size_t n)
{
    size_t scheme = 0, end;
    const char *question;

    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    if (n == 1 && *text == '*')
        return true;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (isalpha(c) || (i && (isdigit(c) || strchr("+-.", c))))
            continue;
        if (c == ':') {
            if (i == 0)
                return false;
            scheme = i + 1;
        }
        break;
    }
    text += scheme;
    n -= scheme;
    question = memchr(text, '?', n);
    if (question)
        n = (size_t)(question - text);
    if (n == 0 || *text != '/')
        return scheme > 0;
    if (scheme && n >= 2 && text[1] == '/') {
        for (end = 2; end < n && text[end] != '/';)
            end++;
        if (!is_authority(text + 2, end - 2))
            return false;
        text += end;
        n -= end;
    }
    return valid_escapes(text, n);
}

/* ---- addresses of mail, as mail.ParseAddress takes them ---- */

typedef struct Mail {
    const char *at, *end;
} Mail;

static bool is_atom_char(unsigned char c)
{
    return c >= 0x80 || isalnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static void skip_blanks(Mail *m)
{
    while (m->at < m->end && (*m->at == ' ' || *m->at == '\t'))
        m->at++;
}

/* Comments in brackets, which may be nested. */
static bool skip_comments(Mail *m)
{
    for (skip_blanks(m); m->at < m->end && *m->at == '('; skip_blanks(m)) {
        size_t depth = 0;

        do {
            if (*m->at == '\\')
                m->at++;
            else
                depth += (*m->at == '(') - (size_t)(*m->at == ')');
            m->at++;
        } while (depth && m->at < m->end);
        if (depth || m->at > m->end)
            return false;
    }
    return true;
}

static bool read_quoted(Mail *m, size_t *ret_length)
{
    *ret_length = 0;
    for (m->at++; m->at < m->end; m->at++, (*ret_length)++) {
        unsigned char c = (unsigned char)*m->at;

        if (c == '"') {
            m->at++;
            return true;
        }
        if (c == '\\') {
            m->at++;
            if (m->at >= m->end)
                return false;
            c = (unsigned char)*m->at;
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return false;
}

static bool read_dot_atom(Mail *m, bool permissive)
{
    const char *from = m->at;

    while (m->at < m->end && (is_atom_char((unsigned char)*m->at) || *m->at == '.'))
        m->at++;
    if (m->at == from)
        return false;
    if (permissive)
        return true;
    if (*from == '.' || m->at[-1] == '.')
        return false;
    for (const char *c = from; c + 1 < m->at; c++)
        if (c[0] == '.' && c[1] == '.')
            return false;
    return true;
}

static bool read_domain(Mail *m)
{
    skip_blanks(m);
    if (m->at < m->end && *m->at == '[') {
        const char *close = memchr(m->at, ']', (size_t)(m->end - m->at));
        struct in6_addr address;
        char literal[64];
        size_t n = close ? (size_t)(close - m->at - 1) : sizeof(literal);

        if (n >= sizeof(literal))
            return false;
        memcpy(literal, m->at + 1, n);
        literal[n] = 0;
        m->at = close + 1;
        return is_sloppy_ip4(literal, n) || inet_pton(AF_INET6, literal, &address) == 1;
    }
    return read_dot_atom(m, false);
}

static bool read_addr_spec(Mail *m)
{
    size_t length;

    skip_blanks(m);
    if (m->at >= m->end)
        return false;
    if (*m->at == '"') {
        if (!read_quoted(m, &length) || length == 0)
            return false;
    } else if (!read_dot_atom(m, false)) {
        return false;
    }
    if (m->at >= m->end || *m->at != '@')
        return false;
    m->at++;
    return read_domain(m);
}

static bool read_display_name(Mail *m)
{
    size_t length;

    for (skip_blanks(m); m->at < m->end && *m->at != '<'; skip_blanks(m)) {
        if (*m->at == '"' ? !read_quoted(m, &length) : !read_dot_atom(m, true))
            return false;
        if (!skip_comments(m))
            return false;
    }
    return m->at < m->end;
}

static bool is_email(const char *text, size_t n)
{
    Mail m = {text, text + n}, plain;

    if (!skip_comments(&m))
        return false;
    plain = m;
    if (read_addr_spec(&plain) && skip_comments(&plain) && plain.at == plain.end)
        return true;
    if (!read_display_name(&m))
        return false;
    m.at++;
    if (!read_addr_spec(&m))
        return false;
    skip_blanks(&m);
    if (m.at >= m.end || *m.at != '>')
        return false;
    m.at++;
    return skip_comments(&m) && m.at == m.end;
}

bool schema_format_matches(SchemaFormat format, const char *text, size_t n)
{
    switch (format) {
    case SCHEMA_FORMAT_BSON_OBJECT_ID:
        return n == 24 && all_hex(text, n);
    case SCHEMA_FORMAT_BYTE:
        return is_base64(text, n);
    case SCHEMA_FORMAT_CIDR:
        return is_cidr(text, n);
    case SCHEMA_FORMAT_CREDIT_CARD:
        return is_credit_card(text, n);
    case SCHEMA_FORMAT_DATE:
        return is_date(text, n);
    case SCHEMA_FORMAT_DATE_TIME:
        return is_date_time(text, n);
    case SCHEMA_FORMAT_DURATION:
        return is_duration(text, n);
    case SCHEMA_FORMAT_EMAIL:
        return is_email(text, n);
    case SCHEMA_FORMAT_HOSTNAME:
        return is_hostname(text, n);
    case SCHEMA_FORMAT_IPV4:
        return is_ip4(text, n);
    case SCHEMA_FORMAT_IPV6:
        return is_ip6(text, n);
    case SCHEMA_FORMAT_ISBN:
        return is_isbn10(text, n) || is_isbn13(text, n);
    case SCHEMA_FORMAT_ISBN10:
        return is_isbn10(text, n);
    case SCHEMA_FORMAT_ISBN13:
        return is_isbn13(text, n);
    case SCHEMA_FORMAT_LONG_NAME:
        return n <= 253 && matches_pattern(format, text, n);
    case SCHEMA_FORMAT_SHORT_NAME:
        return n <= 63 && matches_pattern(format, text, n);
    case SCHEMA_FORMAT_MAC:
        return is_mac(text, n);
    case SCHEMA_FORMAT_SSN:
        return n == 11 && matches_pattern(format, text, n);
    case SCHEMA_FORMAT_URI:
        return is_uri(text, n);
    case SCHEMA_FORMAT_HEX_COLOR:
    case SCHEMA_FORMAT_RGB_COLOR:
    case SCHEMA_FORMAT_UUID:
    case SCHEMA_FORMAT_UUID3:
    case SCHEMA_FORMAT_UUID4:
    case SCHEMA_FORMAT_UUID5:
        return matches_pattern(format, text, n);
    default:
        return true;
    }
}
