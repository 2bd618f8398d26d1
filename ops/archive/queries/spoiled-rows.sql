-- Lines of the archive that are not one event, and the objects that hold them.
-- Joined: a record without a newline and the record after it. The table shows the first of the two events, or none.
-- Blank: a newline too many. Other: half a line, an event over several lines, or no JSON.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
SELECT
  dt AS day,
  "$path" AS object,
  count(*) AS lines,
  count_if(regexp_like(line, '[}][ \t\r]*[{]')) AS joined,
  count_if(regexp_like(line, '^[ \t\r]*$')) AS blank
FROM event_lines
WHERE dt BETWEEN ? AND ?
  AND (TRY(json_parse(line)) IS NULL OR NOT regexp_like(line, '^[ \t\r]*[{]'))
GROUP BY 1, 2
ORDER BY 1, 2
