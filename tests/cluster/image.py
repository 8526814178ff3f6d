#!/usr/bin/env python3
"""Writes small container images as OCI layout tars, for a cluster without a registry.

The same arguments give the same bytes: names are sorted, times and owners are zero. As a command:

    image.py --name bulwark.test/tool:1 --busybox --add ./script.sh:/bin/script.sh \\
             --entrypoint /bin/script.sh --output tool.tar
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile


class Image:
    """The files and the configuration of one image, which has one layer."""

    def __init__(self):
        self.config = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        self._entries = {}  # path in the image, without the leading "/" -> (TarInfo, bytes)

    def add_bytes(self, path, data, mode=0o644):
        info = self._entry(path)
        info.size = len(data)
        info.mode = mode
        self._entries[info.name] = (info, data)

    def add_folder(self, path, mode=0o755):
        info = self._entry(path)
        info.type = tarfile.DIRTYPE
        info.mode = mode
        self._entries[info.name] = (info, b"")

    def add_link(self, path, target):
        info = self._entry(path)
        info.type = tarfile.SYMTYPE
        info.linkname = target
        self._entries[info.name] = (info, b"")

    def add(self, source, path):
        """Adds a file of this machine, or a folder with all that is in it. Links stay links."""
        if os.path.islink(source):
            self.add_link(path, os.readlink(source))
        elif os.path.isdir(source):
            self.add_folder(path, os.stat(source).st_mode & 0o7777)
            for name in sorted(os.listdir(source)):
                self.add(os.path.join(source, name), f"{path}/{name}")
        else:
            with open(source, "rb") as file:
                self.add_bytes(path, file.read(), os.stat(source).st_mode & 0o7777)

    def add_busybox(self):
        """Adds a statically linked busybox, its applets and the few files that programs expect."""
        busybox = shutil.which("busybox", path="/bin:/usr/bin:" + os.environ.get("PATH", ""))
        if busybox is None:
            raise FileNotFoundError("no busybox (Debian: busybox-static)")
        self.add(os.path.realpath(busybox), "/bin/busybox")
        listed = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True)
        for applet in listed.stdout.split():
            if applet != "busybox":
                self.add_link(f"/bin/{applet}", "busybox")
        self.add_bytes("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"
                                      b"nobody:x:65534:65534:nobody:/:/bin/false\n")
        self.add_bytes("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        for folder in ("/root", "/var", "/proc", "/sys", "/dev"):
            self.add_folder(folder)
        self.add_folder("/tmp", 0o1777)

    def add_program(self, program, path):
        """Adds a dynamically linked program, and the libraries that it loads where it looks for them."""
        self.add(os.path.realpath(program), path)
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        if "not found" in listed.stdout:
            raise FileNotFoundError(f"{program} lacks a library:\n{listed.stdout}")
        for library in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed.stdout, re.MULTILINE):
            self.add(os.path.realpath(library), library)

    def write(self, output, name):
        """Writes the tar. `name` is the full reference, such as bulwark.test/busybox:1."""
        layer = _tar(self._entries)
        packed = gzip.compress(layer, compresslevel=1, mtime=0)
        config = _json({
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
            "os": "linux",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        })
        kind = "application/vnd.oci.image."
        manifest = _json({
            "schemaVersion": 2,
            "mediaType": kind + "manifest.v1+json",
            "config": _descriptor(kind + "config.v1+json", config),
            "layers": [_descriptor(kind + "layer.v1.tar+gzip", packed)],
        })
        named = _descriptor(kind + "manifest.v1+json", manifest)
        named["annotations"] = {"io.containerd.image.name": name,
                                "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
        files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
                 "index.json": _json({"schemaVersion": 2, "manifests": [named]})}
        for blob in (packed, config, manifest):
            files["blobs/" + _digest(blob).replace(":", "/")] = blob
        image = Image()
        for path, data in files.items():
            image.add_bytes(path, data)
        with open(output, "wb") as file:
            file.write(_tar(image._entries))

    def _entry(self, path):
        """A TarInfo, with the folders above it in place."""
        name = path.strip("/")
        parent = os.path.dirname(name)
        if parent and parent not in self._entries:
            self.add_folder(parent)
        return tarfile.TarInfo(name)


def _tar(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for _, (info, data) in sorted(entries.items()):
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _json(value):
    return json.dumps(value, sort_keys=True).encode()


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _descriptor(media_type, data):
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def main():
    parser = argparse.ArgumentParser(description="Writes a small OCI image as a tar.")
    parser.add_argument("--name", required=True, help="reference, e.g. bulwark.test/tool:1")
    parser.add_argument("--output", required=True, help="the tar to write")
    parser.add_argument("--busybox", action="store_true", help="add busybox and its applets")
    parser.add_argument("--add", action="append", default=[], metavar="SOURCE:PATH",
                        help="add a file or folder of this machine (repeatable)")
    parser.add_argument("--program", action="append", default=[], metavar="SOURCE:PATH",
                        help="add a program and the libraries that it loads (repeatable)")
    parser.add_argument("--entrypoint", action="append", default=[], metavar="ARG",
                        help="one argument of the entrypoint (repeatable)")
    parser.add_argument("--user", help="the user to run as, e.g. 65532:65532")
    options = parser.parse_args()
    image = Image()
    if options.busybox:
        image.add_busybox()
    for pairs, add in ((options.add, image.add), (options.program, image.add_program)):
        for pair in pairs:
            source, colon, path = pair.rpartition(":")
            if not colon or not source:
                parser.error(f"{pair}: expected SOURCE:PATH")
            add(source, path)
    if options.entrypoint:
        image.config["Entrypoint"] = options.entrypoint
    if options.user:
        image.config["User"] = options.user
    try:
        image.write(options.output, options.name)
    except OSError as error:
        sys.exit(f"image.py: {error}")


if __name__ == "__main__":
    main()
