-- How long events take from the client to the API, and from the API to the archive, in seconds.
-- Only events with SentAt have the first time. It contains the error of the client's clock, so it can be negative.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH texts AS (
  SELECT
    dt,
    sentat,
    receivedat,
    "$file_modified_time" AS archived,
    regexp_extract(sentat, '([+-][0-9]{2}:[0-9]{2})$', 1) AS zone
  FROM events
  -- Not what another producer calls ReceivedAt, which may be anything.
  WHERE dt BETWEEN ? AND ? AND regexp_like(receivedat, '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$')
),
times AS (
  SELECT
    dt,
    -- As in interactions.sql.
    CASE
      WHEN regexp_like(sentat, '^[0-9]+([.][0-9]+|)([eE][+]{0,1}[0-9]{1,2}|)$') THEN try_cast(sentat AS double)
      ELSE to_unixtime(TRY(from_iso8601_timestamp(
          regexp_extract(sentat, '^[0-9]{4}-[0-9]{2}-[0-9]{2}', 0) || 'T'
          || regexp_replace(regexp_extract(sentat, '^.{11}([0-9]{2}:[0-9]{2}:[0-9]{2})', 1), ':60$', ':59')
          || coalesce(regexp_extract(sentat, '[.][0-9]{1,3}', 0), '') || 'Z'
        )))
        - coalesce(
          (CASE WHEN zone LIKE '-%' THEN -60 ELSE 60 END)
            * (60 * CAST(substr(zone, 2, 2) AS integer) + CAST(substr(zone, 5, 2) AS integer)),
          0
        )
    END AS sent,
    to_unixtime(TRY(from_iso8601_timestamp(receivedat))) AS received,
    to_unixtime(archived) AS archived
  FROM texts
)
SELECT
  dt AS day,
  count(received) AS events,
  count(sent) AS events_with_sent_at,
  round(approx_percentile(received - sent, 0.5), 1) AS to_api_median,
  round(approx_percentile(received - sent, 0.95), 1) AS to_api_p95,
  round(approx_percentile(archived - received, 0.5), 1) AS to_archive_median,
  round(approx_percentile(archived - received, 0.95), 1) AS to_archive_p95,
  round(max(archived - received), 1) AS to_archive_max
FROM times
WHERE received IS NOT NULL
GROUP BY 1
ORDER BY 1
