-- description: Open debts and their balance by creditor and product, at each month's end of the last two years
--   and today. Balances are those of the version that was valid then. Before the lake knew a debt, its dates
--   still say whether it was open, but nobody can say its balance: that cell is empty rather than wrong.
-- owner: finance
-- freshness: 15 minutes
-- grain: as_of, creditor, product
-- smallest_cell: none
-- column as_of: The last day of a month, or today for the current month.
-- column creditor: The creditor's code; `unknown` while the creditor's own record has not arrived.
-- column sector: The creditor's sector.
-- column product: What was lent or supplied.
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
  SELECT least(last_day(month), current_date()) AS as_of FROM months
),
versions AS (
  SELECT
    id, creditor_id, product, status, balance_pence, placed_on, _valid_from, _valid_to,
    row_number() OVER (PARTITION BY id ORDER BY _seq_from) = 1 AS is_first,
    first_value(closed_on) OVER (PARTITION BY id ORDER BY _seq_from DESC) AS closed_on
  FROM silver.debts_history
  WHERE _op NOT IN ('delete', 'erase')
),
-- The version at the end of each day. The first one also stands for the time before the lake knew the debt, with the day of
-- closing that the last one tells.
standing AS (
  SELECT
    days.as_of, versions.creditor_id, versions.product, versions.status, versions.balance_pence,
    versions.closed_on, versions._valid_from < date_add(days.as_of, 1) AS known
  FROM versions
  JOIN days
    ON versions.placed_on <= days.as_of
    AND (versions._valid_from < date_add(days.as_of, 1) OR versions.is_first)
    AND (versions._valid_to IS NULL OR versions._valid_to >= date_add(days.as_of, 1))
),
open_then AS (
  SELECT as_of, creditor_id, product, status, balance_pence, known
  FROM standing
  WHERE CASE WHEN known THEN status IN ('open', 'in_plan') ELSE closed_on IS NULL OR closed_on > as_of END
)
SELECT
  open_then.as_of,
  coalesce(creditors.code, 'unknown') AS creditor,
  max(creditors.sector) AS sector,
  open_then.product,
  count(*) AS open_debts,
  CASE WHEN bool_and(open_then.known) THEN count_if(open_then.status = 'in_plan') END AS in_plan_debts,
  CASE WHEN bool_and(open_then.known) THEN sum(open_then.balance_pence) END AS balance_pence,
  count_if(open_then.known) AS known_debts
FROM open_then
LEFT JOIN silver.creditors AS creditors ON creditors.id = open_then.creditor_id
GROUP BY open_then.as_of, coalesce(creditors.code, 'unknown'), open_then.product
