"""Traces as tables of Apache Spark; needs ``pip install 'bpfrec[spark]'``.

>>> import bpfrec.spark
>>> bpfrec.spark.register(spark)
>>> calls = spark.read.format("bpfrec").option("columns", "syscall,errno").load("s3://incidents/4711/")
>>> calls.groupBy("trace", "errno").count().show()
"""

from __future__ import annotations

from typing import Any

from bpfrec.formats.errors import BpfrecError


def register(session: Any) -> None:
    """Lets ``session``, a SparkSession, read the format ``bpfrec``.

    Raises:
        BpfrecError: the version of Spark is too old.
    """
    try:
        from bpfrec.analyze.fleet.spark_source import BpfrecSource  # noqa: PLC0415
    except ImportError as error:
        raise BpfrecError(f"Spark 4 is needed: {error}", "Install it with: pip install 'bpfrec[spark]'") from None
    session.dataSource.register(BpfrecSource)
