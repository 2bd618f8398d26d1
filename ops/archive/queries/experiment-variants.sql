-- What the users of each variant of an experiment did, side by side.
-- A user counts once, in the variant of the user's first event. A session and its user are one. Changed: users with
-- events of two variants. An event counts once, however often it was sent. The days are read twice.
-- docs/experiments.md says how to read it.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter EXPERIMENT: name of the experiment
-- parameter EVENT_TYPE = purchase: the type that counts as success
WITH experiment_events AS (
  SELECT
    coalesce(userid, max(userid) OVER (PARTITION BY sessionid), sessionid) AS visitor,
    json_extract_scalar(experiment, '$.variant') AS variant,
    eventtype,
    eventid,
    receivedat
  FROM events
  WHERE dt BETWEEN ? AND ? AND sessionid IS NOT NULL AND json_extract_scalar(experiment, '$.name') = ?
),
successful AS (
  SELECT DISTINCT visitor FROM experiment_events WHERE eventtype = ?
),
visitors AS (
  SELECT
    visitor,
    min_by(variant, receivedat) AS variant,
    count(DISTINCT variant) > 1 AS has_changed,
    count(DISTINCT eventid) + count_if(eventid IS NULL) AS events
  FROM experiment_events
  GROUP BY 1
)
SELECT
  visitors.variant,
  count(*) AS users,
  count(successful.visitor) AS successes,
  round(count(successful.visitor) * 1e0 / count(*), 5) AS rate,
  count_if(visitors.has_changed) AS changed,
  sum(visitors.events) AS events
FROM visitors LEFT JOIN successful ON successful.visitor = visitors.visitor
GROUP BY 1
ORDER BY 1
