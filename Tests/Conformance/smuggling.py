"""Requests that hide another one, or would for a reader who is less strict: one line each.

A case is its name, the section it is of, what is sent, the statuses of the answers, and which of its events are then in
the log. `!` behind the statuses: the daemon closes the connection by itself; else it goes on, which is proved by one
more request behind it. Every request brings an event of its own: E is that of the first, HIDDEN a request with the
second. `@@@@` becomes the number of the case.
"""


def event(number):
    return b'{"product":"p","device":"@@@@-%d","type":"feature.used","aspect":"a"}' % number


def request(line, *fields, body=b""):
    return b"\r\n".join([line, *fields, b"", body])


def post(*fields, body=b"", version=b"1.1"):
    line = b"POST /v1/events HTTP/" + version
    return request(line, b"Host: a", b"Content-Type: application/json", *fields, body=body)


def length(body):
    return b"Content-Length: %d" % len(body)


def chunks(body, size=None, behind=b"\r\n", end=b"0\r\n\r\n"):
    return (b"%x\r\n" % len(body) if size is None else size) + body + behind + end


E = event(1)
L = len(E)
CL = length(E)
TE = b"Transfer-Encoding: chunked"
HIDDEN = post(CL, body=event(2))
X = b"%x" % L       # the size of E as that of a chunk


def sized(value):
    """E behind a length that is written like this, and HIDDEN."""
    return post(b"Content-Length:" + value, body=E) + HIDDEN


def encoded(field):
    """E in a chunk behind a field that is written like this, and HIDDEN."""
    return post(field, body=chunks(E)) + HIDDEN


def chunked(body):
    return post(TE, body=body) + HIDDEN


SMUGGLING = [
    # Two lengths for one body.
    ("length, then chunks", "9112-6.3",
     post(length(b"0\r\n\r\n" + HIDDEN), TE, body=b"0\r\n\r\n" + HIDDEN), "400!", ""),
    ("chunks, then length", "9112-6.3", post(TE, b"Content-Length: 4", body=chunks(HIDDEN)), "400!", ""),
    ("length 0 and chunks", "9112-6.3", post(b"Content-Length: 0", TE, body=chunks(E)) + HIDDEN, "400!", ""),
    ("length between two codings", "9112-6.3", post(TE, CL, TE, body=chunks(E)) + HIDDEN, "400!", ""),
    ("two lengths", "9112-6.3", post(CL, b"Content-Length: 0", body=E) + HIDDEN, "400!", ""),
    ("two lengths, the other first", "9112-6.3", post(b"Content-Length: 0", CL, body=E) + HIDDEN, "400!", ""),
    ("the same length twice", "9110-8.6", post(CL, CL, body=E) + HIDDEN, "400!", ""),
    ("lengths of other case", "9110-8.6", post(CL, b"cONTENT-lENGTH: 0", body=E) + HIDDEN, "400!", ""),
    ("list of one length", "9110-8.6", sized(b" %d, %d" % (L, L)), "400!", ""),
    ("list of lengths", "9110-8.6", sized(b" %d, 0" % L), "400!", ""),
    ("length with a comma", "9110-8.6", sized(b" %d," % L), "400!", ""),
    # What is no length.
    ("length with a sign", "9110-8.6", sized(b" +%d" % L), "400!", ""),
    ("negative length", "9110-8.6", sized(b" -%d" % L), "400!", ""),
    ("hexadecimal length", "9110-8.6", sized(b" 0x%x" % L), "400!", ""),
    ("length with a space", "9110-8.6", sized(b" 6 8"), "400!", ""),
    ("length with a tab", "9110-8.6", sized(b" 6\t8"), "400!", ""),
    ("length with a fraction", "9110-8.6", sized(b" %d.0" % L), "400!", ""),
    ("length with an exponent", "9110-8.6", sized(b" 68e0"), "400!", ""),
    ("length in quotes", "9110-8.6", sized(b' "%d"' % L), "400!", ""),
    ("length of wide digits", "9110-8.6", sized(" ６８".encode()), "400!", ""),
    ("no length", "9110-8.6", post(b"Content-Length: ") + HIDDEN, "400!", ""),
    ("length beyond 64 bits", "9110-8.6", sized(b" %d" % (L + (1 << 64))), "400!", ""),
    ("length beyond 32 bits", "9110-8.6", sized(b" %d" % (L + (1 << 32))), "413!", ""),
    ("NUL in a length", "9110-5.5", sized(b" 6\0008"), "400!", ""),
    ("CR in a length", "9112-2.2", sized(b" %d\rX: y" % L), "400!", ""),
    ("folded length", "9112-5.2", sized(b"\r\n %d" % L), "400!", ""),
    ("length behind a bare LF", "9112-2.2", post(b"X: y\n" + CL, body=E) + HIDDEN, "400!", ""),
    ("space before the colon", "9112-5.1", post(b"Content-Length : %d" % L, body=E) + HIDDEN, "400!", ""),
    ("tab before the colon", "9112-5.1", post(b"Content-Length\t: %d" % L, body=E) + HIDDEN, "400!", ""),
    ("NUL in the name", "9110-5.1", post(b"Content-Length\0: %d" % L, body=E) + HIDDEN, "400!", ""),
    ("length with zeros before", "9110-8.6", sized(b" 000%d" % L), "200 200", "12"),
    ("length behind a tab", "9112-5", sized(b"\t %d " % L), "200 200", "12"),
    ("length that nobody asked for", "9112-6.3", post(b"Content_Length: 0", CL, body=E) + HIDDEN, "200 200", "12"),
    # What is not chunked, or not quite.
    ("gzip", "9112-6.1", encoded(b"Transfer-Encoding: gzip"), "400!", ""),
    ("gzip and chunked", "9112-6.1", encoded(b"Transfer-Encoding: gzip, chunked"), "400!", ""),
    ("identity", "9112-6.1", encoded(b"Transfer-Encoding: identity"), "400!", ""),
    ("identity beside a length", "9112-6.1", post(b"Transfer-Encoding: identity", CL, body=E) + HIDDEN, "400!", ""),
    ("chunked, then identity", "9112-6.1", encoded(TE + b", identity"), "400!", ""),
    ("identity in a field of its own", "9112-6.1", encoded(TE + b"\r\nTransfer-Encoding: identity"), "400!", ""),
    ("chunked not last", "9112-6.1", encoded(TE + b", gzip"), "400!", ""),
    ("chunked twice", "9112-6.1", encoded(TE + b", chunked"), "400!", ""),
    ("chunked in two fields", "9112-6.1", encoded(TE + b"\r\n" + TE), "400!", ""),
    ("nearly chunked", "9112-6.1", encoded(b"Transfer-Encoding: xchunked"), "400!", ""),
    ("more than chunked", "9112-6.1", encoded(b"Transfer-Encoding: chunkedx"), "400!", ""),
    ("chunked in quotes", "9112-6.1", encoded(b'Transfer-Encoding: "chunked"'), "400!", ""),
    ("chunked with a parameter", "9112-7", encoded(TE + b";q=1"), "400!", ""),
    ("vertical tab before chunked", "9112-6.1", encoded(b"Transfer-Encoding: \x0bchunked"), "400!", ""),
    ("form feed behind chunked", "9112-6.1", encoded(TE + b"\x0c"), "400!", ""),
    ("a byte of 255 behind chunked", "9112-6.1", encoded(TE + b"\xff"), "400!", ""),
    ("NUL behind chunked", "9110-5.5", encoded(TE + b"\0"), "400!", ""),
    ("no coding", "9112-6.1", encoded(b"Transfer-Encoding:"), "400!", ""),
    ("no coding beside a length", "9112-6.1", post(b"Transfer-Encoding:", CL, body=E) + HIDDEN, "400!", ""),
    ("chunked in 1.0", "9112-6.1", post(TE, body=chunks(E), version=b"1.0") + HIDDEN, "400!", ""),
    ("chunked in 1.0, kept alive", "9112-6.1",
     post(b"Connection: keep-alive", TE, CL, body=chunks(E), version=b"1.0") + HIDDEN, "400!", ""),
    ("space before the colon of chunked", "9112-5.1", encoded(b"Transfer-Encoding : chunked"), "400!", ""),
    ("folded chunked", "9112-5.2", encoded(b"Transfer-Encoding:\r\n chunked"), "400!", ""),
    ("folded into another field", "9112-5.2", post(CL, b"X: y\r\n " + TE, body=E) + HIDDEN, "400!", ""),
    ("chunked behind a bare CR", "9112-2.2", post(CL, b"X: y\r" + TE, body=E) + HIDDEN, "400!", ""),
    ("chunked behind a bare LF", "9112-2.2", post(CL, b"X: y\n" + TE, body=E) + HIDDEN, "400!", ""),
    ("another letter case", "9112-7", encoded(b"TRANSFER-ENCODING: cHUNKED"), "200 200", "12"),
    ("blanks around chunked", "9112-5", encoded(b"Transfer-Encoding:\t chunked "), "200 200", "12"),
    ("no blank before chunked", "9112-5", encoded(b"Transfer-Encoding:chunked"), "200 200", "12"),
    ("a name that is another", "9112-6.1", post(b"Transfer_Encoding: chunked", CL, body=E) + HIDDEN, "200 200", "12"),
    # Sizes of chunks.
    ("chunk without a size", "9112-7.1", chunked(chunks(E, b"\r\n")), "400!", ""),
    ("size of letters", "9112-7.1", chunked(chunks(E, b"zz\r\n")), "400!", ""),
    ("negative size", "9112-7.1", chunked(chunks(E, b"-1\r\n")), "400!", ""),
    ("size with a sign", "9112-7.1", chunked(chunks(E, b"+" + X + b"\r\n")), "400!", ""),
    ("size with 0x", "9112-7.1", chunked(chunks(E, b"0x" + X + b"\r\n")), "400!", ""),
    ("size with an underscore", "9112-7.1", chunked(chunks(E, X[:1] + b"_" + X[1:] + b"\r\n")), "400!", ""),
    ("size behind a space", "9112-7.1", chunked(chunks(E, b" " + X + b"\r\n")), "400!", ""),
    ("size beyond 64 bits", "9112-7.1", chunked(chunks(E, b"100000000000000" + X + b"\r\n")), "400!", ""),
    ("LF behind the size", "9112-7.1", chunked(chunks(E, X + b"\n")), "400!", ""),
    ("CR behind the size", "9112-7.1", chunked(chunks(E, X + b"\r")), "400!", ""),
    ("chunk that is too short", "9112-7.1", chunked(chunks(E, b"%x\r\n" % (L - 1))), "400!", ""),
    ("chunk that is too long", "9112-7.1", chunked(chunks(E, b"%x\r\n" % (L + 1))), "400!", ""),
    ("chunk without its end", "9112-7.1", chunked(chunks(E, behind=b"")), "400!", ""),
    ("LF behind a chunk", "9112-7.1", chunked(chunks(E, behind=b"\n")), "400!", ""),
    ("CR behind a chunk", "9112-7.1", chunked(chunks(E, behind=b"\r")), "400!", ""),
    ("letters behind a chunk", "9112-7.1", chunked(chunks(E, behind=b"XX")), "400!", ""),
    ("size with zeros before", "9112-7.1", chunked(chunks(E, b"000" + X.upper() + b"\r\n")), "200 200", "12"),
    ("two chunks", "9112-7.1", chunked(chunks(E[:9], end=chunks(E[9:]))), "200 200", "12"),
    # Extensions and trailers.
    ("LF in an extension", "9112-7.1.1", chunked(chunks(E, X + b";a\n")), "400!", ""),
    ("CR in an extension", "9112-7.1.1", chunked(chunks(E, X + b";a\rb\r\n")), "400!", ""),
    ("NUL in an extension", "9112-7.1.1", chunked(chunks(E, X + b";a\0b\r\n")), "400!", ""),
    ("line end in quotes", "9112-7.1.1", chunked(chunks(E, X + b';a="\r\n"\r\n')), "400!", ""),
    ("extension of the last chunk with LF", "9112-7.1.1", chunked(chunks(E, end=b"0;a\n\r\n")), "400!", ""),
    ("extension of 64 KiB", "9112-7.1.1", chunked(chunks(E, X + b";" + b"a" * 65_536 + b"\r\n")), "400!", ""),
    ("extension of a mebibyte", "9112-7.1.1", chunked(chunks(E, X + b";" + b"a" * (1 << 20) + b"\r\n")), "400!", ""),
    ("extensions", "9112-7.1.1", chunked(chunks(E, X + b';a;b=c;d="e;f"\r\n')), "200 200", "12"),
    ("length as trailer", "9110-6.5.1", chunked(chunks(E, end=b"0\r\nContent-Length: 2\r\n\r\n")), "400!", ""),
    ("coding as trailer", "9110-6.5.1", chunked(chunks(E, end=b"0\r\n" + TE + b"\r\n\r\n")), "400!", ""),
    ("trailer without a colon", "9112-7.1.2", chunked(chunks(E, end=b"0\r\nX\r\n\r\n")), "400!", ""),
    ("trailer with LF", "9112-2.2", chunked(chunks(E, end=b"0\r\nX: y\n\r\n")), "400!", ""),
    ("LF in place of trailers", "9112-7.1", chunked(chunks(E, end=b"0\r\n\n")), "400!", ""),
    ("LF behind the last size", "9112-7.1", chunked(chunks(E, end=b"0\n\r\n")), "400!", ""),
    ("no end of the trailers", "9112-7.1", chunked(chunks(E, end=b"0\r\n")), "400!", ""),
    ("trailer", "9112-7.1.2", chunked(chunks(E, end=b"0\r\nX: y\r\n\r\n")), "200 200", "12"),
    # Bodies where none is looked for, and requests in bodies.
    ("request in a GET", "9110-9.3.1", request(b"GET /x HTTP/1.1", b"Host: a", length(HIDDEN), body=HIDDEN), "404", ""),
    ("request in a HEAD", "9110-9.3.2",
     request(b"HEAD /x HTTP/1.1", b"Host: a", length(HIDDEN), body=HIDDEN), "404", ""),
    ("request in OPTIONS", "9110-9.3.7",
     request(b"OPTIONS /v1/events HTTP/1.1", b"Host: a", length(HIDDEN), body=HIDDEN), "204", ""),
    ("request in DELETE", "9110-9.3.5",
     request(b"DELETE /v1/events HTTP/1.1", b"Host: a", length(HIDDEN), body=HIDDEN), "405", ""),
    ("request in the chunks of a GET", "9110-9.3.1",
     request(b"GET /health/live HTTP/1.1", b"Host: a", TE, body=chunks(HIDDEN)), "200", ""),
    ("request in a body", "9110-8.6", post(length(HIDDEN), body=HIDDEN), "400", ""),
    ("request in a chunk", "9112-7.1", post(TE, body=chunks(HIDDEN)), "400", ""),
    ("request in what is not taken", "9110-15.5.16",
     post(b"Content-Encoding: br", length(HIDDEN), body=HIDDEN), "415", ""),
    ("request in what is too large", "9110-15.5.14", post(b"Content-Length: 9000000", body=HIDDEN), "413!", ""),
    ("request behind what is expected", "9110-10.1.1",
     post(b"Expect: fun", length(HIDDEN), body=HIDDEN), "417!", ""),
    ("continue for a GET", "9110-10.1.1",
     request(b"GET /x HTTP/1.1", b"Host: a", b"Expect: 100-continue", length(HIDDEN), body=HIDDEN), "404!", ""),
    ("continue, sent at once", "9110-10.1.1", post(b"Expect: 100-continue", CL, body=E) + HIDDEN, "100 200 200", "12"),
    ("CONNECT", "9110-9.3.6", request(b"CONNECT a:80 HTTP/1.1", b"Host: a:80") + HIDDEN, "405!", ""),
    ("upgrade to h2c", "9110-7.8", post(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                                        b"HTTP2-Settings: AAMAAABk", CL, body=E) + HIDDEN, "200!", "1"),
    ("upgrade to websocket", "9110-7.8", post(b"Connection: Upgrade", b"Upgrade: websocket",
                                              b"Sec-WebSocket-Version: 13", CL, body=E) + HIDDEN, "200!", "1"),
    ("length named by Connection", "9110-7.6.1",
     post(b"Connection: content-length", CL, body=E) + HIDDEN, "200 200", "12"),
    ("coding named by Connection", "9110-7.6.1", encoded(b"Connection: transfer-encoding\r\n" + TE), "200 200", "12"),
    ("behind close", "9112-9.6", post(b"Connection: close", CL, body=E) + HIDDEN, "200!", "1"),
    ("behind 1.0", "9112-9.3", post(CL, body=E, version=b"1.0") + HIDDEN, "200!", "1"),
    ("1.0, kept alive", "9112-C.2.2",
     post(b"Connection: keep-alive", CL, body=E, version=b"1.0") + HIDDEN, "200 200", "12"),
]
