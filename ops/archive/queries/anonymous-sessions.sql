-- Sessions that never carried a user: Personalize does not train on them.
-- A session counts on the day of its first event. A session that began before FROM or goes on after TO may have a user
-- there.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH sessions AS (
  SELECT
    sessionid,
    min(dt) AS day,
    count(userid) = 0 AS is_anonymous,
    count(DISTINCT eventid) + count_if(eventid IS NULL) AS events
  FROM events
  WHERE dt BETWEEN ? AND ? AND sessionid IS NOT NULL
  GROUP BY 1
)
SELECT
  day,
  count(*) AS sessions,
  count_if(is_anonymous) AS anonymous_sessions,
  round(count_if(is_anonymous) * 1e0 / count(*), 4) AS share_of_sessions,
  sum(events) AS events,
  sum(CASE WHEN is_anonymous THEN events ELSE 0 END) AS anonymous_events
FROM sessions
GROUP BY 1
ORDER BY 1
