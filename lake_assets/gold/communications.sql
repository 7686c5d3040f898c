-- description: What was said by channel and template, and whether it was answered: messages sent, bounced and
--   replied to, with the days to the first reply, and what customers wrote unprompted.
-- owner: customer care
-- freshness: 15 minutes
-- grain: month, channel, template
-- smallest_cell: people < 10 suppresses people, people_answering, sent, bounced, inbound, answered, response_rate, median_days_to_reply
--   counting people_answering
-- column month: The first day of the month in which the message was sent.
-- column channel: The channel of the message.
-- column template: The template of what was sent; `free text` without one, `unprompted` for messages of customers that answer nothing.
-- column people: Customers to whom such a message was sent; for `unprompted`, those who wrote.
-- column people_answering: Those of them who answered one.
-- column sent: Messages sent to customers.
-- column bounced: Those of them that could not be delivered.
-- column inbound: Replies to these messages; for `unprompted`, the messages of customers themselves.
-- column answered: Messages sent that got at least one reply.
-- column response_rate: Answered out of sent and not bounced.
-- column median_days_to_reply: Days to the first reply, as the median over what was answered; times are released as days.
WITH replies AS (
  SELECT in_reply_to, count(*) AS replies, min(sent_on) AS first_on
  FROM silver.messages
  WHERE direction = 'inbound' AND in_reply_to IS NOT NULL
  GROUP BY in_reply_to
),
conversations AS (
  SELECT
    trunc(outbound.sent_on, 'MM') AS month,
    outbound._subject,
    outbound.channel,
    coalesce(outbound.template, 'free text') AS template,
    1 AS sent,
    CASE WHEN outbound.status = 'bounced' THEN 1 ELSE 0 END AS bounced,
    coalesce(replies.replies, 0) AS inbound,
    CASE WHEN replies.replies > 0 THEN 1 ELSE 0 END AS answered,
    -- greatest() alone passes over a null, and an unanswered message would be answered at once.
    CASE WHEN replies.first_on IS NOT NULL THEN greatest(datediff(replies.first_on, outbound.sent_on), 0) END AS days_to_reply
  FROM silver.messages AS outbound
  LEFT JOIN replies ON replies.in_reply_to = outbound.id
  WHERE outbound.direction = 'outbound'
  UNION ALL
  SELECT trunc(sent_on, 'MM'), _subject, channel, 'unprompted', 0, 0, 1, 0, CAST(NULL AS INT)
  FROM silver.messages
  WHERE direction = 'inbound' AND in_reply_to IS NULL
)
SELECT
  month,
  channel,
  template,
  count(DISTINCT _subject) AS people,
  count(DISTINCT CASE WHEN answered = 1 THEN _subject END) AS people_answering,
  sum(sent) AS sent,
  sum(bounced) AS bounced,
  sum(inbound) AS inbound,
  sum(answered) AS answered,
  round(sum(answered) / nullif(sum(sent) - sum(bounced), 0), 4) AS response_rate,
  median(days_to_reply) AS median_days_to_reply
FROM conversations
GROUP BY month, channel, template
