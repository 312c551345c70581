#!/usr/bin/env python3
"""measurements.py VERB DIR ...: the logs of a measured boot in DIR/tpm0 and DIR/ima,
and what becomes of them. What firmware and kernel would extend into the TPM beside is
printed, one a line and in order, as tpm2_pcrextend takes it.

  boot DIR               the boot of a machine with Secure Boot, shim, GRUB and IMA, as it was recorded: boot/
  next DIR               the kernel measures one more file, as it was recorded
  run DIR PATH           it measures a file that was never there (whose content is its path)
  violation DIR PATH     it could not measure a file
  list                   of all files that were recorded, as sha256sum prints them
  last DIR               how many entries there are, and the file of the last

and what somebody does to the logs who cannot take back what the TPM was told:

  event-digest DIR       another digest of the boot loader
  event-data DIR         what Secure Boot is said to be, the digest as it was
  event-drop DIR         the event of the boot loader is not there
  event-cut DIR          the log ends in the middle of an event
  next-changed DIR       as next, but the entry has another template hash
  next-dropped DIR       as next, but the entry is not there
  ima-shorten DIR        the last five entries are not there any more
  ima-rewrite DIR        the sixth entry names another file, its template hash fits
  repair DIR             both logs are again what the TPM was told (after boot and next)"""

import hashlib
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SHA256 = 0x000B
SIZES = {0x0004: 20, 0x000B: 32, 0x000C: 48}
EV_NO_ACTION = 3
EV_EFI_VARIABLE_DRIVER_CONFIG, EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000001, 0x80000003
IMA_PCR = 10
HELD_BACK = 12  # entries of the recorded list that are measured later


def sha256(data):
    return hashlib.sha256(data).digest()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    """As a whole: the agent may read at any moment."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "wb") as f:
        f.write(data)
    os.rename(path + ".part", path)


class Events:
    """A TCG event log, crypto agile. Each event: where it begins and ends, PCR, type, where its digests begin, by algorithm, and its data."""

    def __init__(self, directory):
        self.path = directory + "/tpm0/binary_bios_measurements"

    def load(self):
        self.log = bytearray(read(self.path))
        self.events = []
        at = 32 + struct.unpack_from("<I", self.log, 28)[0]  # behind TCG_PCR_EVENT with the Spec ID
        while at < len(self.log):
            pcr, kind, count = struct.unpack_from("<III", self.log, at)
            end, digests = at + 12, {}
            for _ in range(count):
                (algorithm,) = struct.unpack_from("<H", self.log, end)
                digests[algorithm] = end + 2
                end += 2 + SIZES[algorithm]
            data = end + 4
            end = data + struct.unpack_from("<I", self.log, end)[0]
            self.events.append((at, end, pcr, kind, digests, data))
            at = end
        return self

    def first(self, kind):
        return next(event for event in self.events if event[3] == kind)

    def extends(self):
        for _, _, pcr, kind, digests, _ in self.events:
            if kind != EV_NO_ACTION:
                print_extend(pcr, self.log[digests[SHA256]:digests[SHA256] + 32])

    def save(self):
        write(self.path, self.log)


def print_extend(pcr, digest):
    print(f"{pcr}:sha256={digest.hex()}")


def field(data):
    return struct.pack("<I", len(data)) + data


def ng(path):
    """Template data of ima-ng: algorithm and digest of the file, its path."""
    return field(b"sha256:\0" + sha256(path.encode())) + field(path.encode() + b"\0")


def entry(template, digest=None):
    return struct.pack("<I20s", IMA_PCR, hashlib.sha1(template).digest() if digest is None else digest) + field(b"ima-ng") + field(template)


def template_of(raw):
    return raw[28 + len("ima-ng") + 4:]


def path_of(raw):
    template = template_of(raw)
    return template[4 + struct.unpack_from("<I", template)[0] + 4:-1].decode()


def split(log):
    """The entries of an IMA log."""
    entries, at = [], 0
    while at < len(log):
        end = at + 28 + struct.unpack_from("<I", log, at + 24)[0]
        end += 4 + struct.unpack_from("<I", log, end)[0]
        entries.append(log[at:end])
        at = end
    return entries


RECORDED = split(read(HERE + "/boot/ima"))


class Ima:
    """The kernel's list of what it measured; beside it, how many of the recorded entries the TPM was told."""

    def __init__(self, directory):
        self.path = directory + "/ima/binary_runtime_measurements"
        self.told_path = directory + "/ima/.told"

    def load(self):
        self.entries = split(read(self.path))
        self.told = int(read(self.told_path))
        return self

    def boot(self):
        self.told = len(RECORDED) - HELD_BACK
        self.repair()
        for raw in self.entries:
            self.tell(raw)

    def repair(self):
        self.entries = RECORDED[:self.told]
        self.save()

    def save(self):
        write(self.told_path, str(self.told).encode())
        write(self.path, b"".join(self.entries))

    @staticmethod
    def tell(raw):
        print_extend(IMA_PCR, sha256(template_of(raw)) if any(raw[4:24]) else b"\xff" * 32)

    def append(self, raw):
        """The log first: one that is longer than what was quoted is no contradiction."""
        self.entries.append(raw)
        self.save()
        self.tell(raw)

    def next(self, verb):
        raw = RECORDED[self.told]
        self.told += 1
        if verb == "next":
            self.append(raw)
            return
        if verb == "next-changed":
            self.entries.append(entry(template_of(raw), bytes([1]) * 20))
        self.save()
        self.tell(raw)


def list_recorded():
    for raw in RECORDED[1:]:
        template = template_of(raw)
        size = struct.unpack_from("<I", template)[0]
        print(template[4:4 + size].partition(b":\0")[2].hex(), "", path_of(raw))


def restore_events(directory):
    write(Events(directory).path, read(HERE + "/boot/events"))


def boot(directory):
    restore_events(directory)
    Events(directory).load().extends()
    Ima(directory).boot()


def change_events(directory, verb):
    log = Events(directory).load()
    loader = log.first(EV_EFI_BOOT_SERVICES_APPLICATION)
    if verb == "event-digest":
        log.log[loader[4][SHA256]] ^= 1
    elif verb == "event-data":
        log.log[log.first(EV_EFI_VARIABLE_DRIVER_CONFIG)[1] - 1] ^= 1
    elif verb == "event-drop":
        del log.log[loader[0]:loader[1]]
    elif verb == "event-cut":
        del log.log[loader[5] + 3:]
    log.save()


def change_ima(directory, verb):
    log = Ima(directory).load()
    if verb == "ima-shorten":
        del log.entries[-5:]
    elif verb == "ima-rewrite":
        log.entries[5] = entry(ng("/usr/bin/nothing-to-see"))
    log.save()


def last(directory):
    log = Ima(directory).load()
    print(len(log.entries), path_of(log.entries[-1]))


def main(verb, directory=None, *more):
    if verb == "boot":
        boot(directory)
    elif verb == "list":
        list_recorded()
    elif verb == "last":
        last(directory)
    elif verb == "run":
        Ima(directory).load().append(entry(ng(more[0])))
    elif verb == "violation":
        Ima(directory).load().append(entry(field(b"sha256:\0" + bytes(32)) + field(more[0].encode() + b"\0"), bytes(20)))
    elif verb == "repair":
        restore_events(directory)
        Ima(directory).load().repair()
    elif verb.startswith("next"):
        Ima(directory).load().next(verb)
    elif verb.startswith("event-"):
        change_events(directory, verb)
    elif verb.startswith("ima-"):
        change_ima(directory, verb)
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
