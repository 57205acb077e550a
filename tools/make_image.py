#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a container image from files: a docker archive, the same bytes from the same input.

    make_image.py --name time-server:latest --out time-server.tar --entrypoint /bin/time-server \\
        build/time-server:/bin/time-server --busybox /bin/busybox

SRC:DEST copies a file, or a folder with all in it; modes are kept, owners become root, times SOURCE_DATE_EPOCH or 0.
--busybox puts the static busybox at /bin/busybox and under the name of each of its commands, and the few files that
programs expect of a system: /etc/passwd, /etc/group, /tmp, /root and so on. --names-out writes the names one a line,
which spares a reader of the archive to open it. Python's standard library is all it needs.
"""
import argparse
import datetime
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile

PASSWD = ('root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home:/bin/sh\n'
          'nobody:x:65534:65534:nobody:/:/bin/false\n')
GROUP = 'root:x:0:\napp:x:1000:\nnogroup:x:65534:\n'
# Of the time zones: every zone and its other names, and not the same ones again with leap seconds, nor tables.
NOT_ZONES = {'posix', 'right', 'posixrules', 'localtime', 'tzdata.zi', 'leapseconds', 'leap-seconds.list',
             'iso3166.tab', 'zone.tab', 'zone1970.tab'}
# Where applets that are not for /bin live; all others go there.
APPLET_FOLDERS = {'chroot': 'usr/sbin', 'env': 'usr/bin'}


class Layer:
    """Entries by path; written sorted, so that the order of arguments and folders does not matter."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.entries = {}

    def add(self, path, info, data=b''):
        path = clean(path)
        info.name = path
        info.mtime = self.epoch
        info.gid = info.uid
        info.uname = info.gname = ''
        self.entries[path] = (info, data)
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.folder(parent)

    def folder(self, path, mode=0o755, owner=0):
        info = tarfile.TarInfo()
        info.uid = owner
        info.type = tarfile.DIRTYPE
        info.mode = mode
        self.add(path, info)

    def file(self, path, data, mode=0o644):
        info = tarfile.TarInfo()
        info.mode = mode
        info.size = len(data)
        self.add(path, info, data)

    def link(self, path, target):
        info = tarfile.TarInfo()
        info.type = tarfile.SYMTYPE
        info.mode = 0o777
        info.linkname = target
        self.add(path, info)

    def copy(self, source, path):
        mode = os.lstat(source).st_mode
        if stat.S_ISLNK(mode):
            self.link(path, os.readlink(source))
        elif stat.S_ISDIR(mode):
            self.folder(path, stat.S_IMODE(mode))
            for name in os.listdir(source):
                self.copy(os.path.join(source, name), path + '/' + name)
        elif stat.S_ISREG(mode):
            with open(source, 'rb') as file:
                self.file(path, file.read(), stat.S_IMODE(mode))
        else:
            raise ValueError(source + ' is neither a file, a folder nor a link')

    def another_name(self, path, file):
        """A hard link: unlike a symbolic one it needs no inode, which is most of what unpacking costs."""
        info = tarfile.TarInfo()
        info.type = tarfile.LNKTYPE
        info.mode = self.entries[file][0].mode
        info.linkname = file
        self.add(path, info)

    def resolve(self, path):
        """The file that a path leads to in the end, or None."""
        for _ in range(8):
            info, _ = self.entries.get(path, (None, b''))
            if info is None or not info.issym():
                return path if info is not None and info.isreg() else None
            path = os.path.normpath(os.path.join('/', os.path.dirname(path), info.linkname)).lstrip('/')
        return None

    def share(self, folder):
        """Below the folder, what leads to a file, or has the same bytes as another, becomes another name of it."""
        first = {}
        for path in sorted(path for path in self.entries if path.startswith(folder + '/')):
            file = self.resolve(path)
            if file is None:
                continue
            info, data = self.entries[file]
            # a name that sorts later may be the file itself: the first to come with these bytes is kept
            kept = first.setdefault((info.mode, info.uid, data), file)
            if path != kept:
                self.another_name(path, kept)

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as tar:
            # what is linked to has to be there first
            for path in sorted(self.entries, key=lambda path: (self.entries[path][0].islnk(), path)):
                info, data = self.entries[path]
                tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
        return out.getvalue()


def clean(path):
    parts = [part for part in path.split('/') if part not in ('', '.')]
    if '..' in parts or not parts:
        raise ValueError(f'{path!r} is no path in an image')
    return '/'.join(parts)


def add_busybox(layer, busybox):
    with open(busybox, 'rb') as file:
        layer.file('bin/busybox', file.read(), 0o755)
    listing = subprocess.run([busybox, '--list'], check=True, capture_output=True, text=True)
    for name in sorted(set(listing.stdout.split()) - {'busybox'}):
        path = APPLET_FOLDERS.get(name, 'bin') + '/' + name
        if path not in layer.entries:
            layer.another_name(path, 'bin/busybox')
    for path, mode in (('tmp', 0o1777), ('root', 0o700), ('proc', 0o555), ('sys', 0o555), ('dev', 0o755),
                       ('var/tmp', 0o1777), ('run', 0o755), ('home', 0o755)):
        if path not in layer.entries:
            layer.folder(path, mode)
    for path, text in (('etc/passwd', PASSWD), ('etc/group', GROUP),
                       ('etc/nsswitch.conf', 'hosts: files dns\n')):
        if path not in layer.entries:
            layer.file(path, text.encode())


def make_config(options, diff_id, created):
    config = {'Env': options.env, 'Entrypoint': options.entrypoint, 'Cmd': options.cmd, 'WorkingDir': options.workdir,
              'User': options.user, 'StopSignal': options.stop_signal,
              'Volumes': {path: {} for path in options.volume} or None,
              'ExposedPorts': {port if '/' in port else port + '/tcp': {} for port in options.port} or None,
              'Labels': dict(label.split('=', 1) for label in options.label) or None}
    return {'architecture': options.architecture, 'os': 'linux', 'created': created,
            'config': {key: value for key, value in config.items() if value},
            'rootfs': {'type': 'layers', 'diff_ids': [diff_id]},
            'history': [{'created': created, 'created_by': 'make_image.py'}]}


def write_archive(path, files, epoch):
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = epoch
            tar.addfile(info, io.BytesIO(data))


def host_architecture():
    machine = os.uname().machine
    return {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--name', action='append', required=True, help='may be given several times')
    parser.add_argument('--out', required=True)
    parser.add_argument('--names-out')
    parser.add_argument('--answer', action='append', default=[], metavar='NAME',
                        help='with --names-out: the image answers to this name with any tag')
    parser.add_argument('--busybox', metavar='FILE')
    parser.add_argument('--zoneinfo', metavar='FOLDER', help='copied to /usr/share/zoneinfo')
    parser.add_argument('--entrypoint', action='append', default=[], help='one argument each')
    parser.add_argument('--cmd', action='append', default=[])
    parser.add_argument('--env', action='append', default=[])
    parser.add_argument('--label', action='append', default=[])
    parser.add_argument('--port', action='append', default=[])
    parser.add_argument('--volume', action='append', default=[])
    parser.add_argument('--folder', action='append', default=[], metavar='PATH[:MODE[:OWNER]]')
    parser.add_argument('--workdir', default='')
    parser.add_argument('--user', default='')
    parser.add_argument('--stop-signal', default='')
    parser.add_argument('--architecture', default=host_architecture())
    parser.add_argument('files', nargs='*', metavar='SRC:DEST')
    return parser.parse_args(arguments)


def build(options):
    epoch = int(os.environ.get('SOURCE_DATE_EPOCH', '0'))
    created = datetime.datetime.fromtimestamp(
        epoch, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
    layer = Layer(epoch)
    for pair in options.files:
        source, colon, path = pair.rpartition(':')
        if not colon:
            raise ValueError(f'{pair!r} is not SRC:DEST')
        layer.copy(source, path)
    for folder in options.folder:
        path, mode, owner = (folder.split(':') + ['755', '0'][folder.count(':'):])[:3]
        layer.folder(path, int(mode, 8), int(owner))
    if options.zoneinfo:
        for name in set(os.listdir(options.zoneinfo)) - NOT_ZONES:
            layer.copy(os.path.join(options.zoneinfo, name), 'usr/share/zoneinfo/' + name)
        layer.share('usr/share/zoneinfo')
    if options.busybox:
        add_busybox(layer, options.busybox)
    tar = layer.tar()
    diff_id = hashlib.sha256(tar).hexdigest()
    config = json.dumps(make_config(options, 'sha256:' + diff_id, created), sort_keys=True,
                        separators=(',', ':')).encode()
    config_name = hashlib.sha256(config).hexdigest() + '.json'
    manifest = [{'Config': config_name, 'RepoTags': options.name, 'Layers': [diff_id + '/layer.tar']}]
    write_archive(options.out, [
        ('manifest.json', json.dumps(manifest, separators=(',', ':')).encode()),
        (config_name, config),
        (diff_id + '/layer.tar', tar),
    ], epoch)
    if options.names_out:
        with open(options.names_out, 'w', encoding='utf-8') as file:
            file.write(''.join(name + '\n' for name in options.name + [name + ':*' for name in options.answer]))


def main():
    try:
        build(parse(sys.argv[1:]))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f'make_image: {error}')


if __name__ == '__main__':
    main()
