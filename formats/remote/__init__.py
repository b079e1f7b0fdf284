"""Traces that are elsewhere: on web servers and in object stores.

:mod:`.uri`            names of such traces, and how they are shown without their secrets
:mod:`.web_source`     reads ranges of a file from a web server (http, https)
:mod:`.store_source`   reads ranges of an object from S3, Google Cloud Storage or Azure, through pyarrow
:mod:`.cached_object`  keeps every block that was read, so that none is read twice
:mod:`.remote_reader`  finds the manifest and the tables of a trace in such an object
:mod:`.opening`        opens a trace, wherever it is
"""
