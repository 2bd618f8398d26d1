-- Which share of the users did something, such as buy, and how many users a day there are.
-- The numbers that 'make experiment-size' needs. Take whole weeks.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter EVENT_TYPE = purchase: the type that counts as success
-- parameter FROM: first day, once more
-- parameter TO: last day, once more
WITH visitor_events AS (
  SELECT coalesce(userid, max(userid) OVER (PARTITION BY sessionid), sessionid) AS visitor, eventtype
  FROM events
  WHERE dt BETWEEN ? AND ? AND sessionid IS NOT NULL
),
chosen AS (
  SELECT ? AS event_type
),
visitors AS (
  SELECT visitor, bool_or(eventtype = chosen.event_type) AS has_succeeded
  FROM visitor_events CROSS JOIN chosen
  GROUP BY 1
)
SELECT
  count(*) AS users,
  count_if(has_succeeded) AS successes,
  round(count_if(has_succeeded) * 1e0 / count(*), 5) AS baseline,
  round(count(*) * 1e0 / (date_diff('day', date(?), date(?)) + 1), 1) AS users_per_day
FROM visitors
