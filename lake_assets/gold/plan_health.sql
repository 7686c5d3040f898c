-- description: Whether repayment plans are kept, by product and frequency: how many are running, kept to the end or
--   broken, how old the running ones are, and which of those are at risk.
-- owner: operations
-- freshness: 15 minutes
-- grain: product, frequency
-- smallest_cell: people < 10 suppresses people, people_running, plans, active, kept, broken, cancelled, kept_rate, median_age_months,
--   mean_instalment_pence, at_risk, at_risk_rate within product counting people_running
-- column product: The product of the debt that the plan repays.
-- column frequency: How often an instalment is due.
-- column people: Customers with such a plan.
-- column people_running: Those of them with one that is running.
-- column plans: Plans that were ever agreed; proposals that nobody took up are not plans yet.
-- column active: Plans that are running.
-- column kept: Plans that were paid to the end.
-- column broken: Plans that the customer stopped paying.
-- column cancelled: Plans that were ended by agreement.
-- column kept_rate: Kept out of kept and broken: the plans whose end says whether they worked.
-- column median_age_months: Months since the start of the running plans, as their median.
-- column mean_instalment_pence: The running plans' instalment, on average, each rounded to a pound.
-- column at_risk: Running plans whose latest settled payment failed.
-- column at_risk_rate: At risk out of running.
WITH latest_payments AS (
  SELECT plan_id, max_by(status, struct(due_on, _seq)) AS status
  FROM silver.payments
  WHERE status IN ('succeeded', 'failed') AND due_on <= current_date()
  GROUP BY plan_id
),
agreed AS (
  SELECT
    coalesce(debts.product, 'unknown') AS product,
    plans._subject,
    plans.frequency,
    plans.status,
    plans.instalment_pence,
    months_between(current_date(), plans.started_on) AS age_months,
    plans.status = 'active' AND coalesce(latest_payments.status, 'none') = 'failed' AS is_at_risk
  FROM silver.plans AS plans
  LEFT JOIN silver.debts AS debts ON debts.id = plans.debt_id
  LEFT JOIN latest_payments ON latest_payments.plan_id = plans.id
  WHERE plans.status <> 'proposed'
)
SELECT
  product,
  frequency,
  count(DISTINCT _subject) AS people,
  count(DISTINCT CASE WHEN status = 'active' THEN _subject END) AS people_running,
  count(*) AS plans,
  count_if(status = 'active') AS active,
  count_if(status = 'completed') AS kept,
  count_if(status = 'broken') AS broken,
  count_if(status = 'cancelled') AS cancelled,
  round(count_if(status = 'completed') / nullif(count_if(status IN ('completed', 'broken')), 0), 4)
    AS kept_rate,
  round(median(CASE WHEN status = 'active' THEN age_months END), 1) AS median_age_months,
  CAST(round(avg(CASE WHEN status = 'active' THEN instalment_pence END)) AS BIGINT) AS mean_instalment_pence,
  count_if(is_at_risk) AS at_risk,
  round(count_if(is_at_risk) / nullif(count_if(status = 'active'), 0), 4) AS at_risk_rate
FROM agreed
GROUP BY product, frequency
