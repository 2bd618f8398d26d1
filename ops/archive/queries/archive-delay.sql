-- How long events take from the client to the API, and from the API to the archive, in seconds.
-- Only events with SentAt have the first time. It contains the error of the client's clock, so it can be negative.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH times AS (
  SELECT
    dt,
    coalesce(
      try_cast(sentat AS double),
      to_unixtime(TRY(from_iso8601_timestamp(replace(upper(sentat), ' ', 'T'))))
    ) AS sent,
    to_unixtime(TRY(from_iso8601_timestamp(receivedat))) AS received,
    to_unixtime("$file_modified_time") AS archived
  FROM events
  WHERE dt BETWEEN ? AND ?
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
