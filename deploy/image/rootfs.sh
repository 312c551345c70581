#!/usr/bin/env bash
# rootfs.sh PROGRAMS ROOT: lays the file system of the image down in ROOT: the programs in the folder PROGRAMS, the libraries that they load, public
# authorities, licences, and which versions of packages it is made of. Runs in the build stage of the Dockerfile.
set -euo pipefail
PROGRAMS=$1
ROOT=$2

# Loaded by name at run time, so that no linker knows of them: the agent's ways to a TPM.
tcti() { find /usr/lib -name "libtss2-tcti-$1.so.0"; }

libraries() { # FILE...: what the dynamic linker finds for them, the linker included
  ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' | sort -u
}

# Libraries lie below /usr, whatever way they were found; /lib and /lib64 are links there, as in Debian.
below_usr() { case $1 in /usr/*) echo "$1" ;; *) echo "/usr$1" ;; esac }

package_of() { # FILE
  local file
  for file in "$1" "$(below_usr "$1")" "${1#/usr}" "$(realpath "$1")" "$(realpath "$1" | sed 's/^\/usr//')"; do
    if dpkg-query -S "$file" 2>/dev/null; then return; fi
  done | sed -n '1s/:.*//p'
}

mkdir -p "$ROOT"/usr/{lib,lib64,local/bin,lib/ssl,share/gatehouse,share/doc} "$ROOT"/etc/ssl/certs "$ROOT"/{run,var/lib} 
install -d -m 1777 "$ROOT/tmp"
ln -s usr/lib "$ROOT/lib"
ln -s usr/lib64 "$ROOT/lib64"
install -m 755 "$PROGRAMS"/gatehouse "$PROGRAMS"/gatehouse-agent "$PROGRAMS"/gatehouse-webhook "$ROOT/usr/local/bin/"

mapfile -t tctis < <(tcti device; tcti swtpm)
[ "${#tctis[@]}" -eq 2 ] || { echo "rootfs.sh: libtss2-tcti-device and -swtpm are missing" >&2; exit 1; }
mapfile -t found < <(libraries "$ROOT"/usr/local/bin/* "${tctis[@]}"; printf '%s\n' "${tctis[@]}")
for library in "${found[@]}"; do
  install -D -m 755 "$(realpath "$library")" "$ROOT$(below_usr "$library")"
done

install -m 644 /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"
install -m 644 /etc/ssl/openssl.cnf "$ROOT/etc/ssl/"
ln -s /etc/ssl/openssl.cnf "$ROOT/usr/lib/ssl/openssl.cnf"
ln -s /etc/ssl/certs/ca-certificates.crt "$ROOT/usr/lib/ssl/cert.pem"
echo 'hosts: files dns' >"$ROOT/etc/nsswitch.conf"
printf '%s\n' 'root:x:0:0:root:/:/sbin/nologin' 'gatehouse:x:65532:65532:gatehouse:/:/sbin/nologin' >"$ROOT/etc/passwd"
printf '%s\n' 'root:x:0:' 'gatehouse:x:65532:' >"$ROOT/etc/group"

mapfile -t packages < <({ for library in "${found[@]}"; do package_of "$library"; done; echo ca-certificates; } | sort -u)
for package in "${packages[@]}"; do
  install -D -m 644 "/usr/share/doc/$package/copyright" "$ROOT/usr/share/doc/$package/copyright"
done
install -D -m 644 LICENSE "$ROOT/usr/share/doc/gatehouse/copyright"
{
  echo "# in the image"
  dpkg-query -W -f '${Package} ${Version}\n' "${packages[@]}" | sort
  echo "# it was built with"
  dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' | sed -n 's/^installed //p' | sort
} >"$ROOT/usr/share/gatehouse/packages.txt"

find "$ROOT" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
