-- description: Customers by age as of the refresh. Only the decade of birth leaves the platform, so each group is one
--   decade, with the youngest and oldest that its members can be today; ages move on without anything being sent again.
-- owner: customer care
-- freshness: 1 day
-- grain: birth_band
-- smallest_cell: people < 10 suppresses people, share_of_customers, share_with_open_debt, share_reachable within all
--   counting share_with_open_debt, share_reachable
-- column birth_band: The years in which the group was born: ten, or more where few share them; empty where it is not told.
-- column youngest: The age today of someone born on the band's last day.
-- column oldest: The age today of someone born on its first day.
-- column age_group: The ages in words, such as `36 to 46`.
-- column people: Active customers in the group.
-- column share_of_customers: Their share of all active customers.
-- column share_with_open_debt: The share of them that has a debt open or in a plan.
-- column share_reachable: The share of them with an e-mail address or phone number.
WITH people AS (
  SELECT
    id,
    birth_band,
    has_email OR has_phone AS is_reachable,
    try_cast(left(birth_band, 4) AS INT) AS first_year,
    try_cast(right(birth_band, 4) AS INT) AS last_year
  FROM silver.customers
  WHERE status = 'active'
),
indebted AS (
  SELECT DISTINCT customer_id FROM silver.debts WHERE status IN ('open', 'in_plan')
),
grouped AS (
  SELECT
    people.birth_band,
    CASE WHEN max(people.last_year) IS NOT NULL THEN greatest(
      CAST(floor(months_between(current_date(), make_date(max(people.last_year), 12, 31)) / 12) AS INT), 0) END AS youngest,
    CAST(floor(months_between(current_date(), make_date(max(people.first_year), 1, 1)) / 12) AS INT) AS oldest,
    count(DISTINCT people.id) AS people,
    round(count(indebted.customer_id) / count(*), 4) AS share_with_open_debt,
    round(avg(CAST(people.is_reachable AS INT)), 4) AS share_reachable
  FROM people
  LEFT JOIN indebted ON indebted.customer_id = people.id
  GROUP BY people.birth_band
)
SELECT
  birth_band,
  youngest,
  oldest,
  concat(youngest, ' to ', oldest) AS age_group,
  people,
  round(people / sum(people) OVER (), 4) AS share_of_customers,
  share_with_open_debt,
  share_reachable
FROM grouped
