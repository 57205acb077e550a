/* SPDX-License-Identifier: Apache-2.0 */
/* Describes the containers of a pod or of a pod template. */
#include <ctype.h>

#include "cli/describe/describe.h"

static const char *int_or_text(yyjson_val *value, char buf[static 24])
{
    if (yyjson_is_int(value))
        snprintf(buf, 24, "%" PRId64, yyjson_get_sint(value));
    return yyjson_is_int(value) ? buf : str_or(yyjson_get_str(value), "");
}

static void add_ports(StrBuf *out, yyjson_val *ports, const char *member, const char *label)
{
    _strbuf_ StrBuf text = STRBUF_INIT;
    yyjson_val *port;
    size_t i, n;

    yyjson_arr_foreach(ports, i, n, port)
    {
        const char *name = json_text(port, "/name");

        strbuf_printf(&text, "%s%" PRId64 "/%s", i ? ", " : "", json_number(port, member, 0),
                      str_or(json_text(port, "/protocol"), "TCP"));
        if (*name)
            strbuf_printf(&text, " (%s)", name);
    }
    strbuf_printf(out, "    %s%s:\t%s\n", label, yyjson_arr_size(ports) > 1 ? "s" : "",
                  text.n ? text.p : "<none>");
}

static void add_words(StrBuf *out, yyjson_val *words, const char *label)
{
    yyjson_val *word;
    size_t i, n;

    if (yyjson_arr_size(words))
        strbuf_printf(out, "    %s:\n", label);
    yyjson_arr_foreach(words, i, n, word)
    {
        for (const char *at = str_or(yyjson_get_str(word), "");;) {
            size_t length = strcspn(at, "\n");

            strbuf_printf(out, "      %.*s\n", (int)length, at);
            if (!at[length])
                break;
            at += length + 1;
        }
    }
}

static void add_state(StrBuf *out, const char *label, yyjson_val *state)
{
    yyjson_val *running = yyjson_obj_get(state, "running"),
               *ended = yyjson_obj_get(state, "terminated");
    const char *reason = json_text(state, ended ? "/terminated/reason" : "/waiting/reason");

    strbuf_printf(out, "    %s:\t%s\n", label,
                  running ? "Running"
                  : ended ? "Terminated"
                          : "Waiting");
    if (*reason)
        strbuf_printf(out, "      Reason:\t%s\n", reason);
    if (running)
        describe_time(out, "      Started", json_text(running, "/startedAt"));
    if (!ended)
        return;
    if (*json_text(ended, "/message"))
        strbuf_printf(out, "      Message:\t%s\n", json_text(ended, "/message"));
    strbuf_printf(out, "      Exit Code:\t%" PRId64 "\n", json_number(ended, "/exitCode", 0));
    if (json_number(ended, "/signal", 0))
        strbuf_printf(out, "      Signal:\t%" PRId64 "\n", json_number(ended, "/signal", 0));
    describe_time(out, "      Started", json_text(ended, "/startedAt"));
    describe_time(out, "      Finished", json_text(ended, "/finishedAt"));
}

static void add_quantities(StrBuf *out, const char *label, yyjson_val *quantities)
{
    Pairs pairs = describe_sorted_pairs(quantities);

    if (pairs.n)
        strbuf_printf(out, "    %s:\n", label);
    for (size_t i = 0; i < pairs.n; i++)
        strbuf_printf(out, "      %s:\t%s\n", pairs.v[i].key, pairs.v[i].value);
    VEC_DEINIT(&pairs);
}

static void add_probe(StrBuf *out, const char *label, yyjson_val *probe)
{
    yyjson_val *http = yyjson_obj_get(probe, "httpGet"), *tcp = yyjson_obj_get(probe, "tcpSocket");
    char buf[24];

    if (!probe)
        return;
    strbuf_printf(out, "    %s:\t", label);
    if (yyjson_obj_get(probe, "exec")) {
        strbuf_add_string(out, "exec [");
        describe_list(out, yyjson_ptr_get(probe, "/exec/command"), " ");
        strbuf_add_char(out, ']');
    } else if (http) {
        strbuf_add_string(out, "http-get ");
        for (const char *c = str_or(json_text(http, "/scheme"), "HTTP"); *c; c++)
            strbuf_add_char(out, (char)tolower((unsigned char)*c));
        strbuf_printf(out, "://%s:%s%s", json_text(http, "/host"),
                      int_or_text(yyjson_obj_get(http, "port"), buf), json_text(http, "/path"));
    } else if (tcp) {
        strbuf_printf(out, "tcp-socket %s:%s", json_text(tcp, "/host"),
                      int_or_text(yyjson_obj_get(tcp, "port"), buf));
    } else {
        strbuf_printf(out, "grpc <pod>:%" PRId64 " %s", json_number(probe, "/grpc/port", 0),
                      json_text(probe, "/grpc/service"));
    }
    strbuf_printf(
        out,
        " delay=%" PRId64 "s timeout=%" PRId64 "s period=%" PRId64 "s #success=%" PRId64
        " #failure=%" PRId64 "\n",
        json_number(probe, "/initialDelaySeconds", 0), json_number(probe, "/timeoutSeconds", 1),
        json_number(probe, "/periodSeconds", 10), json_number(probe, "/successThreshold", 1),
        json_number(probe, "/failureThreshold", 3));
}

static const char *yes_no(yyjson_val *value)
{
    return yyjson_get_bool(value) ? "true" : "false";
}

/* The value of a field that a variable refers to, if the object of the pod contains it. */
static const char *field_value(yyjson_val *pod, const char *path)
{
    static const struct {
        const char *path, *pointer;
    } known[] = {{"metadata.name", "/metadata/name"},
                 {"metadata.namespace", "/metadata/namespace"},
                 {"metadata.uid", "/metadata/uid"},
                 {"status.podIP", "/status/podIP"},
                 {"status.hostIP", "/status/hostIP"},
                 {"spec.nodeName", "/spec/nodeName"},
                 {"spec.serviceAccountName", "/spec/serviceAccountName"}};

    for (size_t i = 0; pod && i < ARRAY_LEN(known); i++)
        if (str_equal(known[i].path, path))
            return json_text(pod, known[i].pointer);
    return "";
}

static void add_variable(StrBuf *out, yyjson_val *variable, yyjson_val *pod)
{
    const char *name = json_text(variable, "/name");
    yyjson_val *from = yyjson_obj_get(variable, "valueFrom"),
               *field = yyjson_obj_get(from, "fieldRef"),
               *secret = yyjson_obj_get(from, "secretKeyRef"),
               *config = yyjson_obj_get(from, "configMapKeyRef");

    if (!from) {
        const char *at = json_text(variable, "/value");

        for (bool first = true;; first = false) {
            size_t n = strcspn(at, "\n");

            strbuf_printf(out, "      %s%s\t%.*s\n", first ? name : "", first ? ":" : "", (int)n,
                          at);
            if (!at[n])
                break;
            at += n + 1;
        }
    } else if (field) {
        const char *path = json_text(field, "/fieldPath");

        strbuf_printf(out, "      %s:\t%s (%s:%s)\n", name, field_value(pod, path),
                      str_or(json_text(field, "/apiVersion"), "v1"), path);
    } else if (secret) {
        strbuf_printf(out, "      %s:\t<set to the key '%s' in secret '%s'>\tOptional: %s\n", name,
                      json_text(secret, "/key"), json_text(secret, "/name"),
                      yes_no(yyjson_obj_get(secret, "optional")));
    } else if (config) {
        strbuf_printf(out, "      %s:\t<set to the key '%s' of config map '%s'>\tOptional: %s\n",
                      name, json_text(config, "/key"), json_text(config, "/name"),
                      yes_no(yyjson_obj_get(config, "optional")));
    } else {
        strbuf_printf(out, "      %s:\t (%s)\n", name,
                      json_text(from, "/resourceFieldRef/resource"));
    }
}

static void add_env_from(StrBuf *out, yyjson_val *sources)
{
    yyjson_val *source;
    size_t i, n;

    if (yyjson_arr_size(sources))
        strbuf_add_string(out, "    Environment Variables from:\n");
    yyjson_arr_foreach(sources, i, n, source)
    {
        yyjson_val *config = yyjson_obj_get(source, "configMapRef"),
                   *ref = config ? config : yyjson_obj_get(source, "secretRef");

        strbuf_printf(out, "      %s\t%s", json_text(ref, "/name"),
                      config ? "ConfigMap" : "Secret");
        if (*json_text(source, "/prefix"))
            strbuf_printf(out, " with prefix '%s'", json_text(source, "/prefix"));
        strbuf_printf(out, "\tOptional: %s\n", yes_no(yyjson_obj_get(ref, "optional")));
    }
}

static void add_mounts(StrBuf *out, yyjson_val *mounts)
{
    yyjson_val *mount;
    Pairs lines = VEC_INIT;
    size_t i, n;

    strbuf_printf(out, "    Mounts:%s\n", yyjson_arr_size(mounts) ? "" : "\t<none>");
    yyjson_arr_foreach(mounts, i, n, mount)
    {
        const char *sub = json_text(mount, "/subPath");
        char *text = mem_printf(" from %s (%s%s%s%s)", json_text(mount, "/name"),
                                yyjson_get_bool(yyjson_obj_get(mount, "readOnly")) ? "ro" : "rw",
                                *sub ? ",path=\"" : "", sub, *sub ? "\"" : "");

        VEC_PUSH(&lines, ((Pair){json_text(mount, "/mountPath"), text}));
    }
    if (lines.n)
        qsort(lines.v, lines.n, sizeof(Pair), describe_by_key);
    for (i = 0; i < lines.n; i++) {
        strbuf_printf(out, "      %s%s\n", lines.v[i].key, lines.v[i].value);
        free((char *)(uintptr_t)lines.v[i].value);
    }
    VEC_DEINIT(&lines);
}

static void add_container(StrBuf *out, yyjson_val *container, yyjson_val *status, yyjson_val *pod,
                          bool template)
{
    yyjson_val *env = yyjson_obj_get(container, "env"), *variable;
    size_t i, n;

    strbuf_printf(out, "  %s%s:\n", template ? " " : "", json_text(container, "/name"));
    if (status)
        strbuf_printf(out, "    Container ID:\t%s\n", json_text(status, "/containerID"));
    strbuf_printf(out, "    Image:\t%s\n", json_text(container, "/image"));
    if (status)
        strbuf_printf(out, "    Image ID:\t%s\n", json_text(status, "/imageID"));
    add_ports(out, yyjson_obj_get(container, "ports"), "/containerPort", "Port");
    add_ports(out, yyjson_obj_get(container, "ports"), "/hostPort", "Host Port");
    add_words(out, yyjson_obj_get(container, "command"), "Command");
    add_words(out, yyjson_obj_get(container, "args"), "Args");
    if (status) {
        add_state(out, "State", yyjson_obj_get(status, "state"));
        if (yyjson_ptr_get(status, "/lastState/terminated"))
            add_state(out, "Last State", yyjson_obj_get(status, "lastState"));
        strbuf_printf(out, "    Ready:\t%s\n",
                      yyjson_get_bool(yyjson_obj_get(status, "ready")) ? "True" : "False");
        strbuf_printf(out, "    Restart Count:\t%" PRId64 "\n",
                      json_number(status, "/restartCount", 0));
    }
    add_quantities(out, "Limits", yyjson_ptr_get(container, "/resources/limits"));
    add_quantities(out, "Requests", yyjson_ptr_get(container, "/resources/requests"));
    add_probe(out, "Liveness", yyjson_obj_get(container, "livenessProbe"));
    add_probe(out, "Readiness", yyjson_obj_get(container, "readinessProbe"));
    add_probe(out, "Startup", yyjson_obj_get(container, "startupProbe"));
    add_env_from(out, yyjson_obj_get(container, "envFrom"));
    strbuf_printf(out, "    Environment:%s\n", yyjson_arr_size(env) ? "" : "\t<none>");
    yyjson_arr_foreach(env, i, n, variable) add_variable(out, variable, pod);
    add_mounts(out, yyjson_obj_get(container, "volumeMounts"));
}

void describe_containers(StrBuf *out, const char *title, yyjson_val *containers,
                         yyjson_val *statuses, yyjson_val *pod, bool template)
{
    yyjson_val *container, *status, *found;
    size_t i, n, j, m;

    strbuf_printf(out, "%s%s:\n", template ? "  " : "", title);
    yyjson_arr_foreach(containers, i, n, container)
    {
        found = NULL;
        yyjson_arr_foreach(statuses, j, m, status)
        {
            if (str_equal(json_text(status, "/name"), json_text(container, "/name")))
                found = status;
        }
        add_container(out, container, found, pod, template);
    }
}
