# What to be woken for, of the parts that AWS runs.
#
# Belongs here: alarms on the stream, Firehose and the queue. Not here: the publisher (`publisher status`) and the lake (Dagster's checks).

locals {
  alarms = {
    delivery-is-late = {
      description = "Firehose has held its oldest record for 15 minutes beyond its interval: read its log group, then docs/runbook.md."
      namespace   = "AWS/Firehose"
      metric      = "DeliveryToS3.DataFreshness"
      dimensions  = { DeliveryStreamName = aws_kinesis_firehose_delivery_stream.landing.name }
      statistic   = "Maximum"
      above       = var.firehose_buffer_seconds + 900
    }
    stream-is-full = {
      description = "The stream refuses records; the publisher repeats them, and its outbox grows. Raise `shards`, or go on demand."
      namespace   = "AWS/Kinesis"
      metric      = "WriteProvisionedThroughputExceeded"
      dimensions  = { StreamName = aws_kinesis_stream.events.name }
      statistic   = "Sum"
      above       = 0
    }
    nobody-ingests = {
      description = "A message has waited for 30 minutes: no ingest run succeeds. See docs/runbook.md."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = aws_sqs_queue.landed.name }
      statistic   = "Maximum"
      above       = 1800
    }
    messages-put-aside = {
      description = "Ten runs could not read or finish a message. Its object is found by the listing; see docs/runbook.md."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.landed_dead.name }
      statistic   = "Maximum"
      above       = 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "pushlake" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
