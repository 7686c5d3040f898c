"""The jars that Spark lacks, fetched once by the Ivy that PySpark ships.

Belongs here: running Ivy, and knowing that it need not run. Not here: which jars (ivy.xml) and from where (ivysettings.xml).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from resources.errors import SetUpFailed
from resources.spark_server.jvm import Jvm
from resources.spark_server.layout import HERE, Layout
from resources.spark_server.trust import trust_options

_SETTINGS = HERE / "ivysettings.xml"
_MODULES = HERE / "ivy.xml"
_PATTERN = "[artifact]-[revision](-[classifier]).[ext]"


def fetch_jars(layout: Layout, jvm: Jvm) -> bool:
    """Fetches what ivy.xml lists into the layout's jar folder; False if that is what is there already.

    The folder appears whole or not at all. Raises SetUpFailed with Ivy's own error lines.
    """
    wanted = hashlib.sha256(_MODULES.read_bytes()).hexdigest()
    stamp = layout.jars / "ivy.xml.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    staging = layout.jars.with_name("jars.new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    _retrieve(layout, jvm, staging)
    (staging / stamp.name).write_text(wanted)
    shutil.rmtree(layout.jars, ignore_errors=True)
    staging.rename(layout.jars)
    return True


def _retrieve(layout: Layout, jvm: Jvm, target: Path) -> None:
    ivy = next(iter(sorted(layout.pyspark_jars.glob("ivy-*.jar"))), None)
    if ivy is None:
        raise SetUpFailed("The installed PySpark ships no Ivy, so the server's jars cannot be fetched.")
    command = [
        str(jvm.java),
        *trust_options(layout.state),
        f"-Dpushlake.ivy.cache={layout.ivy_cache}",
        *("-jar", str(ivy), "-settings", str(_SETTINGS), "-ivy", str(_MODULES)),
        *("-retrieve", f"{target}/{_PATTERN}", "-types", "jar"),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0 or not any(target.glob("*.jar")):
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = said[said.index(":::: ERRORS") + 1 :] if ":::: ERRORS" in said else said
        raise SetUpFailed("Ivy could not fetch the Spark server's jars:\n  " + "\n  ".join(errors[:6]))
