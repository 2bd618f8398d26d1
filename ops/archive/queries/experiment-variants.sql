-- What the users of each variant of an experiment did, side by side.
-- A user counts once, in the variant of the user's first event. Changed: users with events of two variants.
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
    receivedat
  FROM events
  WHERE dt BETWEEN ? AND ? AND json_extract_scalar(experiment, '$.name') = ?
),
chosen AS (
  SELECT ? AS event_type
),
visitors AS (
  SELECT
    visitor,
    min_by(variant, receivedat) AS variant,
    count(DISTINCT variant) > 1 AS has_changed,
    bool_or(eventtype = chosen.event_type) AS has_succeeded,
    count(*) AS events
  FROM experiment_events CROSS JOIN chosen
  GROUP BY 1
)
SELECT
  variant,
  count(*) AS users,
  count_if(has_succeeded) AS successes,
  round(count_if(has_succeeded) * 1e0 / count(*), 5) AS rate,
  count_if(has_changed) AS changed,
  sum(events) AS events
FROM visitors
GROUP BY 1
ORDER BY 1
