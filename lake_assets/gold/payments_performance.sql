-- description: What was due, collected and failed, by month and method of payment. A payment belongs to the month
--   in which it was due; one that is due in the future is not in it.
-- owner: finance
-- freshness: 15 minutes
-- grain: month, method
-- smallest_cell: people < 10 suppresses people, people_paid, due, collected, failed, refunded, outstanding, due_pence, collected_pence,
--   collection_rate, mean_days_late, main_failure_reason within month counting people_paid
-- column month: The first day of the month in which the payments were due.
-- column method: How they were to be paid; cash, which few pay, is counted with cards.
-- column people: Customers of whom a payment was due.
-- column people_paid: Those of them of whom one succeeded.
-- column due: Payments due up to today.
-- column collected: Payments that succeeded and were not refunded.
-- column failed: Payments that failed.
-- column refunded: Payments that succeeded first and were given back.
-- column outstanding: Payments that are due and still pending.
-- column due_pence: Their amounts, each rounded to a pound.
-- column collected_pence: The amounts collected, each rounded to a pound.
-- column collection_rate: Collected out of collected and failed, by number: pending payments say nothing yet.
-- column mean_days_late: Days from due to paid, on average over what was collected; early payments count as 0.
-- column main_failure_reason: The commonest reason of failure; the first by name where two are equal.
WITH due AS (
  SELECT trunc(due_on, 'MM') AS month,
    CASE method WHEN 'cash' THEN 'card or cash' WHEN 'card' THEN 'card or cash' ELSE method END AS method,
    _subject, status, amount_pence, failure_reason, due_on, paid_on
  FROM silver.payments
  WHERE due_on <= current_date()
)
SELECT
  month,
  method,
  count(DISTINCT _subject) AS people,
  count(DISTINCT CASE WHEN status = 'succeeded' THEN _subject END) AS people_paid,
  count(*) AS due,
  count_if(status = 'succeeded') AS collected,
  count_if(status = 'failed') AS failed,
  count_if(status = 'refunded') AS refunded,
  count_if(status = 'pending') AS outstanding,
  sum(amount_pence) AS due_pence,
  coalesce(sum(CASE WHEN status = 'succeeded' THEN amount_pence END), 0) AS collected_pence,
  round(count_if(status = 'succeeded') / nullif(count_if(status IN ('succeeded', 'failed')), 0), 4)
    AS collection_rate,
  round(avg(CASE WHEN status = 'succeeded' AND paid_on IS NOT NULL THEN greatest(datediff(paid_on, due_on), 0) END), 1)
    AS mean_days_late,
  mode(failure_reason, true) AS main_failure_reason
FROM due
GROUP BY month, method
