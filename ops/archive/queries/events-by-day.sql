-- How many events of each type came on each day.
-- An event counts once, however often it was sent. A row without a type is a line that holds no event (spoiled-rows).
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
SELECT
  dt AS day,
  CASE WHEN action IS NULL THEN 'item' ELSE 'action' END AS kind,
  eventtype AS event_type,
  count(DISTINCT eventid) + count_if(eventid IS NULL) AS events,
  count(DISTINCT sessionid) AS sessions,
  count(DISTINCT userid) AS users
FROM events
WHERE dt BETWEEN ? AND ?
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
