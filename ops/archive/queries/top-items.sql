-- Which items have the most events.
-- An event counts once, however often it was sent.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
-- parameter EVENT_TYPE = : the only type to count; empty for all
-- parameter LIMIT = 20: how many items
WITH counted AS (
  SELECT
    json_extract_scalar(event, '$.itemId') AS item,
    count(DISTINCT eventid) + count_if(eventid IS NULL) AS events,
    count(DISTINCT userid) AS users,
    count(DISTINCT sessionid) AS sessions
  FROM events
  WHERE dt BETWEEN ? AND ?
    AND json_extract_scalar(event, '$.itemId') IS NOT NULL
    AND ? IN ('', eventtype)
  GROUP BY 1
),
ranked AS (
  SELECT row_number() OVER (ORDER BY events DESC, item) AS place, item, events, users, sessions FROM counted
)
SELECT place, item, events, users, sessions
FROM ranked
WHERE place <= ?
ORDER BY 1
