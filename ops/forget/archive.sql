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
named AS (
  SELECT
    lines.*,
    cardinality(
      regexp_extract_all(line, '"[_-]*[Uu][_-]*[Ss][_-]*[Ee][_-]*[Rr][_-]*[Ii][_-]*[Dd][_-]*"[ \t]*:')
    ) AS user_ids,
    cardinality(
      regexp_extract_all(
        line,
        '"[_-]*[Ss][_-]*[Ee][_-]*[Ss][_-]*[Ss][_-]*[Ii][_-]*[Oo][_-]*[Nn][_-]*[Ii][_-]*[Dd][_-]*"[ \t]*:'
      )
    ) AS session_ids
  FROM lines
),
judged AS (
  SELECT
    named.*,
    -- Without the ids of the contract, or with others beside them: another spelling, a second one, one that is no text,
    -- or a name that is written with escapes.
    sessionid IS NULL
      OR (coalesce(userid, '') = '' AND user_ids > 0)
      OR user_ids > 1
      OR session_ids > 1
      OR regexp_like(line, '"(UserId|SessionId)"[ \t]*:[ \t]*[^" \t]')
      OR strpos(line, '\u00') > 0 AS is_odd
  FROM named
)
SELECT object, CASE WHEN NOT is_odd THEN sessionid END AS session, count(*) AS lines
FROM judged
WHERE /* condition */
GROUP BY 1, 2
