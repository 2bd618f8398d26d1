-- How many lines each day of the archive has, and how many of them have no EventId.
-- Not a saved query: ops/replay/rows.py runs it.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
SELECT
  dt,
  count(*) AS lines,
  count_if(TRY(json_parse(line)) IS NOT NULL AND json_extract_scalar(line, '$.EventId') IS NULL) AS without_id
FROM event_lines
WHERE dt BETWEEN ? AND ?
GROUP BY 1
ORDER BY 1
