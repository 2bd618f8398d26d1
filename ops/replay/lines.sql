-- The lines of a day of the archive, oldest first.
-- Not a saved query: ops/replay/rows.py puts the time of arrival to it.
-- parameter FROM: the day, in UTC
-- parameter TO: the same day
WITH archived AS (
  SELECT
    line,
    dt,
    "$path",
    -- Of joined records, that of the first one.
    CASE
      WHEN TRY(json_parse(line)) IS NOT NULL THEN json_extract_scalar(line, '$.ReceivedAt')
      ELSE regexp_extract(line, '"ReceivedAt"[ \t]*:[ \t]*"([^"]*)"', 1)
    END AS receivedat
  FROM event_lines
  WHERE dt BETWEEN ? AND ?
),
timed AS (
  SELECT line, "$path" AS path, /* arrived */ AS arrived FROM archived
)
SELECT
  line,
  arrived,
  -- Of equal lines, which one: another producer's without EventId are an event each.
  row_number() OVER (PARTITION BY line ORDER BY arrived, path) AS number
FROM timed
ORDER BY arrived
