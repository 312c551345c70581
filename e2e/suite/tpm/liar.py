#!/usr/bin/env python3
"""liar.py SOCKET TPM LIE: somebody between a node and its TPM, whose socket is TPM. Root on
a node can be that. Passes everything on but what is asked of a quote:

  signature   one bit of the signature of each quote is another
  replay      each quote is answered with the first one
  values      one bit of the PCR values that are read is another
  selection   the TPM is asked for PCR 16, which anybody can reset, in place of PCR 4
  certify     the structure that was signed is said to be no quote"""

import os
import socket
import struct
import sys

TPM2_QUOTE, TPM2_PCR_READ = 0x158, 0x17E
ATTEST_QUOTE, ATTEST_CERTIFY = b"\xffTCG\x80\x18", b"\xffTCG\x80\x17"
first_quote = None


def receive(connection):
    """A command or a response; nothing at the end."""
    data = b""
    while len(data) < 10 or len(data) < struct.unpack_from(">I", data, 2)[0]:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def other_selection(command):
    """The bitmap of the one selection, which is the last of the command: three bytes."""
    bits = int.from_bytes(command[-3:], "little")
    return command[:-3] + (bits & ~(1 << 4) | 1 << 16).to_bytes(3, "little")


def lie(kind, code, response):
    global first_quote
    if struct.unpack_from(">I", response, 6)[0] != 0:
        return response
    if code == TPM2_QUOTE and kind == "signature":
        return flip(response, len(response) - 20)
    if code == TPM2_QUOTE and kind == "replay":
        first_quote = first_quote or response
        return first_quote
    if code == TPM2_QUOTE and kind == "certify":
        return response.replace(ATTEST_QUOTE, ATTEST_CERTIFY, 1)
    if code == TPM2_PCR_READ and kind == "values":
        return flip(response, len(response) - 1)
    return response


def serve(connection, path, kind):
    tpm = socket.socket(socket.AF_UNIX)
    tpm.connect(path)
    while command := receive(connection):
        code = struct.unpack_from(">I", command, 6)[0]
        if code == TPM2_QUOTE and kind == "selection":
            command = other_selection(command)
        tpm.sendall(command)
        connection.sendall(lie(kind, code, receive(tpm)))
    tpm.close()


def main(path, tpm, kind):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o777)
    listener.listen(8)
    while True:
        connection, _ = listener.accept()
        try:
            serve(connection, tpm, kind)
        except OSError as error:
            print(error, file=sys.stderr)
        connection.close()


main(*sys.argv[1:])
