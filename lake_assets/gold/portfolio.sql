-- description: Open debts and their balance by creditor and product, at each month's end of the last two years
--   and today. Balances are those of the version that was valid then. Before the lake knew a debt, its dates
--   still say whether it was open, but nobody can say its balance: that cell is empty rather than wrong.
-- owner: finance
-- freshness: 15 minutes
-- grain: month, creditor, sector, product
-- smallest_cell: people < 10 suppresses as_of, people, open_debts, in_plan_debts, balance_pence, known_debts within month, creditor
-- column month: The first day of the month.
-- column as_of: The day at whose end it was so: the last of the month, or the day of counting in the month that runs.
-- column creditor: The creditor's code; `unknown` while the creditor's own record has not arrived.
-- column sector: The creditor's sector.
-- column product: What was lent or supplied.
-- column people: Customers with such a debt.
-- column open_debts: Debts that were open or in a plan at the end of that day.
-- column in_plan_debts: Those of them that were in a plan; empty where not every open debt was known then.
-- column balance_pence: Their balance, rounded to ten pounds a debt; empty where not every open debt was known then.
-- column known_debts: The open debts that the lake already knew on that day.
WITH months AS (
  SELECT explode(sequence(
    add_months(trunc(current_date(), 'MM'), -24), trunc(current_date(), 'MM'), INTERVAL 1 MONTH
  )) AS month
),
days AS (
  SELECT month, least(last_day(month), current_date()) AS as_of FROM months
),
versions AS (
  SELECT
    id, _subject, creditor_id, product, status, balance_pence, placed_on, _valid_from, _valid_to,
    row_number() OVER (PARTITION BY id ORDER BY _seq_from) = 1 AS is_first,
    first_value(closed_on) OVER (PARTITION BY id ORDER BY _seq_from DESC) AS closed_on
  FROM silver.debts_history
  WHERE _op NOT IN ('delete', 'erase')
),
-- The version at the end of each day. The first one also stands for the time before the lake knew the debt, with the day of
-- closing that the last one tells.
standing AS (
  SELECT
    days.month, days.as_of, versions._subject, versions.creditor_id, versions.product, versions.status, versions.balance_pence,
    versions.closed_on, versions._valid_from < date_add(days.as_of, 1) AS known
  FROM versions
  JOIN days
    ON versions.placed_on <= days.as_of
    AND (versions._valid_from < date_add(days.as_of, 1) OR versions.is_first)
    AND (versions._valid_to IS NULL OR versions._valid_to >= date_add(days.as_of, 1))
),
open_then AS (
  SELECT month, as_of, _subject, creditor_id, product, status, balance_pence, known
  FROM standing
  WHERE CASE WHEN known THEN status IN ('open', 'in_plan') ELSE closed_on IS NULL OR closed_on > as_of END
)
SELECT
  open_then.month,
  coalesce(creditors.code, 'unknown') AS creditor,
  creditors.sector,
  open_then.product,
  max(open_then.as_of) AS as_of,
  count(DISTINCT open_then._subject) AS people,
  count(*) AS open_debts,
  CASE WHEN bool_and(open_then.known) THEN count_if(open_then.status = 'in_plan') END AS in_plan_debts,
  CASE WHEN bool_and(open_then.known) THEN sum(open_then.balance_pence) END AS balance_pence,
  count_if(open_then.known) AS known_debts
FROM open_then
LEFT JOIN silver.creditors AS creditors ON creditors.id = open_then.creditor_id
GROUP BY open_then.month, coalesce(creditors.code, 'unknown'), creditors.sector, open_then.product
