-- The objects of the archive that may hold lines of a person.
-- Not a saved query: ops/forget/archive.py puts one of two conditions to it.
-- A line that is no event of the contract (is_odd) counts when its text has an id, or a backslash: JSON may write any
-- character with one. The objects are read then, and each line is judged there.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH lines AS (
  SELECT
    "$path" AS object,
    line,
    CASE WHEN TRY(json_parse(line)) IS NOT NULL THEN json_extract_scalar(line, '$.UserId') END AS userid,
    CASE WHEN TRY(json_parse(line)) IS NOT NULL THEN json_extract_scalar(line, '$.SessionId') END AS sessionid
  FROM event_lines
  WHERE dt BETWEEN ? AND ?
),
judged AS (
  SELECT
    lines.*,
    sessionid IS NULL
      OR (coalesce(userid, '') = '' AND regexp_like(line, '[Uu][Ss][Ee][Rr][_-]{0,1}[Ii][Dd]'))
      OR regexp_like(line, '"UserId"[ \t]*:.*"UserId"[ \t]*:')
      OR regexp_like(line, '"SessionId"[ \t]*:.*"SessionId"[ \t]*:') AS is_odd
  FROM lines
)
SELECT object, CASE WHEN NOT is_odd THEN sessionid END AS session, count(*) AS lines
FROM judged
WHERE /* condition */
GROUP BY 1, 2
