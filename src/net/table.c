/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each service port has three states: `wanted` is what the caller asked for, `wished` is the part of it
 * that can be expressed and is not taken by another service port, and `applied` is what the kernel has.
 * All changes of one turn of the loop are written by a single transaction at its end (on_flush).
 *
 * An entry claims the elements of the maps that it needs (`claims`). The first entry in the list of a
 * claim owns the element; the others wait for it in the order of their requests.
 *
 * A batch is the transaction in flight: the entries that it changes, each with the state that it will
 * have if the transaction succeeds (`trying`). If nft refuses the batch, on_base_done and on_part_done
 * repeat it in parts.
 */
#include <uv.h>

#include "base/arena.h"
#include "base/format.h"
#include "base/strmap.h"
#include "base/time/clock.h"
#include "base/loop_timer.h"
#include "base/vec.h"
#include "net/table.h"

#define REBUILD_FIRST_MS 1000
#define REBUILD_LAST_MS 60000
#define REFUSED_FIRST_MS 10000
#define REFUSED_LAST_MS 300000

/* A copy of a NetServicePort in an arena of its own. The states of an entry share it. */
typedef struct Port {
    Arena arena;
    int refs;
    NetServicePort port;
} Port;

typedef struct Entry {
    char *key;
    Port *wanted, *wished, *applied; /* NULL: to be removed; nothing can be applied; not applied */
    Port *trying;                    /* while its batch is in flight */
    bool dirty, refused;
} Entry;

typedef struct Claim {
    VEC(Entry *) v; /* the owner, then the entries that wait */
} Claim;

typedef struct Range {
    size_t from, to; /* indexes into the batch */
} Range;

struct Table {
    uv_loop_t *loop;
    TableOptions options;
    NftTable names;
    StrMap entries;        /* key -> Entry */
    StrMap claims;         /* element -> Claim */
    StrMap pods;           /* addresses that the table has to contain */
    VEC(Entry *) dirty;    /* without duplicates */
    VEC(char *) pods_gone; /* addresses to be deleted from the table */
    VEC(char *) pods_new;

    VEC(Entry *) batch;
    VEC(Range) parts; /* of a refused batch, still to be added */
    size_t base_n;    /* length of the script without the additions */
    bool started, running, rebuild, closing;
    bool rebuilding; /* the batch in flight replaces the whole table */
    size_t n_refused;
    int64_t rebuild_ms, refused_ms;

    uv_check_t flush; /* runs once a turn, after the events */
    uv_idle_t awake;  /* keeps the loop from waiting for an event before that */
    uv_timer_t retry, refused_retry;
    int handles;
    StrBuf script;
    NetProblem on_problem;
    void *on_problem_data;
};

/* ---- copies of service ports ---- */

static Port *port_copy(const NetServicePort *from)
{
    Port *port = mem_new_type(Port);
    Arena *arena = &port->arena;
    NetServicePort *to = &port->port;
    const char **addresses = arena_new_n(arena, const char *, from->n_addresses + 1);
    NetEndpoint *endpoints = arena_new_n(arena, NetEndpoint, from->n_endpoints + 1);

    port->refs = 1;
    *to = *from;
    to->key = arena_strdup(arena, from->key);
    to->protocol = arena_strdup(arena, from->protocol);
    for (size_t i = 0; i < from->n_addresses; i++)
        addresses[i] = arena_strdup(arena, from->addresses[i]);
    for (size_t i = 0; i < from->n_endpoints; i++)
        endpoints[i] =
            (NetEndpoint){arena_strdup(arena, from->endpoints[i].address), from->endpoints[i].port};
    to->addresses = addresses;
    to->endpoints = endpoints;
    return port;
}

static Port *port_ref(Port *port)
{
    if (port)
        port->refs++;
    return port;
}

static Port *port_unref(Port *port)
{
    if (!port || --port->refs)
        return NULL;
    arena_clear(&port->arena);
    free(port);
    return NULL;
}

static void port_put(Port **place, Port *port)
{
    port_unref(*place);
    *place = port;
}

static bool port_equal(const NetServicePort *a, const NetServicePort *b)
{
    if (!str_equal(a->protocol, b->protocol) || a->port != b->port ||
        a->host_port != b->host_port || a->node_port != b->node_port ||
        a->affinity_seconds != b->affinity_seconds || a->n_addresses != b->n_addresses ||
        a->n_endpoints != b->n_endpoints)
        return false;
    for (size_t i = 0; i < a->n_addresses; i++)
        if (!str_equal(a->addresses[i], b->addresses[i]))
            return false;
    for (size_t i = 0; i < a->n_endpoints; i++)
        if (!str_equal(a->endpoints[i].address, b->endpoints[i].address) ||
            a->endpoints[i].port != b->endpoints[i].port)
            return false;
    return true;
}

/* ---- owners of elements ---- */

static void on_flush(uv_check_t *check);

static void on_awake(uv_idle_t *idle)
{
    (void)idle;
}

static void wake(Table *table)
{
    if (!table->started || table->running || table->closing ||
        uv_is_active((uv_handle_t *)&table->retry))
        return;
    uv_check_start(&table->flush, on_flush);
    uv_idle_start(&table->awake, on_awake);
}

static void mark_dirty(Table *table, Entry *entry)
{
    if (!entry->dirty)
        VEC_PUSH(&table->dirty, entry);
    entry->dirty = true;
    wake(table);
}

static _printf_(3, 4) void say_problem(Table *table, const Entry *entry, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!table->on_problem)
        return;
    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    table->on_problem(table->on_problem_data, entry->key, text);
}

static void element_name(const NetServicePort *port, const char *address, char buf[static 64])
{
    snprintf(buf, 64, "%s%s/%s/%u", port->host_port ? "host " : "", str_or(address, "*"),
             str_or(port->protocol, "TCP"), address ? port->port : port->node_port);
}

/* The names of all elements that the port needs, as keys. */
static StrMap elements_of(const NetServicePort *port)
{
    StrMap elements = STRMAP_INIT;
    char element[64];

    for (size_t i = 0; port && i < port->n_addresses; i++) {
        element_name(port, port->addresses[i], element);
        strmap_put(&elements, element, &elements);
    }
    if (port && port->node_port) {
        element_name(port, NULL, element);
        strmap_put(&elements, element, &elements);
    }
    return elements;
}

static void claim_free(Claim *claim)
{
    VEC_DEINIT(&claim->v);
    free(claim);
}

static void claim(Table *table, Entry *entry, const char *element)
{
    Claim *claim = strmap_get(&table->claims, element);

    if (!claim) {
        claim = mem_new_type(Claim);
        strmap_put(&table->claims, element, claim);
    }
    VEC_PUSH(&claim->v, entry);
}

static void wish_anew(Table *table, Entry *entry, bool say);

static void release(Table *table, Entry *entry, const char *element)
{
    Claim *claim = strmap_get(&table->claims, element);
    size_t i = 0;

    while (claim->v.v[i] != entry)
        i++;
    claim->v.n--;
    memmove(&claim->v.v[i], &claim->v.v[i + 1], (claim->v.n - i) * sizeof(claim->v.v[0]));
    if (claim->v.n && i == 0)
        wish_anew(table, claim->v.v[0], false);
    if (claim->v.n)
        return;
    strmap_remove(&table->claims, element);
    claim_free(claim);
}

static void change_claims(Table *table, Entry *entry, const NetServicePort *before,
                          const NetServicePort *after)
{
    StrMap old = elements_of(before), new = elements_of(after);

    STRMAP_EACH(&old, slot)
        if (!strmap_get(&new, slot->key))
            release(table, entry, slot->key);
    STRMAP_EACH(&new, slot)
        if (!strmap_get(&old, slot->key))
            claim(table, entry, slot->key);
    strmap_deinit(&old);
    strmap_deinit(&new);
}

/* ---- from wanted to wished ---- */

static const Entry *owner_of(const Table *table, const char *element)
{
    const Claim *claim = strmap_get(&table->claims, element);

    return claim->v.v[0];
}

/* Keeps the addresses that can be expressed and belong to the entry, without duplicates. */
static void keep_addresses(Table *table, Entry *entry, NetServicePort *port, const char **kept,
                           bool say)
{
    StrMap seen = STRMAP_INIT;
    size_t n = 0;

    for (size_t i = 0; i < port->n_addresses; i++) {
        const char *address = port->addresses[i];
        const Entry *owner;
        char element[64];
        uint32_t ip4;

        if (strmap_put(&seen, address, &seen))
            continue;
        element_name(port, address, element);
        owner = owner_of(table, element);
        if (ip4_parse(address, &ip4) == 0 && owner == entry)
            kept[n++] = address;
        else if (say && owner == entry)
            say_problem(table, entry, "%.64s is not an IPv4 address", address);
        else if (say)
            say_problem(table, entry, "%s %s:%u already leads to %s", port->protocol, address,
                        port->port, owner->key);
    }
    strmap_deinit(&seen);
    port->addresses = kept;
    port->n_addresses = n;
}

static void keep_endpoints(NetServicePort *port, NetEndpoint *kept)
{
    size_t n = 0;

    for (size_t i = 0; i < port->n_endpoints; i++) {
        uint32_t ip4;

        if (ip4_parse(port->endpoints[i].address, &ip4) == 0 && port->endpoints[i].port)
            kept[n++] = port->endpoints[i];
    }
    port->endpoints = kept;
    port->n_endpoints = n;
}

static void wish_anew(Table *table, Entry *entry, bool say)
{
    NetServicePort port;
    const char **addresses;
    NetEndpoint *endpoints;
    char element[64];
    Port *wished;

    table->n_refused -= entry->refused;
    entry->refused = false;
    if (!entry->wanted) {
        port_put(&entry->wished, NULL);
        mark_dirty(table, entry);
        return;
    }
    port = entry->wanted->port;
    addresses = mem_new((port.n_addresses + 1) * sizeof(*addresses));
    endpoints = mem_new((port.n_endpoints + 1) * sizeof(*endpoints));
    keep_addresses(table, entry, &port, addresses, say);
    keep_endpoints(&port, endpoints);
    element_name(&port, NULL, element);
    if (port.node_port && owner_of(table, element) != entry) {
        if (say)
            say_problem(table, entry, "%s port %u of this machine already leads to %s",
                        port.protocol, port.node_port, owner_of(table, element)->key);
        port.node_port = 0;
    }
    wished = port.n_addresses || port.node_port ? port_copy(&port) : NULL;
    free(addresses);
    free(endpoints);
    port_put(&entry->wished, wished);
    mark_dirty(table, entry);
}

static void want(Table *table, const char *key, const NetServicePort *port)
{
    Entry *entry = strmap_get(&table->entries, key);
    Port *before;

    if (!entry) {
        if (!port)
            return;
        entry = mem_new_type(Entry);
        entry->key = mem_strdup(key);
        strmap_put(&table->entries, key, entry);
    }
    if (port && entry->wanted && port_equal(&entry->wanted->port, port))
        return;
    before = entry->wanted;
    entry->wanted = port ? port_copy(port) : NULL;
    change_claims(table, entry, before ? &before->port : NULL, port);
    port_unref(before);
    wish_anew(table, entry, true);
}

void table_set(Table *table, const NetServicePort *port)
{
    want(table, port->key, port);
}

void table_remove(Table *table, const char *key)
{
    want(table, key, NULL);
}

void table_pod_add(Table *table, const char *address)
{
    if (strmap_get(&table->pods, address))
        return;
    strmap_put(&table->pods, address, table);
    VEC_PUSH(&table->pods_new, mem_strdup(address));
    wake(table);
}

void table_pod_remove(Table *table, const char *address)
{
    if (!strmap_remove(&table->pods, address))
        return;
    VEC_PUSH(&table->pods_gone, mem_strdup(address));
    wake(table);
}

/* ---- transactions ---- */

static void forget_pods(Table *table)
{
    for (size_t i = 0; i < table->pods_gone.n; i++)
        free(table->pods_gone.v[i]);
    for (size_t i = 0; i < table->pods_new.n; i++)
        free(table->pods_new.v[i]);
    table->pods_gone.n = table->pods_new.n = 0;
}

/* nft accepts the addition of an element that exists, but refuses the deletion of one that does not. So
 * each element is added before it is deleted. */
static void print_pods(Table *table, StrBuf *out)
{
    if (table->rebuilding) {
        STRMAP_EACH(&table->pods, slot)
            nft_print_hairpin(&table->names, slot->key, true, out);
        return;
    }
    for (size_t i = 0; i < table->pods_gone.n; i++) {
        if (strmap_get(&table->pods, table->pods_gone.v[i]))
            continue; /* it has been added again */
        nft_print_hairpin(&table->names, table->pods_gone.v[i], true, out);
        nft_print_hairpin(&table->names, table->pods_gone.v[i], false, out);
    }
    for (size_t i = 0; i < table->pods_new.n; i++)
        if (strmap_get(&table->pods, table->pods_new.v[i]))
            nft_print_hairpin(&table->names, table->pods_new.v[i], true, out);
}

static void take_batch(Table *table)
{
    table->batch.n = 0;
    table->rebuilding = table->rebuild;
    table->rebuild = false;
    if (table->rebuilding) {
        STRMAP_EACH(&table->entries, slot)
            VEC_PUSH(&table->batch, (Entry *)slot->value);
    } else {
        for (size_t i = 0; i < table->dirty.n; i++)
            VEC_PUSH(&table->batch, table->dirty.v[i]);
    }
    for (size_t i = 0; i < table->dirty.n; i++)
        table->dirty.v[i]->dirty = false;
    table->dirty.n = 0;
    for (size_t i = 0; i < table->batch.n; i++) {
        Entry *entry = table->batch.v[i];

        port_put(&entry->trying, entry->refused ? NULL : port_ref(entry->wished));
    }
}

/* All deletions come first, since an address or port may move from one service to another. */
static void print_base(Table *table, StrBuf *out)
{
    if (table->rebuilding)
        nft_print_table(&table->names, out);
    print_pods(table, out);
    for (size_t i = 0; i < table->batch.n && !table->rebuilding; i++)
        if (table->batch.v[i]->applied)
            nft_print_service_delete(&table->names, &table->batch.v[i]->applied->port, out);
    table->base_n = out->n;
}

static void print_part(Table *table, Range part, StrBuf *out)
{
    for (size_t i = part.from; i < part.to; i++)
        if (table->batch.v[i]->trying)
            nft_print_service_add(&table->names, &table->batch.v[i]->trying->port, out);
}

static void settle(Table *table, Range part, bool applied)
{
    for (size_t i = part.from; i < part.to; i++) {
        Entry *entry = table->batch.v[i];

        port_put(&entry->applied, applied ? port_ref(entry->trying) : NULL);
    }
}

static void entry_free(Entry *entry)
{
    port_unref(entry->wanted);
    port_unref(entry->wished);
    port_unref(entry->applied);
    port_unref(entry->trying);
    free(entry->key);
    free(entry);
}

static void start_timer(Table *table, uv_timer_t *timer, uv_timer_cb on_timer, int64_t *delay_ms,
                        int64_t first, int64_t last)
{
    *delay_ms = *delay_ms ? MIN_OF(*delay_ms * 2, last) : first;
    if (!table->closing)
        loop_timer_start(timer, on_timer, *delay_ms * NS_PER_MS);
}

static void on_refused_retry(uv_timer_t *timer)
{
    Table *table = timer->data;

    STRMAP_EACH(&table->entries, slot) {
        Entry *entry = slot->value;

        if (!entry->refused)
            continue;
        entry->refused = false;
        mark_dirty(table, entry);
    }
    table->n_refused = 0;
}

/* Called when all parts of the batch have been applied or refused. */
static void end_batch(Table *table)
{
    for (size_t i = 0; i < table->batch.n; i++) {
        Entry *entry = table->batch.v[i];

        port_put(&entry->trying, NULL);
        if (entry->wanted || entry->applied || entry->dirty)
            continue;
        strmap_remove(&table->entries, entry->key);
        entry_free(entry);
    }
    table->batch.n = 0;
    table->running = false;
    if (!table->n_refused)
        table->refused_ms = 0;
    else if (!uv_is_active((uv_handle_t *)&table->refused_retry))
        start_timer(table, &table->refused_retry, on_refused_retry, &table->refused_ms,
                    REFUSED_FIRST_MS, REFUSED_LAST_MS);
    if (table->closing) {
        table->closing = false;
        table_close(table);
    } else if (table->dirty.n || table->pods_new.n || table->pods_gone.n) {
        wake(table);
    }
}

static void on_rebuild(uv_timer_t *timer)
{
    wake(timer->data);
}

/* The state of the kernel is unknown or cannot be changed, so the whole table is replaced later. */
static void give_up(Table *table, NftOutcome outcome, const char *message)
{
    Err err = ERR_INIT;

    err_set(&err, 0, outcome == NFT_REFUSED ? "nft refused a transaction: %.400s" : "%.400s",
            message);
    if (table->options.on_error)
        table->options.on_error(table->options.on_error_data, &err);
    for (size_t i = 0; i < table->batch.n; i++)
        if (!table->batch.v[i]->dirty) {
            table->batch.v[i]->dirty = true;
            VEC_PUSH(&table->dirty, table->batch.v[i]);
        }
    table->rebuild = true;
    table->parts.n = 0;
    table->batch.n = 0;
    table->running = false;
    if (table->closing) {
        table->closing = false;
        table_close(table);
        return;
    }
    start_timer(table, &table->retry, on_rebuild, &table->rebuild_ms, REBUILD_FIRST_MS,
                REBUILD_LAST_MS);
}

static void run(Table *table, NftDone done)
{
    table->options.run(table->options.run_data, strbuf_bytes(&table->script), done, table);
}

static void refuse(Table *table, Entry *entry, const char *message)
{
    say_problem(table, entry, "nft refused it: %.300s", message);
    if (entry->dirty) /* another version of it will be tried */
        return;
    table->n_refused += !entry->refused;
    entry->refused = true;
}

static void on_part_done(void *data, NftOutcome outcome, const char *message);

static void next_part(Table *table)
{
    if (!table->parts.n || table->closing) {
        end_batch(table);
        return;
    }
    strbuf_truncate(&table->script, 0);
    print_part(table, table->parts.v[table->parts.n - 1], &table->script);
    run(table, on_part_done);
}

static void on_part_done(void *data, NftOutcome outcome, const char *message)
{
    Table *table = data;
    Range part = table->parts.v[--table->parts.n];
    size_t middle = part.from + (part.to - part.from) / 2;

    if (outcome == NFT_UNKNOWN) {
        give_up(table, outcome, message);
        return;
    }
    settle(table, part, outcome == NFT_DONE);
    if (outcome == NFT_REFUSED && part.to - part.from == 1) {
        refuse(table, table->batch.v[part.from], message);
    } else if (outcome == NFT_REFUSED) {
        VEC_PUSH(&table->parts, ((Range){middle, part.to}));
        VEC_PUSH(&table->parts, ((Range){part.from, middle}));
    }
    next_part(table);
}

static void on_base_done(void *data, NftOutcome outcome, const char *message)
{
    Table *table = data;

    if (outcome != NFT_DONE) {
        give_up(table, outcome, message);
        return;
    }
    table->rebuild_ms = 0;
    settle(table, (Range){0, table->batch.n}, false);
    if (table->batch.n)
        VEC_PUSH(&table->parts, ((Range){0, table->batch.n}));
    next_part(table);
}

static void on_whole_done(void *data, NftOutcome outcome, const char *message)
{
    Table *table = data;

    if (outcome == NFT_DONE) {
        table->rebuild_ms = 0;
        settle(table, (Range){0, table->batch.n}, true);
        end_batch(table);
    } else if (outcome == NFT_REFUSED && !table->closing) {
        strbuf_truncate(&table->script, table->base_n);
        run(table, on_base_done);
    } else {
        give_up(table, outcome, message);
    }
}

static void on_flush(uv_check_t *check)
{
    Table *table = check->data;

    uv_check_stop(&table->flush);
    uv_idle_stop(&table->awake);
    if (table->running || table->closing)
        return;
    take_batch(table);
    strbuf_truncate(&table->script, 0);
    print_base(table, &table->script);
    forget_pods(table);
    print_part(table, (Range){0, table->batch.n}, &table->script);
    table->running = true;
    if (table->script.n) {
        run(table, on_whole_done);
    } else {
        settle(table, (Range){0, table->batch.n}, true);
        end_batch(table);
    }
}

/* ---- life ---- */

Table *table_new(struct uv_loop_s *loop, const TableOptions *options)
{
    Table *table = mem_new_type(Table);
    uv_handle_t *handles[] = {(uv_handle_t *)&table->flush, (uv_handle_t *)&table->awake,
                              (uv_handle_t *)&table->retry, (uv_handle_t *)&table->refused_retry};

    table->loop = loop;
    table->options = *options;
    table->names = (NftTable){.instance = mem_strdup(options->names.instance),
                              .bridge = mem_strdup(options->names.bridge),
                              .pod_cidr = mem_strdup(options->names.pod_cidr),
                              .service_cidr = mem_strdup(options->names.service_cidr)};
    uv_check_init(loop, &table->flush);
    uv_idle_init(loop, &table->awake);
    uv_timer_init(loop, &table->retry);
    uv_timer_init(loop, &table->refused_retry);
    table->handles = ARRAY_LEN(handles);
    for (size_t i = 0; i < ARRAY_LEN(handles); i++)
        handles[i]->data = table;
    uv_unref((uv_handle_t *)&table->flush);
    uv_unref((uv_handle_t *)&table->refused_retry);
    return table;
}

static void on_closed(uv_handle_t *handle)
{
    Table *table = handle->data;

    if (--table->handles)
        return;
    STRMAP_DEINIT_WITH(&table->entries, entry_free);
    STRMAP_DEINIT_WITH(&table->claims, claim_free);
    strmap_deinit(&table->pods);
    forget_pods(table);
    VEC_DEINIT(&table->pods_gone);
    VEC_DEINIT(&table->pods_new);
    VEC_DEINIT(&table->dirty);
    VEC_DEINIT(&table->batch);
    VEC_DEINIT(&table->parts);
    strbuf_deinit(&table->script);
    free((char *)(uintptr_t)table->names.instance);
    free((char *)(uintptr_t)table->names.bridge);
    free((char *)(uintptr_t)table->names.pod_cidr);
    free((char *)(uintptr_t)table->names.service_cidr);
    free(table);
}

Table *table_close(Table *table)
{
    if (!table || table->closing)
        return NULL;
    table->closing = true;
    if (table->running)
        return NULL; /* the end of the transaction calls this function again */
    uv_close((uv_handle_t *)&table->flush, on_closed);
    uv_close((uv_handle_t *)&table->awake, on_closed);
    uv_close((uv_handle_t *)&table->retry, on_closed);
    uv_close((uv_handle_t *)&table->refused_retry, on_closed);
    return NULL;
}

void table_on_problem(Table *table, NetProblem on_problem, void *data)
{
    table->on_problem = on_problem;
    table->on_problem_data = data;
}

void table_start(Table *table)
{
    table->started = table->rebuild = true;
    wake(table);
}
