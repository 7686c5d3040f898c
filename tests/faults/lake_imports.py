"""All that a run imports, so that the processes which are forked for the lake's fault tests have it already. Belongs here: nothing else."""

import boto3  # noqa: F401
import pyspark.sql.connect.session  # noqa: F401

import lake_assets.assets.history
import lake_assets.assets.ingest  # noqa: F401
