# The way from the publisher to the landing bucket: a Kinesis stream, and the Firehose that drains it.
#
# Belongs here: the stream, the delivery stream, its log. Not here: the bucket (buckets.tf), who may do what (roles.tf).

resource "aws_kinesis_stream" "events" {
  name             = local.stream
  retention_period = var.stream_retention_hours
  shard_count      = var.shards
  encryption_type  = "KMS"
  # AWS's own key: a key of ours would give the publisher a right on the lake's, or the lake's Firehose one on the platform's.
  kms_key_id = "alias/aws/kinesis"

  stream_mode_details {
    stream_mode = var.shards == null ? "ON_DEMAND" : "PROVISIONED"
  }

  # The publisher keeps its mark there: which database published last.
  lifecycle {
    ignore_changes = [tags]
  }
}

resource "aws_cloudwatch_log_group" "firehose" {
  name              = "/aws/kinesisfirehose/${local.stream}"
  retention_in_days = 30
}

resource "aws_cloudwatch_log_stream" "firehose" {
  name           = "DestinationDelivery"
  log_group_name = aws_cloudwatch_log_group.firehose.name
}

resource "aws_kinesis_firehose_delivery_stream" "landing" {
  name        = local.stream
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.events.arn
    role_arn           = aws_iam_role.firehose.arn
  }

  extended_s3_configuration {
    bucket_arn         = aws_s3_bucket.landing.arn
    role_arn           = aws_iam_role.firehose.arn
    kms_key_arn        = aws_kms_key.lake.arn
    compression_format = "GZIP"
    buffering_interval = var.firehose_buffer_seconds
    buffering_size     = var.firehose_buffer_mib

    # The ledger reads the hour from the key, and its listing looks below exactly this prefix, in UTC.
    prefix              = "raw/!{timestamp:yyyy}/!{timestamp:MM}/!{timestamp:dd}/!{timestamp:HH}/"
    error_output_prefix = "errors/!{firehose:error-output-type}/!{timestamp:yyyy}/!{timestamp:MM}/!{timestamp:dd}/!{timestamp:HH}/"
    custom_time_zone    = "UTC"

    # A record of the publisher ends with a newline already. A second one would change nothing; a Lambda could change lines.
    processing_configuration {
      enabled = false
    }

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.firehose.name
      log_stream_name = aws_cloudwatch_log_stream.firehose.name
    }
  }

  # Firehose tries its role at once; without its rights the creation fails.
  depends_on = [aws_iam_role_policy.firehose]
}
