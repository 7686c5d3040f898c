-- description: From joining to the first payment, by the month of joining: how many got a plan, how many paid, and how
--   soon. A window is empty until the whole cohort has had that long, so young cohorts do not look worse than old ones.
-- owner: operations
-- freshness: 1 hour
-- grain: cohort
-- smallest_cell: people < 10 suppresses people, with_plan, paid, share_paid, share_paid_30_days, share_paid_90_days, share_paid_180_days, median_days_to_payment
--   counting with_plan, paid, share_paid, share_paid_30_days, share_paid_90_days, share_paid_180_days
-- column cohort: The first day of the month in which the customers joined.
-- column people: Customers who joined in that month, whatever became of them. Empty is the month of those of whom it is not told.
--   It leaves only where enough people share it with the rest of what is told of them.
-- column with_plan: Those of them with a plan that was agreed.
-- column paid: Those of them who made a first payment.
-- column share_paid: Paid out of people, so far.
-- column share_paid_30_days: The share that paid within 30 days of the end of that month.
-- column share_paid_90_days: The share that paid within 90 days of the end of that month.
-- column share_paid_180_days: The share that paid within 180 days of the end of that month.
-- column median_days_to_payment: Days from the end of that month to the first payment, 0 where it was earlier, as the median over those who paid.
WITH first_payments AS (
  SELECT _subject AS customer_id, min(paid_on) AS first_on
  FROM silver.payments
  WHERE status = 'succeeded' AND paid_on <= current_date()
  GROUP BY _subject
),
first_plans AS (
  SELECT DISTINCT _subject AS customer_id FROM silver.plans WHERE status <> 'proposed'
),
joined AS (
  SELECT
    trunc(customers.joined_on, 'MM') AS cohort,
    customers.id,
    first_plans.customer_id IS NOT NULL AS has_plan,
    -- greatest() alone passes over a null, and everybody would have paid at once.
    CASE WHEN first_payments.first_on IS NOT NULL
      THEN greatest(datediff(first_payments.first_on, last_day(customers.joined_on)), 0) END AS days_to_payment,
    datediff(current_date(), last_day(customers.joined_on)) AS days_watched
  FROM silver.customers AS customers
  LEFT JOIN first_payments ON first_payments.customer_id = customers.id
  LEFT JOIN first_plans ON first_plans.customer_id = customers.id
)
SELECT
  cohort,
  count(DISTINCT id) AS people,
  count_if(has_plan) AS with_plan,
  count(days_to_payment) AS paid,
  round(count(days_to_payment) / count(*), 4) AS share_paid,
  CASE WHEN min(days_watched) >= 30 THEN round(count_if(days_to_payment <= 30) / count(*), 4) END
    AS share_paid_30_days,
  CASE WHEN min(days_watched) >= 90 THEN round(count_if(days_to_payment <= 90) / count(*), 4) END
    AS share_paid_90_days,
  CASE WHEN min(days_watched) >= 180 THEN round(count_if(days_to_payment <= 180) / count(*), 4) END
    AS share_paid_180_days,
  median(days_to_payment) AS median_days_to_payment
FROM joined
GROUP BY cohort
