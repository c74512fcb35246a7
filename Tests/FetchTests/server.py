#!/usr/bin/env python3
"""A web server on this machine that behaves well or badly, by path. Prints its port; ends when its input does.

    server.py [CERTIFICATE KEY]      with the two it speaks TLS
"""

import gzip
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        try:
            getattr(self, self.path.strip('/').split('/')[0].replace('-', '_'), self.missing)()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def missing(self):
        self.answer(404, b'nothing here')

    def ok(self):
        if self.headers.get('If-None-Match') == '"v1"':
            self.send_response(304)
            self.send_header('ETag', '"v1"')
            self.end_headers()
        else:
            self.answer(200, b'prices', ETag='"v1"')

    def untagged(self):
        self.answer(200, b'prices')

    def empty(self):
        self.answer(200, b'')

    def head(self):
        self.answer(200, str(self.headers).encode())

    def zipped(self):
        accepted = 'gzip' in self.headers.get('Accept-Encoding', '')
        self.answer(200, gzip.compress(b'prices ' * 1000) if accepted else b'', Content_Encoding='gzip')

    def bomb(self):
        self.answer(200, gzip.compress(bytes(50_000_000)), Content_Encoding='gzip')

    def declared(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000000000')
        self.end_headers()

    def endless(self):
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        while True:
            self.wfile.write(b'1000\r\n' + b'x' * 4096 + b'\r\n')

    def slow(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b'x')
            self.wfile.flush()
            time.sleep(0.1)

    def half(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        self.wfile.write(b'x' * 10)
        self.close_connection = True

    def redirect(self, to):
        self.send_response(302)
        self.send_header('Location', to)
        self.send_header('ETag', '"redirect"')
        self.send_header('Content-Length', '0')
        self.end_headers()

    def to_other_host(self):
        self.redirect('http://example.invalid/ok')

    def to_file(self):
        self.redirect('file:///etc/hostname')

    def to_plain(self):
        self.redirect(f'http://127.0.0.1:{self.server.server_address[1]}/ok')

    def to_secure(self):
        self.redirect(f'https://127.0.0.1:{self.server.server_address[1]}/untagged')

    def around(self):
        self.redirect(f'https://127.0.0.1:{self.server.server_address[1]}/around')


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A peer that does not trust the certificate, or goes away, is what the tests are about."""


server = Server(('127.0.0.1', 0), Handler)
if len(sys.argv) == 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
