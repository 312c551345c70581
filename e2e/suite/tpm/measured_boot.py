#!/usr/bin/env python3
"""measured_boot.py DIR: a made-up but well-formed measured boot.

Writes DIR/tpm0/binary_bios_measurements (TCG PC Client event log, crypto agile)
and DIR/ima/binary_runtime_measurements (IMA, template ima-ng), and prints, one a
line and in order, the extends that firmware and kernel would have sent to the
TPM, as tpm2_pcrextend takes them. Every boot is the same."""

import hashlib
import os
import struct
import sys

SHA256 = 0x000B
EV_NO_ACTION, EV_SEPARATOR, EV_EVENT_TAG, EV_S_CRTM_VERSION = 0x3, 0x4, 0x6, 0x8
EV_EFI_VARIABLE_DRIVER_CONFIG, EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000001, 0x80000003
EV_EFI_ACTION, EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x80000007, 0x8000000A
LOAD_FILE2_TAG = 0x8F3B22ED  # the kernel's tag for an initrd
EFI_GLOBAL_VARIABLE = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")


def sha256(data):
    return hashlib.sha256(data).digest()


def utf16(text):
    return text.encode("utf-16-le")


def spec_id_event():
    """TCG_PCR_EVENT with a TCG_EfiSpecIDEvent: announces that digests are SHA-256."""
    event = struct.pack("<16sIBBBBIHHB", b"Spec ID Event03", 0, 0, 2, 0, 2, 1, SHA256, 32, 0)
    return struct.pack("<II20sI", 0, EV_NO_ACTION, bytes(20), len(event)) + event


def event2(pcr, kind, digest, event):
    """TCG_PCR_EVENT2 with one digest."""
    return struct.pack("<IIIH", pcr, kind, 1, SHA256) + digest + struct.pack("<I", len(event)) + event


def variable(name, data):
    """UEFI_VARIABLE_DATA."""
    return EFI_GLOBAL_VARIABLE + struct.pack("<QQ", len(name), len(data)) + utf16(name) + data


def boot_events():
    """(PCR, type, digest, event) of each measurement of firmware, loader and kernel."""
    crtm = utf16("Gatehouse 1\0")
    secure_boot = variable("SecureBoot", b"\x01")
    firmware_name = b"firmware"
    firmware = struct.pack("<B", len(firmware_name)) + firmware_name + struct.pack("<QQ", 0xFF000000, 0x1000000)
    calling = b"Calling EFI Application from Boot Option"
    end_of_path = bytes.fromhex("7fff0400")
    loader = struct.pack("<QQQQ", 0x7E000000, 0x100000, 0, len(end_of_path)) + end_of_path
    initrd_name = utf16("Linux initrd\0")
    initrd = struct.pack("<II", LOAD_FILE2_TAG, len(initrd_name)) + initrd_name

    yield 0, EV_S_CRTM_VERSION, sha256(crtm), crtm
    yield 0, EV_EFI_PLATFORM_FIRMWARE_BLOB2, sha256(b"the firmware"), firmware
    yield 7, EV_EFI_VARIABLE_DRIVER_CONFIG, sha256(secure_boot), secure_boot
    yield 4, EV_EFI_ACTION, sha256(calling), calling
    for pcr in range(8):
        yield pcr, EV_SEPARATOR, sha256(bytes(4)), bytes(4)
    yield 4, EV_EFI_BOOT_SERVICES_APPLICATION, sha256(b"the boot loader and kernel"), loader
    yield 9, EV_EVENT_TAG, sha256(b"the initrd"), initrd


def field(data):
    return struct.pack("<I", len(data)) + data


def ima_template(digest, path):
    """Template data of ima-ng: algorithm and digest of the file, its path."""
    return field(b"sha256:\0" + digest) + field(path.encode() + b"\0")


def ima_entry(template):
    return struct.pack("<I20s", 10, hashlib.sha1(template).digest()) + field(b"ima-ng") + field(template)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def main(directory):
    pcrs = {pcr: bytes(32) for pcr in range(24)}

    def extend(pcr, digest):
        pcrs[pcr] = sha256(pcrs[pcr] + digest)
        print(f"{pcr}:sha256={digest.hex()}")

    log = spec_id_event()
    for pcr, kind, digest, event in boot_events():
        log += event2(pcr, kind, digest, event)
        extend(pcr, digest)
    write(directory + "/tpm0/binary_bios_measurements", log)

    aggregate = sha256(b"".join(pcrs[pcr] for pcr in range(10)))
    templates = [ima_template(aggregate, "boot_aggregate")]
    for path in ("/usr/bin/containerd", "/usr/bin/kubelet", "/usr/sbin/runc"):
        templates.append(ima_template(sha256(path.encode()), path))
    for template in templates:
        extend(10, sha256(template))
    write(directory + "/ima/binary_runtime_measurements", b"".join(map(ima_entry, templates)))


main(sys.argv[1])
