/* SPDX-License-Identifier: Apache-2.0 */
/* See volume_room.h. */
#include <sys/statvfs.h>

#include "node/machine/machine.h"
#include "node/pod/claim_volumes.h"
#include "node/pod/disk_eviction.h"
#include "node/pod/volume_room.h"
#include "node/volume/disk.h"
#include "node/volume/disk_room.h"
#include "node/volume/pod_volume.h"
#include "node/volume/write_watch.h"

#define MIB ((int64_t)1024 * 1024)
#define KEEP_LEAST (4 * MIB)
#define WRITE_RATE ((int64_t)2 << 30) /* bytes per second: what volumes are assumed to grow by */
#define LOOK_SOONEST (20 * NS_PER_MS)
#define LOOK_LATEST NS_PER_SEC
#define QUIET_NS (10 * NS_PER_SEC) /* deleted data return with the next commit of the journal */
#define WAIT_NS (10 * NS_PER_SEC) /* how often the disk is looked at while a claim waits for room */
#define FULL 100

typedef struct RoomVolume {
    char *name, *folder;
    DiskUse use;   /* when it was last looked at */
    int64_t grant; /* the one in force; -1: none yet */
    int64_t grown_ns;
    int told; /* the level of its last Event */
} RoomVolume;

struct VolumeRoom {
    StrMap volumes; /* of RoomVolume by name: thin volumes that are mounted */
    Timer timer;
    WriteWatch *writes; /* NULL if the kernel has no such watch */
    bool watching;      /* the watch reports the next write */
    bool limited;       /* there are volumes that the disk limits */
    int64_t changed_ns; /* when a volume last grew or shrank */
    int64_t refused;    /* the smallest size that was refused; 0: no claim waits */
    int64_t had;        /* the room at that time */
};

typedef struct Room {
    int64_t all;  /* of the disk, without what is kept free */
    int64_t left; /* for volumes to grow; may be negative */
} Room;

/* ---- the disk ---- */

/* Volumes stop growing well before pods are evicted, so that one volume cannot cause the eviction of
 * another pod. */
int64_t volume_room_keep(const NodeAgent *agent)
{
    struct statvfs fs;

    if (statvfs(agent->options.data_dir, &fs) < 0)
        return KEEP_LEAST;
    return 2 * (int64_t)storage_reserve(agent, &fs) + KEEP_LEAST;
}

static bool read_room(const NodeAgent *agent, Room *ret)
{
    int64_t unit;
    struct statvfs fs;

    if (statvfs(agent->options.data_dir, &fs) < 0)
        return false;
    unit = (int64_t)fs.f_frsize;
    ret->left = (int64_t)fs.f_bavail * unit - 2 * (int64_t)storage_reserve(agent, &fs) - KEEP_LEAST;
    ret->all = (int64_t)(fs.f_blocks - fs.f_bfree) * unit + ret->left;
    return true;
}

/* The part of the disk that is in use or promised. */
static int percent_of(const Room *room)
{
    if (room->left < MAX_OF(room->all / 1000, MIB))
        return FULL;
    return (int)(99 - (double)room->left * 99 / (double)room->all);
}

/* ---- volumes ---- */

static void volume_free(RoomVolume *volume)
{
    free(volume->name);
    free(volume->folder);
    free(volume);
}

/* Reads all volumes into shares, and drops those that are not mounted any more. */
static RoomShare *read_shares(NodeAgent *agent, RoomVolume ***ret_volumes, size_t *ret_n)
{
    struct VolumeRoom *room = agent->room;
    int64_t now = clock_mono_ns(agent->options.clock);
    RoomShare *shares = mem_new((room->volumes.n + 1) * sizeof(*shares));
    RoomVolume **volumes = mem_new((room->volumes.n + 1) * sizeof(RoomVolume *)),
               **gone = mem_new((room->volumes.n + 1) * sizeof(RoomVolume *));
    size_t n = 0, n_gone = 0;

    STRMAP_EACH(&room->volumes, slot) {
        RoomVolume *volume = slot->value;
        DiskUse use;

        if (volume_room_read(volume->folder, &use) != 0 || !use.thin) {
            gone[n_gone++] = volume;
            continue;
        }
        if (volume->grant >= 0 && use.free < volume->use.free)
            volume->grown_ns = now;
        if (use.free != volume->use.free || use.backed < volume->use.backed)
            room->changed_ns = now;
        if (use.bytes != volume->use.bytes || use.device != volume->use.device)
            volume->grant = -1; /* growing it has set a limit of its own */
        volume->use = use;
        volumes[n] = volume;
        shares[n++] = (RoomShare){.use = use,
                                  .growing = volume->grown_ns && now - volume->grown_ns < QUIET_NS};
    }
    for (size_t i = 0; i < n_gone; i++)
        volume_free(strmap_remove(&room->volumes, gone[i]->name));
    free(gone);
    *ret_volumes = volumes;
    *ret_n = n;
    return shares;
}

/* Lowers grants before it raises others, so that their sum never exceeds the room. */
static void apply_grants(RoomVolume **volumes, const RoomShare *shares, size_t n)
{
    for (int raise = 0; raise < 2; raise++)
        for (size_t i = 0; i < n; i++) {
            RoomVolume *volume = volumes[i];
            bool is_raise = volume->grant >= 0 && shares[i].grant > volume->grant;

            if (is_raise != raise || (shares[i].grant == INT64_MAX && volume->grant == INT64_MAX))
                continue;
            volume_room_limit(&volume->use, shares[i].grant);
            volume->grant = shares[i].grant;
        }
}

/* ---- Events ---- */

static int level_of(int percent)
{
    return percent >= FULL ? FULL : percent >= 95 ? 95 : percent >= 90 ? 90 : 0;
}

static void tell(NodeAgent *agent, const RoomVolume *volume, const Room *room)
{
    int percent = percent_of(room);
    Object *claim = agent_volume_claim(agent, volume->name);
    _free_ char *text =
        percent < FULL
            ? mem_printf("the disk of volume \"%s\" is %d%% full: %" PRId64
                         " MiB are left for all volumes",
                         volume->name, percent, room->left / MIB)
            : mem_printf("the disk of volume \"%s\" is full: writes that need more room fail with "
                         "\"No space left on device\"",
                         volume->name);
    const char *reason = percent < FULL ? "VolumeDiskNearlyFull" : "VolumeDiskFull";

    if (claim)
        event_record(agent->events, claim, "Warning", reason, "%s", text);
    STRMAP_EACH(&agent->pods, slot) {
        AgentPod *pod = slot->value;

        for (size_t i = 0; i < pod->n_volumes; i++)
            if (pod->machine && machine_stage(pod->machine) != MACHINE_DONE &&
                str_equal(pod->volumes[i].disk, volume->name))
                agent_pod_event(pod, SIZE_MAX, "Warning", reason, text);
    }
}

/* A level that was reported is reported again only after the disk has become emptier by a few
 * percent. */
static void tell_all(NodeAgent *agent, RoomVolume **volumes, size_t n, const Room *room)
{
    int percent = percent_of(room), level = level_of(percent);

    for (size_t i = 0; i < n; i++) {
        RoomVolume *volume = volumes[i];

        if (level > volume->told)
            tell(agent, volume, room);
        if (level > volume->told || percent < volume->told - 2)
            volume->told = level;
    }
}

/* ---- looking ---- */

static void on_timer(Timer *timer)
{
    volume_room_look(timer->data);
}

static void look_after(NodeAgent *agent, int64_t delay_ns)
{
    timer_start(agent->options.clock, &agent->room->timer, delay_ns);
}

static void on_write(void *data)
{
    NodeAgent *agent = data;

    agent->room->watching = false;
    agent->room->changed_ns = clock_mono_ns(agent->options.clock);
    volume_room_look(agent);
}

static void unwatch(struct VolumeRoom *room)
{
    if (room->watching)
        write_watch_clear(room->writes);
    room->watching = false;
}

/* Returns whether the next write will be reported. */
static bool watch(NodeAgent *agent)
{
    struct VolumeRoom *room = agent->room;

    if (room->watching)
        return true;
    if (!room->writes)
        room->writes = write_watch_new(agent->options.loop, on_write, agent);
    room->watching = room->writes != NULL;
    STRMAP_EACH(&room->volumes, slot) {
        const RoomVolume *volume = slot->value;
        _free_ char *data = mem_printf("%s/data", volume->folder);

        if (room->writes && write_watch_add(room->writes, data) < 0)
            room->watching = false;
    }
    if (room->writes && !room->watching)
        write_watch_clear(room->writes);
    return room->watching;
}

int64_t volume_room_next_look(int64_t least_grant)
{
    int64_t ms = least_grant / 2 / (WRITE_RATE / 1000);

    return MAX_OF(LOOK_SOONEST, MIN_OF(LOOK_LATEST, ms * NS_PER_MS));
}

static int64_t next_look(RoomVolume **volumes, const RoomShare *shares, size_t n)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < n; i++)
        if (shares[i].growing && volumes[i]->grant > 0)
            least = MIN_OF(least, volumes[i]->grant);
    return volume_room_next_look(least);
}

static void plan_next(NodeAgent *agent, RoomVolume **volumes, const RoomShare *shares, size_t n)
{
    struct VolumeRoom *room = agent->room;
    int64_t now = clock_mono_ns(agent->options.clock);

    timer_stop(agent->options.clock, &room->timer);
    if (!room->limited && !room->refused) {
        unwatch(room);
        return;
    }
    if (room->changed_ns && now - room->changed_ns < QUIET_NS && n) {
        unwatch(room);
        look_after(agent, next_look(volumes, shares, n));
    } else if (n && !watch(agent)) {
        look_after(agent, LOOK_LATEST);
    } else if (room->refused) {
        look_after(agent, WAIT_NS);
    }
}

/* The claims that wait are tried again when there is enough room for the smallest of them: at once
 * if there is more than when it was refused, and also if there was enough already, since then it was
 * refused for a reason that has passed. */
static void wake_claims(NodeAgent *agent, const Room *now)
{
    struct VolumeRoom *room = agent->room;

    if (!room->refused || now->left < room->refused ||
        (now->left <= room->had && room->had < room->refused))
        return;
    room->refused = 0;
    if (agent->options.on_volume_room)
        agent->options.on_volume_room(agent->options.on_volume_room_data);
}

void volume_room_look(NodeAgent *agent)
{
    struct VolumeRoom *room = agent->room;
    RoomVolume **volumes;
    RoomShare *shares;
    Room now;
    size_t n;

    if (!room || agent->stopping || !read_room(agent, &now))
        return;
    shares = read_shares(agent, &volumes, &n);
    now.left = room_plan(shares, n, now.left);
    apply_grants(volumes, shares, n);
    room->limited = false;
    for (size_t i = 0; i < n; i++)
        room->limited = room->limited || shares[i].grant != INT64_MAX;
    tell_all(agent, volumes, n, &now);
    wake_claims(agent, &now);
    plan_next(agent, volumes, shares, n);
    free(volumes);
    free(shares);
}

static bool add(NodeAgent *agent, const char *name)
{
    _free_ char *folder = mem_printf("%s/volumes/%s", agent->options.data_dir, name);
    RoomVolume *volume = strmap_get(&agent->room->volumes, name);
    DiskUse use;

    if (volume) { /* it may have been mounted anew */
        volume->grant = -1;
        return true;
    }
    if (volume_room_read(folder, &use) != 0 || !use.thin)
        return false;
    volume = mem_new_type(RoomVolume);
    *volume = (RoomVolume){.name = mem_strdup(name), .folder = TAKE_PTR(folder), .grant = -1};
    strmap_put(&agent->room->volumes, name, volume);
    return true;
}

void volume_room_add(NodeAgent *agent, const char *name)
{
    if (agent->room && add(agent, name)) {
        unwatch(agent->room); /* so that it is watched, too */
        volume_room_look(agent);
    }
}

void volume_room_refused(NodeAgent *agent, int64_t bytes)
{
    struct VolumeRoom *room = agent->room;
    Room now;

    if (!room || agent->stopping || !read_room(agent, &now))
        return;
    room->refused = room->refused ? MIN_OF(room->refused, bytes) : bytes;
    room->had = now.left;
    volume_room_look(agent);
}

/* ---- starting and stopping ---- */

static void add_mounted(void *data, const char *name)
{
    (void)add(data, name);
}

void volume_room_start(NodeAgent *agent)
{
    agent->room = mem_new_type(struct VolumeRoom);
    agent->room->timer.on_fire = on_timer;
    agent->room->timer.data = agent;
    volume_disk_each(agent->options.data_dir, add_mounted, agent);
    volume_room_look(agent);
}

void volume_room_stop(NodeAgent *agent)
{
    struct VolumeRoom *room = agent->room;

    if (!room)
        return;
    agent->room = NULL;
    timer_stop(agent->options.clock, &room->timer);
    write_watch_free(room->writes);
    STRMAP_DEINIT_WITH(&room->volumes, volume_free);
    free(room);
}
