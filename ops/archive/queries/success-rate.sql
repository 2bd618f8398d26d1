-- Which share of the users did something, such as buy, and how many users a day there are.
-- The numbers that 'make experiment-size' needs. Take whole weeks that are over. A session and its user are one. The
-- days are read twice.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter EVENT_TYPE = purchase: the type that counts as success
-- parameter FROM: once more
-- parameter TO: once more
WITH visitor_events AS (
  SELECT coalesce(userid, max(userid) OVER (PARTITION BY sessionid), sessionid) AS visitor, eventtype
  FROM events
  WHERE dt BETWEEN ? AND ? AND sessionid IS NOT NULL
),
visitors AS (
  SELECT count(DISTINCT visitor) AS users FROM visitor_events
),
successful AS (
  SELECT count(DISTINCT visitor) AS successes FROM visitor_events WHERE eventtype = ?
),
period AS (
  SELECT count(*) AS days
  FROM UNNEST(sequence(0, 9999)) AS numbers (number)
  WHERE CAST(CAST(date_add('day', numbers.number, DATE '2025-01-01') AS date) AS varchar) BETWEEN ? AND ?
)
SELECT
  visitors.users,
  successful.successes,
  round(successful.successes * 1e0 / nullif(visitors.users, 0), 5) AS baseline,
  round(visitors.users * 1e0 / nullif(period.days, 0), 1) AS users_per_day
FROM visitors CROSS JOIN successful CROSS JOIN period
