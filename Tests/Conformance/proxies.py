"""nginx and haproxy in front of a daemon: processes on loopback ports, with their settings in a folder of the run."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream daemon {{ server 127.0.0.1:{daemon}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        ignore_invalid_headers off;
        underscores_in_headers on;
        location / {{
            proxy_pass http://daemon;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_request_buffering off;
            proxy_buffering off;
        }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 64
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
    timeout http-request 5s
    option http-keep-alive
    http-reuse always
    {more}
frontend all
    bind 127.0.0.1:{port}
    default_backend daemon
backend daemon
    server daemon 127.0.0.1:{daemon} pool-max-conn 1
"""


class Proxy:
    """A proxy for the length of a `with`, which gives its port."""

    name = program = settings = more = ""

    @classmethod
    def missing(cls):
        """Why it cannot be started; empty when it can."""
        return "" if cls.path() else f"{cls.program} is not installed; scripts/bootstrap --proxies does that"

    @classmethod
    def path(cls):
        return shutil.which(cls.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

    def __init__(self, daemon_port, folder):
        self.folder = pathlib.Path(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.file = self.folder / f"{self.program}.conf"
        self.file.write_text(self.settings.format(
            folder=self.folder, daemon=daemon_port, port=self.port, more=self.more))

    def arguments(self):
        raise NotImplementedError

    def __enter__(self):
        with open(self.folder / f"{self.program}.out", "wb") as out:
            self.process = subprocess.Popen(
                [self.path(), *self.arguments()], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        until = time.monotonic() + 10
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self.port
            except OSError:
                time.sleep(0.02)
        self.__exit__()
        said = (self.folder / f"{self.program}.out").read_text()
        raise RuntimeError(f"{self.program} does not start: {said}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Nginx(Proxy):
    name = program = "nginx"
    settings = NGINX

    def arguments(self):
        return ["-p", str(self.folder), "-c", str(self.file), "-e", str(self.folder / "nginx.log")]


class HAProxy(Proxy):
    name = program = "haproxy"
    settings = HAPROXY

    def arguments(self):
        return ["-db", "-f", str(self.file)]


class LenientHAProxy(HAProxy):
    """Told to pass on what it would refuse."""

    name = "haproxy, lenient"
    more = "option accept-invalid-http-request"


ALL = [Nginx, HAProxy, LenientHAProxy]
