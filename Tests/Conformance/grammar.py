"""What a request line, a field and a connection may be: one line each, as in smuggling.py."""

from smuggling import CL, E, HIDDEN, event, length, post, request

HOST = b"Host: a"


def get(target=b"/x", *fields):
    return request(b"GET " + target + b" HTTP/1.1", HOST, *fields)


def line(text):
    return request(text, HOST) + HIDDEN


def hosts(*values):
    return request(b"GET /x HTTP/1.1", *values)


GRAMMAR = [
    # Lines and what ends them.
    ("bare LF", "9112-2.2", b"GET /x HTTP/1.1\nHost: a\n\n" + HIDDEN, "400!", ""),
    ("bare LF behind a field", "9112-2.2", b"GET /x HTTP/1.1\r\nHost: a\nX: b\r\n\r\n" + HIDDEN, "400!", ""),
    ("bare LF ends the head", "9112-2.2", b"GET /x HTTP/1.1\r\nHost: a\r\n\n" + HIDDEN, "400!", ""),
    ("bare CR in the request line", "9112-2.2", b"GET /x\rHTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN, "400!", ""),
    ("CR twice", "9112-2.2", b"GET /x HTTP/1.1\r\r\nHost: a\r\n\r\n" + HIDDEN, "400!", ""),
    ("empty line before", "9112-2.2", b"\r\n" + get(), "404", ""),
    ("space before the first field", "9112-2.2", b"GET /x HTTP/1.1\r\n Host: a\r\n\r\n" + HIDDEN, "400!", ""),
    ("rubbish", "9112-3", b"\1\2\3\r\n\r\n" + HIDDEN, "400!", ""),
    # The request line.
    ("no version", "9112-3", b"GET /x\r\n\r\n" + HIDDEN, "400!", ""),
    ("version 0.9", "9112-2.3", line(b"GET /x HTTP/0.9"), "400!", ""),
    ("version 1.2", "9112-2.3", line(b"GET /x HTTP/1.2"), "400!", ""),
    ("version 2.0", "9112-2.3", line(b"GET /x HTTP/2.0"), "400!", ""),
    ("version of three digits", "9112-2.3", line(b"GET /x HTTP/1.10"), "400!", ""),
    ("version without a point", "9112-2.3", line(b"GET /x HTTP/11"), "400!", ""),
    ("version in small letters", "9112-2.3", line(b"GET /x http/1.1"), "400!", ""),
    ("unknown method", "9110-9.1", line(b"FROB /x HTTP/1.1"), "400!", ""),
    ("method in small letters", "9110-9.1", line(b"get /x HTTP/1.1"), "400!", ""),
    ("method with a colon", "9110-9.1", line(b"GE:T /x HTTP/1.1"), "400!", ""),
    ("space before the method", "9112-3", line(b" GET /x HTTP/1.1"), "400!", ""),
    ("tab behind the method", "9112-3", line(b"GET\t/x HTTP/1.1"), "400!", ""),
    ("something behind the version", "9112-3", line(b"GET /x HTTP/1.1 x"), "400!", ""),
    # Targets.
    ("space in the target", "9112-3.2", line(b"GET /a b HTTP/1.1"), "400!", ""),
    ("NUL in the target", "9112-3.2", line(b"GET /a\0b HTTP/1.1"), "400!", ""),
    ("byte of 255 in the target", "9112-3.2", line(b"GET /\xff HTTP/1.1"), "400!", ""),
    ("fragment", "9112-3.2.1", line(b"GET /a#b HTTP/1.1"), "400!", ""),
    ("no slash", "9112-3.2.1", line(b"GET x HTTP/1.1"), "400!", ""),
    ("star for GET", "9112-3.2.4", line(b"GET * HTTP/1.1"), "400!", ""),
    ("authority for GET", "9112-3.2.3", line(b"GET a:80 HTTP/1.1"), "400!", ""),
    ("target with a user", "9110-4.2.4", line(b"GET http://u@a/x HTTP/1.1"), "400!", ""),
    ("target without a host", "9110-4.2.1", line(b"GET http:///x HTTP/1.1"), "400!", ""),
    ("absolute form", "9112-3.2.2", get(b"http://a/x?y"), "404", ""),
    ("star for OPTIONS", "9112-3.2.4", request(b"OPTIONS * HTTP/1.1", HOST), "204", ""),
    ("events in the absolute form", "9112-3.2.2",
     request(b"POST http://a/v1/events?x HTTP/1.1", HOST, b"Content-Type: application/json", CL, body=E), "200", "1"),
    ("path that is another one's in capitals", "9110-4.2.3", get(b"/HEALTH/live"), "404", ""),
    ("target of 5,000 bytes", "9110-15.5.15", get(b"/" + b"x" * 5_000) + HIDDEN, "414!", ""),
    # Host.
    ("no Host", "9112-3.2", hosts() + HIDDEN, "400!", ""),
    ("two Hosts", "9112-3.2", hosts(HOST, b"Host: b") + HIDDEN, "400!", ""),
    ("Host twice, other case", "9112-3.2", hosts(HOST, b"hOST: a") + HIDDEN, "400!", ""),
    ("Host with a space", "9110-7.2", hosts(b"Host: a b") + HIDDEN, "400!", ""),
    ("Host with a path", "9110-7.2", hosts(b"Host: a/b") + HIDDEN, "400!", ""),
    ("Host with a user", "9110-7.2", hosts(b"Host: u@a") + HIDDEN, "400!", ""),
    ("list of Hosts", "9110-7.2", hosts(b"Host: a, b") + HIDDEN, "400!", ""),
    ("Host with a port", "9110-7.2", hosts(b"Host: [::1]:80"), "404", ""),
    ("1.0 without Host", "9112-3.2", b"GET /x HTTP/1.0\r\n\r\n", "404!", ""),
    # Fields.
    ("folded field", "9112-5.2", get(b"/x", b"X: b\r\n c") + HIDDEN, "400!", ""),
    ("no name", "9112-5", get(b"/x", b": b") + HIDDEN, "400!", ""),
    ("no colon", "9112-5", get(b"/x", b"X") + HIDDEN, "400!", ""),
    ("space in a name", "9110-5.1", get(b"/x", b"X Y: b") + HIDDEN, "400!", ""),
    ("bracket in a name", "9110-5.6.2", get(b"/x", b"X(Y): b") + HIDDEN, "400!", ""),
    ("byte of 228 in a name", "9110-5.6.2", get(b"/x", b"X\xe4: b") + HIDDEN, "400!", ""),
    ("NUL in a value", "9110-5.5", get(b"/x", b"X: b\0c") + HIDDEN, "400!", ""),
    ("CR in a value", "9110-5.5", get(b"/x", b"X: b\rc") + HIDDEN, "400!", ""),
    ("control character in a value", "9110-5.5", get(b"/x", b"X: b\x01c") + HIDDEN, "400!", ""),
    ("byte of 228 in a value", "9110-5.5", get(b"/x", b"X: \xe4"), "404", ""),
    ("empty value", "9110-5.5", get(b"/x", b"X:"), "404", ""),
    ("value of 9,000 bytes", "9110-5.4", get(b"/x", b"X: " + b"y" * 9_000) + HIDDEN, "431!", ""),
    ("65 fields", "9110-5.4", get(b"/x", *[b"X: y"] * 64) + HIDDEN, "431!", ""),
    ("10,000 fields", "9110-5.4", get(b"/x", *[b"X: y"] * 10_000) + HIDDEN, "431!", ""),
    ("fields of 20,000 bytes", "9110-5.4", get(b"/x", *[b"X: " + b"y" * 1_000] * 20) + HIDDEN, "431!", ""),
    # What is asked for.
    ("no such path", "9110-15.5.5", get(), "404", ""),
    ("not with this method", "9110-15.5.6", get(b"/v1/events"), "405", ""),
    ("TRACE", "9110-9.3.8", request(b"TRACE /health/live HTTP/1.1", HOST), "405", ""),
    ("HEAD", "9110-9.3.2", request(b"HEAD /health/live HTTP/1.1", HOST), "200", ""),
    ("neither length nor chunks", "9110-15.5.12", post(), "411", ""),
    ("type that is not taken", "9110-15.5.16",
     request(b"POST /v1/events HTTP/1.1", HOST, b"Content-Type: text/plain", CL, body=E), "415", ""),
    ("two types", "9110-8.3", post(b"Content-Type: application/json", CL, body=E), "415", ""),
    ("coding that is not taken", "9110-8.4", post(b"Content-Encoding: zstd", CL, body=E), "415", ""),
    ("unknown expectation", "9110-10.1.1", get(b"/x", b"Expect: fun") + HIDDEN, "417!", ""),
    # Connections.
    ("two in one go", "9112-9.3.2", post(CL, body=E) + HIDDEN, "200 200", "12"),
    ("the second fails first", "9112-9.3.2", post(CL, body=E) + get() + HIDDEN, "200 404 200", "12"),
    ("the second is refused", "9112-9.3.2", post(CL, body=E) + b"\0\r\n\r\n" + HIDDEN, "200 400!", "1"),
    ("the third is refused", "9112-9.3.2",
     post(CL, body=E) + HIDDEN + b"GET /x HTTP/1.1\r\n\r\n", "200 200 400!", "12"),
    ("close among others", "9112-9.6", post(b"Connection: x, Close", CL, body=E) + HIDDEN, "200!", "1"),
    # Ends in the middle: the client sends nothing more.
    ("end in the head", "9112-8", b"GET /x HTT", "400/", ""),
    ("end in a body", "9112-8", post(b"Content-Length: 900", body=E), "400/", ""),
    ("end in a chunk", "9112-8", post(b"Transfer-Encoding: chunked", body=b"ff\r\n" + E), "400/", ""),
    ("end before the last chunk", "9112-8", post(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n"), "400/", ""),
    ("end behind a request", "9112-8", post(CL, body=E) + b"GET", "200 400/", "1"),
    # Other protocols.
    ("HTTP/2", "9113-3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", "400!", ""),
    ("TLS", "8446-4.1.2", b"\x16\3\1\2\0\1\0\1\xfc\3\3" + bytes(500), "400!", ""),
    ("native frames", "-", b"TDG1\1\2" + event(1), "400!", ""),
    ("JSON lines", "-", event(1) + b"\n", "400!", ""),
    ("a line end that is a part of the body", "9112-6.3",
     post(length(E + b"\r\n"), body=E + b"\r\n") + HIDDEN, "200 200", "12"),
]
