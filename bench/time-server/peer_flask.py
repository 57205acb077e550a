# SPDX-License-Identifier: Apache-2.0
"""A peer to measure time-server by: the same page with the same promise, as one would write it with Flask.
gunicorn --chdir bench/time-server -k gthread --threads 64 -b 127.0.0.1:PORT peer_flask:app"""
import datetime
import os
import threading

import flask

app = flask.Flask(__name__)
path = os.environ["VISITS"]
durable = os.environ.get("SYNC") != "never"
lock = threading.Lock()
count = 0
if os.path.exists(path):
    with open(path, encoding="utf-8") as file:
        count = int(file.read())


def add():
    global count
    with lock:
        if durable:
            with open(path + ".tmp", "w", encoding="utf-8") as file:
                file.write(str(count + 1))
                file.flush()
                os.fdatasync(file.fileno())
            os.rename(path + ".tmp", path)
            folder = os.open(os.path.dirname(path), os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        count += 1
        return count


@app.get("/")
def page():
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return flask.Response(f"{now} UTC\nVisits: {add()}\n", mimetype="text/plain")
