-- description: Which share of the active customers can be reached, and by what, in segments of birth decade and
--   preferred channel. It knows only whether there is an address, never the address.
-- owner: customer care
-- freshness: 15 minutes
-- grain: birth_band, preferred_channel
-- smallest_cell: people < 10 suppresses people, share_with_email, share_with_phone, share_with_address, share_reachable, share_by_preference within birth_band
--   counting share_with_email, share_with_phone, share_with_address, share_reachable, share_by_preference
-- column birth_band: The years in which the segment's customers were born: ten, or more where few share them; empty where it is not told.
-- column preferred_channel: The channel that they asked for.
-- column people: Active customers in the segment.
-- column share_with_email: The share of them with an e-mail address.
-- column share_with_phone: The share of them with a phone number.
-- column share_with_address: The share of them with a postal address.
-- column share_reachable: The share of them with any of the three.
-- column share_by_preference: The share of them that can be reached by the channel that they prefer.
WITH active AS (
  SELECT
    id, birth_band, preferred_channel, has_email, has_phone, has_address,
    CASE preferred_channel
      WHEN 'email' THEN has_email
      WHEN 'sms' THEN has_phone
      WHEN 'phone' THEN has_phone
      WHEN 'letter' THEN has_address
      ELSE false
    END AS by_preference
  FROM silver.customers
  WHERE status = 'active'
)
SELECT
  birth_band,
  preferred_channel,
  count(DISTINCT id) AS people,
  round(avg(CAST(has_email AS INT)), 4) AS share_with_email,
  round(avg(CAST(has_phone AS INT)), 4) AS share_with_phone,
  round(avg(CAST(has_address AS INT)), 4) AS share_with_address,
  round(avg(CAST(has_email OR has_phone OR has_address AS INT)), 4) AS share_reachable,
  round(avg(CAST(by_preference AS INT)), 4) AS share_by_preference
FROM active
GROUP BY birth_band, preferred_channel
