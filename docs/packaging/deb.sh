#!/bin/sh
# Makes a .deb of a wheel of bpfrec: `make deb` runs this. deb.sh WHEEL FOLDER writes FOLDER/bpfrec_VERSION_ARCH.deb.
#
# The package has a virtual environment in /opt/bpfrec with everything but Python and bcc, which are the
# distribution's. Some libraries in it are compiled for one version of Python, so it fits distributions with that
# version: build it on the distribution that it is for. $DEB_PYTHON: the distribution's Python.
set -eu

wheel=$1
target=$2
python=${DEB_PYTHON:-/usr/bin/python3}
home=opt/bpfrec

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/DEBIAN" "$root/$home" "$root/usr/bin"
chmod 755 "$work" "$root"

version=$(basename "$wheel" | cut -d- -f2)
here=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next=$("$python" -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
architecture=$(dpkg --print-architecture)

"$python" -m venv --without-pip "$root/$home"
"$python" -m venv "$work/builder"
"$work/builder/bin/pip" install -q --disable-pip-version-check --upgrade pip
"$work/builder/bin/pip" --python "$root/$home/bin/python" install -q --disable-pip-version-check --no-compile "$wheel"
# Nothing in the package may name the folder where it was built.
find "$root/$home/bin" -type f -delete
cat >"$root/$home/bin/bpfrec" <<EOF
#!/$home/bin/python
import sys

from bpfrec.__main__ import main

sys.exit(main())
EOF
chmod 755 "$root/$home/bin/bpfrec"
sed -i '/^command = /d' "$root/$home/pyvenv.cfg"
find "$root/$home" -name direct_url.json -delete
"$python" -m compileall -q -j 0 -s "$root" -p / --invalidation-mode unchecked-hash "$root/$home/lib" || :

ln -s "/$home/bin/bpfrec" "$root/usr/bin/bpfrec"
bpfrec() { "$root/$home/bin/python" -P -m bpfrec "$@"; }
bpfrec man -o "$root/usr/share/man/man1" 2>/dev/null
gzip -9n "$root"/usr/share/man/man1/*.1
for place in bash:bash-completion/completions/bpfrec zsh:zsh/vendor-completions/_bpfrec \
    fish:fish/vendor_completions.d/bpfrec.fish; do
    file=$root/usr/share/${place#*:}
    mkdir -p "$(dirname "$file")"
    bpfrec completion "${place%%:*}" >"$file"
done
documents=$root/usr/share/doc/bpfrec
mkdir -p "$documents"
cp "$root/$home"/lib/python*/site-packages/bpfrec-*.dist-info/licenses/LICENSE "$documents/copyright"

cat >"$root/DEBIAN/control" <<EOF
Package: bpfrec
Version: $version
Architecture: $architecture
Maintainer: bpfrec maintainers <bpfrec@localhost>
Section: utils
Priority: optional
Depends: python3 (>= $here), python3 (<< $next), python3-bpfcc, libc6 (>= 2.28), libstdc++6
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Description: record system calls once, and answer every question about them later
 bpfrec records what a process asks of the kernel through BPF, at a cost that
 production bears, into one file. Reports, SQL, flame graphs and the languages
 of bcc's tools and of bpftrace then answer questions about it on any machine.
EOF
cat >"$root/DEBIAN/postrm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
    rm -rf /var/cache/bpfrec
fi
EOF
chmod 755 "$root/DEBIAN/postrm"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -print0 | sort -z | xargs -0 md5sum | sed 's|\./||') \
    >"$work/md5sums"
mv "$work/md5sums" "$root/DEBIAN/md5sums"
chmod -R u=rwX,go=rX "$root"

mkdir -p "$target"
# xz is a tenth smaller and takes five times as long.
dpkg-deb --root-owner-group -Zzstd --build "$root" "$target/bpfrec_${version}_$architecture.deb"
