# SPDX-License-Identifier: Apache-2.0
"""A peer to measure time-server by: the same page with the same promise, as one would write it with Flask.

VISITS=FILE [SYNC=never] gunicorn --chdir bench/time-server -k gthread -w 2 --threads 32 peer_flask:app

The workers share the count through the file, under a lock. It is overwritten in place and synced before it is told,
which is the least that can be done: a reader in between, or a power cut when the number grows by a digit, is not thought
of here. With SYNC=never the kernel writes it when it likes.
"""
import datetime
import fcntl
import os

import flask

app = flask.Flask(__name__)
file = os.open(os.environ["VISITS"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
lock_path = os.environ["VISITS"] + ".lock"
durable = os.environ.get("SYNC") != "never"


def add():
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)  # one a call: threads share descriptors
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        count = int(os.pread(file, 32, 0) or 0) + 1
        os.pwrite(file, b"%d" % count, 0)
        if durable:
            os.fdatasync(file)
        return count
    finally:
        os.close(lock)


@app.get("/")
def page():
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return flask.Response(f"{now} UTC\nVisits: {add()}\n", mimetype="text/plain")
