-- How many events clients sent more than once, by day and type.
-- Personalize trains on the first event with an EventId. Sent again: with another ReceivedAt. Stored again: the same
-- record twice in the archive, after a retry of Kinesis or Firehose. Reused: the same EventId for another event.
-- parameter FROM: first day of the archive, in UTC
-- parameter TO: last day
WITH sent AS (
  SELECT
    eventid,
    min(dt) AS day,
    min_by(eventtype, receivedat) AS event_type,
    count(*) AS copies,
    count(DISTINCT receivedat) AS times,
    count(DISTINCT concat_ws(
      chr(31), coalesce(userid, ''), coalesce(sessionid, ''), coalesce(eventtype, ''),
      coalesce(event, ''), coalesce(action, ''), coalesce(sentat, '')
    )) AS contents
  FROM events
  WHERE dt BETWEEN ? AND ? AND eventid IS NOT NULL
  GROUP BY 1
)
SELECT
  day,
  event_type,
  count(*) AS events,
  count_if(times > 1) AS events_sent_again,
  sum(copies) - count(*) AS extra_rows,
  sum(copies) - sum(greatest(times, 1)) AS rows_stored_again,
  count_if(contents > 1) AS ids_reused
FROM sent
GROUP BY 1, 2
ORDER BY 1, 2
