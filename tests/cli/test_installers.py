"""The Debian package and the file for analysis that `make deb` and `make pex` build: BPFREC_PACKAGES=1 asks them.

Each takes a minute or two, and gets what bpfrec depends on from a package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_traces" / "lab1-server.bpfrec"

pytestmark = pytest.mark.skipif(os.environ.get("BPFREC_PACKAGES") != "1", reason="BPFREC_PACKAGES=1 builds packages")


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def failed_opens(*program: str | Path) -> None:
    assert "/etc/tracing-server-example.conf" in run(*program, "report", "failed-opens", "-i", SAMPLE)


def test_the_file_for_analysis_answers(tmp_path: Path) -> None:
    run("make", "pex")
    shutil.copy(ROOT / "dist" / "bpfrec.pex", tmp_path / "bpfrec")
    failed_opens("env", f"PEX_ROOT={tmp_path}/root", tmp_path / "bpfrec")


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb makes the package")
@pytest.mark.skipif(os.geteuid() != 0, reason="root mounts the package where it belongs")
def test_the_debian_package_answers_where_it_belongs(tmp_path: Path) -> None:
    run("make", "deb")
    [package] = (ROOT / "dist").glob("bpfrec_*.deb")
    control = subprocess.run(["dpkg-deb", "--ctrl-tarfile", package], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(control)) as archive:
        assert {"./control", "./md5sums", "./postrm"} <= set(archive.getnames())
    depends = run("dpkg-deb", "--field", package, "Depends")
    assert "python3-bpfcc" in depends
    run("dpkg-deb", "--extract", package, tmp_path)
    assert not [path for path in (tmp_path / "opt").rglob("*.pyc") if str(tmp_path).encode() in path.read_bytes()]
    for place in (
        "man/man1/bpfrec.1.gz",
        "bash-completion/completions/bpfrec",
        "zsh/vendor-completions/_bpfrec",
        "fish/vendor_completions.d/bpfrec.fish",
        "doc/bpfrec/copyright",
    ):
        assert (tmp_path / "usr" / "share" / place).stat().st_size
    assert (tmp_path / "usr/bin/bpfrec").readlink() == Path("/opt/bpfrec/bin/bpfrec")
    mounted = f'mount --bind {tmp_path}/opt /opt && exec "$@"'
    failed_opens("unshare", "--mount", "sh", "-c", mounted, "sh", "/opt/bpfrec/bin/bpfrec")
