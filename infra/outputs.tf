# What the processes are told: the outputs in capitals are the environment variables of docs/runbook.md.
#
# Belongs here: names, addresses, roles. Not here: anything secret.

output "AWS_DEFAULT_REGION" {
  description = "Publisher and lake."
  value       = var.region
}

output "LAKE_STREAM" {
  description = "Publisher: the stream that leads to the lake."
  value       = aws_kinesis_stream.events.name
}

output "PUBLISHER_DATA_KEY_SECRET" {
  description = "Publisher: the secret with the wrapped data key."
  value       = aws_secretsmanager_secret.data_key.name
}

output "PUBLISHER_PSEUDONYM_SECRET" {
  description = "Publisher: the secret with the key of pseudonyms."
  value       = aws_secretsmanager_secret.pseudonym_key.name
}

output "LANDING_URI" {
  description = "Lake: where Firehose lands raw objects."
  value       = "s3://${aws_s3_bucket.landing.bucket}"
}

output "LANDED_QUEUE_URL" {
  description = "Lake: the queue that S3 tells of raw objects."
  value       = aws_sqs_queue.landed.url
}

output "LAKE_URI" {
  description = "Lake: where the tables are."
  value       = "s3://${aws_s3_bucket.lake.bucket}"
}

output "publisher_role_arn" {
  description = "The role of `publisher relay` and of the publisher's other commands."
  value       = aws_iam_role.publisher.arn
}

output "lake_role_arn" {
  description = "The role of the Spark server and of Dagster's processes."
  value       = aws_iam_role.lake.arn
}

output "platform_key_alias" {
  description = "The KMS key that wraps the data key."
  value       = aws_kms_alias.platform.name
}

output "retention_days" {
  description = "What was read from the contracts, by entity."
  value       = local.retention_days
}

output "raw_days" {
  description = "Days after which a raw object is deleted."
  value       = local.raw_days
}
