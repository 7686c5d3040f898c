"""The server as tests and assets meet it: Delta tables in a folder and in S3."""

from __future__ import annotations

from pyspark.sql import SparkSession


def test_a_delta_table_in_a_folder_is_written_and_read(spark: SparkSession, lake_uri: str) -> None:
    spark.range(3).write.format("delta").save(f"{lake_uri}/bronze/things")
    assert spark.read.format("delta").load(f"{lake_uri}/bronze/things").count() == 3


def test_a_delta_table_in_s3_is_written_merged_and_read(spark: SparkSession, s3_lake_uri: str) -> None:
    path = f"{s3_lake_uri}/bronze/things"
    spark.range(3).write.format("delta").save(path)
    spark.range(2, 6).createOrReplaceTempView("more")
    spark.sql(f"MERGE INTO delta.`{path}` t USING more s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *").collect()
    assert sorted(row.id for row in spark.table(f"delta.`{path}`").collect()) == [0, 1, 2, 3, 4, 5]
